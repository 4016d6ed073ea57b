"""What training.evaluate and training.tables promise: a report that says what was asked, and figures that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from skimage.data import astronaut

from detector.pipeline import MASK_MODEL, model_path
from maskwatch.cli.evaluate import evaluate as evaluate_command
from maskwatch.domain import MaskState
from maskwatch.errors import ConfigError
from tests.builders import PROBABILITIES, make_detection
from training.end_to_end import NOT_FOUND, Outcome, Scoring
from training.evaluate import Question, Side, evaluate, pick_pictures
from training.slices import TOO_FEW
from training.tables import compare, tables

if TYPE_CHECKING:
    from pathlib import Path


FACE = (176.0, 68.0, 272.0, 194.0)  # the astronaut's


def make_outcome(truth: str = "mask", told: str = "mask", place: int = 0, **changes: Any) -> Outcome:
    """What was told of one face, in a picture of its own."""
    found = told != NOT_FOUND
    values: dict[str, Any] = {
        "file": f"{place}.png",
        "source": "streets",
        "group": f"{place}",
        "portrait": False,
        "truth": truth,
        "told": told,
        "probabilities": PROBABILITIES[MaskState(told)] if found else {},
        "face_score": 0.9 if found else 0.0,
        "box": (0.0, 0.0, 40.0, 50.0),
        "slices": {"source": "streets", "face size": "48-64 px"},
    }
    return Outcome(**(values | changes))


def make_outcomes() -> list[Outcome]:
    """Twelve masks, six bare faces and four badly worn masks, not all told right."""
    told = [("mask", "mask")] * 9 + [("mask", "unknown"), ("mask", "no_mask"), ("mask", NOT_FOUND)]
    told += [("no_mask", "no_mask")] * 5 + [("no_mask", "mask")]
    told += [("incorrect", "incorrect"), ("incorrect", "no_mask"), ("incorrect", "mask"), ("incorrect", "unknown")]
    return [make_outcome(truth, state, place) for place, (truth, state) in enumerate(told)]


def make_data(folder: Path, **splits: str) -> Path:
    """A boxes.csv with the astronaut's bare face, once in each split, and small once."""
    picture = np.ascontiguousarray(astronaut()[..., ::-1])
    box = ",".join(f"{corner:g}" for corner in FACE)
    lines = ["file,label,xmin,ymin,xmax,ymax,split"]
    for name, split in (splits or {"one": "test"}).items():
        cv2.imwrite(str(folder / f"{name}.png"), picture)
        lines += [f"{name}.png,without_mask,{box},{split}", f"{name}.png,with_mask,10,10,30,30,{split}"]
    (folder / "boxes.csv").write_text("\n".join(lines))
    return folder / "boxes.csv"


def make_lines(folder: Path, *states: str) -> Path:
    """Lines of `maskwatch image --json` for pictures called one, two and so on."""
    file = folder / f"{'-'.join(states)}.jsonl"
    rows = []
    for name, state in zip(("one", "two", "three"), states, strict=False):
        face = {"box": FACE, "score": 0.9, "state": state, "probabilities": PROBABILITIES[MaskState(state)]}
        rows.append(json.dumps({"image": f"{name}.png", "width": 512, "height": 512, "faces": [face]}))
    file.write_text("\n".join(rows))
    return file


def test_agreed_figures_are_the_counted_shares() -> None:
    """Unknown and not found are never right; not called mask is the weaker demand."""
    agreed = tables(Scoring(make_outcomes(), [], 0))["agreed"]
    assert {name: (figure["value"], figure["of"]) for name, figure in agreed.items()} == {
        "found and right: mask": (0.75, 12),
        "found and right: no_mask": (0.8333, 6),
        "found and not called mask: incorrect": (0.5, 4),
        "found and right: incorrect": (0.25, 4),
        "AUROC mask against no_mask": (0.8636, 17),
    }
    for figure in agreed.values():
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_told_tables_count_every_face() -> None:
    """Truth by what was told, also not found."""
    rows = tables(Scoring(make_outcomes(), [], 0))["states"]["all"]
    assert rows["mask"]["told"] == {"mask": 9, "no_mask": 1, "incorrect": 0, "unknown": 1, "not found": 1}
    assert rows["mask"]["found"]["value"] == pytest.approx(11 / 12, abs=1e-4)
    assert rows["mask"]["right of found"]["of"] == 11
    assert sum(row["faces"] for row in rows.values()) == 22


def test_portraits_do_not_count_among_boxed_faces() -> None:
    """The agreed shares are of boxed faces where there are any; the area is of all."""
    portraits = [make_outcome("no_mask", "mask", 100 + place, portrait=True, source="faces") for place in range(5)]
    report = tables(Scoring(make_outcomes() + portraits, [], 0))
    assert report["agreed"]["found and right: no_mask"]["of"] == 6
    assert report["agreed"]["AUROC mask against no_mask"]["of"] == 22
    assert set(report["sources"]) == {"streets", "faces", "boxed faces", "portraits", "all"}
    alone = tables(Scoring(portraits, [], 0))["agreed"]["found and right: no_mask"]
    assert (alone["value"], alone["of"]) == (0.0, 5)


def test_abstaining_trades_coverage_for_errors() -> None:
    """The surer it must be, the fewer faces are judged."""
    rows = tables(Scoring(make_outcomes(), [], 0))["abstention"]
    coverage = [row["coverage"]["value"] for row in rows]
    assert coverage == sorted(coverage, reverse=True)
    assert coverage[0] == 1.0
    assert coverage[-1] < 0.5
    assert rows[0]["masks called no_mask"]["value"] == pytest.approx(1 / 11, abs=1e-4)


def test_slices_say_when_they_are_too_small() -> None:
    """A row of few faces is marked."""
    few = [make_outcome("mask", "mask", 50 + place, slices={"source": "garden"}) for place in range(TOO_FEW - 1)]
    rows = {row["slice"]: row for row in tables(Scoring(make_outcomes() + few, [], 0))["slices"]}
    assert rows["garden"]["too few"]
    assert not rows["streets"]["too few"]
    assert rows["48-64 px"]["faces"] == 22
    assert rows["garden"]["no_mask"]["value"] is None


def test_the_surest_errors_come_first() -> None:
    """Then the faces that were not found; the right ones are not errors, nor are abstentions."""
    errors = tables(Scoring(make_outcomes(), [], 0))["errors"]
    assert [(error["truth"], error["told"]) for error in errors] == [
        ("no_mask", "mask"),
        ("incorrect", "mask"),
        ("mask", "no_mask"),
        ("incorrect", "no_mask"),
        ("mask", NOT_FOUND),
    ]


def test_finds_of_nobody_are_counted_by_picture() -> None:
    """Two in fifty pictures are four in a hundred."""
    finds = [make_detection(MaskState.UNKNOWN), make_detection(MaskState.NO_MASK)]
    nobody = tables(Scoring(make_outcomes(), finds, 50))["nobody"]
    assert nobody["finds in 100 pictures"] == 4.0
    assert nobody["told"] == {"mask": 0, "no_mask": 1, "incorrect": 0, "unknown": 1}


def test_comparisons_are_paired() -> None:
    """Faces both get right, or both wrong, say nothing about which is better."""
    ours = [make_outcome("mask", "mask", place) for place in range(10)]
    theirs = [make_outcome("mask", "mask" if place < 4 else "unknown", place) for place in range(10)]
    rows = compare(ours, theirs)
    assert (rows["mask"]["only right"], rows["mask"]["only other right"]) == (6, 0)
    assert rows["mask"]["gain"]["value"] == 0.6
    assert rows["mask"]["mcnemar p"] == pytest.approx(2 / 2**6, abs=1e-4)
    assert rows["all"] == rows["mask"]
    assert compare(theirs, ours)["mask"]["gain"]["value"] == -0.6


def test_a_report_says_what_it_is_about(tmp_path: Path) -> None:
    """The models by their hashes, the data by its fingerprint, the split, and what all of it cost."""
    question = Question(make_data(tmp_path), provider="cpu", other=Side(lines=str(make_lines(tmp_path, "unknown"))))
    report = evaluate(question)
    assert report["model"]["sha256"] != report["face"]["sha256"]
    assert report["model"]["bytes"] == model_path("", MASK_MODEL).stat().st_size
    assert (report["data"]["split"], report["data"]["faces"]) == ("test", 1)
    assert len(report["data"]["fingerprint"]) == 64
    assert report["states"]["all"]["no_mask"]["told"]["no_mask"] == 1
    assert report["comparison"]["states"]["no_mask"]["only right"] == 1
    assert report["cost"]["one face"]["ms"] > 0
    assert str(tmp_path) not in json.dumps(report)


def test_lines_alone_need_no_model(tmp_path: Path) -> None:
    """They are scored as they are; nothing is known of the models and their cost."""
    data = make_data(tmp_path, one="test", two="test")
    report = evaluate(Question(data, Side(lines=str(make_lines(tmp_path, "no_mask", "mask")))))
    assert report["agreed"]["found and right: no_mask"]["value"] == 0.5
    assert (report["settings"], report["cost"]) == ({"path": "lines"}, {})


@pytest.mark.parametrize(
    ("splits", "asked", "names", "split"),
    [
        pytest.param({"one": "test", "two": "val"}, "", ["one.png"], "test", id="test where it is"),
        pytest.param({"one": "train", "two": "val"}, "", ["one.png", "two.png"], "all", id="else all"),
        pytest.param({"one": "test", "two": "val"}, "val", ["two.png"], "val", id="the one asked for"),
        pytest.param({"one": "test", "two": ""}, "all", ["one.png", "two.png"], "all", id="all of them"),
    ],
)
def test_splits(tmp_path: Path, splits: dict[str, str], asked: str, names: list[str], split: str) -> None:
    """One split is scored, or all."""
    pictures, picked = pick_pictures(Question(make_data(tmp_path, **splits), split=asked))
    assert ([picture.name for picture in pictures], picked) == (names, split)


def test_pictures_that_belong_together_can_count_once(tmp_path: Path) -> None:
    """The first of each group, in the order of the manifest; pictures of no group stand for themselves."""
    rows = ("far,film,mask,10,10,30,30", "one,film,mask,9,9,99,99", "two,film,mask,9,9,99,99", "own,,mask,9,9,99,99")
    boxes, manifest = ["file,label,xmin,ymin,xmax,ymax"], ["file,group,split"]
    for row in rows:
        name, group, face = row.split(",", 2)
        boxes.append(f"{name}.png,{face}")
        manifest.append(f"{name}.png,{group},test")
    (tmp_path / "boxes.csv").write_text("\n".join(boxes))
    (tmp_path / "manifest.csv").write_text("\n".join(manifest))
    names = [
        [picture.name for picture in pick_pictures(Question(tmp_path, distinct=distinct))[0]]
        for distinct in (True, False)
    ]
    assert names == [["far.png", "own.png"], ["far.png", "one.png", "two.png", "own.png"]]


def test_the_splits_of_the_training_are_those_of_the_evaluation(tmp_path: Path) -> None:
    """A file of splits replaces the data's own, after labels that drop pictures, and its groups count."""
    data = make_data(tmp_path, one="test", two="test", three="train", four="train")
    splits, labels = tmp_path / "splits.csv", tmp_path / "labels.csv"
    rows = [
        f"{tmp_path.name},{name}.png,{split},{group}"
        for name, split, group in (("one", "train", "a"), ("three", "test", "b"), ("four", "test", "b"))
    ]
    splits.write_text("\n".join(["data_set,file,split,group", *rows]))
    labels.write_text("file,xmin,ymin,xmax,ymax,label\ntwo.png,,,,,drop\n")
    question = Question(data, labels=labels, splits=splits)
    assert [picture.name for picture in pick_pictures(question)[0]] == ["three.png", "four.png"]
    assert [picture.name for picture in pick_pictures(replace(question, distinct=True))[0]] == ["three.png"]
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"image": "three.png", "faces": []}\n{"image": "four.png", "faces": []}\n')
    arguments = ["--data", str(data), "--labels", str(labels), "--splits", str(splits), "--lines", str(lines), "--json"]
    done = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    assert json.loads(done.stdout)["data"]["pictures"] == 2


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param({"split": "val"}, "no pictures of split val; it has test", id="split"),
        pytest.param({"only": ("nowhere",)}, "no source 'nowhere'", id="source"),
        pytest.param({"distinct": True}, "--distinct: it does not say what belongs together", id="groups"),
        pytest.param({"min_face": 500.0}, "no labelled face of 500 px", id="no face is large enough"),
        pytest.param({"side": Side(lines="gone.jsonl")}, "gone.jsonl: no such file", id="lines"),
        pytest.param({"side": Side(peer="size=big")}, "--peer: classes: is missing", id="peer"),
    ],
)
def test_what_cannot_be_answered_is_said(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    """The error names what to change."""
    with pytest.raises(ConfigError, match=named):
        evaluate(Question(make_data(tmp_path), provider="cpu", **changes))


def test_the_command_prints_tables_and_writes_the_report(tmp_path: Path) -> None:
    """Every part of the report has its table, and --compare-lines a paired test."""
    data, output = make_data(tmp_path), tmp_path / "deep" / "report.json"
    lines = [str(make_lines(tmp_path, state)) for state in ("no_mask", "mask")]
    arguments = ["--data", str(data), "--lines", lines[0], "--compare-lines", lines[1], "--output", str(output)]
    done = CliRunner().invoke(evaluate_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    for part in ("agreed figures", "end to end", "abstention", "slices", "McNemar", "found and right: no_mask"):
        assert part in done.output
    assert json.loads(output.read_text())["agreed"]["found and right: no_mask"]["value"] == 1.0


def test_the_command_reads_lines_from_standard_input(tmp_path: Path) -> None:
    """As `maskwatch image --json | maskwatch evaluate --lines -`."""
    lines = make_lines(tmp_path, "mask").read_text()
    arguments = ["--data", str(make_data(tmp_path)), "--lines", "-", "--json"]
    done = CliRunner().invoke(evaluate_command, arguments, input=lines, catch_exceptions=False)
    assert json.loads(done.stdout)["agreed"]["found and right: no_mask"]["value"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param([], "give --data", id="nothing to score"),
        pytest.param(["--lines", "-", "--model", "m.onnx"], "leave out --model", id="lines and model"),
        pytest.param(["--peer", "size=8"], "name its ONNX file by --model", id="peer without model"),
        pytest.param(["--compare-peer", "size=8"], "belongs to --compare", id="second peer without model"),
    ],
)
def test_options_that_contradict_are_refused(tmp_path: Path, arguments: list[str], named: str) -> None:
    """Before anything is opened."""
    data = ["--data", str(make_data(tmp_path))] if arguments else []
    with pytest.raises(ConfigError, match=named):
        CliRunner().invoke(evaluate_command, [*data, *arguments], catch_exceptions=False)
