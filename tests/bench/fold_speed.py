"""Prints how many observations of two faces a second one core folds, and that it does not slow down.

    python -m tests.bench.fold_speed [HOURS] [CAMERAS]

Counts the processor time of this process alone, the best of three times, as other programs on the machine slow even
that down. The people come and go
every few minutes, sit, walk and turn, so that state that grew with time or with people would show.
"""

from __future__ import annotations

import random
import sys
import time
from typing import TYPE_CHECKING

from aggregator.fold import Fold
from maskwatch.contracts import record_from_fields, record_to_fields
from maskwatch.settings_camera import CameraDefaults
from maskwatch.settings_rule import CrowdSettings, RuleSettings
from tests.builders import NOW
from tests.scenes import BARE, MASKED, Scene

if TYPE_CHECKING:
    from maskwatch.contracts import LogRecord

RULE = RuleSettings(crowd=CrowdSettings(share=0.5, minutes=5, people=2), schedule="00:00-24:00")
WANTED = 2000


def minutes_of(camera: str, minutes: int, at: float, run: int) -> list[LogRecord]:
    """Make up a stretch of one camera's log: two faces in every picture, others every minute."""
    chance = random.Random(run)
    scene = Scene(camera, run=run, at=at)
    for _ in range(minutes):
        states = (BARE, MASKED) if chance.random() < 0.5 else (MASKED, BARE)
        scene.show(56, *states, x=chance.uniform(0, 300), step=chance.uniform(-0.5, 0.5)).wait(4)
    return scene.records


def spent_s(folds: dict[str, Fold], records: list[LogRecord]) -> float:
    """Fold records; returns the processor time it took."""
    begun = time.process_time()
    for record in records:
        folds[record.camera_id].feed(record)
    for fold in folds.values():
        fold.minutes.clear()  # as the worker does with each step
    return time.process_time() - begun


def best_of(folds: dict[str, Fold], records: list[LogRecord], times: int = 3) -> tuple[float, dict[str, Fold]]:
    """Fold the same records several times from the same state; returns the shortest time, and the folds after it."""
    stored = {name: fold.to_json() for name, fold in folds.items()}
    took: list[float] = []
    for _ in range(times):
        folds = {name: Fold.from_json(name, RULE, CameraDefaults(), data) for name, data in stored.items()}
        took.append(spent_s(folds, records))
    return min(took), folds


def make_folds(count: int) -> dict[str, Fold]:
    """Begin the folds of some cameras."""
    return {f"camera-{number}": Fold(f"camera-{number}", RULE, CameraDefaults()) for number in range(count)}


def main() -> None:
    """Fold hours of one camera, then of many, and print the figures."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    cameras = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    folds = make_folds(1)
    print(f"one camera, 2 faces in each observation, 5 a second; wanted: {WANTED} observations/s")
    for hour in range(hours):
        records = minutes_of("camera-0", 10, NOW + 3600.0 * hour, hour + 1)
        took_s, folds = best_of(folds, records)
        report("hour", hour + 1, records, took_s, folds["camera-0"])
    print(f"{cameras} cameras in turn")
    folds = make_folds(cameras)
    logs = [minutes_of(camera, 1, NOW, 1) for camera in folds]
    mixed = [record for row in zip(*logs, strict=True) for record in row]
    took_s, folds = best_of(folds, mixed)
    report("cameras", cameras, mixed, took_s, folds["camera-0"])
    fields = [record_to_fields(record) for record in mixed]
    begun = time.process_time()
    for each in fields:
        record_from_fields(each)
    print(f"decoding beside it: {1000 * (time.process_time() - begun) / len(fields):.3f} ms each")


def report(what: str, number: int, records: list[LogRecord], took_s: float, fold: Fold) -> None:
    """Print one line."""
    count = sum(type(record).__name__ == "Observation" for record in records)
    print(
        f"{what} {number:>4}: {count / took_s:7.0f} observations/s, {1000 * took_s / count:.3f} ms each, "
        f"state {len(fold.to_json()):,} bytes, {'enough' if count / took_s >= WANTED else 'TOO SLOW'}"
    )


if __name__ == "__main__":
    main()
