"""Keeps account of every frame of one camera: each ends in exactly one place, and the sum is always right.

captured = observed + dropped{reason} + lost + in flight. The first outcome of a frame counts, repeats do not; a frame
without any for SETTLE_S is lost. Pure: time is what the camera's own reports say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from maskwatch.domain import DropReason, FrameId  # noqa: TC001  the stored state is read back by them
from maskwatch.reports import LedgerReport

SETTLE_S = 30.0
"""Seconds, by the camera's reports, after which a frame without an outcome counts as lost."""

MARK_EVERY_S = 1.0

MOST_ABANDONED = 8
"""Runs remembered as left behind: more do not speak again."""


@dataclass(slots=True)
class Spans:
    """A set of whole numbers from 1 on, kept as stretches without gaps.

    >>> spans = Spans()
    >>> spans.add(1, 3), spans.add(5, 6), spans.add(2, 5)
    (3, 2, 1)
    >>> spans.stretches, spans.count
    ([(1, 6)], 6)
    """

    stretches: list[tuple[int, int]] = field(default_factory=list)  # first and last of each, ascending, never touching
    count: int = 0

    def add(self, first: int, last: int) -> int:
        """Add all numbers from first to last; returns how many were new."""
        if last < first:
            return 0
        before = [each for each in self.stretches if each[1] < first - 1]
        after = [each for each in self.stretches if each[0] > last + 1]
        touched = self.stretches[len(before) : len(self.stretches) - len(after)]
        joined = (min([first, *(each[0] for each in touched)]), max([last, *(each[1] for each in touched)]))
        self.stretches = [*before, joined, *after]
        new = joined[1] - joined[0] + 1 - sum(end - start + 1 for start, end in touched)
        self.count += new
        return new

    def covers(self, first: int, last: int) -> bool:
        """Whether all numbers from first to last are in the set; an empty range is."""
        return last < first or any(start <= first and last <= end for start, end in self.stretches)


@dataclass(slots=True)
class Run:
    """The frames of one life of a camera's reader."""

    base: int = 0  # frames before the aggregator first heard of this camera: nobody's account
    high: int = 0  # highest sequence number heard of
    done: Spans = field(default_factory=Spans)  # frames with an outcome
    marks: list[tuple[float, int]] = field(default_factory=list)  # at this time all frames up to this number existed
    heard_at: float = 0.0

    @property
    def in_flight(self) -> int:
        """Frames captured that have no outcome yet."""
        return self.high - self.done.count


@dataclass(slots=True)
class Ledger:
    """The accounts of one camera over all its runs."""

    runs: dict[int, Run] = field(default_factory=dict)
    forgotten: int = 0  # newest run whose account is closed; older unknown ones are ignored as well
    abandoned: list[int] = field(default_factory=list)  # runs left when a clock was set back; ignored as well
    closed: int = 0  # frames captured in closed runs
    observations: int = 0
    unchanged: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    now: float = 0.0  # of the newest report

    def report(self, run: int, captured: int, at: float) -> None:
        """Hear how many frames a run has captured; the only thing that moves the ledger's time."""
        self._move(at)
        account = self._account(run, captured)
        if account is not None:
            self._raise(account, captured)
        self._settle()

    def observe(self, frame: FrameId, *, unchanged: bool = False) -> bool:
        """Note that a frame was judged; returns whether that is its first outcome."""
        if self._note(frame.run, frame.seq, frame.seq) == 0:
            return False
        self.observations += 1
        self.unchanged += unchanged
        return True

    def drop(self, run: int, first: int, last: int, reason: DropReason) -> int:
        """Note that frames were dropped; returns for how many that is the first outcome."""
        new = self._note(run, first, last)
        if new:
            self.drops[reason.value] = self.drops.get(reason.value, 0) + new
        return new

    def settle_all(self) -> None:
        """Count everything in flight as lost: the camera is no more."""
        for account in self.runs.values():
            self.lost += account.done.add(1, account.high)
            account.marks.clear()

    def set_back(self, run: int, captured: int) -> None:
        """Go on with a run that is lower than others, whose accounts are closed: a clock that was ahead numbered them.

        Where the run has no account yet, its frames up to now, which were ignored, are nobody's account.
        """
        ahead = [each for each in self.runs if each > run]
        for account in map(self.runs.pop, ahead):
            self.lost += account.done.add(1, account.high)
            self.closed += account.high - account.base
        self.abandoned = [*self.abandoned, *ahead][-MOST_ABANDONED:]
        self.forgotten = min(self.forgotten, run - 1)
        if run not in self.runs:
            self._begin(run, captured)

    def accounted_between(self, after: FrameId | None, before: FrameId) -> bool:
        """Whether all frames between the two have an outcome, so that nothing may still come in between."""
        account = self.runs.get(before.run, Run())
        if after is not None and after.run == before.run:
            return account.done.covers(after.seq + 1, before.seq - 1)
        older = (each.in_flight for run, each in self.runs.items() if run < before.run)
        return account.done.covers(1, before.seq - 1) and not any(older)

    def is_complete(self, run: int) -> bool:
        """Whether every frame of a run heard of so far has an outcome."""
        return run not in self.runs or self.runs[run].in_flight == 0

    def balance(self, camera_id: str) -> LedgerReport:
        """Return the sums."""
        return LedgerReport(
            camera_id=camera_id,
            captured=self.closed + sum(account.high - account.base for account in self.runs.values()),
            observed=self.observations,
            unchanged=self.unchanged,
            dropped=dict(self.drops),
            lost=self.lost,
            in_flight=sum(account.in_flight for account in self.runs.values()),
        )

    def _note(self, run: int, first: int, last: int) -> int:
        if first < 1 or last < first:
            return 0
        account = self._account(run, first - 1)
        if account is None:
            return 0
        self._raise(account, last)
        return account.done.add(first, last)

    def _account(self, run: int, before: int) -> Run | None:
        """Find or begin a run's account. What came before the very first word of a camera is not accounted for."""
        account = self.runs.get(run)
        if account is None and run > self.forgotten and run not in self.abandoned:
            account = self._begin(run, 0 if self.runs or self.forgotten else max(0, before))
        return account

    def _begin(self, run: int, base: int) -> Run:
        account = self.runs[run] = Run(base=base, high=base, heard_at=self.now)
        account.done.add(1, base)
        return account

    def _raise(self, account: Run, high: int) -> None:
        account.heard_at = self.now
        if high <= account.high:
            return
        account.high = high
        if account.marks and self.now - account.marks[-1][0] < MARK_EVERY_S:
            account.marks[-1] = (account.marks[-1][0], high)  # settles up to MARK_EVERY_S early
        else:
            account.marks.append((self.now, high))

    def _move(self, at: float) -> None:
        if at < self.now - SETTLE_S:  # the clock was set back: begin all waiting anew
            for account in self.runs.values():
                account.heard_at = at
                account.marks = [(at, account.high)] if account.in_flight else []
            self.now = at
        self.now = max(self.now, at)

    def _settle(self) -> None:
        due = self.now - SETTLE_S - MARK_EVERY_S
        for run, account in sorted(self.runs.items()):
            while account.marks and account.marks[0][0] <= due:
                self.lost += account.done.add(1, account.marks.pop(0)[1])
            if run != max(self.runs) and account.in_flight == 0 and account.heard_at <= due:
                self.closed += account.high - account.base
                self.forgotten = max(self.forgotten, run)
                del self.runs[run]
