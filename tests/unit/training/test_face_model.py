"""What the training of the face detector promises: the same network, its way back, and targets where faces are."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from detector.engine import Engine
from detector.pipeline import FACE_MODEL, model_path
from training.face_canvas import SWAPPED, Scene, place
from training.face_targets import Truth, assign, cells, decode_boxes

pytestmark = [pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]  # keras 3 on numpy 2

SHIPPED = model_path("", FACE_MODEL)


@pytest.mark.training
def test_the_network_answers_as_the_file_does() -> None:
    """All twelve outputs, at a size that is no square."""
    from training.face_model import build

    pictures = np.random.default_rng(1).integers(0, 256, (2, 96, 160, 3)).astype(np.float32)
    answers = build(onnx.load(SHIPPED)).predict(pictures, verbose=0)
    wanted = Engine(model=SHIPPED, provider="cpu").run({"input": pictures.transpose(0, 3, 1, 2)})
    assert set(answers) == set(wanted)
    for name, answer in answers.items():
        given = 1 / (1 + np.exp(-answer)) if name.startswith(("cls", "obj")) else answer
        np.testing.assert_allclose(given, wanted[name], atol=1e-4, err_msg=name)


@pytest.mark.training
def test_trained_numbers_come_back_into_the_file() -> None:
    """Unchanged weights give the same file but for its name; changed ones arrive where they belong."""
    from training.face_model import build, write_back

    original = onnx.load(SHIPPED)
    model = build(original)
    same = write_back(model, original, name="again", provenance="p")
    for one, other in zip(original.graph.initializer, same.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(one), onnx.numpy_helper.to_array(other))
    assert {each.key: each.value for each in same.metadata_props}["maskwatch.name"] == "again"
    model.set_weights([2 * each for each in model.get_weights()])
    doubled = write_back(model, original, name="twice", provenance="p")
    changed = {
        one.name
        for one, other in zip(original.graph.initializer, doubled.graph.initializer, strict=True)
        if not np.array_equal(onnx.numpy_helper.to_array(one), onnx.numpy_helper.to_array(other))
    }
    assert len(changed) == len(
        [name for node in original.graph.node if node.op_type == "Conv" for name in node.input[1:]]
    )


@pytest.mark.training
def test_the_loss_falls_towards_its_targets() -> None:
    """A perfect answer costs next to nothing, a shifted box or a missed face costs more."""
    from training.train_faces import FaceConfig, losses

    grid = cells(64, 64)
    box = np.array([[16, 16, 48, 48]], np.float32)
    raw = np.zeros((len(grid), 4), np.float32)
    marks = np.full((1, 5, 2), np.nan, np.float32)
    targets = assign(Truth(box, marks, np.zeros((0, 4), np.float32)), np.full(len(grid), 0.5, np.float32), raw, grid)
    wanted = [
        each[None] for each in (targets.objectness, np.ones_like(targets.quality), targets.boxes, targets.landmarks)
    ]
    right = np.concatenate(
        [
            (targets.boxes[:, :2] + targets.boxes[:, 2:]) / 2 / grid[:, 2:] - grid[:, :2],
            np.log(np.maximum(targets.boxes[:, 2:] - targets.boxes[:, :2], 1e-3) / grid[:, 2:]),
        ],
        axis=1,
    )

    def cost(sureness: float, shift: float) -> float:
        logits = np.where(targets.objectness > 0, sureness, -20.0)[:, None].astype(np.float32)
        outputs: dict[str, np.ndarray] = {}
        start = 0
        for stride in (8, 16, 32):
            end = start + (64 // stride) ** 2
            outputs |= {f"cls_{stride}": logits[None, start:end], f"obj_{stride}": logits[None, start:end]}
            outputs[f"bbox_{stride}"] = (right[start:end] + shift)[None].astype(np.float32)
            outputs[f"kps_{stride}"] = np.zeros((1, end - start, 10), np.float32)
            start = end
        return float(losses(outputs, wanted, grid, FaceConfig()))

    assert cost(20, 0) < 0.01
    assert cost(20, 0.2) > cost(20, 0) + 0.5
    assert cost(-5, 0) > cost(20, 0) + 5


def test_cells_decode_to_where_they_are() -> None:
    """The middle cell of stride 32 with an answer of nothing is a box of one stride about its corner."""
    grid = cells(64, 64)
    assert len(grid) == 64 + 16 + 4
    assert decode_boxes(np.zeros((len(grid), 4), np.float32), grid)[-1].tolist() == [16, 16, 48, 48]


def test_a_face_gets_cells_near_its_middle_and_ignored_places_get_none() -> None:
    """What is neither is taught to be no face."""
    grid = cells(128, 128)
    truth = Truth(
        boxes=np.array([[20, 20, 60, 60]], np.float32),
        landmarks=np.array([[[30, 35], [50, 35], [40, 42], [32, 52], [48, 52]]], np.float32),
        ignored=np.array([[80, 80, 120, 120]], np.float32),
    )
    seen = np.zeros((len(grid), 4), np.float32)
    seen[:, 2:] = np.log(40 / grid[:, 2:])
    targets = assign(truth, np.full(len(grid), 0.5, np.float32), seen, grid)
    middles = (grid[:, :2] + 0.5) * grid[:, 2:]
    chosen = middles[targets.objectness > 0]
    assert 1 <= len(chosen) <= 10
    assert (np.abs(chosen - 40) <= 24).all()
    ignored = middles[targets.objectness < 0]
    assert ((ignored > 80) & (ignored < 120)).all()
    assert len(ignored) > 20
    cell = np.flatnonzero(targets.objectness > 0)[0]
    marks = (targets.landmarks[cell].reshape(5, 2) + grid[cell, :2]) * grid[cell, 2]
    np.testing.assert_allclose(marks, truth.landmarks[0], atol=1e-3)


def test_faces_stay_on_their_places_when_a_canvas_is_cut() -> None:
    """A bright square drawn where the box is lies where the moved box says, whatever the scale and mirror."""
    image = np.zeros((200, 300, 3), np.uint8)
    image[60:100, 120:160] = 255
    marks = np.array([[[130, 70], [150, 70], [140, 80], [132, 90], [148, 90]]], np.float32)
    scene = Scene("", 0.0, np.array([[120, 60, 160, 100]], np.float32), marks, (True,), np.zeros((0, 4), np.float32))
    random = np.random.default_rng(4)
    for _ in range(20):
        canvas, truth = place(image, scene, random, 160)
        if not len(truth.boxes):
            continue
        x, y = ((truth.boxes[0, :2] + truth.boxes[0, 2:]) / 2).round().astype(int)
        assert canvas[min(y, 159), min(x, 159)].mean() > 100
        right_eye, left_eye = truth.landmarks[0, 0], truth.landmarks[0, 1]
        assert right_eye[0] < left_eye[0]
    assert sorted(SWAPPED) == list(range(5))
