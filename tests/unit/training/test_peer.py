"""What training.peer promises: a foreign classifier is fed as it was trained, and its answer is understood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maskwatch.errors import ConfigError, ModelMismatch
from training.peer import Peer, read_preprocessing

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 8
RED = (0, 0, 255)  # BGR


def make_model(path: Path, *, shape: tuple[Any, ...], channel_axis: int, kind: int = TensorProto.FLOAT) -> Path:
    """A classifier that answers with the means of the first two channels."""
    axes = [axis for axis in (1, 2, 3) if axis != channel_axis]
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["means"], keepdims=0),
        helper.make_node("Slice", ["means", "first", "last", "along"], ["y"]),
    ]
    constants = {"axes": axes, "first": [0], "last": [2], "along": [1]}
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 2))],
        [helper.make_tensor(name, TensorProto.INT64, [len(value)], value) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))
    return path


def ask(model: Path, text: str, colour: tuple[int, int, int] = RED, count: int = 3) -> list[float]:
    """What a peer answers of a picture of one colour."""
    image = np.full((40, 40, 3), colour, np.uint8)
    rows = Peer(model, read_preprocessing(f"size={SIDE},classes=mask:no_mask,{text}")).judge_faces(
        image, [(8.0, 8.0, 24.0, 30.0)] * count
    )
    assert rows.shape == (count, 2)
    assert np.ptp(rows, axis=0).max() == 0
    return [round(float(value), 3) for value in rows[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("answer=probabilities", [1.0, -1.0], id="as the tutorials: rgb from -1 to 1"),
        pytest.param("scale=1/255,shift=0", [1.0, 0.0], id="from 0 to 1"),
        pytest.param("scale=1,shift=-103:-116:-123,colour=bgr", [-103.0, -116.0], id="means by channel, bgr"),
        pytest.param("scale=1/255,shift=0,answer=logits", [0.731, 0.269], id="softmax of what it answers"),
    ],
)
def test_pixels_and_answers_are_as_stated(tmp_path: Path, text: str, expected: list[float]) -> None:
    """Scale, shift, order of colours, softmax."""
    model = make_model(tmp_path / "peer.onnx", shape=("n", SIDE, SIDE, 3), channel_axis=3)
    assert ask(model, text) == pytest.approx(expected, abs=2e-3)


def test_channels_may_come_first(tmp_path: Path) -> None:
    """With layout=nchw."""
    model = make_model(tmp_path / "peer.onnx", shape=("n", 3, SIDE, SIDE), channel_axis=1)
    assert ask(model, "scale=1/255,shift=0,layout=nchw") == [1.0, 0.0]


def test_a_model_of_fixed_batch_and_whole_numbers_is_fed_so(tmp_path: Path) -> None:
    """One face at a time, as uint8."""
    model = make_model(tmp_path / "p.onnx", shape=(1, SIDE, SIDE, 3), channel_axis=3, kind=TensorProto.UINT8)
    assert ask(model, "scale=1,shift=0", colour=(10, 20, 30)) == [30.0, 20.0]
    with pytest.raises(ModelMismatch, match="takes pixels as uint8: --peer must say scale=1,shift=0"):
        ask(model, "scale=1/255,shift=0")


def test_sigmoid_is_the_first_class(tmp_path: Path) -> None:
    """One number, and what it lacks to 1."""
    model = make_model(tmp_path / "peer.onnx", shape=("n", SIDE, SIDE, 3), channel_axis=3)
    graph = onnx.load(str(model))
    graph.graph.initializer[2].CopyFrom(helper.make_tensor("last", TensorProto.INT64, [1], [1]))
    graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    onnx.save(graph, str(model))
    assert ask(model, "scale=1/510,shift=0,answer=sigmoid") == [0.5, 0.5]
    with pytest.raises(ModelMismatch, match="classes: the model answers with 1 numbers"):
        ask(model, "scale=1/510,shift=0")


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        pytest.param("crop=1.0", 0.5, id="square of the longer side: half of it is beside the box"),
        pytest.param("crop=box", 1.0, id="the box, stretched"),
    ],
)
def test_crops_are_as_stated(tmp_path: Path, crop: str, expected: float) -> None:
    """A tall red box on black."""
    model = make_model(tmp_path / "peer.onnx", shape=("n", SIDE, SIDE, 3), channel_axis=3)
    image = np.zeros((200, 200, 3), np.uint8)
    image[40:160, 70:131] = RED
    peer = Peer(model, read_preprocessing(f"size={SIDE},classes=mask:no_mask,scale=1/255,shift=0,{crop}"))
    assert peer.judge_faces(image, [(70.0, 40.0, 130.0, 159.0)])[0, 0] == pytest.approx(expected, abs=0.08)


def test_a_model_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """When it is opened, not at the first face."""
    model = make_model(tmp_path / "peer.onnx", shape=("n", SIDE, SIDE, 3), channel_axis=3)
    with pytest.raises(ModelMismatch, match=r"peer\.onnx: does not take what --peer says"):
        ask(model, "size=16")
    with pytest.raises(ModelMismatch, match="no such file"):
        ask(tmp_path / "gone.onnx", "crop=1")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelMismatch, match=r"text\.onnx"):
        ask(tmp_path / "text.onnx", "crop=1")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        pytest.param("classes=mask:no_mask", "size: is missing", id="no size"),
        pytest.param("size=224", "classes: is missing", id="no classes"),
        pytest.param("size=224,classes=mask", "classes: 'mask' must name", id="one class"),
        pytest.param("size=224,classes=mask:cat", "classes 'cat' is not known", id="unknown class"),
        pytest.param("size=big,classes=mask:no_mask", "size: 'big'", id="size is no number"),
        pytest.param("size=224,classes=mask:no_mask,scale=a", "scale: 'a' is no number", id="scale"),
        pytest.param("size=224,classes=mask:no_mask,shift=1:2", "shift: '1:2'", id="two shifts"),
        pytest.param("size=224,classes=mask:no_mask,colour=grey", "colour: 'grey' is not one of", id="colour"),
        pytest.param("size=224,classes=mask:no_mask,crop=9", "crop: 9.0 is not", id="crop"),
        pytest.param("size=224,classes=mask:no_mask:incorrect,answer=sigmoid", "answer: sigmoid", id="3 by sigmoid"),
        pytest.param("size=224,classes=mask:no_mask,mean=0", "'mean=0': expected name=value", id="unknown field"),
    ],
)
def test_a_wrong_option_is_named(text: str, named: str) -> None:
    """The error says which field is wrong."""
    with pytest.raises(ConfigError, match=f"--peer: {named}"):
        read_preprocessing(text)


def test_all_that_can_be_stated_is_read() -> None:
    """Two sides, three classes in the data set's own words, fractions."""
    read = read_preprocessing("size=200x160, classes=incorrect:without_mask:with_mask, unknown_below=1/2, crop=1.3")
    assert (read.width, read.height) == (200, 160)
    assert read.classes == ("incorrect", "no_mask", "mask")
    assert (read.unknown_below, read.crop) == (0.5, 1.3)
