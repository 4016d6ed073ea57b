"""What training.crops promises: faces cut as the service cuts them, with the right label."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine import Engine
from detector.faces import Face, FaceFinder
from maskwatch.errors import ConfigError
from maskwatch.imaging import crop_face
from training.crops import CONTEXT, DOUBTFUL_SCORE, SMALLEST_FACE, Sample, StillFinder, cut, match
from training.datasets import IGNORE, UNCERTAIN, LabelledFace, Picture, overlap
from training.jitter import compare, find_changed, measure_jitter, table

MODEL = Path(__file__).parents[3] / "detector" / "models" / "face_yunet_2023mar.onnx"
SIZE = 96
BOXED = (176.0, 68.0, 272.0, 194.0)  # the astronaut's face
NOWHERE = (380.0, 380.0, 440.0, 450.0)  # her arm


def make_image() -> np.ndarray:
    """Eileen Collins, by NASA, in the public domain: 512 x 512 x 3, BGR."""
    return np.ascontiguousarray(astronaut()[..., ::-1])


def make_face(box: tuple[float, float, float, float]) -> Face:
    """A found face with a box."""
    return Face(box, ((0.0, 0.0),) * 5, 0.9)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two crops, blurred so that a box some pixels off is still the same place."""
    blurred = [cv2.blur(picture, (15, 15)).ravel() for picture in (one, other)]
    return float(np.corrcoef(*blurred)[0, 1])


def write(folder: Path, name: str, image: np.ndarray) -> Path:
    """Write a picture and return its path."""
    cv2.imwrite(str(folder / name), image)
    return folder / name


@pytest.fixture
def portrait(tmp_path: Path) -> Picture:
    """A picture that one bare face fills."""
    path = write(tmp_path, "bare.png", make_image())
    return Picture(path, "bare.png", "bare people", group="g", split="train", label="no_mask")


@pytest.fixture
def scene(tmp_path: Path) -> Picture:
    """A picture with a box on the face and a box where no face is."""
    faces = (LabelledFace("no_mask", BOXED), LabelledFace("incorrect", NOWHERE))
    return Picture(write(tmp_path, "scene.png", make_image()), "scene.png", "streets", faces=faces, complete=True)


def cut_all(*pictures: Picture, **options: int) -> list[Sample]:
    """Cut at SIZE."""
    return list(cut(pictures, MODEL, input_size=SIZE, **options))


def test_portraits_are_cut_where_the_detector_looks(portrait: Picture) -> None:
    """The face is cut as the service would, and keeps all that is known of its picture."""
    (bare,) = cut_all(portrait)
    assert (bare.label, bare.found, bare.source, bare.split, bare.group) == (
        "no_mask",
        True,
        "bare people",
        "train",
        "g",
    )
    finder = FaceFinder(engine=Engine(model=MODEL, provider="cpu"), width=512, height=512)
    (face,) = finder.find([make_image()])[0]
    assert bare.crop.shape == (SIZE, SIZE, 3)
    assert likeness(bare.crop, crop_face(make_image(), face.box, SIZE)) > 0.9
    assert overlap(bare.box, face.box) > 0.8
    assert bare.face_score > 0.6


def test_a_portrait_without_a_find_is_cut_whole(tmp_path: Path) -> None:
    """Dropping what the detector misses would drop the hard masks."""
    grey = np.full((90, 60, 3), 128, np.uint8)
    grey[:3] = 20  # the upper edge must be in the crop
    picture = Picture(write(tmp_path, "grey.png", grey), "grey.png", "set", label="mask")
    (sample,) = cut_all(picture)
    assert (sample.label, sample.found, sample.face_score, sample.landmarks) == ("mask", False, 0.0, None)
    assert sample.face_px == pytest.approx(90 / 1.3)
    assert (sample.crop[0] < 60).all()
    assert (sample.crop[8:] == 128).all()


def test_a_patch_shows_the_crop_in_its_middle(portrait: Picture) -> None:
    """Cutting the middle out of the patch gives the crop again, and the landmarks lie on the face."""
    (bare,) = cut_all(portrait)
    side = bare.patch.shape[0]
    assert side == SIZE * CONTEXT
    edge = round(side * (1 - 1 / CONTEXT) / 2)
    middle = cv2.resize(bare.patch[edge:-edge, edge:-edge], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert float(np.abs(middle.astype(float) - bare.crop).mean()) < 10
    assert bare.landmarks is not None
    assert (bare.landmarks > edge).all()
    assert (bare.landmarks < side - edge).all()


def test_scenes_take_label_and_place(scene: Picture) -> None:
    """A found face takes the label of its box; a box without a find keeps its own place."""
    labels = {sample.label: sample for sample in cut_all(scene) if sample.label != UNCERTAIN}
    assert set(labels) == {"no_mask", "incorrect"}
    assert labels["no_mask"].found
    assert labels["no_mask"].landmarks is not None
    assert not labels["incorrect"].found
    assert labels["incorrect"].box == NOWHERE
    np.testing.assert_array_equal(labels["incorrect"].crop, crop_face(make_image(), NOWHERE, SIZE))


def test_faces_to_ignore_are_neither_cut_nor_uncertain(scene: Picture) -> None:
    """What somebody chose to leave out is left out, although the detector finds it."""
    faces = tuple(replace(face, label=IGNORE) for face in scene.faces)
    assert all(overlap(sample.box, BOXED) < 0.05 for sample in cut_all(replace(scene, faces=faces)))


def test_faces_nobody_can_tell_are_uncertain(scene: Picture) -> None:
    """A hand-made `uncertain` becomes such a sample, at the place of the find."""
    faces = (LabelledFace(UNCERTAIN, BOXED),)
    best = max(cut_all(replace(scene, faces=faces)), key=lambda sample: overlap(sample.box, BOXED))
    assert (best.label, best.found) == (UNCERTAIN, True)


@pytest.mark.parametrize("blur", [4, 12])
def test_wrong_finds_are_uncertain_only_where_all_faces_are_labelled(tmp_path: Path, blur: float) -> None:
    """A weak find beside the labels is no face in a complete picture; elsewhere, or if sure, it may be a face."""
    image = cv2.GaussianBlur(make_image(), (0, 0), blur)
    weak = [face for face in StillFinder(MODEL).find(image) if face.score < DOUBTFUL_SCORE]
    assert weak, "the picture must hold a weak find, or the test says nothing"
    picture = Picture(write(tmp_path, "blurred.png", image), "blurred.png", "set", complete=True)
    told = [(sample.label, sample.found, sample.face_score) for sample in cut_all(picture)]
    assert told == [(UNCERTAIN, True, face.score) for face in weak]
    assert cut_all(replace(picture, complete=False)) == []


def test_small_faces_are_left_out(tmp_path: Path, portrait: Picture) -> None:
    """Below SMALLEST_FACE labels and eyes disagree."""
    tiny = cv2.resize(make_image(), (60, 60), interpolation=cv2.INTER_AREA)
    faces = (LabelledFace("no_mask", (20.0, 8.0, 32.0, 23.0)),)
    picture = Picture(write(tmp_path, "tiny.png", tiny), "tiny.png", "set", faces=faces)
    assert SMALLEST_FACE > 15
    assert cut_all(picture) == []
    assert len(cut_all(picture, smallest_face=12)) == 1
    assert cut_all(portrait, smallest_face=200) == []


def test_backgrounds_avoid_faces(scene: Picture) -> None:
    """No place taken for background touches the labelled or found face, and the seed decides which are taken."""
    scene = replace(scene, complete=False, faces=scene.faces[:1])
    places = [sample for sample in cut_all(scene, backgrounds=20, seed=3) if sample.label == UNCERTAIN]
    assert 3 < len(places) < 20
    assert all(overlap(place.box, BOXED) < 0.1 and not place.found for place in places)
    again = [sample.box for sample in cut_all(scene, backgrounds=20, seed=3) if sample.label == UNCERTAIN]
    assert again == [place.box for place in places]
    other = [sample.box for sample in cut_all(scene, backgrounds=20, seed=4) if sample.label == UNCERTAIN]
    assert other != again


def test_large_and_small_faces_are_found(tmp_path: Path) -> None:
    """A picture is searched at scales enough for a face that fills it and for one that is lost in it."""
    image = np.full((1200, 1600, 3), 90, np.uint8)
    image[:1100, :1100] = cv2.resize(make_image()[40:260, 120:340], (1100, 1100), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(make_image(), (140, 140), interpolation=cv2.INTER_AREA)
    image[1000:1140, 1300:1440] = small
    finds = [face.box for face in StillFinder(MODEL, min_score=0.6).find(image)]
    low, high = 140 / 512 * np.array(BOXED[:2]) + [1300, 1000], 140 / 512 * np.array(BOXED[2:]) + [1300, 1000]
    assert any(overlap(box, (*low, *high)) > 0.5 for box in finds)
    scale = 1100 / 220
    big = ((176 - 120) * scale, (68 - 40) * scale, (272 - 120) * scale, (194 - 40) * scale)
    assert any(overlap(box, big) > 0.5 for box in finds)


def test_a_picture_that_cannot_be_read_is_named(portrait: Picture) -> None:
    """A missing file stops the cutting with its name."""
    portrait.path.unlink()
    with pytest.raises(ConfigError, match=r"bare\.png: no such picture"):
        cut_all(portrait)


def test_each_face_is_matched_once_and_to_the_best() -> None:
    """Two labels cannot share one find; the closer one takes it."""
    boxes = ((0.0, 0.0, 10.0, 10.0), (2.0, 0.0, 12.0, 10.0), (50.0, 0.0, 60.0, 10.0))
    truths = [LabelledFace("mask", box) for box in boxes]
    close = make_face((2.5, 0, 12.5, 10))
    assert match(truths, [close]) == [(truths[0], None), (truths[1], close), (truths[2], None)]


def test_jitter_is_measured_in_sides_of_the_first_box() -> None:
    """A box twice as large, a quarter side to the right, is told as such."""
    first = [LabelledFace("mask", (0.0, 0.0, 20.0, 40.0))]
    (found,) = compare("label to find", first, [make_face((5.0, -2.0, 35.0, 48.0))])
    assert [found.right, found.down, found.face_px] == pytest.approx([0.25, 0.075, 40])
    assert np.exp(found.scale) == pytest.approx(1.25)


def test_changed_pictures_give_boxes_in_pixels_of_the_picture_as_it_was() -> None:
    """The face is found again near its place, whatever the zoom."""
    finder = StillFinder(MODEL)
    for seed in range(4):
        best = find_changed(finder, make_image(), np.random.default_rng(seed))[0]
        assert overlap(best.box, BOXED) > 0.6


def test_jitter_of_a_data_set(scene: Picture) -> None:
    """Both kinds are measured, for faces that are found, and told as a table."""
    jitters = measure_jitter([scene], MODEL)
    assert [jitter.kind for jitter in jitters] == ["label to find", "find to find"]
    assert all(abs(jitter.right) < 0.3 and abs(jitter.scale) < 0.4 for jitter in jitters)
    assert "find to find" in table(jitters)
