"""What a source of pictures is to the rest of ingest. The specification; no logic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maskwatch.domain import Image


@dataclass(frozen=True, slots=True)
class Shot:
    """One decoded picture, not converted yet: most are never analysed, and converting costs more than they need."""

    pts: float | None  # the source's own time of the picture in seconds; None where it has no clock worth trusting
    width: int  # pixels
    height: int
    convert: Callable[[int, int], Image]  # width, height -> that picture as height x width x 3, uint8, BGR


class Capture(Protocol):
    """Pictures of one connection to one source, from opening it to its end.

    Entering opens it and raises SourceLost where that fails. Iterating blocks until the next picture and raises
    SourceLost when the source stops delivering; None in place of a picture means that data came and did not decode.
    A shot is converted before the next one is asked for, if at all. All of it happens in one thread, which may
    hang for ever in a library: only the end of the process is sure to end that.
    """

    is_paced: bool
    """Whether the source delivers as fast as it is read, or in bursts, so that the reader must hold it back.
    Known once it is open."""
    has_end: bool
    """Whether its end is its end, as that of a film. Where False an end is a loss. Known once it is open."""

    def __enter__(self) -> Self:
        """Open, or raise SourceLost."""

    def __exit__(self, *_: object) -> None:
        """Let go of the connection."""

    def __iter__(self) -> Iterator[Shot | None]:
        """Yield pictures in the order of their time."""


def fit_within(width: int, height: int, max_width: int, max_height: int) -> tuple[int, int]:
    """Return the size that fits, of the same shape, never larger than the original.

    >>> fit_within(1920, 1080, 960, 960), fit_within(480, 270, 960, 960), fit_within(1080, 1920, 960, 960)
    ((960, 540), (480, 270), (540, 960))
    """
    scale = min(1.0, max_width / width, max_height / height)
    return max(1, round(width * scale)), max(1, round(height * scale))
