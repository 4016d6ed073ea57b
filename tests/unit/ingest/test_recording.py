"""Video files as they are written: in folders that need not be there, and with a word where they cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from ingest.recording import Recording
from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = np.full((48, 64, 3), 90, np.uint8)


def test_a_video_is_written_into_a_new_folder(tmp_path: Path) -> None:
    """Its folder is made, and its size is that of the first picture."""
    file = tmp_path / "new" / "folder" / "film.mp4"
    with Recording(file) as recording:
        for number in range(3):
            recording.write(PICTURE, number / 5)
    written = cv2.VideoCapture(str(file))
    assert (written.get(cv2.CAP_PROP_FRAME_WIDTH), written.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (64, 48)


def test_a_folder_that_cannot_be_made_is_told_before_the_first_picture(tmp_path: Path) -> None:
    """A file stands where the folder would."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match=r"film\.mp4: its folder cannot be made"),
        Recording(tmp_path / "file/film.mp4"),
    ):
        pass


@pytest.mark.parametrize("name", ["taken.mp4", "film.notaformat"])
def test_what_cannot_be_written_as_a_video_is_told(tmp_path: Path, name: str) -> None:
    """A folder of that name, or a suffix that is no format, is no traceback."""
    (tmp_path / "taken.mp4").mkdir()
    with Recording(tmp_path / name) as recording, pytest.raises(ConfigError, match="cannot be written as a video"):
        recording.write(PICTURE, 0.0)
