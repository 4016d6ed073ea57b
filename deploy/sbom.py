"""Prints the software bill of materials of the CPU image as CycloneDX JSON, with licences: `make sbom`.

Looked up in the environment this runs in, which has everything that is pinned for the image, and more. A bill that is
not strictly right by CycloneDX's schema is not printed: the command ends with what is wrong in it.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

HERE = Path(__file__).resolve().parent
SWAPPED = {"opencv-python": "opencv-python-headless"}
"""What the Dockerfile installs in place of what is pinned: another build of the same source."""


def main() -> None:
    """Describe the environment, keep what is in the image, check it, print it."""
    unused = runpy.run_path(str(HERE / "slim.py"))["UNUSED"]
    lines = (HERE / "requirements" / "cpu.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = {normal(name): version for name, version in pinned.items() if name not in unused}
    command = [
        str(Path(sys.executable).with_name("cyclonedx-py")),
        "environment",
        "--output-reproducible",
        "--no-validate",
    ]
    command += ["--pyproject", str(HERE.parent / "pyproject.toml"), "--of", "JSON", "-o", "-", sys.executable]
    bill = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    bill["components"] = [each for each in bill["components"] if normal(each["name"]) in wanted]
    for each in bill["components"]:
        name = normal(each["name"])
        old, new = f"{each['name']}@{each['version']}", f"{SWAPPED.get(name, each['name'])}@{wanted[name]}"
        each |= {"name": new.partition("@")[0], "version": wanted[name]}
        each["purl"] = each["purl"].replace(old, new)
    kept = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    bill["dependencies"] = [
        each | ({"dependsOn": [ref for ref in each["dependsOn"] if ref in kept]} if "dependsOn" in each else {})
        for each in bill["dependencies"]
        if each["ref"] in kept
    ]
    text = json.dumps(bill, indent=2)
    if wrong := fault(text):
        raise SystemExit(f"the bill of materials breaks CycloneDX's schema: {wrong}")
    print(text)  # noqa: T201 - what the command is for


def fault(bill: str) -> str:
    """Return what CycloneDX's schema of the bill's own version finds wrong, unknown fields too; empty if nothing."""
    version = SchemaVersion.from_version(json.loads(bill)["specVersion"])
    wrong = JsonStrictValidator(version).validate_str(bill)
    return str(wrong) if wrong else ""


def normal(name: str) -> str:
    """Write a distribution's name as the files of pins do."""
    return name.lower().replace(".", "-").replace("_", "-")


if __name__ == "__main__":
    main()
