"""A whole stack as a user starts it: `maskwatch up` in a process of its own, looked at from outside."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import psutil
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from maskwatch.cli import command as maskwatch
from maskwatch.errors import MaskwatchError
from tests.programs import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

STARTS_WITHIN_S = 90.0
STOPS_WITHIN_S = 20.0
"""More than the time that the supervisor gives its stages and the server, one after the other."""


def asked(*arguments: str, **environment: str) -> str:
    """Return what a command prints, run in this process; empty where it cannot tell.

    Who looks again and again by processes of their own takes the cores from what is looked at.
    """
    done = CliRunner().invoke(maskwatch, arguments, env=environment)
    if done.exception is not None and not isinstance(done.exception, (MaskwatchError, SystemExit)):
        raise done.exception
    return done.stdout


def wait_for(fact: Callable[[], object], *, within_s: float = 60.0, what: str = "it") -> None:
    """Wait until something about a stack is true, looked at a few times a second: each look costs what it needs."""
    wait_until(fact, within_s=within_s, what=what, pause_s=0.2)


class Stack:
    """Runs `maskwatch up` on settings given as YAML text; a context manager."""

    def __init__(self, folder: Path, settings: str) -> None:
        """Write the settings; the ports of metrics and page are free ones unless they say otherwise."""
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "cameras.yaml"
        self.log = folder / "log.txt"
        self.write(settings)
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, settings: str) -> None:
        """Write the settings file, as an operator's editor would."""
        ports = "".join(f"\n{part}: {{port: 0}}" for part in ("metrics", "dashboard") if f"{part}:" not in settings)
        self.config.write_text(settings + ports + "\n")

    @property
    def process(self) -> psutil.Process:
        """The supervisor."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def children(self, role: str) -> list[psutil.Process]:
        """Return the processes of a role, such as `detect`, directly below the supervisor."""
        found = []
        for each in self.process.children():
            with suppress(psutil.NoSuchProcess):  # ended meanwhile, a zombie included
                found += [each] if role in each.cmdline() else []
        return found

    def run(self, *arguments: str) -> str:
        """Run another command on the same data directory, as a person does, and return what it prints."""
        command = [sys.executable, "-m", "maskwatch", *arguments, "--data-dir", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout

    def status(self) -> dict[str, Any]:
        """Return `maskwatch status --json`; empty while the stack is not up."""
        printed = asked("status", "--json", "--data-dir", str(self.data))
        found: dict[str, Any] = json.loads(printed) if printed else {}
        return found

    def camera(self, camera_id: str) -> dict[str, Any]:
        """Return one camera's row of the status; empty if it is not there."""
        rows = self.status().get("cameras", [])
        return next((row for row in rows if row["camera_id"] == camera_id), {})

    def ledger(self, camera_id: str) -> dict[str, Any]:
        """Return one camera's balance; empty if there is none yet."""
        rows = self.status().get("ledgers", [])
        return next((row for row in rows if row["camera_id"] == camera_id), {})

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """Return `maskwatch events --json`."""
        printed = asked("events", "--json", *arguments, "--data-dir", str(self.data))
        return [json.loads(line) for line in printed.splitlines()]

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Scrape the endpoint: sample name and sorted labels to value."""
        url = (self.data / "run" / "metrics.url").read_text()
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own address
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {
            (each.name, tuple(sorted(each.labels.items()))): each.value
            for family in families
            for each in family.samples
        }

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal to the supervisor and wait for its end; returns its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(STOPS_WITHIN_S + 10)

    def __enter__(self) -> Self:
        """Start, and wait until the aggregator serves."""
        command = [sys.executable, "-m", "maskwatch", "up", "-c", str(self.config), "--data-dir", str(self.data)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log, stdout=log)
        try:
            wait_until((self.data / "run" / "metrics.url").exists, within_s=STARTS_WITHIN_S, what="the stack")
        except BaseException:
            self.__exit__(None, None, None)
            print(self.log.read_text())  # noqa: T201 - why it did not start
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, whatever state it is in; on a failure show its log."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOPS_WITHIN_S + 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if error is not None:
            print(self.log.read_text())  # noqa: T201 - pytest shows it with the failure
