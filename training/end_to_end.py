"""Score finding and judging together, picture by picture, by the product's own path.

A labelled face counts as found when a detection overlaps it by more than SAME_FACE, each detection used once. It is
right when the state told is the truth: `unknown` and a face not found are never right. A picture that one face fills
gets a border, as its face may touch all edges, and its biggest find is the face.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from detector.faces import Face
from detector.masks import MaskJudge, Thresholds, judge
from maskwatch.domain import Detection, MaskState
from maskwatch.errors import ConfigError
from maskwatch.imaging import crop_face
from maskwatch.model_contract import MASK_CLASSES
from training.crops import BORDER, NO_FACE, match
from training.datasets import (
    IGNORE,
    LabelledFace,
    Picture,
    area,
    overlap,
    read_box,
    read_picture,
    read_rows,
    read_split,
    spelled,
)
from training.slices import sort_face

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from detector.engine import Array
    from detector.pipeline import MaskPipeline
    from maskwatch.domain import Image
    from training.datasets import Box

    Judge = Callable[[Picture, Image, Sequence[Detection]], list[Detection]]
    """Returns the judged faces of a picture, given what the first judge found in it, for those that judge it again."""

MIN_FACE = 32.0  # pixels of the labelled box's height: the published figures' limit
NOT_FOUND = "not found"
ANSWERS_ALWAYS = Thresholds(min_face_px=0, min_face_score=0, unknown_below=0, min_frontness=-10)
"""Thresholds under which nothing is `unknown`."""


class Classifier(Protocol):
    """What tells the states of faces whose boxes are known: this product's model, or a peer's."""

    classes: tuple[str, ...]
    thresholds: Thresholds

    def judge_faces(self, image: Image, boxes: Sequence[Box]) -> Array:
        """Return N x classes probabilities of the faces in a picture (H x W x 3, uint8, BGR)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told of one labelled face."""

    file: str
    source: str
    group: str  # faces of one group err together
    portrait: bool  # one face fills the picture
    truth: str  # one of MASK_CLASSES
    told: str  # a MaskState's value, or NOT_FOUND
    probabilities: dict[str, float]  # by class; empty where not found
    face_score: float  # 0 where not found
    box: Box  # of the find, else of the label
    slices: dict[str, str]

    @property
    def is_found(self) -> bool:
        """The detector saw it."""
        return self.told != NOT_FOUND

    @property
    def is_right(self) -> bool:
        """The state told is the truth."""
        return self.told == self.truth

    @property
    def is_not_called_mask(self) -> bool:
        """It was found and told to be bare or badly worn."""
        return self.told in {MaskState.INCORRECT.value, MaskState.NO_MASK.value}

    @property
    def is_sure(self) -> bool:
        """It was found and told a state other than unknown."""
        return self.told in MASK_CLASSES


@dataclass(frozen=True, slots=True)
class Scoring:
    """All that one judge said of a data set."""

    outcomes: list[Outcome]
    nobody: list[Detection]  # finds where, by complete labels, no face is
    complete_pictures: int  # in which such finds were looked for


def by_pipeline(pipeline: MaskPipeline) -> Judge:
    """Return the product itself as a judge."""

    def judge_picture(picture: Picture, image: Image, faces: Sequence[Detection]) -> list[Detection]:  # noqa: ARG001
        if not picture.label:
            return pipeline.detect([image])[0]
        edge = round(BORDER * max(image.shape[:2]))
        bordered = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
        return [_moved(face, edge) for face in pipeline.detect([bordered])[0]]

    return judge_picture


def by_lines(lines: dict[str, list[Detection]], where: str) -> Judge:
    """Return what was written down before as a judge; `where` names the lines in errors.

    Names may start in another folder than the data's: the ends of paths decide.
    """
    by_file: dict[str, list[str]] = {}
    for name in lines:
        by_file.setdefault(name.rpartition("/")[2], []).append(name)

    def judge_picture(picture: Picture, image: Image, faces: Sequence[Detection]) -> list[Detection]:  # noqa: ARG001
        if picture.name in lines:
            return lines[picture.name]
        alike = by_file.get(picture.name.rpartition("/")[2], [])
        ends = [
            name for name in alike if f"/{picture.name}".endswith(f"/{name}") or f"/{name}".endswith(f"/{picture.name}")
        ]
        if len(ends) != 1:
            found = "more than one line fits" if ends else "no line is about it"
            raise ConfigError(f"{where}: image: {picture.name}: {found}; run maskwatch image --json on the same folder")
        return lines[ends[0]]

    return judge_picture


def again(classifier: Classifier) -> Judge:
    """Return a classifier as a judge of the faces that the first judge found."""

    def judge_picture(picture: Picture, image: Image, faces: Sequence[Detection]) -> list[Detection]:  # noqa: ARG001
        rows = classifier.judge_faces(image, [face.box for face in faces]) if faces else ()
        judged = []
        for face, row in zip(faces, rows, strict=True):
            chances = dict(zip(classifier.classes, (round(float(value), 4) for value in row), strict=True))
            seen = Face(face.box, face.landmarks, face.face_score)
            state = MaskState(judge(chances, seen, classifier.thresholds))
            judged.append(replace(face, state=state, probabilities=chances))
        return judged

    return judge_picture


class OwnClassifier:
    """A classifier of this product, on boxes it is given."""

    def __init__(self, masks: MaskJudge, thresholds: Thresholds) -> None:
        """Take the model and the limits under which it tells nothing."""
        self._masks = masks
        self.classes = masks.classes
        self.thresholds = thresholds

    def judge_faces(self, image: Image, boxes: Sequence[Box]) -> Array:
        """Cut the faces by the product's rule and judge them."""
        return self._masks.probabilities([crop_face(image, box, self._masks.crop_size) for box in boxes])


def score(pictures: Iterable[Picture], judges: Sequence[Judge], *, min_face: float = MIN_FACE) -> list[Scoring]:
    """Return for each judge what it said of the same pictures, its outcomes in one order.

    Args:
        pictures: with a label or labelled faces; others say nothing.
        judges: the first finds the faces; those after it are given what it found.
        min_face: height of a labelled box in pixels under which the face is not scored.
    """
    scorings = [Scoring([], [], 0) for _ in judges]
    for picture in pictures:
        image = read_picture(picture.path)
        first: list[Detection] = []
        for place, judge_picture in enumerate(judges):
            told = judge_picture(picture, image, first)
            first = told if place == 0 else first
            outcomes, nobody = _outcomes(picture, image, told, min_face)
            before = scorings[place]
            before.outcomes.extend(outcomes)
            before.nobody.extend(nobody)
            scorings[place] = replace(before, complete_pictures=before.complete_pictures + picture.complete)
    return scorings


def scorable(picture: Picture, min_face: float) -> bool:
    """Whether anything of a picture can be scored."""
    return bool(picture.label) or picture.complete or any(_scored(face, min_face) for face in picture.faces)


def _outcomes(
    picture: Picture, image: Image, told: Sequence[Detection], min_face: float
) -> tuple[list[Outcome], list[Detection]]:
    if picture.label:
        height, width = image.shape[:2]
        whole = LabelledFace(picture.label, (0.0, 0.0, float(width), float(height)))
        biggest = max(told, key=lambda face: area(face.box), default=None)
        return [_outcome(picture, image, whole, biggest)] if _scored(whole, min_face) else [], []
    faces = [Face(each.box, each.landmarks, each.face_score) for each in told]
    places = {id(face): each for face, each in zip(faces, told, strict=True)}
    pairs = [(truth, places[id(face)] if face else None) for truth, face in match(picture.faces, faces)]
    outcomes = [_outcome(picture, image, truth, face) for truth, face in pairs if _scored(truth, min_face)]
    if not picture.complete:
        return outcomes, []
    apart = [each for each in told if all(overlap(each.box, truth.box) < NO_FACE for truth in picture.faces)]
    return outcomes, apart


def _outcome(picture: Picture, image: Image, truth: LabelledFace, face: Detection | None) -> Outcome:
    # The label of a portrait is its whole picture: where the face is, only the find says.
    measured = face.box if face and picture.label else truth.box
    return Outcome(
        file=picture.name,
        source=picture.source,
        group=picture.group or picture.name,
        portrait=bool(picture.label),
        truth=truth.label,
        told=face.state.value if face else NOT_FOUND,
        probabilities=dict(face.probabilities) if face else {},
        face_score=face.face_score if face else 0.0,
        box=face.box if face else truth.box,
        slices=sort_face(image, measured, face, masked=truth.label != "no_mask") | {"source": picture.source},
    )


def _scored(face: LabelledFace, min_face: float) -> bool:
    return face.label in MASK_CLASSES and face.box[3] - face.box[1] >= min_face


def _moved(face: Detection, edge: int) -> Detection:
    """Take a face of a bordered picture to the picture's own pixels."""
    left, top, right, bottom = face.box
    landmarks = tuple((x - edge, y - edge) for x, y in face.landmarks)
    return replace(face, box=(left - edge, top - edge, right - edge, bottom - edge), landmarks=landmarks)


def read_boxes_file(file: Path) -> list[Picture]:
    """Return the pictures of a single boxes.csv, which lie in its folder or in the one above."""
    faces: dict[str, list[LabelledFace]] = {}
    splits: dict[str, str] = {}
    for line, row in read_rows(file, ("file", "label", "xmin", "ymin", "xmax", "ymax")):
        where = f"{file}:{line}"
        face = LabelledFace(spelled(row["label"], f"{where}: label"), read_box(row, where))
        faces.setdefault(row["file"], []).append(face)
        splits[row["file"]] = read_split(row.get("split") or "", f"{where}: split")
    if not faces:
        raise ConfigError(f"{file}: no boxes in it")
    roots = (file.parent, file.resolve().parent.parent)
    root = next((root for root in roots if (root / next(iter(faces))).is_file()), None)
    if root is None:
        raise ConfigError(f"{file}: {next(iter(faces))} lies neither in its folder nor in the one above")
    source = file.resolve().parent.name
    return [
        Picture(root / name, name, source, split=splits[name], faces=tuple(each), complete=False)
        for name, each in faces.items()
    ]


def read_lines(lines: Iterable[str], where: str) -> dict[str, list[Detection]]:
    """Return the faces of each picture out of the lines of `maskwatch image --json`; `where` names them in errors."""
    pictures: dict[str, list[Detection]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            name, faces = _read_line(line, f"{where}:{number}")
            pictures[name] = faces
    if not pictures:
        raise ConfigError(f"{where}: no lines; they come from maskwatch image --image DIR --json")
    return pictures


def _read_line(line: str, where: str) -> tuple[str, list[Detection]]:
    try:
        entry = json.loads(line)
        return str(entry["image"]), [_read_face(face) for face in entry["faces"]]
    except KeyError as error:
        raise ConfigError(f"{where}: {error.args[0]}: is missing; expected a line of maskwatch image --json") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: no line of maskwatch image --json: {error}") from None


def _read_face(face: dict[str, Any]) -> Detection:
    left, top, right, bottom = (float(value) for value in face["box"])
    return Detection(
        box=(left, top, right, bottom),
        landmarks=(),
        face_score=float(face.get("score", 1.0)),
        state=MaskState(face["state"]),
        probabilities={name: float(value) for name, value in face.get("probabilities", {}).items()},
    )


def fingerprint(pictures: Sequence[Picture]) -> str:
    """Return a hash of names, labels and boxes: reports with the same one are about the same faces."""
    return hashlib.sha256("\n".join(sorted(_described(pictures))).encode()).hexdigest()


def _described(pictures: Sequence[Picture]) -> Iterator[str]:
    for picture in pictures:
        faces = (
            f"{face.label}:{','.join(f'{corner:.1f}' for corner in face.box)}"
            for face in picture.faces
            if face.label != IGNORE
        )
        yield f"{picture.name}|{picture.label}|{';'.join(faces)}"
