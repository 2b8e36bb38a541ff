"""Ramps of known shape are found again; lines and constants are not taken for ramps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulecast.estimator import extrapolate_ramp as ramps

AT_S = np.arange(5.0, 600.0, 10.0)


@pytest.mark.parametrize("tau_s", [30.0, 65.0, 120.0])
def test_a_clean_ramp_is_found(tau_s: float) -> None:
    """200 - 20 exp(-t / tau): the final power within 0.5 W, the mean of the rest within 0.2 %."""
    found = ramps.fit(AT_S, 200 - 20 * np.exp(-AT_S / tau_s))
    assert isinstance(found, ramps.Ramp)
    assert found.final_w == pytest.approx(200, abs=0.5)
    truth = 200 - 20 * ramps.decayed(600, 6_000, tau_s)
    assert found.mean_w(600, 6_000) == pytest.approx(truth, rel=2e-3)


def test_a_ramp_in_noise_with_outliers() -> None:
    """1 % of noise and two stalled blocks: the final power within 2 %."""
    rng = np.random.default_rng(0)
    power = 200 - 25 * np.exp(-AT_S / 65) + 2 * rng.normal(size=len(AT_S))
    power[[20, 40]] = 190.0
    found = ramps.fit(AT_S, power)
    assert isinstance(found, ramps.Ramp)
    assert found.final_w == pytest.approx(200, rel=0.02)


def test_falling_power_settles_too() -> None:
    """A start above the final power gives a ramp with a negative missing part."""
    found = ramps.fit(AT_S, 200 + 20 * np.exp(-AT_S / 60))
    assert isinstance(found, ramps.Ramp)
    assert found.missing_w < 0
    assert found.final_w == pytest.approx(200, abs=0.5)


def test_a_line_is_a_line() -> None:
    """Without a bend nothing tells where power will settle."""
    rng = np.random.default_rng(1)
    found = ramps.fit(AT_S, 200 + 0.05 * AT_S + 0.5 * rng.normal(size=len(AT_S)))
    assert isinstance(found, ramps.Line)
    assert found.slope_w_per_s == pytest.approx(0.05, rel=0.1)
    assert found.at_w(np.array([300.0])) == pytest.approx([215.0], rel=0.01)


def test_noise_is_neither() -> None:
    """A constant with noise has no trend, or seldom; too few points never have."""
    rng = np.random.default_rng(2)
    found = [ramps.fit(AT_S, 200 + 3 * rng.normal(size=len(AT_S))) for _ in range(100)]
    assert sum(trend is not None for trend in found) <= 10
    assert ramps.fit(AT_S, np.full(len(AT_S), 200.0)) is None
    assert ramps.fit(AT_S[:4], np.array([1.0, 2.0, 3.0, 4.0])) is None


def test_mean_of_the_exponential_by_hand() -> None:
    """By hand: tau (exp(-a / tau) - exp(-b / tau)) / (b - a); at a point the value itself."""
    assert ramps.decayed(0, 60, 60) == pytest.approx(1 - math.exp(-1))
    assert ramps.decayed(60, 60, 60) == pytest.approx(math.exp(-1))
