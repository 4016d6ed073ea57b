"""Views: made where somebody looks or an episode may want one, hidden as the mode demands, and never otherwise."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest

from detector.places import REMEMBERED_S, RecentPlaces
from detector.views import APART_S, Judged, ViewMaker
from maskwatch.bus_memory import MemoryBus
from maskwatch.contracts import MAX_VIEW_BYTES, PLACES_SLOTS, ViewMessage, places_table
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


FRAMES = itertools.count()


def judged(*states: MaskState, at: float = NOW, image: Any = PICTURE, **changes: Any) -> Judged:
    """Build the next judged frame of a camera of twice the size, with faces side by side."""
    faces = tuple(
        make_detection(state, box=(100.0 + 250 * n, 100.0, 160.0 + 250 * n, 180.0)) for n, state in enumerate(states)
    )
    observation = make_observation(
        seq=next(FRAMES), captured_at=at, width=2 * WIDTH, height=2 * HEIGHT, detections=faces
    )
    return Judged(observation, image, changes.pop("jpeg", JPEG), **changes)


def make_maker(mode: str = "alerts", bus: MemoryBus | None = None) -> ViewMaker:
    """Build what makes the views of one worker."""
    return ViewMaker(PrivacyMode(mode), places=RecentPlaces(bus or MemoryBus()))


def show(maker: ViewMaker, frame: Judged, now: float) -> ViewMessage | None:
    """Note a frame and make its view, as a worker does."""
    maker.note(frame)
    return maker.make(frame, now)


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
    maker = make_maker(mode)
    maker.heed(LOOKING if looking else {})
    assert (show(maker, judged(*states), NOW) is not None) is made


def test_looking_ends_by_itself() -> None:
    """Once nobody renews the wish, no view is made any more; what does not decode is nobody's."""
    maker = make_maker()
    maker.heed(LOOKING)
    assert show(maker, judged(at=NOW), NOW)
    assert show(maker, judged(at=NOW + 11), NOW + 11) is None
    maker.heed({"door": b"{}"})
    assert show(maker, judged(at=NOW + 12), NOW) is None


def test_views_are_about_five_a_second() -> None:
    """A camera of 25 pictures a second is shown with five to seven of them."""
    maker = make_maker()
    maker.heed(LOOKING)
    views = [show(maker, judged(at=NOW + n / 25), NOW) for n in range(250)]
    assert 5 <= sum(view is not None for view in views) / 10 <= 1 / APART_S


def test_every_face_is_hidden() -> None:
    """In mode `alerts` each face is filled, whatever its state, and so is what only may be one; the view says so."""
    maker = make_maker()
    frame = judged(MaskState.NO_MASK, MaskState.UNKNOWN, glimpses=((245.0, 55.0, 285.0, 95.0),))
    view = show(maker, frame, NOW)
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
    view = show(make_maker(), judged(MaskState.NO_MASK, MaskState.MASK, image=half_blurred), NOW)
    assert view is not None
    clear, blurred = view.head.sharpness
    assert clear == round(sharpness(half_blurred[50:90, 50:80]), 1)
    assert clear > 5 * blurred


def test_a_face_that_was_just_seen_stays_hidden() -> None:
    """Where the face detector misses a face for a moment, its place is hidden still, and not for ever."""
    maker = make_maker()
    maker.heed({"door": wanted_to_json(Wanted(NOW + 100))})
    show(maker, judged(MaskState.MASK), NOW)
    assert is_hidden(shown(show(maker, judged(at=NOW + 0.4), NOW)), 65, 70)
    assert not is_hidden(shown(show(maker, judged(at=NOW + REMEMBERED_S + 0.1), NOW)), 65, 70)


def test_a_face_that_another_worker_just_saw_stays_hidden() -> None:
    """Frames of one camera go to any worker: what one saw is hidden in the views of the other, also of a frame before.

    And also if nobody looked when it was seen, and if the pictures of the two frames are of different sizes.
    """
    bus = MemoryBus()
    one, other = make_maker(bus=bus), make_maker(bus=bus)
    large = cv2.resize(PICTURE, (2 * WIDTH, 2 * HEIGHT))
    assert show(one, judged(at=NOW, image=large, glimpses=((100.0, 100.0, 160.0, 180.0),)), NOW) is None
    for at in (NOW - 0.2, NOW + 0.2, NOW + REMEMBERED_S):
        other.heed(LOOKING)
        assert is_hidden(shown(show(other, judged(at=at), NOW)), 65, 70)
    assert not is_hidden(shown(show(other, judged(at=NOW + REMEMBERED_S + 0.2), NOW)), 65, 70)


@pytest.mark.parametrize("mode", ["statistics", "pictures"])
def test_places_are_remembered_for_hiding_alone(mode: str) -> None:
    """Where nothing is shown, or nothing hidden, no place of a face lies on the bus for it."""
    bus = MemoryBus()
    show(make_maker(mode, bus), judged(MaskState.NO_MASK), NOW)
    assert bus.table(places_table("door")) == {}


def test_no_more_places_are_kept_than_are_needed() -> None:
    """However long a face stays, its camera's table holds its last frames alone; those of 1.5 s at 60 a second fit."""
    bus = MemoryBus()
    maker = make_maker(bus=bus)
    for number in range(1000):
        maker.note(judged(MaskState.MASK, at=NOW + number / 60))
    assert len(bus.table(places_table("door"))) == PLACES_SLOTS > 60 * REMEMBERED_S


def test_clear_pictures_are_those_that_were_judged() -> None:
    """In mode `pictures` the view is the very JPEG that was judged, and says that nobody is hidden."""
    view = show(make_maker("pictures"), judged(MaskState.NO_MASK), NOW)
    assert view is not None
    assert view.jpeg == JPEG
    assert not view.head.faces_hidden


def test_a_large_picture_is_made_to_fit() -> None:
    """A picture that would not fit a view is encoded with less quality, and left out where that is not enough."""
    rough = np.random.default_rng(8).integers(0, 256, (540, 960, 3), np.uint8)
    large = encode_jpeg(rough, 95)
    assert len(large) > MAX_VIEW_BYTES
    for mode in ("alerts", "pictures"):
        view = show(make_maker(mode), judged(MaskState.NO_MASK, image=rough, jpeg=large), NOW)
        assert view is None or len(view.jpeg) <= MAX_VIEW_BYTES
    smooth = cv2.GaussianBlur(rough, (0, 0), 0.8)
    view = show(make_maker(), judged(MaskState.NO_MASK, image=smooth), NOW)
    assert view is not None
    assert len(view.jpeg) <= MAX_VIEW_BYTES
