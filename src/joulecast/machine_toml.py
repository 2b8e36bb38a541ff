"""A machine written down: its facts, corrected by what was measured on it, as one TOML file."""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, JoulecastError
from joulecast.core.records import Device, is_measured
from joulecast.core.units import format_si
from joulecast.datasets import hardware

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulecast.core.records import Machine
    from joulecast.profiler.hardware_profile import HardwareProfile

MATMUL_SHARE = {"gpu": 0.8, "cpu": 0.7}
"""Share of the catalogue's FLOP/s that a large matrix product reaches: fp32 0.84 on a V100, 0.75 on
an A100, less on cards held back by their power limit. For CPUs it is assumed: two virtual cores
reached 0.97 of clock x vector width, many cores with wide vectors keep less of it."""
COPY_SHARE = {"gpu": 0.85, "cpu": 0.75}
"""Share of the data sheet's bytes/s that a copy reaches, assumed."""
_PARTS = {"gpu": "n_gpus", "cpu": "n_cpus", "dram": "n_dimms"}


def with_profile(machine: Machine, profile: HardwareProfile) -> Machine:
    """`machine` with what was measured on it.

    Rates of a part that the catalogue knows stay those of its data sheet; otherwise they are the
    measured ones over the share of the data sheet's that such a benchmark reaches elsewhere
    (`MATMUL_SHARE`, `COPY_SHARE`), which is doubtful and listed so. Idle watts are taken only from
    a sensor.
    """
    kind = "cpu" if profile.device == "cpu" else "gpu"
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    part = parts[kind]
    if part is not None and not _is_catalogued(part):
        count = machine.n_cpus if kind == "cpu" else 1
        parts[kind] = _with_rates(part, profile, kind, max(count, 1))
    for name, count in (
        ("gpu", machine.n_gpus),
        ("cpu", machine.n_cpus),
        ("dram", machine.n_dimms),
    ):
        parts[name] = _with_idle(parts[name], profile, name, count)
    note = " ".join(filter(None, [machine.note, _measured_words(profile)]))
    return replace(machine, gpu=parts["gpu"], cpu=parts["cpu"], dram=parts["dram"], note=note)


def write_machine(
    machine: Machine,
    profile: HardwareProfile | None,
    path: Path,
    *,
    overwrite: bool = False,
) -> Machine:
    """The machine as `hardware.machine_from_toml` reads it back from `path`, written there.

    A part that the catalogue has as it is becomes its id, any other a table; machine and tables
    take the file's name as their id.

    Raises
    ------
    BadInput
        If the file is there and `overwrite` is not set, or it cannot be written.
    """
    if path.exists() and not overwrite:
        message = f"{path} is already there. Move it away, or say that it may be overwritten"
        raise BadInput(message)
    if profile is not None:
        machine = with_profile(machine, profile)
    machine = _named_after(machine, path.stem)
    text = machine_text(machine)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        with suppress(OSError):
            draft.unlink()
        message = f"cannot write {path}: {exc.strerror}"
        raise BadInput(message) from exc
    return machine


def machine_text(machine: Machine) -> str:
    """`machine` as TOML."""
    plain = {f.name: getattr(machine, f.name) for f in fields(machine)}
    parts = {kind: plain.pop(kind) for kind in _PARTS}
    del plain["id"]
    for kind, count in _PARTS.items():
        part = parts[kind]
        if part is None:
            del plain[count]
        elif _is_catalogued(part):
            plain[kind] = parts[kind].id
            parts[kind] = None
    blocks = ["".join(_lines(plain))]
    blocks += [_device_text(kind, part) for kind, part in parts.items() if part is not None]
    return "\n".join(blocks)


def _device_text(kind: str, device: Device) -> str:
    facts = {f.name: getattr(device, f.name) for f in fields(device) if f.name != "id"}
    peaks = facts.pop("peak_flops_per_s")
    text = f"[{kind}]\n" + "".join(_lines(facts))
    return text + (f"\n[{kind}.peak_flops_per_s]\n" + "".join(_lines(peaks)) if peaks else "")


def _lines(facts: Mapping[str, Any]) -> list[str]:
    """``key = value`` lines; what is not known or empty is left out."""
    return [f"{key} = {_value(v)}\n" for key, v in facts.items() if v not in (None, "", ())]


def _value(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, str):
        # JSON's strings are TOML's, but for DEL, which TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if not math.isfinite(value):
        message = f"a machine's figure is {value}. Give finite numbers"
        raise BadInput(message)
    return repr(value)


def _is_catalogued(part: Device) -> bool:
    """Whether the catalogue has this very device under its id."""
    try:
        return hardware.device(part.id) == part
    except JoulecastError:
        return False


def _named_after(machine: Machine, stem: str) -> Machine:
    """`machine` with the ids that reading it from a file called `stem` gives."""
    gpu, cpu, dram = (
        part if part is None or _is_catalogued(part) else replace(part, id=stem)
        for part in (machine.gpu, machine.cpu, machine.dram)
    )
    name = machine.name or stem
    return replace(machine, id=stem, name=name, gpu=gpu, cpu=cpu, dram=dram)


def _with_rates(part: Device, profile: HardwareProfile, kind: str, count: int) -> Device:
    """`part` with peak rates from the measured ones, of each of `count` that worked together."""
    peaks = {
        precision: _rounded(rate / MATMUL_SHARE[kind] / count)
        for precision, rate in profile.matmul_flops_per_s.items()
    }
    copy = profile.value("copy")
    bandwidth = part.mem_bandwidth_bytes_per_s
    doubtful = set(part.doubtful) | {f"peak_flops_per_s.{p}" for p in peaks}
    if copy is not None:
        bandwidth = _rounded(copy / COPY_SHARE[kind] / count)
        doubtful.add("mem_bandwidth_bytes_per_s")
    return replace(
        part,
        peak_flops_per_s={**part.peak_flops_per_s, **peaks},
        mem_bandwidth_bytes_per_s=bandwidth,
        doubtful=tuple(sorted(doubtful)),
        note=" ".join(
            filter(None, [part.note, "Peak rates = measured ones / shares usual elsewhere."])
        ),
    )


def _with_idle(
    part: Device | None, profile: HardwareProfile, scope: str, count: int
) -> Device | None:
    """`part` with its idle watts if a sensor measured them."""
    watts = profile.idle_w.get(scope)
    sensed = is_measured(profile.idle_source.get(scope, ""))
    if part is None or not sensed or not watts or not count or watts / count >= part.tdp_w:
        return part
    doubtful = tuple(name for name in part.doubtful if name != "idle_w")
    return replace(part, idle_w=_rounded(watts / count), doubtful=doubtful)


def _measured_words(profile: HardwareProfile) -> str:
    """The figures of the profile as a sentence."""
    units = {"matmul": "FLOP/s", "copy": "B/s", "host-copy": "B/s", "launch": "s"}
    words = []
    for key, rate in profile.rates.items():
        unit = units.get(key.partition(":")[0], "samples/s")
        words.append(f"{key.replace(':', ' ')} {format_si(rate.value, unit)}")
    return f"Measured on {profile.device}: {', '.join(words)}." if words else ""


def _rounded(value: float) -> float:
    """Four significant digits: more was not measured."""
    return float(f"{value:.3e}")
