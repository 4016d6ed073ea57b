"""What `maskwatch data` promises: faults, duplicates and leaks are told, sheets show the faces, crops are cut."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from skimage.data import astronaut

from maskwatch.cli import command
from maskwatch.errors import ConfigError
from maskwatch.imaging import crop_face, encode_image
from tests.pixels import make_damaged_jpeg
from training.contact_sheet import RED, TILE, contact_sheets, couple, tile
from training.crops import Sample
from training.data_check import broken, face_sizes, wrong_boxes
from training.datasets import LabelledFace, Picture, read_dataset

if TYPE_CHECKING:
    from pathlib import Path


def make_image(side: int = 256) -> np.ndarray:
    """Eileen Collins, by NASA, in the public domain: side x side x 3, BGR."""
    return cv2.resize(np.ascontiguousarray(astronaut()[..., ::-1]), (side, side), interpolation=cv2.INTER_AREA)


def pattern(seed: int) -> np.ndarray:
    """A picture without a face, another one for each seed."""
    coarse = np.random.default_rng(seed).uniform(0, 255, (9, 9, 3)).astype(np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)


def make_sample(face_px: float, label: str = "mask") -> Sample:
    """A sample of which only size and label matter."""
    empty = np.zeros((8, 8, 3), np.uint8)
    return Sample("a.png", "s", "", label, face_px, found=True, crop=empty, patch=empty, landmarks=None)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.read_text().splitlines()))


def run(*arguments: object) -> Result:
    """Run `maskwatch data` and return what it said."""
    return CliRunner().invoke(command, ["data", *map(str, arguments)])


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Class folders under splits: a face, its smaller copy with a mask in another split, and a picture of its own."""
    root = tmp_path / "set"
    masked = make_image()
    cv2.ellipse(masked, (112, 80), (22, 16), 0, 0, 360, (230, 220, 180), -1)
    for name, image in (
        ("train/without_mask/face.png", make_image()),
        ("test/with_mask/copy.png", cv2.resize(masked, (200, 200), interpolation=cv2.INTER_AREA)),
        ("train/with_mask/other.png", pattern(1)),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), image)
    return root


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_file_cut_off_anywhere_is_broken(suffix: str) -> None:
    """Decoders fill up with grey what is missing; the check does not let that pass."""
    data = encode_image(make_image(), suffix)
    assert broken(data) == ""
    assert broken(data + b"\0\0") == ""
    for share in (0.3, 0.6, 0.9):
        assert broken(data[: int(len(data) * share)]) == "is cut off before its end"
    assert broken(b"") == "is empty"


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0, 0, 60, 40), [], id="the whole picture"),
        pytest.param((-2, 0, 61, 42), [], id="a pixel or two outside"),
        pytest.param((45, 10, 85, 30), [], id="a face cut off by the edge"),
        pytest.param((10, 10, 10, 20), ["has no area"], id="no width"),
        pytest.param((10, 20, 20, 10), ["has no area"], id="upside down"),
        pytest.param((10, 10, float("nan"), 20), ["has no area"], id="not a number"),
        pytest.param((55, 10, 80, 20), ["lies outside the picture of 60 x 40"], id="too far right"),
        pytest.param((10, -30, 20, -1), ["lies outside the picture of 60 x 40"], id="above"),
    ],
)
def test_wrong_boxes(tmp_path: Path, box: tuple[float, float, float, float], expected: list[str]) -> None:
    """A box must have an area, a quarter of it in the picture: faces may be cut off by the edge."""
    picture = Picture(tmp_path, "a.png", "s", faces=(LabelledFace("mask", box),))
    told = wrong_boxes(picture, 60, 40)
    assert [one.rpartition("(mask) ")[2] for one in told] == expected


def test_face_sizes_are_counted_by_label() -> None:
    """A face counts in the range it begins in."""
    sizes = face_sizes([make_sample(15.9), make_sample(16), make_sample(500), make_sample(33, "no_mask")])
    assert sizes == {"mask": [1, 1, 0, 0, 0, 0, 0, 0, 1], "no_mask": [0, 0, 0, 1, 0, 0, 0, 0, 0]}


def test_contact_sheets_hold_all_tiles_in_order() -> None:
    """Five tiles on pages of two by two make a full page and one with the last."""
    tiles = [np.full((10, 10, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    first, last = contact_sheets(tiles, columns=2, rows=2)
    assert first[::10, ::10, 0].tolist() == [[10, 20], [30, 40]]
    assert last.shape == (10, 10, 3)
    assert last[0, 0, 0] == 50


def test_a_tile_shows_the_whole_picture_in_its_frame() -> None:
    """Long pictures are shrunk, not cut or stretched; the frame has the colour asked for."""
    wide = np.full((50, 200, 3), 200, np.uint8)
    framed = tile(wide, RED)
    assert framed.shape == (TILE, TILE, 3)
    assert tuple(framed[0, 0]) == RED
    assert int((framed[:, TILE // 2, 0] == 200).sum()) == 17
    assert couple(wide, wide, RED).shape == (TILE, 2 * TILE, 3)


def test_clean_data_pass(tmp_path: Path) -> None:
    """Nothing broken, nothing twice: exit code 0, and the counts are told."""
    for number, name in enumerate(("with_mask/a.png", "without_mask/b.png")):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / name), pattern(number))
    result = run("check", tmp_path / "set")
    assert result.exit_code == 0
    assert "2 pictures, nothing broken, no leak" in result.stdout
    assert re.search(r"set mask +0 +0 +0 +1\n", result.stdout)


def test_a_leak_is_told_and_mended(folders: Path, tmp_path: Path) -> None:
    """A face and the same face with a drawn mask in another split: exit code 1; the splits written do not leak."""
    result = run("check", folders, "--json", "--write-splits", tmp_path / "splits.csv")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    (leak,) = report["leaks"]
    assert {leak["first"][-8:], leak["second"][-8:]} == {"face.png", "copy.png"}
    assert report["duplicates"]["near"] == {
        "pairs": 1,
        "across splits": 1,
        "across classes": 1,
        "across data sets": 0,
    }
    rows = {row["file"]: row for row in read_csv(tmp_path / "splits.csv")}
    assert rows["test/with_mask/copy.png"]["split"] == rows["train/without_mask/face.png"]["split"] == "train"
    assert rows["test/with_mask/copy.png"]["group"] == rows["train/without_mask/face.png"]["group"]


def test_a_picture_cut_otherwise_is_a_leak_by_its_face(tmp_path: Path) -> None:
    """The pictures as a whole are not alike, but they show the same photograph of a face."""
    for name, image in (("train/a.png", make_image(512)), ("val/b.png", make_image(512)[20:260, 90:330])):
        path = tmp_path / "without_mask" / name
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), image)
    result = run("check", tmp_path, "--json")
    assert [leak["why"] for leak in json.loads(result.stdout)["leaks"]] == ["face"]
    assert result.exit_code == 1


def test_broken_files_and_boxes_are_told(tmp_path: Path) -> None:
    """Each with its file and its reason; what can be read is still counted."""
    (tmp_path / "manifest.csv").write_text(
        "file,label\na.jpg,\ncut.jpg,mask\nhuge.jpg,mask\nempty.png,mask\ntext.png,mask\ngone.png,mask\n"
    )
    (tmp_path / "boxes.csv").write_text("file,label,xmin,ymin,xmax,ymax\na.jpg,mask,50,50,10,60\n")
    data = encode_image(make_image(), ".jpg")
    (tmp_path / "a.jpg").write_bytes(data)
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "huge.jpg").write_bytes(make_damaged_jpeg())
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_bytes(b"no picture at all")
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert "pictures that can be read: 1; faults: 6; leaks between splits: 0" in result.stdout
    for name, why in (
        ("a.jpg", "box 50, 50, 10, 60 (mask) has no area"),
        ("cut.jpg", "is cut off before its end"),
        ("huge.jpg", "is no picture that can be read"),
        ("empty.png", "is empty"),
        ("text.png", "is no picture that can be read"),
        ("gone.png", "is missing"),
    ):
        assert f"{tmp_path / name}: {why}" in result.stdout


def test_the_page_holds_all_it_shows(folders: Path, tmp_path: Path) -> None:
    """index.html asks for no other file, and the sheets lie beside it as pictures too."""
    result = run("check", folders, "-o", tmp_path / "report")
    assert result.exit_code == 1
    page = (tmp_path / "report" / "index.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert names == {"index.html", "mask_01.jpg", "no_mask_01.jpg", "duplicates_across_splits_01.jpg"}
    assert cv2.imread(str(tmp_path / "report" / "mask_01.jpg")).shape == (TILE, 2 * TILE, 3)


def test_crops_are_cut_into_class_folders(folders: Path, tmp_path: Path) -> None:
    """Size, place, label and origin of each crop stand in crops.csv, and the crop is that of the one crop rule."""
    out = tmp_path / "crops"
    result = run("crops", folders, "-o", out, "--size", 64, "--split", "train", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["crops"] == {"mask": {"crops": 1, "found": 0}, "no_mask": {"crops": 1, "found": 1}}
    rows = {row["label"]: row for row in read_csv(out / "crops.csv")}
    bare = rows["no_mask"]
    assert (bare["picture"], bare["found"], bare["split"]) == ("train/without_mask/face.png", "1", "train")
    assert float(bare["face_score"]) > 0.6
    crop = cv2.imread(str(out / bare["file"]))
    box = [float(bare[corner]) for corner in ("xmin", "ymin", "xmax", "ymax")]
    assert float(np.abs(crop.astype(int) - crop_face(make_image(), box, 64)).mean()) < 4
    assert float(bare["face_px"]) == pytest.approx(max(box[2] - box[0], box[3] - box[1]), abs=0.2)
    assert (out / "no_mask_01.jpg").is_file()
    assert [picture.label for picture in read_dataset(out)] == ["mask", "no_mask"]


def test_crops_take_labels_and_splits_from_files(folders: Path, tmp_path: Path) -> None:
    """A hand-made label replaces the folder's, and written splits those of the folders."""
    (tmp_path / "labels.csv").write_text(
        "file,xmin,ymin,xmax,ymax,label\ntrain/without_mask/face.png,,,,,incorrect\ntrain/with_mask/other.png,,,,,drop\n"
    )
    labels = ("--labels", tmp_path / "labels.csv")
    assert run("check", folders, "--write-splits", tmp_path / "splits.csv").exit_code == 1
    result = run(
        "crops", folders, "-o", tmp_path / "a", *labels, "--splits", tmp_path / "splits.csv", "--split", "train"
    )
    assert result.exit_code == 0, result.output
    assert "incorrect: 1 crops, 1 of them where the detector looked\nmask: 1 crops" in result.stdout


def test_crops_are_not_mixed_with_others(folders: Path) -> None:
    """A folder with something in it is refused, so is a split without pictures."""
    result = run("crops", folders, "-o", folders)
    assert isinstance(result.exception, ConfigError)
    assert "is not empty" in str(result.exception)
    result = run("crops", folders, "-o", folders / "new", "--split", "val")
    assert isinstance(result.exception, ConfigError)
    assert "no picture is in 'val'" in str(result.exception)
