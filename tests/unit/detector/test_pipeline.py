"""The whole pipeline with the shipped models, on a frame of the demo clip."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine import MOST_THREADS, processors
from detector.faces import Face
from detector.pipeline import GLIMPSE_SCORE, MAX_FACES, STILL_SIDES, open_pipeline, search_still
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings

CLIP = Path(__file__).parents[3] / "ingest" / "demo" / "lobby.mp4"


def test_looking_out_for_more_changes_no_judgement() -> None:
    """What is only glimpsed is reported apart: the judged faces are the same as without, at any threshold."""
    clip = cv2.VideoCapture(str(CLIP))
    clip.set(cv2.CAP_PROP_POS_FRAMES, 120)
    picture = clip.read()[1]
    for face_score in (0.6, 0.99):
        settings = DetectorSettings(provider="cpu", threads=1, face_score=face_score)
        plain = open_pipeline(settings)[0].detect([picture])[0]  # type: ignore[list-item]
        (sight,) = open_pipeline(settings, glimpses=True)[0].look([picture])  # type: ignore[list-item]
        assert sight.detections == plain
        assert face_score > GLIMPSE_SCORE
        assert bool(plain) is (face_score < 0.9)
        assert plain or sight.glimpses


def test_models_open_where_nobody_tells_which_processors_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: with the default settings the machine's processors are shared among the workers."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processors() == 1
    pipeline, *_ = open_pipeline(DetectorSettings(workers=4))
    assert pipeline.detect([np.zeros((96, 160, 3), np.uint8)]) == [[]]


@pytest.mark.parametrize("unknown_below", [0.9, 0.0])
def test_settings_reach_the_models(monkeypatch: pytest.MonkeyPatch, unknown_below: float) -> None:
    """What is set stands in force: the thresholds instead of the model's own, the threads in both sessions."""
    monkeypatch.setattr("detector.pipeline.processors", lambda: 1)
    settings = DetectorSettings(provider="cpu", unknown_below=unknown_below, face_score=0.7, threads=MOST_THREADS + 1)
    pipeline, *engines = open_pipeline(settings)
    assert pipeline.judge.unknown_below not in {0.9, 0.0}
    assert (pipeline.thresholds.unknown_below, pipeline.thresholds.min_face_score) == (unknown_below, 0.7)
    assert [each._session.get_session_options().intra_op_num_threads for each in engines] == [MOST_THREADS + 1] * 2


def test_small_faces_in_a_large_photograph_are_found_and_all_are_judged() -> None:
    """Faces of about 40 pixels in ten rows and eight columns of a picture of 3600 pixels: each is found, none left out.

    Searched as the service searches a frame, the picture shows next to none of them.
    """
    head = cv2.resize(astronaut()[0:220, 110:330, ::-1], (72, 72), interpolation=cv2.INTER_AREA)
    photograph = np.full((2700, 3600, 3), 120, np.uint8)
    for row in range(10):
        for column in range(8):
            y, x = 100 + 260 * row, 150 + 430 * column
            photograph[y : y + 72, x : x + 72] = head
    settings = DetectorSettings(provider="cpu", threads=2, face_score=STILL_FACE_SCORE)
    (found,) = open_pipeline(settings, stills=True)[0].detect([photograph])
    faces = [each for each in found if 30 <= each.box[3] - each.box[1] <= 60]
    assert len(faces) == 80 > MAX_FACES
    assert {round((each.box[1] - 100) // 260) for each in faces} == set(range(10))
    (as_frame,) = open_pipeline(settings)[0].detect([photograph])
    assert len(as_frame) < 8


class ScriptedFinder:
    """Finds what it is told to at its size, and remembers whether it was asked."""

    def __init__(self, width: int, *faces: Face) -> None:
        """Take the size and the faces."""
        self.width, self.faces, self.asked = width, list(faces), False

    def trimmed(self, image: np.ndarray) -> ScriptedFinder:
        """It has no input that could be smaller."""
        return self

    def find(self, images: list[np.ndarray]) -> list[list[Face]]:
        """The same for every picture."""
        self.asked = True
        return [list(self.faces) for _ in images]


def make_face(left: float, size: float, score: float) -> Face:
    """A square face."""
    return Face((left, 0.0, left + size, size), ((0.0, 0.0),) * 5, score)


@pytest.mark.parametrize(
    ("longest", "searched"),
    [
        (100, (320, 640)),
        (400, (320, 640, 1280)),
        (1280, (320, 640, 1280, 2560)),
        (1300, STILL_SIDES),
        (9000, STILL_SIDES),
    ],
)
def test_a_photograph_is_searched_up_to_its_size_and_enlarged_once(longest: int, searched: tuple[int, ...]) -> None:
    """The next size above the picture's own is the last."""
    finders = [ScriptedFinder(side) for side in STILL_SIDES]
    assert search_still(np.zeros((60, longest, 3), np.uint8), finders, 0.4) == []  # type: ignore[arg-type]
    assert tuple(finder.width for finder in finders if finder.asked) == searched


def test_large_finds_of_an_enlarging_search_count_only_where_nothing_else_is_found() -> None:
    """Of a picture of 400 pixels, 60 pixels are 192 at 1280: too many; 48 are 154."""
    ghost, small = make_face(100, 60, 0.9), make_face(300, 48, 0.6)
    picture = np.zeros((300, 400, 3), np.uint8)
    finders = [ScriptedFinder(320), ScriptedFinder(640, small), ScriptedFinder(1280, ghost)]
    assert boxes(search_still(picture, finders, 0.4)) == [small.box]  # type: ignore[arg-type]
    assert boxes(search_still(picture, finders, 0.7)) == [ghost.box]  # type: ignore[arg-type]
    finders = [ScriptedFinder(320), ScriptedFinder(640, ghost), ScriptedFinder(1280, small)]
    assert boxes(search_still(picture, finders, 0.4)) == [ghost.box, small.box]  # type: ignore[arg-type]


def test_two_sizes_that_see_a_face_are_surer_than_one() -> None:
    """A face at 0.3 and 0.5 has 0.65, in the box of the surer find; one that a single size sees keeps its score."""
    weak, strong, alone = make_face(10, 40, 0.3), make_face(12, 40, 0.5), make_face(200, 40, 0.6)
    picture = np.zeros((300, 400, 3), np.uint8)
    finders = [ScriptedFinder(320, strong, alone), ScriptedFinder(640, weak), ScriptedFinder(1280)]
    faces = search_still(picture, finders, 0.4)  # type: ignore[arg-type]
    assert boxes(faces) == [strong.box, alone.box]
    assert [face.score for face in faces] == pytest.approx([0.65, 0.6])
    assert boxes(search_still(picture, finders, 0.62)) == [strong.box]  # type: ignore[arg-type]


def boxes(faces: list[Face]) -> list[tuple[float, ...]]:
    """Where they are, best first."""
    return [face.box for face in faces]
