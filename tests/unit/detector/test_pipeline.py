"""The whole pipeline with the shipped models, on a frame of the demo clip."""

from __future__ import annotations

from pathlib import Path

import cv2

from detector.pipeline import GLIMPSE_SCORE, open_pipeline
from maskwatch.settings import DetectorSettings

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
