"""What training.crops promises: faces cut as the service cuts them, with the right label."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine import Engine
from detector.faces import Face, FaceFinder
from maskwatch.imaging import crop_face
from training.crops import (
    CONTEXT,
    INPUT_SIZE,
    LARGEST_PATCH,
    UNCERTAIN,
    Labelled,
    cut_backgrounds,
    cut_portraits,
    cut_scenes,
    match,
    overlap,
)

MODEL = Path(__file__).parents[3] / "detector" / "models" / "face_yunet_2023mar.onnx"
BOXED = (176.0, 68.0, 272.0, 194.0)  # the astronaut's face
NOWHERE = (380.0, 380.0, 440.0, 450.0)  # her arm


def make_picture() -> np.ndarray:
    """Eileen Collins, by NASA, in the public domain: 512 x 512 x 3, BGR."""
    return np.ascontiguousarray(astronaut()[..., ::-1])


def make_face(box: tuple[float, float, float, float]) -> Face:
    """A found face with a box."""
    return Face(box, ((0.0, 0.0),) * 5, 0.9)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two crops, blurred so that a box some pixels off is still the same place."""
    blurred = [cv2.blur(picture, (15, 15)).ravel() for picture in (one, other)]
    return float(np.corrcoef(*blurred)[0, 1])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder laid out as the development data: a portrait, an empty picture and a scene with two boxes."""
    rows = [
        {"file": "bare.png", "source": "chand_without", "label": "without_mask", "split": "train"},
        {"file": "grey.png", "source": "chand_with", "label": "with_mask", "split": "train"},
        {"file": "unseen.png", "source": "chand_with", "label": "with_mask", "split": "test"},
        {"file": "scene.png", "source": "kaggle", "label": "", "split": "train"},
    ]
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    cv2.imwrite(str(tmp_path / "bare.png"), make_picture())
    cv2.imwrite(str(tmp_path / "scene.png"), make_picture())
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((90, 60, 3), 128, np.uint8))
    (tmp_path / "det_kaggle853").mkdir()
    lines = ["file,label,xmin,ymin,xmax,ymax,split"]
    lines += [f"scene.png,without_mask,{','.join(map(str, BOXED))},train"]
    lines += [f"scene.png,mask_weared_incorrect,{','.join(map(str, NOWHERE))},train"]
    (tmp_path / "det_kaggle853" / "boxes.csv").write_text("\n".join(lines))
    return tmp_path


def test_portraits_are_cut_where_the_detector_looks(data: Path) -> None:
    """The face is cut as the service would; where none is found the whole picture is the crop."""
    bare, grey = cut_portraits(data, MODEL, ("train",))
    assert (bare.label, bare.found, grey.label, grey.found) == ("no_mask", True, "mask", False)
    finder = FaceFinder(engine=Engine(model=MODEL, provider="cpu"), width=512, height=512)
    (face,) = finder.find([make_picture()])[0]
    expected = crop_face(make_picture(), face.box, INPUT_SIZE)
    assert bare.crop.shape == (INPUT_SIZE, INPUT_SIZE, 3)
    assert likeness(bare.crop, expected) > 0.9
    assert grey.face_px == pytest.approx(90 / 1.3)
    assert (grey.crop == 128).all()


def test_a_patch_shows_the_crop_in_its_middle(data: Path) -> None:
    """Cutting the middle out of the patch gives the crop again, and the landmarks lie on the face."""
    bare = next(cut_portraits(data, MODEL, ("train",)))
    side = bare.patch.shape[0]
    assert side <= LARGEST_PATCH
    edge = round(side * (1 - 1 / CONTEXT) / 2)
    middle = cv2.resize(bare.patch[edge:-edge, edge:-edge], (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA)
    assert float(np.abs(middle.astype(float) - bare.crop).mean()) < 10
    assert bare.landmarks is not None
    assert (bare.landmarks > edge).all()
    assert (bare.landmarks < side - edge).all()


def test_scenes_take_label_and_place(data: Path) -> None:
    """A found face takes the label of its box; a box without a find keeps its own place."""
    labels = {sample.label: sample for sample in cut_scenes(data, MODEL, ("train",)) if sample.label != UNCERTAIN}
    assert set(labels) == {"no_mask", "incorrect"}
    assert labels["no_mask"].found
    assert labels["no_mask"].landmarks is not None
    assert not labels["incorrect"].found
    np.testing.assert_array_equal(labels["incorrect"].crop, crop_face(make_picture(), NOWHERE, INPUT_SIZE))


def test_backgrounds_avoid_faces(data: Path) -> None:
    """No place taken for background touches the labelled or found face."""
    skin = crop_face(make_picture(), BOXED, 16).astype(float)
    places = list(cut_backgrounds(data, MODEL, ("train",), 20, seed=3))
    assert 3 < len(places) < 20
    for sample in places:
        assert sample.label == UNCERTAIN
        assert float(np.abs(cv2.resize(sample.crop, (16, 16)).astype(float) - skin).mean()) > 15


def test_splits_stay_apart(data: Path) -> None:
    """A picture of another split is not even opened."""
    assert all(sample.split == "train" for sample in cut_portraits(data, MODEL, ("train",)))
    with pytest.raises(FileNotFoundError):
        list(cut_portraits(data, MODEL, ("test",)))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="the same"),
        pytest.param((10, 0, 20, 10), 0.0, id="side by side"),
        pytest.param((20, 20, 30, 30), 0.0, id="apart in both directions"),
        pytest.param((0, 0, 5, 10), 0.5, id="half"),
    ],
)
def test_overlap_is_intersection_over_union(other: tuple[float, float, float, float], expected: float) -> None:
    """Also for boxes that are apart in both directions, whose product of gaps is positive."""
    assert overlap((0, 0, 10, 10), other) == pytest.approx(expected)


def test_each_face_is_matched_once_and_to_the_best() -> None:
    """Two labels cannot share one find; the closer one takes it."""
    truths = [Labelled("mask", (0, 0, 10, 10)), Labelled("no_mask", (2, 0, 12, 10)), Labelled("mask", (50, 0, 60, 10))]
    close = make_face((2.5, 0, 12.5, 10))
    assert match(truths, [close]) == [(truths[0], None), (truths[1], close), (truths[2], None)]
