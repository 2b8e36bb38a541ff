"""What the doctor finds on made-up machines."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pynvml
import pytest

from joulecast.datasets.hardware import machine
from joulecast.profiler.doctor import LOOK_S, MeterCheck, Report, environment, examine
from joulecast.profiler.meters import MeterContext, names
from tests.fakes.clock import FakeClock
from tests.fakes.nvml import FakeGpu, FakeNvml, a100, rtx4070_laptop
from tests.fakes.powercap import Powercap, two_sockets, write_host

if TYPE_CHECKING:
    import threading


class BusyClock(FakeClock):
    """A clock under which a socket draws 50 W and its memory 4 W while somebody waits."""

    tree: Powercap | None = None

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait, and let the counters move."""
        if self.tree is not None:
            for socket in (0, 1):
                self.tree.spend(f"intel-rapl:{socket}", 50.0 * timeout_s)
                self.tree.spend(f"intel-rapl:{socket}:1", 4.0 * timeout_s)
        return super().wait(stop, timeout_s)


class Rig:
    """A host in a folder, on which sensors can be put."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.patch = root, patch
        self.clock = BusyClock()
        self.context = MeterContext(
            sysfs_root=root / "sys", root=root, clock=self.clock, load_frac=lambda: 1.0
        )
        patch.setitem(sys.modules, "amdsmi", None)
        self.nvidia(init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
        write_host(root)

    def nvidia(self, *gpus: FakeGpu, init_error: int | None = None) -> FakeNvml:
        """Put these GPUs in."""
        fake = FakeNvml(self.clock, *gpus, init_error=init_error)
        self.patch.setitem(sys.modules, "pynvml", fake.module())
        return fake

    def rapl(self) -> None:
        """Put two sockets in."""
        self.clock.tree = two_sockets(self.root / "sys")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A host without sensors."""
    return Rig(tmp_path, monkeypatch)


def checks(report: Report) -> dict[str, MeterCheck]:
    """Checks by device."""
    return {check.meter: check for check in report.meters}


def bases(report: Report) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Basis and meters by scope."""
    return {s.scope: (s.basis, s.meters) for s in report.scopes}


def test_every_meter_is_examined_and_every_refusal_has_a_fix(rig: Rig) -> None:
    """On a bare host all are refused, each with a reason and a fix, and nothing is measured."""
    report = examine(rig.context)
    assert {check.name for check in report.meters} == set(names())
    for check in report.meters:
        assert check.state == "refused"
        assert check.reason
        assert check.fix
        assert check.power_w is None
    assert bases(report) == dict.fromkeys(("gpu", "cpu", "dram"), ("missing", ()))
    assert {c.name for c in report.meters if c.on_request} == {"constant", "prometheus", "replay"}


def test_live_watts_of_every_sensor(rig: Rig) -> None:
    """Counters are read twice with a wait between, and give the watts that were drawn."""
    rig.rapl()
    rig.nvidia(a100(), rtx4070_laptop())
    found = checks(examine(rig.context))
    watts = {name: check.power_w for name, check in found.items() if check.state == "works"}
    assert watts == {
        "nvml:0": pytest.approx(409.692, rel=0.01),
        "nvml:1": pytest.approx(11.26),
        "rapl:package-0": pytest.approx(50.0, rel=1e-4),
        "rapl:package-1": pytest.approx(50.0, rel=1e-4),
        "rapl:dram-0": pytest.approx(4.0, rel=1e-4),
        "rapl:dram-1": pytest.approx(4.0, rel=1e-4),
    }
    assert found["nvml:0"].energy_source == "nvml-counter"
    assert found["nvml:0"].facts["name"] == "NVIDIA A100-SXM4-40GB"


def test_a_counter_that_wraps_while_it_is_looked_at(rig: Rig) -> None:
    """The range is added back: no negative watts."""
    rig.rapl()
    assert rig.clock.tree is not None
    rig.clock.tree.spend("intel-rapl:0", 262_143.328_850 - 1000.0 - 50.0 * LOOK_S / 2)
    found = checks(examine(rig.context))
    assert found["rapl:package-0"].power_w == pytest.approx(50.0, rel=1e-4)


def test_measured_modelled_missing(rig: Rig) -> None:
    """GPU measured, CPU and memory modelled from the machine's facts; without facts, missing."""
    rig.nvidia(a100(), a100(uuid="GPU-b"))
    assert bases(examine(rig.context)) == {
        "gpu": ("measured", ("nvml:0", "nvml:1")),
        "cpu": ("missing", ()),
        "dram": ("missing", ()),
    }
    report = examine(replace(rig.context, machine=machine("hc3")))
    assert bases(report)["cpu"] == ("modelled", ("cpu_load:0",))
    assert bases(report)["dram"] == ("modelled", ("dram_formula:0",))
    rig.rapl()
    report = examine(replace(rig.context, machine=machine("hc3")))
    assert bases(report)["cpu"] == ("measured", ("rapl:package-0", "rapl:package-1"))
    assert checks(report)["cpu_load:0"].power_w == pytest.approx(65.0)


def test_a_device_left_out_is_listed_beside_the_working_one(rig: Rig) -> None:
    """One GPU with MIG: the other is measured, the refusal has its own line."""
    rig.nvidia(a100(mig=(pynvml.NVML_DEVICE_MIG_ENABLE, 1)), a100(uuid="GPU-b"))
    report = examine(rig.context)
    found = checks(report)
    assert (found["nvml:0"].state, found["nvml:1"].state) == ("refused", "works")
    assert "-mig 0" in found["nvml:0"].fix
    assert bases(report)["gpu"] == ("measured", ("nvml:1",))


def test_a_meter_that_opens_but_gives_nothing_is_refused(rig: Rig) -> None:
    """Still counters and failing readings are no 0 W, and count for no scope."""
    rig.rapl()
    rig.clock.tree = None  # nothing moves any more
    fake = rig.nvidia(rtx4070_laptop())
    wait = rig.clock.wait

    def lose(stop: threading.Event, timeout_s: float) -> bool:
        fake.gpus[0].lost = timeout_s == LOOK_S
        return wait(stop, timeout_s)

    rig.patch.setattr(rig.clock, "wait", lose)
    report = examine(rig.context)
    found = checks(report)
    assert "does not move" in found["rapl:package-0"].reason
    assert "the GPU is lost" in found["nvml:0"].reason
    for check in report.meters:
        assert (check.state, check.power_w) == ("refused", None)
        assert check.fix
    assert {s.basis for s in report.scopes} == {"missing"}


def test_nothing_stays_open(rig: Rig) -> None:
    """All that was opened is closed again."""
    fake = rig.nvidia(a100(), rtx4070_laptop())
    examine(rig.context)
    assert fake.opened == 0


def test_meters_asked_for_are_examined_too(rig: Rig) -> None:
    """Stated watts work when they are given, and are a model."""
    report = examine(replace(rig.context, options={"power_w": "65"}))
    assert checks(report)["constant:0"].power_w == 65.0
    assert bases(report)["cpu"] == ("modelled", ("constant:0",))


def test_variables_that_choose_gpus_are_told(rig: Rig) -> None:
    """CUDA_VISIBLE_DEVICES and its kin, and no other variable."""
    environ = {"CUDA_VISIBLE_DEVICES": "", "HOME": "/home/somebody"}
    report = examine(replace(rig.context, environ=environ))
    assert report.environment["CUDA_VISIBLE_DEVICES"] == ""
    assert "HOME" not in report.environment


def test_an_ordinary_host(rig: Rig) -> None:
    """No container, no virtual machine, no limits: one word."""
    assert environment(rig.root) == {"environment": "host"}


@pytest.mark.parametrize(
    ("mark", "content", "runtime"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", "", "podman"),
        ("proc/1/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/x\n", "kubernetes"),
        ("proc/self/mountinfo", "1 0 0:1 / / rw - overlay overlay rw\n", "unknown"),
    ],
)
def test_containers_are_told(rig: Rig, mark: str, content: str, runtime: str) -> None:
    """By their runtimes' marks, or by a layered root file system where those are hidden."""
    path = rig.root / mark
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert environment(rig.root) == {"environment": "container", "container": runtime}


def test_an_overlay_elsewhere_is_no_container(rig: Rig) -> None:
    """A host that runs containers has their mounts, but not at its root."""
    mounts = rig.root / "proc/self/mountinfo"
    mounts.parent.mkdir(parents=True, exist_ok=True)
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:2 / /var/lib/x rw - overlay overlay rw\n"
    )
    assert environment(rig.root)["environment"] == "host"


def test_limits_and_virtual_machines_are_told(rig: Rig) -> None:
    """CPU quota in CPUs, memory limit in bytes, and who made the machine."""
    write_host(rig.root, flags="fpu hypervisor")
    group, firmware = rig.root / "sys/fs/cgroup", rig.root / "sys/class/dmi/id"
    group.mkdir(parents=True)
    firmware.mkdir(parents=True)
    (group / "cpu.max").write_text("250000 100000\n")
    (group / "memory.max").write_text("8589934592\n")
    (firmware / "sys_vendor").write_text("QEMU\n")
    assert environment(rig.root) == {
        "environment": "host",
        "virtual_machine": "QEMU",
        "cpu_limit": "2.5",
        "mem_limit_bytes": "8589934592",
    }


def test_this_machine_says_something() -> None:
    """On the machine that runs the tests the answer is host or container."""
    assert environment(Path("/"))["environment"] in {"host", "container"}
