"""The frame ledger: whatever comes, in whatever order, the balance holds."""

from __future__ import annotations

import random

import pytest

from aggregator.ledger import SETTLE_S, Ledger, Spans
from maskwatch.domain import DropReason, FrameId

LONG = SETTLE_S + 2


def begun(captured: int = 0, run: int = 1) -> Ledger:
    """Build the ledger of a camera that reported from its first frame on."""
    ledger = Ledger()
    ledger.report(run, 0, 1000.0)
    ledger.report(run, captured, 1000.0)
    return ledger


def sums(ledger: Ledger) -> tuple[int, int, int, int, int]:
    """Return captured, observed, dropped, lost, in flight, after checking that they balance."""
    balance = ledger.balance("door")
    assert balance.balances, balance
    return balance.captured, balance.observed, sum(balance.dropped.values()), balance.lost, balance.in_flight


def test_every_frame_is_in_one_place() -> None:
    """Captured frames are in flight until they are observed or dropped."""
    ledger = begun(5)
    ledger.observe(FrameId(1, 2))
    ledger.drop(1, 3, 4, DropReason.STALE)
    assert sums(ledger) == (5, 1, 2, 0, 2)


def test_an_outcome_raises_captured() -> None:
    """A frame of which an outcome is known was captured, even before the camera says so."""
    ledger = begun(1)
    ledger.observe(FrameId(1, 4))
    assert sums(ledger) == (4, 1, 0, 0, 3)


def test_the_first_outcome_wins() -> None:
    """A frame dropped and then observed stays dropped, and a repeated observation counts once."""
    ledger = begun(3)
    ledger.drop(1, 1, 1, DropReason.OVERFLOW)
    assert not ledger.observe(FrameId(1, 1))
    assert ledger.observe(FrameId(1, 2))
    assert not ledger.observe(FrameId(1, 2))
    assert ledger.drop(1, 1, 3, DropReason.STALE) == 1
    assert sums(ledger) == (3, 1, 2, 0, 0)
    assert ledger.balance("door").dropped == {"overflow": 1, "stale": 1}


def test_unchanged_frames_are_observed_too() -> None:
    """The motion gate's answers are among the observed, and counted on their own."""
    ledger = begun(2)
    ledger.observe(FrameId(1, 1), unchanged=True)
    ledger.observe(FrameId(1, 2))
    assert (ledger.balance("door").observed, ledger.balance("door").unchanged) == (2, 1)


def test_silence_is_loss() -> None:
    """A frame without an outcome for thirty seconds of reports is lost, and stays so."""
    ledger = begun(3)
    ledger.observe(FrameId(1, 2))
    ledger.report(1, 3, 1000.0 + SETTLE_S - 1)
    assert sums(ledger) == (3, 1, 0, 0, 2)
    ledger.report(1, 3, 1000.0 + LONG)
    assert sums(ledger) == (3, 1, 0, 2, 0)
    assert not ledger.observe(FrameId(1, 1))
    assert sums(ledger) == (3, 1, 0, 2, 0)


def test_young_frames_are_not_lost_with_the_old() -> None:
    """Only what was captured thirty seconds ago is settled."""
    ledger = begun(3)
    ledger.report(1, 5, 1020.0)
    ledger.report(1, 6, 1000.0 + LONG)
    assert sums(ledger) == (6, 0, 0, 3, 3)


def test_totals_go_on_over_runs() -> None:
    """A new run adds to the sums, the old one settles, and its repeats are ignored afterwards."""
    ledger = begun(4)
    ledger.observe(FrameId(1, 1))
    ledger.report(2, 0, 1001.0)
    ledger.report(2, 2, 1002.0)
    ledger.observe(FrameId(1, 2))
    assert sums(ledger) == (6, 2, 0, 0, 4)
    ledger.report(2, 2, 1002.0 + LONG)
    assert sums(ledger) == (6, 2, 0, 4, 0)
    ledger.report(2, 2, 1002.0 + 2 * LONG)
    assert not ledger.observe(FrameId(1, 3))
    assert list(ledger.runs) == [2]
    assert sums(ledger) == (6, 2, 0, 4, 0)


def test_what_a_later_run_began_with_is_missed() -> None:
    """Only the first words of a camera may begin anywhere: a later run heard of at its fifth frame has lost four."""
    ledger = begun(1)
    ledger.observe(FrameId(1, 1))
    ledger.observe(FrameId(2, 5))
    assert sums(ledger) == (6, 2, 0, 0, 4)
    ledger.report(2, 5, 1000.0 + LONG)
    assert sums(ledger) == (6, 2, 0, 4, 0)


def test_what_came_before_is_nobodys_account() -> None:
    """An aggregator that hears of a camera in the middle of its life begins to count there."""
    ledger = Ledger()
    ledger.report(1, 80_000, 1000.0)
    ledger.observe(FrameId(1, 80_001))
    ledger.observe(FrameId(1, 79_999))
    assert sums(ledger) == (1, 1, 0, 0, 0)


def test_a_clock_set_back_delays_and_loses_nothing() -> None:
    """When the camera's clock is set back by an hour, waiting begins anew."""
    ledger = begun(2)
    ledger.report(1, 3, 1000.0 - 3600)
    assert sums(ledger) == (3, 0, 0, 0, 3)
    ledger.report(1, 3, 1000.0 - 3600 + LONG)
    assert sums(ledger) == (3, 0, 0, 3, 0)


def test_a_run_of_a_clock_that_was_ahead_is_left_behind() -> None:
    """Set back to a lower run, later ones settle and are heard no more; its own frames are accounted for."""
    ledger = begun(4, run=9)
    ledger.observe(FrameId(9, 1))
    ledger.report(5, 2, 1001.0)
    ledger.observe(FrameId(5, 1))
    ledger.set_back(5, 2)
    assert sums(ledger) == (6, 2, 0, 3, 1)
    ledger.report(9, 7, 1002.0)
    assert not ledger.observe(FrameId(9, 8))
    assert ledger.observe(FrameId(5, 3))
    assert sums(ledger) == (7, 3, 0, 3, 1)
    ledger.report(6, 1, 1003.0)
    assert sums(ledger) == (8, 3, 0, 3, 2)


def test_a_forgotten_run_begins_where_it_is_taken_up() -> None:
    """Where a lower run was ignored until now its frames count from here on, and none of them is missing."""
    ledger = begun(3, run=8)
    ledger.report(9, 0, 1001.0)
    ledger.report(9, 1, 1001.0 + LONG)
    ledger.report(9, 1, 1001.0 + 2 * LONG)
    assert ledger.forgotten == 8
    assert not ledger.observe(FrameId(5, 20))
    ledger.set_back(5, 20)
    assert not ledger.observe(FrameId(5, 20))
    assert ledger.observe(FrameId(5, 21))
    assert sums(ledger) == (5, 1, 0, 4, 0)


@pytest.mark.parametrize(
    ("first", "last"),
    [pytest.param(0, 0, id="zero"), pytest.param(5, 4, id="backwards"), pytest.param(-3, -1, id="negative")],
)
def test_senseless_spans_are_ignored(first: int, last: int) -> None:
    """A span that cannot be leaves the account alone."""
    ledger = begun(3)
    assert ledger.drop(1, first, last, DropReason.BUSY) == 0
    assert sums(ledger) == (3, 0, 0, 0, 3)


def test_a_huge_span_costs_nothing() -> None:
    """A span of a million million frames is one stretch."""
    ledger = begun()
    ledger.drop(1, 1, 10**12, DropReason.BUS_AWAY)
    ledger.observe(FrameId(1, 10**12 + 2))
    assert len(ledger.runs[1].done.stretches) == 2
    assert sums(ledger)[0] == 10**12 + 2


@pytest.mark.parametrize("seed", range(40))
def test_the_balance_always_holds(seed: int) -> None:
    """Random orders, repeats, gaps and runs: the balance holds after every word, and everything settles at the end."""
    chance = random.Random(seed)
    ledger, at = begun(), 1000.0
    captured, heard = {1: 0}, {1: 0}  # what the camera knows, and what the ledger was told of
    said: set[tuple[int, int]] = set()
    run = 1
    for _ in range(300):
        at += chance.choice([0, 0.1, 1.0, 3.0])
        if chance.random() < 0.02:
            run += 1
            captured[run] = heard[run] = 0
            ledger.report(run, 0, at)
        captured[run] += chance.randint(0, 3)
        which = chance.choice([each for each in captured if each >= run - 1])
        seq = chance.randint(1, max(1, captured[which]))
        match chance.randint(0, 2):
            case 0:
                ledger.report(run, captured[run], at)
                heard[run] = max(heard[run], captured[run])
            case 1:
                first = ledger.observe(FrameId(which, seq))
                assert not (first and (which, seq) in said)
                said.add((which, seq))
                heard[which] = max(heard[which], seq)
            case _:
                last = max(seq, min(captured[which], seq + chance.randint(0, 4)))
                ledger.drop(which, seq, last, chance.choice(list(DropReason)))
                said.update((which, each) for each in range(seq, last + 1))
                heard[which] = max(heard[which], last)
        sums(ledger)
    ledger.report(run, heard[run], at + LONG)
    total, _, _, _, in_flight = sums(ledger)
    assert (total, in_flight) == (sum(heard.values()), 0)


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_a_set(seed: int) -> None:
    """Spans hold what a set of numbers would hold, whatever is added in whatever order."""
    chance, spans, plain = random.Random(seed), Spans(), set[int]()
    for _ in range(60):
        first = chance.randint(1, 80)
        numbers = set(range(first, first + chance.randint(1, 9)))
        assert spans.add(min(numbers), max(numbers)) == len(numbers - plain)
        plain |= numbers
        assert spans.count == len(plain) == sum(last - first + 1 for first, last in spans.stretches)
        probe = chance.randint(1, 90)
        assert spans.covers(probe, probe + 2) == ({probe, probe + 1, probe + 2} <= plain)
