"""Opens the database, SQLite in the data directory or PostgreSQL by address, and brings it to this version's tables.

Who writes (`maskwatch aggregate`) brings it up, under a lock, so that several may start at once; who reads refuses a
database of another version in plain words. The steps are Alembic's, in `aggregator/migrations/versions`.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from aggregator.in_use import FileLock, hold
from maskwatch.errors import ConfigError, StoreNotReady, StoreUnavailable, Unsupported
from maskwatch.secrecy import hide_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

FILE_NAME = "maskwatch.db"
BUSY_S = 5.0
"""How long a statement waits for another process's transaction."""

BUSY_UPGRADE_S = 60.0
"""How long an upgrade waits for one that another process has begun."""

FIRST_ABOUT = 1
"""What the table `about` said before there were numbered steps: those databases are as step 0001 leaves them."""

WRITER_LOCK, UPGRADE_LOCK = 0x6D61736B_77726974, 0x6D61736B_75706772
"""Keys of PostgreSQL's advisory locks."""

AWAY = (OperationalError, InterfaceError)
"""What the driver raises while the database is locked, full, stopped, or starting."""


class Database:
    """One database, its tables as this version knows them."""

    def __init__(self, engine: Engine, use: FileLock | None = None) -> None:
        """Take an engine, and the lock that says that a file is in use; see `open_database`."""
        self.engine = engine
        self._use = use

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.engine.dialect.name == "sqlite"

    @property
    def shown(self) -> str:
        """Where it is, as it may be shown: a file, or an address without user, password and options."""
        url = self.engine.url
        if self.is_sqlite:
            return str(url.database)
        host = url.host or url.query.get("host") or "localhost"
        return f"postgresql://{host}{f':{url.port}' if url.port else ''}/{url.database}"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection to read by; raises StoreUnavailable."""
        with _away("read"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction: all of it is stored or nothing; raises StoreUnavailable.

        Writers wait for each other, so that the numbers of the history are seen in the order in which they were given.
        """
        with _away("written"), self.engine.begin() as connection:
            if self.is_sqlite:  # a transaction that reads before it writes would not wait for others, but fail at once
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITER_LOCK})
            yield connection

    def others(self) -> int:
        """Count the sessions of other maskwatch processes on a PostgreSQL database; a file's are held apart."""
        if self.is_sqlite:
            return 0
        asked = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'maskwatch' AND pid <> pg_backend_pid()"
        )
        with self.reading() as connection:
            return int(connection.scalar(text(asked)) or 0)

    def size_bytes(self) -> int:
        """Return how much room it takes: SQLite's file without its log, or all of a PostgreSQL database."""
        pages = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        with self.reading() as connection:
            asked = text(pages if self.is_sqlite else "SELECT pg_database_size(current_database())")
            return int(connection.scalar(asked) or 0)

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()
        if self._use is not None:
            self._use.close()


@contextmanager
def _away(what: str) -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable(f"the database cannot be {what}: {_cause(error)}") from None
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise StoreUnavailable(f"the database cannot be {what}: {_cause(error)}") from None


def open_database(data_dir: Path, url: str = "", *, create: bool = True) -> Database:
    """Open the database; raises ConfigError if it cannot be used by this version, StoreUnavailable if it is away.

    Who only reads gets StoreNotReady (a ConfigError) while it is not there yet, or older than this version needs.

    Args:
        data_dir: of this installation; a SQLite database is a file in it.
        url: `postgresql://…`; empty for SQLite.
        create: make it and bring it to this version if need be; else it must be there and of this version.
    """
    database = connect(data_dir, url, create=create)
    engine = database.engine
    where = hide_credentials(url) if url else str(data_dir / FILE_NAME)
    try:
        with refused_plainly(where):
            if create:
                upgrade(engine, where)
            else:
                _require_current(engine, where)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def refused_plainly(where: str) -> Iterator[None]:
    """Raise StoreUnavailable for a database that does not answer, ConfigError for what is none of maskwatch's."""
    try:
        yield
    except AWAY as error:
        raise StoreUnavailable(f"{where}: the database does not answer: {_cause(error)}") from None
    except (DatabaseError, sqlite3.DatabaseError) as error:  # the second from `_prepare`, which speaks to the driver
        raise ConfigError(f"{where}: is not a database of maskwatch, or cannot be read: {_cause(error)}") from None


def connect(data_dir: Path, url: str = "", *, create: bool = False) -> Database:
    """Return the database whatever its version, not connected yet; raises ConfigError if there is no file.

    A file in use is held, so that nobody puts another in its place meanwhile (`aggregator.in_use`).
    """
    if url:
        return Database(_postgresql(url))
    engine = _sqlite(data_dir, create=create)
    return Database(engine, hold(data_dir / FILE_NAME))


def revision(engine: Engine) -> str | None:
    """Return the step at which a database is; None if it holds nothing of ours yet."""
    with engine.connect() as connection:
        return _revision(connection) or ("0001" if _is_first(connection) else None)


def require_known(engine: Engine, where: str) -> str:
    """Return the step at which a database is, or raise ConfigError: of a newer version, or none of ours."""
    try:
        with engine.connect() as connection:
            _refuse_newer(connection, where)
            found = _revision(connection) or ("0001" if _is_first(connection) else None)
    except DatabaseError as error:
        raise ConfigError(f"{where}: is not a database of maskwatch: {_cause(error)}") from None
    if found is None:
        raise ConfigError(f"{where}: is not a database of maskwatch")
    return found


def known() -> list[str]:
    """Return the steps that this version knows, the first one first."""
    return [script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def newest() -> str:
    """Return the last step that this version knows.

    >>> newest() >= "0002"
    True
    """
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise ConfigError("the steps of the store are missing from this installation; install maskwatch again")
    return head


def upgrade(engine: Engine, where: str, to: str = "head") -> None:
    """Bring a database up to a step, alone: whoever starts at the same time waits and finds it done."""
    with _alone(engine) as connection:
        _refuse_newer(connection, where)
        config = _config(connection)
        if _revision(connection) is None and _is_first(connection):
            connection.execute(text("DROP TABLE about"))
            command.stamp(config, "0001")
        command.upgrade(config, to)


def downgrade(engine: Engine, where: str, to: str) -> None:
    """Take a database back to an earlier step, for an earlier version of maskwatch; what only later ones hold goes."""
    with _alone(engine) as connection:
        _refuse_newer(connection, where)
        steps = known()
        if to not in steps:
            raise ConfigError(f"there is no step {to!r}; known are {', '.join(steps)}")
        command.downgrade(_config(connection), to)


def _sqlite(data_dir: Path, *, create: bool) -> Engine:
    path = data_dir / FILE_NAME
    if create and not path.exists():
        _create_file(path)
    elif not path.exists():
        raise StoreNotReady(f"{path}: there is no database yet. Start `maskwatch up` or `maskwatch aggregate` first.")
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S}, hide_parameters=True)
    event.listen(engine, "connect", _prepare)
    return engine


def _create_file(path: Path) -> None:
    """Make the database beside its place and move it there: whoever finds it finds it whole.

    Of several who do so at once one makes it, and the others wait for it. Raises ConfigError where it cannot be made.
    """
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = FileLock(fresh)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be written: {error.strerror}") from None
    with held as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            fresh.unlink(missing_ok=True)
            return
        os.truncate(lock.fileno(), 0)  # what one left who was killed
        for beside in ("journal", "wal", "shm"):
            fresh.with_name(f"{fresh.name}-{beside}").unlink(missing_ok=True)
        engine = create_engine(f"sqlite:///{fresh}")
        upgrade(engine, str(fresh))
        with engine.connect() as connection:
            # Here, where it is alone: of several connections that ask for it at once some fail without waiting.
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        engine.dispose()
        fresh.replace(path)


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):  # a copy put back, or a file of an early version
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")  # a power cut may lose the last steps, whole; they are read again
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
    cursor.close()


def _postgresql(url: str) -> Engine:
    try:
        address = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": round(BUSY_S), "application_name": "maskwatch"}
        # Parameters hold what was seen of people: they stay out of errors.
        return create_engine(address, pool_pre_ping=True, connect_args=arguments, hide_parameters=True)
    except (ImportError, NoSuchModuleError):
        raise Unsupported("PostgreSQL needs one more package: pip install 'maskwatch[postgres]'") from None


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Give a transaction in which nobody else changes the tables."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101  for the type checker
            driver.isolation_level = None  # Python's own BEGIN would come too late, before the first INSERT
            connection.exec_driver_sql(f"PRAGMA busy_timeout={round(1000 * BUSY_UPGRADE_S)}")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        try:
            yield connection
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("COMMIT")
            connection.commit()
        finally:
            connection.detach()  # its transactions are not Python's any more


def _require_current(engine: Engine, where: str) -> None:
    with engine.connect() as connection:
        _refuse_newer(connection, where)
        found = _revision(connection)
        if found == newest():
            return
        if found is None and not _is_first(connection):
            raise StoreNotReady(f"{where}: holds nothing yet. Start `maskwatch up` or `maskwatch aggregate` first.")
    raise StoreNotReady(
        f"{where}: was written by an older maskwatch (step {found or '0001'}, this one knows {newest()}). "
        "Start `maskwatch up` or `maskwatch aggregate` of this version, or `maskwatch store upgrade`: it is brought up."
    )


def _refuse_newer(connection: Connection, where: str) -> None:
    found = _revision(connection)
    if found is not None and found not in known():
        raise ConfigError(
            f"{where}: was written by a newer maskwatch (step {found}, this one knows {newest()}). "
            "Use the newer version, or another data directory."
        )


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _is_first(connection: Connection) -> bool:
    """Whether it is a database from before there were numbered steps."""
    if not inspect(connection).has_table("about"):
        return False
    found = connection.scalar(text("SELECT value FROM about WHERE name = 'schema'"))
    return bool(found == FIRST_ABOUT)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _cause(error: BaseException) -> str:
    """Return what the driver said in one line, without SQLAlchemy's statement and link, and without secrets."""
    return " ".join(hide_credentials(str(getattr(error, "orig", error))).split())
