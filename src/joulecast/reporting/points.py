"""Runs as the figures of a report need them: one flat view each, with only finite numbers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from joulecast.core.records import is_measured

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from joulecast.core.records import Run
    from joulecast.core.serving import BurstFigures

PARTS = ("gpu", "cpu", "dram")
SCOPES = ("system", "wall", "gpu", "cpu", "dram")
"""The widest first."""
_MOST = 1e30
Grouped = TypeVar("Grouped")


@dataclass(frozen=True, slots=True)
class Point:
    """One run, flat.

    Attributes
    ----------
    basis : where the energy of what computes comes from: measured, modelled (or replayed: no
        sensor here and now) or predicted; ``""`` without energy.
    energy_j, power_w : by scope, what the record has and is finite.
    sample_s : seconds per sample (per request of a server). macs_param : MACs per parameter.
    setting : what tells runs of one network on one machine apart beside the batch size: precision,
        power limit, data, ...; never pooled in a curve.
    """

    run: Run
    model: str
    machine: str
    task: str
    basis: str
    batch_size: float
    energy_j: Mapping[str, float] = field(default_factory=dict)
    power_w: Mapping[str, float] = field(default_factory=dict)
    samples: float | None = None
    duration_s: float | None = None
    sample_s: float | None = None
    util_frac: float | None = None
    mem_used_bytes: float | None = None
    macs_param: float | None = None
    setting: tuple[str, ...] = ()

    @property
    def predicted(self) -> bool:
        """Whether nothing of it was measured."""
        return self.basis == "predicted"

    @property
    def burst(self) -> BurstFigures | None:
        """What the requests met, of task ``serve``."""
        return self.run.measurement.burst

    @property
    def rate_rps(self) -> float | None:
        """Requests per second, as sent where that is known."""
        serving = self.run.setup.workload.serving
        sent = positive(self.burst.offered_rps) if self.burst else None
        return sent or (positive(serving.rate_rps) if serving else None)

    @property
    def output_tokens(self) -> float | None:
        """Tokens per answer, mean."""
        burst, serving = self.burst, self.run.setup.workload.serving
        if burst is not None and burst.output_tokens and burst.completed:
            return positive(burst.output_tokens / burst.completed)
        return positive(serving.output_tokens) if serving else None

    @property
    def tdp_w(self) -> float | None:
        """Watts of all accelerators at the limit they run at."""
        machine = self.run.setup.machine
        if machine.gpu is not None:
            each = machine.gpu_power_limit_w or machine.gpu.tdp_w
            return positive(each * max(machine.n_gpus, 1))
        return positive(machine.cpu.tdp_w * max(machine.n_cpus, 1)) if machine.cpu else None

    def per_sample_j(self, scope: str) -> float | None:
        """Joules of `scope` per sample, ``None`` where either is unknown."""
        energy_j = self.energy_j.get(scope)
        return positive(energy_j / self.samples) if energy_j and self.samples else None

    def per_token_j(self, scope: str) -> float | None:
        """Joules of `scope` per output token."""
        energy_j, tokens = self.per_sample_j(scope), self.output_tokens
        return positive(energy_j / tokens) if energy_j and tokens else None


def positive(value: float | None) -> float | None:
    """`value` if it is finite and above 0, else ``None``.

    >>> positive(2.0), positive(0.0), positive(float("nan"))
    (2.0, None, None)
    """
    return value if value is not None and 0 < value < _MOST else None


def point_of(run: Run) -> Point:
    """The flat view of `run`."""
    m, w, a = run.measurement, run.setup.workload, run.setup.architecture
    duration_s, samples = positive(m.duration_s), positive(m.samples)
    energy_j = _finite(m.energy_j)
    power_w = _finite(m.power_w)
    if duration_s:
        power_w = {s: e / duration_s for s, e in energy_j.items()} | power_w
    params, macs = positive(a.params), positive(a.macs)
    return Point(
        run=run,
        model=a.name or run.model_group or "unknown",
        machine=run.hardware_id or run.setup.machine.id or "unknown",  # as the analysis has it
        task=w.task,
        basis=_basis(run, energy_j),
        batch_size=w.batch_size if math.isfinite(w.batch_size) else 0.0,
        energy_j=energy_j,
        power_w=power_w,
        samples=samples,
        duration_s=duration_s,
        sample_s=duration_s / samples if duration_s and samples else None,
        util_frac=_share(m.gpu_util_frac),
        mem_used_bytes=positive(m.gpu_mem_used_bytes),
        macs_param=macs / params if macs and params else None,
        setting=_setting(run),
    )


def _setting(run: Run) -> tuple[str, ...]:
    w, machine = run.setup.workload, run.setup.machine
    limit_w = machine.gpu_power_limit_w
    return (
        w.precision,
        w.framework,
        w.dataset,
        w.optimiser if w.task == "train" else "",
        run.where.get("variant", ""),
        "x".join(map(str, w.input_shape or ())),
        f"{w.seq_len} tokens" if w.seq_len else "",
        f"{limit_w:.0f} W" if limit_w else "",
        f"{machine.n_gpus} GPUs" if machine.n_gpus > 1 else "",
    )


def widest(points: Iterable[Point]) -> str:
    """The scope that most of the points know, the widest of equals; empty if none knows any."""
    counts = Counter(s for p in points for s in p.energy_j)
    return max(SCOPES, key=lambda s: counts[s]) if counts else ""


def by(points: Iterable[Grouped], *names: str) -> dict[tuple[Hashable, ...], list[Grouped]]:
    """Points grouped by these attributes, in the order in which the groups come."""
    groups: dict[tuple[Hashable, ...], list[Grouped]] = {}
    look = attrgetter(*names)
    for p in points:
        key = look(p)
        groups.setdefault(key if len(names) > 1 else (key,), []).append(p)
    return groups


def usual_batch(points: Sequence[Point]) -> list[Point]:
    """Per model only the points at the commonest batch size; a model without it keeps its own.

    What is predicted neither outvotes nor replaces what was run.
    """
    if not points:
        return []
    usual = _commonest(measured_first(points))
    kept: list[Point] = []
    for group in by(points, "model", "predicted").values():
        own = [p for p in group if p.batch_size == usual]
        if not own:
            theirs = _commonest(group)
            own = [p for p in group if p.batch_size == theirs]
        kept += own
    return kept


def _commonest(points: Sequence[Point]) -> float:
    return Counter(p.batch_size for p in points).most_common(1)[0][0]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Points that know an amount in one scope, and how many know energy only in others."""

    scope: str
    points: list[Point]
    left_out: int


def in_widest(
    points: Iterable[Point], amount: Callable[[Point, str], float | None] = Point.per_sample_j
) -> Chosen:
    """Those of `points` that know `amount` in the scope that most of them know."""
    known = [p for p in points if p.energy_j]
    scope = widest(known)
    kept = [p for p in known if amount(p, scope)]
    return Chosen(scope, kept, len(known) - len(kept))


def middle(values: Iterable[float | None]) -> float | None:
    """Median of what is known, ``None`` without any."""
    known = [v for v in values if v is not None]
    return median(known) if known else None


def measured_first(points: Sequence[Point]) -> list[Point]:
    """The points that somebody ran, or all where every one is predicted."""
    ran = [p for p in points if not p.predicted]
    return ran or list(points)


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {s: v for s, v in values.items() if s in SCOPES and positive(v) is not None}


def _share(value: float | None) -> float | None:
    return min(value, 1.0) if value is not None and 0 <= value < _MOST else None


def _basis(run: Run, energy_j: Mapping[str, float]) -> str:
    """Where the energy of what computes comes from."""
    sources = run.measurement.energy_source
    if run.source == "predicted" or "predicted" in sources.values():
        return "predicted"
    computes = "gpu" if run.setup.machine.gpu is not None else "cpu"
    scope = next((s for s in (computes, *SCOPES) if s in energy_j), "")
    if not scope:
        return ""
    source = sources.get(scope, "")  # a table's row is taken at its word
    return "measured" if not source or is_measured(source) else "modelled"
