"""A machine's /proc and /sys in a temporary folder: its CPUs and its powercap tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

INTEL_RANGE_UJ = 262_143_328_850
"""max_energy_range_uj of an Intel package (32 bits of 61 microjoules)."""
DRAM_RANGE_UJ = 65_712_999_613
"""The same of a server's dram zone."""


def write_host(
    root: Path, cores: int = 8, threads: int = 16, vendor: str = "GenuineIntel", flags: str = "fpu"
) -> None:
    """Write /proc/cpuinfo of one socket; the flag ``hypervisor`` makes it a virtual machine."""
    (root / "proc").mkdir(parents=True, exist_ok=True)
    blocks = [
        f"processor\t: {i}\nvendor_id\t: {vendor}\nmodel name\t: Made-up CPU\n"
        f"physical id\t: 0\ncore id\t\t: {i % cores}\nflags\t\t: {flags}\n"
        for i in range(threads)
    ]
    (root / "proc" / "cpuinfo").write_text("\n".join(blocks))


class Powercap:
    """Zones under class/powercap that are links into devices/, as in the kernel's tree."""

    def __init__(self, sysfs_root: Path) -> None:
        self.links = sysfs_root / "class" / "powercap"
        self.devices = sysfs_root / "devices" / "virtual" / "powercap"
        self.links.mkdir(parents=True)
        (self.devices / "intel-rapl").mkdir(parents=True)
        (self.links / "intel-rapl").symlink_to("../../devices/virtual/powercap/intel-rapl")

    def add(self, entry: str, name: str, energy_uj: int, range_uj: int = INTEL_RANGE_UJ) -> Path:
        """A zone such as ``intel-rapl:0:1``, below its parent; its folder comes back."""
        kind, *numbers = entry.split(":")
        folder = self.devices / kind
        for depth in range(1, len(numbers) + 1):
            folder = folder / ":".join([kind, *numbers[:depth]])
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        target = folder.relative_to(self.devices.parent.parent.parent)
        (self.links / entry).symlink_to(f"../../{target}")
        return folder

    def spend(self, entry: str, energy_j: float) -> None:
        """Count on, and start again at the range as the kernel does."""
        folder = self.links / entry
        range_uj = int((folder / "max_energy_range_uj").read_text())
        energy_uj = int((folder / "energy_uj").read_text()) + round(energy_j * 1e6)
        (folder / "energy_uj").write_text(f"{energy_uj % range_uj}\n")


def two_sockets(sysfs_root: Path) -> Powercap:
    """A server: two packages with core and dram below them, and the second door (mmio)."""
    tree = Powercap(sysfs_root)
    for socket in (0, 1):
        tree.add(f"intel-rapl:{socket}", f"package-{socket}", 1_000_000_000 * (socket + 1))
        tree.add(f"intel-rapl:{socket}:0", "core", 500_000_000)
        tree.add(f"intel-rapl:{socket}:1", "dram", 200_000_000 + socket, DRAM_RANGE_UJ)
    tree.add("intel-rapl-mmio:0", "package-0", 1_000_000_000)
    return tree


def laptop(sysfs_root: Path) -> Powercap:
    """A client: one package with core and uncore, and psys beside it."""
    tree = Powercap(sysfs_root)
    tree.add("intel-rapl:0", "package-0", 42_000_000)
    tree.add("intel-rapl:0:0", "core", 20_000_000)
    tree.add("intel-rapl:0:1", "uncore", 1_000_000)
    tree.add("intel-rapl:1", "psys", 90_000_000)
    return tree
