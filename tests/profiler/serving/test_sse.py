"""Server-sent events: however they are cut up, and whatever servers put into them."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.sse import (
    MAX_EVENT_BYTES,
    EventReader,
    Piece,
    error_message,
    piece_of,
    piece_of_body,
)

EVENTS = (
    b'{"choices": [{"delta": {"content": "gr\xc3\xbc\xc3\x9fe"}}]}',
    b'{"usage": {}}',
    b"[DONE]",
)


def stream(newline: bytes = b"\n") -> bytes:
    """The events as a server sends them, with comments and other fields between."""
    head = b": ping" + newline * 2 + b"event: message" + newline + b"id: 7" + newline
    return head + b"".join(b"data: " + event + newline * 2 for event in EVENTS)


@given(
    st.lists(st.integers(0, len(stream(b"\r\n"))), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_events_come_out_whole_wherever_the_bytes_are_cut(cuts: list[int], newline: bytes) -> None:
    """Pieces of any size, cut within a character or between CR and LF, give the same events."""
    reader, sent, found = EventReader(), stream(newline), []
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    for start, end in pairwise(edges):
        found += reader.feed(sent[start:end])
    assert found == list(EVENTS)
    assert reader.close() == []


def test_data_over_lines_is_one_event() -> None:
    """Lines of data belong together until an empty line, as the format has it."""
    assert EventReader().feed(b'data: {"a":\ndata: 1}\n\n') == [b'{"a":\n1}']


def test_data_needs_no_space_and_a_byte_order_mark_does_no_harm() -> None:
    """Both occur in the wild."""
    assert EventReader().feed(b"\xef\xbb\xbfdata:[DONE]\n\n") == [b"[DONE]"]


def test_an_event_that_the_end_completes_is_not_lost() -> None:
    """Some servers leave out the last empty line."""
    reader = EventReader()
    assert reader.feed(b"data: [DONE]") == []
    assert reader.close() == [b"[DONE]"]


def test_what_is_no_event_is_shown() -> None:
    """A page of text is no stream; its first words are in the message."""
    with pytest.raises(BadInput, match="a line of no event: 'Traceback"):
        EventReader().feed(b"Traceback (most recent call last):\n")


def test_an_event_without_an_end_is_refused() -> None:
    """Memory is bounded."""
    reader = EventReader()
    half = b"data: " + b"x" * (MAX_EVENT_BYTES // 2) + b"\n"
    assert reader.feed(half) == []
    with pytest.raises(BadInput, match="16 MiB"):
        reader.feed(half)


@pytest.mark.parametrize(
    ("choice", "has_text", "reason"),
    [
        ({"delta": {"content": "a"}, "finish_reason": None}, True, ""),
        ({"delta": {"role": "assistant", "content": ""}}, False, ""),
        ({"delta": {"content": None}, "finish_reason": "stop"}, False, "stop"),
        ({"delta": {"reasoning_content": "hm"}}, True, ""),
        ({"delta": {"tool_calls": [{"index": 0}]}}, True, ""),
        ({"text": " so", "finish_reason": "length"}, True, "length"),
        ({"text": "", "finish_reason": None}, False, ""),
        ({"message": {"content": "all of it"}, "finish_reason": "stop"}, True, "stop"),
    ],
)
def test_a_choice_is_read(choice: dict[str, Any], *, has_text: bool, reason: str) -> None:
    """Chat and completions, the piece that only names the role, and the last one."""
    body = json.dumps({"choices": [choice], "usage": None}).encode()
    assert piece_of(body) == Piece(has_text=has_text, finish_reason=reason)


def test_usage_is_read_with_what_was_cached() -> None:
    """All three counts of vLLM's last event."""
    usage = {
        "prompt_tokens": 40,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 32},
    }
    found = piece_of_body({"choices": [], "usage": usage})
    assert found == Piece(prompt_tokens=40, output_tokens=9, cached_tokens=32)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0, None)),
        ({"prompt_tokens": 4, "prompt_tokens_details": None}, (4, None, None)),
        ({"prompt_tokens": "4", "completion_tokens": -1}, (None, None, None)),
        ({"prompt_tokens": True, "prompt_tokens_details": {}}, (None, None, None)),
    ],
)
def test_what_the_server_does_not_count_is_missing(
    usage: dict[str, Any], expected: tuple[int | None, ...]
) -> None:
    """Missing or senseless counts are None, and zero is zero."""
    found = piece_of_body({"choices": [], "usage": usage})
    assert (found.prompt_tokens, found.output_tokens, found.cached_tokens) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "out of\n memory", "code": 500}}, "out of memory"),
        ({"error": "busy"}, "busy"),
        ({"error": {"code": 7}}, "{'code': 7}"),
        ({"detail": "Unexpected keys"}, "Unexpected keys"),
        (
            {"detail": [{"loc": ["body"], "msg": "missing"}]},
            "[{'loc': ['body'], 'msg': 'missing'}]",
        ),
        ({"object": "error", "message": "no such model"}, "no such model"),
        ({"choices": [], "error": None}, ""),
        ({"choices": [{"delta": {}}], "detail": "harmless"}, ""),
        ({"message": "hello"}, ""),
    ],
)
def test_errors_are_found_where_servers_put_them(body: dict[str, Any], message: str) -> None:
    """OpenAI's form, a bare word, FastAPI's detail, vLLM's older form; and no false alarm."""
    assert error_message(body) == message
    assert piece_of_body(body).error == message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"choices": [', "not JSON: '{\"choices\": \\['"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"3" * 200, r"3\.\.\.'"),
    ],
)
def test_malformed_data_is_shown(data: bytes, words: str) -> None:
    """The message carries the start of what came."""
    with pytest.raises(BadInput, match=words):
        piece_of(data)


def test_done_is_done() -> None:
    """The end's own mark is no JSON."""
    assert piece_of(b"[DONE]") == Piece(done=True)
