"""Devices and machines from TOML files; the file name is the id, a user's own folder comes first.

A device named where a machine is asked for goes into a plain host (`_desktop`, `_server` or
`_edge`), and ``8xh100-sxm`` is a host with eight of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from joulecast.core import catalog
from joulecast.core.errors import BadInput, UnknownName
from joulecast.core.records import Device, Machine

_DEVICE_KEYS = {f.name for f in fields(Device)} - {"id"}
_MACHINE_KEYS = {f.name for f in fields(Machine)} - {"id"}
_REQUIRED = ("name", "kind", "tdp_w", "year")
_KINDS = ("gpu", "cpu", "dram", "edge")
_TEXTS = frozenset({"name", "source", "vendor", "architecture", "note"})
_LISTS = frozenset({"aliases", "doubtful"})
_COUNTS = frozenset({"n_gpus", "n_cpus", "n_dimms", "loader_workers"})
_COUNTED = re.compile(r"^(\d{1,5})\s*x\s*[-_]?(?=\D)(.+)$", re.IGNORECASE)
_SERVER_HINTS = re.compile(
    r"^(v100|p100|p4|p40|t4|k80|a2|a10|a16|a30|a40|a100|l4|l40|h\d|b\d|gb\d|gh\d|mi\d|"
    r"tpu|gaudi|qaic)",
    re.IGNORECASE,
)


def device_from_toml(path: Path) -> Device:
    """The device described by a TOML file; unknown or missing keys and absurd values refused."""
    return _device_from(path, catalog.read_toml(path))


def _device_from(path: Path, facts: dict[str, Any]) -> Device:
    """The device that the facts of a file, or of a table in it, describe."""
    _refuse_unknown(path, facts, _DEVICE_KEYS)
    missing = [k for k in _REQUIRED if k not in facts]
    if missing:
        message = f"{path}: missing {', '.join(missing)}. A device needs {', '.join(_REQUIRED)}"
        raise BadInput(message)
    _refuse_absurd(path, facts)
    for key in ("aliases", "doubtful"):
        facts[key] = tuple(facts.get(key, ()))
    return Device(**({"source": str(path)} | facts), id=path.stem)


def machine_from_toml(path: Path) -> Machine:
    """The machine described by a TOML file; a device file becomes a plain host with one of it."""
    facts = catalog.read_toml(path)
    if "kind" in facts or "tdp_w" in facts:
        return plain_host(_device_from(path, facts))
    _refuse_unknown(path, facts, _MACHINE_KEYS)
    if not {"gpu", "cpu"} & facts.keys():
        message = f"{path}: names neither a gpu nor a cpu. Give the id of a device, e.g. gpu = 't4'"
        raise BadInput(message)
    _refuse_absurd(path, facts)
    for kind, count in (("gpu", "n_gpus"), ("cpu", "n_cpus"), ("dram", "n_dimms")):
        if kind in facts:
            facts[kind] = _part(path, facts[kind])
            facts.setdefault(count, 1)
    facts["aliases"] = tuple(facts.get("aliases", ()))
    return Machine(**({"name": path.stem} | facts), id=path.stem)


def _part(path: Path, value: Any) -> Device:  # noqa: ANN401
    """A device of a machine file: an id, or an inline table of facts."""
    return _device_from(path, dict(value)) if isinstance(value, Mapping) else device(value)


def _refuse_unknown(path: Path, facts: Mapping[str, Any], known: set[str]) -> None:
    for key in facts:
        if key not in known:
            raise UnknownName(f"key in {path}:", key, sorted(known))


def _refuse_absurd(path: Path, facts: Mapping[str, Any]) -> None:
    for key, value in facts.items():
        wanted = _wanted(key, value)
        if wanted:
            message = f"{path}: {key} = {value!r} cannot be right. Give {wanted}"
            raise BadInput(message)


def _wanted(key: str, value: Any) -> str:  # noqa: ANN401
    """What `key` takes, if `value` is not that; else nothing."""
    if key == "kind":
        right, wanted = value in _KINDS, f"one of {', '.join(_KINDS)}"
    elif key in _TEXTS:
        right, wanted = isinstance(value, str), "a text"
    elif key in _LISTS:
        right = isinstance(value, list) and all(isinstance(item, str) for item in value)
        wanted = "a list of texts"
    elif key in {"gpu", "cpu", "dram"}:
        right, wanted = isinstance(value, str | Mapping), "the id of a device or its facts"
    elif key == "peak_flops_per_s":
        right = isinstance(value, Mapping) and all(map(_is_sane, value.values()))
        wanted = "a positive number per precision"
    elif key in _COUNTS:
        right, wanted = _is_sane(value) and value == int(value), "a positive whole number"
    else:
        right, wanted = _is_sane(value), "a positive number"
    return "" if right else wanted


def _is_sane(value: Any) -> bool:  # noqa: ANN401
    """Whether it is a positive, finite, conceivable number (NaN is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e20


def _folders(kind: str) -> list[Path]:
    shipped = catalog.DEVICES_DIR if kind == "devices" else catalog.MACHINES_DIR
    own = catalog.user_dir() / kind
    return [own, shipped] if own.is_dir() else [shipped]


def _file(kind: str, name: str) -> Path | None:
    """The file whose name, or failing that one of whose aliases, `name` spells."""
    wanted = catalog.normalise(name)
    for folder in _folders(kind):
        for stem in catalog.names(folder, ".toml"):
            if catalog.normalise(stem) == wanted:
                return folder / f"{stem}.toml"
    for folder in _folders(kind):
        alias_of = _aliases(folder).get(wanted)
        if alias_of is not None:
            return folder / f"{alias_of}.toml"
    return None


@cache
def _aliases(folder: Path) -> dict[str, str]:
    index: dict[str, str] = {}
    for stem in catalog.names(folder, ".toml"):
        for alias in catalog.read_toml(folder / f"{stem}.toml").get("aliases", ()):
            index.setdefault(catalog.normalise(alias), stem)
    return index


def device_names() -> list[str]:
    """Ids of all devices, the user's own first."""
    return [n for folder in _folders("devices") for n in catalog.names(folder, ".toml")]


def machine_names() -> list[str]:
    """Ids of all machines, the user's own first."""
    return [n for folder in _folders("machines") for n in catalog.names(folder, ".toml")]


@cache
def device(name: str) -> Device:
    """The device that `name` spells.

    Raises
    ------
    UnknownName
        With the nearest three.
    """
    path = _file("devices", name)
    if path is None:
        hint = "Or describe it in a TOML file with its TDP, memory, bandwidth, peak FLOP/s and year"
        raise UnknownName("device", name, device_names(), hint)
    return device_from_toml(path)


def machine(name: str) -> Machine:
    """The machine that `name` means: an id, a TOML path, a device, or ``8xh100-sxm``.

    Raises
    ------
    UnknownName
        With the nearest three.
    """
    if name.endswith(".toml") or (os.sep in name and Path(name).is_file()):
        return machine_from_toml(Path(name))  # never cached: its owner edits it
    return _named(name)


@cache
def _named(name: str) -> Machine:
    path = _file("machines", name)
    if path is not None:
        return machine_from_toml(path)
    path = _file("devices", name)
    if path is not None:
        return plain_host(device_from_toml(path))
    counted = _COUNTED.match(name)
    if counted and int(counted[1]) > 0:
        one = machine(counted[2])
        if one.gpu is not None:
            return replace(one, id=name, name=f"{counted[1]} x {one.name}", n_gpus=int(counted[1]))
        return replace(one, id=name, name=f"{counted[1]} x {one.name}", n_cpus=int(counted[1]))
    known = [*machine_names(), *device_names()]
    raise UnknownName(
        "machine", name, known, "'joulecast list-hw' shows all; a TOML path works too"
    )


def plain_host(part: Device) -> Machine:
    """`part` in a host of its kind: a desktop, a server, or the bare board.

    The host's clock stays open: nobody stated it, and a guess of 3.2 GHz for one board and 5.0 GHz
    for another would make a difference between boards out of what is not known.
    """
    if part.kind == "cpu":
        host = _template("_desktop")
        return replace(host, id=part.id, name=part.name, cpu=part, n_cpus=1, source=part.source)
    if part.kind == "dram":
        message = f"'{part.id}' is a memory module and cannot run a network. Name a GPU or a CPU"
        raise BadInput(message)
    kind = "_server" if _SERVER_HINTS.match(part.id) else "_desktop"
    if part.kind == "edge":
        kind = "_edge"
    host = _template(kind)
    return replace(
        host,
        cpu=host.cpu and replace(host.cpu, clock_hz=None),
        id=part.id,
        name=part.name,
        gpu=part,
        n_gpus=1,
        source=part.source,
    )


@cache
def _template(name: str) -> Machine:
    path = catalog.MACHINES_DIR / f"{name}.toml"
    facts = catalog.read_toml(path)
    for kind, count in (("cpu", "n_cpus"), ("dram", "n_dimms")):
        if kind in facts:
            facts[kind] = device(facts[kind])
            facts.setdefault(count, 1)
    facts.pop("aliases", None)
    return Machine(**facts, id=name)
