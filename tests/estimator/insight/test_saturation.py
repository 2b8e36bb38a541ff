"""Knees of curves whose knee is known, and curves that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.estimator.insight.frame import frame_of
from joulecast.estimator.insight.saturation import at_one_limit, knee_of, knees
from tests.fakes.insight_runs import run


def hinge(knee: float, n: int = 40, noise_w: float = 3.0, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Utilisations and watts that rise by 300 W up to `knee` and stay."""
    draw = np.random.default_rng(seed)
    util = draw.uniform(0.1, 1.0, n)
    return util, 50 + 300 * np.minimum(util, knee) + draw.normal(0, noise_w, n)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.35, 0.8), st.integers(0, 1000))
def test_a_knee_is_found_where_it_is(knee: float, seed: int) -> None:
    """Within 4 points of utilisation and 8 W."""
    found = knee_of("m", *hinge(knee, seed=seed))
    assert found.knee_util_frac == pytest.approx(knee, abs=0.04)
    assert found.knee_power_w == pytest.approx(50 + 300 * knee, abs=8)


def test_a_straight_line_has_none() -> None:
    """In 40 noisy lines hardly one knee is told."""
    told = [knee_of("m", *hinge(2.0, noise_w=15.0, seed=s)).knee_util_frac for s in range(40)]
    assert sum(k is not None for k in told) <= 1
    assert "straight line" in knee_of("m", *hinge(2.0, noise_w=15.0)).reason


def test_falling_power_and_few_runs_have_none() -> None:
    """Each with its reason."""
    util = np.linspace(0.1, 1, 20)
    assert "does not rise" in knee_of("m", util, 300 - 100 * util).reason
    assert "needs 8 runs" in knee_of("m", util[:5], util[:5]).reason
    flat = knee_of("m", np.full(20, 0.5), util)
    assert flat.spearman is None
    assert flat.reason == "utilisation is the same in all runs"


def test_an_unknown_limit_is_one_of_its_own() -> None:
    """Most runs do not say theirs: those that were capped are left out."""
    frame = frame_of([run(f"n{i}", util=i / 40) for i in range(1, 13)])
    limits = frame.number["limit_w"]
    limits[:] = np.nan
    limits[8:] = 90.0
    assert len(at_one_limit(frame)) == 8


def test_other_power_limits_are_left_out() -> None:
    """A capped series would be a knee of its own."""
    free = [run(f"n{i}", util=i / 20, sample_j=1e-4 * (50 + 200 * i / 20)) for i in range(1, 21)]
    capped = [run(f"n{i}", util=i / 20, sample_j=1e-4 * 90, limit_w=90.0) for i in range(10, 21)]
    (found,) = knees(frame_of([*free, *capped]))
    assert (found.machine, found.n) == ("hc", 20)
    assert found.spearman == pytest.approx(1.0)
    assert found.knee_util_frac is None


def test_what_falls_or_scatters_beyond_is_no_plateau() -> None:
    """Power that falls back by half, and a mixture of two levels."""
    util = np.linspace(0.2, 0.9, 40)
    rising = 100 + 300 * np.minimum(util, 0.5)
    noise = np.random.default_rng(0).normal(0, 2, 40)
    assert knee_of("m", util, rising + noise).knee_util_frac == pytest.approx(0.5, abs=0.04)
    falling = rising - 200 * np.maximum(util - 0.5, 0)
    fell = knee_of("m", util, falling + noise)
    assert fell.knee_util_frac is None
    assert "power falls" in fell.reason
    mixed = rising + np.where(util > 0.5, np.where(np.arange(40) % 2, 30.0, -30.0), 0) + noise
    scattered = knee_of("m", util, mixed)
    assert scattered.knee_util_frac is None
    assert "scatters more than below" in scattered.reason


def test_the_power_at_a_knee_is_that_of_one_gpu() -> None:
    """Eight GPUs that stop rising at 8 x 200 W."""
    util, power_w = hinge(0.5, noise_w=1.0)
    runs = []
    for i, (u, w) in enumerate(zip(util, power_w, strict=True)):
        one = run(f"n{i}", util=float(u), sample_j=8e-4 * float(w))
        runs.append(
            replace(one, setup=replace(one.setup, machine=replace(one.setup.machine, n_gpus=8)))
        )
    (found,) = knees(frame_of(runs))
    assert found.knee_power_w == pytest.approx(200, abs=5)
