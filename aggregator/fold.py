"""Folds the log of one camera into events and counts: the same log gives the same events, however often it is read.

No clock, no I/O: time is what the records say, captured_at for people and reported_at for the camera. The state is
plain data, stored with every step, so a killed aggregator goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from aggregator.episodes import (
    CAMERA_LOST,
    COUNTS_ONLY,
    LEFT,
    NOT_COUNTED,
    OFF_HOURS,
    STILL_FACE,
    close,
    follow_camera,
    follow_person,
)
from aggregator.evidence import Evidence, weight_of
from aggregator.fold_state import VERSION, FoldState, state_from_json, state_to_json
from aggregator.hours import Hours
from aggregator.ledger import SETTLE_S
from aggregator.people import LEAST_JUDGED, Person, assign, is_sound
from aggregator.still_faces import recall, remember
from aggregator.tally import Tally
from aggregator.tracks import Tracks, TracksState
from aggregator.zones import is_counted
from maskwatch.domain import (
    CameraReport,
    CameraState,
    Event,
    EventKind,
    EventState,
    FramesDropped,
    Observation,
)
from maskwatch.settings_privacy import PrivacySettings

if TYPE_CHECKING:
    from aggregator.intervals import Minutes
    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Detection
    from maskwatch.settings_camera import CameraDefaults
    from maskwatch.settings_rule import RuleSettings

CLOCK_SLACK_S = 1.0
"""Picture time may step back by this much without anybody having left."""

UNWATCHED_S = 10.0
"""Seconds for which a live camera's pictures may go unjudged until nothing is known of its people any more."""

UNWATCHED = "unwatched"

WAITING = frozenset({CameraState.STALLED, CameraState.CONNECTING})
"""States in which no pictures come, and may come again at any moment."""


class Fold:
    """One camera's log, up to where it was read."""

    def __init__(
        self,
        camera_id: str,
        rule: RuleSettings,
        camera: CameraDefaults,
        state: FoldState | None = None,
        *,
        zone: str = "UTC",
        privacy: PrivacySettings | None = None,
    ) -> None:
        """Begin empty, or where the state was taken; `zone` is that of the rule's schedules."""
        self.camera_id = camera_id
        self.state = state or FoldState()
        self._tally = Tally(self.state, privacy or PrivacySettings())
        self._events: list[Event] = []
        self._tracks: Tracks
        self.follow(rule, camera, zone, self.state.tracks, privacy=privacy)

    @classmethod
    def from_json(
        cls,
        camera_id: str,
        rule: RuleSettings,
        camera: CameraDefaults,
        data: bytes,
        *,
        version: int = VERSION,
        zone: str = "UTC",
        privacy: PrivacySettings | None = None,
    ) -> Fold:
        """Continue from what `to_json` gave, in this version or an older one; raises ConfigError for a newer one."""
        state = state_from_json(camera_id, data, version)
        return cls(camera_id, rule, camera, state, zone=zone, privacy=privacy)

    def to_json(self) -> bytes:
        """Return everything needed to continue, as JSON."""
        self.state.tracks = self._tracks.state()
        return state_to_json(self.state)

    def follow(
        self,
        rule: RuleSettings,
        camera: CameraDefaults,
        zone: str = "UTC",
        tracks: TracksState | None = None,
        *,
        privacy: PrivacySettings | None = None,
    ) -> None:
        """Decide by these settings from now on; people and open episodes stay, but for faces that count no more."""
        self.privacy = privacy or PrivacySettings()
        self._tally.follow(self.privacy)
        self._rule = rule
        self._camera = camera
        self._counting = camera.model_dump_json(include={"zones", "min_face_px"})
        self._hours = Hours(rule, zone)
        self.gone_after_s = max(rule.gone_after_s, 2.5 / camera.fps)  # a slow camera blinks longer
        self._tracks = Tracks(self.gone_after_s, tracks or self._tracks.state())

    @property
    def minutes(self) -> Minutes:
        """What was counted since it was last taken away."""
        return self._tally.minutes

    @property
    def counts_only(self) -> bool:
        """Whether the privacy mode is `statistics`: nobody is told of one person."""
        return self._tally.counts_only

    def feed(self, record: LogRecord) -> list[Event]:
        """Take in the next record of the log; returns the events it brought about, in order."""
        state = self.state
        match record:
            case Observation():
                if state.ledger.observe(record.frame, unchanged=record.unchanged):
                    state.sequence.push(record, state.ledger.now)
            case FramesDropped():
                state.ledger.drop(record.run, record.first_seq, record.last_seq, record.reason)
            case CameraReport():
                self._hear(record)
            case _:
                assert_never(record)
        for observation in state.sequence.release(state.ledger):
            self._look(observation)
        self._end_if_over()
        self._tally.let_through()
        return self._told()

    def retire(self, reason: str = CAMERA_LOST) -> list[Event]:
        """End everything, for this reason: the camera was taken away, or the recording ends."""
        self.state.ledger.settle_all()
        self._forget_scene(reason)
        for event in list(self.state.events.values()):
            at = max(event.updated_at, self.state.ledger.now)
            self._tell(close(event, reason, at, at))
        self._tally.let_through()
        return self._told()

    @property
    def is_busy(self) -> bool:
        """Whether there are people in view, or lately so."""
        return bool(self.state.people or self.state.sequence.waiting or self.state.crowd.event)

    def fall_silent(self) -> list[Event]:
        """End what was seen: nobody reports the camera any more. Its own episodes and its account wait for a word."""
        self._forget_scene()
        self._tally.let_through()
        return self._told()

    def in_view(self) -> list[Person]:
        """Return the people of the last picture who count."""
        seen = (each for each in self.state.people if each.counts and each.seen_at == self.state.scene_at)
        return [each for each in seen if not self._is_silenced(each)]

    def still_in_view(self) -> int:
        """Count the faces of the last picture that are pictures of faces, silenced or not."""
        return sum(each.still.is_still and each.seen_at == self.state.scene_at for each in self.state.people)

    def open_events(self) -> list[Event]:
        """Return all open episodes of this camera."""
        others = (self.state.crowd.event, *(each.event for each in self.state.people))
        return [*self.state.events.values(), *(each for each in others if each is not None)]

    def judged_lately(self, minute: int) -> Counter[str]:
        """Count by state the people judged in the WINDOW_MINUTES up to a minute since 1970, and those in view.

        In privacy mode `statistics`: those let through for the interval that ended last.
        """
        count = self._tally.judged_lately(minute)
        if not self.counts_only:
            count.update(self.in_view_by_state())
        return count

    def in_view_by_state(self) -> Counter[str]:
        """Count the people in view by state."""
        return Counter(person.verdict(self._rule).value for person in self.in_view())

    def _hear(self, report: CameraReport) -> None:
        state = self.state
        state.ledger.report(report.run, report.captured, report.reported_at)
        if not self._is_newest(report):
            return  # an old reader's last words
        for event in follow_camera(state.events, report):
            self._tell(event)
        if report.state is CameraState.OFFLINE:
            state.ending = report.run  # frames of it may still be with the detectors
        elif report.state in WAITING and report.reported_at - report.since > self.gone_after_s:
            state.ending = report.run
        elif report.state is CameraState.FROZEN and not state.frozen:
            self._end_people(CAMERA_LOST)
        elif report.state is CameraState.LIVE:
            state.ending = None
            unjudged_s = report.last_frame_at - (report.last_frame_at if state.at is None else state.at)
            if report.live and unjudged_s > UNWATCHED_S + self.gone_after_s:
                self._end_people(UNWATCHED)
        state.frozen = report.state is CameraState.FROZEN

    def _is_newest(self, report: CameraReport) -> bool:
        """Whether a report is of the newest run, which is a lower one if nothing else is heard for SETTLE_S."""
        state = self.state
        if report.run in state.ledger.abandoned:
            return False
        if report.run < state.run:
            since = report.reported_at if state.lower_since is None else state.lower_since
            state.lower_since = min(since, report.reported_at)
            if report.reported_at - state.lower_since < SETTLE_S:
                return False
            self._forget_scene()  # a clock that was ahead had numbered the runs, and was set back between two starts
            state.ending = None
            state.sequence.begin_anew()
            state.ledger.set_back(report.run, report.captured)
        state.run, state.lower_since = report.run, None
        return True

    def _look(self, observation: Observation) -> None:
        """Take in one picture's faces, in order."""
        state = self.state
        at = observation.captured_at
        if state.at is not None and at < state.at - CLOCK_SLACK_S:  # the camera's clock was set back
            self._end_people(LEFT)
            self._tracks.clear()
            state.at = at
        before, state.at = state.at, max(at, state.at or at)
        at = state.at
        self._tally.count("observations")
        if before is not None and not state.frozen:
            self._tally.count_time(before, at, self._camera.fps)
        if observation.unchanged:
            self._tally.count("unchanged")
        if not state.frozen:  # a picture that stands still says nothing about now
            if state.counted_by != self._counting:
                self._count_anew(observation, at)
            if observation.unchanged:
                self._repeat(at)
            else:
                self._see(observation, at)
            state.scene_at = at
        self._follow(at)
        if not state.frozen:
            self._count_heads(observation, at)

    def _count_anew(self, observation: Observation, at: float) -> None:
        """Take leave of people whom edited zones or sizes leave out: nothing seen could close their episodes."""
        self.state.counted_by = self._counting
        for person in self.state.people:
            is_large = person.box[3] - person.box[1] >= self._camera.min_face_px
            if is_large and is_counted(person.box, observation.width, observation.height, self._camera.zones):
                continue
            if person.event is not None:
                self._tell(close(person.event, NOT_COUNTED, at, at))
            person.event, person.evidence, person.confirmed, person.counts = None, Evidence(), False, False

    def _see(self, observation: Observation, at: float) -> None:
        detections = [each for each in observation.detections if is_sound(each.box)]
        found = assign(self.state.people, detections, self._tracks.update(detections, at), at)
        for detection, person in zip(detections, found, strict=True):
            counts = is_counted(detection.box, observation.width, observation.height, self._camera.zones)
            if person is not None and counts:
                self._watch(person, detection, at)
            is_silenced = person is not None and self._is_silenced(person)
            if counts and not is_silenced:
                self._tally.count_face(detection.state)
            if person is not None and not is_silenced:
                self._weigh(person, detection, observation, at, counts=counts)

    def _watch(self, person: Person, detection: Detection, at: float) -> None:
        """See whether a face moves, and remember where one hangs that does not."""
        if detection.height < self._camera.min_face_px:
            return
        still, places = person.still, self.state.still_places
        if still.is_new and (usual := recall(places, detection, at)):
            still.presume(usual, self._rule.still_after_s)
        still.see(detection, at, self._rule.still_after_s)
        if still.is_still:
            remember(places, person.box, still.usual, at)

    def _is_silenced(self, person: Person) -> bool:
        return person.still.is_still and self._rule.silence_still_faces

    def _weigh(
        self, person: Person, detection: Detection, observation: Observation, at: float, *, counts: bool
    ) -> None:
        person.counts = person.counts or counts
        weight = weight_of(detection, self._rule, self._camera.min_face_px) if counts else 0.0
        if weight > 0:
            person.evidence.weigh(detection, weight, observation.frame, at, self._rule)
        else:
            person.evidence.fade(at, self._rule)

    def _repeat(self, at: float) -> None:
        for person in self.state.people:
            if person.seen_at == self.state.scene_at:
                person.seen_at = at
                person.evidence.repeat(at, self._rule)

    def _follow(self, at: float) -> None:
        """Let the rule decide on everyone, and take leave of those out of sight for too long."""
        for person in self.state.people:
            if person.seen_at == at and (event := self._decide(person, at)):
                person.event = None if event.state is EventState.CLOSED else event
                self._tell(event)
        for person in [each for each in self.state.people if at - each.seen_at > self.gone_after_s]:
            self._end(person, LEFT, person.seen_at + self.gone_after_s)

    def _decide(self, person: Person, at: float) -> Event | None:
        event = person.event
        if self.counts_only and event is not None:
            return close(event, COUNTS_ONLY, at, at)
        if self._is_silenced(person):
            person.evidence, person.confirmed = Evidence(), False  # should it ever move, it begins as somebody new
            return close(event, STILL_FACE, at, at) if event is not None else None
        if not self._hours.are_on(at):
            person.evidence.begin_anew()
            return close(event, OFF_HOURS, at, at) if event is not None else None
        event = follow_person(event, person.evidence, person.box, at, self.camera_id, self._rule)
        person.confirmed = person.confirmed or event is not None
        return None if self.counts_only else event  # people count alike in every privacy mode

    def _count_heads(self, observation: Observation, at: float) -> None:
        """Let the rule decide on all people in view together."""
        crowd, rule = self.state.crowd, self._rule.crowd
        if rule.share >= 1.0 or not self._hours.are_on(at):
            event = crowd.end(OFF_HOURS, at) if crowd.event is not None or crowd.began is not None else None
        else:
            now = Counter(each.evidence.verdict(self._rule, LEAST_JUDGED).value for each in self.in_view())
            event = crowd.see(now, observation.frame, at, self.camera_id, rule)
        if event is not None:
            self._tell(event)

    def _end_people(self, reason: str) -> None:
        for person in list(self.state.people):
            self._end(person, reason, self.state.at or person.seen_at)
        crowd = self.state.crowd
        if event := crowd.end(reason, self.state.at or crowd.at or 0.0):
            self._tell(event)

    def _forget_scene(self, reason: str = CAMERA_LOST) -> None:
        """Look at what waits, and then end everybody: no more of it will come."""
        for observation in self.state.sequence.flush():
            self._look(observation)
        self._end_people(reason)
        self._tracks.clear()

    def _end(self, person: Person, reason: str, closed_at: float) -> None:
        self.state.people = [each for each in self.state.people if each is not person]
        if person.event is not None:
            self._tell(close(person.event, reason, closed_at, self.state.at or closed_at))
        if person.counts and not self._is_silenced(person):
            self._tally.count_person(person.verdict(self._rule))

    def _end_if_over(self) -> None:
        ending = self.state.ending
        if ending is None or not self.state.ledger.is_complete(ending):
            return
        if any(each.observation.frame.run <= ending for each in self.state.sequence.waiting):
            return
        self.state.ending = None
        self._end_people(CAMERA_LOST)
        self._tracks.clear()

    def _tell(self, event: Event) -> None:
        if self.counts_only and event.people is not None and event.people < self.privacy.least_people:
            event = replace(event, people=None, share=None)  # a crowd that has become a small group
        self._events.append(event)
        self._tally.count_event(event)
        if event.kind not in {EventKind.NO_MASK, EventKind.CROWD}:
            self.state.events.pop(event.kind, None)
            if event.state is not EventState.CLOSED:
                self.state.events[event.kind] = event

    def _told(self) -> list[Event]:
        told, self._events = self._events, []
        return told
