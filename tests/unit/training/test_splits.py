"""What training.splits promises: no group across splits, shares kept, and a leak stops the training."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from maskwatch.errors import ConfigError
from training.datasets import LabelledFace, Picture
from training.duplicates import Pair
from training.splits import (
    _strata,
    apply_splits,
    data_set,
    leaks,
    require_no_leak,
    split_by_group,
    with_groups,
    write_splits,
)


def make_picture(number: int, **known: str) -> Picture:
    """A picture that is on no disk."""
    name = f"with_mask/{number}.png"
    return Picture(Path("set") / name, name, **{"source": "first", "label": "mask", **known})


def make_pictures(folder: Path, *splits: str) -> list[Picture]:
    """Pictures on the disk: every second is the one before it, made smaller; all others differ."""
    pictures = []
    for number, split in enumerate(splits):
        random = np.random.default_rng(number // 2)
        coarse = random.uniform(0, 255, (12, 12, 3)).astype(np.uint8)
        side = 240 if number % 2 else 120
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))
        pictures.append(Picture(path, path.name, "set", split=split, label="mask"))
    return pictures


def test_groups_and_duplicates_across_splits_are_leaks() -> None:
    """Each pair is told once, with its reason; pictures without a split cannot leak."""
    pictures = [
        make_picture(0, split="train", group="a"),
        make_picture(1, split="test", group="a"),
        make_picture(2, split="train", group="b"),
        make_picture(3, split="val"),
        make_picture(4),
        make_picture(5, split="train", group="a"),
    ]
    pairs = [Pair(0, 1, "near", 0.9), Pair(2, 3, "file", 1), Pair(3, 4, "file", 1), Pair(0, 5, "file", 1)]
    found = [(leak.first.name[10], leak.second.name[10], leak.why) for leak in leaks(pictures, pairs)]
    assert found == [("0", "1", "near"), ("1", "5", "group"), ("2", "3", "file")]


def test_training_is_refused_across_a_leak(tmp_path: Path) -> None:
    """The error names the pictures, their splits and the command that helps; without a leak there is none."""
    require_no_leak(make_pictures(tmp_path, "train", "train", "val", "val"))
    with pytest.raises(ConfigError) as raised:
        require_no_leak(make_pictures(tmp_path, "train", "test", "val", "val"))
    text = str(raised.value)
    assert "lie in different splits: 1." in text
    assert f"{tmp_path / '0.png'} (train) and {tmp_path / '1.png'} (test): near" in text
    assert f"maskwatch data check {tmp_path} --write-splits" in text


def test_many_leaks_are_not_all_listed() -> None:
    """A screen full of pairs helps nobody."""
    pictures = [make_picture(number, split=split, group="a") for number, split in enumerate(["train", "test"] * 4)]
    with pytest.raises(ConfigError, match="and 11 more"):
        require_no_leak(pictures, [])


def test_groups_join_those_of_the_data_and_duplicates() -> None:
    """A duplicate of a member of a group is in it, and so is all of its own group."""
    groups = ("a", "a", "", "b", "b", "")
    pictures = [make_picture(number, group=group) for number, group in enumerate(groups)]
    joined = [picture.group for picture in with_groups(pictures, [Pair(1, 4, "near", 0.8)])]
    assert joined[0] == joined[1] == joined[3] == joined[4]
    assert len({joined[0], joined[2], joined[5]}) == 3


def many() -> list[Picture]:
    """3000 pictures of two sources and three labels, in groups of one to thirty."""
    random = np.random.default_rng(5)
    pictures: list[Picture] = []
    while len(pictures) < 3000:
        group, size = f"g{len(pictures)}", int(random.choice([1, 1, 1, 2, 5, 30]))
        source, label = str(random.choice(["a", "b"])), str(random.choice(["mask", "no_mask", ""], p=[0.6, 0.3, 0.1]))
        faces = () if label else (LabelledFace("incorrect", (0, 0, 9, 9)),)
        for _ in range(size):
            pictures.append(replace(make_picture(len(pictures), group=group, source=source, label=label), faces=faces))
    return pictures


def test_splits_keep_groups_together_and_shares_in_each_label_and_source() -> None:
    """About 70, 15 and 15 of 100 of each, whatever the sizes of the groups."""
    pictures = split_by_group(many(), seed=1)
    by_group: dict[str, set[str]] = {}
    for picture in pictures:
        by_group.setdefault(picture.group, set()).add(picture.split)
    assert all(len(splits) == 1 for splits in by_group.values())
    assert leaks(pictures, []) == []
    counts = Counter((picture.source, picture.label, picture.split) for picture in pictures)
    for source, label in {(source, label) for source, label, _ in counts}:
        total = sum(counts[source, label, split] for split in ("train", "val", "test"))
        if total >= 200:
            assert counts[source, label, "train"] / total == pytest.approx(0.7, abs=0.06)
            assert counts[source, label, "val"] / total == pytest.approx(0.15, abs=0.06)


def test_the_seed_decides_and_an_empty_share_stays_empty() -> None:
    """The same seed gives the same splits, another one others."""
    pictures = many()
    assert split_by_group(pictures, seed=1) == split_by_group(pictures, seed=1)
    assert split_by_group(pictures, seed=1) != split_by_group(pictures, seed=2)
    assert {picture.split for picture in split_by_group(pictures, (0.8, 0.2, 0.0))} == {"train", "val"}


def test_what_is_spread_evenly_is_told_in_one_order() -> None:
    """Python's order of a set differs from run to run; sums of fractions would with it, and now and then a split."""
    labels = ("no_mask", "mask", "incorrect", "uncertain")
    picture = make_picture(0, source="a")
    picture = replace(picture, label="", faces=tuple(LabelledFace(label, (0, 0, 9, 9)) for label in labels))
    assert list(_strata(picture)) == ["a", "a/incorrect", "a/mask", "a/no_mask", "a/uncertain"]


def test_kept_splits_change_only_where_they_leak() -> None:
    """A leaking group goes to the split that trained on it; new pictures follow their group or fill up."""
    pictures = [
        make_picture(0, split="test", group="a"),
        make_picture(1, split="train", group="a"),
        make_picture(2, split="test", group="b"),
        make_picture(3, group="b"),
        make_picture(4, split="val", group="c"),
        make_picture(5, split="test", group="c"),
        make_picture(6),
    ]
    kept = split_by_group(pictures, keep=True)
    assert [picture.split for picture in kept[:6]] == ["train", "train", "test", "test", "val", "val"]
    assert kept[6].split


def test_splits_are_written_and_read_again(tmp_path: Path) -> None:
    """Splits and groups come back by data set and file; a picture that is not in the file is told."""
    pictures = [make_picture(0, split="train", group="g1"), make_picture(1, split="test", group="g2")]
    write_splits(pictures, tmp_path / "new" / "splits.csv")
    bare = [make_picture(0), make_picture(1, split="val")]
    assert apply_splits(bare, tmp_path / "new" / "splits.csv") == pictures
    with pytest.raises(ConfigError, match=r"splits\.csv: set/with_mask/2\.png is not in it"):
        apply_splits([make_picture(2)], tmp_path / "new" / "splits.csv")


def test_two_data_sets_of_one_name_are_told_apart_or_refused(tmp_path: Path) -> None:
    """Pictures that a file of splits would call the same are neither written nor read; other names may mix."""
    one, other = (make_picture(0, split="train"), make_picture(0, split="test"))
    elsewhere = replace(other, path=Path("elsewhere") / other.path)
    with pytest.raises(ConfigError, match=r"would call both set/with_mask/0\.png; rename the folder"):
        write_splits([one, elsewhere], tmp_path / "splits.csv")
    assert not (tmp_path / "splits.csv").exists()
    write_splits([one], tmp_path / "splits.csv")
    with pytest.raises(ConfigError, match="would call both"):
        apply_splits([one, elsewhere], tmp_path / "splits.csv")
    (tmp_path / "splits.csv").write_text(f"{(tmp_path / 'splits.csv').read_text()}set,with_mask/0.png,test,\n")
    with pytest.raises(ConfigError, match=r"splits\.csv:3: set/with_mask/0\.png stands in it twice"):
        apply_splits([one], tmp_path / "splits.csv")
    apart = replace(make_picture(1), path=Path("elsewhere") / make_picture(1).path)
    write_splits([one, apart], tmp_path / "splits.csv")
    assert len(apply_splits([one, apart], tmp_path / "splits.csv")) == 2


def test_the_data_set_of_a_picture_is_its_folder() -> None:
    """However deep the picture lies in it."""
    assert data_set(make_picture(0)) == Path("set")
    assert data_set(Picture(Path("a/b/c.png"), "c.png", "s")) == Path("a/b")
