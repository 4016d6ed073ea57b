"""Everything that a store holds, read by reflection: a table added later is compared without being named here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, select

from maskwatch.settings_camera import PIPELINE

if TYPE_CHECKING:
    from aggregator.store import Store

Rows = list[dict[str, Any]]

LEFT_OUT_TABLES = {
    "alembic_version": "how the tables were made, not what happened",
    "deliveries": "written by the dispatcher, which is another process",
    "channels": "written by the dispatcher, which is another process",
}
LEFT_OUT_COLUMNS = {
    "number": "counts the rows of all cameras: how those interleave depends on what was read together",
}
"""What two equal runs need not have in common, and why."""


def contents(store: Store) -> dict[str, Rows]:
    """Return the rows of every table, sorted, without the service's own events: those are decided by the wall clock."""
    reflected = MetaData()
    with store.database.reading() as connection:
        reflected.reflect(connection)
        read: dict[str, Rows] = {
            name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for name, table in reflected.tables.items()
            if name not in LEFT_OUT_TABLES
        }
    own = {row["id"] for row in read["events"] if row["camera_id"] == PIPELINE}
    return {name: sorted(map(_kept, _others(rows, own)), key=repr) for name, rows in read.items()}


def _others(rows: Rows, own: set[str]) -> Rows:
    return [row for row in rows if row.get("id") not in own and row.get("event_id") not in own]


def _kept(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sorted(row.items()) if name not in LEFT_OUT_COLUMNS}
