"""What became of alerts: `maskwatch alerts list|retry|discard|test`."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from maskwatch.cli.names import configured_subscriptions, require_subscription
from maskwatch.cli.process import StackFile, data_dir_option, maybe_config_option, store_url
from maskwatch.clock import SystemClock
from maskwatch.errors import ConfigError
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from aggregator.store_outbox import Outbox, StoredDelivery

LOOK_EVERY_S = 0.2

which_options = (
    click.argument("keys", nargs=-1),
    click.option("--all", "every", is_flag=True, help="All dead letters (of --subscription)."),
    click.option("--subscription", help="Only of this subscription."),
)


@click.group()
def alerts() -> None:
    """See what waits for subscribers and what was given up; send it again, or send a marked test."""


@alerts.command("list")
@data_dir_option
@maybe_config_option
@click.option("--subscription", help="Only of this subscription.")
@click.option("--waiting", is_flag=True, help="Those that wait too, and how many changes are gathered.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Most to list.")
def list_(
    data_dir: Path, config: Path | None, subscription: str | None, waiting: bool, as_json: bool, limit: int
) -> None:
    """List dead letters: alerts that were tried for as long as the settings say, or refused for good."""
    from aggregator.store_outbox import DeliveryState

    states = [DeliveryState.DEAD, *([DeliveryState.WAITING] if waiting else [])]
    with _outbox(data_dir, config, subscription) as outbox:
        found = outbox.listed(states, subscription, limit)
        gathered = outbox.gathered(subscription) if waiting else {}
    if as_json:
        for each in found:
            click.echo(json.dumps(_plain(each)))
    elif found:
        _print_table(found)
    elif not gathered:
        click.echo("no dead letters" + (", and nothing waits" if waiting else ""))
    else:
        click.echo("no dead letters, and no message waits")
    for name, count in gathered.items():
        changes = "1 change is" if count == 1 else f"{count} changes are"
        click.echo(f"{changes} gathered for {name} until a cooldown ends", err=as_json)


def _print_table(found: Iterable[StoredDelivery]) -> None:
    table = Table("key", "subscription", "state", "what", "since", "tries", "last error", box=None)
    for each in found:
        said = _plain(each)
        table.add_row(
            *(str(said[name]) for name in ("key", "subscription", "state", "what", "since", "tries", "error"))
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _which(function: click.decorators.FC) -> click.decorators.FC:
    for option in reversed(which_options):
        function = option(function)
    return function


@alerts.command()
@data_dir_option
@maybe_config_option
@_which
def retry(data_dir: Path, config: Path | None, keys: tuple[str, ...], every: bool, subscription: str | None) -> None:
    """Send dead letters again, under their old keys: by KEYS, or --all."""
    with _outbox(data_dir, config, subscription) as outbox:
        chosen = _chosen(outbox, keys, subscription, every=every)
        click.echo(f"{outbox.revive(chosen, SystemClock().time())} of {len(chosen)} will be sent again")


@alerts.command()
@data_dir_option
@maybe_config_option
@_which
def discard(data_dir: Path, config: Path | None, keys: tuple[str, ...], every: bool, subscription: str | None) -> None:
    """Give up dead letters for good: by KEYS, or --all."""
    with _outbox(data_dir, config, subscription) as outbox:
        chosen = _chosen(outbox, keys, subscription, every=every)
        click.echo(f"{outbox.discard(chosen, SystemClock().time())} of {len(chosen)} were discarded")


@alerts.command()
@click.argument("name")
@data_dir_option
@maybe_config_option
@click.option("--within-s", type=click.FloatRange(1, 600), default=30.0, show_default=True, help="Longest wait.")
def test(name: str, data_dir: Path, config: Path | None, within_s: float) -> None:
    """Send a marked test to subscription NAME, by the running dispatcher; exit 1 if it does not arrive."""
    from aggregator.store_outbox import DeliveryState

    clock = SystemClock()
    with _outbox(data_dir, config) as outbox:
        _require_configured(name, config, data_dir)
        key = outbox.add_test(name, clock.time())
        give_up_at = clock.monotonic() + within_s
        while (found := outbox.find(key)) is not None and found.state is DeliveryState.WAITING:
            if clock.monotonic() > give_up_at:
                outbox.withdraw(key, clock.time())
                click.echo(f"{name}: nobody sent the test within {within_s:g} s; is `maskwatch notify` running?")
                sys.exit(1)
            clock.sleep(LOOK_EVERY_S)
    if found is None or found.state is not DeliveryState.SENT:
        click.echo(f"{name}: did not arrive: {found.error if found else 'it is gone'}")
        sys.exit(1)
    click.echo(f"{name}: the subscriber took the test")


def _require_configured(name: str, config: Path | None, data_dir: Path) -> None:
    if config is None and StackFile.read(data_dir) is None:
        raise ConfigError(
            f"nothing runs on {data_dir}: start the stack with `maskwatch up`, or name its settings with --config"
        )
    known = configured_subscriptions(config, data_dir, enabled_only=True)
    if known is not None and name not in known:
        said = f"configured are {', '.join(sorted(known))}" if known else "none is configured"
        raise ConfigError(f"there is no subscription {name!r}; {said}")


@contextmanager
def _outbox(data_dir: Path, config: Path | None, subscription: str | None = None) -> Iterator[Outbox]:
    """Open the outbox; raises ConfigError for the name of a subscription that there is not."""
    from aggregator.store import open_store
    from aggregator.store_outbox import Outbox

    url = store_url(load_settings(config) if config else None, data_dir)
    store = open_store(data_dir, url, create=False)
    try:
        outbox = Outbox(store.database)
        if subscription is not None:
            require_subscription(subscription, outbox, config, data_dir)
        yield outbox
    finally:
        store.close()


def _chosen(outbox: Outbox, keys: Sequence[str], subscription: str | None, *, every: bool) -> list[str]:
    """Return the keys of the dead letters that are meant; a key may be written by its beginning."""
    from aggregator.store_outbox import DeliveryState

    dead = [each.key for each in outbox.listed([DeliveryState.DEAD], subscription, limit=100_000)]
    if every:
        return dead
    if not keys:
        raise ConfigError("write the keys that `maskwatch alerts list` shows, or --all")
    chosen = [key for key in dead if key.startswith(tuple(keys))]
    for key in keys:
        if not any(each.startswith(key) for each in chosen):
            raise ConfigError(f"there is no dead letter {key!r}; see `maskwatch alerts list`")
    return chosen


def _plain(each: StoredDelivery) -> dict[str, object]:
    events = list(dict.fromkeys(row.event.id for row in each.rows))
    what = f"{each.kind} at {each.camera_id}" if each.camera_id else each.kind
    return {
        "key": each.key,
        "subscription": each.subscription,
        "state": each.state.value,
        "what": f"{len(events)} x {what}" if len(events) > 1 else what,
        "since": datetime.fromtimestamp(each.made_at, UTC).isoformat(timespec="seconds"),
        "tries": each.attempts,
        "error": each.error,
        "events": events,
    }
