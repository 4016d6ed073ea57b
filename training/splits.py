"""Splits that do not leak: pictures that belong together share a split, else training refuses to start.

Together belong pictures that a data set puts into one group, and duplicates (training.duplicates) of any kind.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from maskwatch.errors import ConfigError
from training.crops import WORKERS
from training.datasets import read_picture, read_rows, read_split
from training.duplicates import Fingerprint, find_duplicates, fingerprint, join_groups, same_places

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from training.datasets import Picture
    from training.duplicates import Pair

SPLIT_NAMES = ("train", "val", "test")
SHARES = (0.7, 0.15, 0.15)
SHOWN_LEAKS = 5


@dataclass(frozen=True, slots=True)
class Leak:
    """Two pictures that belong together and lie in different splits."""

    first: Picture
    second: Picture
    why: str  # "group", or the kind of duplicate


def take_fingerprints(pictures: Sequence[Picture]) -> list[Fingerprint]:
    """Return the fingerprint of each picture; one that cannot be read raises ConfigError."""

    def take(picture: Picture) -> Fingerprint:
        image = read_picture(picture.path)
        return fingerprint(picture.path.read_bytes(), image)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(take, pictures))


def leaks(pictures: Sequence[Picture], pairs: Sequence[Pair] | None = None) -> list[Leak]:
    """Return the pairs of pictures that belong together and lie in different splits.

    Args:
        pictures: of one or several data sets; those without a split cannot leak.
        pairs: their duplicates, as find_duplicates gives them; looked for here if left out, 1 to 2 ms a picture.
    """
    if pairs is None:
        pairs = find_duplicates(take_fingerprints(pictures))
    found = {(pair.first, pair.second): pair.kind for pair in pairs}
    for places in same_places(len(pictures), lambda place: pictures[place].group):
        if len({pictures[place].split for place in places} - {""}) > 1:
            for couple in combinations(places, 2):
                found.setdefault(couple, "group")
    return [
        Leak(pictures[first], pictures[second], why)
        for (first, second), why in sorted(found.items())
        if "" != pictures[first].split != pictures[second].split != ""
    ]


def require_no_leak(pictures: Sequence[Picture], pairs: Sequence[Pair] | None = None) -> None:
    """Raise ConfigError if pictures that belong together lie in different splits.

    Without `pairs` one face that was cut out of two pictures is not found: that takes training.data_check, which cuts
    all faces in one size.
    """
    found = leaks(pictures, pairs)
    if not found:
        return
    lines = [
        f"  {leak.first.path} ({leak.first.split}) and {leak.second.path} ({leak.second.split}): {leak.why}"
        for leak in found[:SHOWN_LEAKS]
    ]
    more = [f"  and {len(found) - SHOWN_LEAKS} more"] if len(found) > SHOWN_LEAKS else []
    folders = " ".join(sorted({str(data_set(picture)) for picture in pictures}))
    raise ConfigError(
        f"Pairs of pictures that belong together but lie in different splits: {len(found)}. "
        "Any score would be flattered.\n"
        + "\n".join([*lines, *more])
        + f"\nWrite splits without leaks: maskwatch data check {folders} --write-splits splits.csv"
    )


def with_groups(pictures: Sequence[Picture], pairs: Sequence[Pair]) -> list[Picture]:
    """Return the pictures with groups that join those of the data sets and all duplicates."""
    links = [(pair.first, pair.second) for pair in pairs]
    for places in same_places(len(pictures), lambda place: pictures[place].group):
        links += [(places[0], place) for place in places[1:]]
    roots = join_groups(len(pictures), links)
    return [replace(picture, group=f"g{root}") for picture, root in zip(pictures, roots, strict=True)]


def split_by_group(
    pictures: Sequence[Picture], shares: tuple[float, float, float] = SHARES, seed: int = 0, *, keep: bool = False
) -> list[Picture]:
    """Return the pictures with splits of about these shares of each label and source, never a group across two.

    Args:
        pictures: with groups, as with_groups gives them; a picture without one is a group of its own.
        shares: of train, val and test.
        seed: of the order in which groups of one size are dealt out.
        keep: leaves the splits that are there; a group across several goes to the first of them in the order train,
            val, test, so that nothing once trained on is ever tested on.
    """
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for place, picture in enumerate(pictures):
        groups[picture.group or f"alone {place}"].append(place)
    strata = [_strata(picture) for picture in pictures]
    wanted = sum(strata, Counter[str]())
    have = {split: Counter[str]() for split in SPLIT_NAMES}
    chosen = [""] * len(pictures)

    def put(places: list[int], split: str) -> None:
        for place in places:
            chosen[place] = split
            have[split].update(strata[place])

    open_groups = []
    for places in groups.values():
        there = [split for split in SPLIT_NAMES if any(pictures[place].split == split for place in places)]
        if keep and there:
            put(places, there[0])
        else:
            open_groups.append(places)
    order = np.random.default_rng(seed).permutation(len(open_groups))
    # The largest first: the small ones then even out what they have upset.
    for places in sorted((open_groups[place] for place in order), key=len, reverse=True):
        counts = sum((strata[place] for place in places), Counter[str]())
        put(
            places,
            min(_usable(shares), key=lambda split: _fullness(counts, have[split], wanted, _share(shares, split))),
        )
    return [replace(picture, split=split) for picture, split in zip(pictures, chosen, strict=True)]


def _fullness(counts: Counter[str], have: Counter[str], wanted: Counter[str], share: float) -> float:
    """Return how full a split would be, averaged over what a group holds; the rarer a stratum, the more it counts."""
    weights = {name: count / wanted[name] for name, count in counts.items()}
    full = sum(weights[name] * (have[name] + counts[name]) / (share * wanted[name]) for name in counts)
    return full / sum(weights.values())


def _strata(picture: Picture) -> Counter[str]:
    """Return what shall be spread evenly: the picture's source, and each label in it by source."""
    labels = {picture.label, *(face.label for face in picture.faces)} - {""}
    # Sorted, as sums of fractions depend on their order, and with them which split is the emptiest.
    return Counter([picture.source, *(f"{picture.source}/{label}" for label in sorted(labels))])


def _usable(shares: tuple[float, float, float]) -> list[str]:
    return [split for split in SPLIT_NAMES if _share(shares, split) > 0]


def _share(shares: tuple[float, float, float], split: str) -> float:
    return shares[SPLIT_NAMES.index(split)]


def write_splits(pictures: Sequence[Picture], file: Path) -> None:
    """Write data set, file, split and group of each picture as CSV.

    Data sets are told apart by the names of their folders: two of one name and with pictures of one name raise
    ConfigError.
    """
    keys = _keys(pictures)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("data_set", "file", "split", "group"))
        writer.writerows((*key, picture.split, picture.group) for key, picture in zip(keys, pictures, strict=True))


def apply_splits(pictures: Sequence[Picture], file: Path) -> list[Picture]:
    """Return the pictures with the splits and groups of a file that write_splits wrote; each must be in it."""
    rows: dict[tuple[str, str], tuple[str, str]] = {}
    for line, row in read_rows(file, ("data_set", "file", "split", "group")):
        known = (read_split(row["split"], f"{file}:{line}: split"), row["group"])
        name = (row["data_set"], row["file"])
        if rows.setdefault(name, known) != known:
            raise ConfigError(
                f"{file}:{line}: {'/'.join(name)} stands in it twice, perhaps of two data sets whose folders have one "
                "name: rename one, and write the splits anew with maskwatch data check"
            )
    changed = []
    for key, picture in zip(_keys(pictures), pictures, strict=True):
        if key not in rows:
            raise ConfigError(
                f"{file}: {'/'.join(key)} is not in it; remove the picture if it is broken, else write the splits anew "
                "with maskwatch data check"
            )
        split, group = rows[key]
        changed.append(replace(picture, split=split, group=group))
    return changed


def _keys(pictures: Sequence[Picture]) -> list[tuple[str, str]]:
    """Return what a file of splits calls each picture; two pictures of one name raise ConfigError."""
    paths: dict[tuple[str, str], Path] = {}
    keys = []
    for picture in pictures:
        key, path = (data_set(picture).resolve().name, picture.name), picture.path.resolve()
        if paths.setdefault(key, path) != path:
            raise ConfigError(
                f"{path} and {paths[key]}: a file of splits would call both {'/'.join(key)}; rename the folder of one "
                "of the data sets"
            )
        keys.append(key)
    return keys


def data_set(picture: Picture) -> Path:
    """Return the folder of the data set that a picture belongs to."""
    return picture.path.parents[picture.name.count("/")]
