"""The papers' seven figures, and their ranks, of bursts written by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.records import (
    Architecture,
    Device,
    Machine,
    Measurement,
    Run,
    Setup,
    Workload,
)
from joulecast.core.serving import BurstFigures, Serving
from joulecast.estimator.serving.metrics import (
    SEVEN,
    correlations,
    scope_of,
    seven_of,
    spearman,
)

H100 = Device("h100", "NVIDIA H100", "gpu", 700.0, 2022, "vendor", mem_bytes=80e9)


def burst(rate_rps: float, energy_j: float, hit: float | None = None, params: float = 8e9) -> Run:
    """A minute at `rate_rps` on two H100, 200 tokens an answer."""
    n = round(60 * rate_rps)
    figures = BurstFigures(n, n, 0, rate_rps, rate_rps, output_tokens=200.0 * n, cache_hit_frac=hit)
    serving = Serving(100, 200, rate_rps, cache_hit_frac=0.5)
    network = Architecture("llama", "text", (512,), params, 500 * params, {})
    workload = Workload(task="serve", samples=n, precision="fp8", serving=serving)
    setup = Setup(Machine("hc4", "hc4", H100, 2), network, workload)
    measured = Measurement({"gpu": energy_j, "cpu": 1.0}, 60.0, n, burst=figures)
    return Run(setup, measured, "profiler", "llama")


def test_the_seven_figures_of_a_burst() -> None:
    """8 B weights of one byte in 160 GB, 600 requests for 6 kJ."""
    figures = seven_of(burst(10.0, 6000.0, 0.3), "gpu")
    assert tuple(figures) == SEVEN
    assert figures == pytest.approx(
        {
            "energy_per_sample": 10.0,
            "flops": 2 * 500 * 8e9,
            "model_size_to_ram": 0.05,
            "parameters": 8e9,
            "request_rate": 10.0,
            "cache_hit_rate": 0.3,
            "average_output_token_length": 200.0,
        }
    )


def test_what_is_not_known_is_none_or_as_asked() -> None:
    """No energy in that scope, no memory size, no counted hit rate."""
    run = burst(10.0, 6000.0)
    bare = replace(run, setup=replace(run.setup, machine=Machine("", "")))
    figures = seven_of(bare, "system")
    assert figures["energy_per_sample"] is None
    assert figures["model_size_to_ram"] is None
    assert figures["cache_hit_rate"] == 0.5


def test_energy_falls_with_the_rate_as_in_the_papers() -> None:
    """The sign of their Table 6; what never varies has no rank."""
    runs = [burst(rate, 3000.0 + 60 * rate) for rate in (1.0, 2.0, 4.0, 8.0)]
    table = {c.metric: c for c in correlations(runs)}
    assert scope_of(runs) == "gpu"
    assert table["energy_per_sample"].rho == 1.0
    assert table["request_rate"].rho == -1.0
    assert table["parameters"].rho is None
    assert {c.n for c in table.values()} == {4}


def test_two_bursts_are_too_few_for_ranks() -> None:
    """Any two points lie on a line."""
    table = correlations([burst(1.0, 60.0), burst(2.0, 60.0)])
    assert all(c.rho is None and c.n == 2 for c in table)


def test_bounds_hold_the_rank_and_narrow_with_n() -> None:
    """Ten bursts with some noise in their order."""
    order = [3, 1, 2, 5, 4, 8, 6, 7, 10, 9]
    runs = [burst(float(r), 60.0 * r * e) for r, e in zip(range(1, 11), order, strict=True)]
    wide = {c.metric: c for c in correlations(runs[:5])}["request_rate"]
    near = {c.metric: c for c in correlations(runs)}["request_rate"]
    for one in (wide, near):
        assert one.rho is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.rho < one.high
    assert (near.high or 0) - (near.low or 0) < (wide.high or 0) - (wide.low or 0)


def test_ties_share_their_rank() -> None:
    """As scipy.stats.spearmanr has it for these numbers."""
    x, y = np.array([1.0, 2.0, 2.0, 3.0, 5.0]), np.array([2.0, 2.0, 3.0, 5.0, 4.0])
    assert spearman(x, y) == pytest.approx(0.8157894736842107)


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=20))
def test_ranks_know_order_only(values: list[int]) -> None:
    """Cubing changes nothing, negating turns the sign, and -1..1 is never left."""
    x = np.array(values, dtype=np.float64)
    y = np.arange(len(values), dtype=np.float64)
    rho = spearman(x, y)
    assert rho == spearman(x**3, y)
    if rho is not None:
        assert -1 <= rho <= 1
        assert spearman(-x, y) == pytest.approx(-rho)
