"""`joulecast serve`: its options, and real processes on the loopback interface."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from joulecast import command_serve, options_serve
from joulecast.core.errors import BadInput
from joulecast.options import Parser
from joulecast.service.security import digest
from joulecast.service.serve import listening, run
from joulecast.service.settings import Settings
from tests.fakes.service import READ, record_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

EVERYWHERE = "0.0.0.0"  # noqa: S104 (what is refused or guarded)
START = "import sys; from tests.fakes.serving_process import main; sys.exit(main(sys.argv[1:]))"


def read(*words: str) -> argparse.Namespace:
    """The options in `words`."""
    parser = Parser(prog="joulecast")
    options_serve.add_serve(parser.add_subparsers(dest="verb", parser_class=Parser))
    return parser.read(["serve", *words])


def test_the_service_is_local_and_open_by_default() -> None:
    """Only this machine, no tokens, no limit of requests, only its own names."""
    found = command_serve.settings_of(read(), {})
    assert (found.host, found.port, found.workers) == ("127.0.0.1", 8765, 1)
    assert found.tokens == ()
    assert found.limits.rate_per_s is None
    assert found.names is not None
    assert "localhost" in found.names


def test_others_are_answered_with_tokens_and_a_limit(tmp_path: Path) -> None:
    """Tokens from a file or the environment; under any name then; a limit unless said."""
    file = tmp_path / "tokens"
    file.write_text(f"read:{digest(READ)}\n")
    found = command_serve.settings_of(read("--host", EVERYWHERE, "--tokens", str(file)), {})
    environ = {"JOULECAST_TOKENS": f"read:{digest(READ)}"}
    again = command_serve.settings_of(read("--host", EVERYWHERE, "--rate-limit", "7"), environ)
    assert found.tokens == again.tokens
    assert found.tokens[0].scope == "read"
    assert found.names is None
    assert found.limits.rate_per_s == 50
    assert (again.limits.rate_per_s, again.limits.burst) == (7, 14)


def test_a_file_without_tokens_is_refused(tmp_path: Path) -> None:
    """Whoever names one wants tokens; so is a file that is not there."""
    (tmp_path / "tokens").write_text("# none yet\n")
    for name in ("tokens", "missing"):
        with pytest.raises(BadInput, match="tokens"):
            command_serve.settings_of(read("--tokens", str(tmp_path / name)), {})


def test_a_service_for_others_without_tokens_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before it listens, and before it opens its store."""
    monkeypatch.delenv("JOULECAST_TOKENS", raising=False)
    with pytest.raises(BadInput, match="no tokens"):
        command_serve.run(read("--host", EVERYWHERE))


def test_a_new_token_is_printed_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The token first, then what is kept of it."""
    assert command_serve.run(read("--new-token", "write")) == 0
    token, line = capsys.readouterr().out.split()
    assert line == f"write:{digest(token)}"


def test_an_address_that_is_taken_is_refused() -> None:
    """With what to do."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        settings = Settings(port=taken.getsockname()[1])
        with pytest.raises(BadInput, match="--port"):
            listening(settings)


def test_an_address_that_is_taken_is_not_told_as_listened_on() -> None:
    """The line comes once nothing is in the way."""
    told: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, pytest.raises(BadInput):
        run(Settings(port=taken.getsockname()[1]), told.append)
    assert told == []


@contextmanager
def serving(folder: Path, workers: int = 1) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that serves, and its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    root = Path(__file__).resolve().parent.parent.parent
    words = [sys.executable, "-c", START, str(port), str(workers), str(folder / "runs.sqlite")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=root, stderr=log)
        try:
            _wait_until_ready(process, port)
            yield process, port
        finally:
            process.kill()
            process.wait(10)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and process.poll() is None:
        try:
            if ask(port, "GET", "/readyz")[0] == 200:
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the service did not start")


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, str]:  # noqa: ANN401
    """Status and text of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """The log, each line of which is JSON."""
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


@pytest.mark.slow
def test_a_service_told_to_stop_finishes_what_it_began(tmp_path: Path) -> None:
    """A table that is being answered arrives whole; then the process ends with 0."""
    row = b'{"model":"vgg16","hardware_id":"hc3","batch_size":%d}\n'
    text = b"".join(row % (1 + i % 500) for i in range(20_000))
    found: list[int] = []

    def send(port: int) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            head = {"Content-Type": "application/x-ndjson"}
            connection.request("POST", "/v1/estimate/batch", text, head)
            answer = connection.getresponse()
            started.set()
            found.append(answer.read().count(b"\n"))

    with serving(tmp_path) as (process, port):
        started = threading.Event()
        client = threading.Thread(target=send, args=(port,))
        client.start()
        assert started.wait(60)
        process.send_signal(signal.SIGTERM)
        client.join(60)
        code = process.wait(30)
    assert found == [20_000]
    assert code == 0
    assert any(line.get("route") == "/v1/estimate/batch" for line in lines_of(tmp_path))


@pytest.mark.slow
def test_several_workers_count_together_and_see_each_others_runs(tmp_path: Path) -> None:
    """The metrics of all in one text; a machine calibrated through one is so in all."""
    question = {"model": "resnet18", "hardware": "hc3", "scope": "gpu"}
    with serving(tmp_path, workers=2) as (process, port):
        assert ask(port, "POST", "/v1/runs", record_of())[0] == 201
        assert ask(port, "POST", "/v1/calibrate", {"hardware": "hc3"})[0] == 200
        until_s = time.monotonic() + 30
        bases: list[str] = []
        while time.monotonic() < until_s and bases[-20:] != ["calibrated"] * 20:
            bases.append(json.loads(ask(port, "POST", "/v1/estimate", question)[1])["basis"])
        text = ask(port, "GET", "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    counted = [line for line in text.splitlines() if line.startswith("joulecast_estimates_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in counted) == len(bases)
    of_processes = dict(re.findall(r"^(process_\w+) (\S+)$", text, re.MULTILINE))
    assert 1e8 < float(of_processes["process_resident_memory_bytes"]) < 1e10
    assert 1 < float(of_processes["process_cpu_seconds_total"]) < 1000
    assert bases[-20:] == ["calibrated"] * 20


@pytest.mark.slow
def test_a_service_that_is_killed_leaves_no_process_and_no_loss(tmp_path: Path) -> None:
    """The process that answers tables ends with it, and acknowledged runs are there again."""
    with serving(tmp_path) as (process, port):
        row = {"model": "vgg16", "hardware_id": "hc3"}
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            head = {"Content-Type": "application/x-ndjson"}
            connection.request("POST", "/v1/estimate/batch", json.dumps(row), head)
            connection.getresponse().read()
        children = children_of(process.pid)
        for i in range(20):
            assert ask(port, "POST", "/v1/runs", record_of(f"run-{i}"))[0] == 201
        process.kill()
        process.wait(10)
        until_s = time.monotonic() + 10
        while time.monotonic() < until_s and any(map(is_alive, children)):
            time.sleep(0.05)
        assert children
        assert not any(map(is_alive, children))
    with serving(tmp_path) as (_, port):
        runs = json.loads(ask(port, "GET", "/v1/runs")[1])["runs"]
    assert [run["id"] for run in runs] == [f"run-{i}" for i in range(20)]


def children_of(pid: int) -> list[int]:
    """Processes that a process started."""
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
