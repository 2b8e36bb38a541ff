"""A measured request-rate curve on an unseen GPU: zero-shot, from two bursts, and beside a rule.

Asked are joules per request and the saturation rate without being told the throughput. The rule is
0.93 x power limit / min(rate, saturation), with the measured saturation given to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.fitting import fit, shifted
from joulecast.estimator.serving.frame import frame_of
from joulecast.estimator.serving.operation import operate
from joulecast.estimator.serving.studies import missed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run

    Array = NDArray[np.float64]
    Record = dict[str, str | float]

TITLE = "A request-rate curve of an unseen GPU (joules per request, throughput not given)"
_RULE = 0.93
_MOVED = ("shift_step", "shift_busy")
_WIDTHS = np.array([0.3, 0.2])
"""Standard deviations of what the two factors may be off on an unseen GPU."""
_SURE = 0.03
"""Of a burst's rate and power."""
_PATIENT = 0.95
"""Share of the offered rate that a server below saturation answers at least."""


def records(runs: Sequence[Run], curve: Sequence[Run], seed: int = 0) -> Iterator[Record]:
    """One line per way to answer and figure, percent.

    Parameters
    ----------
    runs : to learn from; those of the curve's device are left out. curve : bursts of one server at
        several rates, one of them beyond saturation.
    """
    device = _device_id(curve[0])
    fitted = fit(frame_of([r for r in runs if _device_id(r) != device]), seed)
    c = columns_of([r.setup for r in curve])
    c = shifted(c, fitted.factors(c)["physics"])
    k = fitted.coefficients
    rps, joules, watts = _measured(curve)
    offered = c["rate_rps"]
    yield from _lines("zero-shot", operate(c, k), joules, rps)
    for pair in _pairs(offered, rps):
        moved = _after(c, k, (rps, watts), pair)
        rest = np.setdiff1d(np.arange(len(rps)), pair)
        name = " and ".join(f"{offered[i]:g}" for i in pair)
        yield from _lines(f"after {name} per second", operate(moved, k), joules, rps, rest)
    rule = _RULE * c["limit_w"] * c["count"] / np.minimum(offered, rps.max())
    yield {"answer": "rule", "asked": "energy", **missed(np.log(rule / joules))}


def _lines(
    answer: str,
    t: Mapping[str, Array],
    joules: Array,
    rps: Array,
    rows: NDArray[np.intp] | None = None,
) -> Iterator[Record]:
    asked = np.arange(len(rps)) if rows is None else rows
    told = t["gpu_w"] / t["served_rps"]
    yield {"answer": answer, "asked": "energy", **missed(np.log(told / joules)[asked])}
    most = np.array([np.log(t["saturation_rps"][0] / rps.max())])
    yield {"answer": answer, "asked": "saturation", **missed(most)}


def _pairs(offered: Array, rps: Array) -> list[NDArray[np.intp]]:
    """Each rate that was answered in full, with the highest rate."""
    full = np.flatnonzero(rps >= _PATIENT * offered)
    return [np.array([i, int(np.argmax(offered))]) for i in full]


def _after(
    c: Mapping[str, Array],
    k: Mapping[str, float],
    measured: tuple[Array, Array],
    rows: NDArray[np.intp],
) -> dict[str, Array]:
    """The columns with the factors of step and power that two bursts show, under their prior."""
    from scipy.optimize import least_squares

    rps, watts = measured
    here = {name: values[rows] for name, values in c.items()}

    def with_shifts(columns: Mapping[str, Array], by: Array) -> dict[str, Array]:
        return {**columns, **{n: columns[n] + x for n, x in zip(_MOVED, by, strict=True)}}

    def errors(by: Array) -> Array:
        t = operate(with_shifts(here, by), k)
        seen = (np.log(t["served_rps"] / rps[rows]), np.log(t["gpu_w"] / watts[rows]))
        return np.concatenate([*(miss / _SURE for miss in seen), by / _WIDTHS])

    return with_shifts(c, least_squares(errors, np.zeros(len(_MOVED)), diff_step=1e-3).x)


def _measured(curve: Sequence[Run]) -> tuple[Array, Array, Array]:
    """Answered requests per second, joules per request, watts."""
    rps, joules, watts = [], [], []
    for run in curve:
        m = run.measurement
        rps.append(m.burst.achieved_rps if m.burst else np.nan)
        joules.append(m.energy_j[run.setup.scope] / (m.samples or np.nan))
        watts.append(m.power_w[run.setup.scope])
    return np.array(rps), np.array(joules), np.array(watts)


def _device_id(run: Run) -> str:
    device = run.setup.machine.accelerator
    return device.id if device else ""
