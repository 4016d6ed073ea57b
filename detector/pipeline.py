"""Pictures in, judged faces out: the one engine behind the worker, `maskwatch image` and `maskwatch video`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detector.engine import Engine, processors
from detector.faces import Face, FaceFinder, overlaps, thin_out
from detector.masks import MaskJudge, Thresholds, judge
from maskwatch.domain import Detection, MaskState
from maskwatch.imaging import crop_face

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Image
    from maskwatch.settings import DetectorSettings

FACE_MODEL = "face_yunet_2023mar.onnx"
MASK_MODEL = "mask_mobilenetv2.onnx"

MAX_FACES = 64
"""Faces judged in one frame, best first: bounds the size of an observation and the cost of a crowd."""

MAX_STILL_FACES = 1000
"""The same for a photograph, which nobody waits for while the next one comes."""

STILL_SIDES = (320, 640, 1280, 2560, 3840)
"""Longest sides at which a still picture is searched: YuNet finds faces of about 16 to 350 pixels, photographs
hold larger and smaller ones."""

SMALL_FACES_FROM = 1280
SMALL_FACE_PX = 160.0
"""From that side on a search is for small faces: what is larger in pixels of the network a smaller side finds as well,
and was a third of all finds in the Kaggle scenes that no label explains. It counts where nothing else is found: of
portraits filled by a masked face a few are found in no other way."""

STILL_FRONTNESS = -10.0
"""Of photographs no side face is given up: somebody chose what to show, and backs of heads are rarer there than on
film, where they last for seconds."""


STILL_SEARCH_SCORE = 0.1
"""Score from which a find at one size may be half of a face's score in a photograph."""

SAME_FACE = 0.3
"""Intersection over union above which two finds are one face."""

GLIMPSE_SCORE = 0.2
"""Score of the face detector from which a find may be a face: too doubtful to be judged, but hidden from people."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one picture shows, in its own pixels."""

    detections: list[Detection]
    glimpses: tuple[tuple[float, float, float, float], ...] = ()  # boxes of what may be faces but was not judged


class MaskPipeline:
    """Finds and judges all faces of a batch of pictures: one run for the faces, one for the masks."""

    max_faces = MAX_FACES

    def __init__(
        self, *, finder: FaceFinder, judge: MaskJudge, thresholds: Thresholds, judged_from: float = 0.0
    ) -> None:
        """Take the two models, opened, and the limits under which a face is `unknown`.

        Args:
            finder: may find at a lower score than is judged.
            judge: of the mask.
            thresholds: under which a face is `unknown`.
            judged_from: score of the face detector under which a find is not judged, and only glimpsed.
        """
        self._judged_from = judged_from
        self.finder = finder
        self.judge = judge
        self.thresholds = thresholds

    def detect(self, images: Sequence[Image], min_face_px: Sequence[float] = ()) -> list[list[Detection]]:
        """Return the judged faces of each picture, in its own pixels.

        Args:
            images: each H x W x 3, uint8, BGR; sizes may differ.
            min_face_px: for each picture the height under which a face is unknown; the pipeline's own if empty.
        """
        return [sight.detections for sight in self.look(images, min_face_px)]

    def look(self, images: Sequence[Image], min_face_px: Sequence[float] = ()) -> list[Sight]:
        """Return the judged faces of each picture with the boxes of those that were not: doubtful, or one too many."""
        found = self.finder.find(images)
        sure = [[face for face in each[: self.max_faces] if face.score >= self._judged_from] for each in found]
        judged = self._judge_all(images, sure, min_face_px)
        return [
            Sight(detections, tuple(face.box for face in each[len(faces) :]))
            for detections, faces, each in zip(judged, sure, found, strict=True)
        ]

    def _judge_all(
        self, images: Sequence[Image], found: Sequence[Sequence[Face]], min_face_px: Sequence[float]
    ) -> list[list[Detection]]:
        faces = [list(each[: self.max_faces]) for each in found]
        size = self.judge.crop_size
        crops = [crop_face(image, face.box, size) for image, each in zip(images, faces, strict=True) for face in each]
        rows = iter(self.judge.probabilities(crops).tolist())
        limits = min_face_px or itertools.repeat(self.thresholds.min_face_px)
        return [
            [self._detection(face, next(rows), replace(self.thresholds, min_face_px=limit)) for face in each]
            for each, limit in zip(faces, limits, strict=False)
        ]

    def _detection(self, face: Face, row: Sequence[float], thresholds: Thresholds) -> Detection:
        probabilities = {name: round(value, 4) for name, value in zip(self.judge.classes, row, strict=True)}
        return Detection(
            box=face.box,
            landmarks=face.landmarks,
            face_score=round(face.score, 4),
            state=MaskState(judge(probabilities, face, thresholds)),
            probabilities=probabilities,
        )


def still_finders(engine: Engine) -> list[FaceFinder]:
    """Return what `search_still` searches with: one finder for each of STILL_SIDES."""
    return [FaceFinder(engine=engine, width=side, height=side, min_score=STILL_SEARCH_SCORE) for side in STILL_SIDES]


def search_still(image: Image, finders: Sequence[FaceFinder], min_score: float) -> list[Face]:
    """Return the faces of one photograph, best first.

    Searched are the sizes up to the picture's own and the next larger one: enlarged, 13 of 21 missed masked faces
    that fill their picture were found. Large finds of the largest sizes count where there are no others.

    Args:
        image: H x W x 3, uint8, BGR.
        finders: of `still_finders`.
        min_score: faces below are not reported; a face's score is what its two best sizes say together.
    """
    longest = max(image.shape[:2])
    fitting = sum(side < longest for side in STILL_SIDES) + 1
    chosen = finders[: fitting + 1]
    found = [(finder.width, face) for finder in chosen for face in _trim(finder, image).find([image])[0]]
    fit = [each for each in found if each[0] < SMALL_FACES_FROM or _px(each[1]) * each[0] / longest <= SMALL_FACE_PX]
    return _agreed(fit, min_score) or _agreed(found, min_score)


def _trim(finder: FaceFinder, image: Image) -> FaceFinder:
    return finder.trimmed(image) if finder.width > SMALL_FACES_FROM else finder  # below, squares cost little


def _px(face: Face) -> float:
    return max(face.box[2] - face.box[0], face.height)


def _agreed(found: list[tuple[int, Face]], min_score: float) -> list[Face]:
    """Return each face once, best first, its score raised by the best other size that saw it: ghosts show at one size.

    Raised to what it were if either size alone were right with the probability that it says.
    """
    found = sorted(found, key=lambda each: -each[1].score)
    boxes = np.array([face.box for _, face in found], np.float32).reshape(-1, 4)
    faces = []
    for index in thin_out(boxes, SAME_FACE):
        best_side, face = found[index]
        others = [found[place] for place in np.flatnonzero(overlaps(boxes, boxes[index]) > SAME_FACE)]
        other = max((each.score for side, each in others if side != best_side), default=0.0)
        faces.append(replace(face, score=1 - (1 - face.score) * (1 - other)))
    return sorted((face for face in faces if face.score >= min_score), key=lambda face: -face.score)


class StillPipeline(MaskPipeline):
    """For photographs: searches each at several scales, as faces may fill it or be lost in it."""

    max_faces = MAX_STILL_FACES

    def __init__(self, *, finders: Sequence[FaceFinder], judge: MaskJudge, thresholds: Thresholds) -> None:
        """Take finders of growing input size."""
        super().__init__(finder=finders[0], judge=judge, thresholds=thresholds)
        self._finders = finders

    def detect(self, images: Sequence[Image], min_face_px: Sequence[float] = ()) -> list[list[Detection]]:
        """Return the judged faces of each picture, in its own pixels."""
        return self._judge_all(images, [self._search(image) for image in images], min_face_px)

    def _search(self, image: Image) -> list[Face]:
        return search_still(image, self._finders, self.thresholds.min_face_score)


def open_pipeline(
    settings: DetectorSettings, *, stills: bool = False, glimpses: bool = False
) -> tuple[MaskPipeline, Engine, Engine]:
    """Open both models as the settings say; returns the pipeline, the face engine and the mask engine.

    With `glimpses` it also looks out for what only may be a face.
    Raises ModelMismatch for a model this version cannot use, Unsupported for a provider that is not there.
    """
    threads = settings.threads or max(1, processors() // settings.workers)
    faces = Engine(
        model=model_path(settings.face_model, FACE_MODEL), provider=settings.provider, intra_op_threads=threads
    )
    masks = Engine(
        model=model_path(settings.mask_model, MASK_MODEL), provider=settings.provider, intra_op_threads=threads
    )
    judge_ = MaskJudge(engine=masks)
    unknown_below = judge_.unknown_below if settings.unknown_below is None else settings.unknown_below
    thresholds = Thresholds(min_face_score=settings.face_score, unknown_below=unknown_below)
    if stills:
        finders = still_finders(faces)
        thresholds = replace(thresholds, min_frontness=STILL_FRONTNESS)
        return StillPipeline(finders=finders, judge=judge_, thresholds=thresholds), faces, masks
    finder = FaceFinder(
        engine=faces,
        width=settings.face_width,
        height=settings.face_height,
        min_score=min(settings.face_score, GLIMPSE_SCORE) if glimpses else settings.face_score,
    )
    pipeline = MaskPipeline(
        finder=finder, judge=judge_, thresholds=thresholds, judged_from=settings.face_score if glimpses else 0.0
    )
    return pipeline, faces, masks


def model_path(wanted: str, shipped: str) -> Path:
    """Return the file of a model: the one asked for, or the shipped one."""
    return Path(wanted) if wanted else Path(str(resources.files("detector") / "models" / shipped))
