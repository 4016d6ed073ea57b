"""Frozen, black, blinded and covered pictures, as encoders leave them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, cast

import av
import cv2
import numpy as np
import pytest

from ingest.camera_state import Sight
from ingest.capture_av import AvCapture
from ingest.capture_scripted import ScriptedCapture
from ingest.motion import small_grey
from ingest.picture_health import FrozenPicture, PictureHealth
from ingest.privacy import PrivacyMasks
from ingest.timing import FrameSelector
from maskwatch.clock import SystemClock
from maskwatch.settings_camera import PictureHealthSettings
from tests.fakes.capture import make_camera

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from maskwatch.domain import Image

FPS = 10
LOW = {"preset": "veryfast", "tune": "zerolatency", "crf": "23"}
STEADY = {"preset": "superfast", "tune": "zerolatency", "maxrate": "1500k", "bufsize": "750k"}


@cache
def wall() -> Image:
    """Return a scene with edges and shades, as a camera would show it."""
    with ScriptedCapture(make_camera(source="scripted:frozen")) as capture:
        shot = next(iter(capture))
    assert shot is not None
    return cv2.GaussianBlur(shot.convert(640, 360), (0, 0), 1.2)  # type: ignore[return-value]


def noisy(count: int, deviation: float) -> Iterator[Image]:
    """Show the scene with a sensor's noise."""
    sheet = np.random.default_rng(4).normal(0, deviation, (420, 700, 3))
    for number in range(count):
        y, x = number * 37 % 59, number * 53 % 60  # not the same again before 3540 pictures
        yield cast("Image", np.clip(wall() + sheet[y : y + 360, x : x + 640], 0, 255).round().astype(np.uint8))


def encoded(pictures: Iterable[Image], options: dict[str, str], gop: int, bit_rate: int = 0) -> list[Image]:
    """Send pictures through x264 and back."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 640, 360, "yuv420p", Fraction(FPS)
    encoder.options = options | {"g": str(gop)}
    if bit_rate:
        encoder.bit_rate = bit_rate
    decoder = av.CodecContext.create("h264", "r")
    received: list[Image] = []
    for picture in [*pictures, None]:
        frame = None if picture is None else av.VideoFrame.from_ndarray(picture, format="bgr24")
        for packet in encoder.encode(frame):
            received += [cast("Image", each.to_ndarray(format="bgr24")) for each in decoder.decode(packet)]
    received += [cast("Image", each.to_ndarray(format="bgr24")) for each in decoder.decode(None)]
    return received


def frozen_at(pictures: Iterable[Image], fps: float = FPS, away: tuple[float, float] = (0.0, 0.0)) -> float | None:
    """Return the second at which pictures are first called frozen after twelve, None if never.

    Args:
        pictures: what the camera shows.
        fps: how many a second.
        away: after so many seconds the camera shows nothing for so many.
    """
    check = FrozenPicture(12.0)
    for number, picture in enumerate(pictures):
        moment = number / fps if number / fps < away[0] else number / fps + away[1]
        if check.judge(picture, small_grey(picture), moment):
            return moment
    return None


@pytest.mark.parametrize(
    ("options", "gop", "bit_rate"),
    [
        pytest.param(LOW, 10, 0, id="constant quality, a keyframe each second"),
        pytest.param(LOW, 40, 0, id="constant quality, a keyframe every four seconds"),
        pytest.param(STEADY, 20, 1_500_000, id="constant rate"),
    ],
)
def test_one_moment_encoded_again_and_again(options: dict[str, str], gop: int, bit_rate: int) -> None:
    """A camera that hangs while its encoder goes on is frozen within fifteen seconds, whatever its keyframes do."""
    alive = list(noisy(5 * FPS, 2.0))
    pictures = encoded([*alive, *[alive[-1]] * (16 * FPS)], options, gop, bit_rate)
    at = frozen_at(pictures)
    assert at is not None
    assert 5 + 11.5 < at <= 5 + 15


@pytest.mark.parametrize(
    ("options", "gop", "bit_rate", "deviation"),
    [
        pytest.param(LOW, 10, 0, 2.0, id="constant quality"),
        pytest.param(LOW, 20, 0, 1.0, id="constant quality, hardly any noise left"),
        pytest.param(STEADY, 20, 1_500_000, 1.0, id="constant rate"),
    ],
)
def test_a_still_scene_is_alive(options: dict[str, str], gop: int, bit_rate: int, deviation: float) -> None:
    """A still scene with a sensor's noise is not frozen, even where the encoder leaves little of the noise."""
    assert frozen_at(encoded(noisy(20 * FPS, deviation), options, gop, bit_rate)) is None


def test_raw_pictures() -> None:
    """Unencoded pictures are frozen after exactly the time asked for, and the faintest noise keeps them alive."""
    assert frozen_at([wall()] * 200) == 12.0
    assert frozen_at(noisy(200, 0.5)) is None
    assert frozen_at([wall()] * 30, fps=1.0) == 12.0


@pytest.mark.parametrize("seconds", [8, 15, 30, 600])
@pytest.mark.parametrize("before", [1, 40])
def test_a_still_scene_after_a_loss(before: int, seconds: float) -> None:
    """A still scene is alive as well after its camera was away, for however long, and had shown much or little."""
    assert frozen_at(noisy(before + 100, 2.0), fps=5.0, away=(before / 5, seconds)) is None


@pytest.mark.parametrize("fps", [1.0, 0.5, 0.3, 0.2, 0.1, 0.05])
def test_few_pictures(fps: float) -> None:
    """At a low rate a still scene is alive, and a picture that repeats is found as soon as there are enough of them."""
    alive = list(noisy(60, 2.0))
    assert frozen_at(alive, fps) is None
    assert frozen_at([wall()] * 60, fps) == pytest.approx(max(12.0, 7 / fps), abs=1 / fps)
    stopped = frozen_at([*alive[:30], *[alive[29]] * 30], fps)
    assert stopped is not None
    assert 0 < stopped - 29 / fps <= 12 + 5 / fps


def test_a_frozen_camera_after_a_loss() -> None:
    """A camera that comes back with the very same picture is frozen twelve seconds later."""
    assert frozen_at([wall()] * 240, away=(10.0, 60.0)) == 10 + 60 + 12


def test_life_returns_at_once() -> None:
    """The first picture in which something moved ends it."""
    check = FrozenPicture(12.0)
    moved = wall().copy()
    moved[100:200, 100:200] = 0
    verdicts = [check.judge(picture, small_grey(picture), n / 5) for n, picture in enumerate([wall()] * 65 + [moved])]
    assert verdicts[-2:] == [True, False]


def test_switched_off() -> None:
    """Checks with a duration of 0 never speak up."""
    health = PictureHealth(PictureHealthSettings(frozen_after_s=0, covered_after_s=0), PrivacyMasks(()))
    black = np.zeros((360, 640, 3), np.uint8)
    assert {health.judge(black, small_grey(black), float(n)) for n in range(100)} == {Sight.CLEAR}


def shaded(level: float) -> Image:
    """Return what a hand before the lens looks like: soft shades and noise."""
    y, x = np.mgrid[0:360, 0:640]
    shades = level + 60 * np.sin(x / 400) + 40 * np.cos(y / 250)
    noise = np.random.default_rng(2).normal(0, 4, (360, 640, 3))
    return cast("Image", np.clip(shades[..., None] + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("picture", "sight"),
    [
        pytest.param(np.full((360, 640, 3), 5, np.uint8), Sight.DARK, id="black"),
        pytest.param(np.full((360, 640, 3), 250, np.uint8), Sight.UNIFORM, id="blinded"),
        pytest.param(np.full((360, 640, 3), 120, np.uint8), Sight.UNIFORM, id="bag"),
        pytest.param(shaded(110), Sight.UNIFORM, id="hand"),
        pytest.param(None, Sight.CLEAR, id="scene"),
    ],
)
def test_covered(picture: Image | None, sight: Sight) -> None:
    """A lens that sees nothing is told apart from a scene, after the time asked for and not before."""
    health = PictureHealth(PictureHealthSettings(covered_after_s=8, frozen_after_s=0), PrivacyMasks(()))
    seen = wall() if picture is None else picture
    sights = [health.judge(seen, small_grey(seen), float(second)) for second in range(10)]
    assert sights == [Sight.CLEAR] * 8 + [sight] * 2


def test_masked_parts_say_nothing() -> None:
    """Privacy masks neither make a camera covered nor hide that it is."""
    masks = PrivacyMasks((((0, 0), (0.9, 0), (0.9, 1), (0, 1)),))
    for picture, sight in ((wall().copy(), Sight.CLEAR), (shaded(110), Sight.UNIFORM)):
        health = PictureHealth(PictureHealthSettings(covered_after_s=1, frozen_after_s=0), masks)
        masks.black_out(picture)
        sights = [health.judge(picture, small_grey(picture), float(second)) for second in range(3)]
        assert sights[-1] is sight


CLIPS = [
    "classroom_four_unmasked_small", "corridor_three_unmasked_walking", "corridor_two_unmasked_walking",
    "man_unmasked_frontal", "man_unmasked_smiling", "office_four_people_mask_on_off", "one_by_one_no_faces",
    "street_unmasked_small_faces", "tv_two_unmasked_then_fabric_mask", "two_unmasked_heads_tilted",
    "woman_masked_laptop", "woman_unmask_then_mask",
]  # fmt: skip


@pytest.mark.shared
@pytest.mark.parametrize("clip", CLIPS)
def test_clips_are_alive(clip: str, shared_videos: Path) -> None:
    """No clip, looped for at least half a minute, counts as frozen or covered: not in its stillest stretches."""
    camera = make_camera(source=str(shared_videos / f"{clip}.mp4"), loop=True)
    health = PictureHealth(PictureHealthSettings(), PrivacyMasks(()))
    selector, sights, last = FrameSelector(5), set(), 32.0 if clip != "one_by_one_no_faces" else 139.0
    with AvCapture(camera, SystemClock()) as capture:
        for shot in capture:
            assert shot is not None
            assert shot.pts is not None
            if shot.pts > last:
                break
            if selector.wants(shot.pts):
                image = shot.convert(min(960, shot.width), min(960, shot.width) * shot.height // shot.width)
                sights.add(health.judge(image, small_grey(image), shot.pts))
    assert sights == {Sight.CLEAR}
