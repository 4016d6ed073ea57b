"""Score the states told frame by frame on clips whose people are known: what the service would see, before it tracks.

A folder holds clips and ground_truth.yaml, which says for each person in which frames what is worn. Frames count from
0 in the order of showing. A face is somebody's whose region holds its centre; in clips without regions, and in clips
that say one state for `everyone`, all faces but those of `not_people` count. Frames in no range are not scored.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import yaml

from maskwatch.domain import MaskState
from maskwatch.errors import ConfigError
from maskwatch.model_contract import MASK_CLASSES
from training.figures import resamples, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from detector.pipeline import MaskPipeline
    from maskwatch.domain import Detection, Image
    from training.datasets import Box

TRUTHS = "ground_truth.yaml"
LOOKS_PER_S = 6  # at most, unless told otherwise: about what a camera of the service is judged at
VARIES, NONE = "varies", "none"
ANYBODY = "anybody"


@dataclass(frozen=True, slots=True)
class Range:
    """What holds in some frames, both ends included."""

    first: int
    last: int
    person: str = ""
    state: str = ""
    region: Box | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip and all that is known about it."""

    file: Path
    fps: float
    everyone: str  # a state, or VARIES
    regions: Mapping[str, Box]  # of people, in pixels
    truths: Sequence[Range]
    not_people: Sequence[Range]

    def truth_of(self, box: Box, frame: int) -> tuple[str, str] | None:
        """Return who a face is and the state that is true of it; None where that is not known."""
        if any(_holds(each, frame) and each.region and _inside(each.region, box) for each in self.not_people):
            return None
        seen = [each for each in self.truths if _holds(each, frame) and each.state != NONE]
        for person, region in self.regions.items():
            if _inside(region, box):
                return next(((person, each.state) for each in seen if each.person == person), None)
        if self.everyone != VARIES:
            return (ANYBODY, self.everyone) if seen else None
        states = {each.state for each in seen if each.person not in self.regions}
        return (ANYBODY, states.pop()) if len(states) == 1 else None


@dataclass(slots=True)
class Told:
    """What was told of the faces of one clip whose truth is known."""

    truths: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    seconds: list[int] = field(default_factory=list)  # into the clip, whole: faces of one second err together
    masked: dict[str, list[tuple[int, bool]]] = field(default_factory=lambda: defaultdict(list))
    """By person the frames with a worn mask, and whether no_mask was told."""


def read_clips(folder: Path) -> list[Clip]:
    """Return the clips of a folder's ground_truth.yaml."""
    file = folder / TRUTHS
    if not file.is_file():
        raise ConfigError(f"{file}: no such file; it says what is seen in each clip of the folder")
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8"))["clips"]
        clips = [_read_clip(folder / name, entry, f"{file}: clips: {name}") for name, entry in entries.items()]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error!r}") from None
    for clip in clips:
        if not clip.file.is_file():
            raise ConfigError(f"{file}: clips: {clip.file.name}: no such clip beside it")
    return clips


def _read_clip(file: Path, entry: Mapping[str, Any], where: str) -> Clip:
    try:
        clip = Clip(
            file=file,
            fps=float(entry["fps"]),
            everyone=str(entry.get("everyone", VARIES)),
            regions={
                name: _box(each["region"]) for name, each in (entry.get("people") or {}).items() if "region" in each
            },
            truths=[
                Range(int(each["from_frame"]), int(each["to_frame"]), str(each["person"]), str(each["state"]))
                for each in entry.get("truth") or ()
            ],
            not_people=[
                Range(int(each["from_frame"]), int(each["to_frame"]), region=_box(each["region"]))
                for each in entry.get("not_people") or ()
            ],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}: is missing or wrong") from None
    for state in (clip.everyone, *(each.state for each in clip.truths)):
        if state not in {*MASK_CLASSES, VARIES, NONE}:
            raise ConfigError(f"{where}: state {state!r} is none of {', '.join((*MASK_CLASSES, NONE))}")
    return clip


def look_every(clip: Clip, every: int = 0) -> int:
    """Return how many frames on the next one is looked at; 0 stands for LOOKS_PER_S."""
    return every or max(1, math.ceil(clip.fps / LOOKS_PER_S))


def read_frames(clip: Clip, every: int) -> Iterator[tuple[int, Image]]:
    """Yield number and picture (H x W x 3, uint8, BGR) of every so many frames, the first included."""
    with av.open(str(clip.file)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                yield number, frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def watch(clip: Clip, frames: Iterable[tuple[int, Sequence[Detection]]]) -> Told:
    """Return what was told of the faces that are known.

    Args:
        clip: whose truths these are.
        frames: numbers, rising, and the faces judged in each.
    """
    told = Told()
    for number, faces in frames:
        for face in faces:
            known = clip.truth_of(face.box, number)
            if known is None:
                continue
            person, truth = known
            told.truths.append(truth)
            told.states.append(face.state.value)
            told.seconds.append(int(number / clip.fps))
            if truth == "mask":
                told.masked[person].append((number, face.state is MaskState.NO_MASK))
    return told


def longest_wrong(looks: Sequence[tuple[int, bool]], every: int, fps: float) -> float:
    """Return the seconds of the longest run of looks in a row that told a masked person to have none.

    >>> longest_wrong([(0, True), (5, True), (10, False), (20, True)], every=5, fps=25)
    0.4
    """
    wrong_at: dict[int, bool] = {}
    for number, wrong in looks:  # a person whom no region tells apart may have several faces in a frame
        wrong_at[number] = wrong_at.get(number, False) or wrong
    longest = run = 0
    for number, wrong in sorted(wrong_at.items()):
        run = (run + 1 if wrong_at.get(number - every, False) else 1) if wrong else 0
        longest = max(longest, run)
    return longest * every / fps


def score_clips(
    clips: Sequence[Clip], pipeline: MaskPipeline, *, every: int = 0, track: Callable[[Sequence[Clip]], Iterable[Clip]]
) -> dict[str, Any]:
    """Return for each clip, and for all, the shares that are right and the longest wrong run.

    Args:
        clips: to play.
        pipeline: the service's, for one size of picture.
        every: look at every so many frames; 0 for about LOOKS_PER_S a second.
        track: wraps the clips, to show how far it is.
    """
    rows: dict[str, Any] = {}
    everything, groups, longest = Told(), [], 0.0
    for clip in track(clips):
        step = look_every(clip, every)
        told = watch(clip, ((number, pipeline.detect([image])[0]) for number, image in read_frames(clip, step)))
        runs = [longest_wrong(looks, step, clip.fps) for looks in told.masked.values()]
        rows[clip.file.name] = _row(told, [f"{second}" for second in told.seconds]) | {
            "every": step,
            "longest wrong no_mask run, s": round(max(runs), 2) if runs else None,
        }
        everything.truths += told.truths
        everything.states += told.states
        groups += [f"{clip.file.name}/{second}" for second in told.seconds]
        longest = max([longest, *runs])
    return {"clips": rows, "all": _row(everything, groups) | {"longest wrong no_mask run, s": round(longest, 2)}}


def _row(told: Told, groups: Sequence[str]) -> dict[str, Any]:
    right = np.array([one == other for one, other in zip(told.truths, told.states, strict=True)], bool)
    judged = np.array([state != MaskState.UNKNOWN.value for state in told.states], bool)
    weights = resamples(groups)
    return {
        "faces": len(right),
        "right": share(right, weights).to_json(),
        "judged": share(judged, weights).to_json(),
        "right of judged": share(right[judged], weights[:, judged]).to_json(),
    }


def _holds(range_: Range, frame: int) -> bool:
    return range_.first <= frame <= range_.last


def _inside(region: Box, box: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return region[0] <= x <= region[2] and region[1] <= y <= region[3]


def _box(corners: Sequence[float]) -> Box:
    left, top, right, bottom = (float(corner) for corner in corners)
    return left, top, right, bottom
