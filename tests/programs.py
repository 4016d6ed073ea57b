"""Programs that tests need beside Python, and waiting for what other processes do."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


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


def wait_until(fact: Callable[[], object], *, within_s: float = 10.0, what: str = "it", pause_s: float = 0.01) -> None:
    """Wait until something that another process does has become true, looked at after each pause."""
    deadline = time.monotonic() + within_s
    while not fact():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {within_s:g} s")
        time.sleep(pause_s)  # noqa: TID251 - the one place where tests wait
