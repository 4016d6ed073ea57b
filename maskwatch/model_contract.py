"""What a model file promises, written into its ONNX metadata by training and read by the detector.

Both sides use this page, so a model that was trained with another crop rule, other classes or another
preprocessing refuses to start instead of quietly judging wrongly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskwatch.errors import ModelMismatch
from maskwatch.imaging import CROP_RULE, PREPROCESSING

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "maskwatch."
MASK_TASK = "face-mask-classification"
FACE_TASK = "face-detection-yunet"
MASK_CLASSES = ("mask", "no_mask", "incorrect")


@dataclass(frozen=True, slots=True)
class ModelContract:
    """The promise of one model file."""

    task: str
    name: str  # short and versioned: shown to people, put into every observation
    classes: tuple[str, ...] = ()  # order of the outputs
    input_size: int = 0  # side in pixels, 0 for any
    crop_rule: str = ""
    preprocessing: str = ""
    provenance: str = ""  # one sentence: where it comes from and under which licence
    thresholds: str = "{}"  # JSON object: thresholds that belong to this model, such as {"unknown_below": 0.6}
    precision: str = ""  # fp32 or int8
    fingerprint: str = ""  # of the data it learned from
    revision: str = ""  # git commit of the code that made it

    def to_metadata(self) -> dict[str, str]:
        """Return the entries for ONNX `metadata_props`."""
        return {
            f"{PREFIX}task": self.task,
            f"{PREFIX}name": self.name,
            f"{PREFIX}classes": json.dumps(self.classes),
            f"{PREFIX}input_size": str(self.input_size),
            f"{PREFIX}crop_rule": self.crop_rule,
            f"{PREFIX}preprocessing": self.preprocessing,
            f"{PREFIX}provenance": self.provenance,
            f"{PREFIX}thresholds": self.thresholds,
            f"{PREFIX}precision": self.precision,
            f"{PREFIX}fingerprint": self.fingerprint,
            f"{PREFIX}revision": self.revision,
        }

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> ModelContract:
        """Read the promise back; `where` names the file in errors."""
        get = {key.removeprefix(PREFIX): value for key, value in metadata.items() if key.startswith(PREFIX)}.get
        missing = [name for name in ("name", "task") if not get(name)]
        if missing:
            raise ModelMismatch(
                f"{where}: no maskwatch metadata ({', '.join(missing)}). Export the model with `maskwatch` training, "
                "or take a file from detector/models."
            )
        try:
            return cls(
                task=get("task", ""),
                name=get("name", ""),
                classes=tuple(json.loads(get("classes", "[]"))),
                input_size=int(get("input_size", "0")),
                crop_rule=get("crop_rule", ""),
                preprocessing=get("preprocessing", ""),
                provenance=get("provenance", ""),
                thresholds=json.dumps(json.loads(get("thresholds", "{}"))),
                precision=get("precision", ""),
                fingerprint=get("fingerprint", ""),
                revision=get("revision", ""),
            )
        except (TypeError, ValueError) as error:
            raise ModelMismatch(f"{where}: unreadable maskwatch metadata: {error}") from error

    def require_mask_classifier(self, where: str) -> None:
        """Raise ModelMismatch unless this version can feed the model and understand its answer."""
        self._require_task(MASK_TASK, where)
        for name, got, want in (
            ("crop rule", self.crop_rule, CROP_RULE),
            ("preprocessing", self.preprocessing, PREPROCESSING),
        ):
            if got != want:
                raise ModelMismatch(f"{where}: {name} is {got!r}, this version does {want!r}. Export the model again.")
        distinct = set(self.classes)
        if not {"mask", "no_mask"} <= distinct <= set(MASK_CLASSES) or len(distinct) < len(self.classes):
            raise ModelMismatch(f"{where}: classes are {list(self.classes)}, known are {list(MASK_CLASSES)}.")
        if not 32 <= self.input_size <= 512:
            raise ModelMismatch(f"{where}: input size is {self.input_size}, expected 32 to 512 pixels.")

    def require_face_detector(self, where: str) -> None:
        """Raise ModelMismatch unless the model is a YuNet of the shape this version decodes."""
        self._require_task(FACE_TASK, where)

    def _require_task(self, task: str, where: str) -> None:
        if self.task != task:
            raise ModelMismatch(f"{where}: the model is for {self.task!r}, expected {task!r}.")
