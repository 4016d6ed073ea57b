"""What training.leanings promises: shares as if logits were shifted, and one table for the runs of each recipe."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from maskwatch.errors import ConfigError
from tests.unit.training.test_sizes import untrained
from training.end_to_end import NOT_FOUND, Outcome
from training.leanings import LEANINGS, main, measure, shares
from training.tables import Faces

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]


def outcome(truth: str, *chances: float) -> Outcome:
    """Return one face of a known class; not found without chances."""
    told = "mask" if chances else NOT_FOUND
    probabilities = dict(zip(("mask", "no_mask", "incorrect"), chances, strict=bool(chances)))
    return Outcome("a.png", "scenes", "a", False, truth, told, probabilities, 0.9, (0, 0, 40, 40), {})


def test_shares_are_those_of_a_model_whose_logits_were_shifted() -> None:
    """Odds are multiplied by e to the shift; what falls under the threshold, or was not found, is never right."""
    faces = Faces(
        [
            outcome("mask", 0.7, 0.2, 0.1),
            outcome("mask"),
            outcome("no_mask", 0.5, 0.4, 0.1),  # right once mask is 0.6 logits less
            outcome("no_mask", 0.14, 0.44, 0.42),  # too doubtful, before and after
        ]
    )
    before, after = (shares(faces, {"mask": less}, 0.48) for less in (0.0, -0.6))
    np.testing.assert_equal(before, [0.5, 0.0, np.nan])
    np.testing.assert_equal(after, [0.5, 0.5, np.nan])


def test_runs_are_judged_on_what_they_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One table for runs that differ in the seed alone, the mean of them and their lowest and highest in it."""
    runs = [untrained(tmp_path / f"run-{seed}", 64) for seed in range(3)]
    for seed, run in enumerate(runs):
        config = {"leave_out": [tmp_path.name], "seed": seed, "steps": 5 if seed == 2 else 9}
        about = json.loads((run / "run.json").read_text()) | {"config": config}
        (run / "run.json").write_text(json.dumps(about))
    cv2.imwrite(str(tmp_path / "one.png"), np.ascontiguousarray(astronaut()[..., ::-1]))
    lines = ["file,label,xmin,ymin,xmax,ymax,split", "one.png,without_mask,176,68,272,194,val"]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    chosen = [argument for run in runs for argument in ("--run", str(run))]
    main([*chosen, "--data", str(tmp_path / "boxes.csv"), "--output", str(tmp_path / "leanings.json")])
    table, other = json.loads((tmp_path / "leanings.json").read_text())["tables"]
    assert (table["seeds"], other["seeds"]) == ([0, 1], [2])
    assert (table["sources"], table["faces"]) == ([tmp_path.name], {"mask": 0, "no_mask": 1, "incorrect": 0})
    assert [row["shift"] for row in table["rows"]] == [dict(shift) for shift in LEANINGS]
    assert all(row["no_mask"]["low"] == row["no_mask"]["high"] for row in table["rows"])  # two of the same
    assert table["rows"][0]["mask"] is table["rows"][0]["mean"] is None  # there is no masked face
    assert "| +0 | -1 | - | " in capsys.readouterr().out


def test_a_run_that_learned_everything_is_refused(tmp_path: Path) -> None:
    """What a run has learned says nothing about how it leans elsewhere."""
    run = untrained(tmp_path / "run", 64)
    with pytest.raises(ConfigError, match="--leave-out SOURCE"):
        measure([run], tmp_path, None)
