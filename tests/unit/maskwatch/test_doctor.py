"""The doctor: each row says how a thing is, and what to do about it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from maskwatch import doctor
from maskwatch.bus import BusInfo
from maskwatch.cli.check import postgres_version
from maskwatch.contracts import memory_ceiling, pictures_ceiling
from maskwatch.doctor import Row, Status, exit_code
from maskwatch.errors import Unsupported
from maskwatch.settings import Settings
from tests.servers import deaf_port, old_server

if TYPE_CHECKING:
    from pathlib import Path

ROOM = memory_ceiling(4) + 1


def test_this_installation(tmp_path: Path) -> None:
    """Where the tests run nothing fails, every row has a name and a detail, and looking leaves nothing behind."""
    rows = doctor.examine(
        settings=Settings(),
        data_dir=tmp_path / "not" / "yet",
        runtimes=lambda: {"onnxruntime": "1.30"},
        providers=lambda: ["CPUExecutionProvider"],
        postgres=postgres_version,
    )
    assert [row for row in rows if row.status is Status.FAIL] == []
    assert exit_code(rows) == 0
    assert all(row.name and row.detail for row in rows)
    assert all(row.remedy for row in rows if row.status is not Status.OK)
    assert list(tmp_path.iterdir()) == []


def test_one_failure_fails() -> None:
    """The exit code is 1 as soon as one thing cannot work."""
    assert exit_code([Row("a", Status.OK, ""), Row("b", Status.FAIL, ""), Row("c", Status.WARN, "")]) == 1


@pytest.mark.parametrize(
    ("there", "status"),
    [
        pytest.param({"onnxruntime": "1.30"}, Status.OK, id="cpu"),
        pytest.param({"onnxruntime-gpu": "1.30"}, Status.OK, id="gpu"),
        pytest.param({}, Status.FAIL, id="none"),
        pytest.param({"onnxruntime": "1.30", "onnxruntime-gpu": "1.30"}, Status.FAIL, id="both"),
    ],
)
def test_runtimes(there: dict[str, str], status: Status) -> None:
    """There must be one onnxruntime, and only one: two of them overwrite each other."""
    assert doctor.runtime_row(there).status is status


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param("auto", Status.OK, id="auto"),
        pytest.param("cpu", Status.OK, id="there"),
        pytest.param("cuda", Status.FAIL, id="not there"),
        pytest.param("tensorrt", Status.OK, id="with a longer name"),
    ],
)
def test_providers(asked: str, status: Status) -> None:
    """A provider that is asked for must be there."""
    assert doctor.provider_row(asked, lambda: ["TensorrtExecutionProvider", "CPUExecutionProvider"]).status is status


def test_providers_of_a_broken_runtime() -> None:
    """A runtime that does not load is a failing row, not a traceback."""

    def broken() -> list[str]:
        raise Unsupported("onnxruntime does not load")

    row = doctor.provider_row("auto", broken)
    assert (row.status, row.detail) == (Status.FAIL, "onnxruntime does not load")


@pytest.mark.parametrize(
    ("there", "status", "detail"),
    [
        pytest.param({"opencv-python": "5"}, Status.OK, "opencv-python 5", id="with windows"),
        pytest.param({"opencv-python-headless": "5"}, Status.WARN, "opens no windows", id="headless"),
        pytest.param({"opencv-python": "5", "opencv-python-headless": "5"}, Status.WARN, "overwrite", id="both"),
        pytest.param({}, Status.OK, "its own build", id="Debian's"),
    ],
)
def test_opencv(there: dict[str, str], status: Status, detail: str) -> None:
    """The doctor knows the variants of OpenCV that share one import name."""
    row = doctor.opencv_row(lambda name: there.get(name, ""))
    assert row.status is status
    assert detail in row.detail


@pytest.mark.parametrize(
    ("info", "status", "remedy"),
    [
        pytest.param(BusInfo("redis 7.0.15", 0, ROOM, "noeviction"), Status.OK, "", id="good"),
        pytest.param(BusInfo("redis 7.0.15", 0, ROOM, "allkeys-lru"), Status.FAIL, "noeviction", id="evicts"),
        pytest.param(BusInfo("redis 7.0.15", 0, 2**20, "noeviction"), Status.WARN, "maxmemory", id="too small"),
        pytest.param(BusInfo("redis 7.0.15", 0, 0, "noeviction"), Status.WARN, "maxmemory", id="no limit"),
    ],
)
def test_servers(info: BusInfo, status: Status, remedy: str) -> None:
    """A server must not evict, and should have a limit that holds what the cameras may need."""
    row = doctor.judged_server("redis://h", info, memory_ceiling(4), 4)
    assert row.status is status
    assert remedy in row.remedy


def test_server_that_is_not_there() -> None:
    """A server that does not answer fails, and its password is not shown."""
    (row,) = doctor.bus_rows(Settings.model_validate({"bus": {"url": "redis://u:hunter2@127.0.0.1:1/0"}}))
    assert row.status is Status.FAIL
    assert "redis://***@127.0.0.1:1/0" in row.detail
    assert "hunter2" not in f"{row.detail} {row.remedy}"


def test_two_servers() -> None:
    """A second server for pictures has a row of its own, and each must hold its part of what is needed."""
    urls = {"url": "redis://127.0.0.1:1/0", "frames_url": "redis://u:hunter2@127.0.0.1:1/1"}
    rows = list(doctor.bus_rows(Settings.model_validate({"bus": urls})))
    assert [row.name for row in rows] == ["bus", "bus's pictures"]
    assert "hunter2" not in f"{rows}"
    assert 0 < pictures_ceiling(4) < memory_ceiling(4)


def test_server_that_is_too_old() -> None:
    """A server older than 7.0 fails, with what to do instead."""
    with old_server() as url:
        (row,) = doctor.bus_rows(Settings.model_validate({"bus": {"url": url}}))
    assert row.status is Status.FAIL
    assert "6.2.14" in row.detail


def test_address_that_is_none() -> None:
    """An address that cannot be read fails with how to write one."""
    (row,) = doctor.bus_rows(Settings.model_validate({"bus": {"url": "mongodb://h"}}))
    assert row.status is Status.FAIL
    assert "redis://host:6379/0" in row.detail


def test_data_directory_that_is_a_file(tmp_path: Path) -> None:
    """A data directory that cannot be made fails."""
    (tmp_path / "file").touch()
    assert doctor.data_row(tmp_path / "file" / "below").status is Status.FAIL


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A data directory without permission to write fails."""
    tmp_path.chmod(0o500)
    assert doctor.data_row(tmp_path / "below").status is Status.FAIL


def test_distribution_that_is_not_installed() -> None:
    """Running from a checkout without an installation is said."""
    (row,) = doctor.dependency_rows("no-such-distribution")
    assert row.status is Status.WARN


@pytest.mark.parametrize(
    ("there", "status"),
    [
        pytest.param("opencv-python", Status.OK, id="with windows"),
        pytest.param("opencv-python-headless", Status.OK, id="without, as in the images"),
        pytest.param("opencv-contrib", Status.FAIL, id="neither"),
    ],
)
def test_either_opencv_will_do(there: str, status: Status) -> None:
    """The OpenCV without windows stands for the other; the row says so."""
    rows = {row.name: row for row in doctor.dependency_rows(found=lambda name: "5.0" * (name == there))}
    assert rows["opencv-python"].status is status
    assert ("as opencv-python-headless" in rows["opencv-python"].detail) == there.endswith("headless")


def test_library_that_does_not_load() -> None:
    """A library that does not load fails with its own words."""
    row = doctor.loading_row("Nothing", "no_such_module", "install it")
    assert (row.status, row.remedy) == (Status.FAIL, "install it")
    assert "no_such_module" in row.detail


@pytest.mark.parametrize("options", ["", "?foo=SECRET"])
def test_a_store_that_does_not_answer_keeps_its_password(options: str) -> None:
    """A database is reached as the stack reaches it, and whatever the driver says shows no piece of its address."""
    with deaf_port() as port:
        store = {"url": f"postgresql://maskwatch:100%SECRET@127.0.0.1:{port}/db{options}"}
        row = doctor.store_row(Settings.model_validate({"store": store}), postgres_version)
    assert row.status is Status.FAIL
    assert "SECRET" not in row.detail
    assert "invalid percent" not in row.detail
    assert row.remedy == "Start it, or correct store.url."


@pytest.mark.parametrize(
    ("version", "status"),
    [pytest.param(150_004, Status.OK, id="tested"), pytest.param(140_011, Status.WARN, id="older")],
)
def test_versions_of_postgresql(version: int, status: Status) -> None:
    """An old PostgreSQL is a warning, and the version is shown as people write it."""
    settings = Settings.model_validate({"store": {"url": "postgresql://u:p@h/d"}})
    row = doctor.store_row(settings, lambda _: version)
    assert row.status is status
    assert row.detail == f"postgresql://***@h/d: PostgreSQL {version // 10_000}.{version % 10_000}"
