"""A store for a fleet's runs behind one small interface: an SQLite file, or PostgreSQL by URL."""

from __future__ import annotations

from joulecast.store.errors import Conflict, HalfMigrated, StoreAway, TooNew
from joulecast.store.interface import Added, Page, RunStore
from joulecast.store.opening import open_store

__all__ = [
    "Added",
    "Conflict",
    "HalfMigrated",
    "Page",
    "RunStore",
    "StoreAway",
    "TooNew",
    "open_store",
]
