"""Copies the SQLite database while it is in use, and puts such a copy back in its place.

A PostgreSQL database is copied by PostgreSQL's own programs; here they are only named, without the password.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from sqlalchemy import create_engine

from aggregator.database import FILE_NAME, require_known
from aggregator.in_use import alone, leave_to_owner
from maskwatch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import URL


def back_up(data_dir: Path, file: Path) -> int:
    """Copy the database to a new file that its owner alone may read; returns its size in bytes.

    The copy is of one moment, and nobody who writes meanwhile has to wait. Raises ConfigError if it cannot be made.
    """
    source = data_dir / FILE_NAME
    if not source.exists():
        raise ConfigError(f"{source}: there is no database yet")
    if file.exists():
        raise ConfigError(f"{file}: exists already; name a new file")
    part = file.with_name(f"{file.name}.part")
    _copy(source, part)
    part.replace(file)
    return file.stat().st_size


def restore(data_dir: Path, file: Path) -> str:
    """Put a copy in the place of the database, which nobody may use; returns the step of its tables.

    An older one is brought up when the stack starts. Root leaves it to the owner of the data directory. Raises
    ConfigError for one that is broken, newer, or none of ours, and while the database is in use; then everything is as
    it was.
    """
    path = data_dir / FILE_NAME
    if not file.is_file():
        raise ConfigError(f"{file}: there is no such file")
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{data_dir}: cannot be written: {error.strerror}") from None
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, where the database belongs")
    with alone(path):
        fresh = path.with_suffix(".new")
        _copy(file, fresh)
        engine = create_engine(f"sqlite:///{fresh}")
        try:
            step = require_known(engine, str(file))
            leave_to_owner(fresh)
        except ConfigError:
            fresh.unlink()
            raise
        except OSError as error:
            fresh.unlink()
            raise ConfigError(f"{fresh}: cannot be given to the owner of {data_dir}: {error.strerror}") from None
        finally:
            engine.dispose()
        for left in ("-wal", "-shm"):  # what the old one had not written back would be taken for the new one's
            path.with_name(path.name + left).unlink(missing_ok=True)
        fresh.replace(path)
    return step


def postgres_commands(url: URL, file: Path) -> tuple[str, str]:
    """Return the commands that save a PostgreSQL database to a file and bring it back; they ask for the password."""
    from psycopg.conninfo import make_conninfo

    options = {name: value for name, value in url.query.items() if isinstance(value, str)}
    place = {"host": url.host, "port": str(url.port or ""), "user": url.username, "dbname": url.database} | options
    secret = {"password", "passfile", "sslpassword"}
    address = make_conninfo(**{name: value for name, value in place.items() if value and name not in secret})
    save = ["pg_dump", "--format=custom", "--no-owner", f"--file={file}", f"--dbname={address}"]
    back = ["pg_restore", "--clean", "--if-exists", "--no-owner", "--exit-on-error", f"--dbname={address}", str(file)]
    return shlex.join(save), shlex.join(back)


def _copy(source: Path, target: Path) -> None:
    """Copy a database of one moment to a file of mode 0600 and see that it is sound."""
    target.unlink(missing_ok=True)
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            said = [str(row[0]) for row in new.execute("PRAGMA integrity_check(3)")]
    except (OSError, sqlite3.Error) as error:
        target.unlink(missing_ok=True)
        said = [getattr(error, "strerror", None) or str(error)]
        raise ConfigError(f"{source}: cannot be copied to {target}: {said[0]}") from None
    if said != ["ok"]:
        target.unlink()
        raise ConfigError(f"{source}: is damaged: {'; '.join(said)}")
