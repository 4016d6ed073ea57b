"""The envelope of events: ids that name a change, a schema that holds what is sent, and nothing lost on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from maskwatch import contracts
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.cloudevents import change_id, event_from_cloudevent, event_schema, event_to_cloudevent, merged_schema
from maskwatch.domain import EventKind, EventState
from maskwatch.errors import BadMessage
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Event

OPENED = make_event()
UPDATED = replace(OPENED, state=EventState.UPDATED, updated_at=NOW + 5)
CLOSED = replace(OPENED, state=EventState.CLOSED, updated_at=NOW + 9, closed_at=NOW + 9, reason="left")
CROWD = make_event(kind=EventKind.CROWD, people=6, share=0.8333, box=None)


@pytest.mark.parametrize("event", [OPENED, UPDATED, CLOSED, CROWD], ids=lambda event: f"{event.kind} {event.state}")
def test_the_envelope_is_complete(event: Event) -> None:
    """A change says what it is, where and when it happened, and comes back with all its fields."""
    said = json.loads(event_to_cloudevent(event))
    assert said["specversion"] == "1.0"
    assert said["type"] == f"maskwatch.{event.kind}.{event.state}"
    assert said["subject"] == event.camera_id
    assert said["time"].startswith("2023-11-14T22:13:")
    assert said["time"].endswith("Z")
    assert event_from_cloudevent(event_to_cloudevent(event)) == event
    jsonschema.validate(said["data"], event_schema())


def test_an_id_names_one_change() -> None:
    """Every change has an id of its own, which is the same when it is computed again."""
    later = replace(UPDATED, updated_at=NOW + 10)
    ids = [change_id(each) for each in (OPENED, UPDATED, later, CLOSED, make_event(id="door-2"))]
    assert len(set(ids)) == len(ids)
    assert change_id(make_event()) == change_id(OPENED)


@pytest.mark.parametrize(
    ("file", "schema"), [("event.schema.json", event_schema()), ("merged.schema.json", merged_schema())]
)
def test_the_schema_is_current_and_speaks(root: Path, file: str, schema: dict[str, Any]) -> None:
    """What docs/ has is what the code says (`make docs` writes it anew), and each field has a sentence."""
    assert json.loads((root / "docs" / file).read_text()) == schema
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(field["description"].endswith(".") for field in schema["properties"].values())


def test_the_schema_knows_mistakes() -> None:
    """A missing field and an unknown kind do not pass; a field of a later version does."""
    data = json.loads(event_to_cloudevent(OPENED))["data"]
    jsonschema.validate(data | {"from_a_later_version": 1}, event_schema())
    for wrong in ({**data, "kind": "verdict"}, {name: value for name, value in data.items() if name != "camera_id"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, event_schema())


def test_the_bus_carries_the_envelope() -> None:
    """Programs that read the stream of events find CloudEvents there."""
    bus = MemoryBus(ManualClock(NOW))
    bus.append(contracts.EVENTS, contracts.event_to_fields(OPENED), contracts.EVENTS_CAP)
    (entry,) = bus.read_after({contracts.EVENTS: "0-0"}, count=9, block_s=0)
    assert entry.fields["head"] == event_to_cloudevent(OPENED)
    assert contracts.event_from_fields(entry.fields) == OPENED


def test_events_of_the_version_before_are_read() -> None:
    """An event that an older aggregator put on the bus, without envelope, is still understood."""
    fields = {"v": b"1", "kind": b"event", "head": contracts.event_to_json(CLOSED)}
    assert contracts.event_from_fields(fields) == CLOSED


@pytest.mark.parametrize(
    ("head", "why"),
    [
        pytest.param(b"", "event: ", id="nothing"),
        pytest.param(b"[]", "event: no CloudEvent", id="no object"),
        pytest.param(b'{"data": {}}', "event: no CloudEvent", id="no attributes"),
        pytest.param(event_to_cloudevent(OPENED).replace(b'"faces"', b'"facets"'), "event: facets: ", id="odd field"),
        pytest.param(event_to_cloudevent(OPENED).replace(b'"1.0"', b'"9.0"'), "event: no CloudEvent", id="version"),
    ],
)
def test_bad_envelopes(head: bytes, why: str) -> None:
    """What is no event in an envelope raises BadMessage with the cause."""
    with pytest.raises(BadMessage, match=why):
        contracts.event_from_fields({"v": b"2", "kind": b"event", "head": head})
