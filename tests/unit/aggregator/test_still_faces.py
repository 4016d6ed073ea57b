"""Pictures of faces against faces: how long each keeps still, and what takes it back."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from aggregator.still_faces import PLACES, Stillness, StillPlace, differences, pose_of, recall, remember
from tests.builders import NOW, make_detection

if TYPE_CHECKING:
    from maskwatch.domain import Detection

AFTER_S = 300.0
FACE = make_detection()


def moved(
    x: float = 0.0, y: float = 0.0, *, nose: float = 0.0, grow: float = 1.0, noise: float = 0.0, seed: int = 0
) -> Detection:
    """Build a face 80 px high somewhere else: its nose turned by some pixels, larger, or measured with some noise."""
    chance = random.Random(seed)
    marks = [
        (
            130 + (a - 130 + nose * (index == 2)) * grow + x + chance.gauss(0, noise),
            145 + (b - 145) * grow + y + chance.gauss(0, noise),
        )
        for index, (a, b) in enumerate(FACE.landmarks)
    ]
    left, top, right, bottom = FACE.box
    return make_detection(box=(left + x, top + y, right + x, bottom + y), landmarks=tuple(marks))


def watch(
    faces: list[Detection], stillness: Stillness | None = None, *, fps: float = 5.0, at: float = NOW
) -> Stillness:
    """Show faces one after the other."""
    stillness = stillness or Stillness()
    for index, face in enumerate(faces):
        stillness.see(face, at + index / fps, AFTER_S)
    return stillness


def jittering(seconds: float, fps: float = 5.0, noise: float = 0.2) -> list[Detection]:
    """Return what a detector finds of a print: the same, give or take a fifth of a pixel."""
    return [moved(noise=noise, seed=index) for index in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0, 15.0])
def test_a_print_is_recognised_after_the_rule_s_time(fps: float) -> None:
    """A face that only jitters is a picture after still_after_s, at any rate, and not before."""
    assert not watch(jittering(290, fps), fps=fps).is_still
    assert watch(jittering(330, fps), fps=fps).is_still


@pytest.mark.parametrize(
    "faces",
    [
        pytest.param([moved(nose=3 * (index // 12 % 3 - 1)) for index in range(3600)], id="turns now and then"),
        pytest.param([moved(nose=3 * math.sin(index / 10)) for index in range(3600)], id="shakes its head"),
        pytest.param([moved(x=30 * math.sin(index / 40)) for index in range(3600)], id="sways"),
        pytest.param([moved(x=40.0 * (index // 250)) for index in range(3600)], id="still but for a step each minute"),
        pytest.param([moved(grow=1 + 0.4 * (index // 200 % 2)) for index in range(3600)], id="leans forward"),
    ],
)
def test_who_moves_is_alive(faces: list[Detection]) -> None:
    """Twelve minutes of somebody who keeps still but for small movements do not make a picture."""
    assert watch(faces).still_s < AFTER_S / 3


def test_a_shaking_camera_delays_it() -> None:
    """A print that shakes with its camera for a quarter of the time is recognised all the same, later."""
    faces = [moved(y=14.0 * (index % 75 > 55), noise=0.2, seed=index) for index in range(10 * 300)]
    assert watch(faces).is_still


def test_one_glitch_is_none_two_are_a_movement() -> None:
    """A single find far off is a mistake of the detector; two in a row are somebody who moved."""
    stillness = watch(jittering(330))
    stillness.see(moved(x=40), NOW + 330.2, AFTER_S)
    assert stillness.is_still
    twice = watch([moved(x=40), moved(x=40)], stillness, at=NOW + 331)
    assert not twice.is_still
    assert twice.still_s == 0


def test_small_movements_take_it_back() -> None:
    """What was taken for a picture and begins to turn its head is a person again within two minutes."""
    stillness = watch(jittering(330))
    faces = [moved(nose=4 * math.sin(index / 10)) for index in range(5 * 120)]
    assert not watch(faces, stillness, at=NOW + 331).is_still


def test_a_face_without_landmarks_tells_nothing() -> None:
    """Detectors that give no landmarks, or senseless ones, make nobody a picture."""
    blind = make_detection(landmarks=())
    one_point = make_detection(landmarks=((5.0, 5.0),) * 5)
    nowhere = make_detection(landmarks=((float("nan"), 5.0),) * 5)
    assert [pose_of(each) for each in (blind, one_point, nowhere)] == [None] * 3
    assert watch([blind, one_point, nowhere] * 900).is_new


def test_the_figure_ignores_place_and_size() -> None:
    """Moved and enlarged the figure is the same; with the nose turned it is not."""
    usual, other, turned = pose_of(FACE), pose_of(moved(x=300, y=40, grow=2.0)), pose_of(moved(nose=4))
    assert usual is not None
    assert other is not None
    assert turned is not None
    assert differences(usual, other)[2] == pytest.approx(0, abs=1e-9)
    assert differences(usual, other)[1] == pytest.approx(1.0)
    assert differences(usual, turned)[2] > 0.05


def test_places_are_remembered_for_a_day_and_not_too_many() -> None:
    """A face like the one remembered at its place is that picture; elsewhere, otherwise or much later it is not."""
    places: list[StillPlace] = []
    pose = pose_of(FACE)
    assert pose is not None
    remember(places, FACE.box, pose, NOW)
    remember(places, FACE.box, pose, NOW + 1)
    assert len(places) == 1
    assert recall(places, moved(x=2, noise=0.5), NOW + 3600) == pose
    assert recall(places, moved(x=60), NOW + 2) is None
    assert recall(places, moved(nose=12), NOW + 2) is None
    assert recall(places, FACE, NOW + 90_000) is None
    for index in range(40):
        remember(places, moved(x=200.0 * index).box, pose, NOW + 10 + index)
    assert len(places) == PLACES
    assert places[-1].seen_at == NOW + 49


def test_what_is_presumed_is_soon_known() -> None:
    """A print found again stays a picture; somebody before it who moves a little is a person within a minute."""
    pose = pose_of(FACE)
    assert pose is not None
    for faces, is_still in ((jittering(60), True), ([moved(nose=4 + index % 5) for index in range(300)], False)):
        stillness = Stillness()
        stillness.presume(pose, AFTER_S)
        assert watch(faces, stillness).is_still is is_still
