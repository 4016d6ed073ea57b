"""Reports and the system page say what the store and the bus hold."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aggregator.store import Step, StoredFold
from dashboard.model_cards import card_of
from dashboard.texts import load_texts
from maskwatch.cli import command as maskwatch
from maskwatch.contracts import CHANNELS_TABLE, LEDGERS_TABLE, WORKERS_TABLE
from maskwatch.reports import ChannelReport, channel_to_json, ledger_to_json, worker_to_json
from tests.builders import NOW, make_ledger_report, make_worker_report
from tests.conftest import ROOT
from tests.page import CAMERAS, page_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.page import Page

MODELS = ROOT / "detector" / "models"
MINUTE = int(NOW // 60)  # 22:13 UTC on 14 November 2023


def count(page: Page) -> None:
    """Have people judged: at the door nine of ten with a mask this hour, at the gate none of one the hour before."""
    counted = {
        ("door", MINUTE, "people_mask"): 9,
        ("door", MINUTE, "people_no_mask"): 1,
        ("door", MINUTE, "people_unknown"): 10,
        ("gate", MINUTE - 60, "people_no_mask"): 1,
    }
    page.store.commit(Step(minutes=counted))


def test_a_report_says_the_share_and_how_sure_it_is(page: Page) -> None:
    """Each hour has its share, its interval and its coverage; an hour without people has none, and no zero."""
    count(page)
    page.clock.advance(600)
    rows = page.client().get("/api/v1/reports?from=2023-11-14T20:00").json()
    assert [row["label"][-5:] for row in rows] == ["20:00", "21:00", "22:00"]
    empty, bare, most = (row["compliance"] for row in rows)
    assert (empty["people"], empty["share"]) == (0, None)
    assert (bare["share"], bare["coverage"]) == (0.0, 1.0)
    assert (most["people"], most["share"], most["coverage"]) == (10, 0.9, 0.5)
    assert most["low"] == pytest.approx(0.596, abs=1e-3)
    assert most["high"] == pytest.approx(0.982, abs=1e-3)


@pytest.mark.parametrize(("mode", "people"), [("alerts", {"door": 10, "gate": 1}), ("statistics", {"door": 10})])
def test_the_wall_hides_the_few_that_a_report_hides(tmp_path: Path, mode: str, people: dict[str, int]) -> None:
    """What a tile says of today is what a report would: of too few people nothing, whenever they were counted."""
    with page_in(tmp_path, f"privacy: {{mode: {mode}}}\n") as page:
        count(page)
        cards = page.client().get("/api/v1/cameras").json()
    assert {each["id"]: each["today"]["people"] for each in cards if each["today"]} == people


def test_a_report_by_day_of_one_camera_as_csv(page: Page) -> None:
    """The download has the same numbers under names that a spreadsheet can use."""
    count(page)
    page.clock.advance(600)
    text = page.client().get("/api/v1/reports?from=2023-11-13&by=day&camera=door&format=csv").text
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["day"], row["people_judged"], row["compliance"]) for row in rows] == [
        ("2023-11-13", "0", ""),
        ("2023-11-14", "10", "0.9"),
    ]


def test_a_viewer_reports_on_their_cameras(guarded: Page) -> None:
    """People at other cameras are in nobody's report but of those who may see them."""
    count(guarded)
    guarded.clock.advance(600)
    people = [
        sum(row["compliance"]["people"] for row in guarded.log_in(name).get("/api/v1/reports").json())
        for name in ("chief", "guard")
    ]
    assert people == [11, 1]
    assert guarded.log_in("guard").get("/api/v1/reports?camera=door").status_code == 404


def test_a_report_on_no_camera_is_refused(page: Page) -> None:
    """A misspelt camera is not there, rather than without anybody; one that is or was there may have zeros."""
    count(page)
    page.store.commit(Step([StoredFold("removed", retired=True)]))
    page.clock.advance(600)
    asked = {
        name: page.client().get(f"/api/v1/reports?camera={name}") for name in ("dor", "door", "removed", "pipeline")
    }
    assert {name: answer.status_code for name, answer in asked.items()} == {
        "dor": 404,
        "door": 200,
        "removed": 200,
        "pipeline": 200,
    }
    assert "There is no such camera." in page.client().get("/reports?camera=dor").text


@pytest.mark.parametrize("query", ["from=yesterday", "from=2024-01-01", "from=2000-01-01&by=day", "from=9e99"])
def test_a_span_that_makes_no_sense_is_refused(page: Page, query: str) -> None:
    """The page says what is wrong with it, the interface answers 422."""
    assert page.client().get(f"/api/v1/reports?{query}").status_code == 422
    assert 'role="alert"' in page.client().get(f"/reports?{query}").text


def test_the_pages_show_what_there_is(page: Page) -> None:
    """Reports, system and a camera's page are filled, and the camera's password stands on none of them."""
    count(page)
    page.bus.put(WORKERS_TABLE, "detect-host-1", worker_to_json(make_worker_report(models=("faces-1",))))
    page.bus.put(LEDGERS_TABLE, "door", ledger_to_json(make_ledger_report()))
    client = page.client()
    pages = {path: client.get(path) for path in ("/", "/events", "/reports", "/system", "/cameras/door")}
    assert {answer.status_code for answer in pages.values()} == {200}
    assert "faces-1" in pages["/system"].text
    assert "every face made unrecognisable" in pages["/system"].text
    setup = client.get("/api/v1/cameras/door/setup").json()
    assert "rtsp://***@192.0.2.1/live" in setup["yaml"]
    assert "s3cret" not in setup["yaml"] + "".join(answer.text for answer in pages.values())
    assert client.get("/cameras/nowhere").status_code == 404


def test_a_model_is_shown_with_its_figures_and_how_sure_they_are(page: Page) -> None:
    """What is shipped has name, hash, size, the split it was measured on, and each figure with its interval."""
    report = json.loads((MODELS / "mask_mobilenetv2.report.json").read_text())
    page.bus.put(WORKERS_TABLE, "detect-1", worker_to_json(make_worker_report(models=(report["model"]["name"],))))
    text = page.client().get("/system").text
    data = report["data"]
    assert f"{data['name']}, split {data['split']}: {data['pictures']} pictures, {data['faces']} faces" in text
    for each in (report["model"], report["face"]):
        assert each["sha256"] in text
        assert each["name"] in text
    told = report["agreed"]["found and right: no_mask"]
    assert f"{100 * told['value']:.1f} %" in text
    assert f"{100 * told['low']:.0f}\N{EN DASH}{100 * told['high']:.0f} %" in text
    assert text.count("<dd>in no detector that reports</dd>") == 1


def test_how_often_worn_wrong_is_true_is_said_alike() -> None:
    """The page and the safety lead's chapter name the figure that the shipped model's evaluation has."""
    states = json.loads((MODELS / "mask_mobilenetv2.report.json").read_text())["states"]

    def called(part: str) -> tuple[int, int]:
        told = {truth: row["told"]["incorrect"] for truth, row in states[part].items()}
        return told["incorrect"], sum(told.values())

    (right, of_all), (right_boxed, of_boxed) = called("all"), called("boxed faces")
    figure = rf"[Oo]f the {of_all} faces of the test pictures that are called (so|worn wrong), {right} are"
    for text in (load_texts()["cards"]["limits"], (ROOT / "docs" / "safety-lead.md").read_text()):
        assert re.search(rf"{figure} \(in scenes {right_boxed} of {of_boxed}\)", text)


def test_figures_of_another_file_are_not_shown() -> None:
    """A model whose evaluation is not in the package has no figures, rather than another's."""
    listed = {"name": "mask-x", "sha256": "0" * 64, "bytes": 5}
    assert card_of("mask-x.onnx", listed, {}).figures == ()


def test_the_handbook_opens_at_an_alert(page: Page) -> None:
    """A runbook is there for whoever may see the page, with an anchor for the alert; nothing else is read from disk."""
    text = page.client().get("/handbook/runbooks").text
    assert '<h2 id="maskwatchcameraoffline">' in text
    assert "](" not in text
    assert "<table" in page.client().get("/handbook/model-card").text
    assert page.client().get("/handbook/..%2Fpages.py").status_code == 404


def test_the_paths_told_to_programs_exist(page: Page) -> None:
    """Each path that docs/page.md names is one of the interface's, whatever stands for an id."""
    there = {re.sub(r"\{\w+\}", "*", path) for path in page.client().get("/api/v1/openapi.json").json()["paths"]}
    told = re.findall(r"(/api/v1/[\w/.]+)", (ROOT / "docs" / "page.md").read_text())
    assert len(told) > 8
    assert {re.sub(r"\b[A-Z]+\b", "*", path) for path in told} <= there | {"/api/v1/openapi.json"}


def test_a_failing_channel_is_said(guarded: Page) -> None:
    """An admin sees that alerts do not get through, and why; a viewer sees neither the page nor its link."""
    report = ChannelReport("desk", "webhook", "https://desk.example", NOW, queue=3, failing=True, last_error="503")
    guarded.bus.put(CHANNELS_TABLE, "desk", channel_to_json(report))
    chief = guarded.log_in("chief")
    text = chief.get("/subscriptions").text
    assert "failing" in text
    assert "503" in text
    well = replace(report, queue=0, failing=False, last_success_at=NOW)
    guarded.bus.put(CHANNELS_TABLE, "desk", channel_to_json(well))
    assert "503" not in chief.get("/subscriptions").text, "what was wrong once is no news beside 'works'"
    guard = guarded.log_in("guard")
    assert guard.get("/subscriptions").status_code == 403
    assert "/subscriptions" not in guard.get("/").text


def test_a_viewer_does_not_see_the_set_up(guarded: Page) -> None:
    """How a camera is reached is for admins."""
    assert guarded.log_in("guard").get("/api/v1/cameras/gate/setup").status_code == 403


def test_no_text_hides_behind_a_method() -> None:
    """A text named like a method of a mapping would not be found by the templates."""
    assert [name for texts in load_texts().values() for name in texts if hasattr(texts, name)] == []


@pytest.mark.parametrize("camera", ["", "door"])
@pytest.mark.parametrize(
    "span",
    [
        pytest.param(["hour", "2023-11-14T20:10", "2023-11-14T22:20"], id="hours, cut off in the middle"),
        pytest.param(["day", "2023-11-13", "2023-11-15"], id="days"),
    ],
)
@pytest.mark.parametrize("mode", ["alerts", "statistics"])
def test_page_download_and_command_say_the_same(tmp_path: Path, camera: str, span: list[str], mode: str) -> None:
    """The interface, its CSV and `maskwatch report` tell the same shares of the same people, and hide the same few."""
    with page_in(tmp_path, f"privacy: {{mode: {mode}}}\n") as page:
        count(page)
        page.clock.advance(600)
        by, begin, end = span
        asked = f"/api/v1/reports?from={begin}&to={end}&by={by}&camera={camera}"
        rows = page.client().get(asked).json()
        downloaded = list(csv.DictReader(page.client().get(f"{asked}&format=csv").text.splitlines()))
        settings = tmp_path / "cameras.yaml"
        settings.write_text(CAMERAS + f"privacy: {{mode: {mode}}}\n")
        command = ["report", "-c", str(settings), "--data-dir", str(tmp_path), "--from", begin, "--to", end, "--by", by]
        printed = CliRunner().invoke(maskwatch, [*command, "--together", "--format", "json", "--camera", camera or "*"])
    cells = json.loads(printed.stdout)["cells"]
    columns = ("people_judged", "compliance", "low_95", "high_95", "coverage", "people_unknown")
    said = [[cell[name] for name in ("judged", "rate", "low", "high", "coverage", "unknown")] for cell in cells]
    of_page = [
        [
            *((row["compliance"] or {}).get(name) for name in ("people", "share", "low", "high", "coverage")),
            row["unknown"],
        ]
        for row in rows
    ]
    assert said == of_page
    assert said == [[json.loads(row[name] or "null") for name in columns] for row in downloaded]
    assert max(each[0] or 0 for each in said) >= 10
    assert any(each[0] is None for each in said) == (mode == "statistics" and by == "hour" and not camera)
