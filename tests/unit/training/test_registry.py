"""What the registry promises: a model that is worse does not slip into the product, and nothing is half done."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from maskwatch.cli.models import models
from maskwatch.errors import ConfigError, ModelMismatch
from training.registry import TOLERANCE, compare, list_models, models_folder, promote, read_list, read_report, verify

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = models_folder()
MASKS = "mask_mobilenetv2.onnx"


def make_report(file: Path, at: Path, **values: float) -> Path:
    """A report of `maskwatch evaluate` on a file, with figures by name."""
    figures = {
        name: {"value": value, "low": value - 0.02, "high": value + 0.02, "of": 100} for name, value in values.items()
    }
    report = {
        "model": {"file": str(file), "name": file.stem, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        "data": {"fingerprint": "f", "split": "test", "min_face_px": 32},
        "agreed": figures,
    }
    at.write_text(json.dumps(report))
    return at


def renamed(source: Path, target: Path, name: str) -> Path:
    """A copy of a model under another name of its own: another file, as good."""
    model = onnx.load(source)
    for each in model.metadata_props:
        if each.key == "maskwatch.name":
            each.value = name
    onnx.save(model, target)
    return target


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A folder with a promoted mask model of mask 0.95 and no_mask 0.90."""
    folder = tmp_path / "product"
    folder.mkdir()
    report = make_report(SHIPPED / MASKS, tmp_path / "first.json", mask=0.95, no_mask=0.90)
    assert promote(SHIPPED / MASKS, report, folder, at="2026-01-01") == []
    return folder


def test_the_shipped_models_keep_their_promises() -> None:
    """Every file is what the list says, and works on one crop and on three."""
    listed = list_models(SHIPPED)
    assert {each.file.name for each in listed} == {file.name for file in SHIPPED.glob("*.onnx")}
    for each in listed:
        assert verify(each.file) == each.contract


def test_a_better_model_is_promoted_with_its_report(product: Path, tmp_path: Path) -> None:
    """File, report and list change together, and the list remembers what was there."""
    candidate = renamed(SHIPPED / MASKS, tmp_path / "candidate.onnx", "better-2")
    report = make_report(candidate, tmp_path / "second.json", mask=0.97, no_mask=0.90 - TOLERANCE / 2)
    before = read_list(product)[MASKS]["sha256"]
    differences = promote(candidate, report, product, at="2026-02-02")
    assert {each.figure: each.is_worse for each in differences} == {"mask": False, "no_mask": False}
    entry = read_list(product)[MASKS]
    assert (entry["replaces"], entry["promoted"], entry["default"]) == (before, "2026-02-02", True)
    assert (product / MASKS).read_bytes() == candidate.read_bytes()
    assert read_report(product / "mask_mobilenetv2.report.json")["agreed"]["mask"]["value"] == 0.97
    assert verify(product / MASKS).name == "better-2"
    assert not list(product.glob("*.new"))


def test_a_worse_model_is_refused_unless_told_why(product: Path, tmp_path: Path) -> None:
    """The refusal names the figure; a reason is written down."""
    candidate = renamed(SHIPPED / MASKS, tmp_path / "candidate.onnx", "worse-2")
    report = make_report(candidate, tmp_path / "second.json", mask=0.99, no_mask=0.80)
    content = (product / MASKS).read_bytes()
    with pytest.raises(ConfigError, match=r"no_mask: 90\.0% -> 80\.0%.*WORSE") as refused:
        promote(candidate, report, product, at="2026-02-02")
    assert "mask: 95.0%" not in str(refused.value)
    assert (product / MASKS).read_bytes() == content
    promote(candidate, report, product, at="2026-02-02", because="half the time a face")
    assert read_list(product)[MASKS]["because"] == "half the time a face"


def test_a_report_of_another_file_is_refused(product: Path, tmp_path: Path) -> None:
    """Figures of one model must not promote another."""
    candidate = renamed(SHIPPED / MASKS, tmp_path / "candidate.onnx", "other")
    with pytest.raises(ConfigError, match="another file"):
        promote(candidate, make_report(SHIPPED / MASKS, tmp_path / "r.json", mask=1.0), product, at="2026-02-02")


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("data", "fingerprint", "g"),
        ("data", "split", "val"),
        ("data", "min_face_px", 16),
        ("face", "sha256", "of another"),
        ("settings", "path", "stream"),
        ("settings", "face_score", 0.1),
    ],
)
def test_figures_of_different_questions_are_not_compared(tmp_path: Path, part: str, field: str, value: object) -> None:
    """An easier test set, or another search for faces, would make any model look better."""
    one: dict[str, Any] = read_report(make_report(SHIPPED / MASKS, tmp_path / "a.json", mask=0.9))
    one |= {"face": {"sha256": "of one"}, "settings": {"path": "stills", "face_score": 0.5}}
    other = json.loads(json.dumps(one))
    assert len(compare(one, other)) == 1
    other[part][field] = value
    with pytest.raises(ConfigError, match=field):
        compare(one, other)
    if part != "data":
        del other[part]
        assert len(compare(one, other)) == 1, "as of a version before"


def test_figures_that_no_face_gives(product: Path, tmp_path: Path) -> None:
    """Without badly worn masks in the data two models are compared by the rest, and one of them can be promoted."""
    for place, name in enumerate(("first", "second"), 1):
        candidate = renamed(SHIPPED / MASKS, tmp_path / f"{name}.onnx", name)
        report = read_report(make_report(candidate, tmp_path / f"{name}.json", mask=0.95, no_mask=0.9))
        report["agreed"]["incorrect"] = {"value": None, "low": None, "high": None, "of": 0}
        (tmp_path / f"{name}.json").write_text(json.dumps(report))
        differences = promote(candidate, tmp_path / f"{name}.json", product, at=f"2026-02-0{place}")
        assert [each.figure for each in differences] == ["mask", "no_mask"]
    files = [str(tmp_path / f"{name}.json") for name in ("first", "second")]
    shown = CliRunner().invoke(models, ["compare", *files], catch_exceptions=False)
    assert "no_mask" in shown.output
    assert "incorrect" not in shown.output
    report["agreed"]["incorrect"] = {"value": 0.5, "low": 0.4, "high": 0.6, "of": 9}
    with pytest.raises(ConfigError, match="only one of the reports has the figure 'incorrect'"):
        compare(read_report(tmp_path / "first.json"), report)


def test_a_changed_file_fails_verification(product: Path) -> None:
    """The list's hash is that of the file."""
    renamed(product / MASKS, product / MASKS, "tampered")
    with pytest.raises(ModelMismatch, match="hash differs"):
        verify(product / MASKS)


def test_a_model_of_another_answer_fails_verification(tmp_path: Path) -> None:
    """Rows must be probabilities."""
    model = onnx.load(SHIPPED / MASKS)
    (softmax,) = [node for node in model.graph.node if "probabilities" in node.output]
    softmax.output[0] = "real"
    two = onnx.numpy_helper.from_array(np.float32(2), "two")
    model.graph.initializer.append(two)
    model.graph.node.append(onnx.helper.make_node("Mul", ["real", "two"], ["probabilities"]))
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(ModelMismatch, match="not a row of probabilities"):
        verify(tmp_path / "odd.onnx")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"model": {}}'])
def test_what_is_no_report_is_said(tmp_path: Path, content: str) -> None:
    """One sentence with the file's name."""
    file = tmp_path / "r.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"r\.json: no report"):
        read_report(file)


def test_the_command_lists_compares_and_promotes(product: Path, tmp_path: Path) -> None:
    """As the operator calls it."""
    runner = CliRunner()
    listed = json.loads(runner.invoke(models, ["list", "--json", "--into", str(product)]).output)
    assert [(row["file"], row["task"]) for row in listed] == [(MASKS, "face-mask-classification")]
    candidate = renamed(SHIPPED / MASKS, tmp_path / "candidate.onnx", "better-2")
    report = make_report(candidate, tmp_path / "second.json", mask=0.97, no_mask=0.95)
    shown = runner.invoke(models, ["compare", str(product / "mask_mobilenetv2.report.json"), str(report)])
    assert "0.950" in shown.output
    assert "0.970" in shown.output
    done = runner.invoke(models, ["promote", str(candidate), "--report", str(report), "--into", str(product)])
    assert done.exit_code == 0, done.output
    assert (
        runner.invoke(models, ["verify", str(product / MASKS)])
        .output.strip()
        .endswith("better-2, face-mask-classification: good")
    )
    shipped = runner.invoke(models, ["verify"]).output.splitlines()  # none named: the product's own
    assert [line.rpartition(": ")[2] for line in shipped] == ["good", "good"]
    shutil.rmtree(product)
