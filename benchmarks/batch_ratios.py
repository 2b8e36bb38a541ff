"""How right the energy at one batch size over that at another is, devices and networks left out.

Run: ``python benchmarks/batch_ratios.py runs.csv`` (a table of runs; minutes). Runs that are alike
but for the batch size are compared with each other alone, as sweeps over batch sizes do.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulecast.datasets import runs_table
from joulecast.estimator import validate
from joulecast.estimator.frame import frame_of, usable
from joulecast.estimator.studies._alike import grouped

if TYPE_CHECKING:
    from collections.abc import Hashable

    from joulecast.core.records import Run

PROTOCOLS = ("new-hardware", "new-model")
NEAR = 4.0


def main() -> None:
    """Print one line per protocol."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, help="table of runs")
    runs = usable(list(runs_table.load(parser.parse_args().runs)))
    frame = frame_of(runs)
    measured = frame.measured()["energy"]
    for protocol in PROTOCOLS:
        left_out = validate.out_of_fold(frame, protocol, n_jobs=1)
        predicted = validate.stacked(left_out, frame)["energy"]
        rows = np.flatnonzero(np.isfinite(measured) & np.isfinite(predicted)).tolist()
        sys.stdout.write(f"{protocol:<14} {line(runs, rows, measured, predicted)}\n")


def line(runs: list[Run], rows: list[int], measured: np.ndarray, predicted: np.ndarray) -> str:
    """Errors of ratios, of all pairs and of near ones, and energy above the least measured."""
    errors, near, lost = [], [], []
    for alike in grouped(rows, runs, but_for_the_batch).values():
        by_batch = grouped(alike, runs, lambda run: run.setup.workload.batch_size)
        batches = [float(str(batch)) for batch in by_batch]
        real, told = (
            np.array([v[i].mean() for i in by_batch.values()]) for v in (measured, predicted)
        )
        for i, j in combinations(range(len(batches)), 2):
            errors.append(abs((told[i] - told[j]) - (real[i] - real[j])))
            if max(batches[i], batches[j]) <= NEAR * min(batches[i], batches[j]):
                near.append(errors[-1])
        if len(batches) > 1:
            lost.append(real[np.argmin(told)] - real.min())
    return (
        f"{len(lost)} sweeps, {len(errors)} pairs: median error of the ratio {percent(errors)}, "
        f"within a factor of {NEAR:g} {percent(near)} (n {len(near)}); energy at the least "
        f"predicted above the least: median {percent(lost)}, P90 {percent(lost, 0.9)}"
    )


def but_for_the_batch(run: Run) -> Hashable:
    """What alike runs have in common."""
    network, w, machine = run.setup.architecture, run.setup.workload, run.setup.machine
    work = (w.task, w.dataset, w.seq_len, w.input_shape, w.framework, w.precision, w.optimiser)
    own = (run.source, run.setup.scope, run.model_group, network.name, network.macs, network.params)
    cpu = machine.cpu.id if machine.cpu else ""
    place = (run.hardware_id, machine.id, machine.n_gpus, machine.gpu_power_limit_w, cpu)
    return (*own, *work, w.trainable_frac, w.loader_workers, *place)


def percent(logs: list[float], q: float = 0.5) -> str:
    """A quantile of natural logarithms in percent."""
    return f"{100 * np.expm1(np.quantile(logs, q)):.1f} %" if logs else "-"


if __name__ == "__main__":
    main()
