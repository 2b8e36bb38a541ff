"""From what was asked to a `Setup`: names resolved, impossible values refused, doubts noted."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from joulecast.core.errors import BadInput, DoesNotFit, UnknownName
from joulecast.core.records import Architecture, Machine
from joulecast.core.units import BYTES_PER_GB, BYTES_PER_VALUE
from joulecast.model_files import at_shape, config_at, config_in_folder, counted, from_config

if TYPE_CHECKING:
    from joulecast.core.records import Scope, Setup, Task

SCOPES = ("gpu", "cpu", "dram", "system", "wall")
_WHOLE = frozenset({"batch_size", "seq_len", "n_gpus", "loader_workers"})
_MEMORY_SHARE = 0.92
"""Share of the device memory that a framework leaves to tensors."""
_WEIGHT_BYTES = 4.0
_TRAIN_BYTES_PER_PARAM = {"sgd": 12.0, "adam": 16.0, "adamw": 16.0, "adadelta": 16.0}
"""Weight, gradient and optimiser state of a trained parameter, fp32."""


def refuse_absurd(**values: float | None) -> None:
    """Raise if a given value is not a positive number, whole where things are counted."""
    for name, value in values.items():
        if value is None:
            continue
        sane = isinstance(value, Real) and not isinstance(value, bool) and 0 < value < 1e15
        whole = name in _WHOLE
        if not sane or (whole and value != int(value)):
            kind = "positive whole number" if whole else "positive number"
            message = f"{name} = {value!r} cannot be right. Give a {kind}"
            raise BadInput(message)


def refuse_outside(name: str, value: float, low: float, high: float) -> None:
    """Raise unless `value` lies within `low` to `high`."""
    sane = isinstance(value, Real) and not isinstance(value, bool)
    if not sane or not low <= value <= high:
        message = f"{name} = {value!r} is outside {low:g} to {high:g}"
        raise BadInput(message)


def shape_asked(
    input_shape: tuple[int, ...] | None,
    seq_len: int | None,
) -> tuple[int, ...] | None:
    """The input shape without the batch: as given, or the sequence length, or not said."""
    if input_shape is not None:
        sizes = input_shape if isinstance(input_shape, tuple | list) else ()
        if not sizes or not all(isinstance(n, int) and 0 < n < 1e6 for n in sizes):
            message = f"input_shape = {input_shape!r} cannot be right. Give it as (3, 224, 224)"
            raise BadInput(message)
        return tuple(input_shape)
    return (int(seq_len),) if seq_len else None


def framework_named(spelling: str) -> str:
    """The framework that a spelling such as ``keras`` or ``torch`` names."""
    from joulecast.datasets.runs_table import framework_of

    found = framework_of(spelling)
    if found == "vendor" and spelling.lower() != "vendor":
        message = (
            f"unknown framework '{spelling}'. "
            "Use pytorch, tensorflow, keras, jax, onnx, tensorrt or vendor"
        )
        raise BadInput(message)
    return found


def task_of(task: str | None, architecture: Architecture) -> Task:
    """The task meant; a language model must say it."""
    spelled = (task or "").lower()
    if spelled in {"train", "infer"}:
        return cast("Task", spelled)
    if spelled == "inference":
        return "infer"
    if task is None:
        if architecture.collection == "llm" or architecture.kv_bytes_per_token:
            message = (
                f"{architecture.name} is a language model: say what it does. "
                "Use --rps R to serve it, --task train or --task infer with --seq-len N"
            )
            raise BadInput(message)
        return "train"
    message = (
        f"task '{task}' cannot be estimated here. Use train or infer, "
        "or joulecast.estimate_serving (--rps R) for a model server"
    )
    raise BadInput(message)


def scope_of(scope: str, machine: Machine) -> Scope:
    """The scope meant, if the machine has it."""
    if scope not in SCOPES:
        message = f"unknown scope '{scope}'. Use one of {', '.join(SCOPES)}"
        raise BadInput(message)
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    if scope in parts and parts[scope] is None:
        present = ", ".join(name for name, device in parts.items() if device is not None)
        message = f"{machine.id} names no {scope}. Use system, wall or one of: {present}"
        raise BadInput(message)
    return cast("Scope", scope)


def precision_of(precision: str, machine: Machine) -> str:
    """The precision meant, if the device computes in it."""
    wanted = precision.lower()
    if wanted not in BYTES_PER_VALUE:
        message = f"unknown precision '{precision}'. Use one of {', '.join(BYTES_PER_VALUE)}"
        raise BadInput(message)
    device = machine.accelerator
    if device is None or wanted == "fp32" or not device.peak_flops_per_s:
        return wanted
    if wanted not in device.peak_flops_per_s:
        has = ", ".join(device.peak_flops_per_s)
        message = f"{device.name} has no {wanted} arithmetic. It has {has}"
        raise BadInput(message)
    return wanted


def find_architecture(
    model: str | Path | Architecture | Any,  # noqa: ANN401
    input_shape: tuple[int, ...] | None = None,
    framework: str = "pytorch",
) -> Architecture:
    """The architecture that `model` means, at `input_shape` if given.

    Raises
    ------
    UnknownName, BadInput, MissingExtra
    """
    if isinstance(model, Architecture):
        sane = 0 < model.params < math.inf and 0 <= model.macs < math.inf
        if not sane or (model.macs > 0 and not model.ops):
            message = f"architecture '{model.name}' needs finite params and macs, and its op counts"
            raise BadInput(message)
        return at_shape(model, input_shape)
    if not isinstance(model, str | Path):
        return counted(model, input_shape)
    config = config_at(model)
    if config is not None:
        return from_config(config, input_shape)
    from joulecast.datasets import architectures

    wanted = framework if framework == "tensorflow" else "pytorch"
    try:
        return at_shape(architectures.find(str(model), input_shape, wanted), input_shape)
    except UnknownName:
        config = config_in_folder(str(model))
        if config is None:
            raise
    return from_config(config, input_shape)


def find_machine(hardware: str | Path | Machine) -> tuple[Machine, tuple[str, ...]]:
    """The machine that `hardware` means, and what had to be assumed about it."""
    if isinstance(hardware, str) and hardware.strip().lower() == "auto":
        from joulecast.this_machine import this_machine

        detected = this_machine(environ=os.environ)
        return detected.machine, detected.notices
    return _named_machine(hardware), ()


def _named_machine(hardware: str | Path | Machine) -> Machine:
    from joulecast.datasets import hardware as shelf

    if isinstance(hardware, Machine):
        device = hardware.accelerator
        if device is not None and not 0 < device.tdp_w < math.inf:
            message = f"tdp_w of '{device.name}' is {device.tdp_w}. Give watts above 0"
            raise BadInput(message)
        one = hardware.gpu is not None and hardware.n_gpus < 1
        return replace(hardware, n_gpus=1) if one else hardware
    if not isinstance(hardware, str | Path) or not str(hardware).strip():
        message = f"hardware = {hardware!r}: give a machine id, a device id or a TOML path"
        raise BadInput(message)
    return shelf.machine(str(hardware))


def configured(machine: Machine, n_gpus: int | None, power_limit_w: float | None) -> Machine:
    """`machine` with another number of GPUs and another power limit, where given."""
    if machine.gpu is None:
        if n_gpus or power_limit_w:
            message = f"{machine.id} has no GPU: leave out the number of GPUs and the power limit"
            raise BadInput(message)
        if machine.cpu is None:
            message = f"machine '{machine.id}' has neither a GPU nor a CPU"
            raise BadInput(message)
        return machine
    if n_gpus:
        machine = replace(machine, n_gpus=int(n_gpus))
    if power_limit_w:
        machine = replace(machine, gpu_power_limit_w=power_limit_w)
    return machine


def dataset_of(architecture: Architecture) -> str:
    """The data set whose loading is modelled: CIFAR-10 at 32 x 32, else image files."""
    if architecture.input_shape[-2:] == (32, 32):
        return "cifar10"
    return "imagenet" if len(architecture.input_shape) >= 3 else "tokens"


def notices(setup: Setup, *, samples_given: bool) -> tuple[str, ...]:
    """What the reader should know about how the question was understood."""
    out = []
    a, w = setup.architecture, setup.workload
    if not samples_given:
        out.append("samples not given: 50,000 per epoch assumed")
    if len(a.input_shape) == 1 and w.seq_len is None:
        out.append(f"sequence length not given: {a.input_shape[0]} tokens assumed")
    if a.uncounted:
        out.append(f"not counted in {a.name}: {', '.join(a.uncounted[:4])}")
    out += device_notices(setup.machine)
    if w.task == "train" and setup.machine.n_gpus > 1:
        out.append(f"data parallel on {setup.machine.n_gpus} GPUs; batch size is per GPU")
    return tuple(out)


def device_notices(machine: Machine) -> list[str]:
    """Facts that had to be guessed, and power limits that boards do not accept."""
    out = []
    device, limit_w = machine.accelerator, machine.gpu_power_limit_w
    if device is not None and not (device.mem_bandwidth_bytes_per_s and device.peak_flops_per_s):
        out.append(f"bandwidth or peak FLOP/s of {device.name} not stated: guessed from its TDP")
    if machine.gpu is not None and limit_w:
        if limit_w > 1.25 * machine.gpu.tdp_w:
            most_w = f"{machine.gpu.tdp_w:g} W"
            out.append(f"power limit {limit_w:g} W is far above {most_w}: capped at 1.25x")
        elif limit_w < 0.3 * machine.gpu.tdp_w:
            out.append(f"power limit {limit_w:g} W is below what most boards accept")
    return out


def memory_need_bytes(setup: Setup) -> tuple[float, float]:
    """Bytes that do not grow with the batch, and bytes per sample, on one device.

    Training keeps weights, gradients, optimiser state and every operator's output; inference keeps
    weights and about the two largest outputs, taken as a tenth of all.
    """
    a, w = setup.architecture, setup.workload
    width = BYTES_PER_VALUE[w.precision]
    if w.task == "train":
        trained = _TRAIN_BYTES_PER_PARAM.get(w.optimiser, 16.0) - _WEIGHT_BYTES
        fixed = a.params * (_WEIGHT_BYTES + w.trainable_frac * trained)
        return fixed, a.activation_bytes * width / 4
    return a.params * width, 0.1 * a.activation_bytes * width / 4


def memory_notices(setup: Setup, *, force: bool) -> tuple[str, ...]:
    """Whether the batch fits, and the largest that does.

    Raises
    ------
    DoesNotFit
        When the weights alone exceed the memory, unless `force`.
    """
    machine, a, w = setup.machine, setup.architecture, setup.workload
    total = machine.mem_bytes
    if total is None:
        return ()
    weights = a.params * BYTES_PER_VALUE[w.precision]
    if weights > total and not force:
        message = (
            f"the weights of {a.name} ({weights / BYTES_PER_GB:.0f} GB at {w.precision}) exceed "
            f"the {total / BYTES_PER_GB:.0f} GB of {machine.id}. "
            "Use more or larger GPUs, a narrower precision, or --force"
        )
        raise DoesNotFit(message)
    fixed, per_sample = memory_need_bytes(setup)
    room = total / max(machine.n_gpus, 1) * _MEMORY_SHARE - fixed
    if room <= 0:
        kept = "weights, gradients and optimiser state" if w.task == "train" else "the weights"
        return (f"{kept} may not fit into one device's memory",)
    if per_sample * w.batch_size > room:
        most = f"the largest that does is about {max(int(room // per_sample), 1)}"
        return (f"batch {w.batch_size:.9g} may not fit into memory: {most}",)
    return ()
