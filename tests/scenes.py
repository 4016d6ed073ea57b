"""Logs of a camera made up in a test, played through the aggregator's fold."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aggregator.fold import Fold
from maskwatch.domain import CameraState, DropReason, FrameId, FramesDropped, LossReason, MaskState, Observation
from maskwatch.settings_camera import CameraDefaults
from maskwatch.settings_rule import RuleSettings
from tests.builders import NOW, make_camera_report, make_detection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Detection, Event
    from maskwatch.settings_privacy import PrivacySettings

FPS = 5.0
BARE, MASKED, HIDDEN = MaskState.NO_MASK, MaskState.MASK, MaskState.UNKNOWN


class Scene:
    """One camera's frames, 5 a second, said aloud: `scene.show(2.0, BARE)` is two seconds of one bare face."""

    def __init__(self, camera_id: str = "door", *, run: int = 1, at: float = NOW) -> None:
        """Begin a run with a report of no frames."""
        self.camera_id, self.run, self.seq, self.at = camera_id, run, 0, at
        self.records: list[LogRecord] = [self._report(CameraState.LIVE, LossReason.NONE)]

    def show(
        self, seconds: float, *states: MaskState, x: float = 100.0, step: float = 0.0, unchanged: bool = False
    ) -> Scene:
        """Add pictures with one face for each state, side by side; `step` moves them from picture to picture."""
        for _ in range(round(seconds * FPS)):
            self.tick()
            x += step
            faces = () if unchanged else tuple(_face(state, x + 250 * nth) for nth, state in enumerate(states))
            self.records.append(
                Observation(
                    camera_id=self.camera_id,
                    frame=FrameId(self.run, self.seq),
                    captured_at=self.at,
                    width=1280,
                    height=720,
                    detections=faces,
                    unchanged=unchanged,
                )
            )
        return self

    def miss(self, seconds: float) -> Scene:
        """Add frames that were dropped."""
        for _ in range(round(seconds * FPS)):
            self.tick()
            self.records.append(
                FramesDropped(self.camera_id, self.run, self.seq, self.seq, DropReason.STALE, dropped_at=self.at)
            )
        return self

    def wait(self, seconds: float) -> Scene:
        """Let time pass without frames."""
        self.at += seconds
        return self

    def report(self, state: CameraState, reason: LossReason = LossReason.NONE) -> Scene:
        """Add a word of the camera itself."""
        self.records.append(self._report(state, reason))
        return self

    def tick(self) -> None:
        """Capture one frame; each second the camera reports."""
        self.seq += 1
        self.at += 1 / FPS
        if self.seq % FPS == 0:
            self.records.append(self._report(CameraState.LIVE, LossReason.NONE))

    def _report(self, state: CameraState, reason: LossReason) -> LogRecord:
        return make_camera_report(
            camera_id=self.camera_id,
            run=self.run,
            captured=self.seq,
            state=state,
            reason=reason,
            since=self.at,
            last_frame_at=self.at if self.seq else 0.0,
            reported_at=self.at,
        )


def make_fold(
    *, camera: CameraDefaults | None = None, zone: str = "UTC", privacy: PrivacySettings | None = None, **rule: Any
) -> Fold:
    """Build a camera's fold with the default rule but for what is said."""
    return Fold("door", RuleSettings(**rule), camera or CameraDefaults(), zone=zone, privacy=privacy)


def play(records: Iterable[LogRecord], fold: Fold | None = None) -> list[Event]:
    """Feed a log to a fold; returns all events."""
    fold = fold or make_fold()
    return [event for record in records for event in fold.feed(record)]


def told(events: Iterable[Event]) -> list[tuple[str, str]]:
    """Reduce events to state and reason, without the updates."""
    return [(each.state.value, each.reason) for each in events if each.state.value != "updated"]


def random_log(seed: int, camera_id: str = "door", frames: int = 300) -> list[LogRecord]:
    """Make up a log with people coming and going, gaps, losses, repeats, overtaking and a camera that restarts."""
    chance = random.Random(seed)
    scene = Scene(camera_id)
    while scene.seq < frames:
        states = chance.choices([BARE, MASKED, HIDDEN], weights=[4, 2, 1], k=chance.randint(0, 3))
        match chance.randint(0, 9):
            case 0:
                scene.miss(chance.uniform(0.2, 1.5))
            case 1:
                scene.show(chance.uniform(0.2, 2.0), unchanged=True)
            case 2:
                scene.report(chance.choice(list(CameraState)), LossReason.TIMEOUT).wait(chance.uniform(0, 5))
            case 3:
                scene.wait(chance.uniform(0, 5))
            case _:
                scene.show(chance.uniform(0.4, 5.0), *states, x=chance.uniform(0, 400), step=chance.uniform(-15, 15))
    records = scene.records
    records += Scene(camera_id, run=2, at=scene.at + 2).show(4.0, BARE).records
    shuffled = sorted(range(len(records)), key=lambda index: index + chance.uniform(0, 3))
    repeated = [index for index in shuffled for _ in range(1 + (chance.random() < 0.05))]
    return [records[index] for index in repeated if chance.random() > 0.02]


def _face(state: MaskState, x: float) -> Detection:
    face = make_detection(state)
    landmarks = tuple((left + x - 100.0, top) for left, top in face.landmarks)
    return replace(face, box=(x, 100.0, x + 60, 180.0), landmarks=landmarks)
