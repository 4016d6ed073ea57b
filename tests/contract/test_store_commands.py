"""The commands about the store, as a person calls them, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aggregator.alerts.plan import Delivery
from aggregator.alerts.routing import OutboxRow
from aggregator.database import FILE_NAME, known, newest
from aggregator.store import Step, open_store
from aggregator.store_outbox import DeliveryState, Outbox
from maskwatch.cli import command
from maskwatch.cli.process import StackFile, wait_for_store
from maskwatch.clock import ManualClock
from maskwatch.domain import EventState
from maskwatch.errors import ConfigError, MaskwatchError, StoreNotReady
from maskwatch.heartbeat import Stop
from tests.builders import NOW, make_event
from tests.servers import PASSWORD, deaf_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aggregator.store import Store
    from tests.servers import PostgresServer


@pytest.fixture
def site(tmp_path: Path, store_url: str) -> list[str]:
    """Options that name a settings file and a data directory."""
    config = tmp_path / "cameras.yaml"
    config.write_text(f"store: {{url: '{store_url}'}}\n")
    return ["-c", str(config), "--data-dir", str(tmp_path / "data")]


def call(*arguments: str, answer: str = "") -> str:
    """Run `maskwatch` in this process; returns what it printed."""
    done = CliRunner().invoke(command, arguments, input=answer, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_schema_is_made_shown_and_taken_back(site: list[str], tmp_path: Path, store_url: str) -> None:
    """A new database is made, shown with its rows, taken back when nobody uses it, and forth; no password is shown."""
    assert newest() in call("store", "upgrade", *site)
    store = open_store(tmp_path / "data", store_url)
    store.commit(Step((), [make_event()]))
    with pytest.raises(ConfigError, match="is in use: stop the stack first"):
        call("store", "downgrade", "0001", *site, "--yes")
    store.close()
    found = json.loads(call("store", "status", "--json", *site))
    assert (found["schema"], found["pending"], found["is_newer"]) == (newest(), [], False)
    assert found["rows"]["events"] == 1
    assert "schema 0001" in call("store", "downgrade", "0001", *site, answer="y\n")
    said = call("store", "status", *site)
    assert f"0001: an upgrade adds {', '.join(known()[1:])}" in said
    assert "s3cret" not in said
    call("store", "upgrade", "--quiet", *site)
    assert "up to date" in call("store", "status", *site)


def test_events_come_from_the_store_of_the_settings(site: list[str], tmp_path: Path, store_url: str) -> None:
    """`maskwatch events`, `events export` and `picture` read where the settings say."""
    store = open_store(tmp_path / "data", store_url)
    store.commit(Step((), [make_event()]))
    store.close()
    assert json.loads(call("events", "--json", *site))["id"] == "door-1"
    assert json.loads(call("events", "export", *site))["event"]["id"] == "door-1"
    with pytest.raises(ConfigError, match="there is no picture of the event door-1"):
        call("picture", "door-1", "-o", str(tmp_path / "door.jpg"), *site)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """No file, no server: each is said, and no password."""
    with pytest.raises(StoreNotReady, match="there is no database yet"):
        call("store", "status", "--data-dir", str(tmp_path))
    config = tmp_path / "cameras.yaml"
    with deaf_port() as port:
        config.write_text(f"store: {{url: 'postgresql://u:hunter2@127.0.0.1:{port}/d'}}\n")
        with pytest.raises(ConfigError, match="does not answer") as caught:
            call("store", "upgrade", "-c", str(config), "--data-dir", str(tmp_path))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "command_line",
    [
        pytest.param(["status"], id="status"),
        pytest.param(["upgrade"], id="upgrade"),
        pytest.param(["downgrade", "0001", "--yes"], id="downgrade"),
    ],
)
def test_what_is_no_database_is_refused_plainly(tmp_path: Path, command_line: list[str]) -> None:
    """Something else in the place of the database, or a folder there, is one sentence and no traceback."""
    (tmp_path / FILE_NAME).write_text("a letter to somebody, much longer than any header of a database would be")
    with pytest.raises(ConfigError, match="is not a database of maskwatch"):
        call("store", *command_line, "--data-dir", str(tmp_path))
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(MaskwatchError, match="unable to open database file"):
        call("store", *command_line, "--data-dir", str(tmp_path))


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """A file stands where the data directory or its parent would be: it is named, and what was there stays."""
    file, copy = tmp_path / "file", tmp_path / "copy.db"
    open_store(tmp_path / "data").close()
    call("backup", str(copy), "--data-dir", str(tmp_path / "data"))
    file.write_text("mine")
    for command_line in (["store", "upgrade"], ["restore", str(copy), "--yes"]):
        with pytest.raises(ConfigError, match="file/data: cannot be written: Not a directory"):
            call(*command_line, "--data-dir", str(file / "data"))
    assert file.read_text() == "mine"
    (tmp_path / "other" / FILE_NAME).mkdir(parents=True)
    with pytest.raises(ConfigError, match="is a folder, where the database belongs"):
        call("restore", str(copy), "--yes", "--data-dir", str(tmp_path / "other"))


def test_a_store_that_will_be_there_is_waited_for(tmp_path: Path) -> None:
    """Who only reads waits until the aggregator has made the database, and gives up when asked to stop."""
    stop, clock = Stop(), ManualClock(NOW)
    tries = 0

    def opened() -> Store:
        nonlocal tries
        tries += 1
        return open_store(tmp_path, create=tries > 2)

    store = wait_for_store(opened, stop, clock)
    assert store is not None
    assert tries == 3
    store.close()
    stop.request()
    assert wait_for_store(opened, stop, clock) is None


def test_a_backup_brings_everything_back(tmp_path: Path) -> None:
    """A copy of a database in use holds what was committed, is its owner's alone, and replaces a later one."""
    data, file = tmp_path / "data", tmp_path / "copy.db"
    place = ["--data-dir", str(data)]
    store = open_store(data)
    store.commit(Step((), [make_event(id="kept")], {("door", 1, "people_mask"): 3}))
    with store.database.writing() as connection:  # somebody who writes neither waits nor is seen
        connection.exec_driver_sql("DELETE FROM minutes")
        assert "checked" in call("backup", str(file), *place)
        connection.rollback()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="exists already"):
        call("backup", str(file), *place)
    store.commit(Step((), [make_event(id="later")]))
    with pytest.raises(ConfigError, match="is in use: stop the stack first"):
        call("restore", str(file), *place, "--yes")
    store.close()
    assert f"schema {newest()}" in call("restore", str(file), *place, answer="y\n")
    store = open_store(data)
    assert [each.id for each in store.events()] == ["kept"]
    assert list(store.counts("door", 0)) == [(1, "people_mask", 3)]
    store.close()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
def test_root_restores_for_the_account_of_the_service(tmp_path: Path) -> None:
    """What root puts back, and the lock it makes for that, belong to whoever owns the data directory."""
    data, file = tmp_path / "data", tmp_path / "copy.db"
    open_store(data).close()
    call("backup", str(file), "--data-dir", str(data))
    for path in data.iterdir():
        path.unlink()
    os.chown(data, 10001, 10002)
    call("restore", str(file), "--data-dir", str(data), "--yes")
    owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in data.iterdir()}
    assert owners == {FILE_NAME: (10001, 10002), "maskwatch.lock": (10001, 10002)}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param("UPDATE alembic_version SET version_num = '9999'", "newer maskwatch", id="newer"),
        pytest.param("DELETE FROM alembic_version", "is not a database of maskwatch", id="none of ours"),
        pytest.param("", "cannot be copied|is damaged", id="damaged"),
    ],
)
def test_a_copy_that_cannot_be_used_is_refused(tmp_path: Path, statement: str, said: str) -> None:
    """A newer, foreign or damaged copy changes nothing."""
    data, file = tmp_path / "data", tmp_path / "copy.db"
    store = open_store(data)
    store.commit(Step((), [make_event()]))
    store.close()
    call("backup", str(file), "--data-dir", str(data))
    if statement:
        with sqlite3.connect(file) as connection:
            connection.execute(statement)
        connection.close()
    else:
        content = file.read_bytes()
        file.write_bytes(content[:4096] + b"\xff" * 4096 + content[8192:])
    with pytest.raises(ConfigError, match=said):
        call("restore", str(file), "--data-dir", str(data), "--yes")
    assert not (data / FILE_NAME).with_suffix(".new").exists()
    store = open_store(data)
    assert len(store.events()) == 1
    store.close()


@pytest.mark.integration
def test_the_commands_named_for_postgresql_work(tmp_path: Path, postgres: PostgresServer) -> None:
    """What `backup` and `restore` print, run as it stands, saves and brings back the store; no password is in it."""
    url = postgres.new_database()
    config, file = tmp_path / "cameras.yaml", tmp_path / "copy.dump"
    config.write_text(f"store: {{url: '{url}'}}\n")
    store = open_store(tmp_path, url)
    store.commit(Step((), [make_event(id="kept")]))
    lines = []
    for name in ("backup", "restore"):
        with pytest.raises(ConfigError) as caught:
            call(name, str(file), "-c", str(config))
        assert "s3cret" not in str(caught.value)
        lines.append(str(caught.value).splitlines()[-1])
    for line in lines:
        subprocess.run(shlex.split(line), check=True, env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}, timeout=60)
        if line is lines[0]:
            store.commit(Step((), [make_event(id="later")]))
            store.close()
    store = open_store(tmp_path, url)
    assert [each.id for each in store.events()] == ["kept"]
    store.close()


def test_erase_asks_deletes_and_tells(site: list[str], tmp_path: Path, store_url: str) -> None:
    """`maskwatch erase` names what it would delete, deletes it when told to, and says how much of what."""
    event = make_event(state=EventState.CLOSED, closed_at=NOW + 5, updated_at=NOW + 5)
    store = open_store(tmp_path / "data", store_url)
    store.commit(Step((), [event], {("door", int(NOW // 60), "people_mask"): 3}))
    span = ["--camera", "do*", "--from", "2023-11-14T22:00", "--to", "2023-11-14T23:00"]
    refused = CliRunner().invoke(command, ["erase", *site, *span], input="n\n")
    assert "Delete everything of door from 2023-11-14T22:00:00+00:00 to 2023-11-14T23:00:00+00:00?" in refused.output
    assert len(store.events()) == 1
    said = call("erase", *site, *span, "--yes")
    assert [line.split()[:2] for line in said.splitlines() if line.startswith(("events", "minutes"))] == [
        ["events", "1"],
        ["minutes", "1"],
    ]
    assert store.events() == []
    store.close()
    when = span[2:]
    for wrong, why in [
        (["--camera", "gate", *when], "nothing is kept of gate"),
        (["--camera", "door", "--from", "soon"], "is no moment"),
        (["--camera", "door", "--from", "1h", "--to", "2h"], "is not before"),
    ]:
        with pytest.raises(ConfigError, match=why):
            call("erase", *site, *wrong, "--yes")


def test_a_report_in_every_form(site: list[str], tmp_path: Path, store_url: str) -> None:
    """`maskwatch report` sums up by hour in the settings' zone; table, CSV and JSON say the same."""
    config = tmp_path / "cameras.yaml"
    config.write_text(config.read_text() + "time_zone: Asia/Kolkata\n")
    minute = int(NOW // 60)  # 03:43 in India
    counts = {("door", minute, "people_mask"): 3, ("door", minute + 10, "people_no_mask"): 1}
    counts |= {("door", minute + 30, "people_mask"): 2, ("gate", minute, "people_mask"): 5}
    store = open_store(tmp_path / "data", store_url)
    store.commit(Step((), (), counts))
    store.close()
    wanted = [*site, "--from", "2023-11-15T03:00", "--to", "2023-11-15T05:00", "--camera", "do*"]
    found = json.loads(call("report", *wanted, "--format", "json"))
    rows = [(each["begin"], each["judged"], each["rate"]) for each in found["cells"]]
    assert rows == [("2023-11-15T03:00+05:30", 4, 0.75), ("2023-11-15T04:00+05:30", 2, 1.0)]
    lines = call("report", *wanted, "--format", "csv").splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("door,2023-11-15T03:00+05:30,2023-11-15T04:00+05:30,")
    table = call("report", *wanted, "--by", "all")
    assert "83.3 %" in table
    assert "Asia/Kolkata" in table
    together = json.loads(call("report", *wanted[:-2], "--together", "--by", "day", "--format", "json"))
    assert [(each["camera_id"], each["judged"]) for each in together["cells"]] == [("all", 11)]
    with pytest.raises(ConfigError, match="nothing is kept of hall; cameras are door, gate"):
        call("report", *wanted[:-1], "hall")


def test_a_report_without_settings_goes_by_those_of_the_stack(tmp_path: Path) -> None:
    """Zone and privacy are those of the running stack, whose secrets need not be at hand; without one that is said."""
    config, data = tmp_path / "cameras.yaml", tmp_path / "data"
    config.write_text(
        "cameras:\n  - {id: door, source: 'rtsp://u:${NOT_IN_THIS_SHELL}@192.0.2.1/1'}\n"
        "time_zone: Asia/Kolkata\nprivacy: {mode: statistics}\n"
    )
    store = open_store(data, "")
    store.commit(Step((), (), {("door", int(NOW // 60), "people_mask"): 3}))
    store.close()
    span = ("--from", "2023-11-14T00:00", "--to", "2023-11-16T00:00", "--by", "all", "--format", "json")
    alone = CliRunner().invoke(command, ["report", *span, "--data-dir", str(data)], catch_exceptions=False)
    assert "small groups of people are not left out" in alone.stderr
    StackFile(os.getpid(), "unix:///nowhere", str(config), NOW).write(data)
    beside = CliRunner().invoke(command, ["report", *span, "--data-dir", str(data)], catch_exceptions=False)
    assert beside.stderr == ""
    said = [json.loads(each.stdout) for each in (alone, beside)]
    assert [(each["time_zone"], each["cells"][0]["judged"]) for each in said] == [("UTC", 3), ("Asia/Kolkata", None)]


@pytest.mark.parametrize(
    ("span", "why"),
    [
        pytest.param(["--to", "9999-12-31T23:59"], "'9999-12-31T23:59' lies outside the years 2 to 2999", id="far off"),
        pytest.param(["--from", "99999999999d"], "'99999999999d' lies outside the years 2 to 2999", id="long ago"),
        pytest.param(["--from", f"{'9' * 400}d"], "lies outside the years 2 to 2999", id="beyond all numbers"),
        pytest.param(["--from", "1900-01-01", "--to", "1950-01-01"], "438288 hours, and 100000 are shown", id="hours"),
    ],
)
def test_a_report_of_ages_is_refused(site: list[str], span: list[str], why: str) -> None:
    """A slip of the pen in a moment is named at once, and does not count hours for minutes or end in a traceback."""
    with pytest.raises(ConfigError, match=why):
        call("report", *site, *span)


def test_a_report_of_ages_in_one_row(site: list[str], tmp_path: Path, store_url: str) -> None:
    """All that there is, from long before to long after, is one row."""
    open_store(tmp_path / "data", store_url).close()
    span = ["--from", "0002-01-02", "--to", "2999-12-30", "--by", "all", "--together"]
    assert "Nothing was counted" in call("report", *site, *span)


@pytest.fixture
def letters(site: list[str], tmp_path: Path, store_url: str) -> Iterator[Outbox]:
    """The outbox of the site with three dead letters, two of them for the desk."""
    assert site
    store = open_store(tmp_path / "data", store_url)
    outbox = Outbox(store.database)
    for key, subscription in (("one", "desk"), ("two", "desk"), ("other", "guard")):
        row = OutboxRow(f"row-{key}", subscription, make_event(id=key))
        store.commit(Step((), [row.event], outbox=[row]))
        outbox.plan([Delivery(f"{key}-0123456789", subscription, (row,), NOW, calls=True)], ())
        outbox.note_failed(f"{key}-0123456789", NOW + 1, "410 from the receiver", due_at=None)
    yield outbox
    store.close()


def in_state(outbox: Outbox, state: DeliveryState) -> list[str]:
    """Name the deliveries in a state by the beginning of their keys."""
    return [each.key.partition("-")[0] for each in outbox.listed([state])]


def test_dead_letters_are_sent_again(site: list[str], letters: Outbox) -> None:
    """`alerts retry` makes those meant wait again from the start, under their old keys: by key, and by subscription."""
    assert "1 of 1 will be sent again" in call("alerts", "retry", "two-01", *site)
    assert in_state(letters, DeliveryState.WAITING) == ["two"]
    revived = letters.find("two-0123456789")
    assert revived is not None
    assert (revived.attempts, revived.done_at) == (0, None)
    assert "1 of 1 will be sent again" in call("alerts", "retry", "--all", "--subscription", "desk", *site)
    assert in_state(letters, DeliveryState.DEAD) == ["other"]
    assert "0 of 0 will be sent again" in call("alerts", "retry", "--all", "--subscription", "desk", *site)


def test_alerts_of_a_running_stack_need_no_secret(tmp_path: Path) -> None:
    """Whoever looks has not the stack's environment: lists are shown, and a test is sent, all the same."""
    config = tmp_path / "cameras.yaml"
    config.write_text("cameras:\n  - {id: door, source: 'rtsp://u:${NOT_IN_THIS_SHELL}@192.0.2.1/1'}\n")
    data = tmp_path / "data"
    open_store(data, "").close()
    StackFile(os.getpid(), "unix:///nowhere", str(config), NOW).write(data)
    assert "no dead letters" in call("alerts", "list", "--data-dir", str(data))
    done = CliRunner().invoke(command, ["alerts", "test", "desk", "--within-s", "1", "--data-dir", str(data)])
    assert (done.exit_code, "is `maskwatch notify` running?" in done.output) == (1, True)


def test_what_is_gathered_is_said_beside_what_waits(
    site: list[str], letters: Outbox, tmp_path: Path, store_url: str
) -> None:
    """`alerts list --waiting` names how many changes no message holds yet, by subscription, and as JSON beside it."""
    store = open_store(tmp_path / "data", store_url)
    names = ("desk", "desk", "guard")
    rows = [OutboxRow(f"row-{number}", name, make_event(id=f"door-{number}")) for number, name in enumerate(names)]
    store.commit(Step((), [row.event for row in rows], outbox=rows))
    store.close()
    letters.discard([each.key for each in letters.listed([DeliveryState.DEAD])], NOW)
    assert call("alerts", "list", *site) == "no dead letters\n"
    assert call("alerts", "list", "--waiting", *site).splitlines() == [
        "no dead letters, and no message waits",
        "2 changes are gathered for desk until a cooldown ends",
        "1 change is gathered for guard until a cooldown ends",
    ]
    said = call("alerts", "list", "--waiting", "--subscription", "guard", *site)
    assert "desk" not in said
    done = CliRunner().invoke(command, ["alerts", "list", "--waiting", "--json", *site])
    assert (done.stdout, "2 changes are gathered for desk" in done.stderr) == ("", True)


def test_dead_letters_are_given_up(site: list[str], letters: Outbox) -> None:
    """`alerts discard` takes them off the list for good: nobody can send them again."""
    assert "1 of 1 were discarded" in call("alerts", "discard", "one", *site)
    assert "2 of 2 were discarded" in call("alerts", "discard", "--all", *site)
    assert in_state(letters, DeliveryState.DISCARDED) == ["one", "two", "other"]
    assert "no dead letters" in call("alerts", "list", *site)
    with pytest.raises(ConfigError, match="there is no dead letter 'one'"):
        call("alerts", "retry", "one", *site)


@pytest.mark.parametrize("what", ["retry", "discard"])
def test_which_dead_letters_are_meant_must_be_said(site: list[str], letters: Outbox, what: str) -> None:
    """Neither command touches anything without keys or --all, or where one of the keys is unknown."""
    with pytest.raises(ConfigError, match="write the keys that `maskwatch alerts list` shows, or --all"):
        call("alerts", what, *site)
    with pytest.raises(ConfigError, match="there is no dead letter 'none'"):
        call("alerts", what, "one", "none", *site)
    assert in_state(letters, DeliveryState.DEAD) == ["one", "two", "other"]
