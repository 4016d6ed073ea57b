"""The command line as a person calls it, in processes of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import skimage.data

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Image

pytestmark = pytest.mark.integration

CLIP = ROOT / "ingest" / "demo" / "lobby.mp4"


def call(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `maskwatch` and hold its exit code to what is expected."""
    command = [sys.executable, "-m", "maskwatch", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture(scope="module")
def astronaut() -> Image:
    """A portrait in the public domain, BGR: one bare face."""
    return np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])


def test_the_minimal_settings_are_accepted_and_shown_without_secrets(tmp_path: Path) -> None:
    """The four lines of the README are valid, and the password does not appear."""
    file = tmp_path / "cameras.yaml"
    file.write_text("cameras:\n  - id: lobby\n    source: rtsp://user:${PW:-hunter2}@192.0.2.10/stream1\n")
    done = call("check-config", file)
    assert "rtsp://***@192.0.2.10/stream1" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_settings_are_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container, where MASKWATCH_CONFIG names the file, nobody has to."""
    file = tmp_path / "cameras.yaml"
    file.write_text("bus: {url: 'redis://127.0.0.1:1/0'}\n")
    monkeypatch.setenv("MASKWATCH_CONFIG", str(file))
    assert "redis://127.0.0.1:1/0" in call("check-config").stdout
    assert "redis://127.0.0.1:1/0" in call("doctor", "--data-dir", tmp_path, code=1).stdout
    assert "the bus does not answer" in call("status", "--data-dir", tmp_path, code=2).stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("camera: []\n", ":1: camera: unknown field; did you mean `cameras`?", id="misspelt"),
        pytest.param("cameras:\n  - {id: a, source: x, fps: 0}\n", ":2: cameras[0].fps: ", id="out of bounds"),
        pytest.param("cameras: [\n", ": is not YAML", id="no YAML"),
    ],
)
def test_a_mistake_in_the_settings_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """Exit 2, with file, line, field and what is wrong; no traceback."""
    file = tmp_path / "cameras.yaml"
    file.write_text(text)
    done = call("check-config", file, code=2)
    assert f"{file}" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["up", "ingest", "detect", "aggregate"])
def test_a_missing_settings_file_is_said_plainly(tmp_path: Path, command: str) -> None:
    """No stage starts without its settings, and says which file it looked for."""
    done = call(command, "-c", tmp_path / "none.yaml", "--data-dir", tmp_path / "data", code=2)
    assert "none.yaml: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_schema_and_doctor_speak_json(tmp_path: Path) -> None:
    """Both can be read by programs, and here nothing is missing that must be there."""
    assert json.loads(call("schema").stdout)["properties"]["cameras"]
    rows = [json.loads(line) for line in call("doctor", "--json", "--data-dir", tmp_path).stdout.splitlines()]
    found = {row["name"]: row["status"] for row in rows}
    assert found["onnxruntime"] == "ok"
    assert found["bus"] == "ok"
    assert "fail" not in found.values()


def test_a_picture_is_judged_in_its_own_pixels(tmp_path: Path, astronaut: Image) -> None:
    """`image --json` prints one line with the box of the face and its state, and --output draws it."""
    file, drawn = tmp_path / "portrait.png", tmp_path / "out" / "drawn.png"
    cv2.imwrite(str(file), astronaut)
    done = call("image", "--image", file, "--json", "--confidence", "0.5", "--output", drawn)
    (line,) = map(json.loads, done.stdout.splitlines())
    assert (line["image"], line["width"], line["height"]) == ("portrait.png", 512, 512)
    (face,) = line["faces"]
    assert face["state"] == "no_mask"
    assert set(face["probabilities"]) == {"mask", "no_mask", "incorrect"}
    x_min, y_min, x_max, y_max = face["box"]
    assert (160 < x_min < 200, 250 < x_max < 290) == (True, True)
    assert (50 < y_min < 90, 150 < y_max < 200) == (True, True)
    result = cv2.imread(str(drawn))
    assert result is not None
    assert result.shape == astronaut.shape
    assert (result != astronaut).any()


def test_a_folder_of_pictures_goes_through_in_one_go(tmp_path: Path, astronaut: Image) -> None:
    """Names are relative to the folder; a broken file is reported, does not stop the rest, and sets exit code 1."""
    pictures = tmp_path / "pictures"
    (pictures / "deep").mkdir(parents=True)
    cv2.imwrite(str(pictures / "a.jpg"), astronaut)
    cv2.imwrite(str(pictures / "deep" / "large.jpg"), cv2.resize(astronaut, (2048, 2048)))
    cv2.imwrite(str(pictures / "deep" / "nobody.png"), np.full((120, 160, 3), 99, np.uint8))
    (pictures / "broken.jpg").write_bytes(b"this is no picture")
    done = call("image", "--image", pictures, "--json", "--confidence", "0.5", "--output", tmp_path / "out", code=1)
    lines = {line["image"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(lines) == {"a.jpg", "broken.jpg", "deep/large.jpg", "deep/nobody.png"}
    assert [len(lines[name]["faces"]) for name in ("a.jpg", "deep/nobody.png")] == [1, 0]
    heights = [face["box"][3] - face["box"][1] for face in lines["deep/large.jpg"]["faces"]]
    assert heights[0] > 400, "the surest face is the large one; enlarged cloth and badges may pass for small ones"
    assert max(heights[1:], default=0) < 160
    assert "broken.jpg" in done.stderr
    assert (tmp_path / "out" / "deep" / "large.jpg").exists()


def test_a_wrong_model_is_refused(tmp_path: Path, astronaut: Image) -> None:
    """The face detector given as mask classifier ends with exit code 3 and a word that helps."""
    file = tmp_path / "portrait.png"
    cv2.imwrite(str(file), astronaut)
    wrong = ROOT / "detector" / "models" / "face_yunet_2023mar.onnx"
    done = call("image", "--image", file, "--model", wrong, code=3)
    assert "expected 'face-mask-classification'" in done.stderr


def test_a_video_is_annotated_and_summed_up(tmp_path: Path) -> None:
    """`video` writes a playable file with the same duration and counts the faces it judged."""
    output = tmp_path / "annotated.mp4"
    done = call("video", "--source", CLIP, "--output", output, "--json", "--seconds", "12")
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert summary["pictures"] > 150
    assert summary["no_mask"] > 60
    written = cv2.VideoCapture(str(output))
    assert (written.get(cv2.CAP_PROP_FRAME_WIDTH), written.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (640, 480)


def test_what_is_read_is_not_replaced(tmp_path: Path, astronaut: Image) -> None:
    """--output that names the source itself, by whatever path, is refused, and the source stays."""
    file, clip = tmp_path / "portrait.png", tmp_path / "clip.mp4"
    cv2.imwrite(str(file), astronaut)
    shutil.copy(CLIP, clip)
    (tmp_path / "link.mp4").symlink_to(clip)
    for arguments in (
        ("video", "--source", clip, "--output", tmp_path / "link.mp4"),
        ("image", "--image", file, "--output", file),
        ("image", "--image", tmp_path, "--output", tmp_path),
    ):
        assert "is what is read; name another" in call(*arguments, code=2).stderr
    assert clip.read_bytes() == CLIP.read_bytes()
    assert np.array_equal(cv2.imread(str(file)), astronaut)


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path, astronaut: Image) -> None:
    """A file stands where its folder would: one sentence, no traceback."""
    file = tmp_path / "portrait.png"
    cv2.imwrite(str(file), astronaut)
    told = call("image", "--image", file, "--output", file / "drawn.png", code=2).stderr
    assert "drawn.png: cannot be written" in told
    told = call("video", "--source", CLIP, "--output", file / "drawn.mp4", code=2).stderr
    assert "drawn.mp4: its folder cannot be made" in told
    assert "Traceback" not in told


def test_looking_where_nothing_ran_says_so(tmp_path: Path) -> None:
    """`events`, `status` and `health` on an empty data directory explain themselves."""
    assert "no database yet" in call("events", "--data-dir", tmp_path, code=2).stderr
    assert "nothing runs on" in call("status", "--data-dir", tmp_path, code=2).stderr
    assert "no worker has run" in call("health", "--data-dir", tmp_path, code=1).stdout
