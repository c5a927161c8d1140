"""Episodes of drift, and messages about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

_Id = sa.String(300).with_variant(postgresql.VARCHAR(300, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "driftlead_episodes",
        sa.Column("model", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", _Id, primary_key=True),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("resolved_at", sa.Double),
        sa.Column("acknowledged_at", sa.Double),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("driftlead_episodes_opened_at", "driftlead_episodes", ["model", "opened_at"])
    op.create_table(
        "driftlead_notifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("model", sa.Integer, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("driftlead_notifications_due_at", "driftlead_notifications", ["model", "due_at"])
