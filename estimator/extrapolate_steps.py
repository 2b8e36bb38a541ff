"""From a small number of samples to all of them: inference, or the steps of one epoch.

Steps are joined to blocks of about a second, because meters refresh that slowly. Total = measured
part + steady cost per sample x samples left; warm-up and stalls are the measured part's alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.units import format_duration
from joulecast.estimator import extrapolate as shared
from joulecast.estimator import extrapolate_ramp as ramps
from joulecast.estimator import extrapolate_rate as rates
from joulecast.estimator.extrapolate_regime import standard_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.core.records import Estimate
    from joulecast.estimator.extrapolate import Series
    from joulecast.estimator.extrapolate_ramp import Ramp
    from joulecast.estimator.extrapolate_rate import Choice, Units

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MIN_BLOCK_S = 1.0
MAX_BLOCKS = 128
FEW = 12
"""Up to so many measurements are taken one by one."""
QUICK_S = 0.5
"""A measurement shorter than this may read 0 J because the counter had not moved."""
FLOOR = 0.007
"""Relative error that no short run shows."""
COLD, COLD_S = 0.06, 70.0
"""What power usually still gains after a cold start, relative, and how fast that fades: added to
the upper end where no ramp could be fitted."""
MIN_LEVEL_S = 20.0


def extrapolate_steps(
    energy_j: float | Series,
    duration_s: float | Series,
    samples: float | Series,
    total_samples: float,
    *,
    level: float = 0.9,
    scope: str = "system",
) -> Estimate:
    """Energy and time of all samples from those of the first steps.

    Parameters
    ----------
    energy_j, duration_s, samples : (k,), joules, seconds and samples of each step or chunk (not
    cumulative), in order; plain numbers for a single chunk. ``None`` where no energy was read.
    total_samples : of the whole run, measured ones included.
    level : of the intervals, 0.5..0.995. scope : what the meter covered.

    Returns
    -------
    Estimate of the whole run, measured part included.

    Raises
    ------
    BadInput : series that differ in length or hold impossible values, a total below what was done.

    Examples
    --------
    >>> extrapolate_steps(50.0, 2.0, 100, 1000).energy_j
    500.0
    """
    shared.check_asked(level, scope)
    units, done, gaps = _read(energy_j, duration_s, samples)
    left = shared.check_count("total_samples", total_samples, done) - done
    left = left if left > 1e-9 * done else 0.0
    choice = rates.choose(units)
    amounts = _energy(units, choice, left, level), _duration(units, choice, left, level)
    remarks = _remarks(units, choice, left, gaps)
    return shared.record(*amounts, remarks, level=level, scope=scope)


def _read(
    energy_j: float | Series, duration_s: float | Series, samples: float | Series
) -> tuple[Units, float, int]:
    """The measurements as blocks, the samples in them, and how many energies were not read."""
    given = {"energy_j": energy_j, "duration_s": duration_s, "samples": samples}
    series = {
        name: shared.as_array(name, [v] if v is None or isinstance(v, Real) else v)
        for name, v in given.items()
    }
    shared.check_lengths(**series)
    energy, duration, size = series.values()
    shared.check_positive("duration_s", duration, "s", shared.MAX_DURATION_S)
    shared.check_positive("samples", size, "samples", shared.MAX_COUNT)
    gone = shared.check_energy(energy, duration) & (np.isnan(energy) | (duration > QUICK_S))
    units = blocks(np.where(gone, np.nan, energy), duration, size)
    return units, float(size.sum()), int(gone.sum())


def blocks(energy_j: Array, duration_s: Array, size: Array) -> Units:
    """The measurements joined to blocks of `MIN_BLOCK_S` or more, at most `MAX_BLOCKS`.

    Parameters
    ----------
    energy_j, duration_s, size : (k,), per measurement; NaN where no energy was read. A block's
    power is that of its read part, if that is at least half of it.
    """
    n, ends = len(duration_s), np.cumsum(duration_s)
    block_s = max(MIN_BLOCK_S, float(ends[-1]) / MAX_BLOCKS)
    label = np.arange(n) if n <= FEW else np.floor((ends - duration_s / 2) / block_s)
    if n > FEW and ends[-1] % block_s < block_s / 2:
        label[label == label[-1]] = max(label[-1] - 1, 0)
    label = np.unique(label, return_inverse=True)[1]
    gone = np.isnan(energy_j)
    read_s = np.bincount(label, np.where(gone, 0.0, duration_s))
    read_j = np.bincount(label, np.where(gone, 0.0, energy_j))
    spans_s: Array = np.bincount(label, duration_s).astype(np.float64)
    sizes: Array = np.bincount(label, size).astype(np.float64)
    read = (read_s >= spans_s / 2) & (read_j > 0)
    power_w = np.full(len(spans_s), np.nan)
    power_w[read] = read_j[read] / read_s[read]
    if not read.any():
        raise BadInput("energy_j holds too few readings above 0 J. Measure for some seconds")
    return rates.Units(power_w * spans_s / sizes, spans_s / sizes, sizes)


def _energy(units: Units, choice: Choice, left: float, level: float) -> shared.Amount:
    """Joules measured (gaps filled at the mean power) and to come."""
    known = ~np.isnan(units.energy_j)
    power_w = float(np.nansum(units.energy_j * units.size)) / float(units.spans_s[known].sum())
    filled = np.where(known, units.energy_j, power_w * units.duration_s) * units.size
    settled, final = warmed(units, choice.base)
    unit_j = rates.rate(settled, choice.base, units.size)
    rest_s = left * rates.rate(units.duration_s, choice.base, units.size)
    if final is None:
        unit_j *= rates.warming(units, choice.base, rest_s)
    else:
        end_s = float(units.spans_s.sum())
        unit_j *= final.mean_w(end_s, end_s + rest_s) / final.final_w
    half = _half(settled, choice, level)
    found = _amount(filled, unit_j, units, choice, left, half)
    cold = 0.0 if final else COLD * math.exp(-float(units.spans_s.sum()) / COLD_S)
    doubt = 0.1 * float(filled[~known].sum())
    return replace(found, more=found.more + cold * found.rest, doubt=doubt)


def _duration(units: Units, choice: Choice, left: float, level: float) -> shared.Amount:
    """Seconds measured and to come."""
    unit_s = rates.rate(units.duration_s, choice.base, units.size)
    half = _half(units.duration_s, choice, level)
    return _amount(units.spans_s, unit_s, units, choice, left, half)


def _amount(
    values: Array, unit: float, units: Units, choice: Choice, left: float, half: float
) -> shared.Amount:
    """Measured part and rest; a stall counts once, several go on at their pace.

    Parameters
    ----------
    values : (n,), joules or seconds of each block. unit : the same per sample at the steady rate.
    """
    excess = float(np.maximum(values - unit * units.size, 0.0)[choice.stalled].sum())
    at_pace = excess * left / float(units.size.sum())
    recurs = choice.stalled.sum() > 1
    rest = unit * left + (at_pace if recurs else 0.0)
    return shared.Amount(float(values.sum()), rest, half, 0.0 if recurs else at_pace)


def warmed(units: Units, base: Flags) -> tuple[Array, Ramp | None]:
    """Joules per sample as they would be at the final power, and the ramp towards it.

    Without a ramp that many blocks show, the joules as they are.
    """
    known = base & ~np.isnan(units.energy_j)
    if known.sum() < FEW:
        return units.energy_j, None
    middle_s = np.cumsum(units.spans_s) - units.spans_s / 2
    power_w = units.energy_j / units.duration_s
    ramp = ramps.fit(middle_s[known], power_w[known])
    if not isinstance(ramp, ramps.Ramp) or ramp.tau_s > middle_s[-1]:
        return units.energy_j, None
    settled: Array = units.energy_j * ramp.final_w / ramp.at_w(middle_s)
    return settled, ramp


def _half(values: Array, choice: Choice, level: float) -> float:
    """Half width of the rest, natural log, from the spread of the base blocks."""
    seen = values[choice.base & ~np.isnan(values)]
    if not len(seen):
        seen = values[~np.isnan(values)]
    error, change = standard_error(seen - seen.mean(), float(seen.mean()))
    size = math.hypot(error, 0.35 * change if len(seen) > 2 else 0.0, FLOOR)
    quantile = shared.student_quantile(level, max(len(seen) - 1, 2))
    return size * (shared.normal_quantile(level) if len(seen) == 1 else quantile)


def _remarks(units: Units, choice: Choice, left: float, gaps: int) -> shared.Remarks:
    """Doubts, steadiness and what to measure next."""
    notices = []
    if gaps:
        notices.append(f"no energy was read in {gaps} measurements: filled in at the mean power")
    if not left:
        return shared.Remarks(tuple(notices))
    stalls = int(choice.stalled.sum())
    if stalls:
        how = "taken to recur at this pace" if stalls > 1 else "counted once"
        notices.append(f"{stalls} of {len(units.size)} blocks stalled: {how}")
    unsteady = _unsteady(units, choice)
    notices += [f"not yet stable: {reason}" for reason in unsteady]
    seen_s = float(units.spans_s.sum())
    if choice.base[0]:
        notices.append("a single measurement shows no spread: several chunks narrow the interval")
    advice = None
    if unsteady or seen_s < MIN_LEVEL_S:
        more_s = max(MIN_LEVEL_S, seen_s)
        advice = f"measure {shared.spoken_span(more_s)} more: interval down by about a third"
    return shared.Remarks(tuple(notices), not unsteady, advice)


def _unsteady(units: Units, choice: Choice) -> list[str]:
    """Why the steps are not yet steady; empty if they are."""
    reasons = []
    level_s = float(units.spans_s[choice.base].sum())
    if choice.changed_at and level_s < MIN_LEVEL_S:
        reasons.append(f"the present pace has lasted only {format_duration(level_s)}")
    if len(units.size) > 1 and choice.stalled[-1]:
        reasons.append("the last block took far longer: a stall, or a new phase")
    settled = warmed(units, choice.base)[0]
    for what, values in (("energy", settled), ("time", units.duration_s)):
        change = rates.drift(values, choice.base)
        if change:
            reasons.append(f"{what} per sample still changes, by {100 * change:+.0f} % so far")
    return reasons
