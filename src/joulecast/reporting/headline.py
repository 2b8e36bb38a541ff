"""The three numbers that matter: energy, time, how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting.pairs import covered, off_by, telling
from joulecast.reporting.points import measured_first, middle, widest
from joulecast.reporting.words import NONE, counted, energy, percent, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.reporting.material import Material
    from joulecast.reporting.pairs import Pair
    from joulecast.reporting.points import Point


def three(material: Material) -> tuple[tuple[str, str, str], ...]:
    """Name, number and what it is of: energy, time, how sure; predicted runs only on their own."""
    points = measured_first(material.points)
    scope = material.analysis.scope if material.analysis else widest(points)
    return (_energy(points, scope), _time(points), _sure(material, points))


def _kind(points: Sequence[Point]) -> str:
    """What all energies are, empty where they differ."""
    bases = {p.basis for p in points}
    only = bases.pop() if len(bases) == 1 else ""
    return f"{only} " if only else ""


def _energy(points: Sequence[Point], scope: str) -> tuple[str, str, str]:
    known = [p for p in points if scope in p.energy_j]
    if not known:
        return "Energy", NONE, "no run knows its energy: no meter saw anything"
    text = f"{scope}, of {counted(len(known), f'{_kind(known)}run')} together"
    left = len(points) - len(known)
    if left:
        text += f"; {counted(left, 'run')} without this scope left out"
    return "Energy", energy(sum(p.energy_j[scope] for p in known)), text


def _time(points: Sequence[Point]) -> tuple[str, str, str]:
    known = [p.duration_s for p in points if p.duration_s]
    if not known:
        return "Time", NONE, "no run knows its duration"
    kind = "predicted " if all(p.predicted for p in points) else ""
    text = f"of {counted(len(known), f'{kind}run')} one after the other"
    left = len(points) - len(known)
    if left:
        text += f"; {counted(left, 'run')} without a duration left out"
    return "Time", seconds(sum(known)), text


def _sure(material: Material, points: Sequence[Point]) -> tuple[str, str, str]:
    """How far predictions were from what was seen; without that, how wide they say they are."""
    for what, pairs in (("energy", material.energies), ("time", material.times)):
        if pairs:
            return ("How sure", *_agreed(what, pairs, material.level))
    known = [q for i, q in material.predictions.items() if material.points[i].predicted]
    low = middle(q.energy_low_j / q.energy_j for q in known)
    high = middle(q.energy_high_j / q.energy_j for q in known)
    if low and high:
        text = f"of the predicted energy: the {percent(material.level)} interval of a typical one"
        if all(p.predicted for p in points):
            text += ". Nothing was run: predictions compared with themselves prove nothing"
        return "How sure", f"{low:.2g} to {high:.2g} \N{MULTIPLICATION SIGN}", text
    if any(p.basis == "measured" for p in points):
        return "How sure", "measured", "sensors stand behind the energy; no prediction to compare"
    return "How sure", NONE, "nothing was measured that a prediction could be held against"


def _agreed(what: str, pairs: Sequence[Pair], level: float) -> tuple[str, str]:
    """The median miss and what it is of; in-sample runs only where there are no others."""
    fresh, fitted = telling(pairs)
    some = fresh or fitted
    inside = f"{covered(some):,} of {len(some):,} inside {percent(level)} intervals"
    text = f"median miss of the {what} predicted before any calibration; {inside}"
    if not fresh:
        text += ". In-sample: the predictor was fitted on their sources, which flatters it"
    elif fitted:
        text += f"; {counted(len(fitted), 'in-sample run')} left out"
    if what == "time":
        text += ". The energy was not sensed"
    return f"±{percent(off_by(some))}{'' if fresh else ' in-sample'}", text
