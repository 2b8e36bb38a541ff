"""All that a report tells, gathered once: points, predictions, what the runs say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joulecast.reporting.pairs import Pair, energy_pairs, time_pairs
from joulecast.reporting.points import Point, point_of
from joulecast.reporting.predictions import predictions_of
from joulecast.reporting.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.core.insight import Analysis
    from joulecast.core.records import Run
    from joulecast.reporting.predictions import Prediction


@dataclass(frozen=True, slots=True)
class LifeCycle:
    """How the energy of a network is spread over its life.

    Attributes
    ----------
    shares : of experimentation, training and inference. requests : samples that will be inferred
        over its life, ``None`` to let the shares tell.
    """

    shares: tuple[float, float, float] = (10.0, 20.0, 70.0)
    requests: float | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """What the figures and sections of a report are made from.

    Attributes
    ----------
    points : of all runs. predictions : by index of the point.
    energies, times : of the runs that were predicted as well, per sample.
    """

    points: tuple[Point, ...]
    predictions: Mapping[int, Prediction] = field(default_factory=dict)
    energies: tuple[Pair, ...] = ()
    times: tuple[Pair, ...] = ()
    analysis: Analysis | None = None
    life: LifeCycle = LifeCycle()
    level: float = 0.9
    notices: tuple[str, ...] = ()

    def of(self, *tasks: str) -> list[Point]:
        """The points of these tasks."""
        return [p for p in self.points if p.task in tasks]

    @property
    def machines(self) -> tuple[str, ...]:
        """Ids of the machines, the one with most runs first."""
        count: dict[str, int] = {}
        for p in self.points:
            count[p.machine] = count.get(p.machine, 0) + 1
        return tuple(sorted(count, key=lambda m: (-count[m], m)))


def gather(
    runs: Sequence[Run],
    analysis: Analysis | None,
    *,
    life: LifeCycle | None = None,
    level: float = 0.9,
    notices: tuple[str, ...] = (),
    progress: Callable[[str], None] | None = None,
) -> Material:
    """The material of `runs`.

    Parameters
    ----------
    progress : told what is being done.
    """
    points = tuple(map(point_of, runs))
    if progress and points:
        progress(f"predicting {counted(len(points), 'run')}")
    found, doubts = predictions_of(points, level)
    said = (*notices, *(analysis.notices if analysis else ()), *doubts)
    return Material(
        points=points,
        predictions=found,
        energies=energy_pairs(points, found),
        times=time_pairs(points, found),
        analysis=analysis,
        life=life or LifeCycle(),
        level=level,
        notices=tuple(dict.fromkeys(said)),
    )
