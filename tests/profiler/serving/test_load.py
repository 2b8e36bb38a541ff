"""Loads against a real server on loopback: open loop, bounds, early ends, nothing left behind."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.load import doubts, send
from joulecast.profiler.serving.outcomes import LoadPlan, Outcome, Prompt, Target
from joulecast.profiler.serving.prompts import synthetic
from tests.fakes.model_server import ModelServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.profiler.serving.outcomes import Load

PLAN = LoadPlan(rate_rps=50, duration_s=0.2, arrivals="constant", drain_s=1.0)


def prompts(tokens: int = 3) -> Iterator[Prompt]:
    """The same short prompt without an end."""
    return itertools.repeat(Prompt((("user", "Say it again"),), tokens))


def target(server: ModelServer) -> Target:
    """The fake server."""
    return Target(server.url, server.model)


def told(load: Load) -> list[str]:
    """The notices without those about a busy machine, which are true when it is one."""
    return [n for n in load.notices if "after their time" not in n and "of a core" not in n]


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every test ends with the threads that it began with."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def test_every_arrival_is_sent_and_answered() -> None:
    """Outcomes by due time, each sent near it, none failed, processor time counted."""
    with ModelServer() as server:
        load = send(target(server), PLAN, prompts())
    assert [o.due_s for o in load.outcomes] == pytest.approx(np.arange(10) / 50)
    assert [o.error for o in load.outcomes] == [""] * 10
    lags = [o.sent_s - o.due_s for o in load.outcomes if o.sent_s is not None]
    assert len(lags) == 10
    assert 0 <= min(lags) <= sorted(lags)[5] < 0.02
    assert 0 < load.cpu_s < 1
    assert not load.stopped_early


def test_arrivals_do_not_wait_for_answers() -> None:
    """A server that takes longer than the load is sent all requests before it answers one."""
    with ModelServer(ttft_s=0.4) as server:
        load = send(target(server), PLAN, prompts())
        assert server.counters.most_running == 10
    assert max(o.sent_s or 9 for o in load.outcomes) < min(o.chunk_s[0] for o in load.outcomes)


def test_requests_queue_in_a_server_at_its_capacity() -> None:
    """One at a time: five first tokens take four service times."""
    with ModelServer(ttft_s=0.03, capacity=1) as server:
        load = send(target(server), replace(PLAN, rate_rps=100, duration_s=0.05), prompts())
        assert server.counters.most_running == 1
    firsts = sorted(o.chunk_s[0] for o in load.outcomes)
    assert firsts[-1] - firsts[0] >= 0.03 * 4 - 0.02


def test_a_load_lasts_its_duration() -> None:
    """With the last answer long there, it still waits for its own end."""
    with ModelServer() as server:
        before_s = time.monotonic()
        send(target(server), LoadPlan(5, 0.3, "constant"), prompts())
        assert time.monotonic() - before_s >= 0.3


def test_arrivals_beyond_the_bound_are_not_sent() -> None:
    """They are kept as failed, without a time of sending."""
    with ModelServer(ttft_s=0.4) as server:
        load = send(target(server), replace(PLAN, max_in_flight=4), prompts())
        assert len(server.requests) == 4
    assert [o.sent_s is None for o in load.outcomes] == [False] * 4 + [True] * 6
    assert load.outcomes[4].error == "not sent: 4 requests were under way"
    assert told(load) == ["6 of 10 requests failed: not sent 6"]


def test_the_waiting_for_answers_ends() -> None:
    """What is unanswered after `drain_s` is cut off and keeps the pieces it has."""
    with ModelServer(tpot_s=0.15) as server:
        before_s = time.monotonic()
        load = send(target(server), LoadPlan(20, 0.1, "constant", drain_s=0.2), prompts(50))
        assert time.monotonic() - before_s < 1
    assert {o.error for o in load.outcomes} == {
        "cut off: no whole answer when the waiting ended",
    }
    assert all(o.chunk_s and o.output_tokens == len(o.chunk_s) for o in load.outcomes)
    assert not load.stopped_early


def test_the_caller_ends_a_load() -> None:
    """A callback that returns why ends it; what came so far stays."""
    seen: list[Outcome] = []

    def third(outcome: Outcome) -> str | None:
        seen.append(outcome)
        return "three are enough" if len(seen) >= 3 else None

    with ModelServer() as server:
        load = send(target(server), replace(PLAN, duration_s=30.0), prompts(), third)
    assert load.stopped_early
    assert 3 <= len(load.outcomes) < 10
    assert load.outcomes == tuple(sorted(seen, key=lambda o: o.due_s))
    assert load.notices[0] == "ended early: three are enough"


def test_ctrl_c_ends_a_load_and_keeps_what_is_there() -> None:
    """An interrupt is no error: answered requests are whole, those under way are cut off."""
    once = iter([signal.SIGINT])

    def interrupt(_: Outcome) -> None:
        for number in once:
            os.kill(os.getpid(), number)

    with ModelServer(tpot_s=0.02) as server:
        load = send(target(server), replace(PLAN, duration_s=30.0), prompts(), interrupt)
    assert load.stopped_early
    assert load.notices[0] == "ended early: interrupted"
    assert load.outcomes[0].error == ""
    assert load.outcomes[-1].error in {"", "cut off: interrupted"}
    assert len(server.requests) <= len(load.outcomes) <= 10


def test_a_load_runs_beside_a_loop_of_its_caller() -> None:
    """In a notebook, where a loop runs already."""

    async def notebook(server: ModelServer) -> int:
        return len(send(target(server), PLAN, prompts()).outcomes)

    with ModelServer() as server:
        assert asyncio.run(notebook(server)) == 10


@pytest.mark.parametrize("within_a_loop", [False, True])
def test_mistakes_of_the_callback_are_not_hidden(*, within_a_loop: bool) -> None:
    """What it raises reaches the caller once nothing is left behind."""

    def broken(_: Outcome) -> None:
        raise ZeroDivisionError("of the test")

    with ModelServer() as server:

        async def run() -> None:
            send(target(server), PLAN, prompts(), broken)

        with pytest.raises(ZeroDivisionError, match="of the test"):
            asyncio.run(run()) if within_a_loop else send(target(server), PLAN, prompts(), broken)


def test_prompts_that_run_out_end_a_load() -> None:
    """A finite iterator is no error, but it is said."""
    with ModelServer() as server:
        load = send(target(server), PLAN, iter([*itertools.islice(prompts(), 4)]))
    assert len(load.outcomes) == 4
    assert load.stopped_early
    assert told(load) == ["ended early: the prompts ran out after 4 of 10 requests"]


def test_failures_are_told_by_kind() -> None:
    """A burst of refusals among answers is one notice, and the rest stays."""
    with ModelServer(fault="429", fault_every=2) as server:
        load = send(target(server), PLAN, prompts())
    assert told(load) == ["5 of 10 requests failed: HTTP 429 5"]
    assert sum(not o.error for o in load.outcomes) == 5


def test_a_refused_option_is_told_once() -> None:
    """In the load's notices, not in each outcome."""
    with ModelServer(refuses=("ignore_eos",)) as server:
        load = send(replace(target(server), ignore_eos=True), PLAN, prompts())
    assert told(load) == ["the server refuses 'ignore_eos'; sent without it"]


@pytest.mark.parametrize("shared_frac", [0.0, 0.25, 0.5, 0.75, 0.95])
def test_the_shared_part_sets_the_hit_rate(shared_frac: float) -> None:
    """The server's cache hits the asked share, less part of a block and the first request."""
    with ModelServer(block=16) as server:
        load = send(target(server), PLAN, synthetic(640, 2, shared_frac))
        hit_frac = server.counters.cache_hits / server.counters.cache_queries
    cached = [o.cached_tokens for o in load.outcomes]
    assert cached[0] == 0
    assert set(cached[1:]) == {int(640 * shared_frac) // 16 * 16}
    assert hit_frac == pytest.approx(0.9 * shared_frac, abs=16 / 640)


def test_the_fake_writes_its_counters_as_vllm_does() -> None:
    """What others rely on: the names and the values after one load."""
    with ModelServer(block=2) as server:
        send(target(server), PLAN, prompts())
        lines = dict(line.rsplit(" ", 1) for line in server.metric_lines() if line[0] != "#")
    label = '{engine="0",model_name="fake-llama"}'
    assert lines[f"vllm:generation_tokens_total{label}"] == "30.0"
    assert lines[f"vllm:prompt_tokens_total{label}"] == "30.0"
    assert lines[f"vllm:prefix_cache_hits_total{label}"] == "18.0"
    assert lines[f"vllm:num_requests_running{label}"] == "0.0"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (LoadPlan(0.0, 1.0), "rate_rps is 0"),
        (LoadPlan(1.0, -1.0), "duration_s is -1"),
        (LoadPlan(1.0, 1.0, max_in_flight=0), "max_in_flight is 0"),
        (LoadPlan(1.0, 1.0, drain_s=float("nan")), "drain_s is nan"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: LoadPlan, words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(BadInput, match=words):
        send(Target("http://127.0.0.1:9/v1", "m"), plan, prompts())


def test_doubts_about_a_load() -> None:
    """Late arrivals, a busy generator and answers without counts are told, with their figures."""
    late = Outcome(0.0, 0.02, (0.03,), 0.03, None, 1, None, 200)
    found = doubts(LoadPlan(200, 1), (late,), core_frac=0.9)
    assert "left 20 ms or more after their time" in found[0]
    assert "0.90 of a core" in found[1]
    assert "tokens of 1 of 1 answers" in found[2]
    assert doubts(LoadPlan(200, 1), (replace(late, sent_s=0.001, prompt_tokens=3),), 0.2) == []


def test_kinds_of_errors() -> None:
    """What stands before the colon, or all of it."""
    errors = ("HTTP 500: a: b", "connection refused", "stalled: no byte", "")
    kinds = [Outcome(0.0, 0.0, error=error).kind for error in errors]
    assert kinds == ["HTTP 500", "connection refused", "stalled", ""]
