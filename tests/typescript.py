"""Packages of types from npm, and TypeScript's compiler, which holds literals to them: an unknown field is an error."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.programs import require_program

if TYPE_CHECKING:
    from pathlib import Path

COMPILER = "typescript@7.0.2"


def npm_project(folder: Path, *packages: str) -> Path:
    """Install packages (NAME@VERSION) and the compiler in an empty folder; returns it."""
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    npm = [require_program("npm"), "install", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    command = [*npm, COMPILER, *packages]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder


def faults(project: Path, modules: dict[str, str]) -> str:
    """Compile modules and return what the compiler says, empty if all is well."""
    for name, text in modules.items():
        (project / f"{name}.ts").write_text(text)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]
    command = [str(project / "node_modules" / ".bin" / "tsc"), *options, *(f"{name}.ts" for name in modules)]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, timeout=120).stdout
