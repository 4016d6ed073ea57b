"""Reads settings from YAML: takes secrets from outside, fills in defaults, and names line and field of a mistake."""

from __future__ import annotations

import difflib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ValidationError

from maskwatch.errors import ConfigError
from maskwatch.secrecy import hide_credentials
from maskwatch.settings import Settings
from maskwatch.settings_camera import CAMERA_ID
from maskwatch.settings_dump import HIDDEN_FIELDS, SECRET_FIELDS
from maskwatch.settings_subscriptions import SubscriptionSettings, faults

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    Examine = Callable[[SubscriptionSettings], Iterable[tuple["Where", str]]]
    """Looks at a subscription that is valid in itself, and yields what else is wrong: where in it, and why."""

Where = tuple[str | int, ...]

_PLACEHOLDER = re.compile(r"\$\{(?P<file>file:)?(?P<name>[^}:]*)(?::-(?P<fallback>[^}]*))?\}")
_REFUSED = object()
_MESSAGES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "missing": "is missing",
    "model_type": "must be a mapping",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_pattern_mismatch": "is not written as it must be",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "string_type": "must be text; put it in quotes",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} items",
    "tuple_type": "must be a list",
}
"""What pydantic's kinds of error mean to somebody who writes YAML."""


def load_settings(path: Path, examine: Examine | None = None, *, only: Collection[str] | None = None) -> Settings:
    """Read a settings file, or raise ConfigError with one line for each mistake: file, line, field, cause.

    Args:
        path: of the file.
        examine: what this reader must have right beside what all need.
        only: fields at the top to read, as others may want secrets that are not at hand; those stay at their defaults.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    return parse_settings(text, str(path), examine, only=only)


def parse_settings(
    text: str, name: str = "settings", examine: Examine | None = None, *, only: Collection[str] | None = None
) -> Settings:
    """Read settings from YAML text, as `load_settings` does; `name` stands for the file in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = re.sub(r"alias '.*'", "alias: quote a text that begins with *", str(error.problem))
        raise ConfigError(f"{name}:{line}: is not YAML: {problem}") from None
    except yaml.YAMLError:
        raise ConfigError(f"{name}: is not YAML") from None
    if only is not None and isinstance(node, yaml.MappingNode):
        node.value = [(key, value) for key, value in node.value if key.value in only]
    document = _Document(name)
    tree = document.plain(node, ()) if node is not None else {}
    if not isinstance(tree, dict):
        raise ConfigError("\n".join(document.problems) or f"{name}:1: must be a mapping with `cameras:`")
    cameras, defaults = tree.get("cameras"), tree.get("defaults")
    between = _between_fields(tree, examine)  # before the ids of twins are taken away
    if isinstance(cameras, list):
        document.refuse_twins(cameras)
        if isinstance(defaults, dict):
            tree["cameras"] = [_merged(defaults, camera) if isinstance(camera, dict) else camera for camera in cameras]
        _merge_rules(tree)
    settings, said = None, [*document.problems]
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        said += [_explain(each, document) for each in problems if not _follows(each, problems, document)]
    said += [document.say(where, why) for where, why in between]
    if settings is None or said:
        raise ConfigError("\n".join(sorted(dict.fromkeys(said), key=document.line_of)))
    return settings


class _Stamp(NamedTuple):
    """By what a changed file is told; the size of one that is not there is -1."""

    written_at_ns: int
    size: int
    inode: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        return self.size == 0


class SettingsWatch:
    """Notices that a settings file changed, or that it was asked to look (SIGHUP)."""

    def __init__(self, path: Path, examine: Examine | None = None) -> None:
        """Begin with what the file says now; raises ConfigError where `load_settings` does."""
        self.path = path
        self._examine = examine
        self._seen = self._stamp()  # before reading: what is edited from here on is noticed
        self._asked = False
        self.current = load_settings(path, examine)

    def ask(self) -> None:
        """Have the next poll read the file whether it changed or not; safe in a signal handler."""
        self._asked = True

    def poll(self) -> Settings | None:
        """Return new settings, None if nothing changed, or raise ConfigError once for a broken edit.

        An empty file is no edit yet: it is one that somebody begins to write.
        """
        stamp = self._stamp()
        if (stamp == self._seen and not self._asked) or stamp.is_empty:
            return None
        self._seen, self._asked = stamp, False
        settings = load_settings(self.path, self._examine)
        if settings == self.current:
            return None
        self.current = settings
        return settings

    def _stamp(self) -> _Stamp:
        try:
            status = self.path.stat()
        except OSError:
            return _Stamp(0, -1, 0)
        return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


class _Document:
    """A YAML document on its way to plain values: which line each came from, which came from outside, what is wrong."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Where, int] = {}
        self.outside: set[Where] = set()
        self.problems: list[str] = []
        self.refused: set[Where] = set()
        self._open: list[yaml.Node] = []

    def plain(self, node: yaml.Node, where: Where) -> Any:
        """Turn a node into plain values, filling in what stands outside of the file."""
        self.lines.setdefault(where, node.start_mark.line + 1)
        if any(node is parent for parent in self._open):
            return self._refuse(node, where, "contains itself")
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, where)
            if isinstance(node, yaml.SequenceNode):
                return [self.plain(item, (*where, index)) for index, item in enumerate(node.value)]
            return self._scalar(node, where)
        finally:
            self._open.pop()

    def refuse_twins(self, cameras: list[Any]) -> None:
        """Note every camera whose id an earlier one has."""
        first: dict[str, int] = {}
        for index, camera in enumerate(cameras):
            id_ = camera.get("id") if isinstance(camera, dict) else None
            if isinstance(id_, str) and first.setdefault(id_, index) != index:
                where: Where = ("cameras", index, "id")
                line = self.lines.get(where, self.lines[where[:2]])
                self.problems.append(f"{self.name}:{line}: {_path(where)}: is the id of cameras[{first[id_]}] already")
                self.refused.add(where)
                camera["id"] = _REFUSED

    def say(self, where: Where, why: str) -> str:
        """Write one mistake as a line with file, line and field; the field may be one that was left out."""
        known = next(
            self.lines[where[:end]] for end in range(len(where), -1, -1) if where[:end] in self.lines or end == 0
        )
        return hide_credentials(f"{self.name}:{known}: {_path(where) or 'the file'}: {why}")

    def line_of(self, said: str) -> int:
        """Return the line of the file that something said is about, 0 if it names none."""
        found = re.match(rf"{re.escape(self.name)}:(\d+):", said)
        return int(found[1]) if found else 0

    def _mapping(self, node: yaml.MappingNode, where: Where) -> Any:
        own: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                return self._refuse(key, where, "the name of a field must be plain text")
            if key.value in own:
                self._refuse(key, (*where, key.value), "stands here twice")
            own.add(key.value)
        try:
            yaml.SafeLoader("").flatten_mapping(node)  # puts what `<<: *anchor` brings before the mapping's own fields
        except yaml.YAMLError:
            return self._refuse(node, where, "<<: takes the anchor of a mapping, such as *door")
        tree: dict[str, Any] = {}
        for key, value in node.value:
            self.lines[*where, key.value] = key.start_mark.line + 1
            tree[key.value] = self.plain(value, (*where, key.value))
        return {name: _REFUSED if (*where, name) in self.refused else value for name, value in tree.items()}

    def _scalar(self, node: yaml.Node, where: Where) -> Any:
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError):  # a date that is none, an empty !!int, an unknown !!tag
            return self._refuse(node, where, "is no value that can be used here; put it in quotes if it is text")
        if not isinstance(value, str):
            return value
        try:
            filled = _filled(value)
        except LookupError as error:
            return self._refuse(node, where, str(error.args[0]))
        if filled != value:
            self.outside.add(where)
        return filled

    def _refuse(self, node: yaml.Node, where: Where, why: str) -> Any:
        """Note what is wrong, and return what stands in for the value: it fits no field."""
        self.refused.add(where)
        self.problems.append(f"{self.name}:{node.start_mark.line + 1}: {_path(where) or 'the file'}: {why}")
        return _REFUSED


def _filled(text: str) -> str:
    """Put environment variables and files in place of their names; inside an address they are percent-encoded."""
    if text.startswith("file:") and not text.startswith("file://"):
        return _content(text.removeprefix("file:"))

    def value(match: re.Match[str]) -> str:
        before = text[: match.start()]
        found = (
            _content(match["name"], match["fallback"]) if match["file"] else _variable(match["name"], match["fallback"])
        )
        return quote(found, safe="") if "://" in before and "@" in text[match.end() :] else found

    return _PLACEHOLDER.sub(value, text)


def _variable(name: str, fallback: str | None) -> str:
    found = os.environ.get(name, fallback)
    if found is None:
        close = difflib.get_close_matches(name, os.environ, n=1, cutoff=0.8)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise LookupError(f"the environment variable {name} is not set.{hint} Set it, or write ${{{name}:-fallback}}")
    return found


def _content(path: str, fallback: str | None = None) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError) and fallback is not None:
            return fallback
        why = error.strerror if isinstance(error, OSError) else "is not text"
        raise LookupError(f"the secret's file {path} cannot be read: {why}") from None


def _merged(defaults: dict[str, Any], camera: dict[str, Any]) -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in camera.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _merge_rules(tree: dict[str, Any]) -> None:
    """Give each camera that has a rule of its own what that one leaves out, from the site's."""
    site = tree.get("rule")
    for camera in tree["cameras"]:
        own = camera.get("rule") if isinstance(camera, dict) else None
        if isinstance(own, dict) and isinstance(site, dict):
            camera["rule"] = _merged(site, own)


def _between_fields(tree: dict[str, Any], examine: Examine | None) -> list[tuple[Where, str]]:
    """Return what is wrong between the fields of each subscription that is valid in itself, whatever the others are."""
    sound: dict[int, SubscriptionSettings] = {}
    given, cameras = tree.get("subscriptions"), tree.get("cameras")
    for index, each in enumerate(given if isinstance(given, list) else ()):
        with suppress(ValidationError):
            sound[index] = SubscriptionSettings.model_validate(each)
    ids = [
        each.get("id") if isinstance(each, dict) else None for each in (cameras if isinstance(cameras, list) else ())
    ]
    known = [each for each in ids if isinstance(each, str) and CAMERA_ID.fullmatch(each)]
    found = [*faults(sound, known if len(known) == len(ids) else ())]
    faulty = {where[1] for where, _ in found}
    for index, each in sound.items():
        if examine is not None and index not in faulty:
            found += [(("subscriptions", index, *where), why) for where, why in examine(each)]
    return found


def _follows(problem: Any, problems: Sequence[Any], document: _Document) -> bool:
    """Whether a mistake is there only because of others, which are told themselves.

    It is about what stands in for a refused value, or a list is too short as long as mistakes in it are left out.
    """
    where = problem["loc"]
    shown = _where(problem, document)
    if any(shown[:end] in document.refused for end in range(len(shown) + 1)):
        return True
    return problem["type"] == "too_short" and any(
        len(each["loc"]) > len(where) and each["loc"][: len(where)] == where for each in problems
    )


def _where(problem: Any, document: _Document) -> Where:
    """Return where the value of a mistake stands: one that a camera inherited, among the site's."""
    where: Where = tuple(problem["loc"])
    if where[:1] == ("cameras",) and where not in document.lines:
        inherited: Where = where[2:] if where[2:3] == ("rule",) else ("defaults", *where[2:])
        return inherited if inherited in document.lines else where
    return where


def _explain(problem: Any, document: _Document) -> str:
    where = _where(problem, document)
    given = problem.get("input")
    may_be_shown = isinstance(given, (str, int, float)) and not _is_secret(where, document)
    if problem["type"] == "extra_forbidden":
        names = sorted(_fields_at(where[:-1]))
        close = difflib.get_close_matches(str(where[-1]), names, n=1)
        message = "unknown field; " + (f"did you mean `{close[0]}`?" if close else f"known are {', '.join(names)}")
    elif problem["type"] in {"literal_error", "enum"}:
        choices = re.findall(r"'([^']*)'", problem["msg"])
        close = difflib.get_close_matches(str(given), choices, n=1) if may_be_shown else []
        message = (f"{given!r} is not known; " if may_be_shown else "is not known; ") + (
            f"did you mean `{close[0]}`?" if close else f"known are {', '.join(choices)}"
        )
    else:
        message = _MESSAGES.get(problem["type"], "{msg}").format(**problem.get("ctx", {}), msg=problem["msg"])
        message = message.removeprefix("Value error, ")
        if may_be_shown and problem["type"] != "missing":
            message += f" (is {given!r})"
    return document.say(where, message)


def _is_secret(where: Where, document: _Document) -> bool:
    """Whether a value may hold a secret: by its field, or because it stood in the environment or a file."""
    return bool((SECRET_FIELDS | HIDDEN_FIELDS) & set(where)) or where in document.outside


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
