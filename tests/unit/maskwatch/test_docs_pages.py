"""The commands that the pages tell people to type exist, with the options they are given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from maskwatch.cli import COMMANDS, command
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = re.compile(r"`maskwatch ([^`]+)`|^\$ (?:.* )?maskwatch ([^\n#]+)", re.MULTILINE)
ENDS = re.compile(r"\s(?:\||>|&&|;)\s")


def lines(page: Path) -> list[list[str]]:
    """The words after `maskwatch` of each command that a page has in backquotes or after a prompt."""
    found = [ENDS.split(quoted or typed)[0].split() for quoted, typed in WRITTEN.findall(page.read_text())]
    return [words for words in found if words and not words[0].startswith("-")]


def meant(words: list[str]) -> list[click.Command]:
    """The commands that a line names; `a|b` names two. Raises KeyError for one that does not exist."""
    context = click.Context(command)
    names = [name for name in words[0].split("|") if name]
    missing = {*names} - {*COMMANDS}
    if missing:
        raise KeyError(*missing)
    commands = [each for name in names if (each := command.get_command(context, name))]
    if isinstance(commands[0], click.Group) and len(words) > 1 and not words[1].startswith("-"):
        return [commands[0].commands[name] for name in words[1].split("|")]
    return commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_pages_exist(page: Path) -> None:
    """Each `maskwatch …` of a page is a command, with its own commands and options where those are written."""
    for words in lines(page):
        options = {option for each in meant(words) for parameter in each.params for option in parameter.opts}
        written = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
        assert written <= options | {"--help"}, " ".join(words)


def test_commands_are_found_where_they_are_written() -> None:
    """The operator's page has many; a name that is no command, or none of a command's own, is told."""
    assert len(lines(ROOT / "docs" / "operator.md")) > 30
    for words in (["sing"], ["alerts", "sing"], ["up|sing"]):
        with pytest.raises(KeyError, match="sing"):
            meant(words)
