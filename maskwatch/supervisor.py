"""Runs a whole stack on one machine: the embedded server and the workers, restarted when they die, ended in order.

Beyond one machine nothing of this is used: there a container engine does it.
"""

from __future__ import annotations

import functools
import logging
import os
import random
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwatch.errors import FATAL_EXITS, MaskwatchError
from maskwatch.processes import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from maskwatch.clock import Clock
    from maskwatch.embedded import EmbeddedValkey
    from maskwatch.heartbeat import Stop

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
GOOD_AFTER_S = 30.0
CANNOT_START = (OSError, subprocess.SubprocessError)
"""What a process raises that cannot be started, most likely as memory, processes or space on the disk are short."""


@dataclass(slots=True)
class Child:
    """One supervised worker process."""

    name: str
    command: Sequence[str]
    health_file: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    retry_at: float = 0.0
    failures: int = 0
    restarts: int = 0

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def has_lived(self) -> bool:
        """Whether its loop ever turned in this stack: it could run here, whatever keeps it from that now."""
        return self.health_file is not None and self.health_file.exists()


@dataclass(frozen=True, slots=True)
class Stage:
    """Workers of one kind: they are ended together, within a time of their own and what those before left of theirs."""

    children: tuple[Child, ...]
    stop_within_s: float


class Supervisor:
    """Starts, watches and ends the processes of one stack. Single-threaded, as it forks."""

    def __init__(
        self,
        *,
        stages: Sequence[Stage],
        server: EmbeddedValkey | None,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        """Take what to run.

        Args:
            stages: in the order in which they are ended: who feeds the others first.
            server: has been started already; it is ended last, and started again when it dies.
            environment: of the workers.
            clock: of this host.
        """
        self._stages = tuple(stages)
        self._children = [child for stage in stages for child in stage.children]
        self._server = server
        self._environment = dict(environment)
        self._clock = clock
        self._server_failures = 0
        self._server_retry_at = float("-inf")
        self.exit_code = 0

    def run(self, stop: Stop) -> int:
        """Supervise until asked to stop, then end all in order; returns the exit code of the stack."""
        try:
            while not stop.requested and not self.exit_code:
                self.step()
                self._clock.sleep(LOOK_EVERY_S)
        finally:
            self.stop()
        return self.exit_code

    def step(self) -> None:
        """Start what should run and does not; what cannot be started now is tried again later."""
        self._keep_server()
        now = self._clock.monotonic()
        for child in self._children:
            if child.process is not None and not child.running:
                self._bury(child, now)
            if child.process is None and now >= child.retry_at:
                self._start(child, now)

    def reload(self) -> None:
        """Pass on the request to read the settings again."""
        for child in self._children:
            if child.running and child.process is not None:
                child.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End the children in order, then the server; one that is not gone when its time is over is killed.

        Ingest first, so that nothing new comes; then the detectors, which finish their batch; then the
        aggregator, which takes in what they said last; then who tells the subscribers of it; the server at the very
        end, as all of them talk to it. What a stage leaves of its time the next ones have: on a busy machine the
        aggregator, which first stores the step that it is in, needs more of it than the others.
        """
        deadline = self._clock.monotonic()
        for stage in self._stages:
            for child in stage.children:
                if child.running and child.process is not None:
                    child.process.terminate()
            deadline += stage.stop_within_s
            for child in stage.children:
                self._reap(child, deadline)
        if self._server is not None:
            self._server.stop()

    def _keep_server(self) -> None:
        """Start the server again where it died. It ran here, so that whatever keeps it from that now may pass."""
        if self._server is None or self._server.running() or self._clock.monotonic() < self._server_retry_at:
            return
        log.error("the embedded server died; starting it again")
        try:
            self._server.start()
        except (MaskwatchError, *CANNOT_START) as error:
            pause = _pause_after(self._server_failures)
            self._server_failures += 1
            self._server_retry_at = self._clock.monotonic() + pause
            log.error("%s; trying again in %.1f s", error, pause)  # noqa: TRY400 - a traceback says no more
        else:
            self._server_failures = 0

    def _start(self, child: Child, now: float) -> None:
        try:
            child.process = subprocess.Popen(
                child.command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                preexec_fn=functools.partial(_begin, os.getpid()),  # noqa: PLW1509 - this process has one thread
                start_new_session=True,  # a Ctrl-C in the terminal reaches only the supervisor: it ends all in order
            )
        except CANNOT_START as error:
            self._retry(child, now, f"cannot be started: {error}")
        child.started_at = now

    def _bury(self, child: Child, now: float) -> None:
        code = child.process.returncode if child.process is not None else 0
        child.process = None
        if code in FATAL_EXITS and not child.has_lived:
            log.error("%s cannot run here (exit code %s); ending the stack", child.name, code)
            self.exit_code = code
            child.retry_at = float("inf")
            return
        if code in FATAL_EXITS:  # most likely it died of something else, and met a broken edit of the settings
            child.restarts += 1
            child.retry_at = now + LONGEST_PAUSE_S
            log.error(
                "%s ran, and cannot any more (exit code %s): mend what it said last (`maskwatch check-config` names "
                "mistakes in the settings); the others go on, and it is tried again in %.0f s",
                child.name, code, LONGEST_PAUSE_S,
            )  # fmt: skip
            return
        if now - child.started_at >= GOOD_AFTER_S:
            child.failures = 0
        child.restarts += 1
        self._retry(child, now, f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}")

    def _retry(self, child: Child, now: float, why: str) -> None:
        pause = _pause_after(child.failures)
        child.failures += 1
        child.retry_at = now + pause
        log.error("%s %s; starting it again in %.1f s", child.name, why, pause)

    def _reap(self, child: Child, deadline: float) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(max(0.05, deadline - self._clock.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in time and is killed", child.name)
            child.process.kill()
            child.process.wait()
        child.process = None


def _pause_after(failures: int) -> float:
    """Return the seconds to wait after one more failure, with so many in a row before it."""
    longest = FIRST_PAUSE_S * 2.0 ** min(failures, 10)  # the power alone, of days of failures, no float could hold
    return min(LONGEST_PAUSE_S, longest) * random.uniform(0.5, 1.0)  # noqa: S311


def _begin(parent: int) -> None:
    """Run first in a child: a SIGHUP that comes before the worker listens must not end it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    die_with_parent(parent)
