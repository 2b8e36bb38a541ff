"""The seven figures by which the papers compare bursts on language models (their section 6.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.units import BYTES_PER_VALUE, flops_from_macs
from joulecast.estimator.insight.correlate import LEAST, interval, spearman

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Run

__all__ = ["LEAST", "SEVEN", "Correlation", "correlations", "scope_of", "seven_of", "spearman"]

SEVEN = (
    "energy_per_sample",
    "flops",
    "model_size_to_ram",
    "parameters",
    "request_rate",
    "cache_hit_rate",
    "average_output_token_length",
)
"""In the papers' order, under the papers' names."""
_WIDEST = ("system", "gpu", "cpu")


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation of a figure with the energy per request.

    Attributes
    ----------
    rho : -1..1, ``None`` where fewer than `LEAST` bursts know the figure or it never varies.
    n : bursts that know both. low, high : of 95 %, ``None`` below 4 bursts and where
        the order is perfect.
    """

    metric: str
    rho: float | None
    n: int
    low: float | None = None
    high: float | None = None


def scope_of(runs: Sequence[Run]) -> str:
    """The widest scope whose energy all `runs` have; empty if there is none.

    >>> scope_of([])
    ''
    """
    shared = [set(run.measurement.energy_j) for run in runs]
    return next((s for s in _WIDEST if shared and all(s in one for one in shared)), "")


def seven_of(run: Run, scope: str) -> dict[str, float | None]:
    """The seven figures of one burst, ``None`` where they are not known.

    ``energy_per_sample`` in joules of `scope` per answered request; ``flops`` of the forward pass
    (Table 6 counts them for the network, not for the request); ``model_size_to_ram`` the weights'
    share of the accelerators' memory; ``request_rate`` in requests per second as sent;
    ``average_output_token_length`` in tokens.
    """
    a, w, m = run.setup.architecture, run.setup.workload, run.measurement
    burst, serving, mem_bytes = m.burst, w.serving, run.setup.machine.mem_bytes
    energy_j, params = m.energy_j.get(scope), a.params or None
    hit = burst.cache_hit_frac if burst else None
    weights = params * BYTES_PER_VALUE.get(w.precision, 2.0) if params else None
    output = burst.output_tokens if burst and burst.completed else None
    output = output / burst.completed if burst and output is not None else None
    values = (
        energy_j / m.samples if energy_j is not None and m.samples else None,
        flops_from_macs(a.macs) if a.macs else None,
        weights / mem_bytes if weights and mem_bytes else None,
        params,
        burst.offered_rps if burst else None,
        serving.cache_hit_frac if hit is None and serving else hit,
        output if output is not None or serving is None else serving.output_tokens,
    )
    return dict(zip(SEVEN, values, strict=True))


def correlations(runs: Sequence[Run], scope: str = "") -> tuple[Correlation, ...]:
    """The papers' Table 6 for `runs`: each figure against the energy per request.

    Parameters
    ----------
    scope : of the energy; empty for the widest that all have.
    """
    chosen = scope or scope_of(runs)
    rows = [seven_of(run, chosen) for run in runs]
    return tuple(_correlation(name, rows) for name in SEVEN)


def _correlation(name: str, rows: Sequence[dict[str, float | None]]) -> Correlation:
    pairs = [
        (energy_j, value)
        for row in rows
        if (energy_j := row[SEVEN[0]]) is not None and (value := row[name]) is not None
    ]
    n = len(pairs)
    if n < LEAST:
        return Correlation(name, None, n)
    rho = spearman(np.array([e for e, _ in pairs]), np.array([v for _, v in pairs]))
    if rho is None or n <= LEAST or abs(rho) == 1:
        return Correlation(name, rho, n)
    low, high = interval(rho, n)
    return Correlation(name, rho, n, low, high)
