"""The store: a step is there whole or not at all, and others may read while it is written."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import ProgrammingError

from aggregator import database
from aggregator.store import FILE_NAME, Step, Store, StoredFold, open_store
from aggregator.tables import history
from maskwatch.domain import EventKind, EventState
from maskwatch.errors import ConfigError, StoreUnavailable
from tests.builders import NOW, make_event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, store_url: str) -> Iterator[Store]:
    """A new store of each kind."""
    store = open_store(tmp_path, store_url)
    yield store
    store.close()


def test_a_step_is_read_back(store: Store) -> None:
    """Folds, events, their history and the minutes come back as they were stored."""
    opened = make_event()
    closed = replace(opened, state=EventState.CLOSED, closed_at=NOW + 9, updated_at=NOW + 9, reason="left")
    fold = StoredFold("door", "7-0", False, 1, b"{}")
    store.commit(Step([fold], [opened, closed], {("door", 28333333, "people_mask"): 2}))
    store.commit(Step((), (), {("door", 28333333, "people_mask"): 3}))
    assert store.load("door") == fold
    assert store.load("gate") is None
    assert store.events() == [closed]
    assert [(told.number, told.event) for told in store.history_after(0)] == [(1, opened), (2, closed)]
    assert store.last_number() == 2
    assert list(store.counts("door", 0)) == [(28333333, "people_mask", 5)]


def test_a_broken_step_leaves_nothing(store: Store) -> None:
    """When the last statement of a step fails, none of it was stored."""
    with store.database.writing() as connection:
        connection.execute(text("DROP TABLE minutes"))
    with pytest.raises((StoreUnavailable, ProgrammingError)):
        store.commit(Step([StoredFold("door", "7-0")], [make_event()], {("door", 1, "people_mask"): 2}))
    assert store.load("door") is None
    assert store.events() == []
    assert store.last_number() == 0


def test_a_step_that_began_elsewhere_is_refused(store: Store) -> None:
    """What another aggregator has read already is not counted again; a step from where the last one ended is."""
    counted = {("door", 1, "people_mask"): 2}
    store.commit(Step([StoredFold("door", "7-0")], (), counted, read_from={"door": "0-0"}))
    store.commit(Step([StoredFold("door", "9-0")], (), counted, read_from={"door": "7-0"}))
    with pytest.raises(StoreUnavailable, match="another aggregator folds camera door"):
        store.commit(Step([StoredFold("door", "8-0")], [make_event()], counted, read_from={"door": "7-0"}))
    assert store.load("door") == StoredFold("door", "9-0")
    assert store.events() == []
    assert list(store.counts("door", 0)) == [(1, "people_mask", 4)]


def test_what_is_not_published_is_known(store: Store) -> None:
    """Changes are unpublished until marked, in the order in which they happened."""
    store.commit(Step((), [make_event(id=name) for name in "abc"]))
    assert [told.event.id for told in store.unpublished()] == ["a", "b", "c"]
    store.mark_published([1, 2])
    assert [told.event.id for told in store.unpublished()] == ["c"]


def test_events_are_found(store: Store) -> None:
    """Events are found by time, camera and kind, the newest first."""
    old = make_event(id="old", state=EventState.CLOSED, opened_at=NOW - 900, updated_at=NOW - 800, closed_at=NOW - 800)
    still_open = make_event(id="open", opened_at=NOW - 900, updated_at=NOW - 890, camera_id="gate")
    lost = make_event(id="lost", opened_at=NOW, updated_at=NOW, kind=EventKind.CAMERA_OFFLINE, box=None)
    store.commit(Step((), [old, still_open, lost]))
    assert [each.id for each in store.events()] == ["lost", "old", "open"]
    assert [each.id for each in store.events(since=NOW - 60)] == ["lost", "open"]
    assert [each.id for each in store.events(camera="gate")] == ["open"]
    assert [each.id for each in store.events(kind=EventKind.NO_MASK, limit=1)] == ["old"]


def test_cameras_taken_away_are_known(store: Store) -> None:
    """A retired camera is not active any more, and is again when it is stored anew."""
    store.commit(Step([StoredFold("door", "1-0"), StoredFold("gate", "1-0", retired=True)]))
    assert store.active() == ["door"]
    store.commit(Step([StoredFold("gate", "2-0")]))
    assert store.active() == ["door", "gate"]


def test_another_process_reads_while_one_writes(store: Store, tmp_path: Path, store_url: str) -> None:
    """A reader sees what is committed, also while a transaction is open."""
    store.commit(Step((), [make_event(id="a")]))
    reader = open_store(tmp_path, store_url, create=False)
    with store.database.writing() as connection:
        connection.execute(update(history).values(published=True))
        assert [each.id for each in reader.events()] == ["a"]
        assert len(reader.unpublished()) == 1
    assert reader.unpublished() == []
    reader.close()


def test_the_file_belongs_to_its_owner(tmp_path: Path) -> None:
    """Database, log and index may be read by nobody else."""
    store = open_store(tmp_path)
    store.commit(Step((), [make_event()]))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    store.close()


def test_no_database_is_said_so(tmp_path: Path) -> None:
    """Reading where nothing ever ran says what to start; a file that is no database is no riddle either."""
    with pytest.raises(ConfigError, match="no database yet"):
        open_store(tmp_path, create=False)
    (tmp_path / FILE_NAME).write_bytes(b"no database at all, but long enough to look like a page" * 40)
    with pytest.raises(ConfigError, match="not a database"):
        open_store(tmp_path)


def test_a_new_file_is_ready_for_several(tmp_path: Path) -> None:
    """It lies in its place in WAL mode: switching to that is refused at once to all but one of several who ask."""
    database._create_file(tmp_path / "maskwatch.db")
    assert (tmp_path / "maskwatch.db").read_bytes()[18:20] == b"\x02\x02"  # read and write version: WAL
    assert [file.name for file in tmp_path.iterdir()] == ["maskwatch.db"]


def test_several_may_make_it_at_once(tmp_path: Path) -> None:
    """Processes that start on an empty data directory at the same moment have one and the same file."""
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(open_store, [tmp_path / "data"] * 4))
    for number, store in enumerate(stores):
        store.commit(Step((), [make_event(id=f"event-{number}")]))
    assert [len(store.events()) for store in stores] == [4] * 4
    for store in stores:
        store.close()
