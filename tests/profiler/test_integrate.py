"""Energies against what is known by arithmetic."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joulecast.profiler import integrate
from joulecast.profiler.integrate import counter_curve, energy_between_j, power_curve

WATTS = st.floats(0.0, 1000.0)
STEPS = st.floats(0.01, 2.0)
READINGS = st.lists(st.tuples(STEPS, WATTS), min_size=2, max_size=40)


def times(steps_s: list[float]) -> np.ndarray:
    """Moments after these steps."""
    return 10.0 + np.cumsum(steps_s)


@given(st.lists(STEPS, min_size=2, max_size=40), WATTS)
def test_constant_power_for_a_time_is_their_product(steps_s: list[float], power_w: float) -> None:
    """P for T gives P x T, whatever the intervals."""
    time_s = times(steps_s)
    curve = power_curve(time_s, np.full(len(time_s), power_w))
    duration_s = time_s[-1] - time_s[0]
    assert curve.energy_j[-1] == pytest.approx(power_w * duration_s)


def test_a_ramp_takes_measured_intervals() -> None:
    """A linear ramp is exact at uneven readings: the integral of 10 t from 0 to 7."""
    time_s = np.array([0.0, 0.5, 2.0, 2.1, 7.0])
    assert power_curve(time_s, 10 * time_s).energy_j[-1] == pytest.approx(10 * 7**2 / 2)


@given(READINGS, st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=8))
def test_windows_that_touch_add_up(readings: list[tuple[float, float]], cuts: list[float]) -> None:
    """However a stretch is cut, inside the readings or past them, the parts make the whole."""
    time_s = times([s for s, _ in readings])
    curve = power_curve(time_s, np.array([w for _, w in readings]))
    length_s = time_s[-1] - time_s[0]
    edges_s = sorted(time_s[0] + cut * length_s for cut in (-0.2, *cuts, 1.2))
    points_j = [integrate.energy_at_j(curve, edge_s) for edge_s in edges_s]
    parts_j = [later - earlier for earlier, later in pairwise(points_j)]
    whole_j = points_j[-1] - points_j[0]
    assert min(parts_j) >= -1e-9 * abs(whole_j)
    assert sum(parts_j) == pytest.approx(whole_j)
    assert energy_between_j(curve, time_s[0], time_s[-1]) == pytest.approx(curve.energy_j[-1])


@given(
    st.lists(st.tuples(st.floats(0.1, 0.5), st.floats(50.0, 200.0)), min_size=3, max_size=60),
    st.floats(0.0, 500.0),
    st.floats(500.0, 5000.0),
)
def test_a_counter_that_wraps_loses_nothing(
    readings: list[tuple[float, float]], offset_j: float, wrap_j: float
) -> None:
    """Wrapped differences are the energy, wherever it starts and however often it wraps."""
    time_s = times([s for s, _ in readings])
    total_j = offset_j + np.cumsum([s * w for s, w in readings])
    curve = counter_curve(time_s, total_j % wrap_j, wrap_j)
    assert curve.energy_j[-1] == pytest.approx(total_j[-1] - total_j[0])
    assert curve.resets == 0


def test_a_reset_is_a_gap_and_never_negative() -> None:
    """A fall without a wrap is filled at the power beside it and named."""
    time_s = np.arange(8.0)
    counter_j = np.array([500.0, 510.0, 520.0, 530.0, 4.0, 14.0, 24.0, 34.0])
    curve = counter_curve(time_s, counter_j)
    assert curve.resets == 1
    assert curve.gaps == ((3.0, 4.0),)
    assert curve.energy_j[-1] == pytest.approx(70.0)
    assert (np.diff(curve.energy_j) > 0).all()


def test_a_fall_that_no_power_explains_is_no_wrap() -> None:
    """With a wrap at 262 kJ a fall from 100 kJ to 5 J in a second would be 162 kW: a reset."""
    counter_j = np.array([1e5, 1e5 + 20, 1e5 + 40, 5.0, 25.0, 45.0])
    curve = counter_curve(np.arange(6.0), counter_j, 262_144.0)
    assert curve.resets == 1
    assert curve.energy_j[-1] == pytest.approx(100.0)


def test_a_gap_in_which_a_counter_may_have_wrapped_is_filled() -> None:
    """A hundred minutes at 100 W are two wraps and more: the power beside them, not the rest."""
    time_s = np.concatenate((np.arange(0.0, 10.0, 0.1), np.arange(6010.0, 6020.0, 0.1)))
    curve = counter_curve(time_s, (100.0 * time_s) % 262_143.3, 262_143.3)
    assert curve.energy_j[-1] == pytest.approx(100.0 * time_s[-1])
    assert curve.blind == pytest.approx(np.array([(time_s[99], time_s[100])]))


def test_a_leap_is_no_energy() -> None:
    """A megajoule in a second is filled at the power beside it; a late refresh is no leap."""
    counter_j = np.array([0.0, 20.0, 40.0, 1e6, 1e6 + 20, 1e6 + 40])
    curve = counter_curve(np.arange(6.0), counter_j)
    assert (curve.energy_j[-1], curve.resets) == (pytest.approx(100.0), 1)
    late = counter_curve(
        np.array([0.0, 1.0, 2.0, 2.001, 3.0]), 300.0 * np.arange(5.0), most_w=1200.0
    )
    assert (late.energy_j[-1], late.resets) == (pytest.approx(1200.0), 0)


def test_a_counter_that_only_falls_is_unknown() -> None:
    """Nothing beside a reset tells the power: no energy rather than a guess."""
    assert not counter_curve(np.array([0.0, 1.0]), np.array([9.0, 1.0])).known


@pytest.mark.parametrize("refresh_s", [0.1, 0.25, 0.73, 1.0])
@given(start_s=st.floats(0.0, 9.0), length_s=st.floats(0.02, 3.0), phase=st.floats(0.0, 1.0))
def test_a_stale_counter_is_interpolated(
    refresh_s: float, start_s: float, length_s: float, phase: float
) -> None:
    """A window gets its share even if it is shorter than the counter's refresh; never 0."""
    time_s = np.arange(0.0, 12.0, 0.1)
    counter_j = 100.0 * refresh_s * np.floor(time_s / refresh_s + phase)
    curve = counter_curve(time_s, counter_j)
    energy_j = energy_between_j(curve, start_s, start_s + length_s)
    assert energy_j is not None
    # The moment of a refresh is known to one period at each end, its first value not at all.
    assert energy_j > 0
    assert energy_j == pytest.approx(100.0 * length_s, abs=100.0 * 0.2, rel=0.05) or (
        start_s < 2 * refresh_s
        and energy_j == pytest.approx(100.0 * length_s, rel=0.5 + 0.1 / refresh_s)
    )


def test_the_first_value_of_a_stale_counter_is_of_unknown_age() -> None:
    """Constant power from a counter that moves once a second is that power from the start."""
    time_s = np.arange(0.35, 20.0, 0.1)
    counter_j = 50.0 * np.floor(time_s)
    curve = counter_curve(time_s, counter_j)
    whole_j = energy_between_j(curve, time_s[0], time_s[-1])
    assert whole_j == pytest.approx(50.0 * (time_s[-1] - time_s[0]), rel=0.01)


def test_a_counter_that_stands_still_counts_nothing_more() -> None:
    """Past the longest silence the curve ends where the counter moved last, and says so."""
    time_s = np.arange(0.0, 20.0, 0.5)
    counter_j = np.minimum(10.0 * time_s, 50.0)
    curve = counter_curve(time_s, counter_j)
    assert curve.energy_j[-1] == pytest.approx(50.0)
    assert curve.still_s == pytest.approx(14.5)
    never = counter_curve(time_s, np.full(len(time_s), 7.0))
    assert not never.known
    assert never.still_s == pytest.approx(19.5)


def test_a_gap_is_interpolated_and_named() -> None:
    """A silence longer than 3 s and 5 periods is bridged by the trapezoid and reported."""
    time_s = np.array([0.0, 0.1, 0.2, 10.2, 10.3])
    curve = power_curve(time_s, np.array([100.0, 100.0, 100.0, 200.0, 200.0]))
    assert curve.gaps == ((0.2, 10.2),)
    assert curve.energy_j[-1] == pytest.approx(20 + 1500 + 20)
    slow = power_curve(np.array([0.0, 2.0, 4.0, 12.0]), np.full(4, 1.0))
    assert slow.gaps == ()


def test_readings_of_a_clock_that_stepped_back_are_left_out() -> None:
    """Time only goes forward: readings before the latest do not count."""
    time_s = np.array([0.0, 1.0, 2.0, 1.5, 1.9, 3.0])
    curve = power_curve(time_s, np.array([10.0, 10.0, 10.0, 999.0, 999.0, 10.0]))
    assert curve.time_s.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert curve.energy_j[-1] == pytest.approx(30.0)


def test_nothing_is_made_up_beyond_the_readings() -> None:
    """Past the last reading the rate goes on for half a second, no further."""
    curve = power_curve(np.arange(0.0, 10.1, 0.1), np.full(101, 60.0))
    assert integrate.energy_at_j(curve, 10.1) == pytest.approx(606.0)
    assert integrate.energy_at_j(curve, 99.0) == pytest.approx(630.0)
    assert energy_between_j(curve, 50.0, 60.0) is None
    assert integrate.seen_s(curve, 0.0, 20.0) == pytest.approx(10.5)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_readings_are_no_energy(count: int) -> None:
    """One reading has no duration: the energy is unknown, not 0."""
    time_s, value = np.arange(float(count)), np.full(count, 5.0)
    for curve in (power_curve(time_s, value), counter_curve(time_s, value)):
        assert not curve.known
        assert energy_between_j(curve, 0.0, 1.0) is None


@given(READINGS, st.integers(1, 38))
def test_later_readings_do_not_change_what_is_settled(
    readings: list[tuple[float, float]], cut: int
) -> None:
    """The joules up to `settled_s` are the same with the readings to come."""
    assume(cut < len(readings))
    time_s = times([s for s, _ in readings])
    total_j = np.cumsum([round(s * w) for s, w in readings])
    before, after = (
        counter_curve(time_s[: cut + 1], total_j[: cut + 1]),
        counter_curve(time_s, total_j),
    )
    if before.known and np.isfinite(before.settled_s):
        whole_j = energy_between_j(before, before.time_s[0], before.settled_s)
        assert energy_between_j(after, before.time_s[0], before.settled_s) == pytest.approx(whole_j)


def test_peak_is_a_mean_over_a_second() -> None:
    """A counter's highest power is taken over whole seconds; a shorter curve has none."""
    time_s = np.arange(0.0, 4.01, 0.1)
    power_w = np.where((time_s >= 2.0) & (time_s <= 3.0), 300.0, 100.0)
    curve = power_curve(time_s, power_w)
    assert integrate.peak_w(curve) == pytest.approx(300.0, rel=0.05)
    assert integrate.peak_w(power_curve(time_s[:5], power_w[:5])) is None
