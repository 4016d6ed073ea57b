"""The Dockerfile and what it reads. That it builds is shown by `make image`, on a machine with a builder."""

from __future__ import annotations

import hashlib
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from packaging.requirements import Requirement

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


def test_the_image_is_of_this_version() -> None:
    """The label of the image names the version of the code in it, and its user is that of compose and the chart."""
    text = (DEPLOY / "Dockerfile").read_text()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in text
    assert "USER 10001:10001\n" in text
    assert 'HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["maskwatch", "health"]' in text


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


LOCK = runpy.run_path(str(DEPLOY / "requirements" / "lock.py"))


@pytest.mark.parametrize("name", LOCK["FILES"])
def test_pins_are_of_what_the_project_asks_for(name: str) -> None:
    """Each file pins every library that pyproject.toml asks for with its extras, in a version that this allows."""
    extras = LOCK["FILES"][name].split(",")
    assert (DEPLOY / "requirements" / name).read_text().startswith(LOCK["HEAD"].format(extras=LOCK["FILES"][name]))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(each for extra in extras for each in project["optional-dependencies"][extra])]
    pinned = {normal(each): version for each, version in pins(name.removesuffix(".txt")).items()}
    for requirement in map(Requirement, asked):
        version = pinned.get(normal(requirement.name), "none")
        assert version in requirement.specifier, f"{name}: {requirement}, and {version} is pinned: make lock"


def test_no_two_files_pin_two_versions() -> None:
    """What is tested is what runs: a library has one version in all files; onnxruntime alone differs for old CUDA."""
    files = {name.removesuffix(".txt") for name in LOCK["FILES"]}
    assert files | {"build"} == {file.stem for file in (DEPLOY / "requirements").glob("*.txt")}
    versions: dict[str, set[str]] = {}
    for each, version in (pin for file in sorted(files) for pin in pins(file).items()):
        versions.setdefault(normal(each), set()).add(version)
    assert [each for each, known in versions.items() if len(known) > 1] == ["onnxruntime-gpu"]


def normal(name: str) -> str:
    """Write a distribution's name as every index does."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_nothing_loads_what_the_image_leaves_out() -> None:
    """No module of maskwatch loads a library that deploy/slim.py takes away."""
    slim = runpy.run_path(str(DEPLOY / "slim.py"))
    gone = {"mpl_toolkits", "fontTools", *slim["UNUSED"], *(part.replace("/", ".") for part in slim["UNUSED_PARTS"])}
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['load'](); print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code, DEPLOY / "slim.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert gone & set(run.stdout.splitlines()) == set()


def fake_environment(site: Path, *, gpu: bool) -> None:
    """Lay files where an image's packages have theirs: of each kind that goes, with one that stays beside it."""
    capi = "onnxruntime/capi"
    names = [f"{capi}/libonnxruntime.so.1.32.0", f"{capi}/onnxruntime_pybind11_state.so", "onnxruntime/tools/a.py"]
    names += ["scipy/stats/a.py", "scipy/optimize/a.py", "scipy/optimize/tests/test_a.py", "numpy/a.pyi", "numpy/a.py"]
    names += ["numpy/__pycache__/a.cpython-311.pyc", "kiwisolver/a.py", "detector/tests.py"]
    names += [f"{capi}/libonnxruntime_providers_{each}.so" for each in ("cuda", "shared")] * gpu
    for name in names:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    record = site / "kiwisolver-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: kiwisolver\nVersion: 1.0\n")
    (record / "RECORD").write_text("kiwisolver/a.py,,\n../../../bin/kiwi,,\nkiwisolver-1.0.dist-info/METADATA,,\n")


@pytest.mark.parametrize("gpu", [False, True])
def test_what_is_taken_away(tmp_path: Path, *, gpu: bool) -> None:
    """What nothing loads goes; the runtime for C stays where a GPU's providers are, which link it."""
    fake_environment(tmp_path, gpu=gpu)
    runpy.run_path(str(DEPLOY / "slim.py"))["take_away"](tmp_path)
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    kept = {"onnxruntime/capi/onnxruntime_pybind11_state.so", "scipy/optimize/a.py", "numpy/a.py", "detector/tests.py"}
    of_gpu = {
        f"onnxruntime/capi/libonnxruntime{each}"
        for each in (".so.1.32.0", "_providers_cuda.so", "_providers_shared.so")
    }
    assert left == kept | (of_gpu if gpu else set())


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
    fault = runpy.run_path(str(DEPLOY / "sbom.py"))["fault"]
    assert fault(run.stdout) == ""
    assert "colour" in fault(json.dumps(bill | {"colour": "red"}))
    first = bill["components"][0] | {"type": "librarry"}
    assert "librarry" in fault(json.dumps(bill | {"components": [first]}))


def test_sizes_are_printed(tmp_path: Path) -> None:
    """The sizes of all layers, of the environment and of its parts are asked of the builder that `make image` names."""
    asked = run_beside(tmp_path, "docker", "", DEPLOY / "image-sizes.sh", "docker", "maskwatch:cpu")
    assert asked[0].startswith("history --format")
    assert all(line.startswith("run --rm --entrypoint sh maskwatch:cpu -c ") for line in asked[1:4])
    assert "--apparent-size /opt/maskwatch" in asked[1]
    assert "sh deploy/image-sizes.sh $(BUILDER) maskwatch:cpu" in (ROOT / "Makefile").read_text()


def test_from_a_fresh_clone_to_a_running_site(tmp_path: Path) -> None:
    """deploy/up.sh makes secrets, image, the hash of the page's password and the services, in this order."""
    folder = tmp_path / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets", ".env", "cameras.yaml", "helm"))
    refused = subprocess.run(["sh", folder / "up.sh"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "copy cameras.example.yaml" in refused.stderr
    shutil.copy(folder / "settings" / "cameras.example.yaml", folder / "settings" / "cameras.yaml")
    program = Path(sys.executable).with_name("maskwatch")
    answers = f'case "$1" in run) exec "{program}" dashboard --hash-password;; esac'
    asked = run_beside(tmp_path, "docker", answers, folder / "up.sh", "--scale", "detector=2")
    assert [line.split()[0] for line in asked] == ["build", "run", "compose"]
    assert asked[0].startswith("build -f Dockerfile -t maskwatch:cpu --build-arg REVISION=")
    assert asked[1] == "run --rm -i maskwatch:cpu dashboard --hash-password"
    assert asked[2] == "compose -f compose.yaml up -d --remove-orphans --scale detector=2"
    hashed, password = (folder / "secrets" / name for name in ("page_password_hash", "page_password"))
    assert PasswordHasher().verify(hashed.read_text().strip(), password.read_text())
    again = run_beside(tmp_path, "docker", "", folder / "up.sh")
    assert [line.split()[0] for line in again] == ["build", "compose"]  # an upgrade is the same command
    (folder / ".env").write_text("MASKWATCH_IMAGE=registry.example/maskwatch:1\n")
    (folder / "secrets" / "page_password_hash").unlink()
    elsewhere = run_beside(tmp_path, "docker", answers, folder / "up.sh")
    assert elsewhere[0] == "run --rm -i registry.example/maskwatch:1 dashboard --hash-password"


def run_beside(folder: Path, name: str, body: str, *command: str | Path) -> list[str]:
    """Run a script that finds a program of this name which notes its arguments, and does `body`; returns the notes."""
    notes, program = folder / "asked", folder / "bin" / name
    notes.unlink(missing_ok=True)
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$(echo "$*" | tr "\\n" " ")" >> "{notes}"\n{body}\n')
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    run = subprocess.run(["sh", *command], env={"PATH": path}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [line.strip() for line in notes.read_text().splitlines()]
