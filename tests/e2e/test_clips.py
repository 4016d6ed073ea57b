"""Clips with known content through the whole stack: who is without a mask for two seconds, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.stack import Stack, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.shared]

FPS = 5
EPISODES = {
    "office_four_people_mask_on_off": 1,
    "man_unmasked_smiling": 1,
    "woman_masked_laptop": 0,
    "one_by_one_no_faces": 0,
}


def settings(clips: list[Path]) -> str:
    """Write cameras that play the clips once, as fast as they can be judged."""
    rows = "".join(f"  - {{id: {clip.stem}, source: '{clip}'}}\n" for clip in clips)
    return f"defaults: {{pace: fast, fps: {FPS}}}\nrule: {{open_after_s: 2}}\ncameras:\n{rows}"


def play(folder: Path, clips: list[Path]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Play clips to their ends; returns the events, and the ledgers by camera."""
    folder.mkdir()
    names = {clip.stem for clip in clips}
    with Stack(folder, settings(clips)) as stack:

        def is_over() -> bool:
            status = stack.status()
            over = {row["camera_id"]: row for row in status.get("cameras", []) if row["reason"] == "finished"}
            settled = {row["camera_id"]: row["captured"] - row["in_flight"] for row in status.get("ledgers", [])}
            # A camera tells that it is over by itself, the aggregator has heard all of it a moment later.
            return names <= over.keys() and all(settled.get(name) == over[name]["captured"] for name in names)

        wait_for(is_over, within_s=240, what="the end of the clips")

        def is_closed() -> bool:
            return all(each["state"] == "closed" for each in stack.events() if each["camera_id"] in names)

        wait_for(is_closed, what="closed episodes")
        return stack.events(), {row["camera_id"]: row for row in stack.status()["ledgers"]}


def seen(events: list[dict[str, Any]]) -> list[tuple[str, str, str, float]]:
    """Reduce events to what must be the same each time: where, what, and how long."""
    return sorted(
        (each["camera_id"], each["kind"], each["reason"], round(each["closed_at"] - each["started_at"], 2))
        for each in events
        if each["camera_id"] in EPISODES
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_right_episodes_open_twice_in_a_row_and_every_frame_is_accounted_for(
    tmp_path: Path, shared_videos: Path
) -> None:
    """The office opens one episode (the man on the left), the smiling man one, others none; the second time as well."""
    truth = yaml.safe_load((shared_videos / "ground_truth.yaml").read_text())["clips"]
    first, ledgers = play(tmp_path / "first", sorted(shared_videos.glob("*.mp4")))
    assert {name: sum(each["camera_id"] == name for each in first) for name in EPISODES} == EPISODES
    (office,) = (each for each in first if each["camera_id"] == "office_four_people_mask_on_off")
    x_min, y_min, x_max, y_max = office["box"]
    left, top, right, bottom = truth["office_four_people_mask_on_off.mp4"]["people"]["man_left"]["region"]
    assert left <= (x_min + x_max) / 2 <= right
    assert top <= (y_min + y_max) / 2 <= bottom
    assert set(ledgers) == {name.removesuffix(".mp4") for name in truth}
    for name, clip in truth.items():
        ledger = ledgers[name.removesuffix(".mp4")]
        shown = clip["frames"] / clip["fps"] * FPS
        assert ledger["captured"] == pytest.approx(shown, abs=1), name  # a replay waits on a busy machine
        assert (ledger["observed"], ledger["lost"], ledger["balances"]) == (ledger["captured"], 0, True), name
    again, _ = play(tmp_path / "second", [shared_videos / f"{name}.mp4" for name in EPISODES])
    assert seen(again) == seen(first)
