"""The detector worker on a memory bus, with a pipeline that answers by rote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from detector.pipeline import Sight
from detector.worker import BAD_MESSAGES_LIMIT, CLAIM_IDLE_S, DetectorWorker
from maskwatch.bus import BEGINNING
from maskwatch.bus_memory import MemoryBus
from maskwatch.clock import ManualClock
from maskwatch.contracts import (
    CAMERAS_TABLE,
    DEAD_LETTERS,
    DETECTORS,
    FRAMES_CAP,
    SHORT_LOG_AGE_S,
    WANTED_TABLE,
    ViewMessage,
    frames_stream,
    log_stream,
    places_table,
    record_from_fields,
    views_stream,
)
from maskwatch.domain import DropReason, FramesDropped, MaskState, Observation
from maskwatch.errors import BadMessage, BusUnavailable
from maskwatch.heartbeat import Heartbeat, Stop
from maskwatch.hiding import FILL
from maskwatch.imaging import decode_image, encode_jpeg
from maskwatch.reports import Wanted, camera_to_json, wanted_to_json
from maskwatch.settings_file import SettingsWatch
from tests.builders import NOW, make_camera_report, make_detection, make_frame_message
from tests.pixels import make_damaged_jpeg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from maskwatch.bus import Cap
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Image

JPEG = encode_jpeg(np.full((180, 320, 3), 90, np.uint8), 80)


class RotePipeline:
    """Answers each picture with the same face, and remembers the batches."""

    def __init__(self, clock: ManualClock) -> None:
        """Begin without batches."""
        self.clock = clock
        self.takes_s = 0.0
        self.batches: list[int] = []
        self.limits: list[float] = []
        self.state = MaskState.NO_MASK
        self.faces = 1

    def look(self, images: Sequence[Image], min_face_px: Sequence[float] = ()) -> list[Sight]:
        """Return one face for each picture, or as many as `faces` says, in one place."""
        self.clock.advance(self.takes_s)
        self.batches.append(len(images))
        self.limits += min_face_px
        face = make_detection(self.state, box=(10.0, 10.0, 30.0, 40.0))
        return [Sight([face] * self.faces) for _ in images]


class Bench:
    """A worker with everything around it."""

    def __init__(self, cameras: Sequence[str] = ("door",), batch: int = 8) -> None:
        """Put the cameras on the bus and build the worker."""
        self.clock = ManualClock(now=NOW)
        self.bus = MemoryBus(self.clock)
        self.pipeline = RotePipeline(self.clock)
        self.cameras = cameras
        for camera in cameras:
            self.bus.put(CAMERAS_TABLE, camera, camera_to_json(make_camera_report(camera_id=camera)))
        self.worker = self.build("detect-1", batch)

    def build(self, name: str, batch: int = 8, watch: SettingsWatch | None = None) -> DetectorWorker:
        """Build one more worker on the same bus."""
        heartbeat = Heartbeat(role="detect", bus=self.bus, clock=self.clock)
        heartbeat.name = name
        return DetectorWorker(
            bus=self.bus,
            pipeline=self.pipeline,  # type: ignore[arg-type]  # answers as the real one does
            clock=self.clock,
            heartbeat=heartbeat,
            models=("faces-1", "masks-1"),
            batch=batch,
            watch=watch,
        )

    def publish(self, camera: str = "door", *, seq: int = 1, jpeg: bytes = JPEG, **changes: float) -> None:
        """Put one frame on the bus."""
        message = make_frame_message(camera_id=camera, seq=seq, jpeg=jpeg, **changes)
        self.bus.append(frames_stream(camera), message.to_fields(), FRAMES_CAP)

    def said(self, camera: str = "door") -> list[LogRecord]:
        """Read the camera's log."""
        entries = self.bus.read_after({log_stream(camera): BEGINNING}, count=1000, block_s=0)
        return [record_from_fields(entry.fields) for entry in entries]


def test_a_frame_becomes_an_observation_in_the_cameras_own_pixels() -> None:
    """A frame is judged, its boxes are scaled to the camera's picture, and it leaves the bus."""
    bench = Bench()
    bench.publish(min_face_px=24.0)
    assert bench.worker.step() == 1
    (observation,) = bench.said()
    assert isinstance(observation, Observation)
    assert observation.detections[0].box == (40.0, 40.0, 120.0, 160.0)
    assert bench.pipeline.limits == [6.0]
    assert observation.models == ("faces-1", "masks-1")
    assert bench.bus.length(frames_stream("door")) == 0


def test_no_view_for_nobody() -> None:
    """Where nobody looks and everybody wears a mask, no view is made or published; who looks gets them at once."""
    bench = Bench()
    bench.pipeline.state = MaskState.MASK
    bench.publish(seq=1, deadline_at=0.0)
    bench.worker.step()
    assert bench.bus.length(views_stream("door")) == 0
    bench.bus.put(WANTED_TABLE, "door", wanted_to_json(Wanted(NOW + 30)))
    bench.clock.advance(1.5)
    bench.publish(seq=2, deadline_at=0.0)
    bench.worker.step()
    (entry,) = bench.bus.read_after({views_stream("door"): BEGINNING}, count=9, block_s=0)
    view = ViewMessage.from_fields(entry.fields)
    assert (view.head.frame.seq, view.head.faces_hidden) == (2, True)
    assert view.head.detections == bench.said()[1].detections  # type: ignore[union-attr]


def test_a_face_is_hidden_whichever_worker_saw_it() -> None:
    """Of two workers one sees a face, the other misses it in the next frame, which somebody looks at: it is hidden."""
    bench = Bench()
    bench.pipeline.state = MaskState.MASK
    bench.publish(seq=1, deadline_at=0.0)
    bench.worker.step()
    blinking = bench.build("detect-2")
    bench.pipeline.faces = 0
    bench.bus.put(WANTED_TABLE, "door", wanted_to_json(Wanted(NOW + 30)))
    bench.publish(seq=2, deadline_at=0.0)
    blinking.step()
    (entry,) = bench.bus.read_after({views_stream("door"): BEGINNING}, count=9, block_s=0)
    picture = decode_image(ViewMessage.from_fields(entry.fields).jpeg)
    assert picture is not None
    assert np.abs(picture[15:35, 15:25].astype(int) - FILL).max() <= 2
    bench.bus.remove(CAMERAS_TABLE, "door")
    bench.clock.advance(1.5)
    bench.worker.step()
    assert bench.bus.table(places_table("door")) == {}, "of a camera that is gone nothing stays"


def test_an_edited_privacy_mode_holds_at_once(tmp_path: Path) -> None:
    """A mode that becomes stricter in the settings file holds for the next frames, without a new start."""
    bench = Bench()
    file = tmp_path / "site.yaml"
    file.write_text("cameras: []\n")
    watch = SettingsWatch(file)
    worker = bench.build("detect-2", watch=watch)
    bench.publish(seq=1, deadline_at=0.0)
    worker.step()
    assert bench.bus.length(views_stream("door")) == 1
    file.write_text("privacy: {mode: statistics}\n")
    bench.clock.advance(SHORT_LOG_AGE_S + 1)
    bench.publish(seq=2, deadline_at=0.0)
    worker.step()
    assert bench.bus.length(views_stream("door")) == 1
    assert len(bench.said()) == 1, "places of faces are forgotten sooner"
    assert bench.bus.table(places_table("door"))
    bench.clock.advance(1.5)
    worker.step()
    assert bench.bus.table(places_table("door")) == {}


def test_one_noisy_camera_starves_nobody() -> None:
    """Each round takes one frame of each camera, however many one of them has waiting."""
    bench = Bench(cameras=("a", "b", "c"))
    for seq in range(1, 5):
        bench.publish("a", seq=seq)
    bench.publish("b")
    bench.publish("c")
    assert bench.worker.step() == 3
    assert [len(bench.said(camera)) for camera in "abc"] == [1, 1, 1]


def test_a_batch_is_never_larger_than_asked() -> None:
    """Frames of more cameras than fit a batch are judged in several."""
    bench = Bench(cameras=tuple("abcde"), batch=2)
    for camera in bench.cameras:
        bench.publish(camera)
    bench.worker.step()
    assert bench.pipeline.batches == [2, 2, 1]


def test_each_round_begins_with_another_camera() -> None:
    """Where a round is more than one batch, no camera is always the last to be judged."""
    bench = Bench(cameras=("a", "b", "c"), batch=1)
    bench.pipeline.takes_s = 0.1
    firsts = set()
    for number in range(3):
        for camera in bench.cameras:
            bench.publish(camera, seq=number + 1, deadline_at=0.0)
        assert bench.worker.step() == 3
        picked_at = {camera: bench.said(camera)[number].stages.picked_at for camera in bench.cameras}  # type: ignore[union-attr]
        firsts.add(min(bench.cameras, key=lambda camera: picked_at[camera]))
    assert firsts == {"a", "b", "c"}


def test_a_frame_that_went_stale_behind_another_batch_is_dropped() -> None:
    """Freshness is judged when a frame's own batch begins, not when the round was taken off the bus."""
    bench = Bench(cameras=("a", "b"), batch=1)
    bench.pipeline.takes_s = 3.0
    for camera in bench.cameras:
        bench.publish(camera, deadline_at=NOW + 2)
    assert bench.worker.step() == 2
    said = sorted((bench.said(camera)[0] for camera in bench.cameras), key=lambda record: type(record).__name__)
    assert isinstance(said[1], Observation)
    assert isinstance(said[0], FramesDropped)
    assert said[0].reason is DropReason.STALE


def test_a_frame_whose_judgement_was_not_published_stays_for_a_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bus refuses what was judged, the frame is not acknowledged: another worker takes it over."""
    bench = Bench()
    bench.publish(deadline_at=0.0)
    append = bench.bus.append

    def refuse(stream: str, fields: Mapping[str, bytes], cap: Cap) -> list[bytes]:
        if stream == log_stream("door"):
            raise BusUnavailable("out of memory")
        return append(stream, fields, cap)

    with monkeypatch.context() as patch:
        patch.setattr(bench.bus, "append", refuse)
        assert bench.worker.step() == 0
    assert (bench.said(), bench.bus.length(frames_stream("door"))) == ([], 1)
    bench.clock.advance(CLAIM_IDLE_S + 1)
    assert bench.build("detect-2").step() == 1
    assert [type(record) for record in bench.said()] == [Observation]
    assert bench.bus.length(frames_stream("door")) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"deadline_at": NOW - 0.1}, DropReason.STALE, id="past its deadline"),
        pytest.param({"jpeg": b"not a picture"}, DropReason.UNDECODABLE, id="broken picture"),
        pytest.param({"jpeg": b""}, DropReason.UNDECODABLE, id="no picture"),
        pytest.param({"jpeg": make_damaged_jpeg()}, DropReason.UNDECODABLE, id="damaged header"),
    ],
)
def test_what_cannot_be_judged_is_dropped_with_its_reason(changes: dict[str, object], reason: DropReason) -> None:
    """A stale or broken frame is not judged but accounted for, and does not stop the worker."""
    bench = Bench()
    bench.publish(**changes)  # type: ignore[arg-type]
    bench.worker.step()
    (dropped,) = bench.said()
    assert isinstance(dropped, FramesDropped)
    assert (dropped.first_seq, dropped.last_seq, dropped.reason) == (1, 1, reason)
    assert bench.pipeline.batches == []
    assert bench.bus.length(frames_stream("door")) == 0


def test_a_frame_without_deadline_is_never_stale() -> None:
    """A file played faster than real time sets no deadline and is judged however late."""
    bench = Bench()
    bench.publish(deadline_at=0.0)
    bench.clock.advance(5.0)
    bench.worker.step()
    assert isinstance(bench.said()[0], Observation)


def test_a_message_that_does_not_decode_is_buried_and_acknowledged() -> None:
    """A bad message goes to the dead letters once, and the next frame is judged."""
    bench = Bench()
    bench.bus.append(frames_stream("door"), {"v": b"1", "kind": b"frame", "head": b"{"}, FRAMES_CAP)
    bench.publish(seq=2)
    bench.worker.step()
    bench.worker.step()
    assert bench.bus.length(DEAD_LETTERS) == 1
    assert [type(record) for record in bench.said()] == [Observation]
    assert bench.bus.length(frames_stream("door")) == 0


def test_endless_bad_messages_end_the_worker() -> None:
    """Past the limit the worker stops instead of draining everything into dead letters."""
    bench = Bench()
    for _ in range(BAD_MESSAGES_LIMIT - 1):
        bench.bus.append(frames_stream("door"), {"v": b"9"}, FRAMES_CAP)
        bench.worker.step()
    bench.bus.append(frames_stream("door"), {"v": b"9"}, FRAMES_CAP)
    with pytest.raises(BadMessage):
        bench.worker.step()


def test_what_a_dead_worker_left_is_taken_over() -> None:
    """A frame that a dead peer had taken is judged by another after the idle time."""
    bench = Bench()
    bench.publish(deadline_at=0.0)
    bench.bus.read_group([frames_stream("door")], DETECTORS, "dead", count=1, block_s=0)
    assert bench.worker.step() == 0
    bench.clock.advance(CLAIM_IDLE_S + 1)
    assert bench.worker.step() == 1
    assert isinstance(bench.said()[0], Observation)


def test_an_absent_bus_is_waited_for() -> None:
    """While the bus is away a step takes nothing and ends; afterwards work goes on."""
    bench = Bench()
    bench.publish(deadline_at=0.0)
    bench.bus.away = True
    assert bench.worker.step() == 0
    bench.bus.away = False
    assert bench.worker.step() == 1


def test_a_new_camera_is_found_within_seconds() -> None:
    """Cameras that appear while the worker runs are read without a restart."""
    bench = Bench()
    bench.worker.step()
    bench.bus.put(CAMERAS_TABLE, "new", camera_to_json(make_camera_report(camera_id="new")))
    bench.publish("new")
    bench.clock.advance(1.5)
    assert bench.worker.step() == 1
    assert len(bench.said("new")) == 1


def test_a_requested_stop_ends_the_loop_and_leaves_the_bus() -> None:
    """A worker that was asked to stop takes no further frame and removes its row."""
    bench = Bench()
    stop = Stop()
    stop.request()
    bench.worker.run(stop)
    assert bench.bus.table("maskwatch:workers") == {}
