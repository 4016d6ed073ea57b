"""What the models were to reach, set before anything was trained; training.model_card says what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WRONG_RUN = "longest wrong no_mask run, s"


@dataclass(frozen=True, slots=True)
class Target:
    """One figure that was set before anything was trained."""

    part: str  # of the card's parts, which holds it
    path: tuple[str, ...]  # to the figure in that part's JSON
    words: str
    wanted: float
    is_most: bool = False  # at most, instead of at least

    def figure(self, part: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return value, low, high and of (the faces) of the figure in its part; the value is None where it is not."""
        found: Any = part
        for step in self.path:
            found = found.get(step) if found else None
        return found if isinstance(found, dict) else {"value": found, "low": None, "high": None, "of": "-"}

    def is_reached(self, value: float) -> bool:
        """Whether a value is as good as was wanted."""
        return value <= self.wanted if self.is_most else value >= self.wanted


AREA = "AUROC mask against no_mask"
TARGETS = (
    Target("report", ("agreed", "found and right: mask"), "dev/test, boxed: mask found and right", 0.95),
    Target("distinct", ("agreed", "found and right: mask"), "the same, each photograph once", 0.95),
    Target("report", ("agreed", "found and right: no_mask"), "dev/test, boxed: no_mask found and right", 0.95),
    Target("distinct", ("agreed", "found and right: no_mask"), "the same, each photograph once", 0.95),
    Target(
        "report",
        ("agreed", "found and not called mask: incorrect"),
        "dev/test, boxed: worn wrong not called mask",
        0.75,
    ),
    Target("report", ("agreed", AREA), "dev/test, all sources: AUROC", 0.995),
    Target("corrected", ("agreed", AREA), "the same, twelve labels corrected", 0.995),
    Target(
        "report", ("classifier", "calibration error"), "dev/test, found faces: calibration error", 0.03, is_most=True
    ),
    Target("corrected", ("classifier", "calibration error"), "the same, twelve labels corrected", 0.03, is_most=True),
    Target("without kaggle", ("agreed", "found and right: mask"), "all of Kaggle, not learned: mask", 0.9),
    Target("without kaggle", ("agreed", "found and right: no_mask"), "all of Kaggle, not learned: no_mask", 0.93),
    Target(
        "without kaggle",
        ("agreed", "found and not called mask: incorrect"),
        "all of Kaggle, not learned: worn wrong not called mask",
        0.6,
    ),
    Target("without kaggle", ("agreed", AREA), "left out: kaggle, AUROC", 0.97),
    Target("without chand", ("agreed", AREA), "left out: chand, AUROC", 0.97),
    Target("without rmfd", ("agreed", AREA), "left out: rmfd, AUROC", 0.97),
    Target("clips", ("all", "right"), "clips: found faces right", 0.97),
    Target("clips", ("all", WRONG_RUN), "clips: longest wrong no_mask on a masked face, s", 0.5, is_most=True),
)
