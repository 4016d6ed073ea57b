"""What the shipped models were measured at, and what they cannot do, for the page: read from the files beside them."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from maskwatch.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

LIST = "models.json"


class Figure(Frozen):
    """One share with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    of: int
    """Faces behind it."""
    percents: bool = True
    """False for what is no share of faces."""


class ModelCard(Frozen):
    """One model file."""

    name: str
    file: str
    sha256: str
    size: int
    """Bytes."""
    measured_on: str = ""
    """The data and its split; empty where nothing was measured of this model alone."""
    figures: tuple[Figure, ...] = ()
    weakest: tuple[Figure, ...] = ()
    """Kinds of faces that are judged worst, of those with enough faces to say so."""


MOST_WEAK = 4
FEWEST_FACES = 20
"""A kind of face with fewer says nothing: its interval is half the scale wide."""


@cache
def shipped_cards() -> tuple[ModelCard, ...]:
    """Return a card for each model in the package, the ones that judge masks first."""
    folder = resources.files("detector") / "models"
    cards: dict[str, ModelCard] = {}
    for file, listed in json.loads((folder / LIST).read_text()).items():
        report = folder / file.replace(".onnx", ".report.json")
        told = json.loads(report.read_text()) if report.is_file() else {}
        if told.get("model", {}).get("sha256") != listed["sha256"]:
            told = {}  # figures of another file are none
        cards[file] = card_of(file, listed, told)
        face = told.get("face")
        if face:
            cards.setdefault(face["file"], card_of(face["file"], face, {}))
    return tuple(cards.values())


def card_of(file: str, listed: Mapping[str, Any], report: Mapping[str, Any]) -> ModelCard:
    """Return the card of a model from its entry in the list and the report of its evaluation, which may be empty."""
    data = report.get("data")
    said = [
        _figure(f"{row['kind']}: {row['slice']}", row["found and right"])
        for row in report.get("slices", ())
        if row["faces"] >= FEWEST_FACES
    ]
    return ModelCard(
        name=listed["name"],
        file=file,
        sha256=listed["sha256"],
        size=listed["bytes"],
        measured_on=f"{data['name']}, split {data['split']}: {data['pictures']} pictures, {data['faces']} faces"
        if data
        else "",
        figures=tuple(_figure(name, each) for name, each in report.get("agreed", {}).items()),
        weakest=tuple(sorted(said, key=lambda each: each.value)[:MOST_WEAK]),
    )


def _figure(name: str, told: Mapping[str, Any]) -> Figure:
    return Figure(
        name=name,
        value=told["value"],
        low=told["low"],
        high=told["high"],
        of=told["of"],
        percents=not name.startswith("AUROC"),
    )
