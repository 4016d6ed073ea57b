"""What augmentation promises: repeatable, balanced, and everything where it should be on the face."""

from __future__ import annotations

import dataclasses
from collections import Counter

import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from maskwatch.model_contract import MASK_CLASSES
from training.augment import SIDE_FACE, Sampler, place
from training.camera import SMALLEST_MACROBLOCKS, relight, through_camera, through_h264
from training.crops import Sample
from training.datasets import UNCERTAIN
from training.drawn_masks import draw_mask, face_frame, transplant_mask
from training.occluders import (
    cover_face,
    draw_beard,
    draw_foreground,
    draw_glasses,
    draw_headwear,
    draw_scarf,
    draw_visor,
    hide_face,
    hold_to_mouth,
    occlude,
    stand_near,
)

SIZE = 112
SHARES = (0.5, 0.0, 0.5)
LANDMARKS = np.array([(203, 115), (240, 112), (224, 138), (208, 157), (242, 154)], np.float32) - np.array([128, 36])


def make_patch() -> np.ndarray:
    """The head of Eileen Collins, by NASA, in the public domain: 192 x 192 x 3, BGR."""
    return np.ascontiguousarray(astronaut()[36:228, 128:320, ::-1])


def make_sample(label: str, source: str = "chand_without", face_px: float = 98, tint: int = 0) -> Sample:
    """A sample of that head, tinted so that it can be told from others."""
    patch = make_patch()
    patch[..., 0] = np.clip(patch[..., 0].astype(int) + tint, 0, 255)
    crop = cv2.resize(patch[32:160, 32:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return Sample(
        file=f"{label}.png",
        source=source,
        split="train",
        label=label,
        face_px=face_px,
        found=True,
        crop=crop,
        patch=patch,
        landmarks=LANDMARKS.astype(np.float32),
    )


def make_sampler() -> Sampler:
    """A sampler over very unequal classes."""
    samples = [make_sample("mask")] * 50 + [make_sample("no_mask")] * 5 + [make_sample("incorrect")]
    return Sampler([*samples, make_sample(UNCERTAIN)], MASK_CLASSES, SIZE)


def changed(before: np.ndarray, after: np.ndarray, place: np.ndarray, radius: int = 4) -> float:
    """How much a picture changed around a place, 0 to 255."""
    x, y = np.round(place).astype(int)
    window = np.s_[y - radius : y + radius + 1, x - radius : x + radius + 1]
    return float(np.abs(before[window].astype(float) - after[window]).mean())


def test_the_same_seed_gives_the_same_crops() -> None:
    """Training can be repeated."""
    sampler = make_sampler()
    runs = []
    for _ in range(2):
        random = np.random.default_rng(5)
        runs.append([sampler.draw(random, uncertain_share=0.2, synthetic_shares=SHARES) for _ in range(12)])
    for (one, index), (other, same) in zip(*runs, strict=True):
        assert index == same
        np.testing.assert_array_equal(one, other)


def test_classes_are_drawn_evenly_whatever_their_number() -> None:
    """Fifty times more masks must not teach that masks are likely."""
    random = np.random.default_rng(2)
    sampler = make_sampler()
    counts = Counter(sampler.draw(random, uncertain_share=0.1, synthetic_shares=SHARES)[1] for _ in range(300))
    assert 12 < counts[-1] < 48
    for index in range(3):
        assert 60 < counts[index] < 120


def test_sources_are_drawn_by_the_root_of_their_number() -> None:
    """A source with few pictures is seen more often than its number says, and less often than one with many."""
    samples = [make_sample("mask", "big")] * 36 + [make_sample("mask", "small", tint=120)] * 4
    sampler = Sampler([*samples, make_sample("no_mask"), make_sample("incorrect")], MASK_CLASSES, SIZE)
    random = np.random.default_rng(3)
    sources = [sampler._pick("mask", random).source for _ in range(400)]
    assert 70 < sources.count("small") < 130


def test_no_wrong_mask_is_drawn_onto_a_side_face() -> None:
    """From the side nobody can tell a mask below the nose from one worn right: such a crop would teach wrongly."""
    side = make_sample("no_mask", tint=90)
    side = dataclasses.replace(side, landmarks=LANDMARKS.astype(np.float32) * [0.4, 1])
    sampler = Sampler([make_sample("mask"), side, make_sample("no_mask")], MASK_CLASSES, SIZE)
    random = np.random.default_rng(8)
    drawn_on = [sampler._with_landmarks("no_mask", random, eyes_apart=SIDE_FACE)[0] for _ in range(30)]
    assert not any(sample is side for sample in drawn_on)
    assert any(sampler._with_landmarks("no_mask", random)[0] is side for _ in range(30))
    only_sides = Sampler([make_sample("mask"), side], MASK_CLASSES, SIZE)
    with pytest.raises(ValueError, match="from the side"):
        only_sides._with_landmarks("no_mask", random, eyes_apart=SIDE_FACE)


def test_every_crop_has_the_shape_of_the_input() -> None:
    """Small and large patches, faces and places alike."""
    random = np.random.default_rng(4)
    sampler = Sampler([make_sample(label) for label in (*MASK_CLASSES, UNCERTAIN)], MASK_CLASSES, SIZE)
    for _ in range(60):
        crop, index = sampler.draw(random, uncertain_share=0.3, synthetic_shares=SHARES)
        assert crop.shape == (SIZE, SIZE, 3)
        assert crop.dtype == np.uint8
        assert -1 <= index < len(MASK_CLASSES)


def test_the_face_stays_in_the_crop() -> None:
    """On average over many draws the crop still looks like the face, not like its surroundings."""
    sample = make_sample("no_mask")
    random = np.random.default_rng(6)
    mean = np.mean([place(sample.patch, random, SIZE) for _ in range(150)], axis=0)
    centre, reference = mean[28:84, 28:84].mean(axis=2), sample.crop[28:84, 28:84].mean(axis=2)
    assert np.corrcoef(cv2.blur(centre, (9, 9)).ravel(), cv2.blur(reference, (9, 9)).ravel())[0, 1] > 0.5


def test_shrinking_loses_detail_for_good() -> None:
    """A crop that had 24 pixels in its picture has no sharper edges than those."""
    crop = make_sample("mask").crop
    random = np.random.default_rng(8)
    sharp = cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var()
    small = [cv2.Laplacian(through_camera(crop, 24, random)[..., 1], cv2.CV_64F).var() for _ in range(20)]
    assert np.median(small) < 0.3 * sharp


@pytest.mark.parametrize("side", [20, SMALLEST_MACROBLOCKS + 1, 112])
def test_h264_keeps_the_picture_and_coarsens_it(side: int) -> None:
    """What comes back is the same face, not the same pixels, at any size."""
    crop = cv2.resize(make_sample("mask").crop, (side, side), interpolation=cv2.INTER_AREA)
    coarse = through_h264(crop, np.random.default_rng(2))
    assert coarse.shape == crop.shape
    difference = np.abs(coarse.astype(int) - crop).mean()
    assert 0.5 < difference < 30
    assert np.corrcoef(coarse.ravel(), crop.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("change", [relight, occlude])
def test_changes_do_not_touch_what_they_are_given(change: object) -> None:
    """Samples are used again in every epoch."""
    patch = make_patch()
    for seed in range(10):
        change(patch, np.random.default_rng(seed))  # type: ignore[operator]
    np.testing.assert_array_equal(patch, make_patch())


@pytest.mark.parametrize("seed", range(8))
def test_a_mask_worn_right_covers_mouth_and_nose_and_leaves_the_eyes(seed: int) -> None:
    """As the class says, for any shape and colour."""
    patch = make_patch()
    masked = draw_mask(patch, LANDMARKS, np.random.default_rng(seed), worn_right=True)
    mouth = LANDMARKS[3:].mean(axis=0)
    assert changed(patch, masked, mouth) > 8
    assert changed(patch, masked, LANDMARKS[2]) > 8
    assert changed(patch, masked, LANDMARKS[0] - (0, 4)) < 4
    np.testing.assert_array_equal(patch, make_patch())


@pytest.mark.parametrize("seed", range(24))
def test_a_mask_worn_wrong_leaves_the_nose(seed: int) -> None:
    """It is below the nose, at the chin, on an ear or on the forehead, and it is there."""
    patch = make_patch()
    masked = draw_mask(patch, LANDMARKS, np.random.default_rng(seed), worn_right=False)
    frame = face_frame(LANDMARKS)
    assert changed(patch, masked, frame.to_pixels([[0, 0.5]])[0], 2) < 8
    assert (np.abs(patch.astype(int) - masked).max(axis=2) > 8).mean() > 0.015


@pytest.mark.parametrize("draw", [draw_scarf, draw_headwear, draw_glasses])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_worn_elsewhere_leaves_nose_and_mouth(draw: object, seed: int) -> None:
    """A bare face stays one that can be seen to be bare."""
    patch = make_patch()
    worn = draw(patch, LANDMARKS, np.random.default_rng(seed))  # type: ignore[operator]
    for landmark in LANDMARKS[2:]:
        assert changed(patch, worn, landmark, 2) < 4
    assert (np.abs(patch.astype(int) - worn).max(axis=2) > 8).mean() > 0.005
    np.testing.assert_array_equal(patch, make_patch())


@pytest.mark.parametrize("seed", range(8))
def test_what_is_held_to_the_mouth_leaves_the_nose(seed: int) -> None:
    """Whoever drinks wears no mask, and that can be seen."""
    patch = make_patch()
    held = hold_to_mouth(patch, LANDMARKS, np.random.default_rng(seed))
    assert changed(patch, held, face_frame(LANDMARKS).to_pixels([[0, 0.35]])[0], 2) < 8
    assert not np.array_equal(patch, held)


@pytest.mark.parametrize("seed", range(8))
def test_somebody_in_front_leaves_the_nose(seed: int) -> None:
    """A chin behind another head is not a mask."""
    patch = make_patch()
    behind = draw_foreground(patch, LANDMARKS, np.random.default_rng(seed))
    assert changed(patch, behind, face_frame(LANDMARKS).to_pixels([[0, 0.5]])[0], 2) < 4
    assert not np.array_equal(patch, behind)


@pytest.mark.parametrize("before", [True, False])
def test_somebody_near_leaves_the_nose_and_is_seen(*, before: bool) -> None:
    """In a crowd a bare face has other heads in its crop, and keeps its class."""
    patch, other = make_patch(), 255 - make_patch()
    near = [
        stand_near(patch, LANDMARKS, other, LANDMARKS, np.random.default_rng(seed), before=before) for seed in range(12)
    ]
    nose = face_frame(LANDMARKS).to_pixels([[0, 0.5]])[0]
    assert all(changed(patch, each, nose, 2) < 8 for each in near)
    assert sum(not np.array_equal(patch, each) for each in near) > 4


def test_nobody_stands_before_the_chin_unless_asked() -> None:
    """A mask at the chin stays in sight."""
    patch, chin = make_patch(), face_frame(LANDMARKS).to_pixels([[0, 1.5]])[0]
    makes = [np.random.default_rng(seed) for seed in range(24)]
    covered = [
        changed(patch, stand_near(patch, LANDMARKS, 255 - patch, LANDMARKS, each, before=False), chin, 2) > 40
        for each in makes
    ]
    assert sum(covered) <= 4


def test_a_visor_lets_the_face_through() -> None:
    """Nose and mouth are still there behind it."""
    patch = make_patch()
    behind = draw_visor(patch, LANDMARKS, np.random.default_rng(1))
    x, y = np.round(LANDMARKS.mean(axis=0)).astype(int)
    window = np.s_[y - 24 : y + 40, x - 28 : x + 28]
    assert np.corrcoef(patch[window].ravel(), behind[window].ravel())[0, 1] > 0.7


@pytest.mark.parametrize("seed", range(6))
def test_a_covered_face_shows_no_mouth(seed: int) -> None:
    """Nobody could tell what is behind the hand."""
    patch = make_patch()
    covered = cover_face(patch, LANDMARKS, np.random.default_rng(seed))
    assert changed(patch, covered, LANDMARKS[3:].mean(axis=0)) > 8


def test_a_transplanted_mask_brings_the_donors_colour() -> None:
    """The donor's lower face ends up on the receiver's."""
    donor = make_patch()
    donor[..., :] = (200, 40, 40)
    patch = make_patch()
    masked = transplant_mask(patch, LANDMARKS, donor, LANDMARKS, np.random.default_rng(1), worn_right=True)
    x, y = np.round(LANDMARKS[3:].mean(axis=0)).astype(int)
    np.testing.assert_allclose(masked[y, x], (200, 40, 40), atol=12)
    assert changed(patch, masked, LANDMARKS[0] - (0, 4)) < 4


def test_a_beard_is_dark_and_leaves_the_eyes() -> None:
    """It surrounds the mouth."""
    patch = make_patch()
    bearded = draw_beard(patch, LANDMARKS, np.random.default_rng(1))
    chin = face_frame(LANDMARKS).to_pixels([[0, 1.45]])[0]
    x, y = np.round(chin).astype(int)
    assert bearded[y - 4 : y + 5, x - 4 : x + 5].mean() < 0.85 * patch[y - 4 : y + 5, x - 4 : x + 5].mean()
    assert changed(patch, bearded, LANDMARKS[0]) < 2


def test_a_hidden_face_shows_no_feature() -> None:
    """Eyes, nose and mouth are gone."""
    patch = make_patch()
    hidden = hide_face(patch, LANDMARKS, np.random.default_rng(1))
    for landmark in LANDMARKS:
        assert changed(patch, hidden, landmark) > 10


def test_a_tilted_face_wears_its_mask_tilted() -> None:
    """The coordinates of a face turn with it."""
    quarter = np.array([[0, -1], [1, 0]], np.float32)
    straight, tilted = face_frame(LANDMARKS), face_frame(LANDMARKS @ quarter.T)
    place = [[0.4, 1.2]]
    np.testing.assert_allclose(tilted.to_pixels(place), straight.to_pixels(place) @ quarter.T, atol=1e-3)
