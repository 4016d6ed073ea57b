"""Clips with known content through the real models and the aggregator's fold, without a bus between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aggregator.replay import replay
from maskwatch.domain import EventState
from maskwatch.settings import DetectorSettings, Settings
from maskwatch.settings_rule import IncorrectPolicy, RuleSettings
from tests.clips import Bare, Clips, bare_stretches, load_truth, loop, opened, score
from tests.scenes import make_fold, play

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.domain import Observation

pytestmark = [pytest.mark.e2e, pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(600)]

OFFICE = "office_four_people_mask_on_off.mp4"
RULE = RuleSettings(open_after_s=2)
PAINTING = Bare("the painting", 0.0, 17.0, (440.0, 90.0, 520.0, 160.0))
TAKEN_OFF_S, PUT_ON_S = 138 / 25, 273 / 25
"""When the man on the left has his mask off, and has it on again."""

CLIPS = (
    OFFICE,
    "woman_unmask_then_mask.mp4",
    "woman_masked_laptop.mp4",
    "man_unmasked_smiling.mp4",
    "tv_two_unmasked_then_fabric_mask.mp4",
    "one_by_one_no_faces.mp4",
    "classroom_four_unmasked_small.mp4",
    "corridor_two_unmasked_walking.mp4",
    "corridor_three_unmasked_walking.mp4",
    "man_unmasked_frontal.mp4",
    "street_unmasked_small_faces.mp4",
    "two_unmasked_heads_tilted.mp4",
)


@pytest.fixture(scope="module")
def seen(shared_videos: Path) -> dict[str, list[Observation]]:
    """What the shipped models see in each clip, five times a second: minutes, counted for the first test."""
    clips = Clips(DetectorSettings(provider="cpu"))
    return {name: clips.observe(shared_videos / name) for name in CLIPS}


@pytest.mark.parametrize("clip", CLIPS)
def test_episodes_of_clips(shared_videos: Path, seen: dict[str, list[Observation]], clip: str) -> None:
    """Who is without a mask for longer than two seconds has one episode in time, nobody else, and the same again."""
    truth = load_truth(shared_videos)[clip]
    openings = opened(seen[clip], RULE)
    found = score(bare_stretches(clip, truth), seen[clip], openings, RULE)
    assert found.is_right, found
    assert opened(seen[clip], RULE) == openings


@pytest.mark.parametrize("clip", CLIPS)
def test_clips_where_masks_worn_wrongly_count_as_none(
    shared_videos: Path, seen: dict[str, list[Observation]], clip: str
) -> None:
    """Everybody bare for longer than two seconds has one episode in time, and nobody with a mask has any."""
    rule = RULE.model_copy(update={"incorrect": IncorrectPolicy.AS_NO_MASK})
    found = score(bare_stretches(clip, load_truth(shared_videos)[clip]), seen[clip], opened(seen[clip], rule), rule)
    assert found.is_right, found
    assert not found.too_small


def test_a_mask_taken_off_is_seen_and_one_put_on_closes(seen: dict[str, list[Observation]]) -> None:
    """In the office the evidence turns within two seconds of his mask being off; once it is on the episode closes."""
    records = seen[OFFICE]
    begun = records[0].captured_at
    fold = make_fold(open_after_s=0.5)
    events = play(records, fold)
    off = next(each for each in events if each.opened_at - begun > TAKEN_OFF_S - 1)
    assert off.opened_at - begun <= TAKEN_OFF_S + 2.0
    (closed,) = [each for each in events if each.id == off.id and each.state is EventState.CLOSED]
    assert closed.reason == "mask_on"
    assert closed.closed_at is not None
    assert closed.closed_at - begun <= PUT_ON_S + 2.0


@pytest.mark.parametrize("gap_s", [1.0, 2.5])
@pytest.mark.parametrize("at", range(10, 70, 15))
def test_people_are_found_again_after_a_gap(seen: dict[str, list[Observation]], gap_s: float, at: int) -> None:
    """Nobody in the office is counted twice when nothing is seen for a moment, wherever that falls."""
    records, begun = seen[OFFICE], seen[OFFICE][at].captured_at
    kept = [each for each in records if not begun <= each.captured_at < begun + gap_s]
    whole, holed = (replay(log, Settings(rule=RULE)).people[records[0].camera_id] for log in (records, kept))
    assert (whole["no_mask"], whole["mask"]) == (1, 4), "three people and the painting"
    assert (holed["no_mask"], holed["mask"]) == (1, 4)


def test_the_painting_is_known_for_a_picture(seen: dict[str, list[Observation]]) -> None:
    """Looped for minutes the painting in the office is silenced as a still face, and nobody else ever is."""
    fold = make_fold(open_after_s=2, still_after_s=120)
    still: set[tuple[float, float, float, float]] = set()
    for each in loop(seen[OFFICE], seconds=420):
        fold.feed(each)
        still.update(person.box for person in fold.state.people if person.still.is_still)
    assert still
    assert all(PAINTING.holds(box) for box in still)
    assert [PAINTING.holds(place.box) for place in fold.state.still_places] == [True]
    assert (fold.still_in_view(), len(fold.in_view())) == (1, 4)
