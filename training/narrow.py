"""Make weights for a narrower MobileNetV2 of those for width 1.0: its strongest channels, BatchNorm measured anew.

    python -m training.narrow --weights ../shared/weights/mobilenet_v2_1.0_224_no_top.weights.h5 --width 0.5
        --data ../shared/data/dev --labels training/labels/dev.csv -o runs/narrow-0.5.weights.h5
    maskwatch train --width 0.5 --weights runs/narrow-0.5.weights.h5 ...

Keras has ImageNet weights for the usual widths and downloads them; this is a start where it cannot.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from detector.pipeline import FACE_MODEL, model_path
from training.batches import CropBatches
from training.train import Config, cut_split, load_pictures

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Indices = npt.NDArray[np.int64]

BATCHES = 40
SETTLING = 0.9  # BatchNorm's momentum while it is measured: the last twenty batches or so count


def copy_strongest(wide: Any, narrow: Any) -> None:
    """Give a backbone the strongest channels of a wider one of the same layers.

    Args:
        wide: a keras MobileNetV2 without top, with weights.
        narrow: another with fewer channels; its weights are replaced.
    """
    names = {layer.name for layer in narrow.layers}
    kept = entered = np.arange(3)  # channels of the wide one that are there so far, and where the block began
    for layer in narrow.layers:
        if not layer.weights:
            continue
        weights = wide.get_layer(layer.name).get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([each[kept] for each in weights])
        elif isinstance(layer, keras.layers.DepthwiseConv2D):
            layer.set_weights([weights[0][:, :, kept]])
        elif isinstance(layer, keras.layers.Conv2D):
            if layer.name.endswith("_expand"):
                entered = kept
            is_added = layer.name.endswith("_project") and layer.name.replace("_project", "_add") in names
            leaving = entered if is_added else _strongest(wide, layer.name, layer.filters)
            layer.set_weights([weights[0][:, :, kept][..., leaving]])
            kept = leaving


def _strongest(wide: Any, name: str, count: int) -> Indices:
    """Return the outputs of a convolution that the next one makes most of: BatchNorm's scale times its kernel."""
    strength = np.ones(wide.get_layer(name).filters, np.float32)
    place = [layer.name for layer in wide.layers].index(name)
    for layer in wide.layers[place + 1 :]:
        if isinstance(layer, keras.layers.BatchNormalization):
            strength = np.abs(layer.get_weights()[0])
        elif isinstance(layer, keras.layers.Conv2D) and not isinstance(layer, keras.layers.DepthwiseConv2D):
            strength = strength * np.sqrt((layer.get_weights()[0] ** 2).sum(axis=(0, 1, 3)))
            break
    return np.sort(np.argsort(-strength, kind="stable")[:count])


def settle(backbone: Any, batches: Iterable[Bytes]) -> None:
    """Measure BatchNorm's means and variances anew, as other channels reach it than those it was trained with.

    Args:
        backbone: whose weights copy_strongest made.
        batches: of crops, each N x S x S x 3, uint8, BGR, as training shows them.
    """
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momentum = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = SETTLING
    for crops in batches:
        backbone(crops[..., ::-1].astype(np.float32) / 127.5 - 1, training=True)
    for layer, before in zip(norms, momentum, strict=True):
        layer.momentum = before


def _backbone(config: Config) -> Any:
    shape = (config.size, config.size, 3)
    return keras.applications.MobileNetV2(weights=None, include_top=False, alpha=config.width, input_shape=shape)


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m training.narrow", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2's for width 1.0, without top")
    parser.add_argument("--width", type=float, required=True, choices=(0.35, 0.5, 0.75))
    parser.add_argument("--size", type=int, default=Config().size, help="side of the crops, pixels")
    parser.add_argument("--data", type=Path, required=True, action="append", help="whose training crops are shown")
    parser.add_argument("--labels", type=Path, help="hand-made labels put over the data's own")
    parser.add_argument("--splits", type=Path, help="as `maskwatch data check --write-splits` writes them")
    parser.add_argument("--leave-out", action="append", default=[], help="a source that is not to be shown")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ends in .weights.h5")
    chosen = parser.parse_args(arguments)
    config = dataclasses.replace(Config(), size=chosen.size, width=chosen.width, leave_out=tuple(chosen.leave_out))
    pictures = load_pictures(chosen.data, chosen.labels, chosen.splits, config)
    draw = CropBatches(cut_split(pictures, "train", model_path("", FACE_MODEL), config), config.mix)
    wide, narrow = _backbone(dataclasses.replace(config, width=1.0)), _backbone(config)
    wide.load_weights(chosen.weights)
    copy_strongest(wide, narrow)
    settle(narrow, (draw(number)[0] for number in range(BATCHES)))
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    narrow.save_weights(chosen.output)
    print(f"{chosen.output}: {narrow.count_params()} weights of {wide.count_params()}")


if __name__ == "__main__":
    main()
