"""CPU packages and memory through RAPL, as Linux shows it under powercap (Intel, AMD since Zen).

Core and uncore lie within their package and psys around all of it: adding them counts twice. So
does the second door to the same counters, intel-rapl-mmio.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.host import host_facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulecast.profiler.meters import MeterContext

_DIGITS = 32
_J_PER_UJ = 1e-6
_ZONE = re.compile(r"intel-rapl:\d+(:\d+)?")
_VENDORS = ("GenuineIntel", "AuthenticAMD", "HygonGenuine")
_MODEL = "CPU power can only be modelled here: name the machine with --hw"
_HOST_SYS = "docker run -v /sys:/host/sys:ro ..., then joulecast with --sysfs-root /host/sys"


@dataclass(frozen=True, slots=True)
class _Zone:
    """A powercap zone; `label` is its name, with its package's where it lies in one."""

    path: Path
    label: str
    scope: str


class Meter:
    """The energy counter of one zone: a package, its memory, or the platform."""

    def __init__(self, zone: _Zone, wrap_j: float | None) -> None:
        self._file = zone.path / "energy_uj"
        self.name = f"rapl:{zone.label}"
        self.scope = zone.scope
        self.energy_source = "rapl-psys" if zone.scope == "platform" else "rapl"
        self.wrap_j = wrap_j
        self.facts: Mapping[str, str] = {"zone": zone.path.name}
        self._handle: int | None = None

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for each package, each package's memory, and the platform if it is counted."""
        folder = context.sysfs_root / "class" / "powercap"
        zones = _zones(folder)
        if not zones:
            raise _no_zones(folder, context)
        meters: list[Meter] = []
        refused: list[MeterUnavailable] = []
        for zone in zones:
            try:
                meters.append(_open(zone, context))
            except MeterUnavailable as exc:
                refused.append(exc)
        for refusal in refused if meters else refused[1:]:
            context.report(refusal)
        if not meters:
            raise refused[0]
        return meters

    def read_energy_j(self) -> float:
        """Joules since some start, less than `wrap_j`."""
        try:
            if self._handle is None:  # held open: opening costs most of a reading
                self._handle = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
            return _J_PER_UJ * int(os.pread(self._handle, _DIGITS, 0))
        except (OSError, ValueError) as exc:
            raise MeterReadError(f"{self.name}: cannot read {self._file}: {exc}") from exc

    def extras(self) -> Mapping[str, float]:
        """Nothing beside the energy."""
        return {}

    def close(self) -> None:
        """Let go of the counter's file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)


def _zones(folder: Path) -> list[_Zone]:
    """The zones that are measured, packages first."""
    names = {p.name: _name(p) for p in folder.glob("intel-rapl:*") if _ZONE.fullmatch(p.name)}
    found = []
    for entry, name in sorted(names.items(), key=lambda item: _numbers(item[0])):
        if name.startswith("package-"):
            found.append(_Zone(folder / entry, name, "cpu"))
        elif name == "dram":
            package = names.get(entry.rpartition(":")[0], "")
            label = f"dram-{package.removeprefix('package-') or _numbers(entry)[0]}"
            found.append(_Zone(folder / entry, label, "dram"))
        elif name == "psys":
            found.append(_Zone(folder / entry, "psys", "platform"))
    return sorted(found, key=lambda zone: ("cpu", "dram", "platform").index(zone.scope))


def _numbers(entry: str) -> list[int]:
    return [int(n) for n in entry.split(":")[1:]]


def _name(path: Path) -> str:
    try:
        return (path / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _open(zone: _Zone, context: MeterContext) -> Meter:
    """The meter of a zone that counts."""
    try:
        wrap_j = _J_PER_UJ * int((zone.path / "max_energy_range_uj").read_text(encoding="ascii"))
    except (OSError, ValueError):
        wrap_j = 0.0
    meter = Meter(zone, wrap_j if wrap_j > 0 else None)
    try:
        energy_j = meter.read_energy_j()
    except MeterReadError as exc:
        if isinstance(exc.__cause__, PermissionError):
            reason = "its counter may be read by root alone, as in Linux since 5.10"
            raise MeterUnavailable(meter.name, reason, _permission_fix(context)) from exc
        reason = f"it cannot be read ({exc.__cause__})"
        raise MeterUnavailable(meter.name, reason, f"Look at {zone.path / 'energy_uj'}") from exc
    if energy_j == 0:
        reason = "its counter stands at 0: the firmware does not feed it"
        raise MeterUnavailable(meter.name, reason, "Look for RAPL in the firmware's settings")
    return meter


def _permission_fix(context: MeterContext) -> str:
    """Commands that open the counters to all users, now and after the next boot."""
    here = context.sysfs_root.as_posix() == "/sys"
    rule = 'SUBSYSTEM=="powercap", RUN+="/bin/chmod -f a+r /sys%p/energy_uj"'
    return (
        f"{'Run' if here else 'On the host, run'}: "
        "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj   To keep it: "
        f"echo '{rule}' | sudo tee /etc/udev/rules.d/99-powercap.rules"
    )


def _no_zones(folder: Path, context: MeterContext) -> MeterUnavailable:
    """Why no zone is to be seen, as far as the machine tells."""
    host = host_facts(context.root, context.environ)
    if any(folder.glob("intel-rapl:*")):  # links whose target a container runtime hides
        reason = f"{folder} lists zones that cannot be opened: container runtimes hide them"
        return MeterUnavailable("rapl", reason, f"Use {_HOST_SYS}")
    if host.cpu_vendor not in _VENDORS:
        return MeterUnavailable("rapl", "RAPL needs Linux on an Intel or AMD CPU", _MODEL)
    if host.is_virtual:
        reason = "this is a virtual machine, and hypervisors do not pass RAPL on"
        return MeterUnavailable("rapl", reason, _MODEL)
    if host.container:
        return MeterUnavailable("rapl", f"no zones in {folder}", f"Use {_HOST_SYS}")
    reason = f"no zones in {folder}"
    fix = "Run: sudo modprobe intel_rapl_msr   (Intel since Sandy Bridge, AMD Zen with Linux 5.11)"
    return MeterUnavailable("rapl", reason, fix)
