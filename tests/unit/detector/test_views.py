"""Views: made where somebody looks or an episode may want one, hidden as the mode demands, and never otherwise."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from detector.views import APART_S, REMEMBERED_S, Judged, ViewMaker
from maskwatch.contracts import MAX_VIEW_BYTES, ViewMessage
from maskwatch.domain import MaskState
from maskwatch.hiding import FILL
from maskwatch.imaging import decode_image, encode_jpeg, sharpness
from maskwatch.reports import Wanted, wanted_to_json
from maskwatch.settings_privacy import PrivacyMode
from tests.builders import NOW, make_detection, make_observation

WIDTH, HEIGHT = 320, 180
PICTURE = cv2.resize(np.random.default_rng(7).integers(0, 256, (18, 32, 3), np.uint8), (WIDTH, HEIGHT))
JPEG = encode_jpeg(PICTURE, 85)  # type: ignore[arg-type]
LOOKING = {"door": wanted_to_json(Wanted(NOW + 10))}


def judged(*states: MaskState, at: float = NOW, image: Any = PICTURE, **changes: Any) -> Judged:
    """Build a judged frame of a camera of twice the size, with faces side by side."""
    faces = tuple(
        make_detection(state, box=(100.0 + 250 * n, 100.0, 160.0 + 250 * n, 180.0)) for n, state in enumerate(states)
    )
    observation = make_observation(captured_at=at, width=2 * WIDTH, height=2 * HEIGHT, detections=faces)
    return Judged(observation, image, changes.pop("jpeg", JPEG), **changes)


def shown(view: ViewMessage | None) -> Any:
    """Decode a view's picture."""
    assert view is not None
    return decode_image(view.jpeg)


def is_hidden(picture: Any, x: int, y: int) -> bool:
    """Whether a face of the analysed picture, around a point, is filled."""
    return bool(np.abs(picture[y - 12 : y + 12, x - 12 : x + 12].astype(int) - FILL).max() <= 2)


@pytest.mark.parametrize(
    ("mode", "looking", "states", "made"),
    [
        pytest.param("alerts", False, (), False, id="nobody there, nobody looks"),
        pytest.param("alerts", False, (MaskState.MASK, MaskState.UNKNOWN), False, id="masks, nobody looks"),
        pytest.param("alerts", False, (MaskState.MASK, MaskState.NO_MASK), True, id="one without"),
        pytest.param("alerts", False, (MaskState.INCORRECT,), True, id="one worn wrongly"),
        pytest.param("alerts", True, (), True, id="somebody looks"),
        pytest.param("pictures", False, (MaskState.MASK,), False, id="clear: masks, nobody looks"),
        pytest.param("pictures", True, (), True, id="clear: somebody looks"),
        pytest.param("statistics", True, (MaskState.NO_MASK,), False, id="statistics: never"),
    ],
)
def test_when_a_view_is_made(mode: str, looking: bool, states: tuple[MaskState, ...], made: bool) -> None:
    """A view is made for who looks and for episodes; in mode `statistics` for nobody."""
    maker = ViewMaker(PrivacyMode(mode))
    maker.heed(LOOKING if looking else {})
    assert (maker.make(judged(*states), NOW) is not None) is made


def test_looking_ends_by_itself() -> None:
    """Once nobody renews the wish, no view is made any more; what does not decode is nobody's."""
    maker = ViewMaker(PrivacyMode.ALERTS)
    maker.heed(LOOKING)
    assert maker.make(judged(at=NOW), NOW)
    assert maker.make(judged(at=NOW + 11), NOW + 11) is None
    maker.heed({"door": b"{}"})
    assert maker.make(judged(at=NOW + 12), NOW) is None


def test_views_are_about_five_a_second() -> None:
    """A camera of 25 pictures a second is shown with five to seven of them."""
    maker = ViewMaker(PrivacyMode.ALERTS)
    maker.heed(LOOKING)
    views = [maker.make(judged(at=NOW + n / 25), NOW) for n in range(250)]
    assert 5 <= sum(view is not None for view in views) / 10 <= 1 / APART_S


def test_every_face_is_hidden() -> None:
    """In mode `alerts` each face is filled, whatever its state, and so is what only may be one; the view says so."""
    maker = ViewMaker(PrivacyMode.ALERTS)
    frame = judged(MaskState.NO_MASK, MaskState.UNKNOWN, glimpses=((245.0, 55.0, 285.0, 95.0),))
    view = maker.make(frame, NOW)
    picture = shown(view)
    assert all(is_hidden(picture, x, y) for x, y in ((65, 70), (190, 70), (265, 75)))
    assert not is_hidden(picture, 20, 150)
    assert view is not None
    assert view.head.faces_hidden
    assert view.head.detections == frame.observation.detections
    assert (view.head.width, view.head.height) == (2 * WIDTH, 2 * HEIGHT)


def test_sharpness_is_that_of_the_face_before_it_is_hidden() -> None:
    """A view tells how sharp each face was as it was judged, though its picture shows a filled place."""
    half_blurred = np.random.default_rng(7).integers(0, 256, PICTURE.shape, np.uint8)
    half_blurred[:, 100:] = cv2.GaussianBlur(half_blurred[:, 100:], (0, 0), 9)
    view = ViewMaker(PrivacyMode.ALERTS).make(judged(MaskState.NO_MASK, MaskState.MASK, image=half_blurred), NOW)
    assert view is not None
    clear, blurred = view.head.sharpness
    assert clear == round(sharpness(half_blurred[50:90, 50:80]), 1)
    assert clear > 5 * blurred


def test_a_face_that_was_just_seen_stays_hidden() -> None:
    """Where the face detector misses a face for a moment, its place is hidden still, and not for ever."""
    maker = ViewMaker(PrivacyMode.ALERTS)
    maker.heed({"door": wanted_to_json(Wanted(NOW + 100))})
    maker.make(judged(MaskState.MASK), NOW)
    assert is_hidden(shown(maker.make(judged(at=NOW + 0.4), NOW)), 65, 70)
    assert not is_hidden(shown(maker.make(judged(at=NOW + REMEMBERED_S + 0.1), NOW)), 65, 70)


def test_clear_pictures_are_those_that_were_judged() -> None:
    """In mode `pictures` the view is the very JPEG that was judged, and says that nobody is hidden."""
    view = ViewMaker(PrivacyMode.PICTURES).make(judged(MaskState.NO_MASK), NOW)
    assert view is not None
    assert view.jpeg == JPEG
    assert not view.head.faces_hidden


def test_a_large_picture_is_made_to_fit() -> None:
    """A picture that would not fit a view is encoded with less quality, and left out where that is not enough."""
    rough = np.random.default_rng(8).integers(0, 256, (540, 960, 3), np.uint8)
    large = encode_jpeg(rough, 95)
    assert len(large) > MAX_VIEW_BYTES
    for mode in (PrivacyMode.ALERTS, PrivacyMode.PICTURES):
        view = ViewMaker(mode).make(judged(MaskState.NO_MASK, image=rough, jpeg=large), NOW)
        assert view is None or len(view.jpeg) <= MAX_VIEW_BYTES
    smooth = cv2.GaussianBlur(rough, (0, 0), 0.8)
    view = ViewMaker(PrivacyMode.ALERTS).make(judged(MaskState.NO_MASK, image=smooth), NOW)
    assert view is not None
    assert len(view.jpeg) <= MAX_VIEW_BYTES
