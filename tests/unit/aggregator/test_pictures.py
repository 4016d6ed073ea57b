"""Pictures of episodes: the best view, in the episode's transaction, as the mode allows, and never waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aggregator.intervals import FREE
from aggregator.pictures import best_picture
from maskwatch.contracts import VIEWS_CAP, views_stream
from maskwatch.domain import EventState, MaskState, Observation
from maskwatch.errors import ConfigError
from maskwatch.settings import Settings
from maskwatch.settings_privacy import PrivacySettings
from tests.builders import NOW, PROBABILITIES, make_detection, make_event, make_observation, make_view
from tests.scenes import BARE, MASKED, Scene
from tests.unit.aggregator.test_worker import Bench, EditedSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from maskwatch.contracts import ViewMessage
    from maskwatch.domain import Detection

BASIS = "Works agreement 12/2026, section 4"
MODES = {
    "statistics": Settings(privacy=PrivacySettings(mode="statistics")),  # type: ignore[arg-type]
    "alerts": Settings(),
    "pictures": Settings(privacy=PrivacySettings(mode="pictures", i_have_a_legal_basis=BASIS)),  # type: ignore[arg-type]
}
EVENT = make_event(started_at=NOW, opened_at=NOW + 2, updated_at=NOW + 2, box=(100.0, 100.0, 160.0, 180.0))


def face(p: float = 0.95, *, size: float = 1.0, x: float = 100.0, state: MaskState = MaskState.NO_MASK) -> Detection:
    """Build a face of a probability to be without mask, a size and a place."""
    probabilities = PROBABILITIES[state] | {"no_mask": p}
    return make_detection(state, box=(x, 100.0, x + 60 * size, 100 + 80 * size), probabilities=probabilities)


def view(name: str, *faces: Detection, at: float = NOW + 1, **changes: Any) -> ViewMessage:
    """Build a view with a name for its picture."""
    return make_view(jpeg=name.encode(), detections=faces, captured_at=at, **changes)


@pytest.mark.parametrize(
    ("views", "best"),
    [
        pytest.param([], None, id="none"),
        pytest.param([view("surer", face(0.98)), view("doubtful", face(0.61))], "surer", id="the surer one"),
        pytest.param([view("small", face(0.98)), view("large", face(0.96, size=1.3))], "large", id="as sure: larger"),
        pytest.param([view("before", face(), at=NOW - 0.1)], None, id="before the episode"),
        pytest.param([view("after", face(), at=NOW + 2.2)], None, id="after it opened"),
        pytest.param([view("other", face(x=700.0))], None, id="somebody else"),
        pytest.param([view("masked", face(0.1, state=MaskState.MASK))], None, id="with a mask"),
        pytest.param([view("clear", face(), faces_hidden=False)], None, id="clear, which is not allowed"),
    ],
)
def test_which_view(views: list[ViewMessage], best: str | None) -> None:
    """Of the views within the episode's span that show its person without a mask, the surest and largest is taken."""
    picture = best_picture(EVENT, views, may_be_clear=False)
    assert (None if picture is None else picture.jpeg.decode()) == best
    assert picture is None or (picture.event_id, picture.faces_hidden) == (EVENT.id, True)


def test_a_clear_view_where_it_is_allowed() -> None:
    """In mode `pictures` a clear view is taken, and is marked as one."""
    picture = best_picture(EVENT, [view("clear", face(), faces_hidden=False)], may_be_clear=True)
    assert picture is not None
    assert not picture.faces_hidden
    assert picture.box == EVENT.box


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Start a worker on an empty bus and store."""
    found = Bench(tmp_path)
    yield found
    found.close()


def watch(bench: Bench, *, clear: bool = False, views: bool = True) -> str:
    """Play somebody without a mask, with a view of each frame; returns the episode's id, empty if none was told."""
    scene = Scene().show(4, BARE)
    bench.log(scene.records)
    for record in scene.records if views else []:
        if isinstance(record, Observation):
            message = make_view(
                detections=record.detections,
                captured_at=record.captured_at,
                frame=record.frame,
                faces_hidden=not clear,
                jpeg=b"\xff\xd8clear" if clear else b"\xff\xd8hidden",
            )
            cap = VIEWS_CAP.__class__(entries=100, age_s=100)  # the bench plays seconds in no time
            bench.bus.append(views_stream("door"), message.to_fields(), cap)
    bench.drain()
    return next((each.id for each in bench.stored() if each.state is EventState.OPENED), "")


@pytest.mark.parametrize(
    ("mode", "clear", "kept"),
    [
        pytest.param("alerts", False, b"\xff\xd8hidden", id="hidden"),
        pytest.param("alerts", True, None, id="a clear view of an older detector is refused"),
        pytest.param("pictures", True, b"\xff\xd8clear", id="clear"),
    ],
)
def test_the_store_has_the_picture_with_the_event(bench: Bench, mode: str, clear: bool, kept: bytes | None) -> None:
    """An episode that opens has its picture beside it; one that the mode does not allow is none, and counted."""
    bench.start(settings=MODES[mode])
    event = watch(bench, clear=clear)
    assert event
    assert bench.store is not None
    picture = bench.store.picture_of(event)
    assert (None if picture is None else picture.jpeg) == kept
    assert bench.metric("episode_pictures_total", camera_id="door", result="kept") == (kept is not None)
    assert bench.metric("episode_pictures_total", camera_id="door", result="missing") == (kept is None)


def test_no_picture_delays_or_changes_an_episode(bench: Bench, tmp_path: Path) -> None:
    """With views or without, the events are the same to the last field: they are a function of the log alone."""
    watch(bench, views=False)
    without = bench.stored()
    other = Bench(tmp_path / "other")
    watch(other)
    assert other.stored() == without
    other.close()
    assert bench.metric("episode_pictures_total", camera_id="door", result="missing") == 1


def test_statistics_tells_and_keeps_nothing_of_a_person(bench: Bench) -> None:
    """In mode `statistics` somebody without a mask makes no event, no picture, and moves no metric."""
    bench.start(settings=MODES["statistics"])
    assert watch(bench) == ""
    assert bench.stored() == bench.published() == []
    assert bench.metric("episode_pictures_total", camera_id="door", result="missing") is None
    assert bench.metric("people_in_view", camera_id="door", state="no_mask") is None
    assert bench.metric("faces_total", camera_id="door", state="no_mask") == 0
    assert bench.metric("episodes_opened_total", camera_id="door", kind="no_mask") is None
    assert bench.metric("episodes_opened_total", camera_id="door", kind="camera_offline") == 0
    assert bench.store is not None
    assert {what for _, what, _ in bench.store.counts("door", 0)} <= FREE


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        pytest.param("alerts", "statistics", False, id="no picture at all any more"),
        pytest.param("pictures", "alerts", False, id="no clear picture any more"),
        pytest.param("alerts", "alerts", True, id="nothing to do"),
    ],
)
@pytest.mark.parametrize("edited", [pytest.param(True, id="edited"), pytest.param(False, id="started anew")])
def test_a_stricter_mode_deletes_what_it_does_not_allow(
    bench: Bench, before: str, after: str, left: bool, edited: bool
) -> None:
    """Pictures from a time in which they were allowed go at once, whether the settings are edited or it starts anew."""
    edits = EditedSettings(None, None, None, None)
    bench.start(settings=MODES[before], watch=edits)
    event = watch(bench, clear=before == "pictures")
    assert bench.store is not None
    assert bench.store.picture_of(event) is not None
    if edited:
        edits.edits = [MODES[after], ConfigError("broken")]
    else:
        bench.start(settings=MODES[after])
    bench.steps(3)
    assert bench.store is not None
    assert (bench.store.picture_of(event) is not None) is left


@pytest.mark.parametrize("after", ["statistics", "alerts"])
def test_a_stricter_mode_keeps_nothing_more(bench: Bench, after: str) -> None:
    """Once the mode is edited, an episode brings no clear picture into the store, and in `statistics` none at all."""
    edits = EditedSettings(None)
    bench.start(settings=MODES["pictures"], watch=edits)
    bench.steps(2)
    edits.edits = [MODES[after]]
    bench.steps(2)
    bench.log(Scene().show(4, BARE).records)
    clear = view("clear", *make_observation(no_mask=1).detections, at=NOW + 1.5, faces_hidden=False)
    bench.bus.append(views_stream("door"), clear.to_fields(), VIEWS_CAP)
    bench.drain()
    assert bench.store is not None
    assert bench.store.forget_pictures() == 0
    assert bool(bench.stored()) is (after == "alerts")


def test_deleted_pictures_are_gone_from_the_disk(bench: Bench, tmp_path: Path) -> None:
    """After a picture was deleted its bytes are in no file of the data directory."""
    event = watch(bench)
    assert bench.store is not None
    assert bench.store.picture_of(event) is not None
    bench.close()
    assert any(b"\xff\xd8hidden" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    bench.start()
    assert bench.store.forget_pictures() == 1
    bench.close()
    assert not any(b"\xff\xd8hidden" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_view_that_does_not_decode_is_passed_over(bench: Bench) -> None:
    """A broken view delays nothing."""
    bench.bus.append(views_stream("door"), {"v": b"9"}, VIEWS_CAP)
    event = watch(bench)
    assert bench.store is not None
    assert bench.store.picture_of(event) is not None


def test_a_masked_person_has_no_picture(bench: Bench) -> None:
    """No picture is kept where no episode opens."""
    bench.log(Scene().show(4, MASKED).records)
    bench.bus.append(
        views_stream("door"), make_view(detections=make_observation(mask=1).detections).to_fields(), VIEWS_CAP
    )
    bench.drain()
    assert bench.store is not None
    assert bench.store.forget_pictures() == 0
