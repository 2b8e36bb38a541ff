"""The fleet's runs against what the predictor alone says of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import JoulecastError
from joulecast.estimator import bundle as bundles
from joulecast.estimator import predictor
from joulecast.estimator.calibration_runs import measured_energy_j

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Run
    from joulecast.store import RunStore


@dataclass(frozen=True, slots=True)
class Beside:
    """A run's energy beside its prediction, both per `unit`.

    Attributes
    ----------
    unit : ``sample``, or of a server ``request``.
    measured_energy_j, predicted_energy_j : joules of `scope` per unit; the prediction is zero-shot,
        with its interval at the level asked for.
    is_inside : whether the measured lies in that interval.
    """

    id: str
    model: str
    hardware: str
    task: str
    started_at: str | None
    scope: str
    unit: str
    measured_energy_j: float
    predicted_energy_j: float
    predicted_energy_low_j: float
    predicted_energy_high_j: float
    is_inside: bool
    extrapolated: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """Runs beside their predictions.

    Attributes
    ----------
    inside_frac : share of the points inside their intervals, ``None`` without any.
    runs : that were looked at. left_out : without an energy that can be compared.
    """

    level: float
    points: tuple[Beside, ...]
    inside_frac: float | None
    runs: int
    left_out: int
    next_after: int | None


def beside(store: RunStore, *, level: float, **asked: Any) -> Fleet:  # noqa: ANN401 (as `find`)
    """The runs of a page of the store beside their predictions.

    Parameters
    ----------
    asked : as `RunStore.find`.
    """
    page = store.find(**asked)
    plain = [run for run in page.runs if run.setup.workload.task != "serve" and _energy_j(run)]
    servers = [run for run in page.runs if run.setup.workload.task == "serve" and _energy_j(run)]
    points = (*_samples(plain, level), *_requests(servers, level))
    inside = sum(point.is_inside for point in points) / len(points) if points else None
    left = len(page.runs) - len(points)
    return Fleet(level, points, inside, len(page.runs), left, page.next_after)


def _units(run: Run) -> float | None:
    """How many samples or requests the measured energy was for."""
    m = run.measurement
    if run.setup.workload.task == "serve":
        return m.burst.completed if m.burst else None
    return m.samples


def _energy_j(run: Run) -> float | None:
    """Measured joules per unit in the run's own scope, where there are any."""
    energy_j, units = measured_energy_j(run, run.setup), _units(run)
    if run.status != "complete" or not energy_j or not units:
        return None
    return energy_j / units


def _samples(runs: Sequence[Run], level: float) -> list[Beside]:
    try:
        with np.errstate(all="ignore"):
            a = (
                predictor.answer([run.setup for run in runs], bundles.load(), level)
                if runs
                else None
            )
    except (JoulecastError, ArithmeticError, TypeError, ValueError):
        a = None  # a record may hold what no predictor was made for: each on its own
        if len(runs) > 1:
            return [point for run in runs for point in _samples([run], level)]
    if a is None:
        return []
    bounds = zip(a.energy_j, a.energy_low_j, a.energy_high_j, a.extrapolated, strict=True)
    made = [
        _point(run, tuple(map(float, figures))) for run, figures in zip(runs, bounds, strict=True)
    ]
    return [point for point in made if point is not None]


def _requests(runs: Sequence[Run], level: float) -> list[Beside]:
    from joulecast.estimator.serving import bundle as serving_bundles
    from joulecast.estimator.serving import predictor as serving

    out: list[Beside] = []
    for run in runs:
        try:
            with np.errstate(all="ignore"):
                a = serving.answer([run.setup], serving_bundles.load(), level)
        except (JoulecastError, ArithmeticError, TypeError, ValueError):
            continue
        figures = (a.request_j, a.request_low_j, a.request_high_j, a.extrapolated)
        point = _point(run, tuple(float(column[0]) for column in figures))
        out += [point] if point is not None else []
    return out


def _point(run: Run, figures: tuple[float, ...]) -> Beside | None:
    """One run beside its figures, if they are figures."""
    energy_j, low_j, high_j, extrapolated = figures
    measured = _energy_j(run)
    if measured is None or not all(map(math.isfinite, (energy_j, low_j, high_j, measured))):
        return None
    setup = run.setup
    return Beside(
        id=run.id,
        model=setup.architecture.name,
        hardware=setup.machine.id,
        task=setup.workload.task,
        started_at=run.started_at,
        scope=setup.scope,
        unit="request" if setup.workload.task == "serve" else "sample",
        measured_energy_j=measured,
        predicted_energy_j=energy_j,
        predicted_energy_low_j=low_j,
        predicted_energy_high_j=high_j,
        is_inside=low_j <= measured <= high_j,
        extrapolated=bool(extrapolated),
    )
