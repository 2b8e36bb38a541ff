"""From the first minutes of a power trace to the whole run.

Energy = what was read + power of the last regime x the time that is left. `extrapolate_regime`
cuts start-up and earlier phases off, takes whole periods, keeps stalls apart and continues a
warm-up; this file decides whether the regime can be trusted to go on. Its limits are choices,
checked on simulated traces (`benchmarks/traces.py`), not fits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.units import format_duration
from joulecast.estimator import extrapolate as shared
from joulecast.estimator import extrapolate_readings as readings
from joulecast.estimator.extrapolate_regime import last_regime

if TYPE_CHECKING:
    from joulecast.core.records import Estimate
    from joulecast.estimator.extrapolate import Series
    from joulecast.estimator.extrapolate_readings import Readings
    from joulecast.estimator.extrapolate_regime import Regime

MIN_REGIME_S = 45.0
MIN_FOLLOWER_S = 120.0
"""A level that follows another must last longer: its evaluation may not have come yet."""
MIN_CYCLES = 1.9
"""Periods of a repeating pattern that must agree."""
WARM_S = 180.0
"""In shorter windows chips still warm up: less is forgiven."""
MAX_DRIFT, MAX_NOISY_DRIFT = 0.03, 0.07
"""Relative change of power, seen or to come, that makes a window unsteady; more is forgiven where
noise alone would show as much, up to the second figure."""
SETTLED_SHARE = 0.4
"""A ramp must have lasted its time constant over this share."""
MAX_ERROR, MAX_ERROR_COLD = 0.055, 0.012
"""Relative standard error of the mean that still shows whether power drifts."""
FLOOR, HORIZON = 0.003, 0.0025
"""Relative error of the rest that no window shows, and its growth per e-fold of the whole run."""
COLD, COLD_S = 0.04, 120.0
"""Warm-up that a short window may hide, relative, and how fast that fades."""
FLOOR_UNSTABLE = 0.12
MAX_TIMES = 4.0
"""A drift is taken to go on for at most so many times the length in which it was seen."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a window is not yet steady, and how much longer to measure."""

    reason: str
    more_s: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """A regime, what it lets expect, and the two spans: measured and to come."""

    regime: Regime
    rest_w: float
    window_s: float
    rest_s: float

    @property
    def length_s(self) -> float:
        """Seconds that the regime has lasted."""
        return self.regime.end_s - self.regime.start_s

    @property
    def ahead_frac(self) -> float:
        """Relative change of power that is still to come."""
        return self.rest_w / (self.regime.now_w * self.regime.duty) - 1


def extrapolate_trace(
    time_s: Series,
    power_w: Series,
    total_s: float,
    *,
    level: float = 0.9,
    scope: str = "system",
) -> Estimate:
    """Energy of the whole run from the beginning of its power trace.

    Parameters
    ----------
    time_s : (n,), seconds, rising, from any origin, n >= 2. power_w : (n,), watts; ``None`` or NaN
    where a reading failed.
    total_s : seconds of the whole run, counted from the first reading.
    level : of the interval, 0.5..0.995. scope : what the meter covered.

    Returns
    -------
    Estimate of the whole run, measured part included; `stable` is false, with a notice that says
    how much longer to measure, while the window still drifts.

    Raises
    ------
    BadInput : times that step back, impossible readings, a total shorter than the trace.

    Examples
    --------
    >>> extrapolate_trace([0.0, 60.0], [100.0, 100.0], 600.0).energy_j
    60000.0
    """
    shared.check_asked(level, scope)
    trace = readings.read(time_s, power_w)
    window_s = trace.window_s
    rest_s = shared.check_count("total_s", total_s, window_s, shared.MAX_DURATION_S) - window_s
    rest_s = rest_s if rest_s > 1e-9 * window_s else 0.0
    energy, remarks = _whole(trace, rest_s, level)
    return shared.record(energy, shared.Amount(window_s, rest_s), remarks, level=level, scope=scope)


def _whole(trace: Readings, rest_s: float, level: float) -> tuple[shared.Amount, shared.Remarks]:
    """Joules read and to come, and what is to be said about them."""
    window_s, measured_j = trace.window_s, float(trace.energy_j[-1])
    if not rest_s:
        return shared.Amount(measured_j, 0.0, doubt=trace.doubt_j), shared.Remarks(trace.notices)
    regime = last_regime(trace.time_s, trace.energy_j, trace.gap)
    outlook = Outlook(regime, regime.mean_w(window_s, window_s + rest_s), window_s, rest_s)
    doubts = unsteady(outlook)
    half = half_width(outlook, level, stable=not doubts)
    energy = shared.Amount(measured_j, outlook.rest_w * rest_s, half, doubt=trace.doubt_j)
    return energy, _remarks(trace, outlook, doubts, energy)


def unsteady(outlook: Outlook) -> list[Doubt]:
    """Why the window is not yet steady; empty if it is."""
    found = (_too_short(outlook), _drifting(outlook), _unsure(outlook))
    return [doubt for doubt in found if doubt is not None]


def _too_short(outlook: Outlook) -> Doubt | None:
    """Whether too little of the present regime was seen."""
    regime = outlook.regime
    needed_s = MIN_REGIME_S
    if regime.period_s is not None:
        needed_s = MIN_CYCLES * regime.period_s
    elif regime.follows:
        needed_s = MIN_FOLLOWER_S
    needed_s = min(needed_s, (outlook.window_s + outlook.rest_s) / 4)
    if regime.end_s < outlook.window_s * (1 - 1e-9) and not regime.stretches:
        return Doubt("power fell at the end of the window", MIN_REGIME_S)
    if outlook.length_s < needed_s * (1 - 1e-9):
        lasted = format_duration(outlook.length_s)
        return Doubt(f"the present level has lasted only {lasted}", needed_s - outlook.length_s)
    return None


def _drifting(outlook: Outlook) -> Doubt | None:
    """Whether power changes within the regime, or is about to."""
    regime, length_s = outlook.regime, outlook.length_s
    if regime.ramp is not None:
        more_s = max(regime.ramp.tau_s / SETTLED_SHARE - length_s, regime.ramp.tau_s)
        if abs(outlook.ahead_frac) > MAX_DRIFT:
            change = f"{100 * outlook.ahead_frac:+.0f} %"
            return Doubt(f"power still warms up, about {change} to come", more_s)
        if regime.ramp.tau_s > SETTLED_SHARE * length_s:
            return Doubt("power still nears its final value", more_s)
    if abs(regime.drift_frac) > _allowed_drift(outlook):
        change = f"{100 * regime.drift_frac:+.0f} %"
        return Doubt(f"power drifts, by {change} in {format_duration(length_s)}", length_s)
    return None


def _allowed_drift(outlook: Outlook) -> float:
    """Change along the regime that its noise may feign; less where chips still warm up."""
    if outlook.window_s < WARM_S:
        return MAX_DRIFT * 2 / 3
    if outlook.regime.blocks < 6 or outlook.window_s < 2 * WARM_S:
        return MAX_DRIFT
    return max(MAX_DRIFT, min(5 * outlook.regime.error_frac, MAX_NOISY_DRIFT))


def _unsure(outlook: Outlook) -> Doubt | None:
    """Whether the mean of the regime is known too badly to tell."""
    regime = outlook.regime
    limit = MAX_ERROR if outlook.window_s >= WARM_S else MAX_ERROR_COLD
    if regime.error_frac > limit:
        more_s = outlook.length_s * min((regime.error_frac / limit) ** 2 - 1, 3.0)
        return Doubt(f"its mean is known only to {100 * regime.error_frac:.2g} %", more_s)
    if regime.stretches == 1 and abs(regime.duty - 1) > MAX_DRIFT:
        return Doubt("power fell once; whether that comes back is not known", outlook.length_s)
    return None


def half_width(outlook: Outlook, level: float, *, stable: bool) -> float:
    """Half width of the rest's interval, natural log."""
    regime = outlook.regime
    floor = FLOOR + HORIZON * math.log1p(outlook.rest_s / outlook.window_s)
    if stable:
        floor += COLD * math.exp(-outlook.window_s / COLD_S)
        drift = 0.35 * regime.drift_frac
    else:
        floor += FLOOR_UNSTABLE
        drift = 0.35 * regime.drift_frac * min(outlook.rest_s / outlook.length_s, MAX_TIMES)
    once = 0.6 * (regime.duty - 1) if regime.stretches == 1 else 0.0
    size = math.hypot(regime.error_frac, drift, 0.5 * outlook.ahead_frac, once, floor)
    return size * shared.student_quantile(level, max(regime.blocks - 1.0, 2.0))


def _remarks(
    trace: Readings, outlook: Outlook, doubts: list[Doubt], energy: shared.Amount
) -> shared.Remarks:
    """Notices of the trace, whether it is steady, and how much longer to measure."""
    if doubts:
        more_s = max(d.more_s for d in doubts)
        more = shared.spoken_span(min(max(more_s, 10.0), outlook.rest_s))
        why = "; ".join(d.reason for d in doubts)
        notice = f"not yet stable: {why}. Measure about {more} more"
        return shared.Remarks((*trace.notices, notice), stable=False, next_measurement=(
            f"measure about {more} more, until the window is steady"
        ))  # fmt: skip
    half = math.log(energy.high / energy.total)
    share = outlook.regime.error_frac / max(half, 1e-12)
    advice = None
    if half > 0.02 and share > 0.3:
        more = shared.spoken_span(min(outlook.length_s, outlook.rest_s))
        advice = f"measure {more} more: interval down to about +-{100 * half * 0.75:.2g} %"
    return shared.Remarks(trace.notices, stable=True, next_measurement=advice)
