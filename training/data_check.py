"""Looks a data set over before anything is trained on it: broken files, wrong boxes, duplicates, leaks, face sizes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from maskwatch.imaging import decode_image
from training.crops import AT_ONCE, WORKERS, cut
from training.datasets import UNCERTAIN, area
from training.duplicates import find_duplicates, find_same_faces, fingerprint
from training.splits import data_set, leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from training.crops import Sample
    from training.datasets import Picture
    from training.duplicates import Fingerprint, Pair
    from training.splits import Leak

    Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much

SHEET_CROP = 72  # pixels of the crops cut for contact sheets
CLEAR_FACE = 48  # pixels of the longer side from which faces are compared: smaller ones have no details left
LEAST_INSIDE = 0.25  # of a box's area: detectors and people rightly box faces that the picture's edge cuts off
SIZES = (0, 16, 24, 32, 48, 64, 96, 128, 192)
"""Lower ends of the face-size histogram, pixels of the longer side of the box."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that must be mended before training."""

    file: Path
    why: str


@dataclass(frozen=True, slots=True)
class DataReport:
    """All that was found."""

    pictures: list[Picture]  # those that can be read, in the order they came
    faults: list[Fault]
    pairs: list[Pair]  # of duplicates, by places in `pictures`
    leaks: list[Leak]
    samples: list[Sample]  # the faces of `pictures`, SHEET_CROP pixels wide

    @property
    def clean(self) -> bool:
        """Whether nothing must be mended."""
        return not self.faults and not self.leaks


def check_data(pictures: Sequence[Picture], model: Path, progress: Progress = lambda *_: None) -> DataReport:
    """Read, compare and cut all pictures.

    Args:
        pictures: of one or several data sets.
        model: the face detector, ONNX.
        progress: told what goes on, every few pictures.
    """
    total = len(pictures)
    faults: list[Fault] = []
    sound: list[Picture] = []
    prints: list[Fingerprint] = []
    for done, (picture, (why, found)) in enumerate(zip(pictures, _look_at_all(pictures), strict=True), 1):
        faults += [Fault(picture.path, one) for one in why]
        if found is not None:
            sound.append(picture)
            prints.append(found)
        progress("reading", done, total)
    progress("comparing", 0, len(sound))
    pairs = find_duplicates(prints)
    progress("comparing", len(sound), len(sound))
    told = _telling(sound, lambda done: progress("cutting faces", done, len(sound)))
    samples = list(cut(told, model, input_size=SHEET_CROP, smallest_face=1))
    pairs = _with_faces(pairs, sound, samples)
    return DataReport(sound, faults, pairs, leaks(sound, pairs), samples)


def _with_faces(pairs: Sequence[Pair], pictures: Sequence[Picture], samples: Sequence[Sample]) -> list[Pair]:
    """Add the pictures that show the same photograph of a face, cut otherwise, to the pairs of duplicates."""
    places = {(picture.source, picture.name): place for place, picture in enumerate(pictures)}
    clear = [one for one in samples if one.found and one.label != UNCERTAIN and one.face_px >= CLEAR_FACE]
    faces = find_same_faces([one.crop for one in clear], [places[one.source, one.file] for one in clear])
    known = {(pair.first, pair.second) for pair in pairs}
    return [*pairs, *(pair for pair in faces if (pair.first, pair.second) not in known)]


def _look_at(picture: Picture) -> tuple[list[str], Fingerprint | None]:
    """Return what is wrong with one picture, and its fingerprint if it can be read."""
    if not picture.path.is_file():
        return ["is missing"], None
    data = picture.path.read_bytes()
    why = broken(data)
    image = None if why else decode_image(data)
    if image is None:
        return [why or "is no picture that can be read"], None
    height, width = image.shape[:2]
    return wrong_boxes(picture, width, height), fingerprint(data, image)


def broken(data: bytes) -> str:
    """Return what is wrong with the bytes of a picture file, "" if nothing can be told before decoding.

    Decoders fill up what is missing with grey, and training would learn that.
    """
    if not data:
        return "is empty"
    if data.startswith(b"\xff\xd8"):
        # Within coded data no marker can occur, so the last scan must be followed by the mark of the end.
        whole = data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
    elif data.startswith(b"\x89PNG"):
        whole = b"IEND" in data
    elif data.startswith(b"RIFF"):
        whole = len(data) >= 8 + int.from_bytes(data[4:8], "little")
    else:
        whole = True
    return "" if whole else "is cut off before its end"


def wrong_boxes(picture: Picture, width: int, height: int) -> list[str]:
    """Return what is wrong with the labelled boxes of a picture of this size in pixels."""
    why = []
    for face in picture.faces:
        x_min, y_min, x_max, y_max = face.box
        shown = f"box {x_min:g}, {y_min:g}, {x_max:g}, {y_max:g} ({face.label})"
        if not (x_max > x_min and y_max > y_min):
            why.append(f"{shown} has no area")
            continue
        inside = max(0, min(x_max, width) - max(x_min, 0)) * max(0, min(y_max, height) - max(y_min, 0))
        if inside < LEAST_INSIDE * area(face.box):
            why.append(f"{shown} lies outside the picture of {width} x {height}")
    return why


def relations(report: DataReport) -> dict[str, dict[str, int]]:
    """Return for each kind of duplicate how many pairs there are, and how many lie across splits, classes or sets."""
    counts = {kind: Counter[str]() for kind in ("file", "pixels", "near", "mirrored", "face")}
    for pair in report.pairs:
        counts[pair.kind].update(["pairs", *across(report, pair)])
    names = ("pairs", "across splits", "across classes", "across data sets")
    return {kind: {name: count[name] for name in names} for kind, count in counts.items()}


def across(report: DataReport, pair: Pair) -> list[str]:
    """Return what a pair of duplicates lies across; what is not known of both is not counted."""
    one, other = report.pictures[pair.first], report.pictures[pair.second]
    differences = {
        "across splits": one.split and other.split and one.split != other.split,
        "across classes": one.label and other.label and one.label != other.label,
        "across data sets": data_set(one) != data_set(other),
    }
    return [name for name, differs in differences.items() if differs]


def face_sizes(samples: Iterable[Sample]) -> dict[str, list[int]]:
    """Return for each label how many faces there are from each of SIZES to the next."""
    counts: dict[str, list[int]] = {}
    for sample in samples:
        row = counts.setdefault(sample.label, [0] * len(SIZES))
        row[max(place for place, low in enumerate(SIZES) if sample.face_px >= low)] += 1
    return dict(sorted(counts.items()))


def picture_counts(pictures: Iterable[Picture]) -> Counter[tuple[str, str, str]]:
    """Return how many pictures and labelled faces there are of each source, label and split."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for picture in pictures:
        label = picture.label or ("(boxed)" if picture.faces or picture.complete else "(no label)")
        counts[picture.source, label, picture.split] += 1
        counts.update((picture.source, f"- {face.label} faces", picture.split) for face in picture.faces)
    return counts


def _telling(pictures: Sequence[Picture], tell: Callable[[int], None]) -> Iterator[Picture]:
    for done, picture in enumerate(pictures, 1):
        tell(done)
        yield picture


def _look_at_all(pictures: Iterable[Picture]) -> Iterator[tuple[list[str], Fingerprint | None]]:
    """Look in threads, a few pictures at a time, so that progress can be told."""
    waiting = iter(pictures)
    with ThreadPoolExecutor(WORKERS) as pool:
        while chunk := list(islice(waiting, AT_ONCE)):
            yield from pool.map(_look_at, chunk)
