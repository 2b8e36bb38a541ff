"""What is known of a run before it starts, as one line of numbers: network, machine, workload."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.units import BYTES_PER_VALUE

if TYPE_CHECKING:
    from joulecast.core.records import Device, Machine, Setup

SETUP_TEXTS = ("model", "task", "precision", "framework", "dataset", "optimiser")
SETUP_NUMBERS = (
    *("params", "trainable_params", "macs", "size_bytes", "mem_bytes", "batch_size"),
    *("limit_w", "tdp_w", "bandwidth_bytes_per_s", "peak_flops_per_s", "n_gpus", "cpu_tdp_w"),
    *("concurrency", "batch_given"),
)
_ASSUMED = "batch size not given"
"""How a setup says that its batch size is a guess."""
_FULL_BYTES = 4.0
LEAST, MOST = 1e-30, 1e30
"""Amounts beyond these are errors, of which ratios could not be formed."""


@dataclass(frozen=True, slots=True)
class SetupFacts:
    """Texts in the order of `SETUP_TEXTS`, numbers in that of `SETUP_NUMBERS`, NaN for unknown."""

    texts: tuple[str, ...]
    numbers: tuple[float, ...]


def facts_of(setup: Setup) -> SetupFacts:
    """The facts of one setup.

    ``size_bytes`` are parameters and buffers as they lie in memory: at the run's precision, in
    training at fp32. ``mem_bytes``, ``bandwidth_bytes_per_s`` and ``peak_flops_per_s`` (fp32) are
    of all accelerators together, ``limit_w`` and ``tdp_w`` of one. ``batch_given`` is 0 where the
    batch size is assumed, else 1.
    """
    a, w, machine = setup.architecture, setup.workload, setup.machine
    width = _FULL_BYTES if w.task == "train" else BYTES_PER_VALUE.get(w.precision, _FULL_BYTES)
    trainable = (a.params if a.trainable_params is None else a.trainable_params) * w.trainable_frac
    numbers = (
        a.params,
        trainable,
        a.macs,
        width * a.params + a.buffer_bytes,
        machine.mem_bytes,
        w.batch_size,
        *_of_machine(machine),
        w.serving.concurrency if w.serving is not None else None,
        0.0 if any(_ASSUMED in notice for notice in setup.notices) else 1.0,
    )
    optimiser = w.optimiser if w.task == "train" else ""
    texts = (a.name, w.task, w.precision, w.framework, w.dataset, optimiser)
    return SetupFacts(texts, tuple(_amount(x) for x in numbers))


def _of_machine(machine: Machine) -> tuple[float | None, ...]:
    device = machine.accelerator
    count = max(machine.n_gpus, 1) if machine.gpu is not None else max(machine.n_cpus, 1)
    tdp_w = None if device is None else device.tdp_w
    limit_w = machine.gpu_power_limit_w or tdp_w
    host_w = None if machine.cpu is None else machine.cpu.tdp_w * max(machine.n_cpus, 1)
    return (
        limit_w,
        tdp_w,
        _times(count, None if device is None else device.mem_bandwidth_bytes_per_s),
        _times(count, _peak(device)),
        float(machine.n_gpus),
        host_w,
    )


def _peak(device: Device | None) -> float | None:
    return None if device is None else device.peak_flops_per_s.get("fp32")


def _times(count: int, value: float | None) -> float | None:
    return None if value is None else count * value


def _amount(value: float | None) -> float:
    """`value`, NaN where it is unknown or none that an amount can have."""
    if value is None or not (value == 0 or LEAST <= value <= MOST):
        return math.nan
    return value
