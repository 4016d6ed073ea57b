"""What training.robustness promises: the same faces, changed one way each, and counted by state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine_scripted import ScriptedEngine
from detector.masks import OUTPUT, MaskJudge
from maskwatch.errors import ConfigError
from maskwatch.imaging import CROP_RULE, PREPROCESSING
from maskwatch.model_contract import MASK_TASK, ModelContract
from training.crops import Sample
from training.robustness import CHANGES, main, measure

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 96
CLASSES = ("no_mask", "mask", "incorrect")


def make_sample(label: str) -> Sample:
    """The head of Eileen Collins, by NASA, in the public domain."""
    patch = np.ascontiguousarray(astronaut()[36:228, 128:320, ::-1])
    crop = cv2.resize(patch[32:160, 32:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return Sample("a.png", "s", "val", label, 98, found=True, crop=crop, patch=patch, landmarks=None)


def bare_when_bright(batch: np.ndarray) -> dict[str, np.ndarray]:
    """An unsound judge: what is bright is bare."""
    bright = batch.mean(axis=(1, 2, 3)) > 60
    return {OUTPUT: np.stack([bright, ~bright, np.zeros(len(batch))], axis=1).astype(np.float32)}


@pytest.fixture
def judge() -> MaskJudge:
    """Classes in another order than the product's."""
    contract = ModelContract(
        name="unsound",
        task=MASK_TASK,
        crop_rule=CROP_RULE,
        preprocessing=PREPROCESSING,
        classes=CLASSES,
        input_size=SIZE,
        thresholds='{"unknown_below": 0.5}',
    )
    return MaskJudge(engine=ScriptedEngine(contract=contract, answer=bare_when_bright))


def test_a_judge_that_goes_by_light_is_found_out(judge: MaskJudge) -> None:
    """As they are its faces are right, in the dark they are not."""
    rows = measure([make_sample("no_mask")] * 3 + [make_sample("incorrect")], judge)
    assert list(rows) == list(CHANGES)
    assert rows["as they are"]["no_mask"]["value"] == 1
    assert rows["as they are"]["no_mask"]["of"] == 3
    assert rows["dark, 0.4 times the light"]["no_mask"]["value"] == 0
    assert rows["as they are"]["incorrect"]["value"] == 0
    assert rows["as they are"]["mask"] == {"value": None, "low": None, "high": None, "of": 0}


def test_every_change_changes_something_and_keeps_the_shape() -> None:
    """But the first, which is the face as the service sees it."""
    sample = make_sample("mask")
    for name, change in CHANGES.items():
        changed = change(sample)
        assert changed.shape == sample.crop.shape, name
        assert changed.dtype == np.uint8, name
        assert (np.abs(changed.astype(int) - sample.crop).mean() > 1) == (name != "as they are"), name


def test_the_box_moves_as_it_is_called() -> None:
    """A larger box shows the face smaller; one further down shows it further up."""
    sample = make_sample("mask")
    small = cv2.resize(sample.crop, (80, 80), interpolation=cv2.INTER_AREA)
    difference = CHANGES["box a fifth larger"](sample)[8:88, 8:88].astype(int) - small
    assert np.abs(difference).mean() < 5
    up = CHANGES["box a tenth further down"](sample)[:80].astype(int) - sample.crop[10:90]
    assert np.abs(up).mean() < 8


def test_the_command_judges_the_shipped_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a data set with one face; the JSON says which."""
    cv2.imwrite(str(tmp_path / "one.png"), np.ascontiguousarray(astronaut()[..., ::-1]))
    lines = ["file,label,xmin,ymin,xmax,ymax,split", "one.png,without_mask,176,68,272,194,val"]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    output = tmp_path / "robustness.json"
    main(["--data", str(tmp_path / "boxes.csv"), "--output", str(output)])
    assert "100.0% of 1" in capsys.readouterr().out
    told = json.loads(output.read_text())
    assert told["changes"]["as they are"]["no_mask"]["value"] == 1
    with pytest.raises(ConfigError, match="no pictures of split test; it has val"):
        main(["--data", str(tmp_path / "boxes.csv"), "--split", "test"])
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((512, 512, 3), np.uint8))
    with pytest.raises(ConfigError, match="none of its faces of 32 px or more in split val is found"):
        main(["--data", str(tmp_path / "boxes.csv")])
