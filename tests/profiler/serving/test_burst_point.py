"""One rate point on real sockets: the first request, a server that goes, a user who ends it."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from joulecast.core.errors import BadInput
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.serving.burst_point import HOPELESS, Attempt, first_answer, measure
from joulecast.profiler.serving.outcomes import LoadPlan, Prompt, Target
from joulecast.profiler.session import Session
from tests.fakes.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAN = LoadPlan(rate_rps=100, duration_s=30.0, arrivals="constant", drain_s=1.0)


def prompts() -> Iterator[Prompt]:
    """The same prompt without an end."""
    return itertools.repeat(Prompt((("user", "Say it again"),), 3))


def interrupt_after(delay_s: float) -> threading.Timer:
    """Ctrl-C, as the terminal sends it."""
    timer = threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_the_first_request_is_answered_and_timed() -> None:
    """Its outcome is whole; a failure in between is tried again."""
    with ModelServer(ttft_s=0.02, fault="500", fault_every=2) as server:
        target = Target(server.url, server.model)
        assert first_answer(target, prompts(), SystemClock()).error == ""
        assert first_answer(target, prompts(), SystemClock()).error == ""
        assert len(server.requests) == 3


def test_ctrl_c_in_the_first_request_is_the_user_s() -> None:
    """It is no fault of the server."""
    with ModelServer(ttft_s=30.0) as server:
        timer = interrupt_after(0.3)
        with pytest.raises(KeyboardInterrupt):
            first_answer(Target(server.url, server.model), prompts(), SystemClock())
        timer.join()


def test_a_first_answer_that_takes_too_long_says_for_how_long_it_was_waited() -> None:
    """Its pieces come, but not its end."""
    with ModelServer(tpot_s=0.3) as server:
        target = Target(server.url, server.model, timeout_s=0.5)
        with pytest.raises(BadInput, match=r"no whole answer in 0\.5 s\. Give --timeout"):
            first_answer(target, prompts(), SystemClock())


def test_a_server_that_goes_is_told_though_a_request_of_it_hangs() -> None:
    """The one that hangs is cut off last; it was the server that ended, not the user."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    held: list[socket.socket] = []

    def take_one() -> None:
        held.append(listening.accept()[0])
        listening.close()

    thread = threading.Thread(target=take_one)
    thread.start()
    attempt = Attempt(Target(f"http://127.0.0.1:{port}/v1", "m"), PLAN, 0.01, 20.0)
    measured = measure(attempt, Session(), prompts(), SystemClock())
    thread.join()
    held[0].close()
    assert measured.ended_by is None
    assert measured.gone == f"{HOPELESS} requests in a row failed: connection refused"
    assert measured.load.notices[0] == f"ended early: {measured.gone}"
    assert measured.load.outcomes[0].kind == "cut off"


def test_ctrl_c_in_the_middle_keeps_the_window_up_to_there() -> None:
    """Answers, and an end that the user made; what was under way did not fail."""
    with ModelServer(ttft_s=0.05) as server:
        attempt = Attempt(Target(server.url, server.model), PLAN, 0.1, 20.0)
        timer = interrupt_after(0.8)
        measured = measure(attempt, Session(), prompts(), SystemClock())
        timer.join()
    assert isinstance(measured.ended_by, KeyboardInterrupt)
    assert measured.gone == ""
    assert measured.burst is not None
    assert measured.burst.start_s == pytest.approx(0.1, abs=0.05)
    assert 0.7 < measured.burst.end_s < 5.0
    assert len(measured.burst.answered()) > 10
    assert measured.burst.failed() == []
