"""One request to a server with the OpenAI interface: each piece timed, a failure in few words.

The only file that knows aiohttp, and it is imported when the first request is to be sent.
"""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING, Any, Final, Self

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.profiler.serving.outcomes import Outcome
from joulecast.profiler.serving.scrape_http import checked_url
from joulecast.profiler.serving.sse import EventReader, error_message, piece_of, piece_of_body

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import aiohttp

    from joulecast.profiler.serving.outcomes import Prompt, Target
    from joulecast.profiler.serving.sse import Piece

OPTIONAL: Final = ("ignore_eos", "stream_options")
"""Fields that some servers refuse; they are left out once a server has said so."""
KEEPALIVE_S: Final = 2.0
"""Idle connections are closed before the server does (uvicorn: 5 s), which would fail a request."""
_PATHS: Final = {"chat": "/chat/completions", "completions": "/completions"}
_END_S: Final = 1.0
_SHOWN: Final = 200


class Draft:
    """An outcome while it comes in, so that what is there survives whatever ends the request."""

    __slots__ = ("chunk_s", "due_s", "ended_s", "error", "sent_s", "status", "usage", "whole")

    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.sent_s: float | None = None
        self.chunk_s: list[float] = []
        self.ended_s: float | None = None
        self.status: int | None = None
        self.error = ""
        self.whole = False
        self.usage: Piece | None = None

    def take(self, piece: Piece, now_s: float) -> None:
        """Add one event of the answer that came at `now_s`."""
        if piece.has_text:
            self.chunk_s.append(now_s)
        if piece.error:
            self.error = f"server error: {piece.error[:_SHOWN]}"
        if piece.prompt_tokens is not None or piece.output_tokens is not None:
            self.usage = piece
        self.whole |= piece.done or bool(piece.finish_reason)
        self.ended_s = now_s

    def outcome(self, now_s: float, error: str = "") -> Outcome:
        """The outcome as it stands; `error` is why it ends here, if the answer is not whole."""
        usage, counted = self.usage, len(self.chunk_s)
        failed = self.error or ("" if self.whole else error)
        output = usage.output_tokens if usage else None
        return Outcome(
            due_s=self.due_s,
            sent_s=self.sent_s,
            chunk_s=tuple(self.chunk_s),
            ended_s=self.ended_s if self.whole else now_s,
            prompt_tokens=usage.prompt_tokens if usage else None,
            output_tokens=counted if output is None and (counted or self.whole) else output,
            cached_tokens=usage.cached_tokens if usage else None,
            status=self.status,
            error=failed,
        )


class Client:
    """Connections to one server, reused from request to request."""

    def __init__(self, target: Target, now_s: Callable[[], float]) -> None:
        self.left_out: set[str] = set()
        self._target = target
        self._now_s = now_s
        self._url = endpoint(target)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """The client with its connections; MissingExtra without aiohttp."""
        try:
            import aiohttp
        except ImportError as error:
            raise MissingExtra("aiohttp", "serve", "sending requests to a server") from error
        wait_s, key = self._target.timeout_s, self._target.api_key
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=wait_s, sock_read=wait_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # packed streams come in lumps
                **({"Authorization": f"Bearer {key}"} if key else {}),
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def encode(self, prompt: Prompt) -> bytes:
        """The request's body; made before the request is due."""
        body = {k: v for k, v in fields(self._target, prompt).items() if k not in self.left_out}
        return json.dumps(body, separators=(",", ":")).encode()

    async def ask(self, prompt: Prompt, body: bytes, draft: Draft) -> None:
        """Send one request and write into `draft` what comes; a failure ends up there too."""
        import aiohttp

        try:
            while not await self._exchange(body, draft):
                body = self.encode(prompt)  # without what was refused
            if not draft.whole and not draft.error:
                draft.error = "ended early: the stream stopped without a finish reason"
        except BadInput as error:
            draft.error = f"malformed stream: {error}"
        except (aiohttp.ClientError, OSError) as error:  # the second covers TimeoutError
            if not draft.whole:
                draft.error = failure(error, self._target.timeout_s)

    async def _exchange(self, body: bytes, draft: Draft) -> bool:
        """Whether there is an answer; ``False`` to send again without an option."""
        assert self._session is not None  # noqa: S101 - entered by whoever asks
        if draft.sent_s is None:  # sent again without an option it is still the same request
            draft.sent_s = self._now_s()
        async with self._session.post(self._url, data=body, allow_redirects=False) as response:
            draft.status = response.status
            if response.status != 200:
                message = _message(await response.text(errors="replace"))
                if response.status in {400, 422} and self._drop(message, body):
                    return False
                draft.error = f"HTTP {response.status}: {message or response.reason}"
            elif response.content_type in {"application/json", "text/html"}:
                self._take_whole(await response.read(), response.content_type, draft)
            else:
                await self._read_stream(response.content, draft)
        return True

    async def _read_stream(self, content: aiohttp.StreamReader, draft: Draft) -> None:
        events, done = EventReader(), False
        async for received in content.iter_any():
            now_s = self._now_s()
            for data in events.feed(received):
                piece = piece_of(data)
                done |= piece.done
                if not piece.done or not draft.whole:
                    draft.take(piece, now_s)
            if done:
                break
        for data in () if done else events.close():
            draft.take(piece_of(data), self._now_s())
        if done and not content.at_eof():  # read the end too, else the connection is lost
            try:
                async with asyncio.timeout(_END_S):
                    await content.read()
            except TimeoutError:
                return

    def _take_whole(self, answer: bytes, kind: str, draft: Draft) -> None:
        """Take an answer that is no stream: its counts, and that it is none."""
        try:
            body = json.loads(answer)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            draft.take(piece_of_body(body), self._now_s())
        draft.chunk_s.clear()  # one lump tells nothing about tokens
        draft.whole = False
        draft.error = draft.error or f"not streaming: the server answered {kind} in one piece"

    def _drop(self, message: str, body: bytes) -> bool:
        """Whether the server refuses an option that `body` has and that can be left out."""
        named = {name for name in OPTIONAL if name in message and f'"{name}":'.encode() in body}
        self.left_out |= named
        return bool(named)


def endpoint(target: Target) -> str:
    """The address that requests go to.

    Raises BadInput for what is no web address.
    """
    return checked_url(target.url, "http://127.0.0.1:8000/v1") + _PATHS[target.api]


def fields(target: Target, prompt: Prompt) -> dict[str, Any]:
    """The request as the OpenAI interface has it; `ignore_eos` is vLLM's and SGLang's."""
    content: dict[str, Any] = (
        {"messages": [{"role": role, "content": text} for role, text in prompt.messages]}
        if target.api == "chat"
        else {"prompt": "\n\n".join(text for _, text in prompt.messages)}
    )
    return {
        "model": target.model,
        **content,
        "max_tokens": prompt.max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
        **({"ignore_eos": True} if target.ignore_eos else {}),
    }


def failure(error: BaseException, timeout_s: float) -> str:
    """A failed connection in few words; what stands before the colon is the kind.

    >>> failure(ConnectionRefusedError(111, "Connection refused"), 60.0)
    'connection refused'
    """
    import aiohttp

    cause = getattr(error, "os_error", error)
    number = getattr(cause, "errno", None)
    if isinstance(error, TimeoutError):
        reached = not isinstance(error, aiohttp.ConnectionTimeoutError)
        what = "stalled: no byte" if reached else "connection failed: no answer"
        return f"{what} for {timeout_s:g} s"
    if number == errno.EMFILE:
        return "too many open files: this machine's limit (ulimit -n) is below the requests at once"
    if isinstance(cause, ConnectionRefusedError) or number == errno.ECONNREFUSED:
        return "connection refused"
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"connection failed: {getattr(cause, 'strerror', None) or cause}"
        return "ended early: the connection was cut"
    return f"malformed answer: {' '.join(str(error).split())[:_SHOWN]}"


def _message(text: str) -> str:
    """The server's message in an error's body, in one short line."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    said = error_message(body) if isinstance(body, dict) else ""
    return (said or " ".join(text.split()))[:_SHOWN]
