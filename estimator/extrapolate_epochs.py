"""From the first epochs of a training to all of them.

Total = measured epochs + steady rate x epochs left. Epoch 1 stays itself; the rate comes from the
later ones, without stalls (which count once unless they recur) and from the last level if it
changed; power that still warms up is continued. `SHIPPED` was chosen on 373 public trainings from
four source folders. `benchmarks/short_runs.py` prints the figures of these constants beside those
of constants chosen without the folder they are scored on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.units import format_duration
from joulecast.estimator import extrapolate as shared
from joulecast.estimator import extrapolate_rate as rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.core.records import Estimate
    from joulecast.estimator.extrapolate import Series
    from joulecast.estimator.extrapolate_rate import Choice, Units

    Array = NDArray[np.float64]

MAX_START = 0.03
"""Most that a first epoch is taken to lack while machine and power start up, natural log."""
MIN_LEVEL = 4
"""Epochs at a changed level before it is trusted to go on."""
RARE = 50
"""Epochs to a further stall at most, where one was seen: few trainings show a second."""
SPREAD = 0.002
"""Spread of epochs expected before any was seen, natural log; it weighs as one epoch."""


@dataclass(frozen=True, slots=True)
class Widths:
    """Half widths at the 90 % level: natural log for one epoch, then in spreads for 2, 3, ..."""

    single: float
    spreads: tuple[float, ...]

    def half(self, logs: Array, level: float) -> float:
        """Half width, natural log, from the log costs of the epochs that show the spread."""
        n = len(logs)
        freedom = max(n - 1, 2)  # the expected spread weighs as one epoch
        at_level = shared.student_quantile(level, freedom) / shared.student_quantile(0.9, freedom)
        if n < 2:
            return self.single * at_level
        return self.spreads[min(n, len(self.spreads) + 1) - 2] * spread(logs) * at_level


@dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen on data.

    Attributes
    ----------
    start_s : seconds' worth of steady energy that a first epoch lacks.
    ramp_share : share of the warm-up that the first epochs suggest which is added.
    energy, duration : widths: the largest 90 % quantile of a source folder, of |log error| of the
    rest over the spread.
    """

    start_s: float
    ramp_share: float
    energy: Widths
    duration: Widths


SHIPPED = Settings(
    start_s=0.6,
    ramp_share=rates.RAMP_SHARE,
    energy=Widths(0.036, (10.5, 4.2, 2.4, 2.0, 2.0)),
    duration=Widths(0.077, (6.3, 3.5, 2.5, 2.1, 2.3)),
)


def extrapolate_epochs(
    energy_j: Series,
    duration_s: Series,
    total_epochs: int,
    *,
    level: float = 0.9,
    scope: str = "system",
) -> Estimate:
    """Energy and time of a whole training from its first epochs.

    Parameters
    ----------
    energy_j : (k,), joules of epochs 1 to k, k >= 1; ``None`` or NaN where none was read.
    duration_s : (k,), seconds of the same epochs. total_epochs : of the whole run, >= k.
    level : of the intervals, 0.5..0.995. scope : what the meter covered.

    Returns
    -------
    Estimate of the whole run, measured part included.

    Raises
    ------
    BadInput : series that differ in length or hold impossible values, a total below k.

    Examples
    --------
    >>> extrapolate_epochs([100.0, 100.0], [10.0, 10.0], 10).energy_j
    1000.0
    """
    shared.check_asked(level, scope)
    energy = shared.as_array("energy_j", energy_j)
    duration = shared.as_array("duration_s", duration_s)
    shared.check_lengths(energy_j=energy, duration_s=duration)
    shared.check_positive("duration_s", duration, "s", shared.MAX_DURATION_S)
    gone = shared.check_energy(energy, duration)
    left = shared.check_count("total_epochs", total_epochs, len(energy)) - len(energy)
    if left % 1:
        raise BadInput(f"total_epochs = {total_epochs!r} is no whole number. Give full epochs")
    units = rates.Units(np.where(gone, np.nan, energy), duration, np.ones(len(energy)))
    choice = rates.choose(units)
    amounts = whole_run(units, choice, left, level)
    return shared.record(*amounts, _remarks(units, choice, left, amounts), level=level, scope=scope)


def whole_run(
    units: Units, choice: Choice, left: float, level: float, settings: Settings = SHIPPED
) -> tuple[shared.Amount, shared.Amount]:
    """Joules and seconds: measured, and of the `left` epochs to come."""
    unit_s = rates.rate(units.duration_s, choice.base, units.size)
    half = settings.duration.half(rates.logs(units.duration_s, choice), level)
    return _energy(units, choice, left, level, settings), _amount(
        units.duration_s, unit_s, choice, left, half
    )


def _energy(
    units: Units, choice: Choice, left: float, level: float, settings: Settings
) -> shared.Amount:
    """Joules measured (gaps filled at the mean power) and to come."""
    known = ~np.isnan(units.energy_j)
    power_w = units.energy_j[known].sum() / units.duration_s[known].sum()
    filled = np.where(known, units.energy_j, power_w * units.duration_s)
    unit_j = rates.rate(units.energy_j, choice.base, units.size)
    rest_s = left * rates.rate(units.duration_s, choice.base, units.size)
    start = start_frac(units, settings)
    if choice.base[0]:
        unit_j *= math.exp(start)
    else:
        unit_j *= rates.warming(units, choice.base, rest_s, settings.ramp_share)
    half = settings.energy.half(rates.logs(units.energy_j, choice, start), level)
    half = math.hypot(half, start if choice.base[0] else 0.0)
    return _amount(filled, unit_j, choice, left, half, doubt=0.1 * float(filled[~known].sum()))


def start_frac(units: Units, settings: Settings) -> float:
    """What the first epoch's energy lacks while machine and power start up, natural log."""
    return min(settings.start_s / float(units.duration_s[0]), MAX_START)


def spread(logs: Array) -> float:
    """Spread of log costs, with the expected one as one more epoch."""
    return math.sqrt((SPREAD**2 + float(((logs - logs.mean()) ** 2).sum())) / len(logs))


def _amount(
    values: Array, unit: float, choice: Choice, left: float, half: float, doubt: float = 0.0
) -> shared.Amount:
    """Measured part and rest; a stall counts once, several go on at their pace."""
    excess = float(np.maximum(values[choice.stalled] - unit, 0.0).sum())
    at_pace = excess * left / len(values)
    recurs = choice.stalled.sum() > 1
    rest = unit * left + (at_pace if recurs else 0.0)
    more = 0.0 if recurs else min(at_pace, excess * (1 + left / RARE))
    return shared.Amount(float(values.sum()), rest, half, more, doubt)


def _remarks(
    units: Units, choice: Choice, left: float, amounts: tuple[shared.Amount, shared.Amount]
) -> shared.Remarks:
    """Doubts, steadiness and what to measure next."""
    if not left:
        return shared.Remarks(tuple(_gap_notices(units)))
    unsteady = _unsteady(units, choice)
    notices = [*_gap_notices(units), *_stall_notices(units, choice), *unsteady]
    if choice.changed_at:
        notices.append(
            f"epochs changed their cost at epoch {choice.changed_at + 1}: the later level goes on"
        )
    if choice.base[0]:
        notices.append(
            "the rate is that of the first epoch, which includes starting up: "
            "a second one narrows the interval most"
        )
    usual_s = rates.rate(units.duration_s, choice.base, units.size)
    return shared.Remarks(tuple(notices), not unsteady, _next(units, amounts[0], usual_s, unsteady))


def _gap_notices(units: Units) -> list[str]:
    gone = np.flatnonzero(np.isnan(units.energy_j)) + 1
    if not len(gone):
        return []
    listed = ", ".join(map(str, gone[:5])) + (" ..." if len(gone) > 5 else "")
    return [f"no energy was read in epoch {listed}: filled in at the mean power of the others"]


def _stall_notices(units: Units, choice: Choice) -> list[str]:
    stalls = np.flatnonzero(choice.stalled)
    if not len(stalls):
        return []
    usual_s = rates.rate(units.duration_s, choice.base, units.size)
    longest = float(units.duration_s[stalls].max()) / usual_s
    listed = ", ".join(map(str, stalls[:5] + 1)) + (" ..." if len(stalls) > 5 else "")
    how = "taken to recur at this pace" if len(stalls) > 1 else "counted once"
    return [f"epoch {listed} took up to {longest:.1f}x the usual {usual_s:.3g} s: {how}"]


def _unsteady(units: Units, choice: Choice) -> list[str]:
    """Why the epochs are not yet steady; empty if they are."""
    reasons = []
    if choice.changed_at and choice.base.sum() < MIN_LEVEL:
        reasons.append(f"the present cost per epoch was seen only {choice.base.sum()} times")
    if choice.stalled[-1]:
        reasons.append("the last epoch took far longer: a stall, or a new phase")
    for what, values in (("energy", units.energy_j), ("time", units.duration_s)):
        change = rates.drift(values, choice.base)
        if change:
            reasons.append(f"{what} per epoch still changes, by {100 * change:+.0f} % so far")
    return [f"not yet stable: {reason}" for reason in reasons]


def _next(units: Units, energy: shared.Amount, usual_s: float, unsteady: list[str]) -> str | None:
    """What to measure next, ``None`` where it would change little."""
    n = len(units.energy_j)
    if unsteady:
        return f"measure 3 epochs more (about {format_duration(3 * usual_s)})"
    half = (energy.total - energy.low) / energy.total
    if half < 0.01:
        return None
    more = 1 if n < 3 else n
    wanted = half / 2 if n == 1 else 0.7 * half
    return (
        f"measure {more} epoch{'s' if more > 1 else ''} more "
        f"(about {format_duration(more * usual_s)}): interval down to about +-{100 * wanted:.2g} %"
    )
