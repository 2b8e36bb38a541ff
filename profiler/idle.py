"""What a machine draws when nothing runs: measured once, kept per machine, subtracted by readers.

The papers' Eq. 1-5 subtract an integral of idle power. What is stored here is the power; for how
long it is subtracted is for `Measurement.net_energy_j` to say.
"""

from __future__ import annotations

import json
import math
import re
import threading
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import BadRecord
from joulecast.core.records import is_measured
from joulecast.core.run_files import write_text
from joulecast.profiler import integrate, notices
from joulecast.profiler.session_scopes import by_scope, parts_of, sources, summed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from joulecast.core.records import Machine
    from joulecast.profiler.sampler import Sampler
    from joulecast.profiler.sampler_series import Series

SCHEMA = "joulecast.idle/1"
WITHIN = 0.02
LEAST_S = 60.0
BLOCKS = 12
BUSY_FRAC = 0.05
CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """How idle power is measured.

    Attributes
    ----------
    settle_s : seconds to wait at least; the means of their last two thirds agree within 2 %.
    patience_s : further seconds to wait for that. seconds : of measuring.
    resident : name of a model that is loaded on the device, empty for the bare machine.
    on_round : told the seconds since the start after each round.
    """

    settle_s: float = 30.0
    patience_s: float = 180.0
    seconds: float = 60.0
    resident: str = ""
    on_round: Callable[[float], None] | None = None


@dataclass(frozen=True, slots=True)
class IdleReading:
    """Idle power of one machine.

    Attributes
    ----------
    power_w, spread_w : watts by scope, mean and standard deviation of twelve blocks.
    energy_source : how each scope was got. seconds : of measuring.
    settled : whether the power had settled before. resident : the model that was loaded.
    measured_at : UTC, ISO 8601.
    """

    machine_id: str
    power_w: Mapping[str, float]
    spread_w: Mapping[str, float]
    energy_source: Mapping[str, str]
    seconds: float
    settled: bool
    resident: str = ""
    measured_at: str = ""
    notices: tuple[str, ...] = ()


def measure_idle(sampler: Sampler, machine: Machine, plan: IdlePlan | None = None) -> IdleReading:
    """Mean power by scope once it has settled.

    Parameters
    ----------
    sampler : without its thread; its rounds are driven from here.
    """
    plan = plan or IdlePlan()
    start_s, measured_at = sampler.clock.monotonic_s(), sampler.clock.utc().isoformat()
    drifting = _settle(sampler, machine, plan)
    compared = drifting is not None
    begin_s, before = sampler.clock.monotonic_s(), _loads(sampler.series)
    end_s = _rounds(sampler, begin_s + plan.seconds, plan, start_s)
    power_w = _power_w(sampler.series, machine, begin_s, end_s)
    doubts = [] if compared else [notices.settling_unknown()]
    if drifting:
        doubts.append(notices.unsettled(drifting, begin_s - start_s))
    if end_s - begin_s < LEAST_S:
        doubts.append(notices.idle_too_short(end_s - begin_s, LEAST_S))
    doubts += _of_meters(sampler.series, machine, power_w)
    return IdleReading(
        machine_id=machine.id,
        power_w=power_w,
        spread_w=_spread_w(sampler.series, machine, begin_s, end_s),
        energy_source=_sources(sampler.series, power_w),
        seconds=end_s - begin_s,
        settled=compared and not drifting,
        resident=plan.resident,
        measured_at=measured_at,
        notices=(*doubts, *_busy(sampler.series, before)),
    )


def store_idle(reading: IdleReading, folder: Path) -> Path:
    """The machine's file with `reading` in it, beside those with other models resident."""
    path = idle_path(folder, reading.machine_id)
    try:
        known = load_idle(folder, reading.machine_id)
    except BadRecord:  # nothing in it can be used; the new reading takes its place
        known = {}
    readings = {**known, reading.resident: reading}
    record = {
        "schema": SCHEMA,
        "machine": reading.machine_id,
        "readings": {label: asdict(r) for label, r in readings.items()},
    }
    write_text(json.dumps(record, allow_nan=False), path)
    return path


def load_idle(folder: Path, machine_id: str) -> dict[str, IdleReading]:
    """The machine's idle readings by resident model, the bare machine's under ``""``.

    Raises
    ------
    BadRecord
        If there is a file and it cannot be read.
    """
    path = idle_path(folder, machine_id)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise BadRecord(f"{path.name} has schema {record['schema']!r}, not {SCHEMA!r}")
        found = {label: _reading(facts) for label, facts in record["readings"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise BadRecord(f"{path.name} is no idle record: {exc!r}. Measure idle again") from exc
    return {label: r for label, r in found.items() if r.machine_id == machine_id}


def idle_path(folder: Path, machine_id: str) -> Path:
    """The file of a machine's idle power."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "_", machine_id) or "unknown"
    return folder / f"idle-{fit}.json"


def _reading(facts: Mapping[str, Any]) -> IdleReading:
    reading = IdleReading(**{**facts, "notices": tuple(facts.get("notices", ()))})
    watts = (*reading.power_w.values(), *reading.spread_w.values(), reading.seconds)
    if not all(isinstance(w, int | float) and 0 <= w < math.inf for w in watts):
        raise ValueError("it holds a power or a duration that cannot be right")
    return reading


def _settle(sampler: Sampler, machine: Machine, plan: IdlePlan) -> list[str] | None:
    """Scopes that still drifted when patience ended, ``None`` if there was nothing to compare."""
    start_s = sampler.clock.monotonic_s()
    third_s = plan.settle_s / 3
    now_s = _rounds(sampler, start_s + plan.settle_s, plan, start_s)
    while True:
        early = _power_w(sampler.series, machine, now_s - 2 * third_s, now_s - third_s)
        late = _power_w(sampler.series, machine, now_s - third_s, now_s)
        drifting = [s for s, w in late.items() if abs(w - early.get(s, 0.0)) > WITHIN * w]
        if not drifting or now_s - start_s >= plan.settle_s + plan.patience_s:
            return drifting if late else None
        now_s = _rounds(sampler, now_s + CHECK_S, plan, start_s)


def _rounds(sampler: Sampler, until_s: float, plan: IdlePlan, start_s: float) -> float:
    """The time after reading the meters, each period, until `until_s`."""
    clock, never = sampler.clock, threading.Event()
    sampler.tick()
    now_s = clock.monotonic_s()
    while now_s < until_s:
        clock.wait(never, min(sampler.period_s, until_s - now_s))
        sampler.tick()
        now_s = clock.monotonic_s()
        if plan.on_round is not None:
            plan.on_round(now_s - start_s)
    return now_s


def _power_w(
    series: Sequence[Series], machine: Machine, start_s: float, end_s: float
) -> dict[str, float]:
    """Mean watts by scope; only of what was seen to the end, for a lost meter is no idle one."""
    energies = [
        integrate.energy_between_j(s.curve(), start_s, end_s)
        if integrate.seen_s(s.curve(), start_s, end_s) >= end_s - start_s > 0
        else None
        for s in series
    ]
    meters = [s.meter for s in series]
    chosen = summed(meters, [e is not None for e in energies])
    lost = {meters[i].scope for i in chosen if energies[i] is None}
    kept = [i for i in chosen if meters[i].scope not in lost]
    sums = by_scope(((meters[i].scope, energies[i]) for i in kept), parts_of(machine, meters))
    return {scope: energy_j / (end_s - start_s) for scope, energy_j in sums.items()}


def _spread_w(
    series: Sequence[Series], machine: Machine, start_s: float, end_s: float
) -> dict[str, float]:
    """Standard deviation of the means of twelve blocks."""
    edges_s = np.linspace(start_s, end_s, BLOCKS + 1).tolist()
    blocks = [_power_w(series, machine, a, b) for a, b in pairwise(edges_s)]
    scopes = {scope for block in blocks for scope in block}
    values = {scope: [b[scope] for b in blocks if scope in b] for scope in sorted(scopes)}
    return {scope: float(np.std(watts)) for scope, watts in values.items()}


def _sources(series: Sequence[Series], power_w: Mapping[str, float]) -> dict[str, str]:
    meters = [s.meter for s in series]
    chosen = summed(meters, [s.curve().known for s in series])
    return sources([(meters[i].scope, meters[i].energy_source) for i in chosen], power_w)


def _of_meters(
    series: Sequence[Series], machine: Machine, power_w: Mapping[str, float]
) -> Iterator[str]:
    meters = [s.meter for s in series]
    for one in series:
        if not one.curve().known:
            yield notices.never_read(one.meter.name, one.failures, one.why)
    for scope, source in _sources(series, power_w).items():
        if scope != "system" and not is_measured(source):
            yield notices.modelled(scope, source)
    missing = [part for part in parts_of(machine, meters) if part not in power_w]
    if missing and power_w:
        yield notices.no_system(missing, power_w)


def _loads(series: Sequence[Series]) -> list[tuple[int, float]]:
    """Count and sum of the utilisation readings of each meter, of a device or of the CPUs."""
    loads = [s.extras.get("util_frac") or s.extras.get("cpu_load_frac") for s in series]
    return [(0, 0.0) if load is None else (load.count, load.total) for load in loads]


def _busy(series: Sequence[Series], before: list[tuple[int, float]]) -> Iterator[str]:
    """Devices that were not idle since `before`."""
    for one, old, new in zip(series, before, _loads(series), strict=True):
        count = new[0] - old[0]
        if count and (new[1] - old[1]) / count > BUSY_FRAC:
            yield notices.idle_busy(one.meter.name, (new[1] - old[1]) / count)
