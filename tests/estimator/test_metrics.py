"""Figures of merit against hand-computed ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulecast.estimator import metrics

MEASURED = np.log(np.array([100.0, 100.0, 100.0, 100.0]))
PREDICTED = np.log(np.array([110.0, 120.0, 90.0, 100.0]))


def test_summary_by_hand() -> None:
    """Errors of 10, 20, 10 and 0 percent give these figures."""
    found = metrics.summary(MEASURED, PREDICTED)
    assert found["n"] == 4
    assert found["mdape"] == pytest.approx(10)
    assert found["mape"] == pytest.approx(10)
    assert found["p90"] == pytest.approx(17)
    assert found["bias"] == pytest.approx(100 * (math.sqrt(1.1) - 1))


def test_unknown_rows_are_left_out() -> None:
    """A NaN on either side is no row."""
    measured = np.append(MEASURED, [np.nan, 1.0])
    predicted = np.append(PREDICTED, [1.0, np.nan])
    assert metrics.summary(measured, predicted) == metrics.summary(MEASURED, PREDICTED)


def test_without_rows_nothing_is_claimed() -> None:
    """No row at all is n = 0 and NaN, not an error of 0."""
    found = metrics.summary(np.array([np.nan]), np.array([0.0]))
    assert found.pop("n") == 0
    assert all(math.isnan(value) for value in found.values())
    assert math.isnan(metrics.coverage(np.array([np.nan]), np.zeros(1), np.zeros(1)))


def test_coverage_by_hand() -> None:
    """Bounds belong to the interval; rows without either side do not count."""
    measured = np.array([0.0, 1.0, 2.0, 3.0, np.nan, 0.0])
    low = np.array([0.0, 0.0, 0.0, 0.0, 0.0, np.nan])
    high = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    assert metrics.coverage(measured, low, high) == pytest.approx(50)
