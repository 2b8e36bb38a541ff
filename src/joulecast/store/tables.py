"""The tables as the newest migration leaves them; `migrations/` says how they came to be.

Their names begin with joulecast_, so that they can share a database with others.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

HEAD = "0001"
"""The newest migration."""
VERSION_TABLE = "joulecast_version"
metadata = MetaData()
# SQLite takes only INTEGER PRIMARY KEY for its own row number.
_WHOLE = BigInteger().with_variant(Integer(), "sqlite")

runs = Table(
    "joulecast_runs",
    metadata,
    # The store's version at which the run came: in the order of commits, which no sequence of
    # PostgreSQL promises, so that a reader who goes by it misses none.
    Column("seq", _WHOLE, primary_key=True, autoincrement=False),
    Column("id", String(128), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("hardware", String(256), nullable=False),
    Column("model", String(256), nullable=False),
    Column("task", String(16), nullable=False),
    Column("started_us", BigInteger),
    Column("record", Text, nullable=False),
    Index("joulecast_runs_hardware", "hardware", "seq"),
    Index("joulecast_runs_model", "model", "seq"),
)
calibrated = Table(
    "joulecast_calibrated",
    metadata,
    Column("hardware", String(256), primary_key=True),
)
state = Table(
    "joulecast_state",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
