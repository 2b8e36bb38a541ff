"""RAPL on made-up powercap trees: what counts, what would count twice, and what keeps us out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.meters import MeterContext, probe
from tests.fakes.powercap import (
    DRAM_RANGE_UJ,
    INTEL_RANGE_UJ,
    Powercap,
    laptop,
    two_sockets,
    write_host,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sysfs(tmp_path: Path) -> Path:
    """Where the made-up /sys of an ordinary host is."""
    write_host(tmp_path)
    return tmp_path / "sys"


def opened(sysfs: Path, left_out: list[MeterUnavailable] | None = None) -> dict[str, Any]:
    """The RAPL meters by name."""
    report = ([] if left_out is None else left_out).append
    context = MeterContext(sysfs_root=sysfs, root=sysfs.parent, report=report)
    return {m.name: m for m in probe("rapl", context)}


def refusal(sysfs: Path) -> MeterUnavailable:
    """Why there are none."""
    with pytest.raises(MeterUnavailable) as info:
        opened(sysfs)
    return info.value


def test_packages_and_their_memory_are_meters(sysfs: Path) -> None:
    """Two sockets: two packages and two dram zones; core and the second door stay out."""
    two_sockets(sysfs)
    meters = opened(sysfs)
    assert {name: m.scope for name, m in meters.items()} == {
        "rapl:package-0": "cpu",
        "rapl:package-1": "cpu",
        "rapl:dram-0": "dram",
        "rapl:dram-1": "dram",
    }
    assert {m.energy_source for m in meters.values()} == {"rapl"}
    assert meters["rapl:package-1"].read_energy_j() == pytest.approx(2000.0)
    assert meters["rapl:dram-1"].read_energy_j() == pytest.approx(200.000001)


def test_sockets_add_up(sysfs: Path) -> None:
    """The joules of a scope are the sum over its sockets (the papers' Eq. 3)."""
    tree = two_sockets(sysfs)
    cpus = [m for m in opened(sysfs).values() if m.scope == "cpu"]
    before_j = sum(m.read_energy_j() for m in cpus)
    tree.spend("intel-rapl:0", 120.0)
    tree.spend("intel-rapl:1", 95.5)
    tree.spend("intel-rapl:0:0", 80.0)  # core, inside the package
    tree.spend("intel-rapl-mmio:0", 120.0)  # the same joules again
    assert sum(m.read_energy_j() for m in cpus) - before_j == pytest.approx(215.5)


def test_the_counter_s_range_is_told(sysfs: Path) -> None:
    """A wrapped counter, put right with `wrap_j`, gives what was spent."""
    tree = two_sockets(sysfs)
    meters = opened(sysfs)
    package, dram = meters["rapl:package-0"], meters["rapl:dram-0"]
    assert package.wrap_j == pytest.approx(INTEL_RANGE_UJ / 1e6)
    assert dram.wrap_j == pytest.approx(DRAM_RANGE_UJ / 1e6)
    tree.spend("intel-rapl:0", package.wrap_j - package.read_energy_j() - 10.0)
    before_j = package.read_energy_j()
    tree.spend("intel-rapl:0", 25.0)
    after_j = package.read_energy_j()
    assert after_j < before_j
    assert after_j - before_j + package.wrap_j == pytest.approx(25.0, abs=1e-4)


def test_without_a_range_nothing_is_known_of_wrapping(sysfs: Path) -> None:
    """A zone that lacks the file, or has 0 in it, has no `wrap_j`."""
    tree = Powercap(sysfs)
    (tree.add("intel-rapl:0", "package-0", 5) / "max_energy_range_uj").unlink()
    tree.add("intel-rapl:1", "package-1", 5, 0)
    assert [m.wrap_j for m in opened(sysfs).values()] == [None, None]


def test_psys_stands_apart(sysfs: Path) -> None:
    """The platform is exposed under a scope of its own, so that no sum takes it in."""
    laptop(sysfs)
    meters = opened(sysfs)
    assert {name: (m.scope, m.energy_source) for name, m in meters.items()} == {
        "rapl:package-0": ("cpu", "rapl"),
        "rapl:psys": ("platform", "rapl-psys"),
    }


def test_dies_of_one_package_keep_their_memory_apart(sysfs: Path) -> None:
    """Zones named after package and die give distinct meters."""
    tree = Powercap(sysfs)
    for die in (0, 1):
        tree.add(f"intel-rapl:{die}", f"package-0-die-{die}", 7)
        tree.add(f"intel-rapl:{die}:0", "dram", 7)
    assert list(opened(sysfs)) == [
        "rapl:package-0-die-0",
        "rapl:package-0-die-1",
        "rapl:dram-0-die-0",
        "rapl:dram-0-die-1",
    ]


def test_ten_sockets_stay_in_order(sysfs: Path) -> None:
    """Zone 10 comes after zone 9, not after zone 1."""
    tree = Powercap(sysfs)
    for i in range(11):
        tree.add(f"intel-rapl:{i}", f"package-{i}", 7)
    assert list(opened(sysfs)) == [f"rapl:package-{i}" for i in range(11)]


def test_amd_uses_the_same_door(tmp_path: Path) -> None:
    """On AMD the zones have Intel's name; a core zone below is part of the package."""
    write_host(tmp_path, vendor="AuthenticAMD")
    tree = Powercap(tmp_path / "sys")
    tree.add("intel-rapl:0", "package-0", 1_500_000, 65_532_610_987)
    tree.add("intel-rapl:0:0", "core", 1)
    (meter,) = opened(tmp_path / "sys").values()
    assert (meter.name, meter.read_energy_j()) == ("rapl:package-0", 1.5)
    assert meter.wrap_j == pytest.approx(65532.610987)


@pytest.fixture
def root_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of zones whose counter answers "permission denied", even to root."""
    denied: set[str] = set()
    really_open = os.open

    def attempt(path: Path, *args: Any, **named: Any) -> int:  # noqa: ANN401
        if Path(path).name == "energy_uj" and Path(path).parent.name in denied:
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *args, **named)

    monkeypatch.setattr(os, "open", attempt)
    return denied  # type: ignore[return-value]


def test_unreadable_counters_name_the_exact_command(sysfs: Path, root_only: set[str]) -> None:
    """Since Linux 5.10 only root may read: a command for now, and a rule that lasts."""
    two_sockets(sysfs)
    root_only |= {"intel-rapl:0", "intel-rapl:1", "intel-rapl:0:1", "intel-rapl:1:1"}
    exc = refusal(sysfs)
    assert "root alone" in exc.reason
    assert exc.fix.startswith("On the host, run: sudo chmod a+r /sys/class/powercap/intel-rapl:*/")
    assert "/etc/udev/rules.d/99-powercap.rules" in exc.fix


def test_one_unreadable_zone_does_not_hide_the_others(sysfs: Path, root_only: set[str]) -> None:
    """Three of four are opened, the fourth is reported."""
    two_sockets(sysfs)
    root_only.add("intel-rapl:1:1")
    left_out: list[MeterUnavailable] = []
    assert list(opened(sysfs, left_out)) == ["rapl:package-0", "rapl:package-1", "rapl:dram-0"]
    assert [exc.meter for exc in left_out] == ["rapl:dram-1"]
    assert "chmod" in left_out[0].fix


def test_a_counter_at_zero_is_no_counter(sysfs: Path) -> None:
    """Firmware that does not feed the memory zone leaves 0 in it: refused, never 0 J."""
    tree = Powercap(sysfs)
    tree.add("intel-rapl:0", "package-0", 9)
    tree.add("intel-rapl:0:0", "dram", 0)
    left_out: list[MeterUnavailable] = []
    assert list(opened(sysfs, left_out)) == ["rapl:package-0"]
    assert "stands at 0" in left_out[0].reason


def test_zones_hidden_by_a_container_runtime(sysfs: Path) -> None:
    """Links without a target: the fix mounts the host's /sys elsewhere."""
    two_sockets(sysfs)
    shutil.rmtree(sysfs / "devices")
    exc = refusal(sysfs)
    assert "container runtimes hide them" in exc.reason
    assert "-v /sys:/host/sys:ro" in exc.fix
    assert "--sysfs-root /host/sys" in exc.fix


def test_the_host_s_sys_may_be_mounted_elsewhere(tmp_path: Path) -> None:
    """With `sysfs_root` the host's zones are read from inside a container."""
    write_host(tmp_path)
    two_sockets(tmp_path / "host" / "sys")
    context = MeterContext(sysfs_root=tmp_path / "host" / "sys", root=tmp_path)
    assert len(probe("rapl", context)) == 4


@pytest.mark.parametrize(
    ("host", "mark", "reason", "fix"),
    [
        ({"flags": "fpu hypervisor"}, "", "virtual machine", "--hw"),
        ({}, ".dockerenv", "no zones in", "--sysfs-root /host/sys"),
        ({}, "", "no zones in", "sudo modprobe intel_rapl_msr"),
        ({"vendor": "ARM"}, "", "Intel or AMD", "--hw"),
    ],
)
def test_why_there_is_no_powercap(
    tmp_path: Path, host: dict[str, str], mark: str, reason: str, fix: str
) -> None:
    """A virtual machine, a container, a module not loaded, another kind of CPU."""
    write_host(tmp_path, **host)  # type: ignore[arg-type]
    if mark:
        (tmp_path / mark).touch()
    exc = refusal(tmp_path / "sys")
    assert reason in exc.reason
    assert fix in exc.fix


@pytest.mark.parametrize("content", ["", "many\n"])
def test_a_counter_that_breaks_fails_the_reading(sysfs: Path, content: str) -> None:
    """A vanished or senseless counter is a MeterReadError that names the file."""
    tree = two_sockets(sysfs)
    meter = opened(sysfs)["rapl:package-0"]
    file = tree.links / "intel-rapl:0" / "energy_uj"
    file.write_text(content)
    with pytest.raises(MeterReadError, match="energy_uj"):
        meter.read_energy_j()
    file.unlink()
    with pytest.raises(MeterReadError, match="rapl:package-0"):
        meter.read_energy_j()


@pytest.mark.rapl
def test_a_real_package_counts() -> None:
    """On a machine with readable RAPL, its counters are within their range."""
    try:
        meters: list[Any] = [*probe("rapl", MeterContext())]
    except MeterUnavailable as exc:
        pytest.skip(str(exc))
    assert all(0 < m.read_energy_j() <= m.wrap_j for m in meters)
