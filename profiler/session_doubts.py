"""Which notices a session's figures deserve."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from joulecast.core.records import SEEN_ENOUGH, is_measured
from joulecast.profiler import integrate, notices
from joulecast.profiler.session_scopes import PARTS, is_sensed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from joulecast.profiler.sampler_series import Series
    from joulecast.profiler.session_record import View

DISAGREE = 0.1
CROSS_CHECK_S = 30.0
EARLY_S = 5.0
_AVERAGE = re.compile(r"average over (\d+(?:\.\d+)?) s\b|^(\d+(?:\.\d+)?) s average")


def doubts(view: View, idle_w: Mapping[str, float], *, ended: bool) -> list[str]:
    """All doubts about what the meters saw.

    Parameters
    ----------
    idle_w : watts by scope of the idle machine. ended : whether no more readings will come.
    """
    # A meter may be late with its first readings: a running session has time to wait for them.
    if not ended and view.duration_s < EARLY_S:
        return list(_of_scopes(view))
    found = [d for index in range(len(view.series)) for d in _of_meter(view, index)]
    found += _of_scopes(view)
    found += _of_incomplete(view)
    found += _of_pairs(view)
    if view.scopes_j() and not idle_w:
        found.append(notices.idle_unknown())
    return found


def _of_meter(view: View, index: int) -> Iterator[str]:
    series, name = view.series[index], view.series[index].meter.name
    yield from _of_readings(series)
    if view.energy_j[index] is None:
        yield notices.never_read(name, series.failures, series.why)
        return
    if series.gaps:
        yield notices.gap(name, series.gaps, view.start_s)
    curve = series.curve()
    seen_s = integrate.seen_s(curve, view.start_s, view.end_s)
    if curve.still_s:
        yield notices.stood_still(name, curve.still_s)
    elif seen_s < SEEN_ENOUGH * view.duration_s:
        yield notices.lower_bound(name, view.duration_s - seen_s, view.duration_s)
    yield from _of_length(view, series)
    throttled = series.extras.get("throttled")
    if throttled is not None and throttled.mean > 0:
        yield notices.throttled(name, throttled.mean)


def _of_readings(series: Series) -> Iterator[str]:
    name = series.meter.name
    if series.failures and series.readings:
        yield notices.failed_readings(name, series.failures, series.readings, series.why)
    if series.resets:
        yield notices.counter_reset(name, series.resets)
    if series.dropped:
        yield notices.clock_stepped_back(name, series.dropped)


def _of_length(view: View, series: Series) -> Iterator[str]:
    """Whether session and windows are long enough for the meter."""
    period_s = series.period_s
    if period_s is None or not is_sensed(series.meter.energy_source):
        return
    needed_s = notices.min_duration_s(period_s, series.noise_frac)
    if view.duration_s < needed_s:
        yield notices.too_short(series.meter.name, view.duration_s, needed_s)
    stretches = (*view.book.windows, *view.book.epochs)
    lengths_s = [view.edges_s[s.last] - view.edges_s[s.first] for s in stretches]
    window_s = _averaged_s(series)
    long_s = window_s * notices.AVERAGES
    few = sum(length_s < long_s for length_s in (view.duration_s, *lengths_s))
    if few:
        yield notices.averaged(series.meter.name, window_s, few)
    short = sum(length_s < period_s for length_s in lengths_s)
    if short and series.is_slow:
        yield notices.short_windows(series.meter.name, short, period_s)


def _averaged_s(series: Series) -> float:
    """Seconds over which the readings of a power meter are averages; 0 if it tells the moment."""
    found = _AVERAGE.search(series.meter.facts.get("power_window", ""))
    if found is None or series.kind != "power_w":
        return 0.0
    return float(found[1] or found[2])


def _of_scopes(view: View) -> Iterator[str]:
    seen = view.scopes_j()
    for scope, source in view.sources().items():
        if scope != "system" and not is_measured(source):
            yield notices.modelled(scope, source)
    missing = [part for part in view.parts if part not in seen]
    parts_seen = [part for part in PARTS if part in seen]
    if missing and parts_seen:
        yield notices.no_system(missing, parts_seen)


def _of_incomplete(view: View) -> Iterator[str]:
    """Scopes of which one device gave energy and another none."""
    lacking: dict[str, list[str]] = {}
    for index in view.chosen:
        meter = view.series[index].meter
        if view.energy_j[index] is None:
            lacking.setdefault(meter.scope, []).append(meter.name)
    for scope, names in lacking.items():
        if scope in view.scopes_j():
            yield notices.incomplete_scope(scope, names)


def _of_pairs(view: View) -> Iterator[str]:
    """Two views of one device that differ: a counter and its polled power, or two meters."""
    if view.duration_s < CROSS_CHECK_S:
        return
    power_w = [None if e is None else e / view.duration_s for e in view.energy_j]
    for index, series in enumerate(view.series):
        seen_w, polled = power_w[index], series.extras.get("power_w")
        if seen_w is None:
            continue
        name = series.meter.name
        if polled is not None and _differ(seen_w, polled.mean):
            yield notices.meters_disagree(name, seen_w, f"{name} (polled)", polled.mean)
        other = None if index in view.chosen else _twin(view, index)
        other_w = None if other is None else power_w[other]
        if other is not None and other_w is not None and _differ(other_w, seen_w):
            yield notices.meters_disagree(view.series[other].meter.name, other_w, name, seen_w)


def _twin(view: View, index: int) -> int | None:
    """The meter that counts in place of this one: same device, same scope."""
    meter = view.series[index].meter
    uuid = meter.facts.get("uuid")
    same = (
        i
        for i in view.chosen
        if uuid
        and view.series[i].meter.scope == meter.scope
        and view.series[i].meter.facts.get("uuid") == uuid
    )
    return next(same, None)


def _differ(one: float, other: float) -> bool:
    return abs(one - other) > DISAGREE * max(one, other)
