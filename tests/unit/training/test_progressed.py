"""How far a training came, and of what: kept in its folder through interruptions, and never mixed with another's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskwatch.errors import ConfigError
from training.progressed import Progressed, begin

if TYPE_CHECKING:
    from pathlib import Path

ASKED: dict[str, Any] = {
    "recipe": "default",
    "fingerprint": "f00d",
    "config": {"size": 128, "seed": 1, "shares": (0.5, 0.5)},
    "revision": "abc",
}


class Optimizer:
    """Remembers one value for each weight."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.variables = [np.zeros(2, np.float32)]


class Model:
    """Weights that are one number, and what an optimizer remembers."""

    def __init__(self, value: float) -> None:
        """Take the number."""
        self.value = value
        self.optimizer = Optimizer()

    def get_weights(self) -> list[Any]:
        """Return the weights."""
        return [np.full(3, self.value, np.float32)]


def looked(folder: Path, step: int, value: float) -> Progressed:
    """Save the state after a step."""
    progressed = Progressed(folder)
    progressed.step = step
    progressed.mean = Model(value).get_weights()
    progressed.save(Model(value))
    return progressed


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"fingerprint": "beef"}, r"other data, labels or splits; name another --output", id="data"),
        pytest.param(
            {"config": {"size": 96, "seed": 7, "shares": (0.5, 0.5)}},
            r"other size \(128, now 96\), seed \(1, now 7\);",
            id="recipe's values",
        ),
        pytest.param({"recipe": "seed", "config": {}}, r"other recipe \(default, now seed\);", id="recipe"),
    ],
)
@pytest.mark.parametrize("file", ["begun.json", "run.json"])
def test_a_folder_is_for_one_training(tmp_path: Path, file: str, changes: dict[str, Any], named: str) -> None:
    """What was begun with other data or values is refused with what differs; so is what a version before finished."""
    (tmp_path / file).write_text(json.dumps(ASKED))
    with pytest.raises(ConfigError, match=named):
        begin(tmp_path, ASKED | changes)


def test_the_same_training_goes_on(tmp_path: Path) -> None:
    """With the revision that began it, and with values that its version did not know yet."""
    folder = tmp_path / "new" / "run"
    assert begin(folder, ASKED)["revision"] == "abc"
    later = ASKED | {"revision": "def", "config": ASKED["config"] | {"of_a_later_version": 1}}
    assert begin(folder, later)["revision"] == "abc"


def test_an_interrupted_save_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the arrays of the second look are written, a training goes on from the first."""
    progressed = looked(tmp_path, 100, 1.0)

    def killed(file: Path, **_: object) -> None:
        file.write_bytes(b"half of")
        raise KeyboardInterrupt

    progressed.step = 200
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", killed)
        with pytest.raises(KeyboardInterrupt):
            progressed.save(Model(2.0))
    again = Progressed(tmp_path)
    assert (again.step, again.mean[0].tolist()) == (100, [1.0, 1.0, 1.0])
    looked(tmp_path, 300, 3.0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state-300.npz", "state.json"]
    again.forget()
    assert list(tmp_path.iterdir()) == []


def test_the_state_of_a_version_before_is_read(tmp_path: Path) -> None:
    """Whose arrays lay in state.npz, unnamed."""
    looked(tmp_path, 100, 1.0)
    (tmp_path / "state-100.npz").rename(tmp_path / "state.npz")
    state = json.loads((tmp_path / "state.json").read_text())
    del state["arrays"]
    (tmp_path / "state.json").write_text(json.dumps(state))
    assert Progressed(tmp_path).mean[0].tolist() == [1.0, 1.0, 1.0]
