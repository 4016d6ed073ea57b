"""What training.face_recall promises: it counts what was found, by state, size and threshold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from detector.faces import Face
from maskwatch.errors import ConfigError
from training.datasets import LabelledFace, Picture
from training.face_recall import main, search, tile

if TYPE_CHECKING:
    from pathlib import Path

MARKS = ((0.0, 0.0),) * 5


def test_found_missed_and_unexplained_are_told_apart() -> None:
    """One face found with 0.8, one missed, one small one found, and a find where nobody labelled a face."""
    faces = (
        LabelledFace("mask", (10, 10, 50, 60)),
        LabelledFace("mask", (100, 10, 140, 60)),
        LabelledFace("no_mask", (200, 10, 220, 30)),
        LabelledFace("ignore", (10, 120, 60, 180)),
    )
    finds = [
        Face((12, 12, 50, 60), MARKS, 0.8),
        Face((200, 10, 221, 31), MARKS, 0.5),
        Face((100, 120, 150, 180), MARKS, 0.4),
        Face((10, 120, 60, 180), MARKS, 0.9),
        Face((200, 120, 210, 130), MARKS, 0.9),
    ]
    done = search([(np.zeros((200, 300, 3), np.uint8), faces)], lambda _: finds)
    assert done.recall("mask", 0.5) | {"low": 0, "high": 0} == {"found": 1, "of": 2, "low": 0, "high": 0}
    assert done.recall("mask", 0.9)["found"] == 0
    assert done.recall("no_mask", 0.3)["of"] == 0
    assert done.recall("no_mask", 0.3, 16, 32) | {"low": 0, "high": 0} == {"found": 1, "of": 1, "low": 0, "high": 0}
    assert done.unexplained == (0.4,)
    assert done.unexplained_per_picture(0.3) == 1
    assert done.unexplained_per_picture(0.5) == 0


def test_tiles_lie_side_by_side_with_their_boxes(tmp_path: Path) -> None:
    """Five pictures make two large ones of two by two squares; each box still lies over its own pixels."""
    pictures = []
    for number, (height, width) in enumerate([(40, 60), (60, 30), (20, 20), (60, 60), (50, 50)]):
        image = np.zeros((height, width, 3), np.uint8)
        image[5:15, 3:13] = 40 * (number + 1)
        file = tmp_path / f"{number}.png"
        cv2.imwrite(str(file), image)
        faces = (LabelledFace("mask", (3, 5, 13, 15)),)
        pictures.append(Picture(file, file.name, "s", faces=faces, complete=True))
    shown = list(tile(pictures, 2))
    assert [image.shape for image, _ in shown] == [(120, 120, 3)] * 2
    assert [len(faces) for _, faces in shown] == [4, 1]
    for number, (image, box) in enumerate((image, face.box) for image, faces in shown for face in faces):
        x0, y0, x1, y1 = (int(corner) for corner in box)
        assert (image[y0:y1, x0:x1] == 40 * (number + 1)).all()


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a data set with one picture and no face in sight nothing is found, and that is said."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "data" / "images" / "a.png"), np.full((120, 160, 3), 90, np.uint8))
    (tmp_path / "data" / "boxes.csv").write_text("file,label,xmin,ymin,xmax,ymax\nimages/a.png,with_mask,10,10,60,70\n")
    manifest = "file,source,label,group,split\nimages/a.png,web,,1,val\n"
    (tmp_path / "data" / "manifest.csv").write_text(manifest)
    main(["--data", str(tmp_path / "data"), "--side", "160", "--output", str(tmp_path / "r.json")])
    assert "0.0% of 1" in capsys.readouterr().out
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["searches"]["160"]["0.5"]["recall"]["mask"]["of"] == 1
    assert report["searches"]["still"]["0.2"]["by_height"]["32-64"]["mask"] == {
        "found": 0,
        "of": 1,
        "low": 0.0,
        "high": 0.7935,
    }


def test_pictures_without_boxes_are_refused(tmp_path: Path) -> None:
    """Class folders say of no picture where all its faces are: a table of nothing would look like an answer."""
    (tmp_path / "with_mask").mkdir()
    cv2.imwrite(str(tmp_path / "with_mask" / "a.png"), np.full((120, 160, 3), 90, np.uint8))
    with pytest.raises(ConfigError, match="labelled by boxes"):
        main(["--data", str(tmp_path), "--split", "all", "--side", "160"])
