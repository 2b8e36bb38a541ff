"""Runs, calibrated machines and the store's version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "joulecast_runs",
        sa.Column("seq", whole, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(128), nullable=False, unique=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("hardware", sa.String(256), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("task", sa.String(16), nullable=False),
        sa.Column("started_us", sa.BigInteger),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("joulecast_runs_hardware", "joulecast_runs", ["hardware", "seq"])
    op.create_index("joulecast_runs_model", "joulecast_runs", ["model", "seq"])
    op.create_table("joulecast_calibrated", sa.Column("hardware", sa.String(256), primary_key=True))
    state = op.create_table(
        "joulecast_state",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"name": "version", "value": 0}])


def downgrade() -> None:
    """Drop the tables, and every run in them."""
    for name in ("joulecast_state", "joulecast_calibrated", "joulecast_runs"):
        op.drop_table(name)
