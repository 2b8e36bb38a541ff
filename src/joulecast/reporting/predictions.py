"""What the predictor would have said of each run before it, from nothing measured by the user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from joulecast.core.errors import JoulecastError
from joulecast.reporting.points import SCOPES, Point, positive
from joulecast.reporting.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from joulecast.core.records import Scope, Setup

    Array = NDArray[np.float64]
    Answer = tuple[tuple[Array, ...], set[str]]
    Answered = Callable[[Sequence[Setup], float], Answer]

_CHUNK = 4096
_FIGURES = (
    *("energy_j", "energy_low_j", "energy_high_j"),
    *("sample_s", "sample_low_s", "sample_high_s"),
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Joules of `scope` and seconds per sample (of a server: per request), with their bounds.

    Attributes
    ----------
    fitted : the predictor was fitted on runs of the same source, maybe on this one.
    """

    scope: str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    sample_s: float | None = None
    sample_low_s: float | None = None
    sample_high_s: float | None = None
    fitted: bool = False


def predictions_of(
    points: Sequence[Point], level: float
) -> tuple[dict[int, Prediction], tuple[str, ...]]:
    """Predictions by index of the point, at `level`, and what could not be predicted."""
    runs = [i for i, p in enumerate(points) if p.task != "serve" and _answerable(p)]
    served = [i for i, p in enumerate(points) if p.task == "serve" and _servable(p)]
    found = _in_parts(points, runs, level, _runs_answered)
    found |= _in_parts(points, served, level, _bursts_answered)
    silent = len(points) - len(found)
    said = f"no prediction for {counted(silent, 'run')}: network, machine, samples or requests "
    return found, (f"{said}not known",) * bool(silent)


def scope_of(point: Point) -> Scope | None:
    """The widest scope that the point knows."""
    found = next((s for s in SCOPES if s in point.energy_j), None)
    return cast("Scope | None", found)


def _answerable(point: Point) -> bool:
    a, machine = point.run.setup.architecture, point.run.setup.machine
    known = positive(a.params) and positive(a.macs) and machine.accelerator
    return bool(known and point.batch_size > 0 and point.samples and point.sample_s)


def _servable(point: Point) -> bool:
    a, machine = point.run.setup.architecture, point.run.setup.machine
    known = positive(a.params) and a.layers and machine.gpu and point.run.setup.workload.serving
    return bool(known and scope_of(point) and point.rate_rps)


def _asked(point: Point) -> Setup:
    """The run as a question, in the scope that it knows."""
    return replace(point.run.setup, scope=scope_of(point) or "system")


def _in_parts(
    points: Sequence[Point], chosen: Sequence[int], level: float, answered: Answered
) -> dict[int, Prediction]:
    """Predictions of those of the chosen points that can be predicted."""
    found: dict[int, Prediction] = {}
    parts = [chosen[at : at + _CHUNK] for at in range(0, len(chosen), _CHUNK)]
    while parts:
        part = parts.pop()
        got = _tried(points, part, level, answered)
        if got is not None:
            found |= got
        elif len(part) > 1:  # one odd setup must not silence its neighbours
            half = len(part) // 2
            parts += [part[:half], part[half:]]
    return found


def _tried(
    points: Sequence[Point], chosen: Sequence[int], level: float, answered: Answered
) -> dict[int, Prediction] | None:
    setups = [_asked(points[i]) for i in chosen]
    try:
        columns, sources = answered(setups, level)
    except (JoulecastError, ValueError, ArithmeticError, LookupError):  # records may hold anything
        return None
    rows = zip(*(c.tolist() for c in columns), strict=True)
    return {
        i: Prediction(
            setup.scope,
            **dict(zip(_FIGURES, row, strict=False)),
            fitted=points[i].run.source in sources,
        )
        for i, setup, row in zip(chosen, setups, rows, strict=True)
        if all(positive(value) for value in row)
    }


def _runs_answered(setups: Sequence[Setup], level: float) -> Answer:
    """Joules and seconds per sample, each with its bounds, and the sources fitted on."""
    from joulecast.estimator import bundle, predictor

    known = bundle.load()
    a = predictor.answer(setups, known, level)
    energies = (a.energy_j, a.energy_low_j, a.energy_high_j)
    times = (a.sample_s, a.sample_low_s, a.sample_high_s)
    return (*energies, *times), {source for *_, source in known.known.groups}


def _bursts_answered(setups: Sequence[Setup], level: float) -> Answer:
    """Joules per request with its bounds, and the sources fitted on."""
    from joulecast.estimator.serving import bundle, predictor

    known = bundle.load()
    a = predictor.answer(setups, known, level)
    figures = (a.request_j, a.request_low_j, a.request_high_j)
    return figures, {source for *_, source in known.groups}
