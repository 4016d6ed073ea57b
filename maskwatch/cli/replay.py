"""`maskwatch replay`: what would have opened, had the rules been others."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from aggregator.replay import Outcome, Replay, side_by_side
from maskwatch.cli.process import data_dir_option, refuse_to_overwrite
from maskwatch.cli.replay_sources import START, Sources
from maskwatch.contracts import event_to_json
from maskwatch.errors import ConfigError
from maskwatch.recording import Recorder
from maskwatch.schedule import time_zone
from maskwatch.settings import Settings
from maskwatch.settings_file import load_settings
from maskwatch.settings_privacy import PrivacyMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskwatch.domain import Event

_file = click.Path(path_type=Path, dir_okay=False)
PRESENT = Path("cameras.yaml")
PEOPLE = ("mask", "no_mask", "incorrect", "unknown")
PEOPLE_WORDS = ("mask", "no mask", "worn wrong", "cannot tell")


@click.command()
@click.option(
    "--from",
    "sources",
    required=True,
    multiple=True,
    help="A recording (.jsonl), a film, or `bus` for the logs of the running stack; may be given several times.",
)
@click.option("--rules", type=_file, help="Settings file with the rules to try; those of --config if left out.")
@click.option(
    "-c", "--config", type=_file, envvar="MASKWATCH_CONFIG", show_envvar=True,
    help="The present settings; cameras.yaml, where there is one.",
)  # fmt: skip
@click.option("--compare", is_flag=True, help="Show what the present settings open beside it.")
@click.option("--camera", help="Only this camera; for a film: judge it as this camera.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="When a film begins, by the clocks of time_zone: schedules depend on it.",
)
@click.option("--record", type=_file, help="Also write the records to this file, to replay them again at once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each episode, and a summary as last.")
@data_dir_option
def replay(
    *,
    sources: tuple[str, ...],
    rules: Path | None,
    config: Path | None,
    compare: bool,
    camera: str | None,
    start: datetime | None,
    record: Path | None,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Play recorded observations or a film through rules, and show the episodes that would have opened.

    The rule, zones, schedules and smallest faces may differ from those of the recording. What was no face to the
    detector then, or `unknown`, stays so: play the film itself to try `detector` and `fps`.
    """
    if compare and rules is None:
        raise ConfigError("--compare needs --rules: the changed settings to set beside the present ones")
    refuse_to_overwrite("--record", record, sources)
    present = _present(config)
    changed = load_settings(rules) if rules is not None else present
    new, old = Replay(changed), Replay(present) if compare else None
    read = Sources(changed, data_dir, camera, start)
    if start is None and any(map(read.is_film, sources)) and _has_hours(changed if old is None else present, changed):
        click.echo(
            f"The film is taken to begin at {START:%Y-%m-%d %H:%M}, a {START:%A}; say when with --start.", err=True
        )
    if PrivacyMode.STATISTICS in {changed.privacy.mode, present.privacy.mode}:
        click.echo(
            "Episodes and people are shown one by one, to you alone: in privacy mode statistics the service tells of "
            "none of them.",
            err=True,
        )
    with ExitStack() as stack:
        recorder = stack.enter_context(Recorder(record)) if record is not None else None
        for each in (each for source in sources for each in read.records(source)):
            if recorder is not None:
                recorder.write(each)
            new.feed(each)
            if old is not None:
                old.feed(each)
    outcomes = [new.end()] if old is None else [old.end(), new.end()]
    if not new.outcome.observations:
        raise ConfigError(f"no record of a camera in {', '.join(sources)}" + (f" for {camera}" if camera else ""))
    files = {rules or config or PRESENT: changed} | ({config or PRESENT: present} if compare else {})
    for file, settings in files.items():
        _tell_strangers(file, settings, new.outcome)
    (_print_json if as_json else _print_tables)(outcomes, changed.time_zone)


def _present(config: Path | None) -> Settings:
    if config is None and not PRESENT.exists():
        return Settings()
    return load_settings(config or PRESENT)


def _tell_strangers(file: Path, settings: Settings, outcome: Outcome) -> None:
    strangers = [camera for camera in outcome.people if camera not in settings.active]
    if strangers:
        lacking = f"not among the cameras of {file}: its `rule` and `defaults` hold"
        said = lacking if file.exists() else "there are no settings: the defaults hold"
        click.echo(f"{', '.join(strangers)}: {said}", err=True)


def _has_hours(*settings: Settings) -> bool:
    rules = [rule for each in settings for rule in (each.rule, *(camera.rule for camera in each.cameras))]
    return any(rule is not None and (rule.schedule or rule.quiet_hours) for rule in rules)


def _pairs(outcomes: Sequence[Outcome]) -> list[tuple[str, tuple[Event | None, ...]]]:
    """Return each camera's episodes under one set of rules, or in pairs under two."""
    rows: list[tuple[str, tuple[Event | None, ...]]] = []
    for camera in outcomes[-1].people:
        episodes = [each.episodes(camera) for each in outcomes]
        same = side_by_side(*episodes) if len(episodes) == 2 else [(each,) for each in episodes[0]]
        rows += [(camera, pair) for pair in same]
    return rows


def _print_json(outcomes: Sequence[Outcome], _zone: str) -> None:
    for camera, pair in _pairs(outcomes):
        trees = [None if each is None else json.loads(event_to_json(each)) for each in pair]
        line = trees[0] if len(trees) == 1 else {"camera_id": camera, "present": trees[0], "changed": trees[1]}
        click.echo(json.dumps(line))
    names = ("present", "changed")[-len(outcomes) :]
    summary = {name: _summary(outcome) for name, outcome in zip(names, outcomes, strict=True)}
    click.echo(json.dumps({"summary": summary}))


def _summary(outcome: Outcome) -> dict[str, Any]:
    return {
        camera: {
            "observations": outcome.observations[camera],
            "episodes": len(outcome.episodes(camera)),
            "people": {state: people[state] for state in PEOPLE},
            "compliance": outcome.compliance(camera),
            "coverage": outcome.coverage(camera),
        }
        for camera, people in outcome.people.items()
    }


def _print_tables(outcomes: Sequence[Outcome], zone: str) -> None:
    console = Console(width=None if Console().is_terminal else 140)
    is_pair = len(outcomes) == 2
    episodes = Table(
        "camera", "kind", "began", *(["present rules", "changed rules", ""] if is_pair else ["episode"]), box=None
    )
    for camera, pair in _pairs(outcomes):
        one = next(each for each in pair if each is not None)
        cells = [_span(each, zone) for each in pair]
        episodes.add_row(
            camera, one.kind.value, _time(one.started_at, zone), *cells, *([_verdict(pair)] if is_pair else [])
        )
    console.print(episodes if episodes.row_count else "no episode")
    people = Table("camera", "", "pictures", "episodes", *PEOPLE_WORDS, "compliance", "coverage", box=None)
    for camera in outcomes[-1].people:
        for name, outcome in zip(("present", "changed")[-len(outcomes) :], outcomes, strict=True):
            counted = outcome.people[camera]
            people.add_row(
                camera,
                name if is_pair else "",
                str(outcome.observations[camera]),
                str(len(outcome.episodes(camera))),
                *(str(counted[state]) for state in PEOPLE),
                _share(outcome.compliance(camera)),
                _share(outcome.coverage(camera)),
            )
    console.print()
    console.print(people)


def _span(event: Event | None, zone: str) -> str:
    if event is None:
        return "-"
    ended = "" if event.closed_at is None else _time(event.closed_at, zone)
    sure = f", {100 * event.confidence:.0f} % sure" if event.box is not None else ""
    return f"{_time(event.opened_at, zone)} to {ended} {event.reason}{sure}"


def _verdict(pair: Sequence[Event | None]) -> str:
    present, changed = pair
    if present is None:
        return "new"
    if changed is None:
        return "gone"
    is_same = (present.opened_at, present.closed_at, present.reason) == (
        changed.opened_at,
        changed.closed_at,
        changed.reason,
    )
    return "same" if is_same else "otherwise"


def _time(at: float, zone: str) -> str:
    shown = datetime.fromtimestamp(at, UTC).astimezone(time_zone(zone))
    day = "" if shown.date() == START.date() else f"{shown:%Y-%m-%d} "
    return f"{day}{shown:%H:%M:%S}.{shown.microsecond // 100_000}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"
