"""What a data set is to this project, whatever its format: pictures, faces with labels, sources, groups, splits.

`read_dataset` tells the format by what lies in the folder. Class names are spelled in many ways; SPELLINGS is the one
table of them, and a name that is not in it stops the reading instead of losing faces.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maskwatch.errors import ConfigError
from maskwatch.imaging import decode_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from maskwatch.domain import Image

Box = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max in pixels of the picture."""

UNCERTAIN = "uncertain"
"""The label of what no classifier should judge: no face, or one that nobody can tell."""

IGNORE = "ignore"
"""The label of a face that shall teach nothing and count nowhere."""

DROP = "drop"
"""In files of hand-made labels: the whole picture shall not be used."""

SCENE = "scene_masked"
"""The manifest's label of pictures without labelled faces."""

SPELLINGS = {
    "mask": "mask with_mask withmask masked mask_on wearing_mask face_with_mask face_mask mask_weared_correct "
    "mask_worn_correctly correct_mask correctly_masked correct mask_correct",
    "no_mask": "no_mask nomask without_mask withoutmask unmasked not_masked mask_off bare no_facemask face_no_mask "
    "face_without_mask without no",
    "incorrect": "incorrect incorrect_mask mask_incorrect incorrectly_masked mask_weared_incorrect "
    "weared_incorrect mask_worn_incorrectly mask_worn_incorrect incorrectly_worn improper improper_mask wrong "
    "wrong_mask partial_mask",
    UNCERTAIN: "uncertain unknown",
    IGNORE: "ignore ignored",
}
"""Each label and how data sets write it, in small letters and with `_` for spaces and hyphens."""

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""How folders and lists name the splits."""

RELABELLED = 0.8  # intersection over union from which a hand-made box means a box that is there already

_LABELS = {name: label for label, names in SPELLINGS.items() for name in names.split()}


@dataclass(frozen=True, slots=True)
class LabelledFace:
    """One labelled box of a picture."""

    label: str  # a class of maskwatch.model_contract.MASK_CLASSES, UNCERTAIN or IGNORE
    box: Box


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a data set and all that is known about it."""

    path: Path
    name: str  # relative to the data set's folder, with slashes
    source: str  # the manifest's, else the folder's name
    group: str = ""  # pictures that must share a split, "" if unknown
    split: str = ""  # train, val, test or ""
    label: str = ""  # of the one face that fills the picture, "" where faces are boxed or nothing is known
    faces: tuple[LabelledFace, ...] = ()
    complete: bool = False  # every face is among `faces`, so that finds elsewhere are no faces


def read_dataset(root: Path) -> list[Picture]:
    """Return the pictures of one data set, in the order of their names or of its manifest.

    Args:
        root: a folder with manifest.csv, with VOC (*.xml), YOLO (labels/*.txt) or COCO (*.json) boxes, or with
            folders named after the classes, alone or under folders named after the splits.
    """
    # The formats build on this page's types, so they are imported when all of it is there.
    from training import dataset_formats as formats

    if not root.is_dir():
        raise ConfigError(f"{root}: no such folder")
    if (root / "manifest.csv").is_file():
        return read_manifest(root)
    for read in (formats.read_coco, formats.read_voc, formats.read_yolo, read_class_folders):
        pictures = read(root)
        if pictures:
            return pictures
    raise ConfigError(
        f"{root}: no data set. Expected manifest.csv, COCO *.json, VOC *.xml, YOLO labels/*.txt with data.yaml or "
        "classes.txt, or pictures in folders with_mask, without_mask, incorrect"
    )


def read_manifest(root: Path) -> list[Picture]:
    """Return the pictures of manifest.csv; */boxes.csv hold the faces of those without a label.

    A picture with an empty label has all its faces boxed; one labelled `scene_masked` has none labelled.
    """
    boxes: dict[str, list[LabelledFace]] = {}
    for file in sorted([*root.glob("boxes.csv"), *root.glob("*/boxes.csv")]):
        for line, row in read_rows(file, ("file", "label", "xmin", "ymin", "xmax", "ymax")):
            face = LabelledFace(spelled(row["label"], f"{file}:{line}: label"), read_box(row, f"{file}:{line}"))
            boxes.setdefault(row["file"], []).append(face)
    manifest = root / "manifest.csv"
    pictures = []
    for line, row in read_rows(manifest, ("file",)):
        label, where = row.get("label") or "", f"{manifest}:{line}"
        pictures.append(
            Picture(
                path=root / row["file"],
                name=row["file"],
                source=row.get("source") or root.resolve().name,
                group=f"{root.resolve().name}/{row['group']}" if row.get("group") else "",
                split=read_split(row.get("split") or "", f"{where}: split"),
                label="" if label in {"", SCENE} else spelled(label, f"{where}: label"),
                faces=tuple(boxes.pop(row["file"], ())),
                complete=not label,
            )
        )
    if boxes:
        raise ConfigError(f"{manifest}: {next(iter(boxes))} has boxes in boxes.csv but no line here; add it")
    return pictures


def read_class_folders(root: Path) -> list[Picture]:
    """Return the pictures in folders named after the classes; those beside the folders belong to no class."""
    pictures = []
    for path in find_pictures(root):
        parts = path.relative_to(root).parts
        if len(parts) == 1:
            continue
        label = next((_LABELS[_plain(part)] for part in reversed(parts[:-1]) if _plain(part) in _LABELS), "")
        if not label:
            raise ConfigError(f"{path}: no folder above it is named after a class. {_known()}")
        split = next((SPLITS[part.lower()] for part in parts[:-1] if part.lower() in SPLITS), "")
        name = path.relative_to(root).as_posix()
        pictures.append(Picture(path, name, root.resolve().name, split=split, label=label))
    return pictures


def apply_labels(pictures: Sequence[Picture], labels: Path) -> list[Picture]:
    """Return the pictures with hand-made labels put over their own.

    Args:
        pictures: all of the data set, before any are picked out: a label for a picture not among them is an error.
        labels: CSV with file,xmin,ymin,xmax,ymax,label. Without a box the label is the picture's, and `drop` removes
            the picture; with one it is that of a face, which replaces the label of a box that overlaps it by more
            than RELABELLED. A picture with faces has no label of its own.
    """
    names = Counter(picture.name for picture in pictures)
    by_name = {picture.name: picture for picture in pictures}
    for line, row in read_rows(labels, ("file", "xmin", "ymin", "xmax", "ymax", "label")):
        where, name = f"{labels}:{line}", row["file"]
        if names[name] != 1:
            reason = "stands in more than one data set; name one" if names[name] else "is not in the data set"
            raise ConfigError(f"{where}: file: {name} {reason}")
        boxed = any(row[corner] for corner in ("xmin", "ymin", "xmax", "ymax"))
        if row["label"] == DROP and not boxed:
            by_name.pop(name, None)
            continue
        label = spelled(row["label"], f"{where}: label")
        picture = by_name.get(name)
        if picture is None:
            continue
        if boxed:
            faces = _with_face(picture.faces, LabelledFace(label, read_box(row, where)))
            by_name[name] = replace(picture, label="", faces=faces)
        elif label == IGNORE:
            raise ConfigError(f"{where}: label: a whole picture is removed by {DROP!r}, {IGNORE!r} is for boxes")
        else:
            by_name[name] = replace(picture, label=label)
    return [by_name[picture.name] for picture in pictures if picture.name in by_name]


def _with_face(faces: tuple[LabelledFace, ...], new: LabelledFace) -> tuple[LabelledFace, ...]:
    """Add a face, or give its label to the box it means."""
    best = max(faces, key=lambda face: overlap(face.box, new.box), default=None)
    if best is None or overlap(best.box, new.box) <= RELABELLED:
        return (*faces, new)
    return tuple(replace(face, label=new.label) if face is best else face for face in faces)


def spelled(name: str, where: str) -> str:
    """Return the label a data set means; `where` stands before the error.

    >>> spelled("mask_weared_incorrect", ""), spelled("No-Mask", "")
    ('incorrect', 'no_mask')
    """
    label = _LABELS.get(_plain(name))
    if label is None:
        raise ConfigError(f"{where} {name!r} is not known. {_known()}")
    return label


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes.

    >>> overlap((0, 0, 10, 10), (5, 0, 15, 10))
    0.3333333333333333
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (area(one) + area(other) - width * height)


def area(box: Box) -> float:
    """Return the area of a box in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def read_picture(path: Path) -> Image:
    """Return a picture as H x W x 3, uint8, BGR, turned as its EXIF says."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such picture")
    picture = decode_image(path.read_bytes())
    if picture is None:
        raise ConfigError(f"{path}: no picture that can be read; `maskwatch data check` names all of these")
    return picture


def find_pictures(root: Path) -> list[Path]:
    """Return all files under a folder whose names end as pictures' do, sorted; hidden ones are left out."""
    return [path for path in find_files(root, "*") if path.suffix.lower() in PICTURES]


def find_files(root: Path, pattern: str) -> list[Path]:
    """Return all files under a folder whose paths end as a pattern says, sorted; hidden ones are left out."""
    found = (path for path in root.rglob(pattern) if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts))


def read_rows(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return line number and fields of each row of a CSV file that must have these columns."""
    if not file.is_file():
        raise ConfigError(f"{file}: no such file")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise ConfigError(
                f"{file}:1: column {missing[0]!r} is missing; the first line must name {','.join(columns)}"
            )
        rows = []
        for row in reader:
            if any(row.get(name) is None for name in columns):
                raise ConfigError(f"{file}:{reader.line_num}: too few fields; expected {','.join(columns)}")
            rows.append((reader.line_num, row))
    return rows


def read_box(row: dict[str, str], where: str) -> Box:
    """Return the box in the fields xmin, ymin, xmax, ymax of a CSV row."""
    corners = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        try:
            corners.append(float(row[name]))
        except ValueError:
            raise ConfigError(f"{where}: {name}: {row[name]!r} is no number of pixels") from None
    return corners[0], corners[1], corners[2], corners[3]


def read_split(name: str, where: str) -> str:
    """Return train, val, test or "" for what a file calls a split."""
    if name and name.lower() not in SPLITS:
        raise ConfigError(f"{where} {name!r} is not known; write train, val, test or nothing")
    return SPLITS[name.lower()] if name else ""


def _plain(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def _known() -> str:
    spellings = "; ".join(f"{label}: {', '.join(names.split())}" for label, names in SPELLINGS.items())
    return f"Known are {spellings}."
