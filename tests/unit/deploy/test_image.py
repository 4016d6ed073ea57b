"""The Dockerfile and what it reads. That it builds is shown by `make image`, on a machine with a builder."""

from __future__ import annotations

import hashlib
import json
import runpy
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"


def pins(name: str) -> dict[str, str]:
    """Return version by distribution of a file of pinned versions."""
    lines = (DEPLOY / "requirements" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile keeps the rules of its trade."""
    run = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", DEPLOY / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


def test_models_are_those_that_were_tested() -> None:
    """The sums that the build checks are those of the models in the repository; after a change: `make docs`."""
    lines = (DEPLOY / "models.sha256").read_text().splitlines()
    said = {name: digest for digest, name in (line.split() for line in lines)}
    files = sorted((ROOT / "detector" / "models").glob("*.onnx"))
    assert said == {str(file.relative_to(ROOT)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("variant", ["cpu", "gpu", "gpu-cuda12", "training"])
def test_each_variant_has_one_onnxruntime(variant: str) -> None:
    """Every variant is pinned, with one onnxruntime; TensorFlow is in the one for training alone."""
    assert sum(name.startswith("onnxruntime") for name in pins(variant)) == 1
    assert ("tensorflow" in pins(variant)) == (variant == "training")
    assert "opencv-python" in pins(variant)  # the build swaps it for the one without windows
    assert pins("build").keys() == {"pip", "setuptools", "wheel"}


def test_nothing_loads_what_the_image_leaves_out() -> None:
    """No module of maskwatch loads a library that deploy/slim.py takes away."""
    slim = runpy.run_path(str(DEPLOY / "slim.py"))
    gone = {"mpl_toolkits", "fontTools", *slim["UNUSED"], *(part.replace("/", ".") for part in slim["UNUSED_PARTS"])}
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['load'](); print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code, DEPLOY / "slim.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert gone & set(run.stdout.splitlines()) == set()


def test_python_does_without_the_runtime_for_c() -> None:
    """A model runs while the library that deploy/slim.py takes away is not loaded."""
    slim = runpy.run_path(str(DEPLOY / "slim.py"))
    code = (
        "import sys, onnxruntime; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider']);"
        "print(open('/proc/self/maps').read())"
    )
    model = next(iter((ROOT / "detector" / "models").glob("face_*.onnx")))
    run = subprocess.run([sys.executable, "-c", code, model], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = {Path(line.split()[-1]).name for line in run.stdout.splitlines() if "/" in line}
    assert any(name.startswith("onnxruntime_pybind11_state") for name in loaded)
    assert not any(fnmatch(name, slim["FOR_C"]) for name in loaded)


def test_the_context_holds_what_the_build_copies() -> None:
    """What the Dockerfile reads is let through by .dockerignore, and secrets are not."""
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"deploy/requirements", "deploy/models.sha256", "deploy/slim.py", "pyproject.toml"} <= let_through
    assert all((ROOT / name).exists() for name in let_through)
    assert not any(name in {"deploy", "deploy/secrets"} for name in let_through)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bill_of_materials_names_what_is_in_the_image() -> None:
    """The bill lists each pinned distribution that stays in the image, in its version, and no other."""
    run = subprocess.run([sys.executable, DEPLOY / "sbom.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    bill = json.loads(run.stdout)
    listed = {each["name"].lower().replace("_", "-"): each["version"] for each in bill["components"]}
    slim = runpy.run_path(str(DEPLOY / "slim.py"))
    expected = {name.replace("_", "-"): version for name, version in pins("cpu").items() if name not in slim["UNUSED"]}
    expected["opencv-python-headless"] = expected.pop("opencv-python")
    assert listed == expected
    assert sum("licenses" in each for each in bill["components"]) > 0.9 * len(listed)


def test_sizes_are_printed_by_a_script_that_parses() -> None:
    """The script that prints the image's sizes is right as shell."""
    subprocess.run(["sh", "-n", DEPLOY / "image-sizes.sh"], check=True)
    assert "deploy/image-sizes.sh" in (ROOT / "Makefile").read_text()
