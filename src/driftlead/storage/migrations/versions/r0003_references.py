"""References that a person asked for, for all replicas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

_Id = sa.String(300).with_variant(postgresql.VARCHAR(300, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "driftlead_references",
        sa.Column("model", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", _Id, primary_key=True),
        sa.Column("kind", _Id, primary_key=True),
        sa.Column("name", _Id, primary_key=True),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
