"""Put a question to one or two pairs of models about one data set, and gather the answer as one report.

`maskwatch evaluate` is the command for it. Pictures go through the product's own path, or the answers come from the
lines that `maskwatch image --json` or any other program wrote.
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.engine import Engine
from detector.masks import MaskJudge
from detector.pipeline import FACE_MODEL, MASK_MODEL, model_path, open_pipeline
from maskwatch.errors import ConfigError
from maskwatch.settings import STILL_FACE_SCORE, DetectorSettings
from training.clips import read_clips, score_clips
from training.datasets import apply_labels, read_dataset
from training.end_to_end import (
    MIN_FACE,
    OwnClassifier,
    again,
    by_lines,
    by_pipeline,
    fingerprint,
    read_boxes_file,
    read_lines,
    scorable,
    score,
)
from training.peer import Peer, read_preprocessing
from training.provenance import revision
from training.splits import apply_splits
from training.tables import Faces, agreed, compare, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from detector.pipeline import MaskPipeline
    from training.clips import Clip
    from training.datasets import Picture
    from training.end_to_end import Classifier, Judge
    from training.tables import Table

    Track = Callable[[Sequence[Picture]], Iterable[Picture]]

STREAM_SCORE = DetectorSettings().face_score
"""Score of the face detector that the service begins with."""

SPLITS = ("train", "val", "test", "all")
REPEATS = 20  # runs whose median is the time of one


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that can be compared: a model, a peer's model, or lines that were written before."""

    model: str = ""  # file; empty for the shipped one
    peer: str = ""  # preprocessing of a foreign model, as training.peer reads it
    lines: str = ""  # file of JSON lines, "-" for standard input

    @property
    def is_own(self) -> bool:
        """It is a model of this product."""
        return not self.peer and not self.lines


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    data: Path  # folder of a data set, or a boxes.csv
    side: Side = Side()
    other: Side | None = None
    face: str = ""  # face detector; empty for the shipped one
    split: str = ""  # one of SPLITS; empty for test where the data has it, else all
    only: tuple[str, ...] = ()  # sources; empty for all
    labels: Path | None = None
    splits: Path | None = None  # what training was given: splits and groups in place of the data's own
    min_face: float = MIN_FACE
    distinct: bool = False  # of pictures that belong together only the first
    stream: bool = False  # the service's path, at one size, instead of that for photographs
    face_score: float | None = None
    provider: Any = "auto"


def evaluate(question: Question, track: Track = iter) -> Table:
    """Return the report as a dictionary that JSON can hold.

    Args:
        question: whose files are missing or wrong raises ConfigError or ModelMismatch.
        track: wraps the pictures, to show how far it is.
    """
    pictures, split = pick_pictures(question)
    sides = [question.side] + ([question.other] if question.other else [])
    pipeline = None if all(side.lines for side in sides) else _open_pipeline(question)
    answers = [
        _open_own(side, pipeline)
        if pipeline and side is question.side and side.is_own
        else _open_side(side, pipeline, question.provider)
        for side in sides
    ]
    finders = [by_pipeline(pipeline)] if pipeline and not question.side.is_own else []
    judges = finders + [answer.judge for answer in answers]
    scorings = score(track(pictures), judges, min_face=question.min_face)[len(finders) :]
    if not scorings[0].outcomes:
        raise ConfigError(f"{question.data}: no labelled face of {question.min_face:g} px or more in split {split}")
    face = model_path(question.face, FACE_MODEL)
    settings = _settings(question, pipeline, answers[0].classifier)
    report: Table = {
        "model": answers[0].described,
        "face": _described(face, pipeline.finder.model_name)
        if pipeline and not question.side.lines
        else {"file": None, "name": "the one the lines were made with", "sha256": None, "bytes": None},
        "data": {
            "name": _name(question.data),
            "fingerprint": fingerprint(pictures),
            "split": split,
            "sources": sorted({picture.source for picture in pictures}),
            "min_face_px": question.min_face,
            "distinct": question.distinct,
            "pictures": len(pictures),
            "faces": len(scorings[0].outcomes),
        },
        "settings": settings,
        "revision": revision(),
        **tables(scorings[0], settings.get("unknown_below")),
        "cost": _cost(question, answers[0].classifier),
    }
    if question.other:
        report["comparison"] = {
            "model": answers[1].described,
            "agreed": agreed(Faces(scorings[1].outcomes)),
            "states": compare(scorings[0].outcomes, scorings[1].outcomes),
        }
    return report


def evaluate_clips(
    question: Question, folder: Path, every: int, track: Callable[[Sequence[Clip]], Any] = iter
) -> Table:
    """Return what the service's path tells on the clips of a folder.

    Args:
        question: its models and face score; its data is not looked at.
        folder: with ground_truth.yaml.
        every: look at every so many frames; 0 for about six a second.
        track: wraps the clips, to show how far it is.
    """
    if not question.side.is_own:
        raise ConfigError("--clips: only models of this product can be played clips; leave out --peer and --lines")
    pipeline = _open_pipeline(replace(question, stream=True))
    described = _open_own(question.side, pipeline).described
    return {"model": described, **score_clips(read_clips(folder), pipeline, every=every, track=track)}


def pick_pictures(question: Question) -> tuple[list[Picture], str]:
    """Return the pictures that are asked about, and the split they are of."""
    pictures = read_data(question.data, question.labels)
    if question.splits is not None:
        pictures = apply_splits(pictures, question.splits)
    splits = {picture.split for picture in pictures}
    split = question.split or ("test" if "test" in splits else "all")
    if split != "all":
        pictures = [picture for picture in pictures if picture.split == split]
        if not pictures:
            known = ", ".join(sorted(splits - {""})) or "none"
            raise ConfigError(f"{question.data}: no pictures of split {split}; it has {known}. Try --split all")
    if question.only:
        names = {picture.source for picture in pictures}
        for wanted in question.only:
            if wanted not in names:
                raise ConfigError(f"{question.data}: no source {wanted!r}; it has {', '.join(sorted(names))}")
        pictures = [picture for picture in pictures if picture.source in question.only]
    pictures = [picture for picture in pictures if scorable(picture, question.min_face)]
    if question.distinct:
        if not any(picture.group for picture in pictures):
            raise ConfigError(
                f"{question.data}: --distinct: it does not say what belongs together; manifest.csv needs `group`, "
                "or give the --splits that maskwatch data check wrote"
            )
        first: dict[str, Picture] = {}
        for picture in pictures:
            first.setdefault(picture.group or picture.name, picture)
        pictures = list(first.values())
    return pictures, split


def read_data(data: Path, labels: Path | None = None) -> list[Picture]:
    """Return the pictures of a data set's folder or of a single boxes.csv, hand-made labels put over them."""
    pictures = read_boxes_file(data) if data.is_file() else read_dataset(data)
    return apply_labels(pictures, labels) if labels else pictures


@dataclass(frozen=True, slots=True)
class _Answers:
    """One side, opened."""

    judge: Judge
    described: Table
    classifier: Classifier | None = None  # None for lines


def _open_pipeline(question: Question, threads: int = 0) -> MaskPipeline:
    """Open the product with the first side's model; where that is a peer or lines, the shipped one finds the faces."""
    settings = DetectorSettings(
        face_model=question.face,
        mask_model=question.side.model if question.side.is_own else "",
        face_score=question.face_score or (STREAM_SCORE if question.stream else STILL_FACE_SCORE),
        provider=question.provider,
        threads=threads,
    )
    return open_pipeline(settings, stills=not question.stream)[0]


def _open_own(side: Side, pipeline: MaskPipeline) -> _Answers:
    described = _described(model_path(side.model, MASK_MODEL), pipeline.judge.model_name)
    return _Answers(by_pipeline(pipeline), described, OwnClassifier(pipeline.judge, pipeline.thresholds))


def _open_side(side: Side, pipeline: MaskPipeline | None, provider: Any) -> _Answers:
    """Open a side that judges the faces the pipeline found, or that needs no pipeline."""
    if side.lines or pipeline is None:
        where = "standard input" if side.lines == "-" else side.lines
        text = sys.stdin.read() if side.lines == "-" else _read(Path(side.lines))
        name = Path(where).name
        described = {"file": name, "name": f"lines of {name}", "sha256": _hash(text.encode()), "bytes": None}
        return _Answers(by_lines(read_lines(text.splitlines(), where), where), described)
    file = model_path(side.model, MASK_MODEL)
    if side.peer:
        peer = Peer(file, read_preprocessing(side.peer), provider=provider)
        return _Answers(again(peer), _described(file, peer.name) | {"preprocessing": side.peer}, peer)
    masks = MaskJudge(engine=Engine(model=file, provider=provider))
    own = OwnClassifier(masks, replace(pipeline.thresholds, unknown_below=masks.unknown_below))
    return _Answers(again(own), _described(file, masks.model_name), own)


def _settings(question: Question, pipeline: MaskPipeline | None, classifier: Classifier | None) -> Table:
    if pipeline is None or classifier is None:
        return {"path": "lines"}
    limits = classifier.thresholds
    return {
        "path": "stream" if question.stream else "stills",
        "face_score": pipeline.thresholds.min_face_score,
        "unknown_below": limits.unknown_below,
        "min_frontness": limits.min_frontness,
    }


def _cost(question: Question, classifier: Classifier | None) -> Table:
    if classifier is None:
        return {}
    alone = _open_pipeline(question, threads=1)
    return cost(alone, OwnClassifier(alone.judge, alone.thresholds) if question.side.is_own else classifier)


def cost(pipeline: MaskPipeline, classifier: Classifier) -> Table:
    """Return what a face and a picture cost on this machine, in wall-clock and processor milliseconds.

    Both are meant to be opened for one thread. The processor's time is what energy follows; it counts all threads.
    """
    random = np.random.default_rng(0)
    picture = random.integers(0, 255, (384, 640, 3)).astype(np.uint8)
    eight = [(40.0 + 60 * place, 100.0, 90.0 + 60 * place, 160.0) for place in range(8)]
    return {
        "one face": _timed(lambda: classifier.judge_faces(picture, eight[:1])),
        "a face among eight": {
            name: round(value / 8, 3) for name, value in _timed(lambda: classifier.judge_faces(picture, eight)).items()
        },
        "finding faces, 640 x 384": _timed(lambda: pipeline.finder.find([picture])),
    }


def _timed(work: Callable[[], object]) -> dict[str, float]:
    work()
    wall, processor = [], []
    for _ in range(REPEATS):
        began, spent = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - spent)
    return {"ms": round(1000 * float(np.median(wall)), 3), "processor ms": round(1000 * float(np.mean(processor)), 3)}


def _described(file: Path, name: str) -> Table:
    data = file.read_bytes()
    return {"file": file.name, "name": name, "sha256": _hash(data), "bytes": len(data)}


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(file: Path) -> str:
    if not file.is_file():
        raise ConfigError(f"{file}: no such file of lines")
    return file.read_text(encoding="utf-8")


def _name(data: Path) -> str:
    """Return a data set's name without the machine's folders."""
    resolved = data.resolve()
    return f"{resolved.parent.name}/{resolved.name}" if data.is_file() else resolved.name
