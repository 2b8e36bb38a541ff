"""Heads of requests that do not end, come late or never: on a real socket, with small bounds."""

from __future__ import annotations

import asyncio
import json
import logging.config
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import uvicorn

from joulecast.service import logs
from joulecast.service.connections import Bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Hasty(Bounded):
    """The same with bounds that a test reaches at once."""

    head_s, head_bytes, request_bytes = 0.2, 2000, 20_000


class Patient(Hasty):
    """The same with time enough."""

    head_s = 30.0


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI)
    """Read a body unless the path says not to, and answer with its length."""
    size = 0
    while scope["path"] == "/":
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    text = b"%d" % size
    head = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": text})


@asynccontextmanager
async def connected(
    kind: type[Bounded],
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server with these bounds."""
    config = uvicorn.Config(app, http=kind, lifespan="off", log_config=None, access_log=False)
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        server.close()
        await server.wait_closed()


def spoken(kind: type[Bounded], *parts: bytes) -> bytes:
    """All that is heard of a connection on which `parts` are sent one after the other."""

    async def speak() -> bytes:
        async with connected(kind) as (reader, writer):
            heard = []
            with suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.01)
            with suppress(ConnectionError):
                async with asyncio.timeout(5):
                    while part := await reader.read(65536):
                        heard.append(part)
            return b"".join(heard)

    return asyncio.run(speak())


def problem(heard: bytes) -> dict[str, Any]:
    """The members of the last answer."""
    found: dict[str, Any] = json.loads(heard.rpartition(b"\r\n\r\n")[2])
    return found


def test_a_head_that_does_not_end_is_refused_while_it_arrives() -> None:
    """Whether of many headers or of one, and long before it is whole."""
    for part in (b"X-A: " + b"a" * 500 + b"\r\n", b"a" * 500):
        heard = spoken(Patient, START, b"X-B: b", *[part] * 5)
        assert heard.startswith(b"HTTP/1.1 431 ")
        assert problem(heard)["type"] == "urn:joulecast:head-too-large"


def test_a_head_that_comes_late_is_refused() -> None:
    """One that began hears so; a connection that never spoke is closed without a word."""
    assert spoken(Hasty, START).startswith(b"HTTP/1.1 408 ")
    assert spoken(Hasty) == b""


def test_a_second_head_is_bounded_like_the_first() -> None:
    """On the same connection, also after an answer that came before the end of the body."""
    whole = START + b"\r\n"
    for first in ([whole], [POST + b"Content-Length: 3\r\n\r\n", b"abc"]):
        heard = spoken(Hasty, *first, START)
        assert heard.count(b"HTTP/1.1 200 ") == 1
        assert b"HTTP/1.1 408 " in heard
    early = POST.replace(b" / ", b" /early ") + b"Content-Length: 3\r\n\r\n"
    heard = spoken(Patient, early, b"abc", START, *[b"X-A: " + b"a" * 500 + b"\r\n"] * 5)
    assert b"HTTP/1.1 431 " in heard


def test_bodies_are_larger_than_heads_and_many_requests_share_a_connection() -> None:
    """What was sent before counts no more; neither does the body count as a head."""
    request = POST + b"Content-Length: 9000\r\n\r\n"
    close = START + b"Connection: close\r\n\r\n"
    heard = spoken(Patient, *[request, b"b" * 4500, b"b" * 4500] * 4, close)
    assert heard.count(b"HTTP/1.1 200 ") == 5
    assert heard.count(b"\r\n\r\n9000") == 4


def test_what_nobody_reads_is_bounded_too() -> None:
    """Trailers without end."""
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    heard = spoken(Patient, head, *[b"X-A: " + b"a" * 3000 + b"\r\n"] * 8)
    assert b"200" not in heard


def test_the_servers_own_lines_with_query_strings_are_not_logged() -> None:
    """Each request is one line, ours; the server asks whether anybody would hear its own."""
    kept = logging.getLogger("uvicorn.access")
    before = {
        name: (log.level, log.handlers[:], log.propagate)
        for name in ("", "uvicorn", "uvicorn.access", logs.LOGGER)
        if (log := logging.getLogger(name or None))
    }
    try:
        logging.config.dictConfig(logs.configuration())
        logging.config.dictConfig(logs.configuration())
        assert not kept.hasHandlers()
        assert logging.getLogger("uvicorn.error").hasHandlers()
    finally:
        for name, (level, handlers, propagate) in before.items():
            log = logging.getLogger(name or None)
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(level)
