"""The words of the pages, in one place for each language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def load_texts(language: str = "en") -> dict[str, dict[str, str]]:
    """Return the texts of a language by section and name."""
    tree: dict[str, Any] = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return tree
