"""What records of one launch cannot tell together: GPUs and ranks that its meters did not see."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast.profiler import notices
from joulecast.profiler.merge_launches import node_of, overlap, rank_of, span_s, world_size_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joulecast.core.records import Measurement, Run, Window

_HOLD_GPU = ("gpu", "system")
"""Scopes that a GPU which nobody metered leaves too small."""


def without_lost_gpus(ranked: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The records, those of leaders that metered too few GPUs without GPU and system; and why.

    A launcher that gives each rank a GPU of its own hides the others from the leader. Ranks that
    share a GPU look the same from here, so their GPU energy goes too.
    """
    kept, doubts = [], []
    for run in ranked:
        gpus = sum(report.scope == "gpu" for report in run.measurement.meters)
        ranks = sum(node_of(other) == node_of(run) for other in ranked)
        if 0 < gpus < ranks:
            doubts.append(_lost_gpus(node_of(run), gpus, ranks))
            kept.append(replace(run, measurement=_without_gpu(run.measurement)))
        else:
            kept.append(run)
    return kept, doubts


def _lost_gpus(node: str, gpus: int, ranks: int) -> str:
    return (
        f"the metering process of node '{node}' saw {gpus} GPU(s), the job has {ranks} ranks there:"
        " the GPU and system energy is unknown. Let every rank see all GPUs of the node: srun "
        "--gpus-per-node in place of --gpus-per-task, CUDA_VISIBLE_DEVICES unset"
    )


def _without_gpu(m: Measurement) -> Measurement:
    """`m` without what the GPUs are part of; a sensor's own system figure stays."""
    own = {report.scope for report in m.meters} - {"gpu"}

    def cut(amounts: Mapping[str, float]) -> dict[str, float]:
        return {s: a for s, a in amounts.items() if s not in _HOLD_GPU or s in own}

    def cut_all(windows: Sequence[Window]) -> tuple[Window, ...]:
        return tuple(replace(w, energy_j=cut(w.energy_j)) for w in windows)

    return replace(
        m,
        energy_j=cut(m.energy_j),
        idle_w=cut(m.idle_w),
        power_w=cut(m.power_w),
        steady_power_w=cut(m.steady_power_w),
        epochs=cut_all(m.epochs),
        windows=cut_all(m.windows),
    )


def apart(ranked: Sequence[Run], leaders: Sequence[Run]) -> list[str]:
    """Notice of ranks that were not recorded while their node was metered."""
    by_node = {node_of(leader): leader for leader in leaders}
    late = [
        str(rank_of(run))
        for run in ranked
        if (leader := by_node.get(node_of(run))) is not None
        and leader is not run
        and span_s(run) is not None
        and not overlap(run, leader)
    ]
    if not late:
        return []
    text = (
        f"rank {', '.join(late)} was not recorded while its node was metered: its samples count, "
        "its energy is missing. Start and stop the sessions of all ranks together"
    )
    return [text]


def missing_ranks(ranked: Sequence[Run]) -> list[str]:
    """Notice of ranks that left no record."""
    world_size, there = world_size_of(ranked[0]), len(ranked)
    return [notices.missing_ranks(there, world_size)] if there < world_size else []
