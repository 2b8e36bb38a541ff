"""Readings in bounded memory give the joules that all readings give."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import MeterReadError
from joulecast.profiler import integrate
from joulecast.profiler.sampler_series import GAPS_NAMED, POINTS, Series
from tests.fakes.clock import FakeClock
from tests.fakes.meters import CounterMeter, PowerMeter


def power_series(keep: int = 64) -> Series:
    """A series of a power meter."""
    return Series(PowerMeter(FakeClock(), 1.0), keep=keep)


def counter_series(wrap_j: float | None = None, keep: int = 64) -> Series:
    """A series of a counter."""
    return Series(CounterMeter(FakeClock(), 1.0, wrap_j), keep=keep)


@settings(max_examples=30)
@given(
    readings=st.lists(
        st.tuples(st.floats(0.05, 0.3), st.floats(5, 50)), min_size=200, max_size=400
    ),
    edge_at=st.sets(st.integers(1, 150), max_size=12),
    is_counter=st.booleans(),
)
def test_folding_changes_no_window(
    readings: list[tuple[float, float]], edge_at: set[int], *, is_counter: bool
) -> None:
    """Windows of a series that folds hold the joules of one that keeps everything."""
    time_s = np.cumsum([s for s, _ in readings])
    total_j = 3.0 + np.cumsum([s * w for s, w in readings])
    value = total_j % 400.0 if is_counter else np.array([w for _, w in readings])
    folding = counter_series(400.0) if is_counter else power_series()
    keeping = counter_series(400.0, 10**9) if is_counter else power_series(10**9)
    edges_s = array("d", (float(time_s[0]),))
    for index, (at_s, read) in enumerate(zip(time_s.tolist(), value.tolist(), strict=True)):
        folding.add(at_s, read)
        keeping.add(at_s, read)
        if index in edge_at:
            edges_s.append(at_s + 0.02)
        folding.settle(edges_s)
    edges_s.append(float(time_s[-1]))
    assert len(folding._time_s) < 200 <= len(keeping._time_s)
    for first, last in pairwise(range(len(edges_s))):
        expected_j = keeping.energy_j(edges_s, first, last)
        assert folding.energy_j(edges_s, first, last) == pytest.approx(expected_j, abs=1e-6)
    assert folding.power_max_w == pytest.approx(keeping.power_max_w, rel=0.2)


def test_windows_of_a_long_session_add_up() -> None:
    """A day of one-second windows: bounded memory, and the windows are the whole."""
    series, edges_s = power_series(), array("d", (0.0,))
    time_s = 0.0
    for index in range(100_000):
        time_s = index * 0.9
        series.add(time_s, 100.0 + index % 7)
        if index % 20 == 0:
            edges_s.append(time_s)
            series.settle(edges_s)
    edges_s.append(time_s)
    whole_j = series.energy_j(edges_s, 0, len(edges_s) - 1)
    parts_j = [series.energy_j(edges_s, a, b) or 0.0 for a, b in pairwise(range(len(edges_s)))]
    assert whole_j == pytest.approx(103.0 * time_s, rel=1e-4)
    assert sum(parts_j) == pytest.approx(whole_j)
    assert len(series._time_s) < 200
    assert len(series._old_s) <= POINTS
    assert series.readings == 100_000
    late_j = integrate.energy_between_j(series.curve(), 1000.0, 80_000.0)
    assert late_j == pytest.approx(103.0 * 79_000, rel=1e-3)


def test_a_counter_that_stands_still_takes_no_memory() -> None:
    """Repeated values are kept as their first and last reading."""
    series = counter_series()
    for index in range(5000):
        series.add(index * 0.1, 7.0)
    assert len(series._time_s) == 2
    assert series.readings == 5000
    assert series.curve().still_s == pytest.approx(499.9)


def test_gaps_and_resets_survive_folding() -> None:
    """What was noticed in readings that are folded away is told; of many gaps the first."""
    series, edges_s = counter_series(), array("d", (0.0,))
    total_j = time_s = 0.0
    for index in range(1000):
        time_s += 60.0 if index and index % 10 == 0 else 1.0
        total_j = 1.0 if index == 100 else total_j + 10.0
        series.add(time_s, total_j)
        series.settle(edges_s)
    assert series.resets == 1
    assert GAPS_NAMED <= len(series.gaps) <= GAPS_NAMED + 10


def test_a_reading_before_the_last_is_dropped_and_counted() -> None:
    """A clock that stepped back is counted; the same moment twice is not."""
    series = power_series()
    assert series.add(1.0, 5.0)
    assert not series.add(0.5, 5.0)
    assert not series.add(1.0, 6.0)
    assert (series.readings, series.dropped) == (1, 1)


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_reading_that_cannot_be_is_a_failure(value: float) -> None:
    """Negative or not finite: a failed reading, never part of the data."""
    series = Series(PowerMeter(FakeClock(), value))
    with pytest.raises(MeterReadError, match="fake:0 read"):
        series.reader()()


def test_period_and_noise_are_those_of_the_readings() -> None:
    """Median interval of what came, of a counter between its moves; scatter of watts."""
    power, counter = power_series(), counter_series()
    for index in range(60):
        power.add(index * 0.1, 100.0 + 10 * (-1) ** index)
        counter.add(index * 0.1, float(index // 5))
    assert power.period_s == pytest.approx(0.1)
    assert power.noise_frac == pytest.approx(0.1)
    assert power.power_max_w == 110.0
    assert counter.period_s == pytest.approx(0.5)
    assert counter.noise_frac == 0.0
