"""The settings of subscriptions: who is told of which events, when, how often, and by which way."""

from __future__ import annotations

import difflib
import enum
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema, field_validator

from maskwatch import duration
from maskwatch.domain import EventKind
from maskwatch.frozen import Frozen
from maskwatch.schedule import Schedule
from maskwatch.secrecy import hide_address, require_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
APPRISE = "apprise:"
LEAST_SECRET = 16
SCHEMES = ("https", "http", "mqtts", "mqtt", "apprise")
APPRISE_SCHEMES = (
    *("mailto", "mailtos", "slack", "msteams", "tgram", "ntfy", "ntfys", "discord", "gchat", "matrix", "matrixs"),
    *("pover", "gotify", "gotifys", "signal", "signals", "rocket", "rockets", "json", "jsons", "workflows"),
)
"""The commonest of Apprise's own schemes, to say what was forgotten when one stands without `apprise:`."""


def _between(least: str, most: str) -> AfterValidator:
    def check(text: str) -> str:
        if not duration.seconds(least) <= duration.seconds(text) <= duration.seconds(most):
            raise ValueError(f"must be from {least} to {most}")
        return text

    return AfterValidator(check)


_DURATION = WithJsonSchema({"type": "string", "pattern": duration.PATTERN})
Cooldown = Annotated[str, _between("0s", "24h"), _DURATION]
Timeout = Annotated[str, _between("100ms", "2m"), _DURATION]
Pause = Annotated[str, _between("10ms", "1h"), _DURATION]
RetryFor = Annotated[str, _between("0s", "7d"), _DURATION]


class SinkKind(enum.StrEnum):
    """By which way a subscriber is told."""

    WEBHOOK = "webhook"
    MQTT = "mqtt"
    APPRISE = "apprise"


class PictureMode(enum.StrEnum):
    """What a subscriber gets of an episode's picture."""

    NONE = "none"
    ATTACH = "attach"
    LINK = "link"


class WebhookSettings(Frozen):
    """Only for http:// and https://."""

    redirects: int = Field(0, ge=0, le=5)
    """Redirects to follow. At 0 a redirect is a failure, which says that the address has changed."""
    private_addresses: bool = False
    """Whether a host's name may lead to private, link-local or loopback addresses. An address written as a number is
    taken as meant. Looked up at each connection, and connected to what was looked up."""
    ca_file: str = ""
    """PEM file of the authority that signed the receiver's certificate; empty for the usual ones."""
    unsigned: bool = False
    """Sends without a signature, to receivers that cannot check one."""


class MqttSettings(Frozen):
    """Only for mqtt:// and mqtts://."""

    client_id: str = Field("", max_length=64)
    """Client id at the broker; empty for `maskwatch-` and the subscription's name. No two may be connected at once."""
    ca_file: str = ""
    """PEM file of the authority that signed the broker's certificate; empty for the usual ones."""
    home_assistant: bool = False
    """Announces each camera to Home Assistant, which then shows its states as sensors."""
    discovery_prefix: str = Field("homeassistant", min_length=1, max_length=64)
    """Topic under which Home Assistant looks for announcements."""


class SubscriptionSettings(Frozen):
    """One subscriber. Each has a queue of its own: none waits for another."""

    name: str
    """Lower-case letters, digits, `-`, `_`, `.`; up to 63. Stands in metrics, status and logs."""
    to: str = Field(min_length=1)
    """`https://…` or `http://…` (signed webhook), `mqtts://` or `mqtt://[user:password@]broker[:port]/topic`, or
    `apprise:` and an address as Apprise writes it, such as `apprise:ntfys://…`. Shown without what may be secret."""
    secret: SecretStr | None = None
    """Webhook: the key that signs, of at least 16 characters, or `whsec_` and base64. `openssl rand -base64 32` makes
    one."""
    enabled: bool = True
    """Switches the subscription off without forgetting it."""
    events: tuple[EventKind, ...] = Field(tuple(EventKind), min_length=1)
    """Kinds of events to tell of."""
    cameras: tuple[str, ...] = Field(("*",), min_length=1)
    """Ids of cameras, or patterns such as `gate-*`. Events about the service itself come from no camera and always
    count."""
    min_confidence: float = Field(0.0, ge=0, le=1)
    """Confidence that an event must have when it opens to be told, such as 0.97. Only an episode of a person can have
    less than 1; it opens at `rule.open_confidence` or above. What opens below is not told of later either."""
    cooldown: Cooldown = "0s"
    """After an alert, how long what follows of the same kind at the same camera is gathered, to be told as one:
    `2m`, `90s`, up to `24h`. Nothing is left out."""
    schedule: str = Field("", max_length=400)
    """When events must open to be told, such as `22:00-06:00` or `Mon-Fri 08:00-18:00`, by the clocks of `time_zone`;
    empty for always."""
    quiet_hours: str = Field("", max_length=400)
    """When events that open are not told even though `schedule` holds; empty for never."""
    cleared: bool = False
    """Tells also of the end of an event."""
    updates: bool = False
    """Tells also of changes while an event lasts."""
    picture: PictureMode = PictureMode.NONE
    """`attach` sends the episode's picture along where there is one and the way can carry it, `link` its address."""
    page: str = ""
    """Address under which the subscriber reaches the page of this installation, for links."""
    timeout: Timeout = "10s"
    """How long one attempt may take, from `100ms` to `2m`."""
    retry_for: RetryFor = "6h"
    """How long a failed alert is tried again, up to `7d`. Then it is kept as a dead letter."""
    retry_first: Pause = "1s"
    """Longest first pause before another attempt; it doubles with each, and is drawn at random up to that."""
    retry_longest: Pause = "5m"
    """Longest of all pauses between attempts."""
    webhook: WebhookSettings = WebhookSettings()
    mqtt: MqttSettings = MqttSettings()

    @field_validator("name")
    @classmethod
    def _is_plain(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("write lower-case letters, digits, '-', '_' or '.', beginning with a letter or digit")
        return value

    @field_validator("to")
    @classmethod
    def _is_address(cls, value: str) -> str:
        scheme, _, rest = value.partition(":")
        if scheme.lower() not in SCHEMES:
            raise ValueError(_unknown_scheme(scheme, is_address="://" in value))
        if value.startswith(APPRISE):
            if not re.match(r"[a-z0-9+]+://.", rest, re.IGNORECASE):
                raise ValueError("after apprise: comes an address as Apprise writes it, such as ntfys://topic")
            return value
        _check_host(value, rest)
        if scheme.lower().startswith("mqtt") and not _is_topic(urlsplit(value).path.strip("/")):
            raise ValueError(
                "write the topic after the broker, without + or #, such as mqtt://broker.example/maskwatch"
            )
        return value

    @field_validator("schedule", "quiet_hours")
    @classmethod
    def _is_schedule(cls, value: str) -> str:
        Schedule.parse(value)
        return value

    @field_validator("page")
    @classmethod
    def _is_page(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("write an address such as https://maskwatch.example")
        return value.rstrip("/")

    @property
    def sink(self) -> SinkKind:
        """By which way."""
        scheme = self.to.partition(":")[0].lower()
        if scheme == SinkKind.APPRISE:
            return SinkKind.APPRISE
        return SinkKind.MQTT if scheme.startswith("mqtt") else SinkKind.WEBHOOK

    @property
    def safe_to(self) -> str:
        """The address as it may be shown."""
        return hide_address(self.to)

    def wants_camera(self, camera_id: str) -> bool:
        """Whether one of its ids or patterns means this camera."""
        return any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)


def faults(
    subscriptions: Mapping[int, SubscriptionSettings], cameras: Iterable[str]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what is wrong between fields, as place in the settings and cause.

    Args:
        subscriptions: by their places in the file.
        cameras: ids of all cameras of the file, those switched off included.
    """
    known = sorted(cameras)
    first: dict[str, int] = {}
    for index, each in subscriptions.items():
        where = ("subscriptions", index)
        if first.setdefault(each.name, index) != index:
            yield (*where, "name"), f"is the name of subscriptions[{first[each.name]}] already"
        for number, pattern in enumerate(each.cameras):
            if known and not any(fnmatchcase(camera, pattern) for camera in known):
                yield (*where, "cameras", number), _no_such_camera(pattern, known)
        if each.picture is PictureMode.LINK and not each.page:
            yield (*where, "page"), "is missing, and `picture: link` needs it: the page's address for this subscriber"
        for part in ("webhook", "mqtt"):
            if part != each.sink.value and part in each.model_fields_set:
                yield (*where, part), f"has no effect, as `to` is no {part} address"
        yield from (((*where, field), why) for field, why in _secret_faults(each))


def _secret_faults(each: SubscriptionSettings) -> Iterator[tuple[str, str]]:
    given = each.secret.get_secret_value() if each.secret is not None else ""
    if each.sink is not SinkKind.WEBHOOK:
        if given:
            yield "secret", "signs webhooks, and `to` is none; a password stands in the address"
    elif not given and not each.webhook.unsigned:
        yield (
            "secret",
            (
                "is missing: the receiver knows by its signature who sends. `openssl rand -base64 32` makes one; "
                "or write `webhook: {unsigned: true}`"
            ),
        )
    elif given and len(given) < LEAST_SECRET:
        yield "secret", f"must have at least {LEAST_SECRET} characters; `openssl rand -base64 32` makes one"


def _no_such_camera(pattern: str, known: list[str]) -> str:
    close = difflib.get_close_matches(pattern, known, n=1)
    hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known[:8])}"
    return f"{pattern!r} {'matches' if '*' in pattern else 'is'} no camera; {hint}"


def _unknown_scheme(scheme: str, *, is_address: bool) -> str:
    known = "known are https, http, mqtts, mqtt and apprise:"
    if not is_address:
        return f"is no address; {known}"
    if scheme.lower() in APPRISE_SCHEMES:
        return f"unknown scheme {scheme!r}; write apprise: before it, as in apprise:{scheme}://…"
    close = difflib.get_close_matches(scheme.lower(), SCHEMES, n=1)
    return f"unknown scheme {scheme!r}; " + (f"did you mean {close[0]}?" if close else known)


def _check_host(value: str, rest: str) -> None:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")  # as it is looked up: a part that is empty or longer than 63 characters is refused
    except ValueError:
        raise ValueError("the address has a port or host that cannot be") from None
    if not rest.startswith("//") or not host:
        raise ValueError("the address has no host")
    require_whole(parts.netloc)


def _is_topic(text: str) -> bool:
    return bool(text) and not set(text) & set("+#\0")
