"""How a service was started, built once by the command; nothing here changes afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

Scope = Literal["read", "write"]
HOST, PORT = "127.0.0.1", 8765
KIB, MIB = 2**10, 2**20
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: what it may do, and the SHA-256 of its text, hexadecimal."""

    scope: Scope
    digest: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for at once.

    Attributes
    ----------
    body_bytes, runs_bytes, batch_bytes : of a question, of run records, of a table of rows.
    runs : records in one request. batch_rows : rows of a table. row_bytes : of one row.
    body_s : seconds within which a question or records have to arrive; a table may take longer, but
        not pause longer. answer_s : seconds within which a question is answered.
    waiting : questions that wait at most. slow : of those, comparisons, sweeps, servers, and
        questions that lean on runs. batches : tables at once.
    rate_per_s : requests per second and client, ``None`` for any; burst : at once.
    """

    body_bytes: int = 64 * KIB
    runs_bytes: int = 16 * MIB
    batch_bytes: int = 64 * MIB
    runs: int = 1000
    batch_rows: int = 100_000
    row_bytes: int = 64 * KIB
    body_s: float = 30.0
    answer_s: float = 30.0
    waiting: int = 2000
    slow: int = 64
    batches: int = 8
    rate_per_s: float | None = None
    burst: float = 100.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How the service runs.

    Attributes
    ----------
    store_url : of the store of runs, ``None`` for the user's own file.
    tokens : who may ask; none on the loopback interface.
    names : values of the Host header that are answered, ``None`` for all. Pages of other sites can
        reach a service on the loopback interface under names of their own.
    poll_s : seconds between looks at what other workers changed in the store.
    row_processes : that answer tables, per worker; 0 for a thread. quiet : no line of log per
        request.
    """

    host: str = HOST
    port: int = PORT
    workers: int = 1
    store_url: str | None = None
    tokens: tuple[Token, ...] = ()
    names: tuple[str, ...] | None = LOCAL_NAMES
    poll_s: float = 1.0
    row_processes: int = 1
    quiet: bool = False
    limits: Limits = field(default_factory=Limits)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
