"""What training.end_to_end promises: faces paired with finds, states told, and who is scored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.masks import Thresholds
from detector.pipeline import open_pipeline
from maskwatch.domain import MaskState
from maskwatch.errors import ConfigError
from maskwatch.settings import DetectorSettings
from tests.builders import make_detection
from training.datasets import LabelledFace, Picture, overlap
from training.end_to_end import (
    ANSWERS_ALWAYS,
    NOT_FOUND,
    OwnClassifier,
    again,
    by_lines,
    by_pipeline,
    fingerprint,
    read_boxes_file,
    read_lines,
    scorable,
    score,
)

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Detection
    from training.end_to_end import Judge

FACE = (20.0, 20.0, 60.0, 70.0)
OTHER = (90.0, 20.0, 130.0, 70.0)


def make_scene(folder: Path, *faces: tuple[str, tuple[float, ...]], **changes: Any) -> Picture:
    """A grey picture with labelled faces, all of them labelled."""
    path = folder / "scene.png"
    cv2.imwrite(str(path), np.full((160, 200, 3), 128, np.uint8))
    labelled = tuple(LabelledFace(label, box) for label, box in faces)
    values: dict[str, Any] = {"faces": labelled, "complete": True} | changes
    return Picture(path, "scene.png", "scenes", **values)


def tell(*faces: Detection) -> Judge:
    """A judge that says the same of every picture."""
    return lambda picture, image, first: list(faces)


def told(picture: Picture, *faces: Detection, **options: Any) -> list[tuple[str, str]]:
    """Truth and what was told of each scored face."""
    (scoring,) = score([picture], [tell(*faces)], **options)
    return [(one.truth, one.told) for one in scoring.outcomes]


def test_each_labelled_face_gets_what_was_told_of_it(tmp_path: Path) -> None:
    """A face with a find on it has its state, one without was not found."""
    scene = make_scene(tmp_path, ("mask", FACE), ("no_mask", OTHER))
    assert told(scene, make_detection(MaskState.MASK, box=FACE)) == [("mask", "mask"), ("no_mask", NOT_FOUND)]


def test_a_find_is_used_once(tmp_path: Path) -> None:
    """Of two labels on one find only the better is found."""
    near = (24.0, 22.0, 64.0, 72.0)
    scene = make_scene(tmp_path, ("mask", near), ("mask", FACE))
    assert told(scene, make_detection(MaskState.MASK, box=FACE)) == [("mask", NOT_FOUND), ("mask", "mask")]


def test_a_find_must_overlap_enough(tmp_path: Path) -> None:
    """IoU above 0.35 is found; the same face, half beside it, is not."""
    scene = make_scene(tmp_path, ("mask", FACE))
    assert told(scene, make_detection(box=(35.0, 20.0, 75.0, 70.0))) == [("mask", "no_mask")]
    assert told(scene, make_detection(box=(40.0, 20.0, 80.0, 70.0))) == [("mask", NOT_FOUND)]


def test_small_and_unjudged_faces_are_not_scored(tmp_path: Path) -> None:
    """Neither a face under the limit nor one whose state nobody knows."""
    scene = make_scene(tmp_path, ("mask", FACE), ("uncertain", OTHER), ("ignore", (140.0, 20.0, 180.0, 70.0)))
    assert told(scene, make_detection(MaskState.MASK, box=FACE)) == [("mask", "mask")]
    assert told(scene, min_face=51) == []
    assert not scorable(make_scene(tmp_path, ("mask", FACE), complete=False), 51)


@pytest.mark.parametrize(
    ("truth", "state", "right", "not_mask"),
    [
        pytest.param("mask", MaskState.MASK, True, False, id="mask"),
        pytest.param("mask", MaskState.UNKNOWN, False, False, id="unknown is never right"),
        pytest.param("incorrect", MaskState.INCORRECT, True, True, id="incorrect"),
        pytest.param("incorrect", MaskState.NO_MASK, False, True, id="incorrect called bare"),
        pytest.param("incorrect", MaskState.MASK, False, False, id="incorrect called mask"),
        pytest.param("incorrect", MaskState.UNKNOWN, False, False, id="incorrect unknown"),
    ],
)
def test_what_is_right(tmp_path: Path, truth: str, state: MaskState, right: bool, not_mask: bool) -> None:
    """Exactly, and for badly worn masks also the weaker: not called mask."""
    (scoring,) = score([make_scene(tmp_path, (truth, FACE))], [tell(make_detection(state, box=FACE))])
    (outcome,) = scoring.outcomes
    assert (outcome.is_right, outcome.is_not_called_mask) == (right, not_mask)


def test_finds_of_nobody_count_where_all_faces_are_labelled(tmp_path: Path) -> None:
    """Not those that touch a label, and none where labels are missing."""
    finds = (make_detection(box=FACE), make_detection(MaskState.UNKNOWN, box=OTHER))
    (complete,) = score([make_scene(tmp_path, ("no_mask", FACE))], [tell(*finds)])
    assert [find.state for find in complete.nobody] == [MaskState.UNKNOWN]
    assert complete.complete_pictures == 1
    (open_,) = score([make_scene(tmp_path, ("no_mask", FACE), complete=False)], [tell(*finds)])
    assert (open_.nobody, open_.complete_pictures) == ([], 0)


def test_the_biggest_find_is_a_portraits_face(tmp_path: Path) -> None:
    """Wherever in the picture it lies."""
    portrait = make_scene(tmp_path, label="mask", faces=(), complete=False)
    big = make_detection(MaskState.MASK, box=(5.0, 5.0, 150.0, 150.0))
    assert told(portrait, make_detection(box=FACE), big) == [("mask", "mask")]
    assert told(portrait) == [("mask", NOT_FOUND)]


def test_the_product_judges_portraits_with_a_border(tmp_path: Path) -> None:
    """A face that fills its picture is found, at its place in the picture, with the state the service would tell."""
    path = tmp_path / "bare.png"
    cv2.imwrite(str(path), np.ascontiguousarray(astronaut()[60:205, 165:285, ::-1]))
    pipeline, _, _ = open_pipeline(DetectorSettings(provider="cpu"), stills=True)
    own = OwnClassifier(pipeline.judge, pipeline.thresholds)
    shy = OwnClassifier(pipeline.judge, Thresholds(unknown_below=1.0, min_face_score=0))
    judges = [by_pipeline(pipeline), again(own), again(shy)]
    scorings = score([Picture(path, "bare.png", "x", label="no_mask")], judges)
    (outcome,), (same,), (unknown,) = (scoring.outcomes for scoring in scorings)
    assert outcome.told == "no_mask"
    assert overlap(outcome.box, (10.0, 10.0, 108.0, 136.0)) > 0.6
    assert same.told == "no_mask"
    assert same.probabilities == pytest.approx(outcome.probabilities, abs=0.1)
    assert unknown.told == "unknown"


def test_a_second_judge_is_given_the_first_ones_faces(tmp_path: Path) -> None:
    """Same boxes, own states."""

    class Turncoat:
        """Calls everything the opposite."""

        classes = ("no_mask", "mask")
        thresholds = ANSWERS_ALWAYS

        def judge_faces(self, image: np.ndarray, boxes: Any) -> np.ndarray:
            """Say mask."""
            assert boxes == [FACE]
            return np.array([[0.25, 0.75]], np.float32)

    first, second = score(
        [make_scene(tmp_path, ("no_mask", FACE))], [tell(make_detection(box=FACE)), again(Turncoat())]
    )
    assert [one.told for one in first.outcomes] == ["no_mask"]
    assert [one.told for one in second.outcomes] == ["mask"]
    assert second.outcomes[0].probabilities == {"no_mask": 0.25, "mask": 0.75}


def make_line(name: str, state: str = "mask") -> str:
    """A line as `maskwatch image --json` prints it."""
    face = {"box": list(FACE), "score": 0.9, "state": state, "probabilities": {"mask": 0.9, "no_mask": 0.1}}
    return json.dumps({"image": name, "width": 200, "height": 160, "faces": [face]})


@pytest.mark.parametrize("name", ["scene.png", "images/scene.png"])
def test_lines_are_scored_like_the_models_that_wrote_them(tmp_path: Path, name: str) -> None:
    """Also when their names begin in another folder; an empty line is nothing."""
    judge = by_lines(read_lines([make_line(name), "", make_line("other.png")], "lines"), "lines")
    (scoring,) = score([make_scene(tmp_path, ("mask", FACE))], [judge])
    assert [one.told for one in scoring.outcomes] == ["mask"]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        pytest.param([], "no lines", id="nothing"),
        pytest.param(["{"], "told:1: no line", id="no JSON"),
        pytest.param(['{"image": "a.png"}'], "told:1: faces: is missing", id="no faces"),
        pytest.param([make_line("scene.png", state="masked")], "told:1.*masked", id="unknown state"),
        pytest.param([make_line("other.png")], "told: image: scene.png: no line is about it", id="missing picture"),
        pytest.param([make_line("a/scene.png"), make_line("b/scene.png")], "more than one line", id="two fit"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, lines: list[str], named: str) -> None:
    """The error says where and what."""
    with pytest.raises(ConfigError, match=named):
        score([make_scene(tmp_path, ("mask", FACE))], [by_lines(read_lines(lines, "told"), "told")])


@pytest.mark.parametrize("folder", ["", "set/"])
def test_a_single_file_of_boxes_is_a_data_set(tmp_path: Path, folder: str) -> None:
    """Its pictures lie in its folder or in the one above."""
    (tmp_path / "set").mkdir()
    cv2.imwrite(str(tmp_path / "set" / "one.png"), np.zeros((80, 80, 3), np.uint8))
    file = tmp_path / "set" / "boxes.csv"
    file.write_text(f"file,label,xmin,ymin,xmax,ymax,split\n{folder}one.png,with_mask,1,2,41,52,test\n")
    (picture,) = read_boxes_file(file)
    assert picture.path.is_file()
    assert (picture.name, picture.source, picture.split) == (f"{folder}one.png", "set", "test")
    assert picture.faces == (LabelledFace("mask", (1.0, 2.0, 41.0, 52.0)),)


def test_boxes_without_pictures_are_refused(tmp_path: Path) -> None:
    """The first one that is missing is named."""
    file = tmp_path / "boxes.csv"
    file.write_text("file,label,xmin,ymin,xmax,ymax\ngone.png,with_mask,1,2,41,52\n")
    with pytest.raises(ConfigError, match=r"gone\.png lies neither"):
        read_boxes_file(file)


def test_a_fingerprint_tells_other_labels_apart(tmp_path: Path) -> None:
    """The order of the pictures does not matter; a label does."""
    one, two = make_scene(tmp_path, ("mask", FACE)), make_scene(tmp_path, ("no_mask", FACE))
    portrait = Picture(tmp_path / "p.png", "p.png", "x", label="mask")
    assert fingerprint([one, portrait]) == fingerprint([portrait, one])
    assert fingerprint([one]) != fingerprint([two])
