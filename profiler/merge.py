"""Records of one job's processes as one run: each node's energy once, each rank's samples.

The leader of a node metered all of it; the other ranks kept time. Records of one node that overlap
hold each other's energy and are never added up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulecast.profiler import notices
from joulecast.profiler.merge_doubts import apart, missing_ranks, without_lost_gpus
from joulecast.profiler.merge_launches import (
    RUNNING_LAST,
    distinct,
    launches,
    node_of,
    noted,
    overlap,
    progress,
    rank_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from joulecast.core.records import Machine, Measurement, Run, Window


@dataclass(frozen=True, slots=True)
class Merged:
    """Runs after merging.

    Attributes
    ----------
    runs : one per launch. doubts : what merging found doubtful, ``<run id>: <sentence>`` each;
        the sentences stand among the notices of the runs too.
    """

    runs: tuple[Run, ...]
    doubts: tuple[str, ...] = ()


def merge(runs: Iterable[Run]) -> Merged:
    """One run per launch of a job and the runs without a job, in the order of their first records.

    A record that is there twice counts once. Runs that were metered on one node at the same time
    keep their figures and get a notice.
    """
    records = list(runs)
    known = {text for run in records for text in run.measurement.notices}
    single = distinct(records)
    by_node: dict[str, list[Run]] = {}
    for run in single:
        if run.measurement.meters and node_of(run):
            by_node.setdefault(node_of(run), []).append(run)
    done = [noted(_merged(launch), _met(launch, by_node)) for launch in launches(single)]
    doubts = [
        f"{run.id}: {text}" for run in done for text in run.measurement.notices if text not in known
    ]
    return Merged(tuple(done), tuple(doubts))


def merge_runs(runs: Iterable[Run]) -> list[Run]:
    """The runs of `merge`."""
    return list(merge(runs).runs)


def _met(launch: Sequence[Run], by_node: Mapping[str, Sequence[Run]]) -> list[str]:
    """Notice of other runs that were metered on a node of these at the same time."""
    ids = {run.id for run in launch}
    met = {
        other.id
        for run in launch
        if run.measurement.meters
        for other in by_node.get(node_of(run), ())
        if other.id not in ids and overlap(run, other)
    }
    return [notices.same_node(met)] if met else []


def _merged(members: Sequence[Run]) -> Run:
    """One run of the records of one launch; a lone record stays as it is."""
    ranked, doubts = without_lost_gpus(sorted(members, key=rank_of))
    first = ranked[0]
    if len(ranked) == 1:
        return noted(first, missing_ranks(ranked))
    leaders, more = _leaders(ranked)
    doubts += [*more, *missing_ranks(ranked), *apart(ranked, leaders)]
    nodes = list(dict.fromkeys(node_of(r) for r in ranked))
    energies = [_without_excuse(r) for r in leaders]
    m = _joined([_without_excuse(r) for r in ranked], energies, doubts)
    setup = replace(first.setup, machine=_grown(first.setup.machine, len(nodes)))
    where = {**first.where, "node": "+".join(nodes), "merged": str(len(ranked))}
    status = min((r.status for r in ranked), key=RUNNING_LAST.index)
    return replace(first, setup=setup, measurement=m, where=where, status=status)


def _leaders(ranked: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The metered records to add up, one of each node, and what is doubtful about them."""
    leaders: dict[str, Run] = {}
    doubts: list[str] = []
    for run in ranked:
        if not run.measurement.meters:
            continue
        node = node_of(run)
        known = leaders.get(node)
        if known is not None:
            doubts.append(notices.metered_twice(node, known.id, run.id))
        longest = known is None or progress(run)[1] > progress(known)[1]
        leaders[node] = run if known is None or longest else known
    dark = {node_of(r) for r in ranked} - set(leaders)
    if dark:
        doubts.append(notices.unmetered_nodes(sorted(dark)))
    return ([] if dark else list(leaders.values())), doubts


def _without_excuse(run: Run) -> Measurement:
    """What a rank recorded, without its word on why it has no energy: another has it."""
    m = run.measurement
    excuse = notices.not_leader(int(run.where.get("local_rank", "0")))
    return replace(m, notices=tuple(n for n in m.notices if n != excuse))


def _joined(
    ranks: Sequence[Measurement], leaders: Sequence[Measurement], doubts: Sequence[str]
) -> Measurement:
    """Energies of the leaders, samples of all ranks, times of the slowest."""
    every = [n for m in ranks for n in m.notices]
    metered = leaders[0] if leaders else ranks[0]
    energy_j = _summed([m.energy_j for m in leaders])
    return replace(
        ranks[0],
        energy_j=energy_j,
        duration_s=max((m.duration_s for m in ranks if m.duration_s is not None), default=None),
        samples=_total([m.samples for m in ranks]),
        energy_source={s: how for s, how in metered.energy_source.items() if s in energy_j},
        idle_w=_summed([m.idle_w for m in leaders]),
        power_w=_summed([m.power_w for m in leaders]),
        gpu_util_frac=_mean([m.gpu_util_frac for m in leaders]),
        gpu_mem_util_frac=_mean([m.gpu_mem_util_frac for m in leaders]),
        gpu_mem_used_bytes=max(
            (m.gpu_mem_used_bytes for m in leaders if m.gpu_mem_used_bytes is not None),
            default=None,
        ),
        epochs=_windows(ranks, leaders, lambda m: m.epochs),
        windows=_windows(ranks, leaders, lambda m: m.windows),
        steady_sample_s=_parallel([m.steady_sample_s for m in ranks]),
        steady_power_w=_summed([m.steady_power_w for m in leaders]),
        meters=tuple(report for m in leaders for report in m.meters),
        sampler_cpu_s=_total([m.sampler_cpu_s for m in ranks]),
        notices=tuple(dict.fromkeys((*every, *doubts))),
    )


def _windows(
    ranks: Sequence[Measurement],
    leaders: Sequence[Measurement],
    of: Callable[[Measurement], Sequence[Window]],
) -> tuple[Window, ...]:
    """Windows joined by name and how often it came before; those that all have."""
    named = [_numbered(of(m)) for m in ranks]
    common = [key for key in named[0] if all(key in windows for windows in named)]
    joined = []
    for key in common:
        same = [windows[key] for windows in named]
        metered = [w for w, m in zip(same, ranks, strict=True) if m in leaders]
        joined.append(_window(same, metered))
    return tuple(joined)


def _numbered(windows: Sequence[Window]) -> dict[tuple[str, int], Window]:
    counts: dict[str, int] = {}
    found = {}
    for window in windows:
        counts[window.name] = counts.get(window.name, 0) + 1
        found[window.name, counts[window.name]] = window
    return found


def _window(ranks: Sequence[Window], leaders: Sequence[Window]) -> Window:
    return replace(
        ranks[0],
        start_s=min(w.start_s for w in ranks),
        duration_s=max(w.duration_s for w in ranks),
        energy_j=_summed([w.energy_j for w in leaders]),
        samples=_total([w.samples for w in ranks]),
        loss=_mean([w.loss for w in ranks]),
        accuracy=next((w.accuracy for w in ranks if w.accuracy is not None), None),
    )


def _grown(machine: Machine, nodes: int) -> Machine:
    """The machine that all nodes together are."""
    return replace(
        machine,
        n_gpus=machine.n_gpus * nodes,
        n_cpus=machine.n_cpus * nodes,
        n_dimms=machine.n_dimms * nodes,
    )


def _summed(amounts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums by scope, of the scopes that all nodes have."""
    if not amounts:
        return {}
    common = [s for s in amounts[0] if all(s in a for a in amounts)]
    return {s: sum(a[s] for a in amounts) for s in common}


def _total(amounts: Sequence[float | None]) -> float | None:
    """Sum, ``None`` where one is missing."""
    known = [a for a in amounts if a is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _mean(amounts: Sequence[float | None]) -> float | None:
    known = [a for a in amounts if a is not None]
    return sum(known) / len(known) if known else None


def _parallel(sample_s: Sequence[float | None]) -> float | None:
    """Seconds per sample of ranks that work side by side: their rates add up."""
    known = [s for s in sample_s if s]
    return 1 / sum(1 / s for s in known) if known and len(known) == len(sample_s) else None
