"""What detector.engine promises: honest providers, honest errors, batches of few sizes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from detector import engine as engines
from detector.engine import BUCKETS, Engine, available_providers, installed_runtimes, run_in_buckets
from detector.engine_scripted import ScriptedEngine
from maskwatch.errors import ModelMismatch, Unsupported
from maskwatch.model_contract import FACE_TASK, ModelContract

MODELS = Path(__file__).parents[3] / "detector" / "models"
FACES = MODELS / "face_yunet_2023mar.onnx"
CONTRACT = ModelContract(task=FACE_TASK, name="scripted")


def make_doubler(**changes: object) -> ScriptedEngine:
    """An engine that answers with twice what it is fed."""
    return ScriptedEngine(contract=CONTRACT, answer=lambda batch: {"twice": 2 * batch}, **changes)  # type: ignore[arg-type,dict-item]


def make_batch(count: int) -> np.ndarray:
    """A batch of distinct rows."""
    return np.arange(1, count * 3 + 1, dtype=np.float32).reshape(count, 3)


def test_a_missing_file_is_a_model_mismatch(tmp_path: Path) -> None:
    """The error names the file that is not there."""
    with pytest.raises(ModelMismatch, match=r"nowhere\.onnx: no such file"):
        Engine(model=tmp_path / "nowhere.onnx", provider="cpu")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not a model at all" * 50, id="other bytes"),
        pytest.param(FACES.read_bytes()[:100_000], id="cut off"),
        pytest.param(zlib.compress(FACES.read_bytes()), id="compressed"),
    ],
)
def test_a_broken_file_is_a_model_mismatch(tmp_path: Path, content: bytes) -> None:
    """Whatever onnxruntime raises for it, the caller sees one kind of error."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(content)
    with pytest.raises(ModelMismatch, match=r"broken\.onnx"):
        Engine(model=broken, provider="cpu")


def test_a_model_without_promise_is_refused(tmp_path: Path) -> None:
    """A model from elsewhere has no maskwatch metadata and does not start."""
    model = onnx.load(str(FACES))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "foreign.onnx"))
    with pytest.raises(ModelMismatch, match="no maskwatch metadata"):
        Engine(model=tmp_path / "foreign.onnx", provider="cpu")


def test_a_provider_that_is_not_there_is_an_error_that_helps() -> None:
    """Asking for CUDA without it never ends quietly on the CPU."""
    if "CUDAExecutionProvider" in available_providers():
        pytest.skip("this onnxruntime has CUDA")
    with pytest.raises(Unsupported, match=r"pip install 'maskwatch\[gpu\]'"):
        Engine(model=FACES, provider="cuda")


class CardlessRuntime:
    """onnxruntime as where its wheel has CUDA and the machine has no driver: a session quietly gets the CPU."""

    def __init__(self, runtime: Any) -> None:
        """Take the real one."""
        self._runtime = runtime
        self.offers = ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def __getattr__(self, name: str) -> Any:
        """All else is as it is."""
        return getattr(self._runtime, name)

    def preload_dlls(self) -> None:
        """Find nothing."""

    def get_available_providers(self) -> list[str]:
        """Return what the wheel was built with."""
        return self.offers

    def InferenceSession(self, path: str, options: Any, **_: object) -> Any:  # noqa: N802 - onnxruntime's name
        """Open on the CPU, whatever was asked for."""
        return self._runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_a_card_that_is_not_got_is_never_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a session falls back to the CPU, asking for CUDA is an error, and `auto` shows what happened."""
    runtime = CardlessRuntime(engines._import_runtime())
    monkeypatch.setattr(engines, "_import_runtime", lambda: runtime)
    with pytest.raises(Unsupported, match=r"cuda was asked for and onnxruntime gave CPUExecutionProvider"):
        Engine(model=FACES, provider="cuda")
    engine = Engine(model=FACES, provider="auto")
    assert (engine.asked, engine.provider, engine.fell_back) == ("auto", "CPUExecutionProvider", True)
    assert not Engine(model=FACES, provider="cpu").fell_back
    runtime.offers = ["CPUExecutionProvider"]
    assert not Engine(model=FACES, provider="auto").fell_back


def test_an_unknown_provider_is_an_error_that_lists_the_known() -> None:
    """A typing mistake is answered with the right words."""
    with pytest.raises(Unsupported, match="Known: auto, cpu, cuda"):
        Engine(model=FACES, provider="gpu")


@pytest.mark.parametrize("asked", ["auto", "cpu"])
def test_the_engine_shows_what_was_asked_and_what_was_got(asked: str) -> None:
    """Both stand side by side, and the promise is read."""
    engine = Engine(model=FACES, provider=asked)
    assert engine.asked == asked
    assert engine.provider in available_providers()
    assert not engine.fell_back or asked == "auto"
    assert engine.contract.name == "yunet-2023mar-dynamic"


def test_outputs_come_by_name() -> None:
    """YuNet at 64 x 32 has 32 cells of stride 8."""
    engine = Engine(model=FACES, provider="cpu", intra_op_threads=1)
    outputs = engine.run({engine.input_name: np.zeros((2, 3, 32, 64), np.float32)})
    assert outputs["kps_8"].shape == (2, 32, 10)


@pytest.mark.parametrize(
    ("count", "runs"),
    [
        pytest.param(1, [1], id="one"),
        pytest.param(5, [8], id="padded"),
        pytest.param(32, [32], id="the biggest"),
        pytest.param(70, [32, 32, 8], id="cut into pieces"),
    ],
)
def test_batches_run_in_buckets(count: int, runs: list[int]) -> None:
    """Only the sizes of the buckets are run, and exactly the rows asked for come back in order."""
    engine = make_doubler()
    result = run_in_buckets(engine, make_batch(count))["twice"]
    assert [len(batch) for batch in engine.fed] == runs
    assert set(runs) <= set(BUCKETS)
    np.testing.assert_array_equal(result, 2 * make_batch(count))


def test_a_processor_gets_no_padding() -> None:
    """Sizes given by the caller, or by an engine on the CPU, are used as they are."""
    engine = make_doubler(batch_sizes=range(1, 33))
    run_in_buckets(engine, make_batch(5))
    run_in_buckets(engine, make_batch(5), (1, 2))
    assert [len(batch) for batch in engine.fed] == [5, 2, 2, 1]


def test_padding_does_not_change_the_answer() -> None:
    """YuNet says of a picture the same alone and among zeros."""
    engine = Engine(model=FACES, provider="cpu", intra_op_threads=1)
    pictures = np.random.default_rng(1).uniform(0, 255, (3, 3, 64, 64)).astype(np.float32)
    padded = run_in_buckets(engine, pictures, BUCKETS)
    for index in range(3):
        alone = engine.run({engine.input_name: pictures[index : index + 1]})
        np.testing.assert_allclose(padded["obj_16"][index], alone["obj_16"][0], rtol=1e-4, atol=1e-5)


def test_exactly_one_runtime_is_installed_here() -> None:
    """Two distributions of onnxruntime share one import name and break each other."""
    found = installed_runtimes()
    assert len(found) == 1
    assert all(version for version in found.values())
