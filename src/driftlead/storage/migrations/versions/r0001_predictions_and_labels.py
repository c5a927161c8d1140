"""Predictions and the labels that they await."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_Id = sa.String(300).with_variant(postgresql.VARCHAR(300, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "driftlead_models",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "driftlead_predictions",
        sa.Column("model", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", _Id, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("outputs", sa.LargeBinary, nullable=False),
    )
    op.create_index("driftlead_predictions_made_at", "driftlead_predictions", ["model", "made_at"])
    op.create_table(
        "driftlead_labels",
        sa.Column("model", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", _Id, primary_key=True),
        sa.Column("label", sa.Double, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    waiting = sa.column("waiting", sa.Boolean)
    op.create_index(
        "driftlead_labels_waiting",
        "driftlead_labels",
        ["model", "received_at", "id"],
        sqlite_where=waiting == sa.true(),
        postgresql_where=waiting,
    )
