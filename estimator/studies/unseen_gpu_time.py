"""Step time of transformers on GPUs that came later: fitted on four older ones alone.

The split is published with the measurements: NeuSight (ASPLOS 2025) learned from these four and a
P100, and errs by 8.1 % (mean) and 5.8 % (median) on the NVIDIA GPUs left out. Only the physical
model is asked: a device that nothing was measured on has no effects of its own. AMD stands apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import MAC_CLASSES, OP_CLASSES
from joulecast.core.units import FLOPS_PER_MAC
from joulecast.estimator import metrics, physics
from joulecast.estimator.physics_fit import fit_physics

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.studies import Case, Record

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

TITLE = "time of fp32 transformers on unseen GPUs"
OLDER = ("p4", "t4", "v100-pcie-32gb", "a100-pcie-40gb")
"""The published split's devices to learn from, as far as rows of theirs are at hand."""
ALL = "all"


def records(case: Case) -> Iterator[Record]:
    """Errors of time per vendor, then device and task, beside one constant times the roofline."""
    asked = of_the_split(case.frame, case.runs)
    older = asked & np.isin(case.frame.device, OLDER)
    if not older.any():
        return
    known = case.frame.take(np.flatnonzero(older))
    k = fit_physics(known, physics.default_coefficients())
    constant = float(np.median(known.log_sample_s - log_roofline_s(known.columns)))
    gpus = [run.setup.machine.gpu for run in case.runs]
    vendor = np.array([gpu.vendor if gpu else "" for gpu in gpus])
    for name in ("NVIDIA", "AMD"):
        rows = case.frame.take(np.flatnonzero(asked & ~older & (vendor == name)))
        if len(rows):
            answer = np.log(physics.predict(rows.columns, k)["sample_s"])
            floor = constant + log_roofline_s(rows.columns)
            yield from _lines(name, rows, answer, floor)


def of_the_split(frame: Frame, runs: Sequence[Run]) -> Mask:
    """Rows of eager fp32 transformers on one GPU, whose time was measured and nothing else."""
    c = frame.columns
    plain = np.array([not run.where.get("variant") for run in runs])
    on_gpu = (c["is_cpu"] == 0) & (c["count"] == 1)
    only_time = np.isfinite(frame.log_sample_s) & ~np.isfinite(frame.log_power_w)
    only_time &= ~np.isfinite(frame.log_energy_j)
    network = (c["is_text"] > 0) & (c["bytes_per_value"] >= 4)
    found: Mask = plain & on_gpu & only_time & network
    return found


def log_roofline_s(c: Columns) -> Array:
    """Log of max(FLOPs / peak, bytes / bandwidth) per sample, (n,), from data sheets alone."""
    passes = 1 + 2 * c["is_train"] * c["trainable_frac"]
    macs = sum(c[f"{name}_macs"] for name in MAC_CLASSES)
    activations = sum(c[f"{name}_activation_bytes"] for name in OP_CLASSES)
    weights = sum(c[f"{name}_weight_bytes"] for name in OP_CLASSES)
    compute_s = FLOPS_PER_MAC * macs / c["peak_fp32"]
    memory_s = (activations + weights / c["batch"]) / c["bandwidth"]
    roofline: Array = np.log(passes * np.maximum(compute_s, memory_s))
    return roofline


def _lines(vendor: str, rows: Frame, answer: Array, floor: Array) -> Iterator[Record]:
    """The vendor's rows together, then per device and task."""
    task = np.where(rows.columns["is_train"] > 0, "train", "infer")
    groups = [(ALL, ALL), *sorted(set(zip(rows.device.tolist(), task.tolist(), strict=True)))]
    for device, use in groups:
        of = (device == ALL) | ((rows.device == device) & (task == use))
        of = np.broadcast_to(of, len(rows))
        found = metrics.summary(rows.log_sample_s[of], answer[of])
        beside = metrics.summary(rows.log_sample_s[of], floor[of])
        yield {
            "vendor": vendor,
            "device": device,
            "task": use,
            **{name: found[name] for name in ("n", "mape", "mdape", "bias")},
            "roofline_mape": beside["mape"],
            "roofline_mdape": beside["mdape"],
        }
