"""What training.dataset_formats promises: VOC, YOLO and COCO boxes in pixels, with this project's labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from maskwatch.errors import ConfigError
from training.datasets import IGNORE, LabelledFace, read_dataset

if TYPE_CHECKING:
    from pathlib import Path


def draw(path: Path) -> None:
    """Write a grey picture of 60 x 40 pixels, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 60, 3), 128, np.uint8))


def write(path: Path, text: str) -> None:
    """Write a text, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def voc(filename: str, *objects: tuple[str, int, int, int, int]) -> str:
    """One VOC annotation, an element a line."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    faces = [
        f"<object>\n<name>{name}</name>\n<bndbox>"
        + "".join(f"<{corner}>{value}</{corner}>" for corner, value in zip(corners, box, strict=True))
        + "</bndbox>\n</object>"
        for name, *box in objects
    ]
    return "\n".join(["<annotation>", f"<filename>{filename}</filename>", *faces, "</annotation>"])


def test_voc(tmp_path: Path) -> None:
    """Boxes and names are read, pictures found by name, splits by ImageSets; a picture without objects is kept."""
    draw(tmp_path / "images" / "a.png")
    draw(tmp_path / "images" / "b.png")
    write(
        tmp_path / "annotations" / "a.xml", voc("a.png", ("with_mask", 1, 2, 11, 12), ("without_mask", 20, 2, 30, 12))
    )
    write(tmp_path / "annotations" / "b.xml", voc("wrong name.jpg"))
    write(tmp_path / "ImageSets" / "Main" / "val.txt", "b\n")
    a, b = read_dataset(tmp_path)
    assert (a.name, a.source, a.split, a.label) == ("images/a.png", tmp_path.name, "", "")
    assert a.faces == (LabelledFace("mask", (1, 2, 11, 12)), LabelledFace("no_mask", (20, 2, 30, 12)))
    assert (b.name, b.split, b.faces) == ("images/b.png", "val", ())
    assert a.complete
    assert b.complete


def test_voc_faults_name_file_and_line(tmp_path: Path) -> None:
    """An unknown name, a box without numbers and a picture that is not there."""
    draw(tmp_path / "a.png")
    write(tmp_path / "a.xml", voc("a.png", ("mask", 1, 2, 3, 4), ("helmet", 1, 2, 3, 4)))
    with pytest.raises(ConfigError, match=r"a\.xml:8: name 'helmet' .*with_mask"):
        read_dataset(tmp_path)
    write(tmp_path / "a.xml", voc("a.png", ("mask", 1, 2, 3, 4)).replace("<xmax>3</xmax>", ""))
    with pytest.raises(ConfigError, match=r"a\.xml:4: bndbox"):
        read_dataset(tmp_path)
    write(tmp_path / "a.xml", "<annotation>")
    with pytest.raises(ConfigError, match=r"a\.xml: no XML"):
        read_dataset(tmp_path)
    write(tmp_path / "a.xml", voc("a.png"))
    (tmp_path / "a.png").unlink()
    with pytest.raises(ConfigError, match=r"a\.xml: filename: no picture 'a\.png'"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("picture", "annotation"),
    [
        pytest.param("{}/a.png", "{}/a.xml", id="side by side"),
        pytest.param("images/{}/a.png", "annotations/{}/a.xml", id="folders of splits"),
        pytest.param("{}/images/a.png", "{}/annotations/a.xml", id="one folder above both"),
    ],
)
@pytest.mark.parametrize("named", ["a.png", "copied.png"])
def test_voc_with_equal_names_in_several_folders(tmp_path: Path, picture: str, annotation: str, named: str) -> None:
    """A box stays with the picture beside its file, or with that of its split."""
    for place, folder in enumerate(("test", "train")):
        draw(tmp_path / picture.format(folder))
        write(tmp_path / annotation.format(folder), voc(named, ("mask", place, 0, 9, 9)))
    read = {one.name: one.faces[0].box[0] for one in read_dataset(tmp_path)}
    assert read == {picture.format("test"): 0, picture.format("train"): 1}


def test_voc_that_may_mean_several_pictures(tmp_path: Path) -> None:
    """A name that stands in several folders needs its folder, and none is guessed."""
    for folder in ("a", "b"):
        draw(tmp_path / folder / "face.png")
    write(tmp_path / "annotations" / "face.xml", voc("face.png", ("mask", 1, 2, 3, 4)))
    with pytest.raises(ConfigError, match=r"face\.xml: 'face\.png' may be any of 2 pictures \(a/face\.png, b/face"):
        read_dataset(tmp_path)
    write(tmp_path / "annotations" / "face.xml", voc("b/face.png", ("mask", 1, 2, 3, 4)))
    assert [picture.name for picture in read_dataset(tmp_path)] == ["b/face.png"]


def test_voc_in_the_encoding_it_declares(tmp_path: Path) -> None:
    """A file in Latin-1 is read as such; one in an encoding that nobody knows is a fault of the file."""
    draw(tmp_path / "größe.png")
    text = '<?xml version="1.0" encoding="{}"?>\n' + voc("größe.png", ("mask", 1, 2, 3, 4))
    (tmp_path / "one.xml").write_bytes(text.format("ISO-8859-1").encode("latin-1"))
    assert [picture.name for picture in read_dataset(tmp_path)] == ["größe.png"]
    (tmp_path / "one.xml").write_bytes(text.format("of-my-own").encode("latin-1"))
    with pytest.raises(ConfigError, match=r"one\.xml: no XML"):
        read_dataset(tmp_path)


def test_hidden_files_are_no_annotations(tmp_path: Path) -> None:
    """What macOS and editors leave beside a data set neither stops the reading nor changes the format."""
    for folder in ("with_mask", "without_mask"):
        draw(tmp_path / folder / "a.png")
    write(tmp_path / ".idea" / "misc.xml", "<project/>")
    write(tmp_path / ".cache" / "classes.txt", "helmet\n")
    (tmp_path / "__MACOSX").mkdir()
    for name in ("._a.xml", "._a.json"):
        (tmp_path / "__MACOSX" / name).write_bytes(b"\x00\x05\x16\x07\xff\xfe")
    assert [picture.label for picture in read_dataset(tmp_path)] == ["mask", "no_mask"]


@pytest.mark.parametrize(
    ("picture", "labels", "split"),
    [
        pytest.param("images/train/a.png", "labels/train/a.txt", "train", id="as ultralytics"),
        pytest.param("valid/images/a.png", "valid/labels/a.txt", "val", id="as Roboflow"),
        pytest.param("a.png", "a.txt", "", id="side by side"),
    ],
)
@pytest.mark.parametrize("names", ["names: [mask, no-mask]", "names: {1: no-mask, 0: mask}"])
def test_yolo(tmp_path: Path, picture: str, labels: str, split: str, names: str) -> None:
    """Shares of the picture become pixels, in each of the usual layouts; no label file means no face."""
    draw(tmp_path / picture)
    draw((tmp_path / picture).with_name("empty.png"))
    write(tmp_path / labels, "1 0.5 0.5 0.2 0.5\n\n0 0.25 0.25 0.5 0.5\n")
    write(tmp_path / "data.yaml", names)
    a, empty = read_dataset(tmp_path)
    assert (a.name, a.split) == (picture, split)
    assert [face.label for face in a.faces] == ["no_mask", "mask"]
    assert a.faces[0].box == pytest.approx((24, 10, 36, 30))
    assert a.faces[1].box == pytest.approx((0, 0, 30, 20))
    assert (empty.faces, empty.complete) == ((), True)


@pytest.mark.parametrize(
    ("names", "labels", "expected"),
    [
        pytest.param("mask\nhelmet\n", "", r"classes\.txt:2: 'helmet'", id="name"),
        pytest.param("mask\n", "1 0.5 0.5 0.1 0.1", r"a\.txt:1: class 1 is not", id="number"),
        pytest.param("mask\n", "0 0.5 0.5 0.1 0.1\n0 0.5", r"a\.txt:2: expected class x y", id="short"),
        pytest.param("mask\n", "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1", r"a\.txt:1: expected class x y", id="half a point"),
        pytest.param("mask\n", "0 0.5 0.5 0.1 wide", r"a\.txt:1: expected class x y", id="no number"),
    ],
)
def test_yolo_faults_name_file_and_line(tmp_path: Path, names: str, labels: str, expected: str) -> None:
    """Who reads the error knows what to correct where."""
    draw(tmp_path / "a.png")
    write(tmp_path / "classes.txt", names)
    write(tmp_path / "a.txt", labels)
    with pytest.raises(ConfigError, match=expected):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param("0 0.5 0.5 0.2 0.5 0.9", "names: [mask]", id="with a score"),
        pytest.param("0 0.4 0.25 0.6 0.25 0.6 0.75", "names: [mask]", id="triangle"),
        pytest.param("0 0.5 0.25 0.6 0.3 0.5 0.75 0.4 0.5", "names: [mask]", id="polygon"),
        pytest.param(
            "0 0.5 0.5 0.2 0.5 0.1 0.1 0.9 0.9", "names: [mask]\nkpt_shape: [2, 2]", id="keypoints of two values"
        ),
        pytest.param(
            "0 0.5 0.5 0.2 0.5 0.1 0.1 2 0.9 0.9 2", "names: [mask]\nkpt_shape: [2, 3]", id="keypoints of three values"
        ),
    ],
)
def test_yolo_lines_of_other_tasks(tmp_path: Path, line: str, names: str) -> None:
    """A line of a prediction, of segmentation or of poses gives the face's box."""
    draw(tmp_path / "a.png")
    write(tmp_path / "data.yaml", names)
    write(tmp_path / "a.txt", line)
    (picture,) = read_dataset(tmp_path)
    assert picture.faces[0].box == pytest.approx((24, 10, 36, 30))


def test_a_list_of_classes_alone_is_no_yolo(tmp_path: Path) -> None:
    """Folders named after the classes keep their meaning beside a classes.txt, where no picture has a label file."""
    draw(tmp_path / "with_mask" / "a.png")
    write(tmp_path / "classes.txt", "with_mask\nwithout_mask\n")
    assert [picture.label for picture in read_dataset(tmp_path)] == ["mask"]


def coco(**changes: object) -> str:
    """A COCO file with one face and one crowd."""
    content: dict[str, object] = {
        "images": [{"id": 5, "file_name": "a.png"}, {"id": 6, "file_name": "b.png"}],
        "annotations": [
            {"image_id": 5, "category_id": 1, "bbox": [1, 2, 10, 20]},
            {"image_id": 5, "category_id": 1, "bbox": [30, 0, 9, 9], "iscrowd": 1},
        ],
        "categories": [{"id": 0, "name": "faces of all kinds"}, {"id": 1, "name": "without_mask"}],
    }
    return json.dumps(content | changes)


def test_coco(tmp_path: Path) -> None:
    """Boxes get corners, crowds are ignored, the split is the folder's, and categories nobody uses need no meaning."""
    for name in ("a.png", "b.png"):
        draw(tmp_path / "train" / name)
    write(tmp_path / "train" / "_annotations.coco.json", coco())
    write(tmp_path / "settings.json", "[1]")
    write(tmp_path / "broken.json", "{")
    a, b = read_dataset(tmp_path)
    assert (a.name, a.split, a.complete) == ("train/a.png", "train", True)
    assert a.faces == (LabelledFace("no_mask", (1, 2, 11, 22)), LabelledFace(IGNORE, (30, 0, 39, 9)))
    assert b.faces == ()


def test_coco_takes_the_split_from_the_file_name(tmp_path: Path) -> None:
    """As in annotations/instances_val2017.json, with pictures in another folder."""
    for name in ("a.png", "b.png"):
        draw(tmp_path / "pictures" / name)
    write(tmp_path / "annotations" / "instances_val2017.json", coco())
    assert [picture.split for picture in read_dataset(tmp_path)] == ["val", "val"]


def test_coco_with_equal_names_in_several_folders(tmp_path: Path) -> None:
    """A box stays with the picture of its file's split; where no split tells, none is guessed."""
    for place, split in enumerate(("train", "val")):
        draw(tmp_path / "pictures" / split / "a.png")
        changes = {"images": [{"id": 5, "file_name": "a.png"}], "annotations": [face_at(place)]}
        write(tmp_path / "annotations" / f"instances_{split}.json", coco(**changes))
    read = {one.name: one.faces[0].box[0] for one in read_dataset(tmp_path)}
    assert read == {"pictures/train/a.png": 0, "pictures/val/a.png": 1}
    (tmp_path / "annotations" / "instances_val.json").rename(tmp_path / "annotations" / "all.json")
    with pytest.raises(ConfigError, match=r"all\.json: 'a\.png' may be any of 2 pictures"):
        read_dataset(tmp_path)


def face_at(left: int) -> dict[str, object]:
    """One COCO face that begins at a column."""
    return {"image_id": 5, "category_id": 1, "bbox": [left, 0, 9, 9]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"categories": [{"id": 1, "name": "helmet"}]}, r"annotations\[0\]: category 'helmet'", id="name"),
        pytest.param({"categories": []}, r"annotations\[0\]\.category_id: 1", id="category"),
        pytest.param(
            {"annotations": [{"image_id": 5, "category_id": 1, "bbox": [1, 2]}]}, r"annotations\[0\]\.bbox", id="box"
        ),
        pytest.param({"images": [{"id": 5, "file_name": "c.png"}]}, r"images\[0\]\.file_name: .*'c\.png'", id="file"),
    ],
)
def test_coco_faults_name_file_and_field(tmp_path: Path, changes: dict[str, object], expected: str) -> None:
    """Who reads the error knows what to correct where."""
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    write(tmp_path / "all.json", coco(**changes))
    with pytest.raises(ConfigError, match=expected):
        read_dataset(tmp_path)
