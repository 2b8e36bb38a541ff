"""Server-sent events as servers with the OpenAI interface stream them, read piece by piece."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from joulecast.core.errors import BadInput

DONE: Final = b"[DONE]"
MAX_EVENT_BYTES: Final = 16 * 2**20
"""An event longer than this is no event; the memory it would take is not ours to give."""
_TEXT_KEYS: Final = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls")
_SHOWN: Final = 80
_MARK: Final = b"\xef\xbb\xbf"  # of byte order, which may stand before the first line


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event of the stream, or an answer in one piece, says.

    Attributes
    ----------
    has_text : it carries a part of the answer. finish_reason : empty before the last one.
    prompt_tokens, output_tokens, cached_tokens : the server's counts, ``None`` if not in here.
    error : the server's message, empty for none. done : nothing follows.
    """

    has_text: bool = False
    finish_reason: str = ""
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    error: str = ""
    done: bool = False


class EventReader:
    """Cuts bytes as they come from the network into the data of events."""

    def __init__(self) -> None:
        self._rest = b""
        self._half = False  # of a CR LF: its LF may be the first byte to come
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, received: bytes) -> list[bytes]:
        """Data of the events that `received` completes; lines may end anywhere between calls.

        They end with LF, CR LF or CR. Raises BadInput for an event without an end.
        """
        halved = self._half
        self._half = received.endswith(b"\r") if received else halved
        if halved:
            received = received.removeprefix(b"\n")
        received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self._rest = (self._rest + received).split(b"\n")
        found = self._take(lines)
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise BadInput(f"an event of more than {MAX_EVENT_BYTES >> 20} MiB has no end")
        return found

    def close(self) -> list[bytes]:
        """Data of an event that the stream's end completes instead of an empty line."""
        lines, self._rest = [self._rest, b""], b""
        return self._take(lines)

    def _take(self, lines: list[bytes]) -> list[bytes]:
        found = []
        for raw in lines:
            line = raw.removeprefix(_MARK)
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
                self._size += len(line)
            elif not line and self._data:
                found.append(b"\n".join(self._data))
                self._data, self._size = [], 0
            elif line and not _is_field(line):
                raise BadInput(f"a line of no event: {_shown(line)}")
        return found


def piece_of(data: bytes) -> Piece:
    """What an event's data says.

    Raises BadInput if it is neither ``[DONE]`` nor a JSON object.

    >>> piece_of(b'{"choices": [{"delta": {"content": "Hi"}, "finish_reason": null}]}').has_text
    True
    """
    if data == DONE:
        return Piece(done=True)
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"an event that is not JSON: {_shown(data)}") from error
    if not isinstance(body, dict):
        raise BadInput(f"an event that is no JSON object: {_shown(data)}")
    return piece_of_body(body)


def piece_of_body(body: dict[str, Any]) -> Piece:
    """What a decoded event, or a whole answer that came in one piece, says."""
    message = error_message(body)
    piece = Piece(error=message) if message else Piece()
    choices = body.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        first = choices[0]
        reason = first.get("finish_reason")
        piece = Piece(_has_text(first), reason if isinstance(reason, str) else "", error=message)
    usage = body.get("usage")
    if isinstance(usage, dict):
        piece = _with_usage(piece, usage)
    return piece


def error_message(body: dict[str, Any]) -> str:
    """The message of an error object as vLLM, SGLang, FastAPI and others write it; else empty.

    >>> error_message({"error": {"message": "too long", "code": 400}})
    'too long'
    """
    error = body.get("error")
    if error is None and "choices" not in body:
        error = body.get("detail") or (body.get("message") if body.get("object") == "error" else "")
    if isinstance(error, dict):
        error = error.get("message") or error
    return "" if not error else " ".join(str(error).split())


def _has_text(choice: dict[str, Any]) -> bool:
    if choice.get("text"):
        return True
    delta = choice.get("delta") or choice.get("message")
    return isinstance(delta, dict) and any(delta.get(key) for key in _TEXT_KEYS)


def _with_usage(piece: Piece, usage: dict[str, Any]) -> Piece:
    details = usage.get("prompt_tokens_details")
    return replace(
        piece,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
        cached_tokens=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
    )


def _count(value: object) -> int | None:
    """A count as the server wrote it; ``None`` for what is no count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _is_field(line: bytes) -> bool:
    """Whether the line is a comment or one of the fields that the format knows beside data."""
    return line.startswith((b":", b"event", b"id", b"retry"))


def _shown(data: bytes) -> str:
    text = data[:_SHOWN].decode("utf-8", errors="replace")
    return f"'{text}{'...' if len(data) > _SHOWN else ''}'"
