"""Where a model comes from: a fingerprint of its data and the revision of this code."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from training.datasets import Picture


def fingerprint(pictures: Iterable[Picture]) -> str:
    """Return a hash of what pictures are used and how they are labelled; equal data has equal fingerprints.

    Args:
        pictures: their order and the folder they lie in do not matter; the content of the files is taken by their size.
    """
    lines = sorted(
        f"{picture.name}|{picture.path.stat().st_size}|{picture.split}|{picture.label}|"
        + ";".join(f"{face.label}:{','.join(f'{value:.1f}' for value in face.box)}" for face in picture.faces)
        for picture in pictures
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def revision() -> str:
    """Return the git commit of this code, with "+" where files were changed since, or "" outside of a repository."""
    here = Path(__file__).resolve().parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],  # noqa: S607 - git of the PATH
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()
