"""A meter's readings become a trace: integrated, cleaned, its gaps found."""

from __future__ import annotations

import numpy as np
import pytest

from joulecast.core.errors import BadInput
from joulecast.estimator import extrapolate_readings as readings


def test_integral_by_hand() -> None:
    """Trapezoids over uneven times: 1 x 150 + 3 x 200 = 750 J."""
    found = readings.read([5.0, 6.0, 9.0], [100.0, 200.0, 200.0])
    assert found.time_s.tolist() == [0.0, 1.0, 4.0]
    assert found.energy_j.tolist() == [0.0, 150.0, 750.0]
    assert (found.window_s, found.doubt_j, found.notices) == (4.0, 0.0, ())


def test_readings_of_one_time_are_averaged() -> None:
    """Loggers that poll faster than their clock: no step back, a notice."""
    found = readings.read([0.0, 1.0, 1.0, 2.0], [100.0, 100.0, 300.0, 200.0])
    assert found.time_s.tolist() == [0.0, 1.0, 2.0]
    assert found.energy_j[-1] == pytest.approx(150 + 200)
    assert found.notices == ("1 readings with the time of the one before were averaged with it",)


def test_failed_readings_at_the_ends_keep_the_window() -> None:
    """The first and last reading failed: their times still count, at the next power."""
    found = readings.read([0.0, 1.0, 2.0, 3.0], [None, 100.0, 100.0, float("nan")])
    assert found.window_s == 3.0
    assert found.energy_j[-1] == pytest.approx(300.0)
    assert found.notices == ("2 of 4 power readings failed and were left out",)


def test_gaps_are_found_and_doubted() -> None:
    """At one reading a second 30 s are a gap of 29 s more; 4 s at 15 s steps are none."""
    time_s = [*range(100), *range(130, 200)]
    found = readings.read(time_s, [100.0] * len(time_s))
    assert found.gap.sum() == 1
    assert found.doubt_j == pytest.approx(0.3 * 31 * 100)
    assert "31 s from 99 s on" in found.notices[0]
    coarse = readings.read([0, 15, 30, 49, 60], [100.0] * 5)
    assert not coarse.gap.any()


def test_many_gaps_are_summed_up() -> None:
    """Three gaps are told one by one, the others counted."""
    time_s = np.concatenate([np.arange(20.0) + 100 * i for i in range(8)])
    found = readings.read(time_s, np.full(len(time_s), 50.0))
    assert found.gap.sum() == 7
    assert len(found.notices) == 4
    assert found.notices[-1] == "4 more gaps, filled in alike"


def test_a_clock_that_steps_back_is_refused() -> None:
    """The message names both times and the way out."""
    with pytest.raises(BadInput, match=r"from 7 to 3 s \(reading 2\).*monotonic"):
        readings.read([0.0, 7.0, 3.0], [1.0, 1.0, 1.0])
