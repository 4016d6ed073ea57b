"""Programs that tests need beside Python, and waiting for what other processes do."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 30.0
"""How long tests wait for what surely comes: two cores that everybody wants may be gone for many seconds."""


def missing(what: str) -> None:
    """Skip the test on a laptop that lacks something; fail it in CI, where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and in CI it must be there")
    pytest.skip(f"{what} is not installed")


def require_program(name: str) -> str:
    """Return the path of a program, or skip the test (fail it in CI)."""
    found = shutil.which(name)
    if found is None:
        missing(f"the program {name}")
    return str(found)


def is_there(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def wait_until(
    fact: Callable[[], object], *, within_s: float = PATIENCE_S, what: str = "it", pause_s: float = 0.01
) -> None:
    """Wait until something that another process does has become true, looked at after each pause, and at the end."""
    deadline = time.monotonic() + within_s
    is_last = False  # this process may have stood still meanwhile: who comes late looks once more
    while not fact():
        if is_last:
            pytest.fail(f"{what} did not happen within {within_s:g} s")
        time.sleep(pause_s)  # noqa: TID251 - the one place where tests wait
        is_last = time.monotonic() > deadline
