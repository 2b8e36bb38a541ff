"""Runs beside what the predictor says of them, and how far the two agree.

A run of a source that the predictor was fitted on is in-sample: it proves little, and stands apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.reporting.points import middle, positive
from joulecast.reporting.words import counted, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.reporting.points import Point
    from joulecast.reporting.predictions import Prediction

    Figures = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Joules or seconds per sample as seen in a run and as predicted, with the interval.

    Attributes
    ----------
    fitted : in-sample: the predictor was fitted on runs of the same source.
    """

    point: Point
    seen: float
    said: float
    low: float
    high: float
    fitted: bool = False

    @property
    def inside(self) -> bool:
        """Whether the run lies in the interval of its prediction."""
        return self.low <= self.seen <= self.high


def energy_pairs(points: Sequence[Point], found: Mapping[int, Prediction]) -> tuple[Pair, ...]:
    """Runs with a sensor behind the energy of what computes; joules per sample."""

    def figures(p: Point, q: Prediction) -> Figures:
        seen = p.per_sample_j(q.scope) if p.basis == "measured" else None
        return seen, q.energy_j, q.energy_low_j, q.energy_high_j

    return _pairs(points, found, figures)


def time_pairs(points: Sequence[Point], found: Mapping[int, Prediction]) -> tuple[Pair, ...]:
    """Runs that were timed; seconds per sample."""

    def figures(p: Point, q: Prediction) -> Figures:
        return p.sample_s, q.sample_s, q.sample_low_s, q.sample_high_s

    return _pairs(points, found, figures)


def telling(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Those that the predictor was not fitted on, and those that are in-sample."""
    return [p for p in pairs if not p.fitted], [p for p in pairs if p.fitted]


def off_by(pairs: Sequence[Pair]) -> float | None:
    """Median absolute relative miss."""
    return middle(abs(p.said / p.seen - 1) for p in pairs)


def covered(pairs: Sequence[Pair]) -> int:
    """Runs inside the interval of their prediction."""
    return sum(p.inside for p in pairs)


def told(what: str, pairs: Sequence[Pair], level: float) -> str:
    """Sentences on how far `pairs` of energy or time agree, empty without any."""
    fresh, fitted = telling(pairs)
    said = []
    if fresh:
        said.append(
            f"{what.capitalize()} of {counted(len(fresh), 'run')} as predicted before any "
            f"calibration: {_agreed(fresh, level)}."
        )
    if fitted:
        said.append(
            f"{what.capitalize()} of {counted(len(fitted), 'in-sample run')} (the predictor was "
            "fitted on their sources, which flatters it: see 'joulecast accuracy'): "
            f"{_agreed(fitted, level)}."
        )
    return " ".join(said)


def uncompared(points: Sequence[Point]) -> str:
    """A sentence on predicted runs, empty without any."""
    count = sum(p.predicted for p in points)
    if not count:
        return ""
    return (
        f"{counted(count, 'predicted run')} left out: a prediction against itself proves nothing."
    )


def _agreed(pairs: Sequence[Pair], level: float) -> str:
    return (
        f"{covered(pairs):,} inside the {percent(level)} interval, "
        f"median miss {percent(off_by(pairs))}"
    )


def _pairs(
    points: Sequence[Point],
    found: Mapping[int, Prediction],
    figures: Callable[[Point, Prediction], Figures],
) -> tuple[Pair, ...]:
    pairs = []
    for i in sorted(found):
        if not points[i].predicted:
            seen, said, low, high = map(positive, figures(points[i], found[i]))
            if seen and said and low and high:
                pairs.append(Pair(points[i], seen, said, low, high, found[i].fitted))
    return tuple(pairs)
