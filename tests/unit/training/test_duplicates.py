"""What training.duplicates promises: the same picture is found however it was saved, different pictures are not."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage import data

from maskwatch.imaging import encode_jpeg
from training.duplicates import (
    Fingerprint,
    dct_hash,
    difference_hash,
    find_duplicates,
    find_same_faces,
    fingerprint,
    join_groups,
    same_places,
)

PICTURES = ("astronaut", "cat", "coffee", "rocket")


def load(name: str) -> np.ndarray:
    """One of scikit-image's free pictures, BGR."""
    return np.ascontiguousarray(getattr(data, name)()[..., ::-1])


def take(image: np.ndarray, quality: int = 95) -> Fingerprint:
    """The fingerprint of a picture saved as JPEG."""
    saved = encode_jpeg(image, quality)
    return fingerprint(saved, cv2.imdecode(np.frombuffer(saved, np.uint8), cv2.IMREAD_COLOR))


def passport(seed: int) -> np.ndarray:
    """A drawn face before a white wall: all have much the same coarse shape, each its own features."""
    random = np.random.default_rng(seed)
    image = np.full((240, 200, 3), 240, np.uint8)
    wander = random.integers(-8, 9, 6).tolist()
    cv2.ellipse(image, (100 + wander[0], 250), (90, 70 + wander[1]), 0, 0, 360, (70, 60, 60), -1)
    cv2.ellipse(
        image, (100 + wander[2], 110 + wander[3]), (55 + wander[4], 75 + wander[5]), 0, 0, 360, (90, 120, 160), -1
    )
    for _ in range(40):
        centre = (random.uniform((50, 40), (150, 230))).astype(int).tolist()
        cv2.circle(image, centre, int(random.integers(6, 14)), random.uniform(0, 200, 3).tolist(), -1)
    return image


def with_mask(image: np.ndarray) -> np.ndarray:
    """The astronaut's picture with a mask drawn onto her face."""
    masked = image.copy()
    cv2.ellipse(masked, (224, 165), (48, 35), 0, 0, 360, (230, 220, 180), -1)
    return masked


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        pytest.param(lambda image: image, "file", id="the same file"),
        pytest.param(lambda image: cv2.resize(image, (200, 190), interpolation=cv2.INTER_AREA), "near", id="smaller"),
        pytest.param(lambda image: cv2.convertScaleAbs(image, alpha=0.8, beta=30), "near", id="paler"),
        pytest.param(lambda image: image[6:-6, 6:-6], "near", id="its edge cut off"),
        pytest.param(with_mask, "near", id="a mask drawn onto it"),
        pytest.param(lambda image: image[:, ::-1], "mirrored", id="mirrored"),
        pytest.param(lambda image: cv2.resize(image[:, ::-1], (150, 150)), "mirrored", id="mirrored and smaller"),
    ],
)
def test_a_changed_copy_is_found_among_other_pictures(changed: object, kind: str) -> None:
    """The copy alone is paired with its original, and told as what it is."""
    assert callable(changed)
    prints = [take(load(name)) for name in PICTURES]
    prints.append(take(np.ascontiguousarray(changed(load("astronaut")))))
    (pair,) = find_duplicates(prints)
    assert (pair.first, pair.second, pair.kind) == (0, 4, kind)
    assert pair.likeness >= 0.7


def test_the_same_pixels_in_another_file_are_the_same_picture() -> None:
    """A file saved again without loss has other bytes, but is no less a copy."""
    image = load("cat")
    one, other = fingerprint(b"one", image), fingerprint(b"other", image.copy())
    (pair,) = find_duplicates([one, other])
    assert (pair.kind, pair.likeness) == ("pixels", 1.0)


def test_different_people_before_a_wall_are_no_duplicates() -> None:
    """They are candidates by their coarse shape; the details tell them apart."""
    prints = [take(passport(seed)) for seed in range(12)]
    apart = [(one.hashes[0] ^ other.hashes[0]).bit_count() for one, other in pairwise(prints)]
    assert min(apart) <= 14, "the pictures must be alike, or the test says nothing"
    assert find_duplicates(prints) == []
    assert len(find_duplicates([*prints, take(passport(3), quality=40)])) == 1


def test_empty_pictures_are_the_same_only_if_they_are_equal() -> None:
    """A flat picture has no details: it is like nothing, not like everything."""
    grey, white = np.full((50, 50, 3), 128, np.uint8), np.full((60, 50, 3), 250, np.uint8)
    assert find_duplicates([take(grey), take(white), take(load("cat"))]) == []
    assert [pair.kind for pair in find_duplicates([take(grey), take(grey)])] == ["file"]
    assert find_duplicates([]) == []


def test_pairs_are_found_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures far apart in the list are compared too, each pair once."""
    monkeypatch.setattr("training.duplicates.BLOCK", 2)
    prints = [take(passport(seed)) for seed in (*range(7), 0, 5)]
    small = [take(cv2.resize(passport(1), (100, 120), interpolation=cv2.INTER_AREA))]
    found = {(pair.first, pair.second, pair.kind) for pair in find_duplicates(prints + small)}
    assert found == {(0, 7, "file"), (5, 8, "file"), (1, 9, "near")}


def test_hashes_have_64_bits_and_stand_small_changes() -> None:
    """Noise changes few bits, another picture about half of them."""
    random = np.random.default_rng(1)
    one, other = (
        cv2.resize(cv2.cvtColor(load(name), cv2.COLOR_BGR2GRAY), (32, 32), interpolation=cv2.INTER_AREA).astype("f4")
        for name in ("cat", "coffee")
    )
    noisy = (one + random.normal(0, 4, one.shape)).astype(np.float32)
    for take_hash in (dct_hash, difference_hash):
        assert 0 <= take_hash(one) < 2**64
        assert (take_hash(one) ^ take_hash(noisy)).bit_count() <= 8
        assert (take_hash(one) ^ take_hash(other)).bit_count() > 16


def test_links_join_groups_through_others() -> None:
    """What is linked to the same thing belongs together, in whatever order the links come."""
    assert join_groups(6, [(5, 4), (1, 0), (4, 1)]) == [0, 0, 2, 3, 0, 0]


def test_an_empty_key_is_shared_by_none() -> None:
    """Pictures whose group nobody knows are no group."""
    assert same_places(4, lambda place: ["a", "", "a", ""][place]) == [[0, 2]]


def test_the_same_photograph_of_a_face_is_found_by_its_crop() -> None:
    """Crops that lie a little otherwise are the same face; a picture is no duplicate of itself."""
    faces = [passport(seed)[20:220] for seed in range(5)]
    again = faces[3][3:, 2:]
    (pair,) = find_same_faces([*faces, again, faces[0]], [7, 6, 5, 4, 3, 2, 7])
    assert (pair.first, pair.second, pair.kind) == (2, 4, "face")
    assert find_same_faces([], []) == []
