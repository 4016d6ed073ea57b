"""Clips with known content through the real models and the aggregator's fold, without a bus between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from maskwatch.domain import EventState
from tests.scenes import judge_clip, make_fold, play

if TYPE_CHECKING:
    from pathlib import Path

    from detector.pipeline import MaskPipeline

pytestmark = [pytest.mark.e2e, pytest.mark.shared, pytest.mark.slow]

OFFICE = "office_four_people_mask_on_off.mp4"
FPS = {OFFICE: 25, "man_unmasked_smiling.mp4": 25, "woman_masked_laptop.mp4": 25, "one_by_one_no_faces.mp4": 10}


@pytest.fixture(scope="module")
def pipeline() -> MaskPipeline:
    """The shipped models on the CPU."""
    from detector.pipeline import open_pipeline
    from maskwatch.settings import DetectorSettings

    return open_pipeline(DetectorSettings(provider="cpu"))[0]


@pytest.mark.parametrize(
    ("clip", "episodes"),
    [
        pytest.param(OFFICE, 1, id="four people, of whom one takes his mask off"),
        pytest.param("man_unmasked_smiling.mp4", 1, id="one man without a mask"),
        pytest.param("woman_masked_laptop.mp4", 0, id="one woman with a mask"),
        pytest.param("one_by_one_no_faces.mp4", 0, id="people from behind"),
    ],
)
def test_episodes_of_clips(shared_videos: Path, pipeline: MaskPipeline, clip: str, episodes: int) -> None:
    """Under the two-second rule each clip opens the episodes that a person would, at the right place and time."""
    fold = make_fold(open_after_s=2)
    records = list(judge_clip(shared_videos / clip, pipeline))
    events = play(records, fold) + fold.retire()
    opened = [each for each in events if each.state is EventState.OPENED]
    assert len(opened) == episodes
    assert [each.state for each in events].count(EventState.CLOSED) == episodes
    if clip == OFFICE:
        (event,) = opened
        assert event.box is not None
        assert 180 <= (event.box[0] + event.box[2]) / 2 <= 330, "the man on the left"
        began = (event.started_at - records[0].captured_at) * FPS[clip]
        told = (event.opened_at - records[0].captured_at) * FPS[clip]
        assert 138 <= began <= 165, "soon after his mask was off"
        assert told <= 239, "before he puts it on again"
