"""The steps of the store: forward and back with data in them, once, and never past what this version knows."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from aggregator.database import FILE_NAME, downgrade, newest, open_database, revision, upgrade
from aggregator.store import Step, StoredFold, open_store
from aggregator.tables import metadata
from maskwatch.errors import ConfigError, StoreUnavailable
from tests.builders import make_event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import PostgresServer


def test_the_steps_make_the_tables(tmp_path: Path, store_url: str) -> None:
    """After all steps the database holds what aggregator/tables.py says, and nothing else."""
    database = open_database(tmp_path, store_url)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_back_and_forward_with_data(tmp_path: Path, store_url: str) -> None:
    """Each step back and forward again leaves events, positions and counts of the first version as they were."""
    store = open_store(tmp_path, store_url)
    step = Step([StoredFold("door", "7-0", False, 1, b"{}")], [make_event()], {("door", 28333333, "people_mask"): 2})
    store.commit(step)
    engine = store.database.engine
    downgrade(engine, "here", "0001")
    assert revision(engine) == "0001"
    with pytest.raises(ConfigError, match=r"older maskwatch .* up once|older maskwatch"):
        open_store(tmp_path, store_url, create=False)
    upgrade(engine, "here")
    assert revision(engine) == newest()
    assert store.load("door") == step.folds[0]
    assert store.events() == list(step.events)
    assert list(store.counts("door", 0)) == [(28333333, "people_mask", 2)]
    store.close()


def test_many_may_start_at_once(tmp_path: Path, store_url: str) -> None:
    """Several writers that find no tables make them once, and all go on."""
    problems: list[BaseException] = []

    def start() -> None:
        try:
            open_store(tmp_path, store_url).close()
        except BaseException as error:  # noqa: BLE001  a thread's error must reach the test
            problems.append(error)

    if not store_url:
        database = open_database(tmp_path)  # a file is made by one process: `up` starts one aggregator a machine
        downgrade(database.engine, "here", "0001")
        database.close()
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    open_store(tmp_path, store_url, create=False).close()


def test_a_database_from_before_the_steps_is_taken_over(tmp_path: Path) -> None:
    """A SQLite database whose version stood in the table `about` keeps its data and gets the steps it lacks."""
    store = open_store(tmp_path)
    store.commit(Step((), [make_event(id="old")]))
    downgrade(store.database.engine, "here", "0001")
    store.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DROP TABLE alembic_version")
        connection.execute("CREATE TABLE about (name VARCHAR PRIMARY KEY, value INTEGER NOT NULL)")
        connection.execute("INSERT INTO about VALUES ('schema', 1)")
    connection.close()
    with pytest.raises(ConfigError, match="older maskwatch"):
        open_store(tmp_path, create=False)
    store = open_store(tmp_path)
    assert [each.id for each in store.events()] == ["old"]
    store.close()
    open_store(tmp_path, create=False).close()


@pytest.mark.parametrize("create", [True, False])
def test_a_newer_database_is_refused(tmp_path: Path, store_url: str, *, create: bool) -> None:
    """What a later version wrote is left alone, by writers and readers, and the text says what to do."""
    database = open_database(tmp_path, store_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer maskwatch"):
        open_database(tmp_path, store_url, create=create)
    database.close()


def test_an_empty_postgresql_is_said_so(tmp_path: Path, postgres: PostgresServer) -> None:
    """Reading where nothing ever ran says what to start."""
    with pytest.raises(ConfigError, match="holds nothing yet"):
        open_database(tmp_path, postgres.new_database(), create=False)


@pytest.mark.integration
def test_a_wrong_password_is_not_shown(tmp_path: Path, postgres: PostgresServer) -> None:
    """Where PostgreSQL refuses, the error says where and why, without the password."""
    url = postgres.url().replace("s3cret", "Wr0ng")
    with pytest.raises(StoreUnavailable, match="password authentication failed") as refused:
        open_database(tmp_path, url)
    assert "Wr0ng" not in str(refused.value)


def test_an_unknown_step_back_is_refused(tmp_path: Path) -> None:
    """Going back to a step that never was names those that are."""
    database = open_database(tmp_path)
    with pytest.raises(ConfigError, match="known are 0001, 0002"):
        downgrade(database.engine, "here", "0000")
    database.close()
