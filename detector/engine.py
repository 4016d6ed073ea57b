"""Runs one ONNX model, and says on what it really runs. The only place that imports onnxruntime.

onnxruntime quietly falls back to the CPU when a GPU was asked for. Here that is an error: what was asked for and what
was got are both kept, and `auto` is the only request that may end up anywhere.
"""

from __future__ import annotations

import importlib.metadata
import os
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from maskwatch.errors import ModelMismatch, Unsupported
from maskwatch.model_contract import ModelContract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Array = npt.NDArray[np.float32]
    Feed = npt.NDArray[np.float32] | npt.NDArray[np.uint8]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
AUTO_ORDER = ("cuda", "coreml", "openvino", "cpu")
"""Best first. TensorRT is not among them: it builds its engines for minutes, so one must ask for it."""

RUNTIMES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-rocm",
    "onnxruntime-migraphx",
    "onnxruntime-qnn",
    "onnxruntime-silicon",
)
"""Distributions that all install the import name onnxruntime: more than one of them clash."""

HOW_TO_GET = {
    "cpu": "pip install 'maskwatch[cpu]'",
    "cuda": "pip install 'maskwatch[gpu]' (CUDA 13, driver 580 or newer) or 'maskwatch[gpu-cuda12]' (CUDA 12), "
    "after pip uninstall onnxruntime",
    "tensorrt": "pip install 'maskwatch[gpu]' or 'maskwatch[gpu-cuda12]', and TensorRT (pip install tensorrt)",
    "openvino": "pip install onnxruntime-openvino, after pip uninstall onnxruntime",
    "coreml": "pip install 'maskwatch[cpu]' on macOS",
}

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Batch sizes an accelerator is shown: each new shape costs it memory and tuning, so there are only a few."""

MOST_THREADS = 4
"""Beyond this a small network gains nothing from more threads, and several workers share one machine."""


class Inference(Protocol):
    """What the detector asks of an engine: the real one below, or the scripted one of the tests."""

    contract: ModelContract
    asked: str
    provider: str
    fell_back: bool
    input_name: str
    batch_sizes: Sequence[int]

    def run(self, feeds: Mapping[str, Feed]) -> dict[str, Array]:
        """Compute all outputs by name. Blocks until done; threads may share one engine."""


class Engine:
    """One ONNX model in one onnxruntime session."""

    def __init__(self, *, model: Path, provider: str = "auto", intra_op_threads: int = 0) -> None:
        """Open the model.

        Args:
            model: the ONNX file; missing, broken or without maskwatch metadata raises ModelMismatch.
            provider: "auto" or a key of PROVIDERS; one that is not there or not got raises Unsupported.
            intra_op_threads: threads that share one run; 0 takes the processors of this machine, at most MOST_THREADS.
        """
        runtime = _import_runtime()
        candidates = _candidates(provider, available_providers())
        if not model.is_file():
            raise ModelMismatch(f"{model}: no such file.")
        if any(name != PROVIDERS["cpu"] for name in candidates) and hasattr(runtime, "preload_dlls"):
            runtime.preload_dlls()  # finds the CUDA libraries that pip installed; must precede the first session
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = intra_op_threads or min(processors(), MOST_THREADS)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # A spinning thread waits for work at full load: it would steal the processor from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self._session = _open_session(runtime, model, options, candidates, provider)
        self.asked = provider
        self.provider: str = self._session.get_providers()[0]
        self.fell_back = self.provider != candidates[0]  # `auto` found a better one installed, and did not get it
        if provider != "auto" and self.provider != PROVIDERS[provider]:
            raise Unsupported(
                f"{provider} was asked for and onnxruntime gave {self.provider}: its libraries do not load. "
                f"{HOW_TO_GET[provider]}."
            )
        self.contract = ModelContract.from_metadata(self._session.get_modelmeta().custom_metadata_map, str(model))
        self.input_name: str = self._session.get_inputs()[0].name
        self.output_names: list[str] = [output.name for output in self._session.get_outputs()]
        self.batch_sizes: Sequence[int] = BUCKETS
        if self.provider == PROVIDERS["cpu"]:
            self.batch_sizes = range(1, BUCKETS[-1] + 1)  # padding would only be more work for it

    def run(self, feeds: Mapping[str, Feed]) -> dict[str, Array]:
        """Compute all outputs by name."""
        results = self._session.run(self.output_names, dict(feeds))
        return dict(zip(self.output_names, results, strict=True))


def run_in_buckets(engine: Inference, batch: Feed, batch_sizes: Sequence[int] = ()) -> dict[str, Array]:
    """Run a batch of any length through sizes the engine knows: padded with zeros, cut where too long.

    Args:
        engine: with one input and outputs whose first dimension is the batch.
        batch: N x ..., of the model's input type; N of at least 1.
        batch_sizes: ascending; those of the engine if empty.

    Returns:
        The outputs by name, each with first dimension N.
    """
    sizes = batch_sizes or engine.batch_sizes
    parts = [batch[start : start + sizes[-1]] for start in range(0, len(batch), sizes[-1])]
    results = [_run_padded(engine, part, sizes) for part in parts]
    if len(results) == 1:
        return results[0]
    return {name: np.concatenate([result[name] for result in results]) for name in results[0]}


def available_providers() -> list[str]:
    """Return the execution providers the installed onnxruntime was built with, best first."""
    return list(_import_runtime().get_available_providers())


def installed_runtimes() -> dict[str, str]:
    """Return name and version of each installed distribution of onnxruntime; more than one clash."""
    found = {}
    for name in RUNTIMES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processors() -> int:
    """Return how many processors this process may use; all of the machine where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_padded(engine: Inference, part: Feed, sizes: Sequence[int]) -> dict[str, Array]:
    count = len(part)
    size = next(size for size in sizes if size >= count)
    if size > count:
        part = np.concatenate([part, np.zeros((size - count, *part.shape[1:]), part.dtype)])
    outputs = engine.run({engine.input_name: part})
    return {name: output[:count] for name, output in outputs.items()}


def _import_runtime() -> Any:  # onnxruntime carries no types
    try:
        import onnxruntime
    except ImportError as error:
        raise Unsupported(f"onnxruntime is not installed or does not load ({error}). {HOW_TO_GET['cpu']}.") from error
    return onnxruntime


def _candidates(provider: str, available: Sequence[str]) -> list[str]:
    """Return the providers to hand to onnxruntime for what was asked, best first."""
    if provider == "auto":
        return [PROVIDERS[name] for name in AUTO_ORDER if PROVIDERS[name] in available]
    if provider not in PROVIDERS:
        raise Unsupported(f"no provider is called {provider!r}. Known: auto, {', '.join(PROVIDERS)}.")
    if PROVIDERS[provider] not in available:
        raise Unsupported(
            f"{provider} was asked for, but this onnxruntime offers only {', '.join(available)}. "
            f"{HOW_TO_GET[provider]}."
        )
    if provider == "cpu":
        return [PROVIDERS["cpu"]]
    return [PROVIDERS[provider], PROVIDERS["cpu"]]  # single operators may lack there and run on the CPU


def _open_session(runtime: Any, model: Path, options: Any, candidates: list[str], asked: str) -> Any:
    errors = runtime.capi.onnxruntime_pybind11_state
    try:
        return runtime.InferenceSession(
            os.fspath(model), options, providers=candidates, enable_fallback=int(asked == "auto")
        )
    except (errors.InvalidProtobuf, errors.InvalidGraph, errors.NoSuchFile, errors.NotImplemented) as error:
        raise ModelMismatch(f"{model}: not a model onnxruntime can read: {error}") from error
    except (errors.Fail, errors.InvalidArgument, errors.RuntimeException, errors.EPFail, RuntimeError) as error:
        if asked in {"auto", "cpu"}:
            raise ModelMismatch(f"{model}: onnxruntime cannot load it: {error}") from error
        raise Unsupported(f"{asked} was asked for and does not start: {error}. {HOW_TO_GET[asked]}.") from error
