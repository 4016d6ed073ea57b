"""What the pages tell people to type, to write and to look at is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import click
import pytest
import yaml

from aggregator.alerts.sinks import examine
from dashboard.access.passwords import hash_password
from maskwatch.cli import COMMANDS, command
from maskwatch.docs_settings import settings_fields
from maskwatch.settings import Settings
from maskwatch.settings_file import parse_settings
from tests.conftest import ROOT
from tests.promql import exported

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))

WRITTEN = re.compile(
    r"`maskwatch ([^`]+)`"
    r"|^\$ (?:.* )?maskwatch ([a-z-][^\n#]+)"
    r"|^# /\S*/maskwatch ([^\n#]+)"  # as root
    r"|(?:exec [\w-]+|-0 --) maskwatch ([a-z][^`\n#]*)",  # in a container
    re.MULTILINE,
)
ENDS = re.compile(r"\s(?:\||>|<|&&|;)\s")
FILES = {
    "acl",
    "cer",
    "conf",
    "db",
    "env",
    "json",
    "jsonl",
    "md",
    "mp4",
    "pem",
    "py",
    "secret",
    "sh",
    "svg",
    "yaml",
    "yml",
}
NO_SETTINGS = {"detector.engine", "store.py"}


def lines(page: Path) -> list[list[str]]:
    """The words after `maskwatch` of each command that a page has in backquotes or after a prompt."""
    found = [ENDS.split(max(each, key=len))[0].split() for each in WRITTEN.findall(page.read_text())]
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


@each_page
def test_commands_in_the_pages_exist(page: Path) -> None:
    """Each `maskwatch …` of a page is a command, with its own commands and options where those are written."""
    for words in lines(page):
        options = {option for each in meant(words) for parameter in each.params for option in parameter.opts}
        written = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert written <= options | {"--help"}, " ".join(words)


def test_commands_are_found_where_they_are_written() -> None:
    """The operator's page has many; a name that is no command, or none of a command's own, is told."""
    assert len(lines(ROOT / "docs" / "operator.md")) > 30
    found = [" ".join(words) for words in lines(ROOT / "docs" / "runbooks.md")]
    assert found.count("status") > 10  # on one machine, in a container, in a pod
    assert "systemd -o /etc/systemd/system" in [" ".join(words) for words in lines(ROOT / "docs" / "operator.md")]
    for words in (["sing"], ["alerts", "sing"], ["up|sing"]):
        with pytest.raises(KeyError, match="sing"):
            meant(words)


@each_page
def test_other_programs_of_the_repository_exist(page: Path) -> None:
    """Each `python -m …`, `make …` and `deploy/…` of a page is there, and each service of Compose and Kubernetes."""
    text = page.read_text()
    for module in re.findall(r"python -m ((?:tests|training|dashboard|maskwatch)[\w.]*)", text):
        assert importlib.util.find_spec(module), module
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^\$ |^    )make (\w+)", text, re.MULTILINE)) <= targets
    for file in re.findall(r"(?<![\w./])deploy/[\w./-]*\w", text):
        assert (ROOT / file).exists() or file in made(), file
    for words in re.findall(
        r"docker compose -f deploy/compose\.yaml (?:exec|restart|stop|logs|cp|run) ([^`\n&]+)", text
    ):
        assert composed() & set(re.split(r"[\s:]", words)), words
    in_kubernetes = composed() | {"store"}
    for name in re.findall(r"(?<![\w-])site-(\w+)", text):
        assert name in in_kubernetes, name


@cache
def composed() -> set[str]:
    """Names of the services of the compose file."""
    return set(yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"])


@cache
def made() -> set[str]:
    """What lies in deploy/ once a site runs: what its operator writes, and what the script of the secrets makes."""
    written = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["sh", ROOT / "deploy" / "secrets.sh", folder], check=True, capture_output=True)
        secrets = {file.name for file in Path(folder).iterdir()}
    return written | {f"deploy/secrets/{name}" for name in (*secrets, "alerts/mqtt", "go2rtc.env")}


@each_page
def test_samples_of_settings_are_right(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sample of the settings file loads, and its subscriptions could be opened."""
    for sample in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        if sample.startswith("# values.yaml"):
            continue
        assert yaml.safe_load(sample).keys() <= Settings.model_fields.keys(), sample
        for name in re.findall(r"\$\{(\w+)\}", sample):
            monkeypatch.setenv(name, "a-secret-of-more-than-24-characters")
        settings = parse_settings(sample.replace("$argon2id$…", hash_password("a password")), str(page))
        assert not [why for each in settings.subscriptions for why in examine(each)], sample


@each_page
def test_names_in_the_pages_are_those_of_the_code(page: Path) -> None:
    """Each metric, each recorded series and each field of the settings that a page names is there."""
    text = page.read_text()
    series = {name.partition("_bucket")[0] for name in exported().series}
    for name in re.findall(r"`((?:camera:|site:)?maskwatch_\w+(?::\w+)?)[`{]", text):
        assert name in series | {"maskwatch_compliance"}, name
    paths = [path.replace("[]", "") for path, _ in settings_fields()]
    known = {".".join(parts[at:]) for path in paths for parts in [path.split(".")] for at in range(len(parts))}
    known |= {path.rpartition(".")[0] for path in known}
    groups = {part for path in paths for part in path.split(".")[:-1]}
    for name in re.findall(r"`([a-z]\w*(?:\.[a-z]\w*)+)[`:]", text):
        if name.split(".")[0] in groups and name.rpartition(".")[2] not in FILES and name not in NO_SETTINGS:
            assert name in known, name


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository finds it, and its heading."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not heading or heading in headings(target), link


@cache
def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
