"""The shipped models: what they are, whether a file is one of them, and how another takes their place.

`models.json` beside the models lists each shipped file with its hash; `<model>.report.json` holds the figures it was
promoted with. A candidate is promoted when it is not worse on the agreed figures of the same data, or when somebody
says why it should be all the same; that is then written down.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.engine import Engine
from detector.masks import OUTPUT
from detector.pipeline import MASK_MODEL, model_path
from maskwatch.errors import ConfigError, ModelMismatch
from maskwatch.model_contract import FACE_TASK, MASK_TASK, ModelContract

if TYPE_CHECKING:
    from collections.abc import Mapping

LIST = "models.json"
TOLERANCE = 0.01
"""By how much an agreed figure may be lower: a point, as the test split's intervals are wider than that."""

COMPARABLE = (
    ("data", "fingerprint"),
    ("data", "split"),
    ("data", "min_face_px"),
    ("face", "sha256"),
    ("settings", "path"),
    ("settings", "face_score"),
)
"""What must be the same in two reports; reports of earlier versions may lack all but the data."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One model file and what it promises."""

    file: Path
    contract: ModelContract
    sha256: str
    size: int  # bytes
    is_default: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One agreed figure of two models."""

    figure: str
    shipped: float
    candidate: float
    low: float  # 95 % interval of the candidate's
    high: float
    of: int

    @property
    def is_worse(self) -> bool:
        """Whether the candidate is lower by more than is tolerated."""
        return self.candidate < self.shipped - TOLERANCE


def models_folder() -> Path:
    """Return the folder of the shipped models."""
    return model_path("", MASK_MODEL).parent


def list_models(folder: Path) -> list[Listed]:
    """Return the models of a folder, by name of file."""
    listed = read_list(folder)
    found = []
    for file in sorted(folder.glob("*.onnx")):
        content = file.read_bytes()
        contract = Engine(model=file, provider="cpu").contract
        default = listed.get(file.name, {}).get("default", False)
        found.append(Listed(file, contract, hashlib.sha256(content).hexdigest(), len(content), default))
    return found


def verify(file: Path) -> ModelContract:
    """Return a model's promise after trying it; raises ModelMismatch where it does not keep it.

    A file in the folder of a `models.json` must also be the one listed there.
    """
    engine = Engine(model=file, provider="cpu")
    contract = engine.contract
    if contract.task == MASK_TASK:
        contract.require_mask_classifier(str(file))
        size = contract.input_size
        for count in (1, 3):
            crops = np.full((count, size, size, 3), 127, np.uint8)
            rows = engine.run({engine.input_name: crops})[OUTPUT]
            if rows.shape != (count, len(contract.classes)) or not np.allclose(rows.sum(axis=1), 1, atol=1e-4):
                raise ModelMismatch(f"{file}: {count} crops gave {rows.shape}, not a row of probabilities for each.")
    elif contract.task == FACE_TASK:
        picture = np.zeros((2, 3, 96, 160), np.float32)
        engine.run({engine.input_name: picture})
    else:
        raise ModelMismatch(f"{file}: the task {contract.task!r} is unknown.")
    entry = read_list(file.parent).get(file.name)
    if entry is not None and entry["sha256"] != sha256_of(file):
        raise ModelMismatch(f"{file}: is not the file that {LIST} lists: the hash differs.")
    return contract


def compare(shipped: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[Difference]:
    """Return the agreed figures of two reports of `maskwatch evaluate --output` on the same data.

    A figure that neither has, such as one of badly worn masks where the data have none, is left out. Raises ConfigError
    where the data, the split, the size of the faces, the face detector or its settings differ, and where only one of
    the two has a figure.
    """
    for part, field in COMPARABLE:
        ours, theirs = shipped.get(part, {}), candidate.get(part, {})
        if (part == "data" or (field in ours and field in theirs)) and ours.get(field) != theirs.get(field):
            raise ConfigError(
                f"the reports cannot be compared: {part} {field} is {ours.get(field)!r} and {theirs.get(field)!r}. "
                "Evaluate both models with the same --data, --split, --min-face, --face, --confidence and --stream."
            )
    differences = []
    for name in sorted(set(shipped["agreed"]) & set(candidate["agreed"])):
        before, now = shipped["agreed"][name], candidate["agreed"][name]
        if before["value"] is None and now["value"] is None:
            continue
        if before["value"] is None or now["value"] is None:
            raise ConfigError(f"only one of the reports has the figure {name!r}; evaluate both models anew")
        differences.append(Difference(name, before["value"], now["value"], now["low"], now["high"], now["of"]))
    return differences


def promote(
    candidate: Path, report: Path, folder: Path, *, at: str, name: str = MASK_MODEL, because: str = ""
) -> list[Difference]:
    """Put a model and its report into a folder of models; returns how its figures differ from those it replaces.

    Args:
        candidate: the model.
        report: of `maskwatch evaluate --output` on exactly this file.
        folder: of the models, with `models.json`.
        at: today, for the record.
        name: file it becomes.
        because: why it is taken although it is worse; refused with ConfigError without.
    """
    verify(candidate)
    told = read_report(report)
    digest = sha256_of(candidate)
    if told["model"]["sha256"] != digest:
        raise ConfigError(f"{report}: is of another file than {candidate}; evaluate this one.")
    kept = _report_file(folder, name)
    differences = compare(read_report(kept), told) if kept.exists() else []
    worse = [each for each in differences if each.is_worse]
    if worse and not because:
        raise ConfigError(
            f"{candidate} is worse than the model it would replace:\n{as_text(worse)}\n"
            "Say why it should be promoted all the same with --because, or train a better one."
        )
    listed = read_list(folder)
    previous = listed.get(name, {})
    listed[name] = {
        "sha256": digest,
        "bytes": candidate.stat().st_size,
        "name": told["model"]["name"],
        "promoted": at,
        "replaces": previous.get("sha256", ""),
        "because": because,
        "default": previous.get("default", name == MASK_MODEL),
    }
    _write(folder / name, candidate.read_bytes())
    _write(kept, (json.dumps(told | {"model": told["model"] | {"file": name}}, indent=2) + "\n").encode())
    _write(folder / LIST, (json.dumps(listed, indent=2, sort_keys=True) + "\n").encode())
    return differences


def as_text(differences: list[Difference]) -> str:
    """Return differences as lines for people."""
    return "\n".join(
        f"  {each.figure}: {each.shipped:.1%} -> {each.candidate:.1%} [{each.low:.1%}, {each.high:.1%}] of {each.of}"
        + (" WORSE" if each.is_worse else "")
        for each in differences
    )


def read_report(file: Path) -> dict[str, Any]:
    """Return a report of `maskwatch evaluate --output`."""
    try:
        report: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: no report of `maskwatch evaluate --output`: {error}") from None
    missing = [name for name in ("model", "data", "agreed") if name not in report]
    if missing:
        raise ConfigError(f"{file}: no report of `maskwatch evaluate --output`: {', '.join(missing)} missing")
    return report


def read_list(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what models.json says of each file; nothing where there is none."""
    file = folder / LIST
    if not file.exists():
        return {}
    listed: dict[str, dict[str, Any]] = json.loads(file.read_text())
    return listed


def sha256_of(file: Path) -> str:
    """Return the hash of a file's bytes in hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _report_file(folder: Path, name: str) -> Path:
    return folder / f"{Path(name).stem}.report.json"


def _write(file: Path, content: bytes) -> None:
    """Write a file at once: whoever opens it finds the old or the new one, whole."""
    temporary = file.with_name(file.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(file)
