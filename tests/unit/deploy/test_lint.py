"""What the linters of shell and YAML say of every such file below deploy/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

DEPLOY = ROOT / "deploy"
LONG = "{line-length: {max: 130, ignore: [alerts.yaml]}, document-start: disable, braces: disable}"
"""An alert's text stands on one line, as it is shown."""


def said(program: str, *arguments: str | Path) -> str:
    """Return what a linter of this environment finds, empty if nothing."""
    command = [Path(sys.executable).with_name(program), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not run.stderr, run.stderr
    return run.stdout


def below_deploy(endings: Iterable[str]) -> list[Path]:
    """Return the files below deploy/ with these endings, without templates, which are no YAML yet, and secrets."""
    files = (file for file in DEPLOY.rglob("*") if file.suffix in endings)
    return [file for file in files if not {"templates", "secrets"} & set(file.parts)]


def test_yaml_is_tidy() -> None:
    """Yamllint finds nothing in any YAML of deploy/."""
    files = below_deploy({".yaml", ".yml"})
    assert len(files) > 10
    assert said("yamllint", "-s", "-d", f"{{extends: default, rules: {LONG}}}", *files) == ""


def test_shell_is_right() -> None:
    """Shellcheck finds nothing in the scripts of deploy/ and in that of CI."""
    scripts = below_deploy({".sh"})
    assert len(scripts) >= 3
    assert said("shellcheck", *scripts, ROOT / ".ci" / "run") == ""
