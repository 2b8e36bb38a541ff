"""The last regime of series whose phases, pauses and patterns are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator import extrapolate_ramp as ramps
from joulecast.estimator import extrapolate_regime as regimes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.extrapolate_regime import Regime

    Array = NDArray[np.float64]

SECONDS = np.arange(0.0, 601.0)


def last(power_w: Array) -> Regime:
    """The regime of a trace of one reading a second."""
    steps = np.diff(SECONDS[: len(power_w)])
    energy = np.concatenate([[0.0], np.cumsum(steps * (power_w[1:] + power_w[:-1]) / 2)])
    return regimes.last_regime(SECONDS[: len(power_w)], energy)


def test_the_last_level_is_the_regime() -> None:
    """Two phases: the later one, its own values alone."""
    start, end, own = regimes.assemble(np.repeat([100.0, 160.0], [20, 15]))
    assert (start, end, own.sum()) == (20, 35, 15)


def test_a_stretch_between_equal_levels_is_foreign() -> None:
    """The level returns after a shorter pause: one regime with a hole."""
    start, end, own = regimes.assemble(np.repeat([160.0, 60.0, 160.0], [12, 3, 12]))
    assert (start, end) == (0, 27)
    assert own.tolist() == [True] * 12 + [False] * 3 + [True] * 12


def test_a_short_fall_at_the_end_is_a_pause() -> None:
    """The regime is the one before a fall of three blocks; a rise is a new regime."""
    assert regimes.assemble(np.repeat([160.0, 60.0], [20, 3]))[:2] == (0, 20)
    assert regimes.assemble(np.repeat([160.0, 260.0], [20, 3]))[:2] == (20, 23)


def test_a_block_across_the_change_is_left_out() -> None:
    """A mixed block between two phases belongs to neither."""
    start, _, own = regimes.assemble(np.array([100.0] * 10 + [128.0] + [160.0] * 10))
    assert start == 11
    assert own.sum() == 10


def test_whole_periods_are_taken() -> None:
    """Epochs of 40 s at 200 W and 20 s at 110 W: 170 W on average, no trend."""
    found = last(np.where(SECONDS % 60 < 40, 200.0, 110.0))
    assert found.period_s == pytest.approx(60, rel=0.02)
    assert found.mean_w(600, 6_000) == pytest.approx(170, rel=0.01)
    assert found.ramp is None


def test_a_ramp_reaches_back_to_its_start() -> None:
    """A warm-up over several levels is one ramp from start-up on."""
    found = last(np.where(SECONDS < 20, 50.0, 200 - 30 * np.exp(-(SECONDS - 20) / 80)))
    assert isinstance(found.ramp, ramps.Ramp)
    assert found.start_s < 60
    assert found.mean_w(600, 6_000) == pytest.approx(200, rel=2e-3)


def test_one_long_cycle_is_repeated() -> None:
    """200 s of work, 40 s of evaluation at 70 %, work again: that cycle goes on."""
    power = np.where((SECONDS >= 200) & (SECONDS < 240), 140.0, 200.0)[:360]
    found = last(power)
    assert found.stretches == 1
    assert found.mean_w(360, 6_000) == pytest.approx((200 * 200 + 40 * 140) / 240, rel=0.01)


def test_a_stop_is_no_cycle() -> None:
    """Work that all but stops for 40 s is a stall: it is not repeated."""
    power = np.where((SECONDS >= 200) & (SECONDS < 240), 60.0, 200.0)[:360]
    assert last(power).mean_w(360, 6_000) == pytest.approx(200, rel=0.01)


def test_standard_error_of_independent_and_slow_noise() -> None:
    """White noise: s / sqrt(n). Slow noise counts for more."""
    rng = np.random.default_rng(0)
    white = rng.normal(size=400)
    error, _ = regimes.standard_error(white, 100.0)
    assert error == pytest.approx(1 / np.sqrt(400) / 100, rel=0.2)
    slow = np.repeat(rng.normal(size=40), 10)
    assert regimes.standard_error(slow, 100.0)[0] > 2 * error


def test_drift_of_a_line() -> None:
    """A rise from 95 to 105 around 100 is 10 %."""
    assert regimes.standard_error(np.linspace(-5, 5, 21), 100.0)[1] == pytest.approx(0.1)


def test_one_and_two_values_show_no_spread() -> None:
    """A usual error is taken instead; of two, their difference is the change."""
    assert regimes.standard_error(np.zeros(1), 10.0) == (regimes.ERROR_OF_ONE, 0.0)
    error, change = regimes.standard_error(np.array([-1.0, 1.0]), 100.0)
    assert change == pytest.approx(0.02)
    assert error > 0.01
