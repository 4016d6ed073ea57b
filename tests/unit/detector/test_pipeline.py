"""The whole pipeline with the shipped models, on a frame of the demo clip."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from skimage.data import astronaut

from detector.pipeline import GLIMPSE_SCORE, MAX_FACES, open_pipeline
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
