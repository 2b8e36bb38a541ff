"""Run records as rows of the runs table, which `joulecast train` and `predict` read.

A modelled power teaches nothing, so it is left blank: such a run counts for its time alone.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from joulecast.core.records import SEEN_ENOUGH, is_measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from joulecast.core.records import Run

COLUMNS = (
    "source",
    "task",
    "domain",
    "model",
    "params",
    "macs_per_sample",
    "input_shape",
    "dataset",
    "samples",
    "epochs",
    "batch_size",
    "precision",
    "framework",
    "optimiser",
    "hardware_id",
    "gpu_name",
    "n_gpus",
    "cpu_name",
    "power_limit_w",
    "duration_s",
    "duration_scope",
    "samples_per_s",
    "avg_power_w",
    "energy_j",
    "energy_scope",
    "energy_per_sample_j",
    "gpu_util",
    "gpu_mem_util",
    "gpu_mem_used_gb",
    "accuracy",
    "meter",
    "quality_flag",
    "notes",
    "model_group",
    "model_family",
)
_SCOPES = {"system": "cpu+gpu+dram", "gpu": "gpu", "cpu": "cpu_package", "dram": "dram"}


def rows_of(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """One row per run that processed samples, in the widest scope that sensors saw."""
    return [row_of(run) for run in runs if run.measurement.samples and run.measurement.duration_s]


def row_of(run: Run) -> dict[str, Any]:
    """The row of one run; blank where nothing was measured."""
    m, setup = run.measurement, run.setup
    a, w, machine = setup.architecture, setup.workload, setup.machine
    scope = measured_scope(run)
    samples, duration_s = m.samples, m.duration_s
    if not samples or not duration_s:
        return dict.fromkeys(COLUMNS, "")
    sample_s = m.steady_sample_s or duration_s / samples
    power_w = m.steady_power_w.get(scope) or m.power_w.get(scope)
    row = {
        "source": run.source,
        "task": w.task,
        "domain": a.domain,
        "model": a.name,
        "params": a.params,
        "macs_per_sample": a.macs,
        "input_shape": "x".join(map(str, a.input_shape)),
        "dataset": w.dataset,
        "samples": samples,
        "epochs": len(m.epochs) or 1,
        "batch_size": w.batch_size,
        "precision": w.precision,
        "framework": w.framework,
        "optimiser": w.optimiser if w.task == "train" else None,
        "hardware_id": run.hardware_id,
        "gpu_name": machine.gpu.name if machine.gpu else None,
        "n_gpus": machine.n_gpus or None,
        "cpu_name": machine.cpu.name if machine.cpu else None,
        "power_limit_w": machine.gpu_power_limit_w,
        "duration_s": duration_s,
        "duration_scope": "total",
        "samples_per_s": 1 / sample_s,
        "avg_power_w": power_w,
        "energy_j": m.energy_j.get(scope),
        "energy_scope": _SCOPES.get(scope or _time_scope(run)),
        "energy_per_sample_j": power_w * sample_s if power_w else None,
        "gpu_util": m.gpu_util_frac,
        "gpu_mem_util": m.gpu_mem_util_frac,
        "gpu_mem_used_gb": m.gpu_mem_used_bytes and m.gpu_mem_used_bytes / 1e9,
        "accuracy": _last_accuracy(run),
        "meter": run.meter,
        "quality_flag": run.quality_flag or ("" if run.status == "complete" else run.status),
        "notes": "; ".join(m.notices),
        "model_group": run.model_group,
        "model_family": run.model_family,
    }
    return {name: "" if row[name] is None else row[name] for name in COLUMNS}


def measured_scope(run: Run) -> str:
    """The widest scope of what computed whose energy sensors saw to the end, or nothing."""
    scopes = ("system", _time_scope(run))
    return next((s for s in scopes if was_measured(run, s)), "")


def was_measured(run: Run, scope: str) -> bool:
    """Whether sensors stand behind a scope's energy, and saw the session to its end."""
    m = run.measurement
    within = ("gpu", "cpu", "dram") if scope == "system" else (scope,)
    lost = any(
        report.seen_frac is not None and report.seen_frac < SEEN_ENOUGH
        for report in m.meters
        if report.scope in within and is_measured(report.energy_source)
    )
    return is_measured(m.energy_source.get(scope, "")) and not lost


def _time_scope(run: Run) -> str:
    return "gpu" if run.setup.machine.gpu is not None else "cpu"


def _last_accuracy(run: Run) -> float | None:
    known = [e.accuracy for e in run.measurement.epochs if e.accuracy is not None]
    return known[-1] if known else None


def write_rows(rows: Sequence[dict[str, Any]], file: TextIO) -> None:
    """Write `rows` as CSV with a header."""
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
