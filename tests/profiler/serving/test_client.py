"""One request against a real server on loopback: what it asks, what it brings, how it fails."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import threading
import time
from dataclasses import replace

import aiohttp
import pytest

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.profiler.serving.client import Client, Draft, endpoint, failure, fields
from joulecast.profiler.serving.outcomes import Outcome, Prompt, Target
from tests.fakes.model_server import ModelServer

PROMPT = Prompt((("system", "Be brief."), ("user", "Count to nine please")), 6)


def ask(target: Target, count: int = 1) -> list[Outcome]:
    """Outcomes of requests that follow each other over one client."""

    async def run() -> list[Outcome]:
        started_s, outcomes = time.monotonic(), []
        async with Client(target, lambda: time.monotonic() - started_s) as client:
            for _ in range(count):
                draft = Draft(0.0)
                await client.ask(PROMPT, client.encode(PROMPT), draft)
                outcomes.append(draft.outcome(time.monotonic() - started_s))
        return outcomes

    return asyncio.run(run())


def test_a_whole_answer_is_timed_and_counted() -> None:
    """Each token has its time, the first after the server's time to first token."""
    with ModelServer(ttft_s=0.03, tpot_s=0.01, block=2) as server:
        first, again = ask(Target(server.url, server.model), 2)
    assert (first.error, first.status, first.prompt_tokens, first.output_tokens) == ("", 200, 6, 6)
    assert (first.cached_tokens, again.cached_tokens) == (0, 4)
    assert len(first.chunk_s) == 6
    assert first.sent_s is not None
    assert 0.029 <= first.chunk_s[0] - first.sent_s < 1
    assert 0.079 <= first.chunk_s[-1] - first.sent_s < 1
    assert len(set(first.chunk_s)) > 2
    assert first.ended_s is not None
    assert first.ended_s >= first.chunk_s[-1]


def test_the_request_is_as_servers_expect_it() -> None:
    """Chat messages in order, greedy, streamed with usage, the key in its header."""
    with ModelServer() as server:
        ask(Target(server.url + "/", "some-model", api_key="secret"))
        body, headers = server.requests[0], server.headers[0]
    assert body == {
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Count to nine please"},
        ],
        "max_tokens": 6,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert headers["Authorization"] == "Bearer secret"


def test_completions_and_an_exact_length() -> None:
    """The other interface takes one text; an answer of exactly max_tokens is asked for."""
    with ModelServer(max_output=2) as server:
        target = Target(server.url, server.model, api="completions", ignore_eos=True)
        (outcome,) = ask(target)
        (short,) = ask(replace(target, ignore_eos=False))
        body = server.requests[0]
    assert body["prompt"] == "Be brief.\n\nCount to nine please"
    assert body["ignore_eos"] is True
    assert "messages" not in body
    assert (outcome.output_tokens, len(outcome.chunk_s)) == (6, 6)
    assert short.output_tokens == 2


def test_connections_are_reused() -> None:
    """Requests that follow each other need one connection."""
    with ModelServer() as server:
        assert [o.error for o in ask(Target(server.url, server.model), 5)] == [""] * 5
        assert len(server.connections) == 1


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_other_line_ends_and_no_usage(newline: str) -> None:
    """Without the server's count the pieces are counted and the prompt's length is missing."""
    with ModelServer(newline=newline, usage=False) as server:
        (outcome,) = ask(Target(server.url, server.model))
    assert (outcome.error, outcome.prompt_tokens, outcome.output_tokens) == ("", None, 6)


@pytest.mark.parametrize(
    ("fault", "error", "pieces"),
    [
        ("429", "HTTP 429: too many requests", 0),
        ("500", "HTTP 500: Internal Server Error", 0),
        ("stall", "stalled: no byte for 0.1 s", 0),
        ("stall-midway", "stalled: no byte for 0.1 s", 3),
        ("malformed", 'malformed stream: an event that is not JSON: \'{"choices": [{"delta"\'', 3),
        ("not-streaming", "not streaming: the server answered application/json in one piece", 0),
        ("html", "not streaming: the server answered text/html in one piece", 0),
        ("cut", "ended early: the connection was cut", 3),
        ("silent-end", "ended early: the stream stopped without a finish reason", 3),
        ("error-midway", "server error: out of memory", 3),
    ],
)
def test_failures_in_few_words(fault: str, error: str, pieces: int) -> None:
    """Each has its words, and the pieces before it are kept."""
    with ModelServer(fault=fault) as server:
        (outcome,) = ask(Target(server.url, server.model, timeout_s=0.1))
    assert outcome.error == error
    assert len(outcome.chunk_s) == pieces
    assert outcome.ended_s is not None


def test_a_request_after_a_failed_one_is_answered() -> None:
    """A failure spoils no connection for the next request."""
    with ModelServer(fault="malformed", fault_every=2) as server:
        outcomes = ask(Target(server.url, server.model), 4)
    assert [bool(o.error) for o in outcomes] == [False, True, False, True]


def test_an_answer_without_streaming_still_counts_tokens() -> None:
    """The counts of the lump are kept, though it fails as a stream."""
    with ModelServer(fault="not-streaming") as server:
        (outcome,) = ask(Target(server.url, server.model))
    assert (outcome.prompt_tokens, outcome.output_tokens) == (6, 6)


def test_options_that_a_server_refuses_are_left_out() -> None:
    """The request is sent again without them, and the next ones never have them."""
    with ModelServer(refuses=("ignore_eos", "stream_options")) as server:
        target = Target(server.url, server.model, ignore_eos=True)
        outcomes = ask(target, 3)
        bodies = server.requests
    assert [o.error for o in outcomes] == [""] * 3
    assert len(bodies) == 4
    assert all("ignore_eos" not in body for body in bodies[1:])


def test_other_refusals_are_told() -> None:
    """A field that is needed is not left out: the server's words reach the user."""
    with ModelServer(refuses=("temperature",)) as server:
        (outcome,) = ask(Target(server.url, server.model))
        assert len(server.requests) == 1
    assert outcome.error == "HTTP 422: Unexpected keys in the request: {'temperature'}"


def test_nobody_listens() -> None:
    """A free port refuses at once."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (outcome,) = ask(Target(f"http://127.0.0.1:{free.getsockname()[1]}/v1", "m"))
    assert (outcome.error, outcome.status) == ("connection refused", None)
    assert outcome.output_tokens is None


def test_what_listens_is_no_web_server() -> None:
    """Bytes of another protocol are a malformed answer."""
    with socket.create_server(("127.0.0.1", 0)) as other:

        def reply() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        thread = threading.Thread(target=reply)
        thread.start()
        (outcome,) = ask(Target(f"http://127.0.0.1:{other.getsockname()[1]}/v1", "m"))
        thread.join()
    assert outcome.error.startswith("malformed answer: ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (ConnectionResetError(104, "reset"), "ended early: the connection was cut"),
        (aiohttp.ServerDisconnectedError(), "ended early: the connection was cut"),
        (aiohttp.ConnectionTimeoutError(), "connection failed: no answer for 3 s"),
        (aiohttp.SocketTimeoutError(), "stalled: no byte for 3 s"),
        (TimeoutError(), "stalled: no byte for 3 s"),
        (aiohttp.InvalidURL("x"), "malformed answer: x"),
    ],
)
def test_errors_of_the_library_are_translated(error: Exception, words: str) -> None:
    """None of its names reaches the user."""
    assert failure(error, 3.0).startswith(words)


def test_a_name_that_nobody_has() -> None:
    """A host that cannot be found says why."""
    key = aiohttp.client_reqrep.ConnectionKey("nowhere", 80, False, True, None, None, None)  # noqa: FBT003
    error = aiohttp.ClientConnectorError(key, OSError(-2, "Name or service not known"))
    assert failure(error, 3.0) == "connection failed: Name or service not known"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://host/v1", "http://", "http://a:b/v1", "http://a b/v1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is sent, with an example."""
    with pytest.raises(BadInput, match="Write it like http://"):
        endpoint(Target(url, "m"))


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """At first use, with the command that installs it."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtra, match=r"pip install 'joulecast\[serve\]'"):
        ask(Target("http://127.0.0.1:9/v1", "m"))


def test_ignore_eos_is_sent_only_where_asked() -> None:
    """It is no field of the OpenAI interface."""
    target = Target("http://host/v1", "m")
    assert "ignore_eos" not in fields(target, PROMPT)
    assert fields(replace(target, ignore_eos=True), PROMPT)["ignore_eos"] is True
