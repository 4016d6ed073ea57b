"""What detector.masks promises: one run per batch, and no guess where a guess is all there is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine import Engine
from detector.engine_scripted import ScriptedEngine
from detector.faces import Face, FaceFinder
from detector.masks import MaskJudge, Thresholds, judge
from maskwatch.domain import MaskState
from maskwatch.errors import ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING, crop_face
from maskwatch.model_contract import MASK_CLASSES, MASK_TASK, ModelContract
from training.drawn_masks import draw_mask

MODELS = Path(__file__).parents[3] / "detector" / "models"


def make_contract(**changes: object) -> ModelContract:
    """A promise this version accepts, but for the changes."""
    promise: dict[str, object] = {
        "task": MASK_TASK,
        "name": "scripted",
        "classes": MASK_CLASSES,
        "input_size": 64,
        "crop_rule": CROP_RULE,
        "preprocessing": PREPROCESSING,
        "thresholds": '{"unknown_below": 0.7}',
    }
    return ModelContract(**{**promise, **changes})  # type: ignore[arg-type]


def make_engine(contract: ModelContract) -> ScriptedEngine:
    """An engine that calls bright crops mask and dark ones no_mask."""

    def answer(batch: np.ndarray) -> dict[str, np.ndarray]:
        bright = batch.mean(axis=(1, 2, 3)) / 255
        return {"probabilities": np.stack([bright, 1 - bright, 0 * bright], axis=1)}

    return ScriptedEngine(contract=contract, answer=answer)


def make_face(height: float = 80, score: float = 0.9, apart: float = 0.4) -> Face:
    """A face of a height in pixels and a score, whose eyes and mouth corners are so far apart (in its widths)."""
    half = apart * height * 0.4
    marks = ((-half, 0.0), (half, 0.0), (0.0, 5.0), (-half, 9.0), (half, 9.0))
    return Face((10, 10, 10 + height * 0.8, 10 + height), marks, score)


@pytest.fixture(scope="module")
def shipped() -> MaskJudge:
    """The classifier of this version."""
    return MaskJudge(engine=Engine(model=MODELS / "mask_mobilenetv2.onnx", provider="cpu", intra_op_threads=1))


@pytest.fixture(scope="module")
def portrait() -> tuple[np.ndarray, Face]:
    """Eileen Collins, by NASA, in the public domain (BGR), and her face."""
    picture = np.ascontiguousarray(astronaut()[..., ::-1])
    finder = FaceFinder(engine=Engine(model=MODELS / "face_yunet_2023mar.onnx", provider="cpu", intra_op_threads=1))
    return picture, finder.find([picture])[0][0]


@pytest.mark.parametrize(
    ("probabilities", "face", "state"),
    [
        pytest.param((0.9, 0.05, 0.05), make_face(), MaskState.MASK, id="mask"),
        pytest.param((0.1, 0.85, 0.05), make_face(), MaskState.NO_MASK, id="no mask"),
        pytest.param((0.1, 0.1, 0.8), make_face(), MaskState.INCORRECT, id="worn wrongly"),
        pytest.param((0.35, 0.33, 0.32), make_face(), MaskState.UNKNOWN, id="not sure"),
        pytest.param((0.0, 0.69, 0.31), make_face(), MaskState.UNKNOWN, id="just not sure enough"),
        pytest.param((0.0, 0.7, 0.3), make_face(), MaskState.NO_MASK, id="just sure enough"),
        pytest.param((0.0, 1.0, 0.0), make_face(height=19.9), MaskState.UNKNOWN, id="too small"),
        pytest.param((0.0, 1.0, 0.0), make_face(height=20.1), MaskState.NO_MASK, id="just large enough"),
        pytest.param((0.0, 1.0, 0.0), make_face(score=0.64), MaskState.UNKNOWN, id="hardly a face"),
        pytest.param((0.0, 1.0, 0.0), make_face(apart=0.14), MaskState.UNKNOWN, id="turned away"),
        pytest.param((0.0, 1.0, 0.0), make_face(apart=0.16), MaskState.NO_MASK, id="just not turned away"),
    ],
)
def test_a_face_gets_the_likeliest_state_or_none(
    probabilities: tuple[float, ...], face: Face, state: MaskState
) -> None:
    """Too small, turned away, hardly a face and not sure enough are all unknown."""
    thresholds = Thresholds(min_face_px=20, min_face_score=0.65, unknown_below=0.7)
    assert judge(dict(zip(MASK_CLASSES, probabilities, strict=True)), face, thresholds) is state


def test_all_crops_of_a_batch_take_one_run() -> None:
    """Rows come in the order of the crops."""
    engine = make_engine(make_contract())
    crops = [np.full((64, 64, 3), tone, np.uint8) for tone in (255, 0, 255, 0, 0)]
    rows = MaskJudge(engine=engine).probabilities(crops)
    assert engine.calls == 1
    np.testing.assert_allclose(rows[:, 0], [1, 0, 1, 0, 0], atol=1e-6)


def test_no_crops_no_run() -> None:
    """A batch of empty scenes costs nothing and has the right shape."""
    engine = make_engine(make_contract())
    assert MaskJudge(engine=engine).probabilities([]).shape == (0, 3)
    assert engine.calls == 0


def test_the_model_is_fed_as_it_was_trained() -> None:
    """Bytes, blue first, as the crop was cut."""
    engine = make_engine(make_contract())
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 0] = 255
    MaskJudge(engine=engine).probabilities([blue])
    np.testing.assert_allclose(engine.fed[0][0, 5, 5], [255, 0, 0])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"task": "face-detection-yunet"}, "face-mask-classification", id="a face detector"),
        pytest.param({"crop_rule": "tight-v0"}, "crop rule is 'tight-v0'", id="other crops"),
        pytest.param({"preprocessing": "x/255"}, "preprocessing", id="other preprocessing"),
        pytest.param({"classes": ("cat", "dog")}, "classes", id="other classes"),
        pytest.param({"thresholds": '{"unknown_below": 7}'}, "unknown_below is 7", id="a threshold that is no share"),
    ],
)
def test_a_model_with_another_promise_is_refused(changes: dict[str, object], complaint: str) -> None:
    """It would start, and judge wrongly, without anybody noticing."""
    with pytest.raises(ModelMismatch, match=complaint):
        MaskJudge(engine=make_engine(make_contract(**changes)))


def test_the_shipped_model_brings_its_threshold(shipped: MaskJudge) -> None:
    """It belongs to the model's calibration, so it travels with the file."""
    assert shipped.classes == MASK_CLASSES
    assert 0.4 <= shipped.unknown_below < 0.9
    assert (MODELS / "mask_mobilenetv2.onnx").stat().st_size < 12_000_000


@pytest.mark.parametrize("face_px", [24, 40, 90])
def test_a_bare_face_is_seen_at_all_distances(
    shipped: MaskJudge, portrait: tuple[np.ndarray, Face], face_px: int
) -> None:
    """The portrait, shrunk as if farther away, stays without a mask."""
    picture, face = portrait
    factor = face_px / face.height
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    (row,) = shipped.probabilities([crop_face(small, [factor * edge for edge in face.box], shipped.crop_size)])
    assert row.sum() == pytest.approx(1, abs=1e-4)
    assert shipped.classes[int(row.argmax())] == "no_mask"
    assert row.max() >= shipped.unknown_below


@pytest.mark.parametrize(("worn_right", "expected"), [(True, "mask"), (False, "incorrect")])
def test_a_mask_drawn_on_that_face_is_seen(
    shipped: MaskJudge, portrait: tuple[np.ndarray, Face], worn_right: bool, expected: str
) -> None:
    """Most of twenty masks of any colour are recognised as worn right or wrong."""
    picture, face = portrait
    x_min, y_min, x_max, y_max = face.box
    left, top, side = round((x_min + x_max) / 2 - 100), round((y_min + y_max) / 2 - 100), 200
    patch = np.ascontiguousarray(picture[top : top + side, left : left + side])
    marks = np.array(face.landmarks, np.float32) - np.array([left, top], np.float32)
    box = (x_min - left, y_min - top, x_max - left, y_max - top)
    random = np.random.default_rng(7)
    masked = [draw_mask(patch, marks, random, worn_right=worn_right) for _ in range(20)]
    rows = shipped.probabilities([crop_face(one, box, shipped.crop_size) for one in masked])
    states = [shipped.classes[place] for place in rows.argmax(axis=1)]
    assert states.count(expected) >= 14
