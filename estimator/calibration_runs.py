"""Run records as a predictor leans on them: which count, at what rate and power, how often.

Epochs count from the second on; without two of them the steady steps, then the whole window over
its samples. Power counts where a sensor stands behind it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core import records
from joulecast.estimator.frame import SET_ASIDE
from joulecast.estimator.predictor import device_of, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from joulecast.core.records import Measurement, Run, Setup

PARTS = ("gpu", "cpu", "dram")
SCOPE_PARTS = {**{part: (part,) for part in PARTS}, "system": PARTS, "wall": PARTS}
"""Parts that a scope is made of; a wall meter sees the power supply's losses too."""
MOST = 64
"""Workloads that are looked at: those most like the one asked about."""
_CLOSE = 0.01
_LOST = "({}): a meter of {} was lost for a while; its power is out"


@dataclass(frozen=True, slots=True)
class Cell:
    """Runs of one workload on one machine, taken together.

    Attributes
    ----------
    runs : one or more. sample_s : seconds per sample.
    power_w : watts by part, or by the whole scope where no part was measured; sensors only.
    window_s : seconds of the longest window, ``None`` where a record holds one sample's figures.
    startup_s : seconds that a start costs on top of the rate.
    scatter : standard deviation of the natural logarithm of the runs' rates, 0 for a single run.
    """

    runs: tuple[Run, ...]
    sample_s: float
    power_w: Mapping[str, float]
    window_s: float | None
    startup_s: float
    scatter: float = 0.0

    @property
    def run(self) -> Run:
        """One of them."""
        return self.runs[-1]

    @property
    def n(self) -> int:
        """How many runs."""
        return len(self.runs)


def is_measured(run: Run, scope: str) -> bool:
    """Whether sensors alone stand behind a scope, and saw nearly all of the session.

    A record that tells no source of anything counts if it names its meter.
    """
    sources = run.measurement.energy_source
    known = records.is_measured(sources.get(scope, "")) if sources else bool(run.meter)
    return known and not _missed(run.measurement, scope)


def _missed(m: Measurement, scope: str) -> bool:
    """Whether a sensor of a scope, or of a part of a sum, was gone for some of the session."""
    sensors = [r for r in m.meters if records.is_measured(r.energy_source)]
    own = [r for r in sensors if r.scope == scope]
    behind = own or [r for r in sensors if r.scope in SCOPE_PARTS.get(scope, ())]
    return any(r.seen_frac is not None and r.seen_frac < records.SEEN_ENOUGH for r in behind)


def cells_of(setup: Setup, runs: Iterable[Run]) -> tuple[list[Cell], tuple[str, ...]]:
    """Runs of the asked device or model as cells, and a sentence per reason to leave some out."""
    alike: dict[tuple[object, ...], list[Run]] = {}
    left_out: dict[str, list[str]] = {}
    lost: dict[str, list[str]] = {}
    group, device = group_of(setup.architecture), device_of(setup)
    for run in runs:
        own_group, own_device = group_of(run.setup.architecture), device_of(run.setup)
        if not run.setup.architecture.name:  # a job that did not say what it ran
            continue
        if not own_device or (own_group != group and own_device != device):
            continue
        reason = _reason_against(run)
        if reason:
            left_out.setdefault(reason, []).append(run.setup.architecture.name or "a run")
        else:
            alike.setdefault(_workload_key(run.setup, own_group, own_device), []).append(run)
            for part in PARTS:
                if part in run.measurement.energy_j and _missed(run.measurement, part):
                    lost.setdefault(part, []).append(run.setup.architecture.name or "a run")
    ranked = sorted(alike, key=lambda key: _difference(key, setup, group, device))
    cells = [_cell(part) for key in ranked[:MOST] for part in _by_parts(alike[key])]
    said = [_sentence("left out ({}): {}", *item) for item in left_out.items()]
    said += [_sentence(_LOST, *item) for item in lost.items()]
    return cells, tuple(said)


def is_same_model(a: Setup, b: Setup) -> bool:
    """Whether both are of one model group."""
    return group_of(a.architecture) == group_of(b.architecture)


def _reason_against(run: Run) -> str:
    """Why a run cannot count; empty if it can."""
    if run.setup.workload.task == "serve":
        return "serving is not predicted yet"
    a, device = run.setup.architecture, run.setup.machine.accelerator
    if not (_amount(a.macs) and a.ops):
        return "the architecture was not counted"
    if not (_amount(run.setup.workload.batch_size) and device and _amount(device.tdp_w)):
        return "batch size or TDP cannot be right"
    if (device.idle_w or 0.0) >= device.tdp_w:
        return "its device draws no less when idle than it can at most"
    if any(flag in run.quality_flag for flag in SET_ASIDE):
        return "a quality flag sets it aside"
    return _reason_against_rate(run)


def _reason_against_rate(run: Run) -> str:
    """Why a run tells no steady rate; empty if it does."""
    m = run.measurement
    if run.status != "complete" and m.steady_sample_s is None and len(m.epochs) < 2:
        return "it ended before it was steady"
    if _sample_s(run) is not None:
        return ""
    if m.samples is None and (_amount(m.duration_s) or m.epochs):
        return "tell the session its samples: epoch_end(samples=...)"
    return "it has no duration per sample"


def _workload_key(s: Setup, group: str, device: str) -> tuple[object, ...]:
    """What runs of the same workload on the same machine have in common."""
    a, m, w = s.architecture, s.machine, s.workload
    placed = (m.id, m.n_gpus, m.n_cpus, m.gpu_power_limit_w, m.cpu and m.cpu.id)
    how = (str(w.input_shape), w.seq_len, w.dataset, w.precision, w.framework, w.optimiser)
    share = (w.trainable_frac, w.loader_workers)
    return (group, device, w.task, a.macs, w.batch_size, a.params, *placed, *how, *share)


def _difference(key: tuple[Any, ...], setup: Setup, group: str, device: str) -> float:
    """Rough difference of a workload and the question, to rank before anything is computed."""
    far: float = 10.0 * (key[0] != group) + 10.0 * (key[1] != device)
    far += 5.0 * (key[2] != setup.workload.task)
    far += abs(math.log(key[3] / max(setup.architecture.macs, 1.0)))
    return far + abs(math.log(key[4] / setup.workload.batch_size))


def _amount(value: float | None) -> float | None:
    """`value` if it can be an amount, else ``None``."""
    return value if value is not None and 0 < value < math.inf else None


def _sample_s(run: Run) -> float | None:
    """Steady seconds per sample; only samples that were counted tell, never those planned."""
    m = run.measurement
    shared = (_amount(m.samples) or math.nan) / max(len(m.epochs), 1)
    rates_s = [e.duration_s / (_amount(e.samples) or shared) for e in m.epochs]
    later_s = list(filter(_amount, rates_s[1:]))
    if later_s:  # what an epoch costs beside its steps belongs to every epoch
        return _median(later_s)
    if _amount(m.steady_sample_s):
        return m.steady_sample_s
    known_s = list(filter(_amount, rates_s[:1]))
    if known_s:
        return _median(known_s)
    duration_s, samples = _amount(m.duration_s), _amount(m.samples)
    return duration_s / samples if duration_s and samples else None


def _powers_w(run: Run) -> dict[str, float]:
    """Watts of the parts that sensors measured, else of the system or at the wall."""
    for scopes in (PARTS, ("system",), ("wall",)):
        known = {s: _power_w(run.measurement, s) for s in scopes if is_measured(run, s)}
        found = {s: power_w for s, power_w in known.items() if power_w is not None}
        if found:
            return found
    return {}


def _power_w(m: Measurement, scope: str) -> float | None:
    """Mean watts of a scope, steady where known."""
    if _amount(m.steady_power_w.get(scope)):
        return m.steady_power_w[scope]
    later = [e for e in m.epochs[1:] if scope in e.energy_j]
    lasted_s = _amount(sum(e.duration_s for e in later))
    if lasted_s:
        return _amount(sum(e.energy_j[scope] for e in later) / lasted_s)
    if _amount(m.power_w.get(scope)):
        return m.power_w[scope]
    energy_j, duration_s = _amount(m.energy_j.get(scope)), _amount(m.duration_s)
    return energy_j / duration_s if energy_j and duration_s else None


def _startup_s(m: Measurement, sample_s: float) -> float:
    """Seconds by which the warm-up, or the first epoch, exceeded the steady rate."""
    if m.steps is not None and m.steps.warmup_steps:
        longer_s = m.steps.warmup_s - m.steps.warmup_steps * m.steps.median_s
        return _amount(longer_s) or 0.0
    if len(m.epochs) < 2:
        return 0.0
    first = m.epochs[0]
    samples = first.samples or (m.samples or 0.0) / len(m.epochs)
    return _amount(first.duration_s - samples * sample_s) or 0.0 if samples else 0.0


def _by_parts(runs: Sequence[Run]) -> list[list[tuple[Run, dict[str, float]]]]:
    """Runs with their powers, apart by what their sensors saw."""
    found: dict[frozenset[str], list[tuple[Run, dict[str, float]]]] = {}
    for run in runs:
        power_w = _powers_w(run)
        found.setdefault(frozenset(power_w), []).append((run, power_w))
    return list(found.values())


def _cell(same: Sequence[tuple[Run, dict[str, float]]]) -> Cell:
    """Runs of one workload as one: medians, and the longest window."""
    sample_s = [_sample_s(run) or math.nan for run, _ in same]
    startup_s = [
        _startup_s(run.measurement, own) for (run, _), own in zip(same, sample_s, strict=True)
    ]
    windows_s = [_amount(run.measurement.duration_s) or 0.0 for run, _ in same if _is_window(run)]
    logs = np.log(sample_s)
    return Cell(
        runs=tuple(run for run, _ in same),
        sample_s=_middle(sample_s),
        scatter=float(np.std(logs, ddof=1)) if len(logs) > 1 else 0.0,
        power_w={s: _median([power_w[s] for _, power_w in same]) for s in same[0][1]},
        window_s=max(windows_s, default=None),
        startup_s=_median(startup_s),
    )


def _is_window(run: Run) -> bool:
    """Whether the record is of a stretch of time, not of one sample's mean."""
    m = run.measurement
    return m.duration_s is not None and (m.samples is None or m.samples > 1)


def _median(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else float(np.median(values))


def _middle(values: Sequence[float]) -> float:
    """Median; of two in the middle their geometric mean."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return low if low == high else math.sqrt(low * high)


def _sentence(pattern: str, what: str, models: list[str]) -> str:
    """What is said of how many runs, with the names of some."""
    names = ", ".join(list(dict.fromkeys(models))[:3])
    subject = "1 run" if len(models) == 1 else f"{len(models)} runs"
    return f"{subject} {pattern.format(names, what)}"


def covering(setup: Setup, runs: Iterable[Run]) -> list[Run]:
    """Complete runs of exactly the asked workload, all of it, whose scope sensors measured."""
    return [run for run in runs if _covers(run, setup)]


def _covers(run: Run, setup: Setup) -> bool:
    s, m, wanted = run.setup, run.measurement, setup.workload
    if run.status != "complete" or _reason_against(run) or not _amount(m.duration_s):
        return False
    if not is_same_model(s, setup) or not _is_close(s.architecture.macs, setup.architecture.macs):
        return False
    own = replace(
        s.workload,
        dataset=wanted.dataset,
        input_shape=wanted.input_shape,
        loader_workers=wanted.loader_workers,
    )
    processed = m.samples or 0.0
    if own != wanted or not _is_close(processed, wanted.samples * wanted.epochs):
        return False
    return _is_same_machine(s, setup) and measured_energy_j(run, setup) is not None


def _is_close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=_CLOSE)


def _is_same_machine(a: Setup, b: Setup) -> bool:
    """Whether device, number, power limit and, where both are known, processor are the same."""
    one, other = a.machine, b.machine
    processors = {m.cpu.id for m in (one, other) if m.cpu}
    sizes = [(m.n_gpus, m.gpu_power_limit_w or (m.gpu and m.gpu.tdp_w)) for m in (one, other)]
    return device_of(a) == device_of(b) and sizes[0] == sizes[1] and len(processors) < 2


def measured_energy_j(run: Run, setup: Setup) -> float | None:
    """Joules in the asked scope if sensors alone stand behind them, else ``None``."""
    m, scope = run.measurement, setup.scope
    if scope in m.energy_j and is_measured(run, scope):
        return _amount(m.energy_j[scope])
    parts = [p for p in SCOPE_PARTS[scope] if getattr(setup.machine, p) is not None]
    if scope != "system" or not all(p in m.energy_j and is_measured(run, p) for p in parts):
        return None
    return _amount(sum(m.energy_j[p] for p in parts))
