"""The envelope in which events leave this system: CloudEvents 1.0, structured JSON, with a JSON Schema of its data.

One form for every wire: the stream of events on the bus, webhooks, MQTT, Server-Sent Events and `maskwatch subscribe`.
The data of an event's change is the event itself. An id names one change of one event: it is the same when the change
is computed again after a crash, and whenever it is sent again, so that a receiver can drop what it has already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import TypeAdapter

from maskwatch.domain import Event, EventState

CONTENT_TYPE = JSONFormat.CONTENT_TYPE
SOURCE = "/maskwatch"
TYPE = "maskwatch."
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENT_SCHEMA = "urn:maskwatch:event:1"
"""Names the form of the data. Fields may be added under the same number; one taken away or changed raises it."""

EVENT = TypeAdapter(Event)


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
    schema = EVENT.json_schema()
    schema.pop("additionalProperties", None)
    return {"$schema": SCHEMA_DIALECT, "$id": EVENT_SCHEMA} | schema | {"title": "maskwatch event"}
