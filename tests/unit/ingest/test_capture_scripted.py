"""Cameras made up in the process."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from ingest.capture_scripted import PAINTERS, ScriptedCapture
from maskwatch.domain import LossReason
from maskwatch.errors import SourceLost
from maskwatch.settings_camera import SCENES
from tests.fakes.capture import make_camera

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Image


def pictures(script: str, *numbers: int) -> list[Image]:
    """Return the pictures of these numbers."""
    with ScriptedCapture(make_camera(source=f"scripted:{script}")) as capture:
        shots = list(islice(capture, max(numbers) + 1))
    return [shots[number].convert(640, 360) for number in numbers]  # type: ignore[union-attr]


def test_the_same_each_time() -> None:
    """A script gives the same pictures each time it is played."""
    first, second = (pictures("moving", 0, 7, 30) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("script", "changes"), [("moving", True), ("still", True), ("frozen", False)])
def test_what_changes(script: str, changes: bool) -> None:
    """A moving scene and a noisy one change from picture to picture, a frozen one does not."""
    one, two = pictures(script, 3, 4)
    assert bool((one != two).any()) is changes


def test_what_settings_allow_can_be_played() -> None:
    """Every scene that a settings file may name has its painter, and no other."""
    assert tuple(PAINTERS) == SCENES


def test_parts_play_in_turn_and_end() -> None:
    """Parts with durations follow one another with growing times, and the last one's end is the end."""
    with ScriptedCapture(make_camera(source="scripted:moving*2,black*1")) as capture:
        shots = [shot for shot in capture if shot]
    assert [shot.pts for shot in shots] == [number / 25 for number in range(75)]
    assert shots[10].convert(640, 360).mean() > 60
    assert shots[60].convert(640, 360).mean() < 10


def test_a_picture(tmp_path: Path) -> None:
    """A picture file becomes a camera that sways a little."""
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (90, 120, 3)).astype(np.uint8))
    with ScriptedCapture(make_camera(source=f"scripted:{path}")) as capture:
        one, two = (shot.convert(120, 90) for shot in islice(capture, 2) if shot)
    assert one.shape == (90, 120, 3)
    assert (one != two).any()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("missing.jpg", LossReason.NOT_FOUND),
        ("refused", LossReason.REFUSED),
        ("flaky", LossReason.ENDED),
    ],
)
def test_faults(script: str, reason: LossReason) -> None:
    """Scripts that fail say why."""
    with pytest.raises(SourceLost) as lost, ScriptedCapture(make_camera(source=f"scripted:{script}")) as capture:
        list(capture)
    assert lost.value.reason is reason
