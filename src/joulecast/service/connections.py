"""Connections that end: the head of a request is small and comes at once, or nobody waits for it.

The server bounds neither; without this, connections that say nothing keep all others out, and one
endless header takes all memory. What arrives after a head is bounded where bodies are read, but for
what nobody reads: trailers, and a body that was refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from joulecast.service.problems import MEDIA_TYPE, Problem
from joulecast.service.settings import KIB, MIB

HEAD_S = 30.0
"""Seconds within which a head has to arrive."""
HEAD_BYTES = 64 * KIB
"""Bytes of a head that is still to end; what one reading of the socket brings whole is taken."""
REQUEST_BYTES = 128 * MIB
"""Bytes of a request and all around it: a table in chunks is more than its size."""

if TYPE_CHECKING:
    import asyncio

    _Server: Any = object
else:
    _Server = AutoHTTPProtocol


class Bounded(_Server):  # type: ignore[misc]  # the server has no types of its own here
    """The server's protocol, with a head that is bounded in bytes and seconds."""

    head_s, head_bytes, request_bytes = HEAD_S, HEAD_BYTES, REQUEST_BYTES

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (the server's own)
        super().__init__(*args, **kwargs)
        self._received = 0
        self._is_between = True
        self._ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_complete(self) -> None:
        """Know that a head is next, even where an answer came before the end of the body."""
        super().on_message_complete()
        self._is_between = True

    def data_received(self, data: bytes) -> None:
        """Take in what arrived, unless it is too much."""
        before = self.cycle
        in_head = self._is_between or before is None or not before.more_body
        if in_head and self._ending is None:
            self._wait()
        self._received += len(data)
        self._is_between = False
        super().data_received(data)
        if self.cycle is not before:  # a head ended
            self._received = 0
            self._stop_waiting()
            return
        self._is_between = self._is_between or in_head
        most = self.head_bytes if in_head else self.request_bytes
        if self._received > most:
            self._end(Problem("head-too-large", f"more than {most:,} bytes. Send less"))

    def _wait(self) -> None:
        self._received = 0
        self._ending = self.loop.call_later(self.head_s, self._too_late)

    def _stop_waiting(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _too_late(self) -> None:
        """End a connection on which no head came; one that is still being answered goes on."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._ending = self.loop.call_later(self.head_s, self._too_late)
            return
        self._end(Problem("too-late", f"no whole head within {self.head_s:g} s. Send it at once"))

    def _end(self, why: Problem) -> None:
        """Say why, where an answer can be said; a browser that connected early hears nothing."""
        self._stop_waiting()
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self._received and not self.transport.is_closing():
            text = to_json(why.facts())
            head = (
                f"HTTP/1.1 {why.status} {why.title}\r\ncontent-type: {MEDIA_TYPE}\r\n"
                f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + text)
        self.transport.close()
