"""Keeps how far a training came in its run folder, so that the same command goes on after an interruption.

And only the same: a folder that was begun with other data or another recipe is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]


def begin(folder: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Note in a run folder what is trained there, and return what was noted when it was begun.

    Args:
        folder: of the run; made if it is not there. Where a version before noted nothing, run.json tells.
        asked: recipe, fingerprint of the data, config (what JSON can hold) and revision; if any but the last is
            another than at the beginning, ConfigError says which.
    """
    asked = json.loads(json.dumps(asked))
    folder.mkdir(parents=True, exist_ok=True)
    noted = [folder / name for name in ("run.json", "begun.json") if (folder / name).is_file()]
    if not noted:
        write_whole(folder / "begun.json", json.dumps(asked, indent=2))
        return asked
    begun: dict[str, Any] = json.loads(noted[0].read_text())
    differences = _differences(begun, asked)
    if differences:
        raise ConfigError(f"{folder} was begun with other {', '.join(differences)}; name another --output")
    return begun


def _differences(begun: dict[str, Any], asked: dict[str, Any]) -> list[str]:
    """Say what differs; of the recipe's values only those are compared that both versions of it have."""
    if begun.get("recipe") != asked["recipe"]:
        return [f"recipe ({begun.get('recipe')}, now {asked['recipe']})"]
    data = [] if begun.get("fingerprint") == asked["fingerprint"] else ["data, labels or splits"]
    now, before = asked["config"], begun.get("config", {})
    names = [name for name in now if name in before and before[name] != now[name]]
    return data + [f"{name} ({before[name]}, now {now[name]})" for name in names]


def write_whole(file: Path, text: str) -> None:
    """Write a file so that whoever reads it, also after an interruption, finds the old text or the new."""
    temporary = file.with_name(f"{file.name}.tmp")
    temporary.write_text(text)
    temporary.replace(file)


class Progressed:
    """How far a training came: what is needed to go on, kept in the run folder."""

    def __init__(self, folder: Path) -> None:
        """Start at nothing, or where the folder's last training stopped."""
        self.step, self.since_best, self.seconds = 0, 0, 0.0
        self.history: dict[str, list[float]] = {}
        self.mean: list[Floats] = []  # of the weights, exponentially
        self._folder, self._state = folder, folder / "state.json"
        self._arrays = folder / "state.npz"
        if self._state.is_file():
            state = json.loads(self._state.read_text())
            self.step, self.since_best, self.seconds = state["step"], state["since_best"], state["seconds"]
            self.history = state["history"]
            self._arrays = folder / state.get("arrays", self._arrays.name)  # versions before had the one file
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
        """Write all of it; the state last, as it names the arrays that belong to it."""
        lists = {
            "mean": self.mean,
            "weights": model.get_weights(),
            "optimizer": [np.asarray(variable) for variable in model.optimizer.variables],
        }
        self._arrays = self._folder / f"state-{self.step}.npz"
        np.savez(
            self._arrays,
            **{f"{name}_{place}": value for name, values in lists.items() for place, value in enumerate(values)},
        )
        state = {name: getattr(self, name) for name in ("step", "since_best", "seconds", "history")}
        write_whole(self._state, json.dumps(state | {"arrays": self._arrays.name}))
        self._remove_arrays(but=self._arrays)

    def forget(self) -> None:
        """Remove what only an unfinished training needs."""
        self._state.unlink(missing_ok=True)
        self._remove_arrays()

    def _remove_arrays(self, but: Path | None = None) -> None:
        for file in self._folder.glob("state*.npz"):
            if file != but:
                file.unlink()

    def _read(self, name: str) -> list[Floats]:
        with np.load(self._arrays) as arrays:
            count = sum(each.startswith(f"{name}_") for each in arrays.files)
            return [arrays[f"{name}_{place}"] for place in range(count)]
