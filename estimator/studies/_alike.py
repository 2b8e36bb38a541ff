"""Which runs did the same work: the workloads that studies compare across machines or limits."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from joulecast.core.records import Run


def workload_of(run: Run) -> Hashable:
    """What was executed and metered by whom; equal for runs that differ in the machine alone.

    The length of a run is no part of it: energies and times are per sample.
    """
    network, work = run.setup.architecture, run.setup.workload
    return (
        run.source,
        run.setup.scope,
        max(run.setup.machine.n_gpus, 1),
        run.model_group,
        (network.name, network.input_shape, network.params, network.macs),
        (work.task, work.dataset, work.batch_size, work.seq_len, work.input_shape),
        (work.framework, work.precision, work.optimiser, work.trainable_frac),
        work.loader_workers,
    )


def grouped(
    rows: Iterable[int], runs: Sequence[Run], key: Callable[[Run], Hashable]
) -> dict[Hashable, list[int]]:
    """Rows by the key of their run, in the order of the rows."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for row in rows:
        found[key(runs[row])].append(row)
    return dict(found)
