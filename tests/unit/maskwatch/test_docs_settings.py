"""The settings, their reference and their schema are one and the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, get_args

import pytest

from maskwatch.docs_settings import bounds, settings_fields, settings_reference, settings_schema
from maskwatch.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic.fields import FieldInfo

FIELDS = [pytest.param(path, field, id=path) for path, field in settings_fields()]
UNITS = re.compile(r"^(Seconds|Upper bound of .* in seconds)")


def test_reference_is_current(root: Path) -> None:
    """docs/settings.md is what the code says; `make docs` writes it anew."""
    assert (root / "docs" / "settings.md").read_text() == settings_reference()


def test_schema_is_current(root: Path) -> None:
    """docs/settings.schema.json is what the code says; `make docs` writes it anew."""
    assert json.loads((root / "docs" / "settings.schema.json").read_text()) == settings_schema()


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_every_field_is_described(path: str, field: FieldInfo) -> None:
    """Every field has a sentence that says more than its name."""
    text = field.description or ""
    assert len(text) > 10, path
    assert text.rstrip().endswith("."), path


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_every_number_is_bounded(path: str, field: FieldInfo) -> None:
    """Every number has a lower and an upper bound."""
    kinds = {field.annotation, *get_args(field.annotation)}
    if kinds & {int, float}:
        said = bounds(field)
        assert re.search(r" to |more than .*at most", said), f"{path}: {said!r}"


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_durations_carry_their_unit(path: str, field: FieldInfo) -> None:
    """What is described in seconds ends with _s, and nothing else does."""
    assert bool(UNITS.match(field.description or "")) == path.endswith("_s"), path


def test_defaults_are_within_their_bounds() -> None:
    """The settings of an empty file validate against themselves."""
    assert Settings.model_validate(Settings().model_dump()) == Settings()


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return dict(schema["$defs"][name]) if name else part


def _problems(  # noqa: C901 - a schema has so many kinds of rules
    schema: dict[str, Any], part: dict[str, Any], value: object, where: str
) -> list[str]:
    """Check what these schemas use: types, known and required fields, bounds, choices, patterns."""
    part = _resolved(schema, part)
    if "anyOf" in part:
        found = [_problems(schema, each, value, where) for each in part["anyOf"]]
        return [] if [] in found else found[0]
    said: list[str] = []
    if isinstance(value, dict):
        known = part.get("properties", {})
        said += [f"{where}.{name} is missing" for name in part.get("required", []) if name not in value]
        for name, inner in value.items():
            if name in known:
                said += _problems(schema, known[name], inner, f"{where}.{name}")
            elif part.get("additionalProperties") is False:
                said.append(f"{where}.{name} is unknown")
    elif isinstance(value, list):
        said += [each for item in value for each in _problems(schema, part.get("items", {}), item, f"{where}[]")]
    elif isinstance(value, str):
        if "enum" in part and value not in part["enum"]:
            said.append(f"{where} is none of {part['enum']}")
        if not re.search(part.get("pattern", ""), value):
            said.append(f"{where} does not match")
    elif isinstance(value, (int, float)) and value > part.get("maximum", value):
        said.append(f"{where} is too large")
    return said


@pytest.mark.parametrize(
    ("file", "problems"),
    [
        pytest.param({}, [], id="empty"),
        pytest.param({"cameras": [{"id": "door", "source": "rtsp://h/1"}]}, [], id="smallest"),
        pytest.param({"cameras": [{"id": "door", "sorce": "x"}]}, 2, id="misspelt field"),
        pytest.param({"camera": []}, ["file.camera is unknown"], id="misspelt section"),
        pytest.param({"defaults": {"fps": 99}}, ["file.defaults.fps is too large"], id="out of bounds"),
        pytest.param({"defaults": {"transport": "tpc"}}, 1, id="unknown choice"),
        pytest.param({"cameras": [{"id": "Door", "source": "/x"}]}, ["file.cameras[].id does not match"], id="id"),
        pytest.param({"defaults": {"backoff": {"first_s": 2}}}, [], id="part of a group"),
    ],
)
def test_schema_knows_mistakes(file: dict[str, Any], problems: list[str] | int) -> None:
    """The schema takes what maskwatch takes, and marks a misspelt field, a wrong choice and a number out of bounds."""
    schema = settings_schema()
    said = _problems(schema, schema, file, "file")
    assert (len(said) if isinstance(problems, int) else said) == problems
