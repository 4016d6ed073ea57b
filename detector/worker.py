"""The detector worker: takes a fair batch of frames off the bus, judges it, and publishes before it acknowledges.

Stateless and interchangeable: any number of these share the group, and what one leaves behind when it dies the
others take over. The second of the four files in which a frame can be followed; `maskwatch/contracts.py` is the legend.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from detector.places import RecentPlaces
from detector.views import Judged, ViewMaker
from maskwatch.contracts import (
    CAMERAS_TABLE,
    DEAD_LETTERS,
    DEAD_LETTERS_CAP,
    DETECTORS,
    LOG_CAP,
    SHORT_LOG_AGE_S,
    VIEWS_CAP,
    WANTED_TABLE,
    FrameMessage,
    dead_letter,
    frames_stream,
    log_stream,
    record_to_fields,
    views_stream,
)
from maskwatch.domain import DropReason, FramesDropped, Observation, StageTimes
from maskwatch.errors import BadMessage, BusUnavailable, ConfigError
from maskwatch.imaging import decode_image
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from detector.pipeline import MaskPipeline
    from maskwatch.bus import Bus, Entry
    from maskwatch.clock import Clock
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Detection, Image
    from maskwatch.heartbeat import Heartbeat, Stop
    from maskwatch.settings_file import SettingsWatch

log = logging.getLogger(__name__)

WAIT_S = 0.25
"""How long a step waits for the first frame: bounds the answer to a request to stop."""

CAMERAS_EVERY_S = 1.0
CLAIM_EVERY_S = 1.0
CLAIM_IDLE_S = 5.0
"""Must exceed the slowest batch: a frame claimed from a living worker is judged twice, which costs and harms nobody."""

BUS_PAUSE_S = 0.5
BAD_MESSAGES_LIMIT = 100
"""Bad messages in a row after which the worker ends: something speaks another language on this bus."""


class DetectorWorker:
    """Judges frames of all cameras, one of each at a time."""

    def __init__(
        self,
        *,
        bus: Bus,
        pipeline: MaskPipeline,
        clock: Clock,
        heartbeat: Heartbeat,
        models: tuple[str, ...],
        batch: int,
        privacy: PrivacyMode = PrivacyMode.ALERTS,
        watch: SettingsWatch | None = None,
    ) -> None:
        """Take the collaborators; `batch` is the most frames judged together, `watch` tells of an edited privacy."""
        self._bus = bus
        self._pipeline = pipeline
        self._clock = clock
        self._heartbeat = heartbeat
        self._models = models
        self._batch = batch
        self._watch = watch
        self._places = RecentPlaces(bus)
        self._cameras: set[str] = set()
        self._obey(privacy)
        self._streams: list[str] = []
        self._cameras_at = self._claimed_at = float("-inf")
        self._bad_in_a_row = 0
        self._bus_away = False

    def run(self, stop: Stop) -> None:
        """Step until asked to stop; a batch that was begun is finished, published and acknowledged."""
        while not stop.requested:
            self.step()
        self.close()

    def step(self) -> int:
        """Take, judge, publish, show to who looks, acknowledge; returns the number of frames taken."""
        self._heartbeat.beat()
        try:
            self._find_cameras()
            taken = self._take()
            for batch in _chunks(taken, self._batch):
                picked_at = self._clock.time()
                pictures = self._open(batch, picked_at)
                judged = self._judge(pictures, picked_at)
                self._publish([each.observation for each in judged])
                self._show(judged)
                self._bus.finish(DETECTORS, batch)
        except BusUnavailable as error:
            self._wait_for_bus(error)
            return 0
        if self._bus_away:
            self._bus_away = False
            log.info("the bus is back")
        return len(taken)

    def close(self) -> None:
        """Leave the group; anything still pending stays for a peer to claim."""
        try:
            self._bus.forget_consumer(self._streams, DETECTORS, self._heartbeat.name)
        except BusUnavailable:
            log.info("left without telling the bus, which is away")
        self._heartbeat.leave()

    def _find_cameras(self) -> None:
        now = self._clock.monotonic()
        if now - self._cameras_at < CAMERAS_EVERY_S:
            return
        cameras = set(self._bus.table(CAMERAS_TABLE))
        forgotten = self._cameras - cameras
        if self._views.mode is not PrivacyMode.ALERTS:
            forgotten |= cameras - self._cameras  # of a time when faces were hidden
        for camera_id in forgotten:
            self._places.forget(camera_id)
        self._cameras = cameras
        active = {frames_stream(camera_id) for camera_id in cameras}
        self._streams = [stream for stream in self._streams if stream in active]
        self._streams += sorted(active.difference(self._streams))
        self._views.heed(self._bus.table(WANTED_TABLE))
        self._heed_settings()
        self._cameras_at = now

    def _heed_settings(self) -> None:
        """Take over an edited privacy mode at once; all else of the detector's settings asks for a new start."""
        try:
            settings = self._watch.poll() if self._watch is not None else None
        except ConfigError:
            return  # said by the aggregator, which watches the same file
        if settings is not None and settings.privacy.mode is not self._views.mode:
            log.info("privacy mode %s, before %s", settings.privacy.mode, self._views.mode)
            self._obey(settings.privacy.mode)

    def _obey(self, mode: PrivacyMode) -> None:
        self._views = ViewMaker(mode, places=self._places)
        self._cameras = set()  # so that each is looked at anew
        self._log_cap = LOG_CAP if mode is not PrivacyMode.STATISTICS else replace(LOG_CAP, age_s=SHORT_LOG_AGE_S)

    def _take(self) -> list[Entry]:
        """Take over what a dead peer left, then one new frame of each camera, beginning with another one each time."""
        now = self._clock.monotonic()
        name = self._heartbeat.name
        if now - self._claimed_at >= CLAIM_EVERY_S:
            self._claimed_at = now
            claimed = self._bus.claim(self._streams, DETECTORS, name, idle_s=CLAIM_IDLE_S, count=self._batch)
            if claimed:
                self._heartbeat.count("claimed", len(claimed))
                return claimed
        if not self._streams:
            self._clock.sleep(WAIT_S)
            return []
        self._streams.append(self._streams.pop(0))
        return self._bus.read_group(self._streams, DETECTORS, name, count=1, block_s=WAIT_S)

    def _open(self, batch: Sequence[Entry], picked_at: float) -> list[tuple[FrameMessage, Image]]:
        """Decode messages and pictures; what is stale or broken is dropped with its reason."""
        pictures = []
        for entry in batch:
            try:
                message = FrameMessage.from_fields(entry.fields)
            except BadMessage as error:
                self._bury(entry, error)
                continue
            self._bad_in_a_row = 0
            if 0 < message.head.deadline_at < picked_at:
                self._drop(message, DropReason.STALE)
                continue
            image = decode_image(message.jpeg)
            if image is None:
                self._drop(message, DropReason.UNDECODABLE)
            else:
                pictures.append((message, image))
        return pictures

    def _judge(self, pictures: Sequence[tuple[FrameMessage, Image]], picked_at: float) -> list[Judged]:
        if not pictures:
            return []
        scales = [message.head.width / image.shape[1] for message, image in pictures]
        limits = [message.head.min_face_px / scale for (message, _), scale in zip(pictures, scales, strict=True)]
        sights = self._pipeline.look([image for _, image in pictures], limits)
        judged_at = self._clock.time()
        self._heartbeat.count("frames", len(pictures))
        self._heartbeat.count("batches")
        judged = []
        for (message, image), sight, scale in zip(pictures, sights, scales, strict=True):
            head = message.head
            observation = Observation(
                camera_id=head.camera_id,
                frame=head.frame,
                captured_at=head.captured_at,
                width=head.width,
                height=head.height,
                detections=tuple(scaled(detection, scale) for detection in sight.detections),
                live=head.live,
                stages=StageTimes(head.received_at, head.published_at, picked_at, judged_at),
                batch_size=len(pictures),
                models=self._models,
                worker=self._heartbeat.name,
            )
            judged.append(Judged(observation, image, message.jpeg, sight.glimpses))
        return judged

    def _show(self, judged: Sequence[Judged]) -> None:
        """Put those frames on the bus as pictures that somebody looks at, or that an episode may want."""
        for each in judged:
            self._views.note(each)  # all of them first: other workers may be about to show the next frames
        for each in judged:
            view = self._views.make(each, self._clock.time())
            if view is not None:
                self._bus.append(views_stream(view.head.camera_id), view.to_fields(), VIEWS_CAP)
                self._heartbeat.count("views")

    def _publish(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            self._bus.append(log_stream(record.camera_id), record_to_fields(record), self._log_cap)

    def _drop(self, message: FrameMessage, reason: DropReason) -> None:
        head = message.head
        frame = head.frame
        self._heartbeat.count(f"dropped_{reason.value}")
        self._publish(
            [FramesDropped(head.camera_id, frame.run, frame.seq, frame.seq, reason, dropped_at=self._clock.time())]
        )

    def _bury(self, entry: Entry, error: BadMessage) -> None:
        """Keep a message that does not decode for people to look at; it is acknowledged with its batch."""
        self._heartbeat.count("bad_messages")
        self._bus.append(DEAD_LETTERS, dead_letter(entry.stream, error), DEAD_LETTERS_CAP)
        self._bad_in_a_row += 1
        log.warning("a message on %s does not decode: %s", entry.stream, error)
        if self._bad_in_a_row >= BAD_MESSAGES_LIMIT:
            raise error

    def _wait_for_bus(self, error: BusUnavailable) -> None:
        if not self._bus_away:
            self._bus_away = True
            log.warning("the bus is away: %s", error)
        self._cameras_at = float("-inf")
        self._clock.sleep(BUS_PAUSE_S)


def _chunks(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]


def scaled(detection: Detection, scale: float) -> Detection:
    """Take a detection from pixels of the analysed picture to pixels of the camera's."""
    x_min, y_min, x_max, y_max = (round(value * scale, 1) for value in detection.box)
    landmarks = tuple((round(x * scale, 1), round(y * scale, 1)) for x, y in detection.landmarks)
    return replace(detection, box=(x_min, y_min, x_max, y_max), landmarks=landmarks)
