"""Which machine and which network the names and totals in a row of the runs table mean."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from joulecast.core.catalog import normalise
from joulecast.core.errors import JoulecastError, UnknownName
from joulecast.datasets import architectures, hardware, shapes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from joulecast.core.records import Architecture, Machine

_TEXT: Final = ("nlp", "text", "language")


@lru_cache(maxsize=4096)
def machine_of(
    hardware_id: str,
    gpu_name: str,
    cpu_name: str,
    n_gpus: float | None,
    limit_w: float | None,
) -> Machine:
    """The machine of a row, with its own number of GPUs, power limit and host.

    A row that names a GPU ran on it: its CPU is no answer where the GPU is unknown.

    Raises
    ------
    UnknownName
        When no device can be made out.
    """
    machine = _first_known(name for name in (hardware_id, gpu_name or cpu_name) if name)
    if machine is None:
        raise UnknownName(
            "machine",
            hardware_id or gpu_name or cpu_name or "(blank)",
            hardware.device_names(),
            "hardware_id names a device",
        )
    if machine.gpu is not None:
        count = int(n_gpus) if n_gpus else machine.n_gpus
        machine = replace(
            machine, n_gpus=max(count, 1), gpu_power_limit_w=limit_w or machine.gpu_power_limit_w
        )
        host = _host(cpu_name)
        if host is not None and machine.cpu is not None:
            machine = replace(machine, cpu=host.cpu, n_cpus=host.n_cpus)
    return machine


def _first_known(names: Iterable[str]) -> Machine | None:
    for name in names:
        try:
            return hardware.machine(name)
        except UnknownName:
            continue
    return None


@lru_cache(maxsize=512)
def _host(cpu_name: str) -> Machine | None:
    if not cpu_name:
        return None
    try:
        host = hardware.machine(cpu_name.split("(same host", 1)[0].strip())
    except JoulecastError:
        return None
    return host if host.gpu is None else None


@lru_cache(maxsize=8192)
def network_of(  # noqa: PLR0913 (one per input column, so that the cache has a key)
    model: str,
    domain: str,
    shape_text: str,
    seq_len: float | None,
    framework: str,
    *,
    params: float | None,
    macs: float | None,
) -> tuple[Architecture, tuple[str, ...]]:
    """The architecture that a row describes, with what had to be assumed.

    Raises
    ------
    UnknownName
        When neither a known name nor totals describe one.
    """
    shape = shape_of(shape_text)
    is_text = domain in _TEXT or seq_len is not None
    if not shape and seq_len:
        shape = (int(seq_len),)
    found = architectures.candidates(model) or architectures.candidates(_stem(model))
    wanted = "tensorflow" if framework == "tensorflow" else "pytorch"
    if found:
        entry = min(found, key=lambda a: _misfit(a, shape, wanted, params, macs))
        notes: tuple[str, ...] = ()
        if not architectures.candidates(model):
            notes = (f"'{model}' is not in the catalogue: taken as {entry.name}",)
        entry = shapes.resized(entry, _fitting(shape, entry))
        if shape and shapes.agree(params, entry.params):
            macs = None  # network and input size are known: our own count stands
        return shapes.with_totals(entry, params, macs), notes
    if params is None and macs is None:
        raise UnknownName(
            "model",
            model or "(blank)",
            architectures.names(),
            "Give params and macs_per_sample to describe it",
        )
    kind = "text" if is_text else "vision"
    entry = shapes.nearest(architectures.all_architectures(), kind, params, macs, shape)
    said = f"'{model}' is not in the catalogue: op shares of {entry.name}"
    if shape and macs is None:
        entry = shapes.resized(entry, _fitting(shape, entry))
        said += ", MACs from its MACs per parameter"
        macs = entry.macs / entry.params * params if params else None
    named = replace(entry, name=model or entry.name, group=normalise(model), aliases=())
    return shapes.with_totals(named, params, macs), (said,)


def _fitting(shape: tuple[int, ...], entry: Architecture) -> tuple[int, ...]:
    """`shape` if it is of the entry's kind (image or sequence), else the entry's own."""
    if not shape or (len(shape) >= 3) != (len(entry.input_shape) >= 3):
        return entry.input_shape
    return shape


def _stem(model: str) -> str:
    """Name up to the first bracket or version remark: ``resnet50_mod3`` -> ``resnet50``."""
    return re.split(r"\s*\(|_mod\d|_nosync|_v\d+$|-99", model)[0].strip()


def _misfit(
    a: Architecture,
    shape: tuple[int, ...],
    framework: str,
    params: float | None,
    macs: float | None,
) -> tuple[float, float, bool]:
    """How badly an entry fits: distance of totals at the row's size, then size, then framework."""
    shape = _fitting(shape, a)
    at = shapes.resized(a, shape)
    far = 0.0
    if params:
        far += abs(math.log(params / max(a.params, 1.0)))
    if macs:
        far += abs(math.log(macs / max(at.macs, 1.0)))
    size = abs(math.log(max(at.macs, 1.0) / max(a.macs, 1.0)))
    return round(far, 0) + round(size, 0), size, a.framework != framework


def shape_of(spelling: str) -> tuple[int, ...]:
    """``3x224x224`` as (3, 224, 224); blank or unreadable as ()."""
    parts = re.split(r"[x,*\s]+", spelling.strip("()[] ").lower())
    try:
        shape = tuple(int(float(p)) for p in parts if p)
    except (ValueError, OverflowError):
        return ()
    return shape if all(0 < n < 100_000 for n in shape) else ()
