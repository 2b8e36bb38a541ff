"""AMD GPUs: the counter is believed only if it agrees with the power, and nothing counts twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.meters import MeterContext, probe
from tests.fakes.amdsmi import FakeAmdSmi, FakeGpu, mi100, mi250_second_die, mi300
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

A, B = "0x00000000aaaaaaaa", "0x00000000bbbbbbbb"


class Rig:
    """A machine with these GPUs, a clock, and what was left out while opening."""

    def __init__(self, patch: pytest.MonkeyPatch, *gpus: FakeGpu, init_error: str = "") -> None:
        self.clock = FakeClock()
        self.smi = FakeAmdSmi(self.clock, *gpus, init_error=init_error)
        self.left_out: list[MeterUnavailable] = []
        patch.setitem(sys.modules, "amdsmi", self.smi.module())

    def probe(self, **environ: str) -> list[Any]:
        """The meters; `environ` are environment variables."""
        context = MeterContext(environ=environ, clock=self.clock, report=self.left_out.append)
        return [*probe("amdsmi", context)]


def test_a_counter_reads_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks times resolution, in joules; power beside it for comparison."""
    rig = Rig(monkeypatch, mi300())
    (meter,) = rig.probe()
    assert (meter.name, meter.scope, meter.energy_source) == ("amdsmi:0", "gpu", "amdsmi-counter")
    before_j = meter.read_energy_j()
    assert before_j == pytest.approx(15.3e6, rel=1e-4)
    rig.clock.advance(10.0)
    assert meter.read_energy_j() - before_j == pytest.approx(7170.0, rel=1e-6)
    assert meter.extras() == {
        "util_frac": 0.99,
        "mem_used_bytes": 1000 * 2**20,
        "temp_c": 61.0,
        "power_w": 717.0,
    }
    assert meter.facts["name"] == "AMD Instinct MI300X"


@pytest.mark.parametrize("gpu", [mi100, lambda: mi300(counter_w=7.0)])
def test_a_counter_that_disagrees_is_left(
    monkeypatch: pytest.MonkeyPatch, gpu: Callable[[], FakeGpu]
) -> None:
    """The MI100's stands still; one that counts a hundredth of the power is as useless."""
    (meter,) = Rig(monkeypatch, gpu()).probe()
    assert meter.energy_source == "amdsmi-power"
    assert meter.read_power_w() in {34.0, 717.0}


@pytest.mark.parametrize(
    ("power", "watts"),
    [
        ({"average_socket_power": 292}, 292.0),
        ({"average_socket_power": "N/A", "current_socket_power": 717}, 717.0),
        ({"average_socket_power": 65535, "current_socket_power": 34}, 34.0),
        ({"socket_power": 120}, 120.0),
    ],
)
def test_power_under_any_of_its_names(
    monkeypatch: pytest.MonkeyPatch, power: Mapping[str, Any], watts: float
) -> None:
    """Average up to the MI200, current from the MI300 on, a third name since ROCm 7."""
    (meter,) = Rig(monkeypatch, FakeGpu(dict(power))).probe()
    assert meter.read_power_w() == watts


def test_the_second_die_of_a_card_counts_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells no power of its own: left out with a reason, never 0 W."""
    rig = Rig(monkeypatch, FakeGpu({"average_socket_power": 237}), mi250_second_die())
    assert [m.name for m in rig.probe()] == ["amdsmi:0"]
    assert [e.meter for e in rig.left_out] == ["amdsmi:1"]
    with pytest.raises(MeterUnavailable, match="counted with the first"):
        rig.probe(HIP_VISIBLE_DEVICES="1")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["amdsmi:0", "amdsmi:1"]),
        ({"HIP_VISIBLE_DEVICES": "1"}, ["amdsmi:1"]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["amdsmi:1"]),
        ({"HIP_VISIBLE_DEVICES": "0", "CUDA_VISIBLE_DEVICES": "1"}, ["amdsmi:0"]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-00000000bbbbbbbb"}, ["amdsmi:1"]),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, ["amdsmi:1"]),
    ],
)
def test_only_visible_gpus_are_measured(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: list[str]
) -> None:
    """HIP's numbers count within what ROCR lets through."""
    rig = Rig(monkeypatch, mi300(serial=A), mi300(serial=B))
    assert [m.name for m in rig.probe(**environ)] == expected


def test_gpus_without_a_serial_number_are_not_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty serial gives no UUID, by which two cards would pass for one."""
    meters = Rig(monkeypatch, mi300(serial=""), mi300(serial="N/A"), mi300(serial=A)).probe()
    assert [m.facts.get("uuid") for m in meters] == [None, None, "GPU-00000000aaaaaaaa"]


def test_no_visible_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list, and a machine without a GPU, each have their reason."""
    with pytest.raises(MeterUnavailable, match="VISIBLE_DEVICES name none"):
        Rig(monkeypatch, mi300()).probe(HIP_VISIBLE_DEVICES="")
    with pytest.raises(MeterUnavailable, match="shows no GPU"):
        Rig(monkeypatch).probe()


def test_a_gpu_lost_mid_run_fails_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counter and power become read errors, side readings are absent, closing works."""
    rig = Rig(monkeypatch, mi300(), replace(mi300(), ticks=None))
    counter, power = rig.probe()
    assert (counter.energy_source, power.energy_source) == ("amdsmi-counter", "amdsmi-power")
    for gpu in rig.smi.gpus:
        gpu.lost = True
    with pytest.raises(MeterReadError, match="amdsmi:0: Error code: 2"):
        counter.read_energy_j()
    with pytest.raises(MeterReadError, match="amdsmi:1"):
        power.read_power_w()
    assert counter.extras() == {}
    for meter in (counter, power, counter):
        meter.close()
    assert rig.smi.opened == 0


def test_answers_of_another_version_are_read_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that is "N/A" or goes by a new name does not escape as a TypeError."""
    rig = Rig(monkeypatch, mi300())
    (meter,) = rig.probe()
    rig.smi.gpus[0].ticks_key = "renamed"
    rig.smi.gpus[0].vram_mib = "N/A"  # type: ignore[assignment]
    with pytest.raises(MeterReadError):
        meter.read_energy_j()
    assert "mem_used_bytes" not in meter.extras()


def test_what_keeps_amdsmi_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    """No package, or a driver that does not answer: a reason and a fix each."""
    with pytest.raises(MeterUnavailable, match="AMDSMI_STATUS_DRIVER_NOT_LOADED") as info:
        Rig(monkeypatch, init_error="AMDSMI_STATUS_DRIVER_NOT_LOADED").probe()
    assert "modprobe amdgpu" in info.value.fix
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    with pytest.raises(MeterUnavailable, match="pip install amdsmi"):
        probe("amdsmi", MeterContext())


def test_a_package_without_its_library_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real package prints and raises KeyError without ROCm: said in words, nothing printed."""

    class Finder:
        """Answers for amdsmi as the package does on a machine without ROCm."""

        def find_spec(self, name: str, *_: object) -> None:
            """Print and fail."""
            if name == "amdsmi":
                print("Unable to find libamd_smi.so library")  # noqa: T201
                raise KeyError("libamd_smi.so")

    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(MeterUnavailable, match="libamd_smi") as info:
        probe("amdsmi", MeterContext())
    assert "install ROCm" in info.value.fix
    assert capsys.readouterr().out == ""


def test_the_stand_in_is_no_package() -> None:
    """What is put in the place of amdsmi is a module."""
    assert isinstance(FakeAmdSmi(FakeClock()).module(), ModuleType)
