"""Reads settings from YAML: takes secrets from outside, fills in defaults, and names file, line and field of an error."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ValidationError

from maskwatch.errors import ConfigError
from maskwatch.secrecy import hide_credentials
from maskwatch.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

Where = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"\$\{(?P<file>file:)?(?P<name>[^}:]*)(?::-(?P<fallback>[^}]*))?\}")
_SECRET_FIELDS = {"source", "url"}


def load_settings(path: Path) -> Settings:
    """Read a settings file, or raise ConfigError with one line for each mistake: file, line, field, cause."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    return parse_settings(text, str(path))


def parse_settings(text: str, name: str = "settings") -> Settings:
    """Read settings from YAML text; `name` stands for the file in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: is not YAML: {error.problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: is not YAML") from None
    lines: dict[Where, int] = {}
    problems: list[str] = []
    tree = _plain(node, (), lines, problems, name) if node is not None else {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{name}:1: must be a mapping with `cameras:`")
    if problems:
        raise ConfigError("\n".join(problems))
    cameras = tree.get("cameras")
    defaults = tree.get("defaults")
    if isinstance(cameras, list) and isinstance(defaults, dict):
        tree["cameras"] = [_merged(defaults, camera) if isinstance(camera, dict) else camera for camera in cameras]
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        said = dict.fromkeys(_explain(problem, lines, name) for problem in error.errors(include_url=False))
        raise ConfigError("\n".join(said)) from None


def dump_settings(settings: Settings) -> str:
    """Write the effective settings as YAML with secrets hidden."""
    tree = settings.model_dump(mode="json")
    _hide(tree)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)


class SettingsWatch:
    """Notices that a settings file changed, or that it was asked to look (SIGHUP)."""

    def __init__(self, path: Path, settings: Settings) -> None:
        """Begin with what was read last."""
        self.path = path
        self.current = settings
        self._seen = self._stamp()
        self.asked = False

    def poll(self) -> Settings | None:
        """Return new settings, None if nothing changed, or raise ConfigError once for a broken edit."""
        stamp = self._stamp()
        if stamp == self._seen and not self.asked:
            return None
        self._seen, self.asked = stamp, False
        settings = load_settings(self.path)
        if settings == self.current:
            return None
        self.current = settings
        return settings

    def _stamp(self) -> tuple[int, int, int]:
        try:
            status = self.path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_size, status.st_ino)


def _plain(node: yaml.Node, where: Where, lines: dict[Where, int], problems: list[str], name: str) -> Any:
    """Turn a YAML node into plain values, noting the line of each and filling in what stands outside."""
    lines[where] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in tree:
                problems.append(f"{name}:{key_node.start_mark.line + 1}: {_path((*where, key))}: stands here twice")
            tree[key] = _plain(value_node, (*where, key), lines, problems, name)
            lines[(*where, key)] = key_node.start_mark.line + 1
        return tree
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*where, index), lines, problems, name) for index, item in enumerate(node.value)]
    value = yaml.SafeLoader("").construct_object(node)
    if not isinstance(value, str):
        return value
    try:
        return _filled(value)
    except LookupError as error:
        problems.append(f"{name}:{node.start_mark.line + 1}: {_path(where)}: {error.args[0]}")
        return value


def _filled(text: str) -> str:
    """Put environment variables and files in place of their names; inside an address they are percent-encoded."""
    if text.startswith("file:") and not text.startswith("file://"):
        return _content(text.removeprefix("file:"))

    def value(match: re.Match[str]) -> str:
        before = text[: match.start()]
        found = _content(match["name"]) if match["file"] else _variable(match["name"], match["fallback"])
        return quote(found, safe="") if "://" in before and "@" in text[match.end() :] else found

    return _PLACEHOLDER.sub(value, text)


def _variable(name: str, fallback: str | None) -> str:
    found = os.environ.get(name, fallback)
    if found is None:
        close = difflib.get_close_matches(name, os.environ, n=1, cutoff=0.8)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise LookupError(f"the environment variable {name} is not set.{hint} Set it, or write ${{{name}:-fallback}}")
    return found


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not text"
        raise LookupError(f"the secret's file {path} cannot be read: {why}") from None


def _merged(defaults: dict[str, Any], camera: dict[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in camera.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(problem: Any, lines: dict[Where, int], name: str) -> str:
    where: Where = tuple(problem["loc"])
    if where[:1] == ("cameras",) and where not in lines and (inherited := ("defaults", *where[2:])) in lines:
        where = inherited  # the value came from `defaults`: name the line where it stands
    known = next(lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in lines or end == 0)
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        names = sorted(_fields_at(where[:-1]))
        close = difflib.get_close_matches(str(where[-1]), names, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(names)}"
        message = f"unknown field; {hint}"
    elif problem["type"] in {"literal_error", "enum"}:
        given = str(problem.get("input"))
        choices = re.findall(r"'([^']*)'", problem["msg"])
        close = difflib.get_close_matches(given, choices, n=1)
        message = f"{given!r} is not known; " + (f"did you mean `{close[0]}`?" if close else problem["msg"])
    elif problem["type"] == "missing":
        message = "is missing"
    elif not _may_hold_secret(where) and isinstance(problem.get("input"), (str, int, float, bool)):
        message += f" (is {problem['input']!r})"
    return hide_credentials(f"{name}:{known}: {_path(where) or 'the file'}: {message}")


def _may_hold_secret(where: Where) -> bool:
    return bool(where) and where[-1] in _SECRET_FIELDS


def _fields_at(where: Where) -> Iterator[str]:
    model: Any = Settings
    for part in where:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next((each for each in _leaves(annotation) if issubclass(each, BaseModel)), BaseModel)
    return iter(model.model_fields)


def _leaves(annotation: Any) -> Iterator[type]:
    arguments = getattr(annotation, "__args__", ())
    if isinstance(annotation, type) and not arguments:
        yield annotation
    for argument in arguments:
        yield from _leaves(argument)


def _path(where: Where) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _hide(tree: Any) -> None:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        if isinstance(value, str) and key in _SECRET_FIELDS:
            tree[key] = hide_credentials(value)
        else:
            _hide(value)
