"""Recordings: what is written is read back, and what is no record says where."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from maskwatch.errors import ConfigError
from maskwatch.recording import Recorder, read_recording
from tests.builders import make_camera_report, make_dropped, make_observation

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = [make_camera_report(source="rtsp://h/1"), make_observation(no_mask=1, mask=1), make_dropped()]


def test_a_recording_returns_and_is_private(tmp_path: Path) -> None:
    """All kinds of records come back equal and in order, from a file that only its owner can read."""
    path = tmp_path / "door.jsonl"
    with Recorder(path) as recorder:
        for each in RECORDS:
            recorder.write(each)
    assert list(read_recording(path)) == RECORDS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text().splitlines()) == len(RECORDS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param("nonsense", "no JSON object", id="no JSON"),
        pytest.param('{"kind": "observation"}', "no JSON object with v, kind and head", id="fields missing"),
        pytest.param('{"v": 9, "kind": "observation", "head": {}}', "schema version", id="of a newer version"),
        pytest.param('{"v": 1, "kind": "event", "head": {}}', "unknown kind", id="another kind"),
        pytest.param('{"v": 1, "kind": "dropped", "head": {"camera_id": "a"}}', "dropped: run", id="a field missing"),
        pytest.param("[1]", "no JSON object", id="no object"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    """The error gives file, line and cause; lines before it were read, and empty ones are passed over."""
    path = tmp_path / "bad.jsonl"
    with Recorder(path) as recorder:
        recorder.write(RECORDS[0])
    path.write_text(path.read_text() + f"\n{line}\n")
    read = read_recording(path)
    assert next(read) == RECORDS[0]
    with pytest.raises(ConfigError, match=r"bad\.jsonl:3: is no record") as caught:
        next(read)
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Neither reading nor writing fails with a traceback."""
    with pytest.raises(ConfigError, match="cannot be read"):
        list(read_recording(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match="cannot be written"):
        Recorder(tmp_path / "no folder" / "file.jsonl")
