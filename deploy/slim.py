"""Makes the environment inside the image small: run in its build by the environment's own Python.

Takes away what no part of maskwatch loads, writes byte code for what it does load, and loads everything again, so that
a library that came to need what was taken away ends the build instead of a worker.
"""

from __future__ import annotations

import importlib
import pkgutil
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

PACKAGES = ("maskwatch", "ingest", "detector", "aggregator", "dashboard")

UNUSED = (
    # What `supervision` draws plots with; of it only what the tracker needs is loaded.
    *("matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pyparsing"),
    # A second client of Redis, which comes with the embedded server.
    "valkey",
)
"""Distributions that are taken away."""

UNUSED_PARTS = (
    # Tools to change models; here they only run.
    *("onnxruntime/quantization", "onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/datasets"),
    # Of SciPy the tracker's assignment is used, with what that loads.
    *("scipy/cluster", "scipy/datasets", "scipy/differentiate", "scipy/fftpack", "scipy/integrate", "scipy/io"),
    *("scipy/misc", "scipy/ndimage", "scipy/odr", "scipy/signal", "scipy/stats"),
)
"""Folders of other distributions that are taken away, below site-packages."""

TESTED = ("numpy", "scipy", "onnxruntime")
"""Libraries whose own tests are taken away."""

FOR_COMPILERS = (".pyi", ".pyx", ".pxd", ".h")
"""Endings of files that type checkers and compilers read."""

FOR_C = "libonnxruntime.so*"
"""The runtime for programs in C: Python's own module holds all of it a second time. Kept beside a GPU's providers."""


def main() -> None:
    """Take away, load, write byte code, and load again in a fresh process."""
    if sys.argv[1:] == ["check"]:
        load()
        return
    site = Path(sysconfig.get_path("purelib"))
    take_away(site)
    loaded = [file for file in load() if file.is_relative_to(site)]
    for file in loaded:
        py_compile.compile(str(file), doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    subprocess.run([sys.executable, __file__, "check"], check=True)
    print(f"{len(loaded)} modules are loaded, and load from byte code")  # noqa: T201 - the build's log


def take_away(site: Path) -> None:
    """Take away all of a folder of packages that no part of maskwatch loads, and byte code that pip wrote for it."""
    for name in UNUSED:
        for each in distributions(name=name, path=[str(site)]):
            for top in {file.parts[0] for file in each.files or () if ".." not in file.parts}:
                remove(site / top)
    for folder in [site / name for name in UNUSED_PARTS] + [f for n in TESTED for f in (site / n).rglob("tests")]:
        remove(folder)
    for path in [path for path in site.rglob("*") if path.suffix in FOR_COMPILERS or path.name == "__pycache__"]:
        remove(path)
    if not list((site / "onnxruntime" / "capi").glob("libonnxruntime_providers_cuda.so")):
        for file in (site / "onnxruntime" / "capi").glob(FOR_C):
            remove(file)


def load() -> list[Path]:
    """Load every module of maskwatch; returns the sources of all that came with them, in order."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__") and ".migrations." not in module.name:  # Alembic runs those itself
                importlib.import_module(module.name)
    files = {Path(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)}
    return sorted(file for file in files if file.suffix == ".py")


def remove(path: Path) -> None:
    """Remove a file or folder that is there, or not any more."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
