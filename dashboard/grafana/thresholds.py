"""The alerts' thresholds, read from where operators keep them, so that a colour and an alert say the same."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "thresholds.yaml"


def thresholds(file: Path = FILE) -> dict[str, float]:
    """Return each threshold by its name."""
    rules = yaml.safe_load(file.read_text())["groups"][0]["rules"]
    return {each["labels"]["name"]: float(re.fullmatch(r"vector\((.+)\)", each["expr"])[1]) for each in rules}  # type: ignore[index]
