"""Figures of merit of predictions against measurements, in relative terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def absolute_percentage_error(log_measured: Array, log_predicted: Array) -> Array:
    """|predicted / measured - 1| in percent, shape (n,), from natural logarithms."""
    error: Array = 100 * np.abs(np.expm1(log_predicted - log_measured))
    return error


def summary(log_measured: Array, log_predicted: Array) -> dict[str, float]:
    """n, MdAPE, MAPE, P90 (percent) and bias (median of predicted / measured - 1, percent).

    Rows where either is NaN are left out; without any row all but `n` are NaN.
    """
    known = np.isfinite(log_measured) & np.isfinite(log_predicted)
    if not known.any():
        return {"n": 0, "mdape": np.nan, "mape": np.nan, "p90": np.nan, "bias": np.nan}
    measured, predicted = log_measured[known], log_predicted[known]
    error = absolute_percentage_error(measured, predicted)
    return {
        "n": int(known.sum()),
        "mdape": float(np.median(error)),
        "mape": float(error.mean()),
        "p90": float(np.quantile(error, 0.9)),
        "bias": float(100 * np.expm1(np.median(predicted - measured))),
    }


def coverage(log_measured: Array, log_low: Array, log_high: Array) -> float:
    """Share of measurements inside their interval, percent; NaN without any."""
    known = np.isfinite(log_measured) & np.isfinite(log_low)
    if not known.any():
        return float("nan")
    inside = (log_measured[known] >= log_low[known]) & (log_measured[known] <= log_high[known])
    return float(100 * inside.mean())
