"""Prints for how much of the time faces keep still: people of the shared clips, the painting, and prints made up here.

    python -m tests.bench.still_faces [FOLDER]

A print is a portrait in the public domain (skimage's astronaut) on a grey wall, at several sizes, seen by a camera with
sensor noise, a light that wavers and JPEG; `shaken` moves it by up to a pixel. The clips are looped for ten minutes.
Beside each share stands the figure's usual distance and the limit for a face of that size. Figures of
docs/decisions/0014-still-faces-and-crowd.md come from here.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import skimage.data

from aggregator.still_faces import Stillness, differences, figure_limit
from detector.pipeline import open_pipeline
from maskwatch.imaging import decode_image, encode_jpeg
from maskwatch.settings import DetectorSettings
from tests.bench.clips import CACHE
from tests.clips import REGIONS, Clips, load_truth, loop
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maskwatch.domain import Detection, Image

AFTER_S = 300.0
FPS = 5.0
LOOPED_S = 600.0
PAINTING = (440, 90, 520, 160)


@dataclass(slots=True)
class Watched(Stillness):
    """Stillness that keeps what it compared."""

    compared: list[tuple[bool, float]] = field(default_factory=list)
    still_at: float | None = None
    spread: float = 0.0

    def _compare(self, sample: list[float], lasted_s: float, still_after_s: float) -> None:
        if self.usual:
            self.compared.append((self._is_usual(sample), differences(self.usual, sample)[2]))
            self.spread = self.usual[2]
        Stillness._compare(self, sample, lasted_s, still_after_s)


def watch(faces: Iterable[tuple[float, Detection]]) -> Watched:
    """Show faces with their times, from 0 on."""
    watched = Watched()
    for at, face in faces:
        watched.see(face, at, AFTER_S)
        if watched.is_still and watched.still_at is None:
            watched.still_at = at
    return watched


def prints(height: int, shake: float, seconds: float = 30.0) -> Iterator[Image]:
    """Yield pictures of a portrait on a wall, its face about so many pixels high."""
    chance = np.random.default_rng(height)
    portrait = np.ascontiguousarray(skimage.data.astronaut()[0:300, 80:380, ::-1])
    side = round(height * 300 / 130)  # the face is 130 px high in it
    small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA if side < 300 else cv2.INTER_LINEAR)
    for _ in range(round(seconds * FPS)):
        wall = np.full((540, 960, 3), 120, np.uint8)
        top, left = (540 - side) // 2, (960 - side) // 2
        wall[max(0, top) : top + side, left : left + side] = small[max(0, -top) :][:540]
        moved = np.array([[1, 0, chance.uniform(-shake, shake)], [0, 1, chance.uniform(-shake, shake)]], np.float32)
        seen = cv2.warpAffine(wall, moved, (960, 540), borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        seen = seen * chance.uniform(0.98, 1.02) + chance.normal(0, 3, seen.shape)
        picture = decode_image(encode_jpeg(np.clip(seen, 0, 255).astype(np.uint8), 85))
        assert picture is not None
        yield picture


def main() -> None:
    """Watch everything, and print a line for each."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "videos"
    settings = DetectorSettings(provider="cpu")
    pipeline, _, _ = open_pipeline(settings)
    print("prints, 30 s each")
    for height in (48, 64, 96, 160, 240):
        for shake in (0.0, 1.0):
            faces = [
                (number / FPS, found[0])
                for number, picture in enumerate(prints(height, shake))
                if (found := pipeline.detect([picture])[0])
            ]
            report(f"{height} px{', shaken' if shake else ''}", faces[0][1].height if faces else 0, watch(faces))
    clips = Clips(settings, CACHE)
    print(f"clips, looped for {LOOPED_S:.0f} s")
    for name, clip in load_truth(folder).items():
        places = {who: person["region"] for who, person in clip.get("people", {}).items()} | REGIONS.get(name, {})
        if name.startswith("office"):
            places["PAINTING"] = PAINTING
        records = clips.observe(folder / name)
        for who, (left, top, right, bottom) in places.items():
            faces = [
                (each.captured_at - records[0].captured_at, face)
                for each in loop(records, LOOPED_S)
                for face in each.detections
                if left <= (face.box[0] + face.box[2]) / 2 <= right and top <= (face.box[1] + face.box[3]) / 2 <= bottom
            ]
            if len(faces) > 100:
                found_px = statistics.median(face.height for _, face in faces)
                report(f"{name.partition('.')[0]}: {who}", found_px, watch(faces))


def report(what: str, height: float, watched: Watched) -> None:
    """Print one line."""
    if not watched.compared:
        print(f"{what:<52} never still for a second")
        return
    share = statistics.mean(is_usual for is_usual, _ in watched.compared)
    usual = statistics.median(distance for _, distance in watched.compared)
    still = "" if watched.still_at is None else f", a picture after {watched.still_at:.0f} s"
    limit = figure_limit(watched.spread)
    print(f"{what:<52} {height:4.0f} px, usual {100 * share:3.0f} %, figure {usual:.4f} (limit {limit:.4f}){still}")


if __name__ == "__main__":
    main()
