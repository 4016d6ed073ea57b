"""Reads the boxes of other people's data sets: Pascal VOC, YOLO, COCO.

Each reader answers [] where its format is not there. All faces of a picture count as labelled, as these formats mean.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import yaml

from maskwatch.errors import ConfigError
from maskwatch.imaging import decode_image
from training.datasets import IGNORE, SPLITS, LabelledFace, Picture, find_pictures, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from training.datasets import Box


def read_voc(root: Path) -> list[Picture]:
    """Return the pictures of Pascal VOC: one XML file each; ImageSets/Main/*.txt name the splits, if there."""
    files = sorted(root.rglob("*.xml"))
    if not files:
        return []
    by_name = {path.name: path for path in find_pictures(root)}
    by_stem = {path.stem: path for path in by_name.values()}
    splits = {
        line.split()[0]: SPLITS[listing.stem.lower()]
        for listing in sorted(root.rglob("ImageSets/Main/*.txt"))
        if listing.stem.lower() in SPLITS
        for line in listing.read_text().splitlines()
        if line.strip()
    }
    pictures = []
    for file in files:
        text = file.read_text(encoding="utf-8-sig")
        try:
            tree = ET.fromstring(text)  # noqa: S314 - expat bounds entities since 2.4.1, and the file is the user's own
        except ET.ParseError as error:
            raise ConfigError(f"{file}: no XML: {error}") from None
        path = by_name.get((tree.findtext("filename") or "").strip()) or by_stem.get(file.stem)
        if path is None:
            raise ConfigError(f"{file}: filename: no picture {tree.findtext('filename')!r} under {root}")
        faces = [_voc_face(item, file, text) for item in tree.iter("object")]
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
    listing = listing or next((path for path in sorted(root.rglob("classes.txt"))), None)
    if listing is None:
        return []
    names = _yolo_names(listing)
    return [
        _picture(root, path, _split_of(path, root), _yolo_faces(path, root, names, listing))
        for path in find_pictures(root)
    ]


def _yolo_names(listing: Path) -> list[str]:
    """Return the label of each class number."""
    if listing.suffix == ".txt":
        lines = listing.read_text().splitlines()
        return [spelled(name, f"{listing}:{line}:") for line, name in enumerate(lines, 1) if name.strip()]
    try:
        content = yaml.safe_load(listing.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"{listing}: no YAML: {error}") from None
    names: Any = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        names = [names[number] for number in sorted(names)]
    if not isinstance(names, list):
        raise ConfigError(f"{listing}: names: must list the classes")
    return [spelled(str(name), f"{listing}: names:") for name in names]


def _yolo_faces(path: Path, root: Path, names: list[str], listing: Path) -> list[LabelledFace]:
    """Read one label file; without one the picture shows no face."""
    parts = list(path.relative_to(root).with_suffix(".txt").parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    file = root.joinpath(*parts)
    if not file.is_file():
        return []
    picture = decode_image(path.read_bytes())
    if picture is None:
        return []  # whoever uses the picture says so; here it would hide the other faults
    height, width = picture.shape[:2]
    faces = []
    for line, text in enumerate(file.read_text().splitlines(), 1):
        if not text.strip():
            continue
        try:
            number, x, y, box_width, box_height = (float(part) for part in text.split()[:5])
        except ValueError:
            raise ConfigError(f"{file}:{line}: expected class x y width height, all in shares of the picture") from None
        if not 0 <= number < len(names):
            raise ConfigError(f"{file}:{line}: class {number:g} is not among the {len(names)} of {listing}")
        left, top = (x - box_width / 2) * width, (y - box_height / 2) * height
        box = (left, top, left + box_width * width, top + box_height * height)
        faces.append(LabelledFace(names[int(number)], box))
    return faces


def read_coco(root: Path) -> list[Picture]:
    """Return the pictures of COCO: JSON files with images, annotations and categories, often one per split."""
    pictures: list[Picture] = []
    by_name: dict[str, Path] | None = None
    for file in sorted(root.rglob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
        except ValueError:
            continue  # some other JSON file; a data set without any readable one is refused by the caller
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= content.keys():
            continue
        by_name = by_name or _by_path(root)
        pictures += _coco_pictures(content, file, root, by_name)
    return pictures


def _coco_pictures(content: dict[str, Any], file: Path, root: Path, by_name: dict[str, Path]) -> Iterable[Picture]:
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
        path = next((path for path in near if name and path.is_file()), by_name.get(name.rpartition("/")[2]))
        if path is None:
            raise ConfigError(f"{file}: images[{place}].file_name: no picture {name!r} under {root}")
        yield _picture(root, path, _split_of(path, root) or _split_of(file, root), faces.get(one.get("id"), []))


def _coco_box(value: Any, where: str) -> Box:
    if not isinstance(value, list) or len(value) != 4 or not all(isinstance(one, int | float) for one in value):
        raise ConfigError(f"{where}.bbox: expected [x, y, width, height] in pixels, got {value!r}")
    left, top, width, height = map(float, value)
    return left, top, left + width, top + height


def _by_path(root: Path) -> dict[str, Path]:
    return {path.name: path for path in find_pictures(root)}


def _split_of(path: Path, root: Path) -> str:
    """Return the split that a folder or the file's own name tells: train/a.jpg, instances_val2017.json."""
    *folders, name = path.relative_to(root).parts
    words = [*folders, *(name.rpartition(".")[0].replace("-", "_").split("_") if name.endswith(".json") else [])]
    return next((SPLITS[plain] for word in words if (plain := word.lower().rstrip("0123456789")) in SPLITS), "")


def _picture(root: Path, path: Path, split: str, faces: Iterable[LabelledFace]) -> Picture:
    name = path.relative_to(root).as_posix()
    return Picture(path, name, root.resolve().name, split=split, faces=tuple(faces), complete=True)
