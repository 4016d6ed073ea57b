"""What training.clips promises: only faces whose truth is known are scored, and runs of wrong alarms are found."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from detector.pipeline import open_pipeline
from maskwatch.cli.evaluate import evaluate as evaluate_command
from maskwatch.domain import MaskState
from maskwatch.errors import ConfigError
from maskwatch.settings import DetectorSettings
from tests.builders import make_detection
from training.clips import TRUTHS, Clip, longest_wrong, look_every, read_clips, read_frames, score_clips, watch

if TYPE_CHECKING:
    from pathlib import Path

LEFT = (10.0, 10.0, 30.0, 30.0)
RIGHT = (60.0, 10.0, 80.0, 30.0)

ENTRY: dict[str, Any] = {
    "fps": 10,
    "everyone": "varies",
    "people": {"anna": {"region": [0, 0, 40, 40]}},
    "truth": [
        {"person": "anna", "from_frame": 0, "to_frame": 4, "state": "no_mask"},
        {"person": "anna", "from_frame": 6, "to_frame": 9, "state": "mask"},
        {"person": "anna", "from_frame": 10, "to_frame": 12, "state": "none"},
    ],
    "not_people": [{"what": "a poster", "region": [50, 0, 90, 40], "from_frame": 0, "to_frame": 5}],
}


def make_clip(folder: Path, *, frames: int = 12, **changes: Any) -> Clip:
    """A clip of grey frames, each a little lighter than the one before, and what is said of it."""
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height = 96, 64
        for number in range(frames):
            picture = np.full((64, 96, 3), 20 + 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    (folder / TRUTHS).write_text(yaml.safe_dump({"version": 1, "clips": {"clip.mp4": ENTRY | changes}}))
    return read_clips(folder)[0]


def test_a_face_is_whose_region_holds_its_centre(tmp_path: Path) -> None:
    """With the state of that frame; not in transitions, not where nobody can be seen, not elsewhere."""
    clip = make_clip(tmp_path)
    assert clip.truth_of(LEFT, 0) == ("anna", "no_mask")
    assert clip.truth_of(LEFT, 6) == ("anna", "mask")
    assert clip.truth_of(LEFT, 5) is None
    assert clip.truth_of(LEFT, 11) is None
    assert clip.truth_of(RIGHT, 0) is None


def test_where_everyone_is_alike_all_but_posters_count(tmp_path: Path) -> None:
    """In the frames that ranges cover, and posters only as long as they are seen."""
    clip = make_clip(tmp_path, everyone="no_mask", people={}, truth=[ENTRY["truth"][0] | {"to_frame": 9}])
    assert clip.truth_of(LEFT, 3) == ("anybody", "no_mask")
    assert clip.truth_of(RIGHT, 3) is None
    assert clip.truth_of(RIGHT, 8) == ("anybody", "no_mask")
    assert clip.truth_of(LEFT, 10) is None


def test_without_regions_all_must_be_in_one_state(tmp_path: Path) -> None:
    """Else nobody knows whose face it is."""
    ben = {"person": "ben", "from_frame": 3, "to_frame": 9, "state": "mask"}
    clip = make_clip(tmp_path, people={}, not_people=[], truth=[*ENTRY["truth"], ben])
    assert clip.truth_of(LEFT, 2) == ("anybody", "no_mask")
    assert clip.truth_of(LEFT, 4) is None
    assert clip.truth_of(LEFT, 7) == ("anybody", "mask")


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([], 0.0, id="never seen"),
        pytest.param([(0, True), (2, True), (4, False), (6, True)], 0.4, id="two in a row"),
        pytest.param([(0, True), (4, True), (6, True)], 0.4, id="a look without the face ends a run"),
        pytest.param([(0, True), (0, False), (2, False), (2, True), (4, False)], 0.4, id="one of two faces"),
    ],
)
def test_runs_of_wrong_alarms(looks: list[tuple[int, bool]], expected: float) -> None:
    """Every second frame looked at, ten frames a second."""
    assert longest_wrong(looks, every=2, fps=10) == pytest.approx(expected)


def test_what_is_told_of_known_faces_is_kept(tmp_path: Path) -> None:
    """Truths beside states, and for worn masks whether an alarm was due to nothing."""
    clip = make_clip(tmp_path)
    bare, worn = (make_detection(state, box=LEFT) for state in (MaskState.NO_MASK, MaskState.MASK))
    told = watch(clip, [(0, [bare]), (5, [bare]), (7, [bare]), (8, [worn, make_detection(box=RIGHT)])])
    assert told.truths == ["no_mask", "mask", "mask"]
    assert told.states == ["no_mask", "no_mask", "mask"]
    assert told.masked == {"anna": [(7, True), (8, False)]}


def test_frames_are_counted_as_they_are_shown(tmp_path: Path) -> None:
    """Every fifth of twelve, the first included."""
    clip = make_clip(tmp_path)
    frames = list(read_frames(clip, 5))
    assert [number for number, _ in frames] == [0, 5, 10]
    assert [round(image.mean() / 10) for _, image in frames] == [2, 7, 12]
    assert frames[0][1].shape == (64, 96, 3)
    assert look_every(clip) == 2
    assert look_every(clip, 7) == 7


def test_clips_without_faces_have_rows_without_figures(tmp_path: Path) -> None:
    """Nothing is found, so nothing is right or wrong."""
    clip = make_clip(tmp_path, frames=4)
    pipeline, _, _ = open_pipeline(DetectorSettings(provider="cpu"))
    report = score_clips([clip], pipeline, track=iter)
    assert report["clips"]["clip.mp4"]["faces"] == report["all"]["faces"] == 0
    assert report["all"]["right"]["value"] is None


def test_the_command_plays_clips(tmp_path: Path) -> None:
    """By the models of the product only, at as many frames as asked for."""
    make_clip(tmp_path, frames=4)
    arguments = ["--clips", str(tmp_path), "--every", "3", "--provider", "cpu"]
    done = CliRunner().invoke(evaluate_command, [*arguments, "--json"], catch_exceptions=False)
    report = json.loads(done.stdout)["clips"]
    assert report["clips"]["clip.mp4"]["every"] == 3
    assert report["model"]["bytes"] > 1000
    assert "clip.mp4" in CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False).output
    with pytest.raises(ConfigError, match="only models of this product"):
        CliRunner().invoke(evaluate_command, [*arguments, "--lines", "-"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"fps": "fast"}, "clip.mp4: could not convert", id="no number"),
        pytest.param({"truth": [{"person": "anna"}]}, "clip.mp4: 'from_frame'", id="no range"),
        pytest.param({"everyone": "masked"}, "clip.mp4: state 'masked'", id="unknown state"),
    ],
)
def test_a_wrong_truth_is_named(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    """By the clip and the field."""
    with pytest.raises(ConfigError, match=named):
        make_clip(tmp_path, **changes)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """The list of truths, and a clip that is in it."""
    with pytest.raises(ConfigError, match=r"ground_truth\.yaml: no such file"):
        read_clips(tmp_path)
    make_clip(tmp_path)
    (tmp_path / "clip.mp4").unlink()
    with pytest.raises(ConfigError, match=r"clip\.mp4: no such clip"):
        read_clips(tmp_path)


@pytest.mark.shared
def test_the_shared_clips_truths_are_understood(shared_videos: Path) -> None:
    """The painting is nobody, and the man on the left takes his mask off."""
    clips = {clip.file.name: clip for clip in read_clips(shared_videos)}
    office = clips["office_four_people_mask_on_off.mp4"]
    assert office.truth_of((460.0, 100.0, 500.0, 140.0), 50) is None
    assert office.truth_of((220.0, 180.0, 280.0, 260.0), 150) == ("man_left", "no_mask")
    assert office.truth_of((220.0, 180.0, 280.0, 260.0), 120) is None
    assert clips["tv_two_unmasked_then_fabric_mask.mp4"].truth_of((0.0, 0.0, 9.0, 9.0), 20) == ("anybody", "mask")
