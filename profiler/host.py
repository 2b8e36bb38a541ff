"""What the machine says of itself: raw facts from /proc and /sys, nothing guessed, no root needed.

Every fact that cannot be read is ``None`` (or empty). `root` may be another tree, so that a
container can look at its host's and a test at a made-up one.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.profiler import host_cgroup

if TYPE_CHECKING:
    from collections.abc import Mapping

_BYTES_PER_KIB = 1024.0
_CLOCK_IN_NAME = re.compile(r"@\s*([\d.]+)\s*GHz", re.IGNORECASE)
_ROOT = Path("/")
_CONTAINERS = (
    ("kubepods", "kubernetes"),
    ("docker", "docker"),
    ("libpod", "podman"),
    ("lxc", "lxc"),
    ("containerd", "containerd"),
)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts of the host; ``None`` or empty where it does not say.

    Attributes
    ----------
    cpu_name : as printed by the kernel. cpu_family, cpu_model : numbers of the vendor's scheme.
    board : of a single-board computer, e.g. ``Raspberry Pi 4 Model B Rev 1.4``.
    sockets, cores, threads : of the whole host as the kernel shows it; a virtual machine shows
        what it was given.
    cpu_quota : logical CPUs' worth of time that our cgroup gets, may be a fraction; ``None``
        without a quota.
    cpus_available : logical CPUs that this process may use, by quota and by affinity.
    clock_hz : highest clock of a core if the kernel tells it, else that in the name or now.
    cpu_flags : instruction sets and the like.
    mem_bytes : of the host as the kernel shows it. mem_limit_bytes : of our cgroup.
    dimm_bytes : size of every memory module that the kernel's error counters know.
    gpu_names, gpu_uuids : of the NVIDIA cards that the driver lists, in bus order.
    container : runtime, empty outside. host_id : hash of the host's name, not the name.
    """

    cpu_name: str = ""
    cpu_vendor: str = ""
    cpu_family: int | None = None
    cpu_model: int | None = None
    board: str = ""
    sockets: int | None = None
    cores: int | None = None
    threads: int | None = None
    cpu_quota: float | None = None
    cpus_available: float | None = None
    clock_hz: float | None = None
    cpu_flags: frozenset[str] = frozenset()
    l3_bytes: float | None = None
    mem_bytes: float | None = None
    mem_limit_bytes: float | None = None
    dimm_bytes: tuple[float, ...] = ()
    gpu_names: tuple[str, ...] = ()
    gpu_uuids: tuple[str, ...] = ()
    is_virtual: bool = False
    container: str = ""
    host_id: str = ""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """Facts of one GPU as its driver tells them; ``None`` where it does not.

    Attributes
    ----------
    power_limit_w : enforced now. default_limit_w : the vendor's.
    clock_hz, mem_clock_hz : highest. bus_width_bits : of the memory.
    capability : CUDA compute capability, e.g. (8, 6).
    """

    name: str
    mem_bytes: float | None = None
    power_limit_w: float | None = None
    default_limit_w: float | None = None
    sm_count: int | None = None
    clock_hz: float | None = None
    mem_clock_hz: float | None = None
    bus_width_bits: int | None = None
    capability: tuple[int, int] | None = None


def host_facts(root: Path = _ROOT, environ: Mapping[str, str] | None = None) -> HostFacts:
    """Facts of the host below `root`.

    Parameters
    ----------
    root : where /proc and /sys are.
    environ : environment variables; some container runtimes announce themselves there.
    """
    cpus = _cpu_records(root)
    first = cpus[0] if cpus else {}
    flags = frozenset((first.get("flags") or first.get("Features") or "").split())
    cards = _nvidia_cards(root)
    quota = host_cgroup.cpu_quota(root)
    return HostFacts(
        cpu_name=_cpu_name(first),
        cpu_vendor=first.get("vendor_id", ""),
        cpu_family=_whole(first.get("cpu family")),
        cpu_model=_whole(first.get("model")),
        board=_text(root / "proc/device-tree/model"),
        sockets=_sockets(cpus),
        cores=_cores(cpus),
        threads=len(cpus) or None,
        cpu_quota=quota,
        cpus_available=_available(root, len(cpus), quota),
        clock_hz=_clock_hz(root, cpus),
        cpu_flags=flags,
        l3_bytes=_size_bytes(_text(root / "sys/devices/system/cpu/cpu0/cache/index3/size")),
        mem_bytes=_mem_bytes(root),
        mem_limit_bytes=host_cgroup.mem_limit_bytes(root),
        dimm_bytes=_dimm_bytes(root),
        gpu_names=tuple(name for name, _ in cards),
        gpu_uuids=tuple(uuid for _, uuid in cards),
        is_virtual="hypervisor" in flags,
        container=_container(root, environ or {}),
        host_id=_host_id(root),
    )


def _text(path: Path) -> str:
    """Content of a small file without blanks at its ends, empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip(" \t\r\n\0")
    except OSError:
        return ""


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _cpu_records(root: Path) -> list[dict[str, str]]:
    """One mapping per logical CPU in /proc/cpuinfo."""
    records = []
    for block in _text(root / "proc/cpuinfo").split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        record = {key.strip(): value.strip() for key, colon, value in pairs if colon}
        if "processor" in record:
            records.append(record)
    return records


def _cpu_name(record: Mapping[str, str]) -> str:
    """Name in the kernel's words, blanks squeezed; empty on ARM, whose kernel has none."""
    name = " ".join(record.get("model name", "").split())
    return "" if name.lower() in {"unknown", "0"} or name.startswith("ARMv") else name


def _sockets(cpus: list[dict[str, str]]) -> int | None:
    ids = {cpu["physical id"] for cpu in cpus if "physical id" in cpu}
    return len(ids) or (1 if cpus else None)


def _cores(cpus: list[dict[str, str]]) -> int | None:
    """Physical cores of all sockets; logical CPUs where the kernel does not tell them apart."""
    pairs = {(cpu.get("physical id", "0"), cpu["core id"]) for cpu in cpus if "core id" in cpu}
    return len(pairs) or len(cpus) or None


def _available(root: Path, threads: int, quota: float | None) -> float | None:
    """Logical CPUs that this process may use."""
    limits = [float(threads), quota or 0.0]
    allowed = re.search(
        r"^Cpus_allowed_list:\s*(\S+)", _text(root / "proc/self/status"), re.MULTILINE
    )
    if allowed:
        limits.append(float(host_cgroup.count_of_list(allowed[1])))
    return min((limit for limit in limits if limit > 0), default=None)


def _clock_hz(root: Path, cpus: list[dict[str, str]]) -> float | None:
    khz = _whole(_text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"))
    if khz:
        return 1e3 * khz
    if not cpus:
        return None
    named = _CLOCK_IN_NAME.search(cpus[0].get("model name", ""))
    if named:
        return 1e9 * float(named[1])
    try:
        now_mhz = [float(cpu["cpu MHz"]) for cpu in cpus if "cpu MHz" in cpu]
    except ValueError:
        return None
    fastest_hz = 1e6 * max(now_mhz, default=0.0)
    return fastest_hz if 0 < fastest_hz < math.inf else None


def _size_bytes(text: str) -> float | None:
    """Bytes of a cache size such as ``32768K``."""
    found = re.fullmatch(r"(\d+)([KMG])", text)
    return int(found[1]) * _BYTES_PER_KIB ** " KMG".index(found[2]) if found else None


def _mem_bytes(root: Path) -> float | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * _BYTES_PER_KIB if found else None


def _dimm_bytes(root: Path) -> tuple[float, ...]:
    """Bytes of every module that the kernel's error counters (EDAC, sizes in MiB) know."""
    sizes = []
    for file in sorted((root / "sys/devices/system/edac/mc").glob("mc*/dimm*/size")):
        mib = _whole(_text(file))
        if mib:
            sizes.append(mib * _BYTES_PER_KIB**2)
    return tuple(sizes)


def _nvidia_cards(root: Path) -> list[tuple[str, str]]:
    """Name and UUID of every card that the NVIDIA kernel driver lists, in bus order."""
    cards = []
    for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        pairs = (line.partition(":") for line in _text(file).splitlines())
        card = {key.strip(): value.strip() for key, _, value in pairs}
        if card.get("Model"):
            cards.append((card["Model"], card.get("GPU UUID", "")))
    return cards


def _container(root: Path, environ: Mapping[str, str]) -> str:
    """Runtime of the container that we are in, empty outside of one."""
    if "KUBERNETES_SERVICE_HOST" in environ:
        return "kubernetes"
    trace = _text(root / "proc/self/cgroup") + _text(root / "proc/1/cgroup")
    for mark, runtime in _CONTAINERS:
        if mark in trace:
            return runtime
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    return "apptainer" if "APPTAINER_NAME" in environ else environ.get("container", "")


def _host_id(root: Path) -> str:
    """Twelve hex digits that stay the same for one host name and do not tell it."""
    name = _text(root / "proc/sys/kernel/hostname")
    digest = hashlib.sha256(f"joulecast host {name}".encode()).hexdigest()
    return digest[:12] if name else ""
