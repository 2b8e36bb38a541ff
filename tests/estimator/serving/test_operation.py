"""Servers at a rate: Little's law, light load, saturation, and what must never rise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from joulecast.estimator.serving import bundle, predictor
from joulecast.estimator.serving.answers import Adjustment
from tests.estimator.serving.test_physics import SERVERS
from tests.fakes.serving_setups import server

if TYPE_CHECKING:
    from joulecast.core.records import Setup

SLOW_LINKS = server("qwen3-30b-a3b", "h100-pcie", n_gpus=2, prompt_tokens=300.0, output_tokens=10.0)
ADJUSTMENTS = st.builds(
    Adjustment,
    step=st.floats(-0.5, 0.5),
    prefill=st.floats(-0.5, 0.5),
    power=st.floats(-0.3, 0.3),
    idle=st.floats(-0.5, 0.5),
)


def _with(setup: Setup, **changes: Any) -> Setup:  # noqa: ANN401 (fields of Serving)
    workload = setup.workload
    assert workload.serving is not None
    serving = replace(workload.serving, **changes)
    return replace(setup, workload=replace(workload, serving=serving))


@settings(max_examples=25, deadline=None)
@given(SERVERS, ADJUSTMENTS)
def test_energy_per_request_never_rises_with_the_rate(setup: Setup, adjust: Adjustment) -> None:
    """Below saturation it falls, beyond it stays; power never falls with the rate."""
    b = bundle.load()
    top = predictor.curve(setup, b, [1.0], adjust=adjust).saturation_rps[0]
    rates = top * np.geomspace(1e-4, 3, 40)
    a = predictor.curve(setup, b, rates.tolist(), adjust=adjust)
    assert (np.diff(a.request_j) <= 1e-6 * a.request_j[:-1]).all()
    assert a.request_j[-1] == pytest.approx(a.request_j[-2])
    assert np.isinf(a.queue[-1])


@settings(max_examples=25, deadline=None)
@example(SLOW_LINKS, Adjustment(), 0.7)
@given(SERVERS, ADJUSTMENTS, st.floats(0.001, 1.5))
def test_energy_per_request_never_rises_with_the_hit_share(
    setup: Setup, adjust: Adjustment, load: float
) -> None:
    """At any rate that the server can answer uncached; beyond that by 2 % at most.

    Saturation never falls. GPUs behind slow links draw little while they exchange prompts.
    """
    b = bundle.load()
    top = predictor.curve(setup, b, [1.0], adjust=adjust).saturation_rps[0]
    asked = [
        _with(setup, rate_rps=load * top, cache_hit_frac=float(h)) for h in np.linspace(0, 1, 21)
    ]
    a = predictor.answer(asked, b, adjust=adjust)
    most_j = np.maximum.accumulate(a.request_j[::-1])[::-1]
    assert (most_j <= (1 + (1e-6 if load < 1 else 0.02)) * a.request_j).all()
    assert (np.diff(a.saturation_rps) >= -1e-9 * top).all()


@settings(max_examples=15, deadline=None)
@given(SERVERS)
def test_closed_loops_share_iterations(setup: Setup) -> None:
    """More clients: never less served, never more joules each."""
    asked = [_with(setup, concurrency=float(n)) for n in (8, 16, 32, 64, 128)]
    a = predictor.answer(asked, bundle.load())
    assert (np.diff(a.served_rps) >= -1e-9).all()
    assert (np.diff(a.request_j) <= 1e-9 * a.request_j[0]).all()


def test_littles_law_holds_at_the_fixed_point() -> None:
    """Requests in the server are rate x time in it, below saturation."""
    a = predictor.curve(server(), bundle.load(), [0.5, 5.0, 20.0])
    present = a.batch * a.busy_frac
    assert present == pytest.approx(a.served_rps * 200 * a.step_s, rel=1e-6)


def test_light_load_is_idle_between_requests() -> None:
    """At a request an hour the server draws its active idle; one request at a time."""
    a = predictor.curve(server(), bundle.load(), [1 / 3600])
    assert a.power_w[0] == pytest.approx(a.idle_w["gpu"][0], rel=0.01)
    assert a.batch[0] == pytest.approx(1, abs=0.01)
    assert a.busy_frac[0] < 0.01


def test_saturation_is_where_the_batch_is_full() -> None:
    """Just below it the batch nears its limit, beyond it the rate served stays."""
    b, setup = bundle.load(), server("llama-2-7b", "a40", "fp16", output_tokens=600.0)
    top = predictor.curve(setup, b, [1.0]).saturation_rps[0]
    a = predictor.curve(setup, b, [0.999 * top, 2 * top])
    assert a.batch[0] == pytest.approx(a.max_batch[0], rel=0.02)
    assert a.served_rps[1] == pytest.approx(top)


def test_replicas_add_up() -> None:
    """Four replicas at four times the rate do what one does, four times."""
    b = bundle.load()
    # the learners know the number of GPUs, so the physics alone is compared
    plain = replace(b, stack={n: [1.0, 0.0, 0.0] for n in b.stack})
    one, four = (
        predictor.curve(server(tensor_parallel=1, n_gpus=n), plain, [2.0 * n]) for n in (1, 4)
    )
    assert four.power_w[0] == pytest.approx(4 * one.power_w[0])
    assert four.saturation_rps[0] == pytest.approx(4 * one.saturation_rps[0])
