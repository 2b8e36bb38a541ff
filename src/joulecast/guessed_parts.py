"""Devices made up from what a host says of itself, for parts that the catalogue does not know.

Every figure that is assumed is listed as doubtful in the device, and the assumption is a notice.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast.core.records import Device
from joulecast.core.units import BYTES_PER_GB
from joulecast.datasets import hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.profiler.host import GpuFacts, HostFacts

SERVER_W_PER_CORE = 7.0
"""Median of the catalogue's Xeon and EPYC processors: TDP / cores."""
DESKTOP_W_PER_CORE = 11.0
"""Median of the catalogue's Core and Ryzen processors."""
BANDWIDTH_PER_CORE = 10e9
"""Bytes/s that one core can ask for, until its socket's memory is the limit."""
_CPU_NOISE = re.compile(r"\((?:R|TM|C)\)|\s+(?:CPU\s+)?@.*$", re.IGNORECASE)
_GIB = 2.0**30
_ALL_CORE_SHARE = 0.9
"""Clock of all cores at work, relative to the fastest clock of one."""
_UNKNOWN_YEAR = 2020
_INTEL_YEARS = {
    2013: (58, 60, 62, 69, 70),
    2014: (63,),
    2015: (61, 71, 78, 94),
    2016: (79, 86),
    2017: (142, 158),
    2018: (85,),
    2020: (140, 141, 165, 166),
    2021: (106, 108, 151, 154, 167),
    2022: (183, 186, 191),
    2023: (143, 170, 207),
    2024: (173, 174, 175, 189, 197, 198),
}
"""Year of an Intel processor by its model number in family 6."""
_AMD_YEARS = {23: ((0x30, 2017), (0x100, 2019)), 26: ((0x100, 2024),)}
_AMD_25_YEARS = ((0x10, 2021), (0x20, 2022), (0x60, 2020), (0x80, 2022), (0x100, 2023))
_CUDA_YEARS = {(7, 0): 2017, (7, 5): 2018, (8, 0): 2020, (8, 6): 2020, (8, 9): 2022, (9, 0): 2022}
_CORES_PER_SM = {(6, 0): 64, (7, 0): 64, (7, 5): 64, (8, 0): 64}
_BOOST_SHARE = 0.85
"""Clock that the vendor's peak rate is stated at, relative to the highest the driver allows."""


def slug(name: str) -> str:
    """Identifier made of a device's name.

    >>> slug("AMD EPYC, 2 cores")
    'amd-epyc-2-cores'
    """
    plain = re.sub(r"\((?:r|tm|c)\)", " ", name.casefold())
    return re.sub(r"[^a-z0-9.+]+", "-", plain).strip("-")


def cpu_of(facts: HostFacts) -> tuple[Device, int, str]:
    """One socket's processor, the number of sockets, and what was assumed."""
    sockets = 1 if facts.is_virtual else facts.sockets or 1
    cores = (facts.cores or facts.threads or 1) / sockets
    server = facts.is_virtual or bool(re.search("xeon|epyc|neoverse", facts.cpu_name.lower()))
    per_core_w = SERVER_W_PER_CORE if server else DESKTOP_W_PER_CORE
    year = cpu_year(facts)
    clock_hz = facts.clock_hz or 2.5e9
    all_core_hz = clock_hz if facts.is_virtual else _ALL_CORE_SHARE * clock_hz
    socket_bandwidth = (205e9 if server else 50e9) * (1.5 if year >= 2022 else 1)
    doubtful = ["tdp_w", "year", "peak_flops_per_s.fp32", "mem_bandwidth_bytes_per_s"]
    name = f"{_CPU_NOISE.sub('', facts.cpu_name).strip() or 'CPU without a name'}, {cores:g} cores"
    cpu = Device(
        id=slug(name),
        name=name,
        kind="cpu",
        tdp_w=per_core_w * cores,
        year=year,
        source="what the host says of itself",
        vendor={"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}.get(facts.cpu_vendor, ""),
        mem_bandwidth_bytes_per_s=min(BANDWIDTH_PER_CORE * cores, socket_bandwidth),
        peak_flops_per_s={"fp32": cores * all_core_hz * flops_per_cycle(facts)},
        sm_count=cores,
        l2_bytes=facts.l3_bytes,
        clock_hz=clock_hz,
        aliases=(facts.cpu_name,) if facts.cpu_name else (),
        doubtful=tuple(doubtful if facts.clock_hz else [*doubtful, "clock_hz"]),
        note=f"TDP = {cores:g} cores x {per_core_w:g} W, assumed.",
    )
    said = (
        f"TDP of '{facts.cpu_name or 'this CPU'}' not known: {per_core_w:g} W per core assumed, "
        f"{cpu.tdp_w:g} W for {cores:g} cores. State it in a machine TOML"
    )
    return cpu, sockets, said


def flops_per_cycle(facts: HostFacts) -> float:
    """fp32 operations per core and clock, two fused multiply-adds of the widest vectors.

    Zen 4 (family 25) halves its 512-bit vectors; Zen 1 (family 23) halves its 256-bit ones.
    """
    flags = facts.cpu_flags
    if "avx512f" in flags:
        return 32.0 if facts.cpu_family == 25 else 64.0
    if "avx2" in flags:
        first_zen = facts.cpu_family == 23 and (facts.cpu_model or 0) < 0x30
        return 16.0 if first_zen else 32.0
    if "sve" in flags:
        return 32.0
    return 16.0 if flags & {"avx", "asimd"} else 8.0


def cpu_year(facts: HostFacts) -> int:
    """Year in which the processor's generation came out; 2020 for one not known."""
    model = facts.cpu_model or 0
    if facts.cpu_vendor == "GenuineIntel" and facts.cpu_family == 6:
        return next((y for y, models in _INTEL_YEARS.items() if model in models), _UNKNOWN_YEAR)
    if facts.cpu_vendor == "AuthenticAMD":
        steps = _AMD_25_YEARS if facts.cpu_family == 25 else _AMD_YEARS.get(facts.cpu_family or 0)
        return next((year for below, year in steps or () if model < below), _UNKNOWN_YEAR)
    return _UNKNOWN_YEAR


def share_of(cpu: Device, cores: float) -> Device:
    """`cores` of the processor's cores as a device of their own: its clock, their share of it."""
    whole = cpu.sm_count
    if not whole or cores >= whole:
        return cpu
    share = cores / whole
    name = f"{cpu.name.partition(',')[0]}, {cores:g} of {whole:g} cores"
    bandwidth = cpu.mem_bandwidth_bytes_per_s
    return replace(
        cpu,
        id=slug(name),
        name=name,
        tdp_w=share * cpu.tdp_w,
        turbo_w=share * cpu.turbo_w if cpu.turbo_w else None,
        idle_w=share * cpu.idle_w if cpu.idle_w else None,
        mem_bandwidth_bytes_per_s=min(bandwidth, BANDWIDTH_PER_CORE * cores) if bandwidth else None,
        peak_flops_per_s={k: share * v for k, v in cpu.peak_flops_per_s.items()},
        sm_count=cores,
        aliases=cpu.aliases,
        doubtful=tuple({*cpu.doubtful, "tdp_w", "mem_bandwidth_bytes_per_s"}),
        note=f"A share of {cpu.name}: watts and rates by cores.",
    )


def gpu_of(gpu: GpuFacts) -> Device | None:
    """A GPU from what its driver says, ``None`` if memory or power limit are not among it."""
    tdp_w = gpu.default_limit_w or gpu.power_limit_w
    if not tdp_w or not gpu.mem_bytes:
        return None
    clock_hz = _BOOST_SHARE * gpu.clock_hz if gpu.clock_hz else None
    bandwidth = None
    if gpu.mem_clock_hz and gpu.bus_width_bits:
        bandwidth = 2 * gpu.mem_clock_hz * gpu.bus_width_bits / 8
    return Device(
        id=slug(gpu.name),
        name=gpu.name,
        kind="gpu",
        tdp_w=tdp_w,
        year=_CUDA_YEARS.get(gpu.capability or (0, 0), 2025 if _newer(gpu, 9, 1) else 2016),
        source="what the driver says of it",
        vendor="NVIDIA" if gpu.capability else "",
        mem_bytes=gpu.mem_bytes,
        mem_bandwidth_bytes_per_s=bandwidth,
        peak_flops_per_s=_gpu_peaks(gpu, clock_hz),
        sm_count=gpu.sm_count,
        clock_hz=clock_hz,
        aliases=(gpu.name,),
        doubtful=("year", "peak_flops_per_s", "mem_bandwidth_bytes_per_s", "clock_hz"),
        note="Peak rates = 2 x cores x 0.85 of the highest clock; tensor cores at twice that.",
    )


def _newer(gpu: GpuFacts, major: int, minor: int) -> bool:
    return gpu.capability is not None and gpu.capability >= (major, minor)


def _gpu_peaks(gpu: GpuFacts, clock_hz: float | None) -> Mapping[str, float]:
    """FLOP/s per precision: plain cores, and the least that tensor cores of the age add."""
    if not gpu.sm_count or not clock_hz:
        return {}
    cores = gpu.sm_count * _CORES_PER_SM.get(gpu.capability or (0, 0), 128)
    fp32 = 2.0 * cores * clock_hz
    peaks = {"fp32": fp32}
    if _newer(gpu, 7, 0):
        peaks["fp16"] = 2 * fp32
    if _newer(gpu, 8, 0):
        peaks |= {"tf32": fp32, "bf16": 2 * fp32}
    return peaks


def dimms_of(facts: HostFacts, mem_bytes: float, year: int) -> tuple[Device, int, str]:
    """One memory module, how many there are, and what was assumed of them (empty if nothing)."""
    modern = year >= 2022
    big = modern or mem_bytes > 120 * BYTES_PER_GB
    if facts.dimm_bytes:
        count = len(facts.dimm_bytes)
        size_bytes = sum(facts.dimm_bytes) / count
        big = size_bytes > 20 * BYTES_PER_GB
    dimm = hardware.device(_dimm_id(modern=modern, big=big))
    if facts.dimm_bytes and not facts.is_virtual:
        return _sized(dimm, size_bytes), count, ""
    gb = (dimm.mem_bytes or 16 * BYTES_PER_GB) / BYTES_PER_GB
    count = max(1, round(mem_bytes / (gb * _GIB)))
    module = _sized(dimm, mem_bytes / count)
    said = (
        f"memory modules cannot be seen: {count} x {gb:g} GB {dimm.architecture} assumed "
        f"for {mem_bytes / BYTES_PER_GB:.0f} GB"
    )
    return module, count, said


def _dimm_id(*, modern: bool, big: bool) -> str:
    if modern:
        return "ddr5-32gb-4800" if big else "ddr5-16gb-3200"
    return "ddr4-32gb-3200" if big else "ddr4-16gb-3200"


def _sized(dimm: Device, size_bytes: float) -> Device:
    """`dimm` as it is if it holds about `size_bytes` (a kernel keeps a little), else resized."""
    nominal = dimm.mem_bytes or 0.0
    if 0.9 * nominal <= size_bytes <= 1.1 * nominal:
        return dimm
    rounded = round(size_bytes, -8)
    name = f"{dimm.architecture} {rounded / BYTES_PER_GB:g} GB module"
    return replace(
        dimm,
        id=slug(name),
        name=name,
        mem_bytes=rounded,
        aliases=(),
        doubtful=tuple({*dimm.doubtful, "mem_bytes"}),
    )
