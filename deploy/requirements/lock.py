"""Pins what pip would install on this machine (Linux x86-64, Python 3.11), a file for each way to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = {
    "cpu.txt": "cpu,postgres",
    "gpu.txt": "gpu,postgres",
    "gpu-cuda12.txt": "gpu-cuda12,postgres",
    "training.txt": "cpu,training,postgres",
    "dev.txt": "cpu,dev,training,demo,postgres",
}
HEAD = "# Pinned by `make lock` for Linux x86-64, Python 3.11: maskwatch[{extras}]\n"


def main() -> None:
    """Resolve each set anew and write its file; nothing is installed."""
    for name, extras in FILES.items():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", "-", f"{HERE.parent.parent}[{extras}]"]
        report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        packages = [item["metadata"] for item in report["install"]]
        pins = sorted(f"{each['name'].lower()}=={each['version']}" for each in packages if each["name"] != "maskwatch")
        (HERE / name).write_text(HEAD.format(extras=extras) + "\n".join(pins) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
