"""The supervisor with real child processes that are a few lines of Python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from maskwatch.clock import Clock, ManualClock, SystemClock
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import ConfigError, ModelMismatch, Unsupported
from maskwatch.heartbeat import Stop
from maskwatch.supervisor import LONGEST_PAUSE_S, Child, Stage, Supervisor
from tests.programs import is_there, wait_until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

OBEDIENT = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"


def child(name: str, program: str) -> Child:
    """Build a child that runs a few lines of Python."""
    return Child(name, [sys.executable, "-c", textwrap.dedent(program)])


def supervise(*stages: Stage, clock: Clock | None = None, server: EmbeddedValkey | None = None) -> Supervisor:
    """Build a supervisor, without a server unless given."""
    return Supervisor(stages=stages, server=server, environment=os.environ, clock=clock or SystemClock())


class FrailServer(EmbeddedValkey):
    """A server that died, of which the next starts fail as told."""

    def __init__(self, directory: Path, *failures: Exception) -> None:
        """Begin dead."""
        super().__init__(directory, max_memory_bytes=1)
        self.failures = list(failures)
        self.starts = 0
        self.is_up = False

    def start(self) -> None:
        """Fail, or run from now on."""
        self.starts += 1
        if self.failures:
            raise self.failures.pop(0)
        self.is_up = True

    def running(self) -> bool:
        """Whether it was started."""
        return self.is_up


def test_a_dead_worker_is_started_again_after_a_pause() -> None:
    """A worker that was killed comes back as another process, and not at once."""
    worker = child("worker", OBEDIENT + "time.sleep(60)")
    supervisor = supervise(Stage((worker,), 2.0))
    supervisor.step()
    assert worker.process is not None
    first = worker.process.pid
    worker.process.kill()
    worker.process.wait()
    supervisor.step()
    assert not worker.running

    def is_back() -> bool:
        supervisor.step()
        return worker.running

    wait_until(is_back)
    assert worker.process is not None
    assert worker.process.pid != first
    assert worker.restarts == 1
    supervisor.stop()


def test_time_that_one_stage_leaves_the_next_has(tmp_path: Path) -> None:
    """A worker that needs longer than its own time is not killed while those before it left enough of theirs."""
    ready = tmp_path / "ready"
    slow = "import pathlib, signal, sys, time\n"
    slow += "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.6), sys.exit(0)))\n"
    slow += f"pathlib.Path({str(ready)!r}).touch()\ntime.sleep(60)"
    quick, late = child("quick", OBEDIENT + "time.sleep(60)"), child("late", slow)
    supervisor = supervise(Stage((quick,), 30.0), Stage((late,), 0.2))
    supervisor.step()
    process = late.process
    assert process is not None
    wait_until(ready.exists)
    supervisor.stop()
    assert process.returncode == 0


def test_pauses_grow_with_each_failure() -> None:
    """A worker that cannot live is tried again less and less often."""
    worker, clock = child("worker", "raise SystemExit(1)"), ManualClock()
    supervisor = supervise(Stage((worker,), 2.0), clock=clock)
    pauses = []
    for _ in range(3):
        supervisor.step()
        assert worker.process is not None
        worker.process.wait()
        supervisor.step()
        pauses.append(worker.retry_at - clock.monotonic())
        clock.advance(pauses[-1] + 0.01)
    assert 0 < pauses[0] < pauses[2]
    assert worker.failures == 3


def test_days_of_failures_do_not_end_the_others() -> None:
    """After thousands of deaths in a row a worker is still tried again, within the longest pause."""
    worker, clock = child("worker", "raise SystemExit(1)"), ManualClock()
    worker.failures = 5000
    supervisor = supervise(Stage((worker,), 2.0), clock=clock)
    supervisor.step()
    assert worker.process is not None
    worker.process.wait()
    supervisor.step()
    assert worker.failures == 5001
    assert LONGEST_PAUSE_S / 2 <= worker.retry_at - clock.monotonic() <= LONGEST_PAUSE_S


def test_a_worker_that_cannot_be_forked_is_tried_again(tmp_path: Path) -> None:
    """A process that cannot be started now is started later, and the others run meanwhile."""
    worker, other = child("worker", OBEDIENT + "time.sleep(60)"), child("other", OBEDIENT + "time.sleep(60)")
    command, clock = worker.command, ManualClock()
    worker.command = [str(tmp_path / "not-there")]
    supervisor = supervise(Stage((worker, other), 2.0), clock=clock)
    supervisor.step()
    assert (worker.running, other.running) == (False, True)
    assert worker.retry_at > clock.monotonic()
    worker.command = command
    clock.advance(worker.retry_at)
    supervisor.step()
    assert worker.running
    supervisor.stop()


def test_a_server_that_does_not_start_again_at_once_ends_no_stack(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """On a machine short of time, memory or space the server that died is tried again, less and less often."""
    server = FrailServer(tmp_path, *[Unsupported("no word from it"), OSError("no space left"), ConfigError("who?")] * 9)
    clock = ManualClock()
    supervisor = supervise(clock=clock, server=server)
    pauses = []
    while not server.is_up:
        before = server.starts, clock.monotonic()
        while server.starts == before[0]:
            supervisor.step()
            clock.advance(0.1)
        pauses.append(clock.monotonic() - before[1])
    assert pauses[1] < pauses[4] < pauses[9]
    assert max(pauses) <= LONGEST_PAUSE_S + 0.2
    assert caplog.text.count("no space left; trying again in") == 9
    assert supervisor.exit_code == 0


def test_an_exit_that_trying_again_cannot_mend_ends_the_stack() -> None:
    """A worker that refuses its model ends the stack with its own exit code."""
    worker = child("worker", f"raise SystemExit({ModelMismatch.exit_code})")
    assert supervise(Stage((worker,), 2.0)).run(Stop()) == ModelMismatch.exit_code


def test_a_broken_edit_does_not_end_a_stack_that_ran(tmp_path: Path) -> None:
    """A worker that ran, died and then refuses its settings is tried again after the longest pause; the others stay."""
    health_file, other = tmp_path / "worker.alive", child("other", OBEDIENT + "time.sleep(60)")
    worker, clock = child("worker", f"raise SystemExit({ConfigError.exit_code})"), ManualClock()
    worker.health_file = health_file
    health_file.touch()
    supervisor = supervise(Stage((worker, other), 2.0), clock=clock)
    supervisor.step()
    assert worker.process is not None
    worker.process.wait()
    supervisor.step()
    assert supervisor.exit_code == 0
    assert worker.retry_at - clock.monotonic() == LONGEST_PAUSE_S
    assert other.running
    worker.command = child("worker", OBEDIENT + "time.sleep(60)").command
    clock.advance(LONGEST_PAUSE_S)
    supervisor.step()
    assert worker.running
    supervisor.stop()


def test_stages_end_in_order(tmp_path: Path) -> None:
    """Who feeds the others is ended first, and only then the next."""
    order = tmp_path / "order"
    program = """
        import pathlib, signal, sys, time
        def end(*_):
            time.sleep(0.2)
            with open({order!r}, "a") as file:
                file.write({name!r})
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        pathlib.Path({ready!r}).touch()
        time.sleep(60)
    """
    stages = []
    for name in "abc":
        text = program.format(order=str(order), name=name, ready=str(tmp_path / f"ready-{name}"))
        stages.append(Stage((child(name, text),), 30.0))
    supervisor = supervise(*stages)
    supervisor.step()
    wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == 3)
    supervisor.stop()
    assert order.read_text() == "abc"


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """A worker deaf to SIGTERM does not keep the stack from stopping."""
    ready = tmp_path / "ready"
    deaf = f"""
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path({str(ready)!r}).touch()
        time.sleep(60)
    """
    worker = child("deaf", deaf)
    supervisor = supervise(Stage((worker,), 0.3))
    supervisor.step()
    wait_until(ready.exists)
    assert worker.process is not None
    pid = worker.process.pid
    supervisor.stop()
    assert not is_there(pid)


def test_no_worker_survives_a_killed_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the supervisor takes its workers with it."""
    pids = tmp_path / "pid"
    program = f"""
        import os, sys
        from maskwatch.clock import SystemClock
        from maskwatch.heartbeat import Stop
        from maskwatch.supervisor import Child, Stage, Supervisor
        text = "import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
        worker = Child("worker", [sys.executable, "-c", text])
        Supervisor(stages=[Stage((worker,), 1.0)], server=None, environment=os.environ, clock=SystemClock()).run(Stop())
    """
    supervisor = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    wait_until(lambda: pids.exists() and pids.read_text())
    worker = int(pids.read_text())
    assert is_there(worker)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    wait_until(lambda: not is_there(worker))
