"""Looking events up, and saying something of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aggregator.store import Step
from maskwatch.cli import command
from maskwatch.domain import EventKind, EventState
from tests.builders import NOW, make_event
from tests.page import write_token

if TYPE_CHECKING:
    from pathlib import Path

    from tests.page import Page


def happen(page: Page) -> None:
    """Have three things happened: an episode at the door that is over, one at the gate that is not, a lost camera."""
    over = {"state": EventState.CLOSED, "closed_at": NOW + 20}
    page.store.commit(
        Step(
            events=[
                make_event(id="first", **over),
                make_event(id="second", camera_id="gate", started_at=NOW + 100, opened_at=NOW + 102),
                make_event(id="third", kind=EventKind.CAMERA_OFFLINE, started_at=NOW + 200, opened_at=NOW + 200),
            ]
        )
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("", ["third", "second", "first"], id="all, the last first"),
        pytest.param("camera=gate", ["second"], id="by camera"),
        pytest.param("kind=no_mask&kind=crowd", ["second", "first"], id="by kind"),
        pytest.param("open=true", ["third", "second"], id="open ones"),
        pytest.param(f"from={NOW + 50}", ["third", "second"], id="since"),
        pytest.param("to=2023-11-14T22:14:30", ["first"], id="until, by the site's clocks"),
        pytest.param("limit=1&before=third", ["second"], id="the next page"),
        pytest.param("marked=true", [], id="judged ones"),
    ],
)
def test_events_are_found(page: Page, query: str, found: list[str]) -> None:
    """Each filter leaves exactly what it says."""
    happen(page)
    assert [row["event"]["id"] for row in page.client().get(f"/api/v1/events?{query}").json()] == found


def test_a_viewer_finds_the_events_of_their_cameras(guarded: Page) -> None:
    """What happened at other cameras is not told, neither in lists nor by its id."""
    happen(guarded)
    guard = guarded.log_in("guard")
    assert [row["event"]["id"] for row in guard.get("/api/v1/events").json()] == ["second"]
    assert guard.get("/api/v1/events/first").status_code == 404
    assert guard.get("/api/v1/events?camera=door").status_code == 404
    assert (
        guard.post("/api/v1/events/second/marks", json={"kind": "wrong"}, headers=write_token(guard)).status_code == 403
    )


def test_an_event_is_marked_and_exported(page: Page, tmp_path: Path) -> None:
    """What is said of an event stays with it, the last word counts, and the marked ones come out as JSON lines."""
    happen(page)
    client = page.client()
    word = write_token(client)
    for mark in ({"kind": "acknowledged"}, {"kind": "right"}, {"kind": "wrong", "text": "a poster"}):
        assert client.post("/api/v1/events/first/marks", json=mark, headers=word).status_code == 201
    row = client.get("/api/v1/events/first").json()
    assert (row["acknowledged"], row["wrong"], row["marks"][-1]["text"]) == (True, True, "a poster")
    assert row["marks"][-1]["author"] == "this machine"
    printed = CliRunner().invoke(command, ["events", "export", "--marked", "--data-dir", str(tmp_path)]).stdout
    (line,) = [json.loads(each) for each in printed.splitlines()]
    assert (line["event"]["id"], line["wrong"]) == ("first", True)


@pytest.mark.parametrize(
    "mark", [{"kind": "comment", "text": " "}, {"kind": "great"}, {"kind": "wrong", "text": "x" * 1001}]
)
def test_what_is_no_mark_is_refused(page: Page, mark: dict[str, str]) -> None:
    """An empty comment, an unknown kind and a novel change nothing."""
    happen(page)
    client = page.client()
    assert client.post("/api/v1/events/first/marks", json=mark, headers=write_token(client)).status_code == 422
    assert client.get("/api/v1/events/first").json()["marks"] == []
