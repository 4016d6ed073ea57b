"""What training.datasets promises: every picture with its label, faces, source, group and split, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from maskwatch.errors import ConfigError
from training.datasets import (
    IGNORE,
    UNCERTAIN,
    LabelledFace,
    Picture,
    apply_labels,
    overlap,
    read_dataset,
    read_picture,
    spelled,
)

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "file,xmin,ymin,xmax,ymax,label"


def draw(path: Path, *, height: int = 40, width: int = 60) -> None:
    """Write a grey picture, making the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 128, np.uint8))


def make_manifest(root: Path) -> None:
    """A data set with a portrait, a boxed scene, a boxed scene without faces, and a scene nobody labelled."""
    root.mkdir(exist_ok=True)
    lines = ["file,source,label,group,split,origin"]
    lines += ["a/one.png,first,with_mask,7,train,x", "b/two.png,second,,8,valid,x", "b/none.png,second,,,test,x"]
    lines += ["c/three.png,third,scene_masked,,train,x"]
    (root / "manifest.csv").write_text("\n".join(lines))
    (root / "b").mkdir()
    boxes = ["file,label,xmin,ymin,xmax,ymax,split"]
    boxes += ["b/two.png,without_mask,1,2,11,12,val", "b/two.png,mask_weared_incorrect,20,2,30,12.5,val"]
    (root / "b" / "boxes.csv").write_text("\n".join(boxes))


def make_pictures(root: Path) -> list[Picture]:
    """A portrait and a scene with one face."""
    face = LabelledFace("mask", (0.0, 0.0, 10.0, 10.0))
    return [
        Picture(root / "one.png", "one.png", "set", label="mask"),
        Picture(root / "two.png", "two.png", "set", faces=(face,), complete=True),
    ]


def write_labels(root: Path, *rows: str) -> Path:
    """Write a file of hand-made labels."""
    file = root / "labels.csv"
    file.write_text("\n".join([HEADER, *rows]))
    return file


def test_a_manifest_says_all(tmp_path: Path) -> None:
    """Label, boxes, source, group and split are read; boxes are complete where the manifest gives no label."""
    make_manifest(tmp_path / "set")
    one, two, none, three = read_dataset(tmp_path / "set")
    assert (one.name, one.source, one.label, one.group, one.split) == ("a/one.png", "first", "mask", "set/7", "train")
    assert one.path == tmp_path / "set" / "a" / "one.png"
    assert not one.complete
    assert two.faces == (LabelledFace("no_mask", (1, 2, 11, 12)), LabelledFace("incorrect", (20, 2, 30, 12.5)))
    assert (two.label, two.split, two.complete) == ("", "val", True)
    assert (none.faces, none.group, none.complete) == ((), "", True)
    assert (three.label, three.faces, three.complete) == ("", (), False)


def test_class_folders_may_lie_under_splits(tmp_path: Path) -> None:
    """The label is the folder's name however it is spelled, the split that of a folder above; hidden files are none."""
    root = tmp_path / "set"
    for name in ("train/With-Mask/a.png", "valid/without_mask/b.jpg", "incorrect/c.png"):
        draw(root / name)
    (root / ".cache").mkdir()
    draw(root / ".cache" / "d.png")
    pictures = {picture.name: (picture.label, picture.split, picture.source) for picture in read_dataset(root)}
    assert pictures == {
        "train/With-Mask/a.png": ("mask", "train", "set"),
        "valid/without_mask/b.jpg": ("no_mask", "val", "set"),
        "incorrect/c.png": ("incorrect", "", "set"),
    }


def test_an_unknown_folder_is_refused_with_the_known_spellings(tmp_path: Path) -> None:
    """A picture whose class cannot be told stops the reading."""
    draw(tmp_path / "cats" / "a.png")
    with pytest.raises(ConfigError, match=r"cats/a\.png: no folder .* with_mask"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        pytest.param("manifest.csv", "file,label\na.png,helmet\n", r"manifest\.csv:2: label 'helmet'", id="label"),
        pytest.param("manifest.csv", "file,split\na.png,dev2\n", r"manifest\.csv:2: split 'dev2'", id="split"),
        pytest.param("manifest.csv", "name\na.png\n", r"manifest\.csv:1: column 'file'", id="column"),
        pytest.param(
            "boxes.csv", "file,label,xmin,ymin,xmax,ymax\na.png,mask,1,2,x,4\n", r"boxes\.csv:2: xmax: 'x'", id="number"
        ),
        pytest.param(
            "boxes.csv", "file,label,xmin,ymin,xmax,ymax\nb.png,mask,1,2,3,4\n", r"b\.png has boxes", id="no picture"
        ),
        pytest.param("boxes.csv", "file,label,xmin,ymin,xmax,ymax\na.png,mask\n", r"boxes\.csv:2: too few", id="short"),
    ],
)
def test_a_fault_in_a_table_names_file_line_and_field(tmp_path: Path, file: str, text: str, expected: str) -> None:
    """Who reads the error knows what to correct where."""
    (tmp_path / "manifest.csv").write_text("file\na.png\n")
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError, match=expected):
        read_dataset(tmp_path)


def test_a_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    """The error lists what was looked for."""
    with pytest.raises(ConfigError, match=r"no data set. Expected manifest\.csv"):
        read_dataset(tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        read_dataset(tmp_path / "nowhere")


def test_labels_replace_and_drop_pictures(tmp_path: Path) -> None:
    """Without a box the label is the whole picture's; `drop` removes it, in whatever order the lines stand."""
    pictures = make_pictures(tmp_path)
    one, two = apply_labels(pictures, write_labels(tmp_path, "one.png,,,,,incorrect"))
    assert (one.label, two) == ("incorrect", pictures[1])
    left = apply_labels(pictures, write_labels(tmp_path, "one.png,,,,,drop", "one.png,1,1,5,5,mask"))
    assert left == [pictures[1]]


def test_labels_with_boxes_add_or_replace_faces(tmp_path: Path) -> None:
    """A box that is nearly there already gets the new label and stays where it was; others are added."""
    rows = ("two.png,0,0,10,9,ignore", "two.png,3,0,13,10,uncertain", "two.png,20,20,30,30,no_mask")
    _, two = apply_labels(make_pictures(tmp_path), write_labels(tmp_path, *rows))
    assert two.faces == (
        LabelledFace(IGNORE, (0, 0, 10, 10)),
        LabelledFace(UNCERTAIN, (3, 0, 13, 10)),
        LabelledFace("no_mask", (20, 20, 30, 30)),
    )
    assert two.complete


def test_a_portrait_with_boxed_faces_has_no_label_of_its_own(tmp_path: Path) -> None:
    """Nobody knows which face the picture's label meant once faces are labelled one by one."""
    one, _ = apply_labels(make_pictures(tmp_path), write_labels(tmp_path, "one.png,1,1,20,20,no_mask"))
    assert one.label == ""
    assert [face.label for face in one.faces] == ["no_mask"]
    assert not one.complete


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param("three.png,,,,,mask", r"labels\.csv:2: file: three\.png is not", id="no picture"),
        pytest.param("one.png,,,,,helmet", r"labels\.csv:2: label 'helmet' .*with_mask", id="no label"),
        pytest.param("one.png,,,,,ignore", r"labels\.csv:2: label: .*'drop'", id="ignored picture"),
        pytest.param("one.png,1,,3,4,mask", r"labels\.csv:2: ymin: ''", id="half a box"),
        pytest.param("one.png,1,2,3,4,drop", r"labels\.csv:2: label 'drop'", id="dropped box"),
    ],
)
def test_a_hand_made_label_that_means_nothing_is_refused(tmp_path: Path, row: str, expected: str) -> None:
    """A typing error is not silently left out."""
    with pytest.raises(ConfigError, match=expected):
        apply_labels(make_pictures(tmp_path), write_labels(tmp_path, row))


def test_a_label_must_not_mean_pictures_of_two_data_sets(tmp_path: Path) -> None:
    """The same name in two data sets is told, not guessed."""
    with pytest.raises(ConfigError, match="more than one data set"):
        apply_labels(make_pictures(tmp_path) * 2, write_labels(tmp_path, "one.png,,,,,mask"))


@pytest.mark.parametrize(
    ("name", "label"),
    [("with_mask", "mask"), ("No-Mask", "no_mask"), ("mask weared incorrect", "incorrect"), ("Mask", "mask")],
)
def test_spellings(name: str, label: str) -> None:
    """Case, spaces and hyphens do not matter."""
    assert spelled(name, "") == label


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="the same"),
        pytest.param((10, 0, 20, 10), 0.0, id="side by side"),
        pytest.param((20, 20, 30, 30), 0.0, id="apart in both directions"),
        pytest.param((0, 0, 5, 10), 0.5, id="half"),
    ],
)
def test_overlap_is_intersection_over_union(other: tuple[float, float, float, float], expected: float) -> None:
    """Also for boxes that are apart in both directions, whose product of gaps is positive."""
    assert overlap((0, 0, 10, 10), other) == pytest.approx(expected)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    """Missing and unreadable files are told apart."""
    with pytest.raises(ConfigError, match=r"a\.png: no such picture"):
        read_picture(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"a\.png: no picture that can be read"):
        read_picture(tmp_path / "a.png")
