"""Alembic's way in: runs the steps on the connection that `aggregator.database` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from aggregator.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter a column in place
)
context.run_migrations()
