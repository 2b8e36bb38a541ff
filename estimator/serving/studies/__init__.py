"""Studies of the serving model: questions put to predictions of what was left out, one file each.

A study offers ``TITLE`` and ``records(...)``: one line of a table per record, words first, then
figures in percent. Training stores `rate_curve` in the card; `latency_table` asks a model of its
own, which no answer uses, and is run by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def missed(log_ratio: Array) -> dict[str, float]:
    """``n``, ``mdape``, ``p90`` and ``bias`` in percent of log(predicted / measured)."""
    percent = 100 * np.abs(np.expm1(log_ratio))
    return {
        "n": len(log_ratio),
        "mdape": float(np.median(percent)),
        "p90": float(np.quantile(percent, 0.9)),
        "bias": float(100 * np.expm1(np.median(log_ratio))),
    }
