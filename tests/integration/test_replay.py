"""`maskwatch replay` as a person calls it: from recordings, from a film, and from the logs of a bus."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from maskwatch.bus_redis import RedisBus
from maskwatch.cli.replay import replay
from maskwatch.contracts import CAMERAS_TABLE, LOG_CAP, log_stream, record_to_fields
from maskwatch.embedded import EmbeddedValkey
from maskwatch.errors import ConfigError, MaskwatchError
from maskwatch.recording import Recorder, read_recording
from maskwatch.reports import camera_to_json
from tests.builders import make_camera_report
from tests.conftest import ROOT
from tests.scenes import BARE, MASKED, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from maskwatch.contracts import LogRecord

pytestmark = pytest.mark.integration

STRICT = "rule: {open_after_s: 6}\n"
LAX = "rule: {open_after_s: 0.5}\n"
SCENE = Scene().show(4, BARE).show(4).show(8, BARE).show(4).show(1.6, BARE).show(4).records


def call(*arguments: str | Path) -> tuple[list[str], str]:
    """Run the command in this process; returns its lines, and what it said on standard error."""
    done = CliRunner().invoke(replay, [str(each) for each in arguments])
    if isinstance(done.exception, MaskwatchError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines(), done.stderr


def parsed(lines: list[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read JSON lines; returns the episodes and the summary."""
    trees = [json.loads(line) for line in lines]
    summary: dict[str, Any] = trees[-1]["summary"]
    return trees[:-1], summary


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a recording and two files of rules."""
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "door.jsonl", SCENE)
    (tmp_path / "strict.yaml").write_text(STRICT)
    (tmp_path / "lax.yaml").write_text(LAX)
    return tmp_path


def record(path: Path, records: list[LogRecord]) -> None:
    """Write a recording."""
    with Recorder(path) as recorder:
        for each in records:
            recorder.write(each)


@pytest.mark.usefixtures("folder")
def test_rules_are_set_side_by_side() -> None:
    """Stricter rules lose one episode of two and open the other later; laxer ones open a third."""
    episodes, summary = parsed(call("--from", "door.jsonl", "--rules", "strict.yaml", "--compare", "--json")[0])
    assert [(row["present"] is None, row["changed"] is None) for row in episodes] == [(False, True), (False, False)]
    assert episodes[1]["changed"]["opened_at"] == pytest.approx(episodes[1]["present"]["opened_at"] + 4, abs=0.3)
    assert [summary[name]["door"]["episodes"] for name in ("present", "changed")] == [2, 1]
    lines, _ = call("--from", "door.jsonl", "--rules", "lax.yaml", "--compare")
    assert [line.split()[-1] for line in lines if " no_mask " in line] == ["otherwise", "otherwise", "new"]
    assert any("compliance" in line for line in lines)


def test_the_present_settings_are_those_of_the_folder(folder: Path) -> None:
    """Without --rules the settings file is tried itself: cameras.yaml where there is one, the defaults where not."""
    assert len(parsed(call("--from", "door.jsonl", "--json")[0])[0]) == 2
    (folder / "cameras.yaml").write_text(STRICT)
    assert len(parsed(call("--from", "door.jsonl", "--json")[0])[0]) == 1
    assert len(parsed(call("--from", "door.jsonl", "--json", "-c", "lax.yaml")[0])[0]) == 3


def test_a_camera_that_has_no_settings_is_said(folder: Path) -> None:
    """Beside the result stands which cameras are judged by what holds for all, under either set of rules."""
    assert call("--from", "door.jsonl")[1] == "door: there are no settings: the defaults hold\n"
    (folder / "cameras.yaml").write_text("cameras: [{id: door, source: /x.mp4}]\n")
    assert call("--from", "door.jsonl", "--json")[1] == ""
    said = "door: not among the cameras of lax.yaml: its `rule` and `defaults` hold\n"
    assert call("--from", "door.jsonl", "--rules", "lax.yaml", "--compare")[1] == said
    (folder / "cameras.yaml").write_text("cameras: [{id: door, source: /x.mp4, enabled: false}]\n")
    assert "door: not among the cameras of cameras.yaml" in call("--from", "door.jsonl", "--json")[1]


def test_rules_are_compared_where_only_statistics_are_wanted(folder: Path) -> None:
    """An episode is not new because the present settings would have told nobody of it; who looks is told so."""
    (folder / "cameras.yaml").write_text("privacy: {mode: statistics}\n")
    lines, said = call("--from", "door.jsonl", "--rules", "lax.yaml", "--compare")
    assert [line.split()[-1] for line in lines if " no_mask " in line] == ["otherwise", "otherwise", "new"]
    assert "in privacy mode statistics the service tells of none of them" in said


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--from", "door.jsonl", "--compare"], "--compare needs --rules", id="compare with what"),
        pytest.param(["--from", "none.mp4"], "no such file; write `bus`, a recording", id="no file"),
        pytest.param(["--from", "strict.yaml"], "is no film that can be read", id="no film"),
        pytest.param(["--from", "none.jsonl"], "cannot be read", id="no recording"),
        pytest.param(
            ["--from", "door.jsonl", "--camera", "gate"],
            "no record of a camera in door.jsonl for gate",
            id="no such camera",
        ),
        pytest.param(["--from", "bus"], "no bus: nothing runs", id="no stack"),
        pytest.param(["--from", "lax.yaml", "--camera", "Door 1"], "is no camera's name", id="a bad name"),
    ],
)
def test_mistakes_are_said_plainly(arguments: list[str], said: str) -> None:
    """What cannot be replayed is refused with what to write instead."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        call(*arguments)


@pytest.mark.parametrize("same", ["door.jsonl", "./door.jsonl", "link.jsonl"])
def test_a_recording_is_not_written_over_itself(folder: Path, same: str) -> None:
    """What is read stays as it was, by whatever name it is to be written."""
    (folder / "link.jsonl").symlink_to("door.jsonl")
    before = (folder / "door.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="is what is read"):
        call("--from", "door.jsonl", "--record", same)
    assert (folder / "door.jsonl").read_bytes() == before


def test_a_film_is_judged_recorded_and_replayed_alike(folder: Path) -> None:
    """The demo's film opens one episode each time, with the same id, from the film as from its recording."""
    film = ROOT / "ingest" / "demo" / "lobby.mp4"
    first, _ = parsed(call("--from", film, "--record", "lobby.jsonl", "--json")[0])
    again, summary = parsed(call("--from", "lobby.jsonl", "--json")[0])
    assert len(first) == 1
    assert again == first
    assert summary["changed"]["lobby"]["observations"] == len(list(read_recording(folder / "lobby.jsonl")))
    (folder / "hours.yaml").write_text('defaults: {fps: 2}\nrule: {schedule: "Mon-Fri 08:00-18:00"}\n')
    at_noon = ["--from", film, "--rules", "hours.yaml", "--camera", "hall", "--start", "2026-11-24T12:00"]
    assert [each["camera_id"] for each in parsed(call(*at_noon, "--json")[0])[0]] == ["hall"]


def test_hours_need_to_know_when_a_film_was_taken(folder: Path) -> None:
    """Where the rule has hours and nobody said when the film begins, that is said beside the result."""
    (folder / "hours.yaml").write_text('rule: {schedule: "Mon-Fri 08:00-18:00"}\n')
    with pytest.raises(ConfigError):
        call("--from", "strict.yaml", "--rules", "hours.yaml")
    done = CliRunner().invoke(replay, ["--from", "strict.yaml", "--rules", "hours.yaml"])
    assert "2000-01-01 00:00, a Saturday; say when with --start" in done.stderr


def test_the_logs_of_a_running_stack(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies on the bus is replayed, and can be recorded: all cameras, or the one asked for."""
    scenes = {"door": SCENE, "gate": Scene("gate").show(5, MASKED).show(4).records}
    with EmbeddedValkey(folder / "bus", max_memory_bytes=64 * 2**20) as server:
        monkeypatch.setenv("MASKWATCH_BUS_URL", server.url)
        bus = RedisBus(server.url)
        for camera, records in scenes.items():
            bus.put(CAMERAS_TABLE, camera, camera_to_json(make_camera_report(camera_id=camera)))
            for each in records:
                bus.append(log_stream(camera), record_to_fields(each), LOG_CAP)
        episodes, summary = parsed(call("--from", "bus", "--record", "all.jsonl", "--json")[0])
        alone, _ = parsed(call("--from", "bus", "--camera", "gate", "--json")[0])
        bus.close()
    assert [each["camera_id"] for each in episodes] == ["door", "door"]
    assert summary["changed"]["gate"]["people"]["mask"] == 1
    assert alone == []
    assert list(read_recording(folder / "all.jsonl")) == [*SCENE, *scenes["gate"]]
