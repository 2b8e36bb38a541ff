"""What a sweep asks: the axis, its values, one question per value, and what was measured there."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from joulecast import asking
from joulecast.asking_run import setup_of
from joulecast.core.errors import BadInput
from joulecast.core.insight import Axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from joulecast.core.records import Machine, Run, Setup

Value = float | str
AXES: dict[str, Axis] = {
    "batch-size": "batch_size",
    "power-limit": "power_limit_w",
    "precision": "precision",
    "gpus": "n_gpus",
}
"""Axes under the names that the command line has for them."""
_BATCHES = tuple(2**i for i in range(13))
_LIMIT_STEPS = 10
_LEAST_LIMIT = 0.4
"""Share of the TDP that the default limits begin at."""
_ACCEPTED = (0.3, 1.25)
"""Shares of the TDP beyond which `joulecast.asking` warns of a limit or caps it."""
_PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
_INFERENCE_ONLY = ("fp8", "int8")
_COUNTS = (1, 2, 4, 8)
_MOST_VALUES = 1000
_OWN: dict[Axis, str] = {
    "batch_size": "batch {:g} ",
    "power_limit_w": " {:g} W is",
    "n_gpus": " on {:g} GPUs",
}
"""How notices of `joulecast.asking` name the value of an axis."""


def axis_named(over: str) -> Axis:
    """The axis that a spelling such as ``batch-size`` names."""
    spelled = over.strip().lower()
    for option, axis in AXES.items():
        if spelled in {option, option.replace("-", "_"), axis, axis.replace("_", "-")}:
            return axis
    message = f"cannot sweep over '{over}'. Use one of {', '.join(get_args(Axis))}"
    raise BadInput(message)


def own_value(asked: Setup, axis: Axis) -> Value:
    """What the question itself has of the axis.

    Raises
    ------
    BadInput
        For GPUs and power limits of a machine without a GPU.
    """
    w, machine = asked.workload, asked.machine
    if axis == "batch_size":
        return w.batch_size
    if axis == "precision":
        return w.precision
    if machine.gpu is None:
        what = "number of GPUs" if axis == "n_gpus" else "power limit"
        message = f"{machine.id} has no GPU, so no {what} to sweep over. Use batch-size"
        raise BadInput(message)
    return machine.n_gpus if axis == "n_gpus" else machine.gpu_power_limit_w or machine.gpu.tdp_w


def setups_of(
    asked: Setup, axis: Axis, values: Sequence[Value] | None, question: dict[str, Any]
) -> dict[Value, tuple[Setup, tuple[str, ...]]]:
    """One question per value with what is to be said of it, in the order of the values.

    Default batches go up to memory's end.
    """
    named = {**question, "task": asked.workload.task, "force": True}
    machine = bare(asked.machine, axis)
    if axis == "power_limit_w":
        named.pop("power_limit_w", None)
    wanted = _given(values) if values is not None else _default(asked, axis)
    if values is not None and axis == "power_limit_w":
        _refuse_limits([_typed(v, axis) for v in wanted], machine, question)
    out: dict[Value, tuple[Setup, tuple[str, ...]]] = {}
    for value in wanted:
        own = {**named, axis: _typed(value, axis)}
        setup, notices = setup_of(asked.architecture, machine, **own)
        out[own_value(setup, axis)] = setup, notices
        if values is None and axis == "batch_size" and not fits(setup):
            break
    return out


def bare(machine: Machine, axis: Axis) -> Machine:
    """`machine` without its power limit, where that is what is swept over."""
    return replace(machine, gpu_power_limit_w=None) if axis == "power_limit_w" else machine


def _given(values: Sequence[Value]) -> list[Value]:
    """The values asked for, if they are some but not too many."""
    given: list[Value] = [*(values.split(",") if isinstance(values, str) else values)]
    if not 1 <= len(given) <= _MOST_VALUES:
        message = f"{len(given)} values to sweep over: give 1 to {_MOST_VALUES:,}"
        raise BadInput(message)
    return given


def _refuse_limits(limits: Sequence[Value], machine: Machine, question: dict[str, Any]) -> None:
    """Refuse limits that the board does not take: the best of them would be no advice."""
    if machine.gpu is None:
        return
    least_w, most_w = (share * machine.gpu.tdp_w for share in _ACCEPTED)
    high = [v for v in limits if isinstance(v, int | float) and v > most_w]
    low = [v for v in limits if isinstance(v, int | float) and 0 < v < least_w]
    if high or (low and not question.get("force")):
        hint = "" if high else ". If yours does, add --force"
        message = (
            f"power limit {listed([*low, *high])} W: {machine.gpu.name} of {machine.gpu.tdp_w:g} W "
            f"takes about {plain(math.ceil(least_w))} to {plain(math.floor(most_w))} W{hint}"
        )
        raise BadInput(message)


def _typed(value: Value, axis: Axis) -> Value:
    """A value as the axis has it: a word for a precision, else a number."""
    if axis == "precision":
        return str(value).strip()
    try:
        number = float(value)
    except (TypeError, ValueError) as exc:
        message = f"{value!r} is no number to sweep {axis} over"
        raise BadInput(message) from exc
    return int(number) if number.is_integer() else number


def _default(asked: Setup, axis: Axis) -> list[Value]:
    """Values that suit the machine, that of the question among them."""
    own, device = own_value(asked, axis), asked.machine.accelerator
    if axis == "precision":
        names = _PRECISIONS + (_INFERENCE_ONLY if asked.workload.task == "infer" else ())
        has = (device.peak_flops_per_s if device else {}) or {"fp32": 0.0}
        return list(dict.fromkeys([*(n for n in names if n in has or n == "fp32"), own]))
    plain: Iterable[float] = _BATCHES if axis == "batch_size" else _COUNTS
    if axis == "power_limit_w" and device is not None:
        step = (1 - _LEAST_LIMIT) / (_LIMIT_STEPS - 1)
        plain = [round((_LEAST_LIMIT + i * step) * device.tdp_w) for i in range(_LIMIT_STEPS)]
    return sorted({*map(float, plain), float(own)})


def fits(setup: Setup) -> bool:
    """Whether an accelerator holds what it needs; unknown memory is taken to be enough."""
    return not asking.memory_notices(setup, force=True)


def measured_at(setup: Setup, runs: Sequence[Run]) -> tuple[float | None, float | None]:
    """Median joules in the setup's scope and seconds of runs of just this, for all its samples."""
    import numpy as np

    from joulecast.estimator.calibration_runs import measured_energy_j
    from joulecast.estimator.frame import SET_ASIDE

    n = setup.workload.samples * setup.workload.epochs
    energies_j, durations_s = [], []
    for run in runs:
        m = run.measurement
        whole = run.status == "complete" and run.source != "predicted"
        doubted = any(flag in run.quality_flag for flag in SET_ASIDE)
        if not whole or doubted or not m.samples or not _is_just_this(run.setup, setup):
            continue
        factor, energy_j = n / m.samples, measured_energy_j(run, setup)
        if energy_j is not None:
            energies_j.append(factor * energy_j)
        if m.duration_s:
            durations_s.append(factor * m.duration_s)
    energy = float(np.median(energies_j)) if energies_j else None
    return energy, float(np.median(durations_s)) if durations_s else None


def _is_just_this(own: Setup, setup: Setup) -> bool:
    """Whether both are of one model at one size, on one machine, set up and limited alike."""
    from joulecast.estimator.calibration_runs import is_same_model
    from joulecast.estimator.predictor import device_of

    w, wanted = own.workload, setup.workload
    alike = ["task", "batch_size", "precision", "framework"]
    if wanted.task == "train":
        alike += ["trainable_frac", "optimiser"]
    processors = {s.machine.cpu.id for s in (own, setup) if s.machine.cpu}
    return (
        is_same_model(own, setup)
        and math.isclose(own.architecture.macs, setup.architecture.macs, rel_tol=0.01)
        and all(getattr(w, name) == getattr(wanted, name) for name in alike)
        and device_of(own) == device_of(setup)
        and len(processors) < 2
        and own.machine.n_gpus == setup.machine.n_gpus
        and _limit_w(own.machine) == _limit_w(setup.machine)
    )


def _limit_w(machine: Machine) -> float | None:
    return machine.gpu_power_limit_w or (machine.gpu.tdp_w if machine.gpu else None)


def said_value(value: Value, axis: Axis) -> str:
    """A value of an axis as a person says it."""
    plural = "GPU" if value == 1 else "GPUs"
    words = {"batch_size": "batch {}", "power_limit_w": "{} W", "n_gpus": f"{{}} {plural}"}
    return words.get(axis, "{}").format(plain(value))


def plain(value: Value) -> str:
    """A value alone.

    >>> plain(1_000_000), plain(87.5), plain("fp16")
    ('1000000', '87.5', 'fp16')
    """
    return value if isinstance(value, str) else f"{value:.10g}"


def listed(values: Sequence[Value]) -> str:
    """Values between commas, of many the first and last."""
    names = [plain(v) for v in values]
    return ", ".join(names if len(names) <= 8 else [*names[:3], "...", names[-1]])


def said_once(said: Mapping[Value, Iterable[str]], axis: Axis) -> tuple[str, ...]:
    """What was said of every value; what concerns some of them alone names these.

    >>> said_once({1: ["slow"], 2: ["slow", "power limit 2 W is odd"]}, "power_limit_w")
    ('slow', 'at 2: power limit odd')
    """
    places: dict[str, list[Value]] = {}
    for value, notices in said.items():
        own = "" if isinstance(value, str) else _OWN[axis].format(value)
        for notice in dict.fromkeys(n.replace(own, "") if own else n for n in notices):
            places.setdefault(notice, []).append(value)
    return tuple(
        notice if len(values) == len(said) else f"at {listed(values)}: {notice}"
        for notice, values in places.items()
    )
