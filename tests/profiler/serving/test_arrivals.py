"""Arrival times: what a Poisson and a constant stream must satisfy."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.arrivals import arrivals_s

Kind = Literal["poisson", "constant"]
KINDS: tuple[Kind, ...] = ("poisson", "constant")
rates = st.floats(0.05, 500.0)
durations = st.floats(0.01, 20.0)
seeds = st.integers(0, 2**32)


@given(rates, durations, st.sampled_from(KINDS), seeds)
def test_arrivals_rise_and_stay_within_the_load(
    rate: float, duration: float, kind: Kind, seed: int
) -> None:
    """Times never fall, begin at 0 or later and end before the duration does."""
    times = arrivals_s(rate, duration, kind, seed)
    assert np.all(np.diff(times) >= 0)
    assert np.all((times >= 0) & (times < duration))


@given(rates, durations)
def test_constant_arrivals_are_one_gap_apart(rate: float, duration: float) -> None:
    """The first comes at once, the others 1 / rate apart, as many as fit in."""
    times = arrivals_s(rate, duration, "constant")
    assert times[0] == 0
    assert np.allclose(np.diff(times), 1 / rate)
    assert len(times) - 1 < rate * duration <= len(times) * (1 + 1e-9)


@pytest.mark.parametrize(("rate", "duration", "count"), [(0.1, 30, 3), (200, 30, 6000), (3, 1, 3)])
def test_constant_arrivals_are_counted_exactly(rate: float, duration: float, count: int) -> None:
    """Rounding adds no request at the end."""
    assert len(arrivals_s(rate, duration, "constant")) == count


@given(rates, durations, seeds)
def test_a_longer_load_begins_as_a_shorter_one(rate: float, duration: float, seed: int) -> None:
    """With one seed the first arrivals do not depend on the duration."""
    short, long = (arrivals_s(rate, d, "poisson", seed) for d in (duration, 3 * duration))
    assert np.array_equal(short, long[: len(short)])
    assert len(long) == len(short) or long[len(short)] >= duration


@given(rates, durations, st.sampled_from(KINDS), seeds)
def test_twice_the_rate_is_the_same_load_in_half_the_time(
    rate: float, duration: float, kind: Kind, seed: int
) -> None:
    """Arrivals scale with the rate."""
    slow, fast = arrivals_s(rate, duration, kind, seed), arrivals_s(2 * rate, duration, kind, seed)
    common = min(len(slow), len(fast))
    assert np.allclose(slow[:common], 2 * fast[:common])
    assert len(fast) >= len(slow)


def test_poisson_gaps_are_exponential() -> None:
    """Mean and spread of the gaps are 1 / rate, a share of exp(-1) is longer than that."""
    gaps = np.diff(arrivals_s(50.0, 2000.0, "poisson", seed=3), prepend=0.0)
    assert len(gaps) == pytest.approx(100_000, rel=4 / math.sqrt(100_000))
    assert gaps.mean() == pytest.approx(0.02, rel=0.015)
    assert gaps.std() == pytest.approx(0.02, rel=0.015)
    assert (gaps > 0.02).mean() == pytest.approx(math.exp(-1), abs=0.006)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.015


def test_counts_of_a_second_vary_as_poisson_counts() -> None:
    """The variance of the arrivals per second is their mean."""
    times = arrivals_s(20.0, 5000.0, "poisson", seed=1)
    counts = np.bincount(times.astype(int), minlength=5000)
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.08)


def test_the_seed_decides() -> None:
    """One seed gives one load, another one another."""
    first, again, other = (arrivals_s(10, 10, "poisson", seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:5], other[:5])


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_rate_and_no_duration_is_refused(value: float) -> None:
    """The message names the value."""
    with pytest.raises(BadInput, match="rate_rps is"):
        arrivals_s(value, 1.0)
    with pytest.raises(BadInput, match="duration_s is"):
        arrivals_s(1.0, value)


def test_slips_are_refused() -> None:
    """Too many requests, an unknown kind, a negative seed."""
    with pytest.raises(BadInput, match="Send at most"):
        arrivals_s(1e6, 3600)
    with pytest.raises(BadInput, match="'bursty'"):
        arrivals_s(1.0, 1.0, "bursty")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="seed is -1"):
        arrivals_s(1.0, 1.0, seed=-1)
