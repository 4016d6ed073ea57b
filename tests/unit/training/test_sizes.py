"""What training.sizes promises, on an untrained network: this test needs TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from training.sizes import Row, as_markdown, main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside keras 3 on numpy 2
]

NARROW = 0.35


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Run folders as `maskwatch train` leaves them, of narrow networks that have learned nothing."""
    return [untrained(tmp_path / f"run-{size}", size) for size in (64, 96)]


def untrained(folder: Path, size: int) -> Path:
    """Write one run folder."""
    import keras

    from training.train import Config, build

    keras.utils.set_random_seed(4)
    model, _ = build(None, dataclasses.replace(Config(), size=size, width=NARROW), imagenet=False)
    crops = np.random.default_rng(4).integers(0, 256, (24, size, size, 3), np.uint8)
    folder.mkdir()
    model.save(folder / "model.keras")
    np.savez(
        folder / "validation.npz",
        logits=model.predict(crops, verbose=0),
        truths=np.arange(24) % 3,
        weights=np.ones(24, np.float32),
        plain=crops,
        calibration=crops,
    )
    about = {"recipe": "default", "input_size": size, "width": NARROW, "fingerprint": "f00d", "revision": "abc"}
    (folder / "run.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One picture with a bare face."""
    cv2.imwrite(str(tmp_path / "one.png"), np.ascontiguousarray(astronaut()[..., ::-1]))
    lines = ["file,label,xmin,ymin,xmax,ymax,split", "one.png,without_mask,176,68,272,194,val"]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    return tmp_path / "boxes.csv"


def test_every_run_is_judged_in_float_and_int8(
    runs: list[Path], data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the same found face, with time and bytes; int8 is smaller, and a class without a face has no figure."""
    chosen = [argument for run in runs for argument in ("--run", str(run))]
    main([*chosen, "--data", str(data), "--output", str(tmp_path / "sizes.json")])
    written = json.loads((tmp_path / "sizes.json").read_text())
    assert (written["split"], written["sources"], written["unseen"]) == ("boxes.csv/val", [], False)
    rows = [Row(**each) for each in written["rows"]]
    assert [(row.size, row.precision) for row in rows] == [(64, "fp32"), (64, "int8"), (96, "fp32"), (96, "int8")]
    assert all(row.figures["found and right: no_mask"]["of"] == 1 and row.ms > 0 for row in rows)
    assert rows[1].content < rows[0].content / 2
    assert rows[3].content < rows[2].content / 2
    table = capsys.readouterr().out.strip().splitlines()[-6:]
    assert "\n".join(table) == as_markdown(rows)
    assert table[2].startswith(f"| 64 px | {NARROW:g} | fp32 | - |")
