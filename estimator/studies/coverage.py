"""How often intervals held what was measured, and how wide they were, class by class.

Each interval is drawn from rows that share nothing left out with the row it is judged on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import columns as columns_of
from joulecast.estimator import metrics
from joulecast.estimator.card import LEVEL
from joulecast.estimator.predictor import EXTRAPOLATED_FROM
from joulecast.estimator.scores import QUANTITIES, half_widths

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.studies import Array, Case

    Line = dict[str, str | float]
    Rows = Mapping[str, NDArray[np.bool_]]

TITLE = "intervals: coverage and width"
CLASSES = {
    "random": "seen pair",
    "new-model": "new model",
    "new-family": "new family",
    "new-hardware": "new hardware",
    "new-pair": "new pair",
}
BY_DEVICE = ("new-hardware", "new-pair")
MIN_ROWS = 30
"""A held-out device with fewer rows is judged together with the others of its kind."""


def records(case: Case) -> Iterator[Line]:
    """Per class all rows and each population; then each device that was held out.

    `extrapolated` counts rows so far off the hull that an answer says so; `width` is the median
    factor between an answer and the end of its interval.
    """
    shown = [p for p in CLASSES if p in case.oofs]
    half = {p: half_widths(case.frame, case.oofs[p], case.answers[p], LEVEL) for p in shown}
    populations = _by_population(case)
    for protocol in shown:
        yield from _lines(case, protocol, half[protocol], populations)
    for protocol in shown:
        if protocol in BY_DEVICE:
            for quantity in QUANTITIES:
                rows = _by_device(case, protocol, quantity)
                yield from _lines(case, protocol, {quantity: half[protocol][quantity]}, rows)


def _by_population(case: Case) -> Rows:
    population = columns_of.populations(case.frame.columns)
    each = {name: population == name for name in columns_of.POPULATIONS}
    headline = {"headline": case.frame.scored}
    return {"all": np.ones(len(case.frame), dtype=bool)} | headline | each


def _by_device(case: Case, protocol: str, quantity: str) -> Rows:
    """Rows of each device with enough of them, most first, then those of all others."""
    known = np.isfinite(_miss(case, protocol, quantity))
    device = case.frame.device
    names, count = np.unique(device[known], return_counts=True)
    enough = [str(names[i]) for i in np.argsort(-count, kind="stable") if count[i] >= MIN_ROWS]
    others = {f"devices of < {MIN_ROWS} rows": ~np.isin(device, enough)}
    return {name: device == name for name in enough} | others


def _miss(case: Case, protocol: str, quantity: str) -> Array:
    miss: Array = case.frame.measured()[quantity] - case.answers[protocol][quantity]
    return miss


def _lines(case: Case, protocol: str, half: Mapping[str, Array], parts: Rows) -> Iterator[Line]:
    """One line per quantity and part that holds a measured row."""
    oof = case.oofs[protocol]
    for quantity in (q for q in QUANTITIES if q in half):
        widths = half[quantity]
        miss = _miss(case, protocol, quantity)
        known = np.isfinite(miss) & np.isfinite(widths)
        for name, part in parts.items():
            rows = known & part
            if rows.any():
                yield {
                    "left out": CLASSES[protocol],
                    "of": quantity,
                    "rows": name,
                    "n": int(rows.sum()),
                    "n_groups": len(np.unique(oof.group[rows])),
                    "extrapolated": int((oof.far[rows] > EXTRAPOLATED_FROM).sum()),
                    "coverage": metrics.coverage(miss[rows], -widths[rows], widths[rows]),
                    "width": float(np.exp(np.median(widths[rows]))),
                }
