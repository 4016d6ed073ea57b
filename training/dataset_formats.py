"""Reads the boxes of other people's data sets: Pascal VOC, YOLO, COCO.

Each reader answers [] where its format is not there. All faces of a picture count as labelled, as these formats mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile
from math import prod
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import yaml

from maskwatch.errors import ConfigError
from maskwatch.imaging import decode_image
from training.datasets import IGNORE, SPLITS, LabelledFace, Picture, find_files, find_pictures, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from training.datasets import Box


def read_voc(root: Path) -> list[Picture]:
    """Return the pictures of Pascal VOC: one XML file each; ImageSets/Main/*.txt name the splits, if there."""
    files = find_files(root, "*.xml")
    if not files:
        return []
    named = _Named(root)
    splits = {
        line.split()[0]: SPLITS[listing.stem.lower()]
        for listing in find_files(root, "ImageSets/Main/*.txt")
        if listing.stem.lower() in SPLITS
        for line in listing.read_text().splitlines()
        if line.strip()
    }
    pictures = []
    for file in files:
        data = file.read_bytes()
        try:  # of bytes, so that the encoding holds which the file declares
            tree = ET.fromstring(data)  # noqa: S314 - expat bounds entities since 2.4.1, and the file is the user's own
        except (ET.ParseError, ValueError, LookupError) as error:
            raise ConfigError(f"{file}: no XML: {error}") from None
        name = (tree.findtext("filename") or "").strip()
        path = named.by_annotation(name, file)
        if path is None:
            raise ConfigError(f"{file}: filename: no picture {name!r} under {root}")
        faces = [_voc_face(item, file, data.decode(errors="replace")) for item in tree.iter("object")]
        split = splits.get(file.stem) or _split_of(path, root)
        pictures.append(_picture(root, path, split, faces))
    return pictures


def _voc_face(item: ET.Element, file: Path, text: str) -> LabelledFace:
    name = (item.findtext("name") or "").strip()
    line = next((place for place, one in enumerate(text.splitlines(), 1) if f">{name}<" in one), 1)
    label = spelled(name, f"{file}:{line}: name")
    try:
        corners = [float(item.findtext(f"bndbox/{corner}") or "") for corner in ("xmin", "ymin", "xmax", "ymax")]
    except ValueError:
        raise ConfigError(f"{file}:{line}: bndbox: xmin, ymin, xmax, ymax must be numbers of pixels") from None
    return LabelledFace(label, (corners[0], corners[1], corners[2], corners[3]))


def read_yolo(root: Path) -> list[Picture]:
    """Return the pictures of YOLO: images/... with labels/..., or a text file beside each picture."""
    listing = next(
        (root / name for name in ("data.yaml", "dataset.yaml", "classes.txt") if (root / name).is_file()), None
    )
    listing = listing or next(iter(find_files(root, "classes.txt")), None)
    files = {path: _yolo_file(path, root) for path in find_pictures(root)}
    if listing is None or not any(file.is_file() for file in files.values()):
        return []
    classes = _yolo_classes(listing)
    return [
        _picture(root, path, _split_of(path, root), _yolo_faces(path, file, classes)) for path, file in files.items()
    ]


@dataclass(frozen=True, slots=True)
class _YoloClasses:
    listing: Path
    names: list[str]  # the label of each class number
    keypoint_fields: int = 0  # that follow each box: kpt_shape of data.yaml, points times values of each


def _yolo_classes(listing: Path) -> _YoloClasses:
    if listing.suffix == ".txt":
        lines = listing.read_text().splitlines()
        named = [spelled(name, f"{listing}:{line}:") for line, name in enumerate(lines, 1) if name.strip()]
        return _YoloClasses(listing, named)
    try:
        content = yaml.safe_load(listing.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{listing}: no YAML: {error}") from None
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    if not isinstance(names, list):
        raise ConfigError(f"{listing}: names: must list the classes")
    shape = content.get("kpt_shape")
    is_shape = isinstance(shape, list) and all(isinstance(one, int) for one in shape)
    labels = [spelled(str(name), f"{listing}: names:") for name in names]
    return _YoloClasses(listing, labels, prod(shape) if is_shape else 0)


def _yolo_file(path: Path, root: Path) -> Path:
    """Return where the labels of a picture would lie."""
    parts = list(path.relative_to(root).with_suffix(".txt").parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return root.joinpath(*parts)


def _yolo_faces(path: Path, file: Path, classes: _YoloClasses) -> list[LabelledFace]:
    """Read one label file; without one the picture shows no face."""
    if not file.is_file():
        return []
    picture = decode_image(path.read_bytes())
    if picture is None:
        return []  # whoever uses the picture says so; here it would hide the other faults
    height, width = picture.shape[:2]
    lines = [(f"{file}:{line}", text.split()) for line, text in enumerate(file.read_text().splitlines(), 1)]
    return [_yolo_face(fields, width, height, classes, where) for where, fields in lines if fields]


def _yolo_face(fields: list[str], width: int, height: int, classes: _YoloClasses, where: str) -> LabelledFace:
    """Read a line: class and box, perhaps with a score or keypoints, or class and polygon."""
    try:
        number, *values = map(float, fields)
    except ValueError:
        values = []
    if len(values) in {4, 5} or len(values) == 4 + classes.keypoint_fields:
        x, y, box_width, box_height = values[:4]
        left, top = x - box_width / 2, y - box_height / 2
        right, bottom = left + box_width, top + box_height
    elif len(values) >= 6 and len(values) % 2 == 0 and not classes.keypoint_fields:
        left, top, right, bottom = min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
    else:
        raise ConfigError(
            f"{where}: expected class x y width height, or class x1 y1 x2 y2 x3 y3 … of a polygon, all in shares of "
            "the picture"
        )
    if not 0 <= number < len(classes.names):
        raise ConfigError(f"{where}: class {number:g} is not among the {len(classes.names)} of {classes.listing}")
    box = (left * width, top * height, right * width, bottom * height)
    return LabelledFace(classes.names[int(number)], box)


def read_coco(root: Path) -> list[Picture]:
    """Return the pictures of COCO: JSON files with images, annotations and categories, often one per split."""
    pictures: list[Picture] = []
    named: _Named | None = None
    for file in find_files(root, "*.json"):
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue  # some other JSON file; a data set without any readable one is refused by the caller
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
            continue
        named = named or _Named(root)
        pictures += _coco_pictures(content, file, root, named)
    return pictures


def _coco_pictures(content: dict[str, Any], file: Path, root: Path, named: _Named) -> Iterable[Picture]:
    categories = {one["id"]: str(one["name"]) for one in content["categories"]}
    faces: dict[Any, list[LabelledFace]] = {}
    for place, one in enumerate(content["annotations"]):
        where = f"{file}: annotations[{place}]"
        if one.get("category_id") not in categories:
            raise ConfigError(f"{where}.category_id: {one.get('category_id')!r} is not among the categories")
        label = IGNORE if one.get("iscrowd") else spelled(categories[one["category_id"]], f"{where}: category")
        faces.setdefault(one.get("image_id"), []).append(LabelledFace(label, _coco_box(one.get("bbox"), where)))
    for place, one in enumerate(content["images"]):
        name = str(one.get("file_name", ""))
        near = (file.parent / name, root / name, root / "images" / name)
        path = next((path for path in near if name and path.is_file()), None) or named.by_name(name, file)
        if path is None:
            raise ConfigError(f"{file}: images[{place}].file_name: no picture {name!r} under {root}")
        yield _picture(root, path, _split_of(path, root) or _split_of(file, root), faces.get(one.get("id"), []))


def _coco_box(value: Any, where: str) -> Box:
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(one, int | float) for one in value):
        raise ConfigError(f"{where}.bbox: expected [x, y, width, height] in pixels, got {value!r}")
    left, top, width, height = map(float, value)
    return left, top, left + width, top + height


class _Named:
    """The pictures of a data set by their names, of which each folder may have its own."""

    def __init__(self, root: Path) -> None:
        """Look for the pictures."""
        self._root = root
        self._by_name: dict[str, list[Path]] = {}
        self._by_stem: dict[str, list[Path]] = {}
        for path in find_pictures(root):
            self._by_name.setdefault(path.name, []).append(path)
            self._by_stem.setdefault(path.stem, []).append(path)

    def by_annotation(self, name: str, file: Path) -> Path | None:
        """Return the picture of an annotation file of its own: one beside it if there is any."""
        named, alike = self._by_name.get(name.rpartition("/")[2], []), self._by_stem.get(file.stem, [])
        beside = [[path for path in paths if path.parent == file.parent] for paths in (named, alike)]
        return self._chosen(beside[0] or beside[1] or named or alike, name, file)

    def by_name(self, name: str, file: Path) -> Path | None:
        """Return the picture that a file means by a name, perhaps with folders before it; None if there is none."""
        return self._chosen(self._by_name.get(name.rpartition("/")[2], []), name, file)

    def _chosen(self, paths: list[Path], name: str, file: Path) -> Path | None:
        """Return the one of several that has the named folders or the file's split, or lies next to the file."""
        split = _split_of(file, self._root)
        paths = [path for path in paths if path.as_posix().endswith(f"/{name}")] or paths
        paths = [path for path in paths if split and _split_of(path, self._root) == split] or paths
        nearest = max((_shared(path, file) for path in paths), default=0)
        paths = [path for path in paths if _shared(path, file) == nearest]
        if len(paths) > 1:
            shown = ", ".join(path.relative_to(self._root).as_posix() for path in paths[:3])
            raise ConfigError(
                f"{file}: {name!r} may be any of {len(paths)} pictures ({shown}); write its folder before the name"
            )
        return paths[0] if paths else None


def _shared(one: Path, other: Path) -> int:
    """Return how many folders two paths have in common, from the first on."""
    pairs = zip(one.parts, other.parts, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _split_of(path: Path, root: Path) -> str:
    """Return the split that a folder or the file's own name tells: train/a.jpg, instances_val2017.json."""
    *folders, name = path.relative_to(root).parts
    words = [*folders, *(name.rpartition(".")[0].replace("-", "_").split("_") if name.endswith(".json") else [])]
    return next((SPLITS[plain] for word in words if (plain := word.lower().rstrip("0123456789")) in SPLITS), "")


def _picture(root: Path, path: Path, split: str, faces: Iterable[LabelledFace]) -> Picture:
    name = path.relative_to(root).as_posix()
    return Picture(path, name, root.resolve().name, split=split, faces=tuple(faces), complete=True)
