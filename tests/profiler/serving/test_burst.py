"""Figures of bursts whose truth is known: requests written by hand, and servers by arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.records import Architecture, Machine, Measurement, Run, Setup, Window, Workload
from joulecast.profiler.serving.arrivals import arrivals_s
from joulecast.profiler.serving.burst import (
    STEADY,
    Burst,
    burst_run,
    doubts_of,
    errors_of,
    figures_of,
    is_saturated,
    spread_of,
)
from joulecast.profiler.serving.outcomes import Load, LoadPlan, Outcome
from joulecast.profiler.serving.scrape import ServerFigures


def answer(due_s: float, took_s: float, tokens: int = 10) -> Outcome:
    """A request answered after `took_s`: half until the first token, the rest evenly spread."""
    first_s = due_s + took_s / 2
    chunks = tuple(np.linspace(first_s, due_s + took_s, tokens).tolist())
    return Outcome(due_s, due_s + 0.001, chunks, due_s + took_s, 100, tokens, 25, 200)


def failure(due_s: float, error: str, sent: bool = True) -> Outcome:  # noqa: FBT001, FBT002
    """A request that got no whole answer."""
    return Outcome(due_s, due_s if sent else None, ended_s=due_s + 0.01, error=error)


def burst(*outcomes: Outcome, start_s: float = 10.0, end_s: float = 70.0) -> Burst:
    """A load seen through a window of a minute after a warm-up of ten seconds."""
    load = Load(LoadPlan(1.0, end_s), 0.0, outcomes, 0.1)
    return Burst(load, start_s, end_s, ServerFigures())


def worked_off(rate_rps: float, capacity_rps: float, took_s: float, end_s: float = 70.0) -> Burst:
    """A queue before one server that ends `capacity_rps` requests per second."""
    free_s, outcomes = 0.0, []
    for due_s in np.arange(0.0, end_s, 1 / rate_rps).tolist():
        free_s = max(free_s, due_s) + 1 / capacity_rps
        outcomes.append(answer(due_s, max(took_s, free_s - due_s)))
    return burst(*outcomes, end_s=end_s)


def test_only_the_window_counts() -> None:
    """Of one request per second, 60 arrive in the minute and 60 end in it, whenever they came."""
    seen = burst(*[answer(float(t), 5.0) for t in range(80)])
    figures = figures_of(seen)
    assert (figures.sent, figures.completed, figures.failed) == (60, 60, 0)
    assert figures.offered_rps == figures.achieved_rps == 1.0
    assert (figures.prompt_tokens, figures.output_tokens) == (6000.0, 600.0)
    assert figures.cached_tokens == 1500.0
    assert figures.cache_hit_frac == 0.25
    assert min(o.due_s for o in seen.answered()) == 5.0


def test_times_are_those_of_the_requests() -> None:
    """Half of 4 s to the first token, nine gaps in the other half, from the moment of being due."""
    figures = figures_of(burst(*[answer(float(t), 4.0) for t in range(70)]))
    assert figures.ttft is not None
    assert figures.itl is not None
    assert figures.latency is not None
    assert figures.ttft.p50_s == pytest.approx(2.0)
    assert figures.itl.mean_s == pytest.approx(2.0 / 9)
    assert figures.latency.p99_s == pytest.approx(4.0)
    assert figures.lag_p99_s == pytest.approx(0.001)


def test_a_late_sender_hides_no_slow_server() -> None:
    """A request that left 3 s late took 3 s longer, as its user saw it."""
    late = replace(answer(20.0, 4.0), sent_s=23.0)
    figures = figures_of(burst(late))
    assert figures.latency is not None
    assert figures.latency.p50_s == pytest.approx(4.0)
    assert figures.lag_p99_s == pytest.approx(3.0)


def test_pieces_of_several_tokens_are_shared_out() -> None:
    """Ten pieces of three tokens: the time between tokens is a third of that between pieces."""
    one = answer(20.0, 4.0, tokens=10)
    lumps = figures_of(burst(replace(one, output_tokens=28)))
    assert lumps.itl is not None
    assert lumps.itl.mean_s == pytest.approx(2.0 / 27)


def test_failures_are_counted_by_kind() -> None:
    """Those of the window only, the most frequent first; whole answers beside them count."""
    seen = burst(
        failure(5.0, "HTTP 500: early"),
        *[failure(20.0 + i, "HTTP 429: too many") for i in range(3)],
        failure(30.0, "stalled: no byte for 60 s"),
        answer(40.0, 1.0),
    )
    assert errors_of(seen) == {"HTTP 429": 3, "stalled": 1}
    figures = figures_of(seen)
    assert (figures.sent, figures.completed, figures.failed) == (5, 1, 4)


def test_what_the_user_cut_off_did_not_fail() -> None:
    """Ctrl-C ends requests under way; a load that ran its course and cut them did not."""
    cut = failure(30.0, "cut off: interrupted")
    seen = burst(answer(20.0, 1.0), cut)
    assert figures_of(seen).failed == 1
    early = replace(seen, load=replace(seen.load, stopped_early=True))
    assert figures_of(early).failed == 0


def test_a_server_that_keeps_up_is_not_saturated() -> None:
    """Answers of 8 s at 5 per second: forty are always under way, and no more."""
    assert is_saturated(worked_off(5.0, 50.0, 8.0)) is False


def test_a_server_that_falls_behind_is_saturated_and_shows_its_capacity() -> None:
    """10 per second arrive, 5 are worked off: the goodput is 5."""
    seen = worked_off(10.0, 5.0, 1.0)
    figures = figures_of(seen)
    assert figures.saturated is True
    assert figures.achieved_rps == pytest.approx(5.0, rel=0.05)
    assert figures.completed == pytest.approx(300, abs=3)
    assert any("saturated" in d for d in doubts_of(seen, figures, 10.0))


def test_refusals_are_saturation_too() -> None:
    """A server that turns every tenth away does not keep up, though nothing queues."""
    outcomes = [
        failure(float(t), "HTTP 429: busy") if t % 10 == 0 else answer(float(t), 0.5)
        for t in range(70)
    ]
    assert is_saturated(burst(*outcomes)) is True


def test_a_server_that_stalls_is_ill_not_saturated() -> None:
    """It fell behind because it hung: what it answered says nothing of its capacity."""
    good = [answer(11.0 + 0.1 * i, 0.2) for i in range(60)]
    hung = [failure(17.0 + 0.1 * i, "stalled: no byte for 30 s") for i in range(400)]
    seen = burst(*good, *hung)
    figures = figures_of(seen)
    assert figures.saturated is None
    doubts = doubts_of(seen, figures, 10.0)
    assert any("400 of 460 requests failed (stalled)" in d and "See to" in d for d in doubts)
    assert not any(d.startswith("saturated") for d in doubts)


def test_a_batch_that_still_fills_is_a_short_warm_up_not_saturation() -> None:
    """Answers of 25 s after 10 s of warm-up: a doubt that says what to give."""
    seen = burst(*[answer(t / 2, 25.0) for t in range(140)])
    figures = figures_of(seen)
    assert figures.saturated is False
    assert any("--warmup 50" in d for d in doubts_of(seen, figures, 10.0))


def test_a_warm_up_shorter_than_an_answer_is_no_saturation() -> None:
    """Answers of 1.3 s at 20 per second: from ten under way to 26, and no more."""
    found = []
    for seed in range(20):
        due_s = arrivals_s(20.0, 3.5, seed=seed)
        load = Load(LoadPlan(20.0, 3.5), 0.0, tuple(answer(t, 1.3) for t in due_s.tolist()), 0.1)
        found.append(is_saturated(Burst(load, 0.5, 3.5, ServerFigures())))
    assert found.count(True) <= 1


def test_too_few_answers_say_so_and_how_long_it_takes() -> None:
    """Six in a minute; whether it keeps up is not told."""
    seen = burst(*[answer(float(t), 1.0) for t in range(10, 70, 10)])
    figures = figures_of(seen)
    assert figures.saturated is None
    (said,) = doubts_of(seen, figures, 10.0)
    assert "6 answers" in said
    assert "--seconds 300" in said


def test_tokens_that_the_server_did_not_count_are_none() -> None:
    """One answer without a count makes the sum unknown, not smaller."""
    seen = burst(answer(20.0, 1.0), replace(answer(30.0, 1.0), prompt_tokens=None))
    assert figures_of(seen).prompt_tokens is None
    assert figures_of(burst()).output_tokens is None
    assert figures_of(burst()).ttft is None


def test_answers_silent_about_the_cache_had_no_hit_where_others_tell_of_theirs() -> None:
    """VLLM and SGLang leave a count of 0 out: 25 of 100 in one of four are 25 of 400."""
    silent = [replace(answer(20.0 + i, 1.0), cached_tokens=None) for i in range(3)]
    figures = figures_of(burst(answer(30.0, 1.0), *silent))
    assert figures.cached_tokens == 25.0
    assert figures.cache_hit_frac == 0.0625
    assert figures_of(burst(*silent)).cached_tokens is None
    assert figures_of(burst(*silent)).cache_hit_frac is None


def test_answers_in_one_lump_have_no_times_of_tokens() -> None:
    """A proxy that collects the stream: ten pieces in 50 microseconds are no speed of a server."""
    lumps = [
        replace(answer(float(t), 2.0), chunk_s=tuple(t + 2.0 + 5e-6 * i for i in range(10)))
        for t in range(10, 60)
    ]
    seen = burst(*lumps)
    figures = figures_of(seen)
    assert figures.ttft is None
    assert figures.itl is None
    assert figures.latency is not None
    assert any("all at once" in d for d in doubts_of(seen, figures, 10.0))
    single = burst(*[answer(float(t), 2.0, tokens=1) for t in range(10, 60)])
    assert figures_of(single).ttft is not None
    assert doubts_of(single, figures_of(single), 10.0) == ()


def test_empty_answers_are_told() -> None:
    """Whole answers without a token: joules per token cannot be."""
    empty = [replace(answer(float(t), 2.0), chunk_s=(), output_tokens=0) for t in range(10, 60)]
    seen = burst(*empty)
    figures = figures_of(seen)
    assert figures.output_tokens == 0
    assert any("answers are empty" in d for d in doubts_of(seen, figures, 10.0))


def test_what_an_early_end_cut_off_was_still_under_way() -> None:
    """Ctrl-C in a server that falls behind: it is saturated, though nothing is left then."""
    seen = worked_off(10.0, 5.0, 1.0)
    cut = [
        o
        if (o.ended_s or 0) < 40
        else replace(o, ended_s=40.0, chunk_s=(), error="cut off: interrupted")
        for o in seen.load.outcomes
        if o.due_s < 40
    ]
    load = replace(seen.load, outcomes=tuple(cut), stopped_early=True)
    assert is_saturated(Burst(load, 10.0, 40.01, ServerFigures())) is True


def test_the_server_s_counters_are_believed_before_the_answers() -> None:
    """Its hit rate, batch and preemptions are the record's."""
    server = ServerFigures(running_mean=7.5, cache_hit_frac=0.8, preemptions=3.0)
    figures = figures_of(replace(burst(answer(20.0, 1.0)), server=server))
    assert (figures.cache_hit_frac, figures.running_mean, figures.preemptions) == (0.8, 7.5, 3.0)


def test_the_record_holds_the_window_s_joules_and_no_others() -> None:
    """100 W through 60 s and 60 answers: 100 J each, though the session drew more around it."""
    seen = burst(*[answer(float(t), 2.0) for t in range(80)])
    figures = figures_of(seen)
    network = Architecture("llm", "text", (), 1e9, 1e9, {})
    setup = Setup(Machine("hc4", "hc4"), network, Workload(task="serve"))
    window = Window(STEADY, 10.0, 60.0, {"gpu": 6000.0})
    whole = Measurement({"gpu": 9000.0}, 95.0, None, windows=(window,), notices=("own",))
    run = burst_run(Run(setup, whole, "profiler", "llm"), setup, seen, figures, ["doubt"])
    m = run.measurement
    assert (m.energy_j["gpu"], m.duration_s, m.samples) == (6000.0, 60.0, 60)
    assert m.power_w["gpu"] == 100.0
    assert m.energy_j["gpu"] / (m.samples or 0) == 100.0
    assert m.notices == ("doubt", "own")
    assert m.burst == figures


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=50))
def test_percentiles_rise_and_stay_within_what_was_seen(values: list[float]) -> None:
    """p50 <= p90 <= p95 <= p99, all between the least and the most."""
    spread = spread_of(values)
    assert spread is not None
    ordered = [min(values), spread.p50_s, spread.p90_s, spread.p95_s, spread.p99_s, max(values)]
    assert ordered == pytest.approx(sorted(ordered))
