"""When nobody looked through a camera: a time without pictures and without a word why is not a quiet time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


class Span(Frozen):
    """A time from one moment to another, in seconds since 1970 UTC."""

    begin: float
    end: float


def unwatched(
    observed: Iterable[int], episodes: Iterable[tuple[float, float]], begin: float, end: float
) -> tuple[Span, ...]:
    """Return the minutes in which nothing was observed and no episode of the camera was open, joined to spans.

    The minute that still runs at the end only prolongs a span: its first picture may be on its way.

    Args:
        observed: minutes since 1970 with an observation.
        episodes: when the camera is known not to have seen: begin and end, in seconds since 1970.
        begin: where to begin; a minute that is cut off counts.
        end: where to end, in seconds since 1970.

    >>> unwatched({1, 4}, [(130.0, 150.0)], 30.0, 359.0)
    (Span(begin=30.0, end=60.0), Span(begin=180.0, end=240.0))
    >>> unwatched({1}, [], 60.0, 190.0)
    (Span(begin=120.0, end=190.0),)
    """
    known = set(observed)
    for first, last in episodes:
        known.update(range(int(max(first, begin) // 60), int(min(last, end) // 60) + 1))
    spans: list[Span] = []
    running = int(end // 60)
    for minute in range(int(begin // 60), running + 1):
        start, stop = max(begin, 60.0 * minute), min(end, 60.0 * (minute + 1))
        goes_on = bool(spans) and spans[-1].end == start
        if minute in known or (minute == running and not goes_on):
            continue
        spans.append(Span(begin=spans.pop().begin if goes_on else start, end=stop))
    return tuple(spans)
