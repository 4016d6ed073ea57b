"""What training.report promises: one page that stands alone, with all figures, and pictures only where asked for."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from maskwatch.domain import MaskState
from maskwatch.errors import ConfigError
from tests.builders import PROBABILITIES, make_detection
from training import plots
from training.end_to_end import Outcome, Scoring
from training.report import main, show_errors, write_report
from training.tables import compare, tables

if TYPE_CHECKING:
    from pathlib import Path

CELL = {"value": 0.75, "low": 0.5, "high": 0.9, "of": 8}
CLIP = {"faces": 8, "right": CELL, "judged": CELL, "right of judged": CELL, "longest wrong no_mask run, s": 0.4}


def make_outcomes() -> list[Outcome]:
    """Twelve faces of each state, one in six told to be a mask whatever it is."""
    return [
        Outcome(
            file=f"{truth}{place}.png",
            source="<streets>",
            group=f"{truth}{place}",
            portrait=place % 2 == 0,
            truth=truth,
            told=told,
            probabilities=PROBABILITIES[MaskState(told)],
            face_score=0.9,
            box=(4.0, 4.0, 40.0, 40.0),
            slices={"source": "<streets>", "pose": "front"},
        )
        for truth in ("mask", "no_mask", "incorrect")
        for place in range(12)
        for told in ("mask" if place % 6 == 0 else truth,)
    ]


def make_evaluation() -> dict[str, Any]:
    """A report as maskwatch evaluate writes it."""
    outcomes = make_outcomes()
    described = {"file": "a.onnx", "name": "a-model", "sha256": "f" * 64, "bytes": 2_500_000}
    return {
        "model": described,
        "face": described | {"name": "a-finder"},
        "data": {
            "name": "set",
            "fingerprint": "e" * 64,
            "split": "test",
            "min_face_px": 32,
            "pictures": 36,
            "faces": 36,
        },
        "settings": {"path": "stills", "unknown_below": 0.6},
        "revision": "abc",
        **tables(Scoring(outcomes, [make_detection()], 36), 0.6),
        "cost": {"one face": {"ms": 2.5, "processor ms": 2.4}},
        "comparison": {"model": described, "agreed": {}, "states": compare(outcomes, outcomes)},
    }


def make_run(folder: Path) -> Path:
    """A training's folder."""
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.9], "val_accuracy": [0.4, 0.8]}
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "run.json").write_text(json.dumps({"recipe": "default", "input_size": 112, "seconds": 90, "config": {}}))
    return folder


class Page(HTMLParser):
    """Collects headings, and whatever a browser would load."""

    def __init__(self, text: str) -> None:
        """Read a page."""
        super().__init__()
        self.headings: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what is fetched and what must be closed."""
        self.loaded += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Tags close in the order they were opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep headings."""
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of everything, with its JSON beside it."""
    folder = tmp_path_factory.mktemp("run")
    output = folder / "out" / "report.html"
    clips = {"clips": {"clips": {"one.mp4": CLIP}, "all": CLIP}}
    write_report(output, [make_evaluation(), clips], run=make_run(folder), left_out={"<streets>": make_evaluation()})
    return output


def test_a_page_has_all_parts(full: Path) -> None:
    """Curves, end-to-end table, classifier, thresholds, slices, sources, clips, comparison, cost and origin."""
    page = Page(full.read_text())
    assert page.headings == [
        "a-model on set",
        "At a glance",
        "End to end: finding and judging",
        "Training",
        "The classifier alone, on 36 found faces",
        "Thresholds, and what they cost",
        "Slices",
        "Sources",
        "Clips, frame by frame",
        "Against a-model",
        "Cost",
        "Where it comes from",
    ]
    assert page.open == []
    assert full.read_text().count("<svg") == 12
    assert "<streets>" not in full.read_text()


def test_a_page_needs_nothing_else(full: Path) -> None:
    """It loads nothing: no picture but those inside, no font, no script."""
    text = full.read_text()
    assert all(each.startswith(("#", "data:")) for each in Page(text).loaded)
    assert "<script" not in text
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_json_beside_it_is_the_evaluation_and_more(full: Path) -> None:
    """With the run and the sources left out added."""
    evaluation = json.loads(json.dumps(make_evaluation()))
    read = json.loads(full.with_suffix(".json").read_text())
    assert {name: read[name] for name in evaluation} == evaluation
    assert read["run"]["recipe"] == "default"
    assert read["left_out"]["<streets>"]["AUROC mask against no_mask"]["of"] == 24


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    """No headings without content, no pictures without data, and a dash where one state alone has no AUROC."""
    outcomes = [one for one in make_outcomes() if one.truth == "mask"]
    evaluation = make_evaluation() | {"cost": {}} | tables(Scoring(outcomes, [], 0))
    del evaluation["comparison"]
    output = tmp_path / "report.html"
    write_report(output, [evaluation])
    text = output.read_text()
    assert not {"Training", "Clips, frame by frame", "Cost", "Worst errors"} & set(Page(text).headings)
    assert "Do not publish" not in text
    assert "<img" not in text
    assert evaluation["agreed"]["AUROC mask against no_mask"]["value"] is None
    assert "<td>-</td>" in text


def make_pictures(folder: Path, names: list[str]) -> Path:
    """A boxes.csv with grey pictures."""
    lines = ["file,label,xmin,ymin,xmax,ymax"]
    for name in names:
        cv2.imwrite(str(folder / name), np.full((50, 50, 3), 90, np.uint8))
        lines.append(f"{name},with_mask,4,4,40,40")
    (folder / "boxes.csv").write_text("\n".join(lines))
    return folder / "boxes.csv"


def test_errors_that_the_data_lacks_are_named(tmp_path: Path) -> None:
    """Pictures are looked for in what was evaluated."""
    with pytest.raises(ConfigError, match=r"no_mask0\.png is not in it"):
        show_errors(make_evaluation(), make_pictures(tmp_path, ["other.png"]))
    assert "None" in show_errors({"errors": []}, tmp_path / "boxes.csv")


def test_plots_take_the_pages_colours() -> None:
    """Every plot is well-formed, names its content, and leaves no stand-in colour."""
    svg = plots.draw_told(make_evaluation()["states"]["all"])
    assert ET.fromstring(svg).attrib["aria-label"] == "what was told of the faces of each true state"  # noqa: S314 - our own
    assert "var(--no-mask)" in svg
    assert not any(colour in svg for colour in plots.VARIABLES)
    assert plots.draw_intervals([("none", CELL | {"value": None})], "nothing") == ""


def test_plots_of_one_page_do_not_share_ids() -> None:
    """Else a browser would clip one plot by the frame of another."""
    row = [("one", CELL)]
    ids = [set(re.findall(r' id="([^"]+)"', plots.draw_intervals(row, name))) for name in ("first", "second")]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_the_command_writes_a_page_again_with_pictures(full: Path, tmp_path: Path) -> None:
    """One for each of the worst errors, under a warning; what the JSON knew of the run is kept."""
    report = full.with_suffix(".json")
    data = make_pictures(tmp_path, [error["file"] for error in json.loads(report.read_text())["errors"]])
    main(["--evaluation", str(report), "--data", str(data), "-o", str(tmp_path / "report.html")])
    text = (tmp_path / "report.html").read_text()
    assert text.count('<img src="data:image/jpeg;base64,') == 4
    assert "Do not publish this page" in text
    assert "Worst errors" in Page(text).headings
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(report.read_text())


def test_the_command_refuses_what_is_no_report(full: Path, tmp_path: Path) -> None:
    """Nothing to read, nothing about pictures, or a source without a file."""
    (tmp_path / "clips.json").write_text(json.dumps({"clips": {"clips": {}, "all": CLIP}}))
    for arguments, message in (
        (["--evaluation", str(tmp_path / "clips.json")], "no evaluation of pictures"),
        (["--evaluation", str(tmp_path / "gone.json")], "no report of maskwatch evaluate"),
        (["--evaluation", str(full.with_suffix(".json")), "--left-out", "streets"], "expected SOURCE=FILE"),
    ):
        with pytest.raises(ConfigError, match=message):
            main([*arguments, "-o", str(tmp_path / "report.html")])
