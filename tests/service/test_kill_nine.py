"""A service killed while a thousand runs arrive: what it acknowledged is there, once."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from joulecast.core.run_files import to_dict
from joulecast.store import open_store
from tests.fakes import postgres_server
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS, ACKNOWLEDGED, AT_ONCE = 1000, 300, 32
_PATIENCE = 400
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where runs are kept: a file, or a database of a real PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/runs.sqlite"
        return
    if reason := postgres_server.unavailable():
        pytest.skip(reason)
    server = postgres_server.PostgresServer()
    server.start()
    try:
        yield server.new_database()
    finally:
        server.stop()
        server.remove()


def service(store_url: str, port: int) -> subprocess.Popen[bytes]:
    """A service that answers."""
    words = [sys.executable, "-m", "joulecast.cli", "serve", "--port", str(port), "--quiet"]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [*words, "--store", store_url], env={**os.environ, "PYTHONPATH": path}
    )
    waiting = threading.Event()
    for _ in range(_PATIENCE):
        if sent("run-first", port):
            return process
        waiting.wait(0.05)
    process.kill()
    raise AssertionError("the service never answered")


def sent(run_id: str, port: int) -> bool:
    """Whether a run was acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        body = json.dumps(to_dict(a_run(run_id)))
        connection.request("POST", "/v1/runs", body, {"Content-Type": "application/json"})
        return connection.getresponse().status in {200, 201}
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@pytest.mark.slow
def test_no_acknowledged_run_is_lost_or_there_twice(store_url: str) -> None:
    """Killed after some hundred of a thousand; the rest, and all again, are sent to the next."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    first = service(store_url, port)
    names = [f"run-{n:04d}" for n in range(RUNS)]
    acknowledged: list[str] = []

    def send(name: str) -> None:
        if sent(name, port):
            acknowledged.append(name)
            if len(acknowledged) == ACKNOWLEDGED:
                first.send_signal(signal.SIGKILL)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(send, names))
    first.wait(20)
    assert ACKNOWLEDGED <= len(acknowledged) < RUNS
    second = service(store_url, port)
    try:
        store = open_store(store_url)
        assert all(store.get(name) is not None for name in acknowledged)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            assert all(pool.map(lambda name: sent(name, port), names))
        assert store.count() == RUNS + 1
        store.close()
    finally:
        second.kill()
        second.wait(20)
