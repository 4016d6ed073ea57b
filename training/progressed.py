"""Keeps how far a training came in its run folder, so that the same command goes on after an interruption."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


class Progressed:
    """How far a training came: what is needed to go on, kept in the run folder."""

    def __init__(self, folder: Path) -> None:
        """Start at nothing, or where the folder's last training stopped."""
        self.step, self.since_best, self.seconds = 0, 0, 0.0
        self.history: dict[str, list[float]] = {}
        self.mean: list[Floats] = []  # of the weights, exponentially
        self._state, self._arrays = folder / "state.json", folder / "state.npz"
        if self._state.is_file():
            state = json.loads(self._state.read_text())
            self.step, self.since_best, self.seconds = state["step"], state["since_best"], state["seconds"]
            self.history = state["history"]
            self.mean = self._read("mean")

    def restore(self, model: Any) -> None:
        """Give a model that is prepared for fine-tuning its weights and its optimizer's memory back."""
        model.set_weights(self._read("weights"))
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(model.optimizer.variables, self._read("optimizer"), strict=True):
            variable.assign(value)

    def average(self, model: Any, share: float) -> None:
        """Take the model's weights into their mean."""
        weights = model.get_weights()
        if not self.mean:
            self.mean = weights
        for kept, new in zip(self.mean, weights, strict=True):
            np.add(kept, (1 - share) * (new - kept), out=kept)

    def note(self, **figures: float) -> None:
        """Add one look's figures to the history."""
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)

    def save(self, model: Any) -> None:
        """Write all of it; the state last, as it makes the rest valid."""
        lists = {
            "mean": self.mean,
            "weights": model.get_weights(),
            "optimizer": [np.asarray(variable) for variable in model.optimizer.variables],
        }
        np.savez(
            self._arrays,
            **{f"{name}_{place}": value for name, values in lists.items() for place, value in enumerate(values)},
        )
        state = {name: getattr(self, name) for name in ("step", "since_best", "seconds", "history")}
        self._state.write_text(json.dumps(state))

    def forget(self) -> None:
        """Remove what only an unfinished training needs."""
        for file in (self._state, self._arrays):
            file.unlink(missing_ok=True)

    def _read(self, name: str) -> list[Floats]:
        with np.load(self._arrays) as arrays:
            count = sum(each.startswith(f"{name}_") for each in arrays.files)
            return [arrays[f"{name}_{place}"] for place in range(count)]
