"""The planner: the fewest replicas within bounds, the best machine, and traces hour by hour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import joulecast
from joulecast.core.errors import BadInput, UnknownName
from joulecast.planning import HEADROOM, broken, fewest
from joulecast.planning_records import Bounds
from joulecast.request_trace import hours_of, read_trace
from joulecast.serving_times import Late

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.planning_records import Plan

HEAD = "arrival_s,prompt_tokens,output_tokens\n"


def plan(models: Any = "llama-3.2-1b", machines: Any = "hc4", **options: Any) -> Plan:  # noqa: ANN401
    """A plan for two requests per second, unless asked otherwise."""
    usual = {"rate_rps": 2, "prompt_tokens": 200, "output_tokens": 100, "runs": ()}
    return joulecast.plan(models, machines, **{**usual, **options})


@given(enough=st.integers(1, 200), first=st.integers(1, 80), most=st.integers(1, 128))
def test_the_fewest_replicas_are_found(enough: int, first: int, most: int) -> None:
    """The search finds the first number that holds the bound, or that none does."""
    bounds = Bounds(latency_p95_s=1.0, max_replicas=most)
    count, reason = fewest(first, bounds, lambda n: Late(0.1, 1.0 * enough / n))
    wanted = max(enough, first)
    assert (count, bool(reason)) == ((wanted, False) if wanted <= most else (None, True))


def test_a_bound_that_an_idle_server_breaks_says_so() -> None:
    """Where more replicas change nothing the search ends and says it."""
    count, reason = fewest(1, Bounds(ttft_p95_s=0.01), lambda _: Late(0.03, 1.0))
    assert count is None
    assert reason == (
        "however many replicas, the first token takes 0.03 s (p95), more than the 0.01 s allowed"
    )
    assert "queue grows" in broken(Late(math.inf, math.inf), Bounds(latency_p95_s=2))
    assert broken(Late(9, 9), Bounds()) == ""
    assert broken(None, Bounds(1, 1)) == ""


def test_the_best_is_the_one_that_takes_least() -> None:
    """Options that fit come first by energy per request; one is the best of all."""
    found = plan("llama-3.1-8b,llama-3.2-1b", ["hc4", "a100-sxm-80gb"])
    energies = [o.energy_per_request_j or 0.0 for o in found.options]
    assert energies == sorted(energies)
    assert [o.is_best for o in found.options] == [True, False, False, False]
    assert sum(o.is_best_machine for o in found.options) == 2
    assert found.best is found.options[0]
    assert (found.best_model, found.best_hardware) == (found.best.model, found.best.hardware)
    assert found.best_model == "llama-3.2-1b"


def test_replicas_carry_the_rate_with_headroom() -> None:
    """So many replicas as the rate needs, none loaded beyond nine tenths; energies add up."""
    one = plan("llama-3.1-8b", rate_rps=1).options[0]
    full = one.saturation_rps or 0.0
    many = plan("llama-3.1-8b", rate_rps=4 * full).options[0]
    assert many.replicas == math.ceil(4 / HEADROOM)
    assert many.load_frac == pytest.approx(4 / many.replicas, rel=0.02)
    assert many.energy_j == pytest.approx((many.power_w or 0) * 3600)
    assert many.energy_per_request_j == pytest.approx((many.power_w or 0) / (4 * full), rel=1e-6)


def test_a_tighter_bound_takes_more_replicas() -> None:
    """A p95 bound below what one machine reaches spreads the load further, and is then kept."""
    loose = plan("llama-3.1-8b", rate_rps=30, output_tokens=300).options[0]
    limit_s = 0.8 * (loose.latency_p95_s or 0.0)
    tight = plan("llama-3.1-8b", rate_rps=30, output_tokens=300, p95_latency_s=limit_s).options[0]
    assert tight.fits
    assert (tight.replicas or 0) > (loose.replicas or 0)
    assert (tight.latency_p95_s or math.inf) <= limit_s
    assert (tight.energy_per_request_j or 0) > (loose.energy_per_request_j or 0)


def test_why_the_others_fall_out() -> None:
    """Too large, too slow, too many, no language model: each option says its reason."""
    found = plan(
        ["llama-3.1-70b", "llama-3.2-1b", "vgg16"], "rtx-4090", rate_rps=1e4, max_replicas=2
    )
    reasons = {o.model: o.reason for o in found.options}
    assert "--gpus" in reasons["llama-3.1-70b"]
    assert "2 are allowed" in reasons["llama-3.2-1b"]
    assert "generates no text" in reasons["vgg16"]
    assert found.best is None
    with pytest.raises(UnknownName):
        plan("llama-3.2-1b", "hc5")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_rps": None},
        {"rate_rps": -1},
        {"rate_rps": math.nan},
        {"prompt_tokens": None},
        {"output_tokens": 0},
        {"p95_latency_s": 0},
        {"max_replicas": 0},
        {"max_replicas": 1.5},
        {"weight_precision": "fp12"},
        {"scope": "moon"},
        {"n_gpus": 0},
        {"level": 2},
        {"cache_hit_frac": 2},
        {"models": ""},
        {"machines": []},
        {"trace": "requests.csv"},
    ],
    ids=str,
)
def test_absurd_plans_are_refused(wrong: dict[str, Any]) -> None:
    """What cannot be right, or is said twice, is refused."""
    with pytest.raises(BadInput):
        plan(**wrong)


def traced(path: Path, text: str) -> Path:
    """A trace file."""
    path = path / "requests.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_trace_is_read_and_put_in_order(tmp_path: Path) -> None:
    """Columns in any order, rows sorted and said, the first request at 0 s."""
    text = "output_tokens,arrival_s,prompt_tokens,user\n5,20,7,a\n6,10,8,b\n\n"
    trace = read_trace(traced(tmp_path, text))
    assert trace.arrival_s.tolist() == [0, 10]
    assert trace.prompt_tokens.tolist() == [8, 7]
    assert trace.output_tokens.tolist() == [6, 5]
    assert "sorted" in trace.notices[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column arrival_s"),
        ("time,tokens\n1,2\n", "the head is 'time, tokens'"),
        (HEAD, "holds no request"),
        (HEAD + "1,2,3\n2,x,3\n", "row 3: prompt_tokens is 'x'"),
        (HEAD + "-1,2,3\n", "row 2: arrival_s is -1"),
        (HEAD + "nan,2,3\n", "arrival_s is nan"),
        (HEAD + "1,2,0\n", "output_tokens is 0"),
        (HEAD + "1,2,\n", "output_tokens is blank"),
        (HEAD + "1,2\n", "output_tokens is blank"),
        (HEAD + "1,2,1e12\n", "more than any model"),
        (HEAD + "x,1,1\n" * 5, "and 2 more"),
        (HEAD + '1,"2,3\n', "not a CSV"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, text: str, words: str) -> None:
    """Each bad row is named with its line; a file of something else says what is missing."""
    with pytest.raises(BadInput, match=words):
        read_trace(traced(tmp_path, text))


def test_hours_keep_every_request(tmp_path: Path) -> None:
    """Hours cover the trace without gap, the last ends with it, idle ones have no request."""
    text = HEAD + "".join(f"{t},10,20\n" for t in (0, 100, 3599, 3600, 9000))
    trace = read_trace(traced(tmp_path, text))
    hours = hours_of(trace)
    assert [h.requests for h in hours] == [3, 1, 1]
    assert [h.start_s for h in hours] == [0, 3600, 7200]
    assert sum(h.duration_s for h in hours) == trace.duration_s == 9000
    assert hours[0].rate_rps == pytest.approx(3 / 3600)
    with pytest.raises(BadInput, match="days"):
        hours_of(read_trace(traced(tmp_path, HEAD + "0,1,1\n1e9,1,1\n")))


def test_a_trace_is_summed_over_its_hours(tmp_path: Path) -> None:
    """Hours add up to the energy, an idle hour draws less than a busy one, peaks are the worst."""
    rng = np.random.default_rng(0)
    times = np.sort(np.r_[rng.uniform(0, 3600, 3000), rng.uniform(7200, 10800, 600)])
    text = HEAD + "".join(f"{t:.2f},200,100\n" for t in times)
    option = plan(
        trace=traced(tmp_path, text), rate_rps=None, prompt_tokens=None, output_tokens=None
    ).options[0]
    busy, idle, calm = option.hours
    assert option.energy_j == pytest.approx(sum(h.energy_j for h in option.hours))
    assert idle.requests == 0
    assert idle.ttft_p95_s is None
    assert idle.power_w < calm.power_w < busy.power_w
    assert option.latency_p95_s == max(busy.latency_p95_s or 0, calm.latency_p95_s or 0)
    assert option.energy_per_request_j == pytest.approx(option.energy_j / 3600)
    assert option.energy_low_j < option.energy_j < option.energy_high_j
    assert any("--gpus 1" in notice for notice in option.notices)
    assert option.copies == 2


def trace_plan(folder: Path, arrivals: Any, **options: Any) -> Any:  # noqa: ANN401
    """The option for requests of 200 and 100 tokens that arrive at `arrivals`."""
    text = HEAD + "".join(f"{t:.3f},200,100\n" for t in np.sort(arrivals))
    given = {"rate_rps": None, "prompt_tokens": None, "output_tokens": None, **options}
    return plan(trace=traced(folder, text), **given).options[0]


@pytest.mark.parametrize("scope", ["system", "gpu"])
def test_an_even_trace_takes_what_its_rate_takes(tmp_path: Path, scope: str) -> None:
    """Requests at random over an hour take the joules of their mean rate, in every scope."""
    times = np.random.default_rng(1).uniform(0, 3600, 5400)
    option = trace_plan(tmp_path, times, scope=scope, n_gpus=1)
    even = plan(rate_rps=1.5, scope=scope, n_gpus=1).options[0]
    assert option.energy_j == pytest.approx(even.energy_j, rel=0.02)
    assert option.energy_high_j / option.energy_j == pytest.approx(
        even.energy_high_j / even.energy_j, rel=0.01
    )


def test_a_rush_is_not_its_hours_mean(tmp_path: Path) -> None:
    """Requests that come together share iterations: they take less than spread over the hour."""
    rng = np.random.default_rng(1)
    spread = trace_plan(tmp_path, np.r_[0, rng.uniform(0, 3600, 3000), 3600])
    rush = trace_plan(tmp_path, np.r_[0, rng.uniform(1000, 1300, 3000), 3600])
    assert rush.energy_j < 0.97 * spread.energy_j
    sharp = trace_plan(tmp_path, np.r_[0, rng.uniform(1000, 1003, 3000), 3600], n_gpus=1)
    assert any("in the busiest minute 50 requests/s" in n for n in sharp.notices) == (
        (sharp.saturation_rps or 0) < 50
    )


def test_every_hour_keeps_the_bound(tmp_path: Path) -> None:
    """A calm hour with one rush sets the replicas where the busiest hour would need fewer."""
    rng = np.random.default_rng(2)
    busy, rush = rng.uniform(0, 3600, 4000), rng.uniform(4000, 4004, 3000)
    bound: dict[str, Any] = {"p95_latency_s": 3.0, "n_gpus": 1}
    alone = trace_plan(tmp_path, np.r_[busy, 3600], **bound)
    both = trace_plan(tmp_path, np.r_[busy, rush, 7200], **bound)
    assert alone.replicas == 1
    assert both.replicas > 1
    assert max(h.latency_p95_s for h in both.hours) <= 3.0


def test_a_second_at_the_end_is_no_hour(tmp_path: Path) -> None:
    """A request just after the hour does not become a rate of its own."""
    trace = read_trace(traced(tmp_path, HEAD + "0,1,1\n3000,1,1\n3600.01,1,1\n"))
    (hour,) = hours_of(trace)
    assert (hour.requests, hour.duration_s) == (3, 3600.01)
