"""Writes the settings down for people (docs/settings.md) and for editors (JSON Schema), from the model itself."""

from __future__ import annotations

import enum
import json
import sys
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from maskwatch.settings import Settings
from maskwatch.settings_camera import CAMERA_ID, CameraDefaults, CameraSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_HEAD = """\
# Settings

Written by `make docs` from `maskwatch/settings.py`; edit it there. A file may leave out everything but its cameras:

```yaml
cameras:
  - id: entrance
    source: rtsp://viewer:${ENTRANCE_PASSWORD}@10.0.0.21:554/stream2
```

- `maskwatch check-config FILE` names file, line and field of each mistake, and prints the effective settings.
- `maskwatch schema` prints a JSON Schema. With `# yaml-language-server: $schema=settings.schema.json` in the first
  line, editors complete and check the file.
- In every text, `${NAME}` is the environment variable, and `${file:PATH}` (or the whole value `file:PATH`) is the
  content of a file; `${NAME:-fallback}` and `${file:PATH:-fallback}` have a fallback for when there is none. Inside an
  address they are percent-encoded.
- A camera takes from `defaults` what it does not say itself, field by field.
- Durations are in seconds (`_s`), lengths in pixels.
- Beside the file: the variables `MASKWATCH_CONFIG` (for `-c`), `MASKWATCH_DATA_DIR` (for `--data-dir`) and
  `MASKWATCH_LOG` (`debug`, `info`, `warning`).
"""
_BOUNDS = {
    "ge": "at least {:g}",
    "gt": "more than {:g}",
    "le": "at most {:g}",
    "lt": "less than {:g}",
    "multiple_of": "a multiple of {:g}",
    "min_length": "at least {:g} long",
    "max_length": "at most {:g} long",
}


def settings_fields(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every field of the tree that holds a value, with its path; cameras only with what `defaults` lacks.

    >>> [path for path, _ in settings_fields()][:3]
    ['time_zone', 'cameras[].id', 'cameras[].source']
    """
    fields = {
        name: field
        for name, field in model.model_fields.items()
        if model is not CameraSettings or name not in CameraDefaults.model_fields
    }
    groups = {name: inner for name, field in fields.items() if (inner := _model_in(field.annotation)) is not None}
    for name, field in fields.items():
        if name not in groups:
            yield prefix + name, field
    for name, inner in groups.items():
        listed = get_origin(fields[name].annotation) is tuple
        yield from settings_fields(inner, f"{prefix}{name}{'[]' if listed else ''}.")


def settings_reference() -> str:
    """Return docs/settings.md."""
    lines = [_HEAD]
    section = None
    for path, field in settings_fields():
        part = path.rpartition(".")[0]
        if part.startswith("cameras[].rule"):
            continue  # the fields of the site's
        if part != section:
            section = part
            lines += ["", f"## {part or 'For the whole site'}", "", *_about(part)]
            lines.append("| Field | Type | Default | Bounds | Meaning |")
            lines.append("|---|---|---|---|---|")
        default = "(required)" if field.is_required() else f"`{_shown(field.get_default(call_default_factory=True))}`"
        meaning = " ".join((field.description or "").split())
        cells = (f"`{path.rpartition('.')[2]}`", _type(field.annotation), default, bounds(field), meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file."""
    schema = Settings.model_json_schema()
    schema["$defs"]["CameraSettings"]["properties"]["id"]["pattern"] = f"^{CAMERA_ID.pattern}$"
    return {"$schema": SCHEMA_DIALECT} | schema | {"title": "maskwatch settings"}


def bounds(field: FieldInfo) -> str:
    """Say between which bounds a field lies, empty where there are none."""
    limits = {name: getattr(each, name) for each in field.metadata for name in _BOUNDS if hasattr(each, name)}
    limits = {name: limit for name, limit in limits.items() if limit is not None}
    if "ge" in limits and "le" in limits:
        both = f"{limits.pop('ge'):g} to {limits.pop('le'):g}"
        return ", ".join([both, *(_BOUNDS[name].format(limit) for name, limit in limits.items())])
    return ", ".join(_BOUNDS[name].format(limit) for name, limit in limits.items())


def _about(part: str) -> list[str]:
    model: Any = Settings
    if not part:
        return []
    for name in part.replace("[]", "").split("."):
        model = _model_in(model.model_fields[name].annotation)
    text = [str(model.__doc__ or "").strip(), ""]
    if model is CameraSettings:
        text[0] += " Every field of `defaults` may stand here too, and a [`rule`](#rule) of the camera's own."
    return text


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each)) is not None), None)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in {Union, types.UnionType}:
        return " or ".join("empty" if each is type(None) else _type(each) for each in get_args(annotation))
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)
        return f"list of {_type(inner[0])}" if inner[-1] is Ellipsis else "[" + ", ".join(map(_type, inner)) + "]"
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{choice.value}`" for choice in annotation)
    names = {bool: "true or false", float: "number", int: "whole number", str: "text", SecretStr: "text"}
    return names.get(annotation) or _type(get_args(annotation)[0])


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{each}"' if each == "*" else _shown(each) for each in value) + "]"
    return {"": '""', None: "null"}.get(value, str(value))


if __name__ == "__main__":
    print(json.dumps(settings_schema(), indent=2) if "--schema" in sys.argv else settings_reference().rstrip())
