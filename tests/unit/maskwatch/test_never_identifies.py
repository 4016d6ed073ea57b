"""Nobody is identified: nothing that travels or is stored has room for who somebody is."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from aggregator import tables
from maskwatch import contracts, domain, reports

FORBIDDEN = re.compile(r"embed|feature|descriptor|identi|person_|gallery|gender|\bage\b|race|ethnic|emotion|vector")


def values() -> list[type]:
    """Return every dataclass of the domain, of the contracts and of what is reported."""
    found = {
        each
        for module in (domain, contracts, reports)
        for each in vars(module).values()
        if inspect.isclass(each) and dataclasses.is_dataclass(each)
    }
    return sorted(found, key=lambda each: each.__name__)


def test_the_words_are_found() -> None:
    """The list below is of the real contracts: it holds what travels."""
    named = {each.__name__ for each in values()}
    assert {"Detection", "Observation", "Event", "ViewHead", "FrameHead", "WorkerReport"} <= named


@pytest.mark.parametrize("value", values(), ids=lambda each: each.__name__)
def test_no_field_says_who(value: type) -> None:
    """No field's name speaks of identity, embeddings, age, sex or feelings."""
    named = [each.name for each in dataclasses.fields(value) if FORBIDDEN.search(each.name)]  # type: ignore[arg-type]
    assert not named


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda each: each.name)
def test_no_column_says_who(table: Any) -> None:
    """The same of the store's tables."""
    assert not [column.name for column in table.columns if FORBIDDEN.search(column.name)]


def test_a_face_is_a_place_and_a_state() -> None:
    """Of a face travel its box, five landmarks, a score, a state and three probabilities: nothing to compare."""
    assert {each.name for each in dataclasses.fields(domain.Detection)} == {
        "box",
        "landmarks",
        "face_score",
        "state",
        "probabilities",
    }
    assert {each.name for each in dataclasses.fields(domain.Event)}.isdisjoint({"track", "person", "jpeg", "picture"})


def test_no_array_travels() -> None:
    """No value of the contracts holds an array, in which an embedding could hide; two messages hold a picture."""
    with_bytes = []
    for value in values():
        hints = get_type_hints(value, vars(domain) | vars(contracts) | {"Image": np.ndarray})
        parts = [part for hint in hints.values() for part in (hint, *get_args(hint))]
        assert value is domain.Frame or np.ndarray not in parts
        with_bytes += [value.__name__] if bytes in parts else []
    assert with_bytes == ["FrameMessage", "ViewMessage"]
