"""Who continues whom, and what shares are made of."""

from __future__ import annotations

import pytest

from aggregator.people import Person, assign, coverage
from tests.builders import make_detection

HERE = (100.0, 100.0, 160.0, 180.0)


@pytest.mark.parametrize(
    ("box", "is_found"),
    [
        pytest.param((95.0, 90.0, 165.0, 190.0), True, id="a step nearer"),
        pytest.param((40.0, 20.0, 220.0, 260.0), False, id="three times as large"),
        pytest.param((120.0, 127.0, 140.0, 153.0), False, id="a third as large"),
        pytest.param((600.0, 100.0, 660.0, 180.0), False, id="elsewhere"),
    ],
)
def test_who_is_found_again(box: tuple[float, float, float, float], *, is_found: bool) -> None:
    """A new track continues a person out of sight only at about the same place and of about the same size."""
    people = [Person(1, HERE, 0.0)]
    (person,) = assign(people, [make_detection(box=box)], [2], 1.0)
    assert (person is people[0]) is is_found
    assert len(people) == (1 if is_found else 2)


def test_of_people_of_whom_nothing_can_be_said_none_are_covered() -> None:
    """Coverage is 0 and not unknown where people were there and none could be judged."""
    assert coverage({"unknown": 3}) == 0.0
