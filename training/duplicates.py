"""Finds pictures that are the same, or nearly: a model that trains on one and is tested on the other is flattered.

Near duplicates are found in two steps. Perceptual hashes (64 bits each: the signs of a DCT and of neighbouring
differences, of the picture and of its mirror image) give candidates quickly. Then the correlation of the fine details
of small grey pictures decides: portraits of different people before a white wall share the coarse shape and thus the
hash, but not the details; a face and the same face with a mask drawn onto it share most of them.

The limits were chosen by looking at pairs: at a likeness of 0.6 to 0.7 all were different people in the same pose,
above 0.7 nearly all the same picture. `imagehash` would bring scipy and PyWavelets for what is a page here.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt

    from maskwatch.domain import Image

    Floats = npt.NDArray[np.float32]
    Hashes = npt.NDArray[np.uint64]

SMALL = 32  # side of the small grey picture
FINE = 2.0  # sigma of the blur that is taken off to leave the details, in pixels of the small picture
HASH_DISTANCE = 14  # of 64 bits; 2279 of 2284 pairs that the details call duplicates are candidates at it
LIKENESS = 0.7  # correlation of the details from which two pictures are duplicates
MIRRORED_LIKENESS = 0.75  # the same for mirror images: a face is nearly its own, so that different people come closer
FACE_LIKENESS = 0.73  # the same for crops of faces: of 39 pairs above it in dev all were one photograph or series
BLOCK = 256  # rows of the table of distances made at once: bounds memory


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a picture to compare it with others."""

    file: str  # sha256 of the file
    pixels: str  # sha256 of the picture's size and pixels
    hashes: tuple[int, int]  # of the DCT and of the differences, 64 bits each
    mirrored: tuple[int, int]  # the same of the mirror image
    details: Floats  # SMALL x SMALL, zero mean and unit length; all zero in a picture without any


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that are the same, by their places in the list; the first comes first there."""

    first: int
    second: int
    kind: str  # "file", "pixels", "near", "mirrored" or "face"
    likeness: float  # 1 if the same


def fingerprint(data: bytes, image: Image) -> Fingerprint:
    """Return the fingerprint of a file's bytes and its decoded picture (H x W x 3, uint8, BGR)."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32)
    mirrored = np.ascontiguousarray(small[:, ::-1])
    return Fingerprint(
        file=hashlib.sha256(data).hexdigest(),
        pixels=hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest(),
        hashes=(dct_hash(small), difference_hash(small)),
        mirrored=(dct_hash(mirrored), difference_hash(mirrored)),
        details=details(small),
    )


def dct_hash(small: Floats) -> int:
    """Return the 64 bits that tell which of the 8 x 8 lowest frequencies are above their median."""
    lowest = cv2.dct(small)[:8, :8].ravel()
    return _bits(lowest > np.median(lowest))


def difference_hash(small: Floats) -> int:
    """Return the 64 bits that tell where a picture of 9 x 8 pixels gets brighter to the right."""
    tiny = cv2.resize(small, (9, 8), interpolation=cv2.INTER_AREA)
    return _bits((tiny[:, 1:] > tiny[:, :-1]).ravel())


def details(small: Floats) -> Floats:
    """Return what a blur takes off a grey picture, with strong edges bounded, as a vector of unit length."""
    fine = small - cv2.GaussianBlur(small, (0, 0), FINE)
    spread = float(fine.std())
    if spread < 0.1:  # grey levels: only noise of the compression
        return np.zeros_like(small)
    bounded = np.tanh(fine / (1.5 * spread))
    bounded -= bounded.mean()
    return cast("Floats", (bounded / np.linalg.norm(bounded)).astype(np.float32))


def find_duplicates(prints: Sequence[Fingerprint]) -> list[Pair]:
    """Return all pairs of duplicates, each once and as the closest kind it is: exact ones first."""
    pairs: dict[tuple[int, int], Pair] = {}
    for pair in (*_exact(prints, "file"), *_exact(prints, "pixels"), *_near(prints)):
        pairs.setdefault((pair.first, pair.second), pair)
    return list(pairs.values())


def join_groups(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """Return for each of `count` things the lowest place of what it is linked to, directly or through others.

    >>> join_groups(5, [(3, 1), (4, 3)])
    [0, 1, 2, 1, 1]
    """
    parents = list(range(count))

    def root(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    for one, other in links:
        low, high = sorted((root(one), root(other)))
        parents[high] = low
    return [root(place) for place in range(count)]


def same_places(count: int, key: Callable[[int], str]) -> list[list[int]]:
    """Return the lists of places that share a key, two and more each; an empty key is shared by none."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place in range(count):
        if key(place):
            places[key(place)].append(place)
    return [one for one in places.values() if len(one) > 1]


def _exact(prints: Sequence[Fingerprint], kind: str) -> Iterator[Pair]:
    for places in same_places(len(prints), lambda place: str(getattr(prints[place], kind))):
        yield from (Pair(first, second, kind, 1.0) for first, second in combinations(places, 2))


def find_same_faces(crops: Sequence[Image], places: Sequence[int]) -> list[Pair]:
    """Return the pairs of pictures that show the same photograph of a face, however they were cut.

    Args:
        crops: of found faces, each S x S x 3, uint8, BGR; blurred ones of small faces are all alike, so leave them out.
        places: the picture of each crop.
    """
    if not crops:
        return []
    prints = [fingerprint(b"", crop) for crop in crops]
    hashes, fine = np.array([one.hashes for one in prints], np.uint64), np.stack([one.details for one in prints])
    flat = fine.reshape(len(prints), -1)
    pairs: dict[tuple[int, int], Pair] = {}
    for one, other, likeness in _alike(hashes, hashes, flat, flat, FACE_LIKENESS):
        first, second = sorted((places[one], places[other]))
        if first != second:
            pairs.setdefault((first, second), Pair(first, second, "face", likeness))
    return list(pairs.values())


def _near(prints: Sequence[Fingerprint]) -> Iterator[Pair]:
    """Compare each picture with all later ones, and with their mirror images."""
    if not prints:
        return
    hashes = np.array([one.hashes for one in prints], np.uint64)
    mirrored = np.array([one.mirrored for one in prints], np.uint64)
    fine = np.stack([one.details for one in prints])
    flat, turned = fine.reshape(len(prints), -1), fine[:, :, ::-1].reshape(len(prints), -1)
    for one, other, likeness in _alike(hashes, hashes, flat, flat, LIKENESS):
        yield Pair(one, other, "near", likeness)
    for one, other, likeness in _alike(hashes, mirrored, flat, turned, MIRRORED_LIKENESS):
        yield Pair(one, other, "mirrored", likeness)


def _alike(
    hashes: Hashes, others: Hashes, flat: Floats, other_flat: Floats, limit: float
) -> Iterator[tuple[int, int, float]]:
    """Yield places and likeness of what is alike: by hash with all, by details with the candidates.

    Only later places are compared with: a mirror image of a mirror image is the picture again.
    """
    for start in range(0, len(hashes), BLOCK):
        apart = np.bitwise_count(hashes[start : start + BLOCK, None] ^ others[None, start:]).min(axis=2)
        rows, columns = np.nonzero(np.triu(apart <= HASH_DISTANCE, 1))
        first, second = rows + start, columns + start
        likeness = np.einsum("ij,ij->i", flat[first], other_flat[second])
        for place in np.flatnonzero(likeness >= limit):
            yield int(first[place]), int(second[place]), round(float(likeness[place]), 3)


def _bits(flags: npt.NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(flags).tobytes(), "big")
