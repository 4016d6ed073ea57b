"""The database itself: `store` looks at its schema and takes it forward or back, `backup` and `restore` copy it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from maskwatch.cli.process import StackFile, data_dir_option, maybe_config_option, store_url
from maskwatch.errors import ConfigError, StoreUnavailable
from maskwatch.settings_file import load_settings

if TYPE_CHECKING:
    from aggregator.database import Database


def connected(config: Path | None, data_dir: Path) -> Database:
    """Return the database of the settings, of the stack that runs, or of the data directory, whatever its schema."""
    from aggregator.database import connect

    return connect(data_dir, store_url(load_settings(config) if config else None, data_dir))


@click.group()
def store() -> None:
    """Look at the database's schema, and take it forward or back."""


@store.command()
@maybe_config_option
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(config: Path | None, data_dir: Path, as_json: bool) -> None:
    """Show the database, its schema, what an upgrade would do, and how many rows each table holds."""
    found = look(connected(config, data_dir))
    if as_json:
        click.echo(json.dumps(found))
        return
    said = f"an upgrade adds {', '.join(found['pending'])}" if found["pending"] else "up to date"
    said = "of a newer maskwatch" if found["is_newer"] else said
    click.echo(f"database  {found['database']} ({found['kind']}, {found['bytes'] / 2**20:.1f} MiB)")
    click.echo(f"schema    {found['schema'] or 'none'}: {said}; this version knows {', '.join(found['known'])}")
    table = Table("table", "rows", box=None)
    for name, rows in found["rows"].items():
        table.add_row(name, str(rows))
    Console().print(table)


@store.command()
@maybe_config_option
@data_dir_option
@click.option("--quiet", is_flag=True, help="Say nothing if all goes well.")
def upgrade(config: Path | None, data_dir: Path, quiet: bool) -> None:
    """Make the database, or bring it to this version's schema; the aggregator does the same when it starts."""
    from aggregator.database import newest, open_database

    url = store_url(load_settings(config) if config else None, data_dir)
    try:
        database = open_database(data_dir, url)
    except StoreUnavailable as error:
        raise ConfigError(f"store.url: {error}") from None
    if not quiet:
        click.echo(f"{database.shown}: schema {newest()}")
    database.close()


@store.command()
@click.argument("revision")
@maybe_config_option
@data_dir_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, config: Path | None, data_dir: Path, yes: bool) -> None:
    """Take the database back to REVISION, for an older maskwatch. Stop the stack first, and take a backup.

    What only newer schemas hold is deleted. `maskwatch store status` names the revisions.
    """
    from contextlib import nullcontext

    from aggregator.database import downgrade as take_back
    from aggregator.database import refused_plainly
    from aggregator.in_use import alone

    refuse_running(data_dir)
    database = connected(config, data_dir)
    where, engine = database.shown, database.engine
    try:
        if database.others():
            raise ConfigError(f"{where}: is in use: stop the stack first")
        if not yes:
            click.confirm(f"Take {where} back to {revision}, deleting what only newer schemas hold?", abort=True)
    finally:
        database.close()  # lets go of the lock that others are kept out with; the engine connects anew
    with alone(Path(where)) if database.is_sqlite else nullcontext():
        try:
            with refused_plainly(where):
                take_back(engine, where, revision)
        finally:
            engine.dispose()
    click.echo(f"{where}: schema {revision}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@maybe_config_option
@data_dir_option
def backup(file: Path, config: Path | None, data_dir: Path) -> None:
    """Copy the database to FILE while the stack runs; only its owner may read the copy."""
    from aggregator.backup import back_up

    _refuse_postgres(config, data_dir, file, restoring=False)
    size = back_up(data_dir, file)
    click.echo(f"{file}: {size / 2**20:.1f} MiB, checked")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@maybe_config_option
@data_dir_option
@click.option("--yes", is_flag=True, help="Do not ask before the database that is there is replaced.")
def restore(file: Path, config: Path | None, data_dir: Path, yes: bool) -> None:
    """Put a copy that `maskwatch backup` made in the place of the database. Stop the stack first."""
    from aggregator.backup import restore as put_back
    from aggregator.database import FILE_NAME

    _refuse_postgres(config, data_dir, file, restoring=True)
    refuse_running(data_dir)
    path = data_dir / FILE_NAME
    if path.exists() and not yes:
        click.confirm(f"Replace {path}, with all that it holds, by {file}?", abort=True)
    step = put_back(data_dir, file)
    click.echo(f"{path}: restored from {file}, schema {step}")


def refuse_running(data_dir: Path) -> None:
    """Raise ConfigError while a stack runs on the data directory."""
    if StackFile.read(data_dir) is not None:
        raise ConfigError(f"{data_dir}: a stack runs there; stop it first")


def look(database: Database) -> dict[str, Any]:
    """Collect what there is to say about a database, as plain values, and close it."""
    from sqlalchemy import func, inspect, select, table

    from aggregator.database import known, refused_plainly, revision

    steps = known()
    try:
        with refused_plainly(database.shown):
            size = database.size_bytes()
            found = revision(database.engine)
            with database.reading() as connection:
                names = sorted(inspect(connection).get_table_names())
                rows = {name: connection.scalar(select(func.count()).select_from(table(name))) for name in names}
    finally:
        database.close()
    is_newer = found is not None and found not in steps
    return {
        "database": database.shown,
        "kind": "SQLite" if database.is_sqlite else "PostgreSQL",
        "bytes": size,
        "schema": found,
        "known": steps,
        "pending": [] if is_newer else steps[steps.index(found) + 1 :] if found else steps,
        "is_newer": is_newer,
        "rows": {name: count for name, count in rows.items() if name != "alembic_version"},
    }


def _refuse_postgres(config: Path | None, data_dir: Path, file: Path, *, restoring: bool) -> None:
    """Name PostgreSQL's own programs where the store is one."""
    from sqlalchemy import make_url

    from aggregator.backup import postgres_commands

    url = store_url(load_settings(config) if config else None, data_dir)
    if url:
        commands = postgres_commands(make_url(url), file)
        raise ConfigError(
            "the store is a PostgreSQL database, which its own programs copy. Give the password when asked, or in a "
            f"~/.pgpass:\n  {commands[restoring]}"
        )
