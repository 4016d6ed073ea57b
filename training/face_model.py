"""YuNet, the face detector, as a Keras model that can be trained, and its way back into the ONNX file it came from.

The network is read node by node from the shipped file (BatchNorm is folded into its convolutions there), so that names,
shapes and outputs of what is written back are those that detector/faces.py decodes; only numbers differ.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import onnx
from onnx import numpy_helper

from maskwatch.errors import ModelMismatch
from maskwatch.model_contract import ModelContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)


def build(original: onnx.ModelProto) -> Any:
    """Return the network as a Keras model.

    Its input is N x H x W x 3, BGR, 0 to 255, H and W multiples of 32; its outputs are those of the ONNX file by name,
    N x anchors x channels, but `cls` and `obj` as logits: the file's sigmoids are left to the loss.
    """
    weights = _initialisers(original)
    pictures = keras.Input((None, None, 3), name="input")
    tensors = {original.graph.input[0].name: pictures}
    names = [output.name for output in original.graph.output]
    for node in original.graph.node:
        given = tensors[node.input[0]]
        match node.op_type:
            case "Conv":
                made = _convolve(node, weights, given)
            case "Relu":
                made = keras.layers.ReLU()(given)
            case "MaxPool":
                made = keras.layers.MaxPooling2D(2)(given)
            case "Resize":
                made = keras.layers.UpSampling2D(2, interpolation="nearest")(given)
            case "Add":
                made = keras.layers.Add()([given, tensors[node.input[1]]])
            case "Transpose" | "Sigmoid":  # here channels are last already, and probabilities are the loss's affair
                made = given
            case "Reshape":
                made = keras.layers.Reshape((-1, int(given.shape[-1])))(given)
            case _:
                raise ModelMismatch(f"YuNet has no {node.op_type}; is this another network?")
        tensors[node.output[0]] = made
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelMismatch(f"the outputs {', '.join(missing)} were not reached; is this another network?")
    return keras.Model(pictures, {name: tensors[name] for name in names})


def write_back(model: Any, original: onnx.ModelProto, *, name: str, provenance: str) -> onnx.ModelProto:
    """Return the original file with a model's numbers, and a name and a provenance of its own."""
    changed = onnx.ModelProto()
    changed.CopyFrom(original)
    initialisers = {each.name: each for each in changed.graph.initializer}
    for node in changed.graph.node:
        if node.op_type == "Conv":
            kernel, bias = model.get_layer(_layer_name(node)).get_weights()
            for target, value in zip(node.input[1:], (_to_onnx(kernel, _is_depthwise(node)), bias), strict=True):
                initialisers[target].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), target))
    metadata = {each.key: each.value for each in original.metadata_props}
    contract = replace(ModelContract.from_metadata(metadata, "the original"), name=name, provenance=provenance)
    del changed.metadata_props[:]
    onnx.helper.set_model_props(changed, contract.to_metadata())
    onnx.checker.check_model(changed, full_check=True)
    return changed


def _convolve(node: onnx.NodeProto, weights: Mapping[str, Floats], given: Any) -> Any:
    kernel, bias = weights[node.input[1]], weights[node.input[2]]
    stride = _attribute(node, "strides", [1, 1])[0]
    depthwise = _is_depthwise(node)
    padding = "same"
    if stride > 1:  # Keras would pad the other side
        given, padding = keras.layers.ZeroPadding2D(1)(given), "valid"
    size = kernel.shape[2]
    if depthwise:
        layer = keras.layers.DepthwiseConv2D(size, stride, padding, name=_layer_name(node))
    else:
        layer = keras.layers.Conv2D(kernel.shape[0], size, stride, padding, name=_layer_name(node))
    made = layer(given)
    layer.set_weights([_to_keras(kernel, depthwise), bias])
    return made


def _is_depthwise(node: onnx.NodeProto) -> bool:
    return bool(_attribute(node, "group", 1) > 1)


def _layer_name(node: onnx.NodeProto) -> str:
    return f"conv_{node.output[0]}"


def _to_keras(kernel: Floats, depthwise: bool) -> Floats:
    """Out x in x h x w to h x w x in x out; of a depthwise one, whose `in` is 1, to h x w x channels x 1."""
    return kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(2, 3, 1, 0)


def _to_onnx(kernel: Floats, depthwise: bool) -> Floats:
    return kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((onnx.helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)


def _initialisers(model: onnx.ModelProto) -> dict[str, Floats]:
    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
