"""A table answered while it arrives: read on the event loop, answered elsewhere, piece by piece.

What arrives is taken in at once, up to the limit, whether or not the client reads the answers: one
that first sends all and then reads could otherwise wait for the service, and it for the client.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from starlette.responses import Response

from joulecast.core.errors import JoulecastError
from joulecast.service.problems import Problem, problem_of
from joulecast.service.reading import too_large
from joulecast.service.rows import Piece, split

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Message, Receive, Scope, Send

    from joulecast.service.limits import Slots
    from joulecast.service.processes import RowProcesses
    from joulecast.service.rows import Answered, Kind
    from joulecast.service.settings import Limits

PIECE_BYTES = 192 * 1024


class Incoming:
    """The body of a request, taken in as fast as it comes.

    Parameters
    ----------
    pause_s : the longest that the client may pause.
    """

    def __init__(self, receive: Receive, most_bytes: int, pause_s: float) -> None:
        self._receive = receive
        self._most_bytes = most_bytes
        self._pause_s = pause_s
        self._parts: asyncio.Queue[bytes | Problem | None] = asyncio.Queue()
        self.has_left = False

    async def take_in(self) -> None:
        """Read to the end of the body, and then on: there comes only that the client left."""
        try:
            await self._body()
        except Problem as exc:
            self._parts.put_nowait(exc)
            return
        self._parts.put_nowait(None)
        await self._receive()
        self.has_left = True

    async def _body(self) -> None:
        size, more = 0, True
        while more:
            try:
                async with asyncio.timeout(self._pause_s):
                    message = await self._receive()
            except TimeoutError:
                raise Problem("too-late", f"nothing arrived for {self._pause_s:g} s") from None
            if message["type"] == "http.disconnect":
                self.has_left = True
                raise Problem("too-late", "the client left")
            part = message.get("body", b"")
            size += len(part)
            if size > self._most_bytes:
                raise too_large(self._most_bytes)
            self._parts.put_nowait(part)
            more = message.get("more_body", False)

    async def pieces(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Pieces of at least `PIECE_BYTES`, or what there is, and whether it is the last.

        Raises
        ------
        Problem
            If the rest of the body will not come.
        """
        parts: list[bytes] = []
        size = 0
        while True:
            part = await self._parts.get()
            if isinstance(part, Problem):
                raise part
            if part is None:
                yield b"".join(parts), True
                return
            parts.append(part)
            size += len(part)
            if size >= PIECE_BYTES:
                yield b"".join(parts), False
                parts, size = [], 0


class Batch:
    """One table on its way from a client through the processes that answer it and back."""

    def __init__(self, kind: Kind, limits: Limits, processes: RowProcesses) -> None:
        self._kind = kind
        self._limits = limits
        self._processes = processes

    async def answers(self, incoming: Incoming) -> AsyncIterator[Answered]:
        """Answers piece by piece, at least one.

        Raises
        ------
        JoulecastError
            For too many rows, a row without an end, a client that pauses too long or left.
        """
        piece = Piece(self._kind, b"", self._limits.batch_rows)
        rest = b""
        async for text, is_last in incoming.pieces():
            whole, rest = (rest + text, b"") if is_last else split(self._kind, rest + text)
            if len(rest) > self._limits.row_bytes:
                most = self._limits.row_bytes
                detail = f"a row has more than {most:,} bytes. End it by a line break"
                raise Problem("too-large", detail)
            found = await self._processes.answer(replace(piece, text=whole))
            if incoming.has_left:
                raise Problem("too-late", "the client left")
            piece = replace(
                piece,
                rows_left=piece.rows_left - found.rows,
                unknown_left=max(piece.unknown_left - found.unknown, 0),
                head=found.head,
            )
            yield found


class BatchResponse(Response):
    """The answers as they are ready.

    A problem before the first answer is an answer of its own; one after it ends the connection, so
    that the client sees that the table is not whole.

    Parameters
    ----------
    count : is told the number of rows of each piece.
    """

    def __init__(
        self,
        batch: Batch,
        media_type: str,
        limits: Limits,
        slots: Slots,
        count: Callable[[int], None],
    ) -> None:
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self._batch = batch
        self._limits = limits
        self._slots = slots
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answers."""
        incoming = Incoming(receive, self._limits.batch_bytes, self._limits.body_s)
        reader: asyncio.Task[None] | None = None
        started = False
        try:
            with self._slots.held():
                reader = asyncio.create_task(incoming.take_in())
                async for found in self._batch.answers(incoming):
                    self._count(found.rows)
                    if not started:
                        await send(self._head())
                        started = True
                    async with asyncio.timeout(self._limits.body_s):
                        await send(_part(found.text, more=True))
                await send(_part(b"", more=False))
        except TimeoutError:  # the client does not read; what it has is not whole, and it sees so
            return
        except JoulecastError as exc:
            if not started:
                await problem_of(exc).response()(scope, receive, send)
        finally:
            if reader is not None:
                reader.cancel()

    def _head(self) -> Message:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }


def _part(text: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}
