"""The words of the system: frozen, light, and the same everywhere."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys

import pytest

from maskwatch import domain, errors
from maskwatch.domain import FrameId, MaskState
from maskwatch.model_contract import MASK_CLASSES
from tests.builders import make_detection, make_observation

CLASSES = [each for each in vars(domain).values() if dataclasses.is_dataclass(each)]
ENUMS = [
    each
    for each in vars(domain).values()
    if isinstance(each, type) and issubclass(each, enum.Enum) and each.__members__
]


@pytest.mark.parametrize("kind", CLASSES)
def test_values_are_frozen_and_slotted(kind: type) -> None:
    """No value of the domain can be changed or grow fields."""
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(kind)


@pytest.mark.parametrize("words", ENUMS)
def test_words_are_plain(words: type[enum.Enum]) -> None:
    """Every word is its own name in small letters: the same in code, metrics, dashboards and documents."""
    assert [word.value for word in words] == [word.name.lower() for word in words]


def test_the_classifier_speaks_the_same_words() -> None:
    """What a model may answer are states of the domain; only `unknown` is none of its answers."""
    assert {MaskState(name) for name in MASK_CLASSES} == set(MaskState) - {MaskState.UNKNOWN}


def test_frame_ids_are_ordered_in_time() -> None:
    """Runs count before sequences."""
    assert sorted([FrameId(2, 1), FrameId(1, 9), FrameId(1, 10)]) == [FrameId(1, 9), FrameId(1, 10), FrameId(2, 1)]


def test_face_height() -> None:
    """The height of a face is that of its box."""
    assert make_detection(box=(1, 10, 5, 42.5)).height == 32.5


def test_builders_say_what_they_build() -> None:
    """The observation that tests ask for is the one they get."""
    states = [face.state for face in make_observation(no_mask=2, mask=1).detections]
    assert states == [MaskState.NO_MASK, MaskState.NO_MASK, MaskState.MASK]


def test_domain_is_light() -> None:
    """Importing the domain loads nothing heavy, not even numpy."""
    code = "import sys, maskwatch.domain; print({'numpy', 'pydantic', 'cv2', 'redis'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "set()"


def test_exit_codes_are_distinct() -> None:
    """Each error that ends a command before anything was started has an exit code of its own."""
    starts = [errors.ConfigError, errors.ModelMismatch, errors.Unsupported]
    assert [each.exit_code for each in starts] == [2, 3, 4]


def test_every_error_is_in_the_tree() -> None:
    """The tree drawn at the top of maskwatch/errors.py shows every error."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert [each.__name__ for each in kinds if each.__name__ not in (errors.__doc__ or "")] == []


def test_source_lost_keeps_its_reason() -> None:
    """A lost camera says why as a word of the domain, and what happened as text."""
    lost = errors.SourceLost(domain.LossReason.TIMEOUT, "no data for 5 s")
    assert (lost.reason, lost.detail, str(lost)) == ("timeout", "no data for 5 s", "timeout: no data for 5 s")
