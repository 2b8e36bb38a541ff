"""Trees that look like a host's /proc and /sys, for hosts that are not at hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GIB_KIB = 2**20


@dataclass(frozen=True, slots=True)
class FakeCpu:
    """What /proc/cpuinfo says, for every logical CPU alike."""

    name: str = "12th Gen Intel(R) Core(TM) i5-12500"
    vendor: str = "GenuineIntel"
    family: int = 6
    model: int = 151
    sockets: int = 1
    cores: int = 6
    threads_per_core: int = 2
    flags: str = "fpu sse2 avx avx2 fma"
    mhz: float = 3000.0


def write(root: Path, path: str, text: str) -> Path:
    """A file below `root` with its folders."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def host(root: Path, cpu: FakeCpu | None = None, *, mem_gib: float = 31.2) -> Path:
    """A bare x86 host below `root`: CPUs as given, all allowed, no limits, no GPU."""
    cpu = cpu or FakeCpu()
    blocks: list[str] = []
    for _ in range(cpu.threads_per_core):
        for socket in range(cpu.sockets):
            blocks += [_cpuinfo(cpu, len(blocks) + i, socket, i) for i in range(cpu.cores)]
    write(root, "proc/cpuinfo", "\n".join(blocks))
    write(root, "proc/meminfo", f"MemTotal:       {int(mem_gib * GIB_KIB)} kB\nMemFree: 1 kB\n")
    write(root, "proc/self/status", f"Name:\tpython\nCpus_allowed_list:\t0-{len(blocks) - 1}\n")
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "proc/sys/kernel/hostname", "somehost\n")
    return root


def _cpuinfo(cpu: FakeCpu, number: int, socket: int, core: int) -> str:
    lines = {
        "processor": number,
        "vendor_id": cpu.vendor,
        "cpu family": cpu.family,
        "model": cpu.model,
        "model name": cpu.name,
        "cpu MHz": cpu.mhz,
        "physical id": socket,
        "siblings": cpu.cores * cpu.threads_per_core,
        "core id": core,
        "cpu cores": cpu.cores,
        "flags": cpu.flags,
    }
    return "".join(f"{key}\t: {value}\n" for key, value in lines.items())


def nvidia(root: Path, *names: str) -> Path:
    """Cards as the NVIDIA kernel driver lists them, GPU-0, GPU-1, ... by UUID."""
    for i, name in enumerate(names):
        folder = f"proc/driver/nvidia/gpus/0000:{i + 1:02x}:00.0"
        text = f"Model: \t\t {name}\nIRQ:   \t\t 58\nGPU UUID: \t GPU-{i}\nBus Type: PCIe\n"
        write(root, f"{folder}/information", text)
    return root
