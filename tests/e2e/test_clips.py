"""Clips with known content through the whole stack: who is without a mask for two seconds, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import wait_until
from tests.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.shared]

CLIPS = {
    "office": "office_four_people_mask_on_off.mp4",
    "smiling": "man_unmasked_smiling.mp4",
    "masked": "woman_masked_laptop.mp4",
    "one-by-one": "one_by_one_no_faces.mp4",
}
OFFICE_FPS = 25
EPISODE = {"smiling": 1, "office": 1, "masked": 0, "one-by-one": 0}


def settings(videos: Path) -> str:
    """Write cameras that play the clips once, as fast as they can be judged."""
    rows = "".join(f"  - {{id: {camera}, source: '{videos / name}'}}\n" for camera, name in CLIPS.items())
    return f"defaults: {{pace: fast, fps: 5}}\nrule: {{open_after_s: 2}}\ncameras:\n{rows}"


def play(folder: Path, videos: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Play all clips to the end; returns the events and the ledgers."""
    with Stack(folder, settings(videos)) as stack:

        def is_over() -> bool:
            status = stack.status()
            ended = {row["camera_id"] for row in status.get("cameras", []) if row["reason"] == "finished"}
            settled = {
                row["camera_id"] for row in status.get("ledgers", []) if row["captured"] and not row["in_flight"]
            }
            return ended >= set(CLIPS) <= settled

        wait_until(is_over, within_s=200, what="the end of the clips")
        wait_until(lambda: all(each["state"] == "closed" for each in stack.events()), what="closed episodes")
        return stack.events(), {row["camera_id"]: row for row in stack.status()["ledgers"]}


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str, str, float]]:
    """Reduce events to what must be the same each time: who, what, and how long."""
    return sorted(
        (each["camera_id"], each["kind"], each["reason"], round(each["closed_at"] - each["started_at"], 2))
        for each in events
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_clips_open_the_right_episodes_twice_in_a_row(tmp_path: Path, shared_videos: Path) -> None:
    """The office opens one episode (the man on the left), the smiling man one, the others none; twice the same."""
    first, ledgers = play(tmp_path / "first", shared_videos)
    count = {camera: sum(each["camera_id"] == camera for each in first) for camera in CLIPS}
    assert count == EPISODE
    (office,) = (each for each in first if each["camera_id"] == "office")
    x_min, y_min, x_max, y_max = office["box"]
    assert 180 <= (x_min + x_max) / 2 <= 330, "the man on the left"
    assert 120 <= (y_min + y_max) / 2 <= 330
    for camera, ledger in ledgers.items():
        assert ledger["balances"], camera
        assert ledger["lost"] == 0, camera
        assert ledger["captured"] == ledger["observed"], camera
    again, _ = play(tmp_path / "second", shared_videos)
    assert seen(again) == seen(first)
