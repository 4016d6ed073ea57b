"""What detector.faces promises: the right boxes, in pixels of the given picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from detector.engine import Engine
from detector.engine_scripted import ScriptedEngine
from detector.faces import STRIDES, Face, FaceFinder, thin_out
from maskwatch.errors import ConfigError, ModelMismatch
from maskwatch.model_contract import FACE_TASK, MASK_TASK, ModelContract

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "detector" / "models" / "face_yunet_2023mar.onnx"
SCENES = ROOT.parent / "shared" / "data" / "dev" / "det_kaggle853" / "images"
CONTRACT = ModelContract(task=FACE_TASK, name="scripted")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    """The shipped detector at the size of a deployment."""
    return FaceFinder(engine=Engine(model=MODEL, provider="cpu", intra_op_threads=1))


def make_portrait() -> np.ndarray:
    """Eileen Collins, by NASA, in the public domain: 512 x 512 x 3, BGR; her face fills about 170-280, 60-200."""
    return np.ascontiguousarray(astronaut()[..., ::-1])


def make_outputs(
    cells: dict[tuple[int, int], dict[str, list[float]]], width: int, height: int
) -> dict[str, np.ndarray]:
    """Raw outputs that are zero but for the given (stride, index) cells."""
    channels = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    outputs = {
        f"{part}_{stride}": np.zeros((1, width // stride * (height // stride), count), np.float32)
        for part, count in channels.items()
        for stride in STRIDES
    }
    for (stride, index), parts in cells.items():
        for part, values in parts.items():
            outputs[f"{part}_{stride}"][0, index] = values
    return outputs


def make_finder(outputs: dict[str, np.ndarray], width: int, height: int, min_score: float = 0.6) -> FaceFinder:
    """A finder whose network always answers with these outputs."""
    engine = ScriptedEngine(contract=CONTRACT, answer=lambda batch: outputs, batch_sizes=(1,))
    return FaceFinder(engine=engine, width=width, height=height, min_score=min_score)


def assert_same(one: Face, other: Face, tolerance: float) -> None:
    """Two finds of one face."""
    np.testing.assert_allclose(one.box, other.box, atol=tolerance)
    np.testing.assert_allclose(one.landmarks, other.landmarks, atol=tolerance)


def test_the_one_face_of_a_portrait_is_found(finder: FaceFinder) -> None:
    """The box lies around the face, the landmarks lie in it as they are named."""
    (face,) = finder.find([make_portrait()])[0]
    np.testing.assert_allclose(face.box, (176, 68, 272, 194), atol=20)
    assert 0.8 < face.score <= 1
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert face.height == pytest.approx(face.box[3] - face.box[1])


def test_boxes_are_in_pixels_of_the_given_picture(finder: FaceFinder) -> None:
    """A picture twice as large has its face at twice the place, though the network sees the same."""
    portrait = make_portrait()
    (face,) = finder.find([portrait])[0]
    (larger,) = finder.find([cv2.resize(portrait, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)])[0]
    np.testing.assert_allclose(larger.box, 2 * np.array(face.box), atol=6)
    np.testing.assert_allclose(larger.landmarks, 2 * np.array(face.landmarks), atol=6)


@pytest.mark.parametrize(
    ("part", "expected"), [((slice(300), slice(512)), (640, 384)), ((slice(512), slice(150, 300)), (192, 640))]
)
def test_trimmed_to_a_picture_it_finds_the_same_faces(
    part: tuple[slice, slice], expected: tuple[int, int], finder: FaceFinder
) -> None:
    """The empty rest of the input, below or to the right, is left out; boxes stay in pixels of the picture."""
    picture = np.ascontiguousarray(make_portrait()[part])
    square = FaceFinder(engine=finder._engine, width=640, height=640)
    trimmed = square.trimmed(picture)
    assert (trimmed.width, trimmed.height) == expected
    (whole,), (same,) = square.find([picture])[0], trimmed.find([picture])[0]
    assert_same(same, whole, 4.0)  # of a face 110 high: the network's edge is nearer now


def test_pictures_of_a_batch_do_not_mix(finder: FaceFinder) -> None:
    """Sizes may differ, an empty scene stays empty, and each answer equals that of the picture alone."""
    portrait = make_portrait()
    batch = [portrait, np.zeros((120, 500, 3), np.uint8), portrait[:300], np.ascontiguousarray(portrait[:, ::-1])]
    found = finder.find(batch)
    assert [len(faces) for faces in found] == [1, 0, 1, 1]
    for picture, faces in zip(batch, found, strict=True):
        for face, alone in zip(faces, finder.find([picture])[0], strict=True):
            assert_same(face, alone, 0.01)
    assert found[3][0].box[0] == pytest.approx(512 - found[0][0].box[2], abs=6)


def test_frontness_is_kept_by_tilt_and_lost_by_turning(finder: FaceFinder) -> None:
    """A portrait tilted by 30 degrees is as frontal as before; features on one line are not frontal at all."""
    portrait = make_portrait()
    (face,) = finder.find([portrait])[0]
    turn = cv2.getRotationMatrix2D((224, 130), 30, 1)
    (tilted,) = finder.find([cv2.warpAffine(portrait, turn, (512, 512))])[0]
    assert 0.6 < face.frontness < 1.1
    assert 0.6 < tilted.frontness < 1.1
    side = Face((0, 0, 40, 50), ((9, 10), (9, 10), (2, 25), (9, 40), (9, 40)), 0.7)
    assert side.frontness == 0
    assert Face((0, 0, 40, 50), ((5, 5),) * 5, 0.7).frontness == 0


def test_no_pictures_no_faces(finder: FaceFinder) -> None:
    """An empty batch is answered without a run."""
    assert finder.find([]) == []


def test_one_cell_is_decoded_as_documented() -> None:
    """Cell 9 of a 4 x 2 grid of stride 16 would not exist; cell 5 is column 1, row 1."""
    cell = {
        "cls": [0.81],
        "obj": [1.0],
        "bbox": [0.5, 0.25, np.log(2), np.log(3)],
        "kps": [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1],
    }
    finder = make_finder(make_outputs({(16, 5): cell}, 64, 32), 64, 32)
    ((face,),) = finder.find([np.zeros((16, 32, 3), np.uint8)])
    # In the network's pixels the centre is (24, 20), the size 32 x 48; the picture is half as large.
    np.testing.assert_allclose(face.box, (4, -2, 20, 22), atol=1e-4)
    np.testing.assert_allclose(face.landmarks, [(8, 8), (16, 8), (12, 12), (8, 16), (16, 16)], atol=1e-4)
    assert face.score == pytest.approx(0.9)


def test_faces_come_best_first_and_above_the_score_only() -> None:
    """The score is the root of the product of both confidences, each cut to at most one."""
    box = {"bbox": [0.5, 0.5, 0.0, 0.0]}
    cells = {
        (8, 0): {"cls": [0.5], "obj": [0.5], **box},  # 0.5: too low
        (8, 3): {"cls": [0.7], "obj": [0.7], **box},
        (32, 1): {"cls": [4.0], "obj": [0.9], **box},  # cut to 1: 0.949
    }
    (faces,) = make_finder(make_outputs(cells, 64, 32), 64, 32).find([np.zeros((32, 64, 3), np.uint8)])
    assert [round(face.score, 3) for face in faces] == [0.949, 0.7]


def test_an_extreme_size_does_not_overflow() -> None:
    """A wild network output gives a large box, not an infinite one or a warning."""
    cells = {(8, 0): {"cls": [1.0], "obj": [1.0], "bbox": [0.0, 0.0, 500.0, 500.0]}}
    ((face,),) = make_finder(make_outputs(cells, 32, 32), 32, 32).find([np.zeros((32, 32, 3), np.uint8)])
    assert np.isfinite(face.box).all()


@pytest.mark.parametrize(
    ("boxes", "kept"),
    [
        pytest.param([], [], id="none"),
        pytest.param([[0, 0, 10, 10], [0, 0, 10, 10]], [0], id="the same twice"),
        pytest.param([[0, 0, 10, 10], [5, 0, 15, 10]], [0], id="a third in common"),
        pytest.param([[0, 0, 10, 10], [6, 0, 16, 10]], [0, 1], id="a quarter in common"),
        pytest.param([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], [0, 2], id="the one between does not count"),
    ],
)
def test_overlapping_boxes_are_thinned_out(boxes: list[list[float]], kept: list[int]) -> None:
    """Of boxes that share more than 0.3 the better stays."""
    assert thin_out(np.array(boxes, np.float32).reshape(-1, 4), 0.3) == kept


def test_a_size_the_network_cannot_take_is_a_configuration_error() -> None:
    """720 is no multiple of 32, and the error says so."""
    with pytest.raises(ConfigError, match="multiples of 32"):
        make_finder({}, 1280, 720)


def test_another_model_is_refused() -> None:
    """The mask classifier does not find faces."""
    contract = ModelContract(task=MASK_TASK, name="masks")
    engine = ScriptedEngine(contract=contract, answer=lambda batch: {})
    with pytest.raises(ModelMismatch, match="face-detection-yunet"):
        FaceFinder(engine=engine)


@pytest.mark.shared
def test_opencv_decodes_the_same_faces() -> None:
    """On scenes this decoder and OpenCV's agree about every face and landmark."""
    if not SCENES.is_dir():
        pytest.skip("the development pictures are not beside this checkout")
    engine = Engine(model=MODEL, provider="cpu", intra_op_threads=1)
    for path in sorted(SCENES.iterdir())[:12]:
        picture = cv2.imread(str(path))
        height, width = (side // 32 * 32 for side in picture.shape[:2])
        picture = np.ascontiguousarray(picture[:height, :width])
        ours = FaceFinder(engine=engine, width=width, height=height).find([picture])[0]
        theirs = cv2.FaceDetectorYN.create(str(MODEL), "", (width, height), 0.6, 0.3, 5000).detect(picture)[1]
        found = np.zeros((0, 15)) if theirs is None else theirs  # type: ignore[redundant-expr]  # it may be None
        rows = found[np.argsort(-found[:, 14])]
        assert len(ours) == len(rows), path.name
        for face, row in zip(sorted(ours, key=lambda face: -face.score), rows, strict=True):
            np.testing.assert_allclose(face.box, [row[0], row[1], row[0] + row[2], row[1] + row[3]], atol=0.05)
            np.testing.assert_allclose(np.ravel(face.landmarks), row[4:14], atol=0.05)
