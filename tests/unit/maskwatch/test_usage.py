"""What a process says of its own use of the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from maskwatch.usage import take_usage
from tests.programs import wait_until

BUSY = "import sys\nfor _ in range(10**7): pass\nprint('done', flush=True)\nsys.stdin.read()"


def test_own_use_is_what_the_system_says() -> None:
    """Processor time and memory of this process agree with what psutil reads."""
    usage, seen = take_usage(), psutil.Process(os.getpid())
    times = seen.cpu_times()
    whole = times.user + times.system + times.children_user + times.children_system
    assert usage.cpu_seconds == pytest.approx(whole, abs=0.5)
    assert usage.memory_bytes == pytest.approx(seen.memory_full_info().pss, rel=0.1)


def test_children_count_while_they_run_and_after() -> None:
    """A child's processor time counts from the moment it is spent, and stays when the child has ended."""
    before = take_usage()
    child = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"done\n"
    alone, during = take_usage(), take_usage([child.pid])
    child.communicate()
    after = take_usage([child.pid])
    spent = during.cpu_seconds - before.cpu_seconds
    assert spent > 0.05
    assert during.memory_bytes > alone.memory_bytes + 2**20
    assert after.cpu_seconds >= before.cpu_seconds + spent - 0.05


def test_a_process_that_is_gone_takes_nothing() -> None:
    """A process id that is not there is no error."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    wait_until(lambda: not psutil.pid_exists(child.pid))
    assert take_usage([child.pid]).memory_bytes == pytest.approx(take_usage().memory_bytes, rel=0.05)
