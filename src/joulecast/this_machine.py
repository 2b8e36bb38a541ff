"""The machine that we run on: the host's facts put together with the device catalogue.

A part is found by its exact name, never by a part of its name; what the catalogue does not know
is built from what the host says, and every assumption is a notice.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulecast import guessed_parts, part_names
from joulecast.core import catalog
from joulecast.core.errors import BadInput, JoulecastError, UnknownName
from joulecast.core.records import Machine
from joulecast.core.units import BYTES_PER_GB
from joulecast.datasets import hardware
from joulecast.profiler import host
from joulecast.profiler.meters._visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from joulecast.core.records import Device
    from joulecast.profiler.host import GpuFacts, HostFacts

OWN_FILE = "this-machine.toml"
"""What `joulecast profile hardware` writes into the user's folder of machines."""
_OURS = 0.95
"""Share of a processor's cores from which on it counts as ours alone."""


@dataclass(frozen=True, slots=True)
class Detected:
    """The machine found, and the doubts about it."""

    machine: Machine
    notices: tuple[str, ...] = ()


def this_machine(
    *,
    facts: HostFacts | None = None,
    gpu_names: Sequence[str] | None = None,
    gpu_facts: Sequence[GpuFacts] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Detected:
    """The machine that we run on.

    Parameters
    ----------
    facts : of the host; ``None`` to read them.
    gpu_names : as the driver spells them, of the GPUs that this process may use; ``None`` for
        those that the kernel driver lists and CUDA_VISIBLE_DEVICES leaves.
    gpu_facts : the same with memory, power limit and clocks: tells cards of one name apart and
        makes a card that the catalogue does not know usable.
    environ : environment variables; ``None`` for this process's.

    Raises
    ------
    UnknownName
        For a GPU that is not in the catalogue, without `gpu_facts` to build it from.
    BadInput
        If the host says nothing at all of itself.
    """
    environ = os.environ if environ is None else environ
    facts = host.host_facts(environ=environ) if facts is None else facts
    if gpu_facts is None:
        names = _driver_names(facts, environ) if gpu_names is None else gpu_names
        gpu_facts = [host.GpuFacts(name) for name in names]
    own, notices = _own_machine(facts, gpu_facts)
    if own is not None:
        return Detected(own, notices)
    found = _put_together(facts, gpu_facts)
    return replace(found, notices=(*notices, *found.notices))


def _put_together(facts: HostFacts, gpus: Sequence[GpuFacts]) -> Detected:
    """The machine from its parts."""
    board = part_names.match(facts.board, "edge") if facts.board and not gpus else None
    if board is not None:
        return Detected(hardware.plain_host(board))
    gpu, notices = _gpu(gpus)
    cpu, n_cpus, said = _cpu(facts, is_host=gpu is not None)
    notices += said
    if gpu is None and cpu is None:
        message = (
            "cannot tell what this machine is: /proc/cpuinfo names no CPU and no GPU is there. "
            "Give --hw with the id of a device or a machine TOML"
        )
        raise BadInput(message)
    dram, n_dimms, said = _dram(facts, cpu, is_host=gpu is not None)
    notices += said
    machine = Machine(
        id="",
        name="",
        gpu=gpu,
        n_gpus=sum(g.name == gpus[0].name for g in gpus) if gpu else 0,
        gpu_power_limit_w=_limit_w(gpu, gpus),
        cpu=cpu,
        n_cpus=n_cpus,
        dram=dram,
        n_dimms=n_dimms,
        source="detected",
    )
    known = None if facts.is_virtual else _catalogued(machine, facts, gpus)
    if known is not None:
        return Detected(known, (f"these are the parts of {known.id}: taken as it",))
    return Detected(_named(machine), notices)


def _gpu(gpus: Sequence[GpuFacts]) -> tuple[Device | None, tuple[str, ...]]:
    """The GPU, and doubts; raises `UnknownName` for one that cannot be made."""
    if not gpus:
        return None, ()
    first = gpus[0]
    others = sorted({g.name for g in gpus} - {first.name})
    mixed = f"GPUs of several kinds: only {first.name} is counted, not {', '.join(others)}"
    notices = (mixed,) * bool(others)
    device = part_names.match(first.name, "gpu", "edge", mem_bytes=first.mem_bytes)
    if device is not None:
        return device, notices
    device = guessed_parts.gpu_of(first)
    if device is None:
        hint = "'joulecast profile hardware' measures it and writes its TOML"
        raise UnknownName("GPU", first.name, hardware.device_names(), hint)
    said = (
        f"GPU '{first.name}' is not in the catalogue: rates taken from its clocks. "
        "'joulecast profile hardware' measures them"
    )
    return device, (*notices, said)


def _limit_w(gpu: Device | None, gpus: Sequence[GpuFacts]) -> float | None:
    """Watts that the driver caps the GPU at, ``None`` for the vendor's limit."""
    limit_w = gpus[0].power_limit_w if gpu is not None else None
    if gpu is None or not limit_w or abs(limit_w - gpu.tdp_w) <= 0.02 * gpu.tdp_w:
        return None
    return limit_w


def _cpu(facts: HostFacts, *, is_host: bool) -> tuple[Device | None, int, tuple[str, ...]]:
    """The processor, how many, and doubts.

    Beside a GPU it is the whole processor. Where it computes itself it is the share that we were
    given: a fourth of the cores takes four times as long. Affinity is no share: the process is
    bound, the machine is not.
    """
    if not facts.cpu_name and not facts.threads:
        said = "the CPU is not known: /proc/cpuinfo says nothing of it; its energy is left out"
        return None, 0, (said,)
    device = part_names.match(facts.cpu_name, "cpu")
    notices: tuple[str, ...] = ()
    if device is not None:
        count = _sockets(facts, device)
    else:
        device, count, assumed = guessed_parts.cpu_of(facts)
        notices = (assumed,)
    given = _cores(facts, facts.cpu_quota)
    whole = (device.sm_count or given) * count
    bound = _cores(facts, facts.cpus_available)
    if bound < _OURS * given:
        notices += (f"affinity leaves this process {bound:g} of {given:g} CPU cores: all count",)
    if given >= _OURS * whole:
        return device, count, notices
    what = "the whole is counted as host" if is_host else "only these are counted"
    notices += (f"{given:g} of {whole:g} CPU cores are ours: {what}",)
    if is_host:
        return device, count, notices
    return guessed_parts.share_of(device, given / count), count, notices


def _sockets(facts: HostFacts, device: Device) -> int:
    """Number of processors; a virtual machine may show every core as a socket of its own."""
    if facts.is_virtual and facts.cores and device.sm_count:
        return max(1, round(facts.cores / device.sm_count))
    return facts.sockets or 1


def _cores(facts: HostFacts, cpus: float | None) -> float:
    """Physical cores' worth of so many logical CPUs, of all that the host shows if ``None``."""
    threads = facts.threads or 1
    return min(cpus or threads, threads) * (facts.cores or threads) / threads


def _dram(
    facts: HostFacts, cpu: Device | None, *, is_host: bool
) -> tuple[Device | None, int, tuple[str, ...]]:
    """One module, how many, and doubts; of the whole host beside a GPU, else of our share."""
    if facts.mem_bytes is None:
        return None, 0, ("the memory is not known: its energy is left out",)
    limit_bytes, ours = facts.mem_limit_bytes, facts.mem_bytes
    notices: tuple[str, ...] = ()
    if limit_bytes is not None and limit_bytes < 0.9 * ours and not is_host:
        ours = limit_bytes
        gb = (ours / BYTES_PER_GB, facts.mem_bytes / BYTES_PER_GB)
        notices = (f"{gb[0]:.0f} of {gb[1]:.0f} GB of memory are ours: only these are counted",)
        facts = replace(facts, dimm_bytes=())
    year = cpu.year if cpu is not None else 2020
    module, count, said = guessed_parts.dimms_of(facts, ours, year)
    return module, count, (*notices, *((said,) if said else ()))


def _catalogued(machine: Machine, facts: HostFacts, gpus: Sequence[GpuFacts]) -> Machine | None:
    """The only machine on the shelf (the user's or ours) with the same parts, if there is one."""
    found = []
    limit_w = gpus[0].power_limit_w if gpus else None
    for name in hardware.machine_names():
        try:
            known = hardware.machine(name)
        except JoulecastError:  # a malformed file of the user's: not asked for here
            continue
        same = (known.gpu, known.n_gpus) == (machine.gpu, machine.n_gpus)
        same = same and (known.cpu, known.n_cpus) == (machine.cpu, machine.n_cpus)
        held = known.dram.mem_bytes * known.n_dimms if known.dram and known.dram.mem_bytes else None
        capped = part_names.is_near(known.gpu_power_limit_w, limit_w, 0.02)
        if same and capped and part_names.is_near(held, facts.mem_bytes):
            found.append(known)
    return found[0] if len(found) == 1 else None


def _named(machine: Machine) -> Machine:
    """`machine` with an id and a name made of its parts; parts named after the file likewise."""
    gpu, cpu, dram = (_part_named(part) for part in (machine.gpu, machine.cpu, machine.dram))
    counted = [(p, n) for p, n in ((gpu, machine.n_gpus), (cpu, machine.n_cpus)) if p is not None]
    words = [f"{count}x-{part.id}" if count > 1 else part.id for part, count in counted]
    return replace(
        machine,
        id="+".join(words),
        name=" with ".join(part.name for part, _ in counted),
        gpu=gpu,
        cpu=cpu,
        dram=dram,
    )


def _part_named(part: Device | None) -> Device | None:
    """`part` with the catalogue's id, or one from its name, if a machine file gave it its own."""
    if part is None or part.id != OWN_FILE.removesuffix(".toml"):
        return part
    known = part_names.match(part.name, part.kind, mem_bytes=part.mem_bytes)
    return replace(part, id=guessed_parts.slug(part.name) if known is None else known.id)


def own_path() -> Path:
    """Where the user's own description of this machine is kept."""
    return catalog.user_dir() / "machines" / OWN_FILE


def _own_machine(
    facts: HostFacts, gpus: Sequence[GpuFacts]
) -> tuple[Machine | None, tuple[str, ...]]:
    """The user's own description of this machine if there is one that fits, and doubts.

    A home directory may be shared by several machines: the CPU's and the GPUs' names must agree.
    A file that cannot be used is a notice, so that a measured job goes on.
    """
    path = own_path()
    if not path.is_file():
        return None, ()
    try:
        machine = _named(hardware.machine_from_toml(path))
    except JoulecastError as exc:
        return None, (f"machines/{OWN_FILE} is not used: {exc}",)
    other = [g.name for g in gpus if not _is_part(machine.gpu, g.name)]
    if facts.cpu_name and machine.cpu is not None and not _is_part(machine.cpu, facts.cpu_name):
        other.append(facts.cpu_name)
    if other:
        said = f"it describes {machine.name}, here is {', '.join(dict.fromkeys(other))}"
        return None, (f"machines/{OWN_FILE} is not used: {said}",)
    if len(gpus) != machine.n_gpus:
        gpu = machine.gpu if gpus else None
        machine = _named(replace(machine, gpu=gpu, n_gpus=len(gpus)))
    if machine.accelerator is None:
        return None, (f"machines/{OWN_FILE} is not used: its GPU is not to be seen",)
    return machine, (f"described by machines/{OWN_FILE}",)


def _is_part(device: Device | None, name: str) -> bool:
    return device is not None and part_names.is_called(device, name)


def _driver_names(facts: HostFacts, environ: Mapping[str, str]) -> list[str]:
    """Names of the cards in the kernel driver's list that CUDA_VISIBLE_DEVICES leaves."""
    chosen = visible(environ.get("CUDA_VISIBLE_DEVICES"), facts.gpu_uuids)
    return [facts.gpu_names[i] for i in chosen]
