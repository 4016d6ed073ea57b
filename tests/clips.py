"""The shared clips with their ground truth: who is without a mask for how long, and what the rule makes of it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aggregator.replay import Replay
from detector.pipeline import FACE_MODEL, MASK_MODEL, model_path
from maskwatch.cli.judging import FilmJudge
from maskwatch.domain import EventKind, EventState, FrameId, Observation
from maskwatch.recording import Recorder, read_recording
from maskwatch.settings import Settings
from maskwatch.settings_camera import CameraSettings
from tests.builders import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maskwatch.contracts import LogRecord
    from maskwatch.domain import Event
    from maskwatch.settings import DetectorSettings
    from maskwatch.settings_rule import RuleSettings

SLACK_S = 2.0
"""By how much an episode may open earlier or later than the truth and the rule's duration say."""

STILL_COUNTS_S = 1.0
"""So long after the last face without a mask an episode may open: the evidence still speaks for the present."""

REGIONS = {
    "street_unmasked_small_faces.mp4": {
        "waiter_with_cap_right": (1090, 235, 1210, 330),
        "man_with_phone": (0, 230, 760, 470),  # walks through it
        "man_blue_shirt_left": (0, 230, 420, 470),
        "woman_sunglasses_left": (0, 230, 420, 470),
        "passers_by_far_right": (1000, 130, 1280, 234),
    },
    "corridor_two_unmasked_walking.mp4": {"woman_left": (0, 0, 290, 270), "man_right": (290, 0, 480, 270)},
    "tv_two_unmasked_then_fabric_mask.mp4": {
        "presenter_left": (0, 0, 640, 720),
        "presenter_right": (641, 0, 1280, 720),
    },
    "one_by_one_no_faces.mp4": {},
}
"""Where people are of whom the ground truth does not say it."""

NOBODY_IN_PARTICULAR = {"passers_by_far_right"}
"""A changing group: nobody of it is known to stay for longer than the rule's duration."""


OWN = {
    "classroom_four_unmasked_small": {"min_face_px": 14},
    "corridor_two_unmasked_walking": {"min_face_px": 14},
}
"""What an operator would set for cameras whose faces are 14 to 33 pixels high; all others keep the defaults."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A stretch in which one person is without a mask, in seconds from the beginning of the clip."""

    who: str
    from_s: float
    to_s: float
    region: tuple[float, float, float, float]  # where their face is, pixels

    def holds(self, box: tuple[float, float, float, float]) -> bool:
        """Whether a face is theirs, by its place."""
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return self.region[0] <= x <= self.region[2] and self.region[1] <= y <= self.region[3]


def bare_stretches(name: str, clip: dict[str, Any]) -> list[Bare]:
    """Read the stretches without a mask from a clip's ground truth."""
    places = {who: person["region"] for who, person in clip.get("people", {}).items()} | REGIONS.get(name, {})
    everywhere = (0, 0, *clip["size"])
    return [
        Bare(
            row["person"],
            row["from_frame"] / clip["fps"],
            (row["to_frame"] + 1) / clip["fps"],
            tuple(places.get(row["person"], everywhere)),
        )
        for row in clip["truth"]
        if row["state"] == "no_mask"
    ]


@dataclass(slots=True)
class Score:
    """What a rule made of one clip, set against the truth."""

    asked: list[Bare] = field(default_factory=list)  # without a mask for longer than the rule's duration
    too_small: list[Bare] = field(default_factory=list)  # so as well, but hardly ever of the rule's smallest face
    errors_s: dict[str, float] = field(default_factory=dict)  # by person: opened after truth plus the rule's duration
    missed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[Event] = field(default_factory=list)  # of nobody without a mask for so long

    @property
    def is_right(self) -> bool:
        """Whether each person asked for has one episode in time, and nobody else has one."""
        in_time = all(abs(each) <= SLACK_S for each in self.errors_s.values())
        return in_time and not (self.missed or self.doubled or self.wrong)


def score(
    stretches: Sequence[Bare], records: Sequence[Observation], openings: Sequence[Event], rule: RuleSettings
) -> Score:
    """Set the openings of episodes against the truth."""
    result = Score()
    begun, least_px = records[0].captured_at, camera_of(records[0].camera_id).min_face_px
    for bare in stretches:
        if bare.to_s - bare.from_s > rule.open_after_s and bare.who not in NOBODY_IN_PARTICULAR:
            seen_s = large_enough_s(bare, records, least_px)
            (result.asked if seen_s > rule.open_after_s else result.too_small).append(bare)
    counted: Counter[str] = Counter()
    for event in openings:
        at = event.opened_at - begun
        owners = [each for each in stretches if event.box is not None and each.holds(event.box)]
        owners = [each for each in owners if each.from_s <= at <= each.to_s + STILL_COUNTS_S]
        owner = next((each for each in owners if each in result.asked), None)
        if owner is not None:
            counted[owner.who] += 1
            result.errors_s.setdefault(owner.who, at - owner.from_s - rule.open_after_s)
        elif not any(each in result.too_small or each.who in NOBODY_IN_PARTICULAR for each in owners):
            result.wrong.append(event)
    result.missed = [each.who for each in result.asked if not counted[each.who]]
    result.doubled = [who for who, count in counted.items() if count > 1]
    return result


def large_enough_s(bare: Bare, records: Sequence[Observation], min_face_px: float) -> float:
    """Return for how long a person's face was found and as large as the rule wants it, or not found at all."""
    begun, at, large_s = records[0].captured_at, bare.from_s, 0.0
    for each in records:
        passed_s, now = each.captured_at - begun - at, each.captured_at - begun
        if not bare.from_s <= now <= bare.to_s:
            continue
        heights = [found.height for found in each.detections if bare.holds(found.box)]
        if not heights or max(heights) >= min_face_px:
            large_s += passed_s
        at = now
    return large_s


def camera_of(clip: str, **changes: Any) -> CameraSettings:
    """Return the camera that a clip is played as, with the settings that are its own."""
    return CameraSettings.model_validate({"id": clip, "source": f"{clip}.mp4"} | OWN.get(clip, {}) | changes)


def load_truth(folder: Path) -> dict[str, Any]:
    """Read the ground truth of all clips, by file name."""
    clips: dict[str, Any] = yaml.safe_load((folder / "ground_truth.yaml").read_text())["clips"]
    return clips


class Clips:
    """Clips as the models see them; what was judged once is kept in a folder, if one is given."""

    def __init__(self, settings: DetectorSettings, cache: Path | None = None) -> None:
        """Open the models."""
        self._judge = FilmJudge(settings)
        self._cache = cache
        self._key = hashlib.sha256(settings.model_dump_json().encode())
        for model in (model_path(settings.face_model, FACE_MODEL), model_path(settings.mask_model, MASK_MODEL)):
            self._key.update(model.read_bytes())

    def observe(self, path: Path, fps: float = 5.0) -> list[Observation]:
        """Return the observations of a clip whose first picture is at NOW."""
        camera = camera_of(path.stem, source=str(path), fps=fps)
        if self._cache is None:
            return list(self._judge.observe(camera, NOW))
        key = self._key.copy()
        key.update(f"{camera.model_dump_json()} {NOW}".encode() + path.read_bytes())
        kept = self._cache / f"{path.stem}-{key.hexdigest()[:16]}.jsonl"
        if not kept.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(f".{os.getpid()}.new")
            with Recorder(fresh) as recorder:
                for each in self._judge.observe(camera, NOW):
                    recorder.write(each)
            fresh.replace(kept)
        return [each for each in read_recording(kept) if isinstance(each, Observation)]


def loop(records: Sequence[Observation], seconds: float, gap_s: float = 0.2) -> Iterator[Observation]:
    """Play a clip's observations again and again for so long, as a looped file would."""
    first, last = records[0], records[-1]
    length_s = last.captured_at - first.captured_at + gap_s
    for turn in range(max(1, round(seconds / length_s))):
        for each in records:
            frame = FrameId(each.frame.run, each.frame.seq + turn * last.frame.seq)
            yield replace(each, frame=frame, captured_at=each.captured_at + turn * length_s)


def opened(records: Iterable[LogRecord], rule: RuleSettings) -> list[Event]:
    """Play records of clips through a rule; returns the openings of no-mask episodes, in order."""
    played = Replay(Settings(rule=rule, cameras=tuple(map(camera_of, OWN))))
    for record in records:
        played.feed(record)
    played.end()
    return [each for each in played.changes if each.kind is EventKind.NO_MASK and each.state is EventState.OPENED]


CACHE = Path(tempfile.gettempdir()) / "maskwatch-clips"
