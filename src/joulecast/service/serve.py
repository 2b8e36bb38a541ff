"""The process: a socket, one worker or several, and an end that finishes what it began."""

from __future__ import annotations

import logging.config
import os
import signal
import socket
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.service import logs
from joulecast.service.app import create_app
from joulecast.service.metrics import MULTIPROCESS, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

    from joulecast.service.settings import Settings

GRACE_S = 30
"""Seconds that requests have to end once the service is told to."""
_SWITCH_S = 0.0005
"""Seconds after which a thread that computes lets the one go on that answers."""
_BACKLOG = 1024
_CONNECTIONS = 4000
"""Connections of a worker, beyond which new ones hear 503 at once."""


def worker_app(settings: Settings, shared: str | None) -> ASGIApp:
    """The app of one worker, in its own process.

    Parameters
    ----------
    shared : folder for the counts of several workers.
    """
    logging.config.dictConfig(logs.configuration())
    sys.setswitchinterval(_SWITCH_S)
    return create_app(settings, metrics=Metrics(shared))


def listening(settings: Settings) -> socket.socket:
    """The socket on which the service listens.

    Raises
    ------
    BadInput
        If the address is taken or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((settings.host.strip("[]"), settings.port))
    except OSError as exc:
        found.close()
        message = f"cannot listen on {settings.host}:{settings.port}: {exc.strerror or exc}"
        raise BadInput(f"{message}. Choose another with --host and --port") from exc
    found.listen(_BACKLOG)
    found.set_inheritable(True)
    return found


def run(settings: Settings, tell: Callable[[str], None] | None = None) -> int:
    """Serve until told to stop; the exit code. `tell` hears where, once nothing is in the way."""
    with listening(settings) as door:
        if tell is not None:
            name = settings.host.strip("[]")
            tell(f"listening on http://{f'[{name}]' if ':' in name else name}:{settings.port}")
        if settings.workers == 1:
            return _served(settings, None, door)
        with tempfile.TemporaryDirectory(prefix="joulecast-metrics-") as shared:
            os.environ[MULTIPROCESS] = shared  # what the workers inherit
            return _served(settings, shared, door)


def _served(settings: Settings, shared: str | None, door: socket.socket) -> int:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from joulecast.service.connections import HEAD_BYTES, Bounded

    logging.config.dictConfig(logs.configuration())
    config = uvicorn.Config(
        partial(worker_app, settings, shared),
        factory=True,
        workers=settings.workers,
        lifespan="on",
        log_config=logs.configuration(),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_S,
        http=Bounded,
        h11_max_incomplete_event_size=HEAD_BYTES,
        ws="none",
    )
    if settings.workers == 1:
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, _ended)  # the server raises what stopped it again, at the very end
        server = uvicorn.Server(config)
        server.run(sockets=[door])
        return 0 if server.started else 1
    Multiprocess(config, sockets=[door]).run()
    return 0


def _ended(_signal: int, _frame: object) -> None:
    """Nothing: whoever stopped the service gets its exit code."""
