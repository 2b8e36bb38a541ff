"""Repeats of one workload as mean and spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Literal

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulecast.core.records import Measurement, Run

SCOPES = ("system", "gpu", "cpu", "dram")
_Figures = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean of repeats; `cv_frac` their standard deviation over it, ``None`` for a single one."""

    mean: float
    cv_frac: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What repeats agree on.

    Attributes
    ----------
    part : ``steady`` where every repeat has a steady part, else ``whole`` (start-up and
        evaluations included). energy_per_sample_j, sample_s, power_w : joules, seconds, watts.
    """

    repeats: int
    scope: str
    part: Literal["steady", "whole"]
    energy_per_sample_j: Spread
    sample_s: Spread
    power_w: Spread


def summarise(runs: Sequence[Run], scope: str | None = None) -> Summary:
    """Mean and coefficient of variation over `runs` of one workload.

    Parameters
    ----------
    scope : ``None`` for the widest that every run has.

    Raises
    ------
    BadInput : no run, or a run without energy, duration or samples in the scope.
    """
    seen = [run.measurement for run in runs]
    if not seen:
        raise BadInput("there is no run to summarise; measure at least one.")
    scopes = SCOPES if scope is None else (scope,)
    for candidate in scopes:
        for part, figures_of in (("steady", _steady), ("whole", _whole)):
            figures = [found for m in seen if (found := figures_of(m, candidate)) is not None]
            if len(figures) == len(seen):
                energies, seconds, watts = zip(*figures, strict=True)
                return Summary(
                    repeats=len(seen),
                    scope=candidate,
                    part="steady" if part == "steady" else "whole",
                    energy_per_sample_j=_spread(energies),
                    sample_s=_spread(seconds),
                    power_w=_spread(watts),
                )
    wanted = scope or "any one scope"
    raise BadInput(f"not every run has energy, duration and samples in {wanted}; measure again.")


def _steady(measurement: Measurement, scope: str) -> _Figures | None:
    """Joules per sample, seconds per sample and watts of the steady part."""
    sample_s, power_w = measurement.steady_sample_s, measurement.steady_power_w.get(scope)
    if not sample_s or power_w is None:
        return None
    return power_w * sample_s, sample_s, power_w


def _whole(measurement: Measurement, scope: str) -> _Figures | None:
    """Joules per sample, seconds per sample and watts of the whole measurement."""
    energy_j, duration_s = measurement.energy_j.get(scope), measurement.duration_s
    if energy_j is None or not duration_s or not measurement.samples:
        return None
    samples = measurement.samples
    return energy_j / samples, duration_s / samples, energy_j / duration_s


def _spread(values: Iterable[float]) -> Spread:
    """Mean and coefficient of variation."""
    figures = list(values)
    mean = fmean(figures)
    if len(figures) < 2 or mean == 0 or not math.isfinite(mean):
        return Spread(mean, None)
    return Spread(mean, stdev(figures) / abs(mean))
