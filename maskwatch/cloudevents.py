"""The envelope in which events leave this system: CloudEvents 1.0, structured JSON, with a JSON Schema of its data.

One form for every wire: the stream of events on the bus, webhooks, MQTT, Server-Sent Events and `maskwatch subscribe`.
The data of an event's change is the event itself. An id names one change of one event: it is the same when the change
is computed again after a crash, and whenever it is sent again, so that a receiver can drop what it has already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import TypeAdapter

from maskwatch.domain import Event, EventKind, EventState

CONTENT_TYPE = JSONFormat.CONTENT_TYPE
SOURCE = "/maskwatch"
TYPE = "maskwatch."
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENT_SCHEMA = "urn:maskwatch:event:1"
"""Names the form of the data. Fields may be added under the same number; one taken away or changed raises it."""

MERGED_SCHEMA = "urn:maskwatch:merged:1"
"""The same for several events that are told as one."""

EVENT = TypeAdapter(Event)


@dataclass(frozen=True, slots=True)
class Merged:
    """Several events of one kind at one camera, gathered while a subscription's cooldown lasted."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}  # they are the schema's texts
    kind: EventKind
    """What all the events are about."""
    camera_id: str
    """Where all of them happened."""
    count: int
    """How many of the events are told for the first time. The others were told before: they ended, or went on."""
    open: int
    """How many of these have not ended."""
    since: float
    """When the first of these opened, or of all events if none is new. Seconds since 1970 UTC, as all times here."""
    until: float
    """Up to when they were gathered."""
    text: str
    """All of it in a sentence for people."""
    events: tuple[Event, ...]
    """Each event in its newest state, in the order in which they opened."""


MERGED = TypeAdapter(Merged)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands on the outside of a message, and its data as plain values."""

    id: str
    type: str
    subject: str  # the camera's id, or what else it is about
    time: float
    data: dict[str, Any]
    schema: str = ""

    def to_json(self) -> bytes:
        """Encode as one line of JSON."""
        attributes = {
            "id": self.id,
            "source": SOURCE,
            "type": self.type,
            "subject": self.subject,
            "time": datetime.fromtimestamp(self.time, UTC),
            "datacontenttype": "application/json",
        }
        if self.schema:
            attributes["dataschema"] = self.schema
        return JSONFormat().write(CloudEvent(attributes, self.data))


def change_id(event: Event) -> str:
    """Name one change of one event: the same whenever it is computed or sent again, and different for every other."""
    if event.state is EventState.UPDATED:
        return f"{event.id}.{event.state.value}.{event.updated_at * 1000:.0f}"
    return f"{event.id}.{event.state.value}"


def envelope(event: Event) -> Envelope:
    """Put one change of an event into its envelope."""
    return Envelope(
        id=change_id(event),
        type=f"{TYPE}{event.kind.value}.{event.state.value}",
        subject=event.camera_id,
        time=event.updated_at,
        data=EVENT.dump_python(event, mode="json"),
        schema=EVENT_SCHEMA,
    )


def event_to_cloudevent(event: Event) -> bytes:
    """Encode one change of an event as a CloudEvent, one line of JSON."""
    return envelope(event).to_json()


def event_from_cloudevent(data: bytes | str) -> Event:
    """Decode a change of an event; raises ValueError (pydantic's ValidationError where a field is wrong)."""
    try:
        read = JSONFormat().read(CloudEvent, data)
    except (BaseCloudEventException, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no CloudEvent 1.0: {error}") from None
    return EVENT.validate_python(read.get_data())


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema of an event. It lets further fields pass: a later version may add some."""
    return _open_schema(EVENT, EVENT_SCHEMA, "maskwatch event")


def merged_schema() -> dict[str, Any]:
    """Return the JSON Schema of several events that are told as one. It lets further fields pass, as that of one."""
    schema = _open_schema(MERGED, MERGED_SCHEMA, "maskwatch merged events")
    schema["$defs"]["Event"].pop("additionalProperties", None)
    return schema


def _open_schema(of: TypeAdapter[Any], name: str, title: str) -> dict[str, Any]:
    schema = of.json_schema()
    schema.pop("additionalProperties", None)
    return {"$schema": SCHEMA_DIALECT, "$id": name} | schema | {"title": title}
