"""NVIDIA GPUs: recorded readings come out in SI units, and what cannot be measured is refused."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.meters import Meter, MeterContext, open_meters, probe
from joulecast.profiler.meters._nvml_device import power_window
from joulecast.profiler.meters.nvml import THROTTLE_REASONS, throttle_reasons
from tests.fakes.clock import FakeClock
from tests.fakes.nvml import MIB, FakeGpu, FakeNvml, a100, functions, rtx4070_laptop
from tests.fakes.powercap import write_host

if TYPE_CHECKING:
    from pathlib import Path

MIG_ON = (pynvml.NVML_DEVICE_MIG_ENABLE, pynvml.NVML_DEVICE_MIG_ENABLE)
B = "GPU-77777777-0000-0000-0000-000000000001"
C = "GPU-88888888-0000-0000-0000-000000000002"


class Rig:
    """A machine with these GPUs, a clock, and what was left out while opening."""

    def __init__(
        self, patch: pytest.MonkeyPatch, *gpus: FakeGpu, init_error: int | None = None
    ) -> None:
        self.clock = FakeClock()
        self.nvml = FakeNvml(self.clock, *gpus, init_error=init_error)
        self.left_out: list[MeterUnavailable] = []
        patch.setitem(sys.modules, "pynvml", self.nvml.module())

    def probe(self, root: Path | None = None, **environ: str) -> list[Any]:
        """The meters; `environ` are environment variables."""
        context = MeterContext(environ=environ, clock=self.clock, report=self.left_out.append)
        if root is not None:
            context = MeterContext(environ=environ, clock=self.clock, root=root)
        return [*probe("nvml", context)]


def names(meters: list[Any]) -> list[str]:
    """Names of meters."""
    return [m.name for m in meters]


def test_a_counter_reads_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The A100's counter is read in joules and moves by its watts."""
    rig = Rig(monkeypatch, a100())
    (meter,) = rig.probe()
    assert (meter.name, meter.scope, meter.energy_source) == ("nvml:0", "gpu", "nvml-counter")
    assert meter.wrap_j is None
    rig.clock.now_s = rig.clock.start_s
    assert meter.read_energy_j() == pytest.approx(319_159.391)
    rig.clock.advance(10.0)
    assert meter.read_energy_j() == pytest.approx(319_159.391 + 4_096.92)
    assert not hasattr(meter, "read_power_w")


def test_side_readings_are_si_and_what_is_not_told_is_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clocks in Hz, memory in bytes, shares of 1; the recorded A100 tells no utilisation."""
    (meter,) = Rig(monkeypatch, a100()).probe()
    assert meter.extras() == {
        "power_w": pytest.approx(409.692),
        "mem_used_bytes": 4845 * MIB,
        "sm_clock_hz": 1.215e9,
        "mem_clock_hz": 1.215e9,
        "temp_c": 61.0,
    }
    (meter,) = Rig(monkeypatch, rtx4070_laptop()).probe()
    assert meter.extras() == {
        "util_frac": 0.3,
        "mem_util_frac": 0.3,
        "mem_used_bytes": 2026 * MIB,
        "sm_clock_hz": 675e6,
        "mem_clock_hz": 810e6,
        "temp_c": 41.0,
        "throttle": 1.0,
    }


def test_facts_say_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Driver, UUID, generation, limit and the averaging window are recorded."""
    (meter,) = Rig(monkeypatch, rtx4070_laptop()).probe()
    assert meter.facts == {
        "name": "NVIDIA GeForce RTX 4070 Laptop GPU",
        "uuid": "GPU-529b3263-c96d-b557-bc75-697f04917eda",
        "nvml_index": "0",
        "driver": "575.51.02",
        "nvml": "12.575.51.02",
        "pci_bus_id": "00000000:00:00.0",
        "architecture": "Ada",
        "compute_capability": "8.9",
        "mem_bytes": str(8188 * MIB),
        "clock_hz": "3105000000",
        "mem_clock_hz": "8001000000",
        "power_limit_w": "95",
        "default_limit_w": "55",
        "power_window": "instantaneous",
    }


@pytest.mark.parametrize(
    ("changed", "watts", "window"),
    [
        ({}, 11.26, "instantaneous"),
        ({"instant_mw": None}, 11.15, "average over 1 s"),
        ({"instant_mw": None, "average_mw": None}, 11.15, "average over 1 s"),
        (
            {"instant_mw": None, "average_mw": None, "capability": (6, 1)},
            11.15,
            "instantaneous",
        ),
    ],
)
def test_power_comes_from_the_field_that_says_its_window(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], watts: float, window: str
) -> None:
    """Instant, else average, else the old call, whose window depends on the generation."""
    (meter,) = Rig(monkeypatch, rtx4070_laptop(**changed)).probe()
    assert meter.energy_source == "nvml-power"
    assert meter.read_power_w() == pytest.approx(watts)
    assert meter.facts["power_window"] == window
    assert not hasattr(meter, "read_energy_j")


@pytest.mark.parametrize(
    ("chip", "capability", "averages"),
    [
        ("GP100", (6, 0), False),
        ("V100", (7, 0), False),
        ("T4", (7, 5), False),
        ("A100", (8, 0), False),
        ("A10", (8, 6), True),
        ("RTX 4090", (8, 9), True),
        ("H100", (9, 0), True),
        ("B200", (10, 0), True),
    ],
)
def test_the_window_of_each_generation(
    chip: str, capability: tuple[int, int], *, averages: bool
) -> None:
    """As NVML's reference has it: one second on Ampere and newer, except GA100."""
    assert (power_window(capability) == "average over 1 s") is averages, chip


def test_a_counter_that_stands_still_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Power is read in its place, and a note says so."""
    (meter,) = Rig(monkeypatch, a100(counter_w=0.0)).probe()
    assert meter.energy_source == "nvml-power"
    assert meter.read_power_w() == pytest.approx(409.692)
    assert "stood still" in meter.facts["note"]


def test_counter_and_power_can_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The card of zeus issue 181: its counter showed 187 J where polled power made 327 J."""
    duration_s, counted_j, polled_j = 5.0045, 187.443, 326.883
    gpu = a100(power_mw=round(1e3 * polled_j / duration_s), counter_w=counted_j / duration_s)
    rig = Rig(monkeypatch, gpu)
    (meter,) = rig.probe()
    before_j, start_s = meter.read_energy_j(), rig.clock.monotonic_s()
    rig.clock.advance(10.0)
    seen_w = (meter.read_energy_j() - before_j) / (rig.clock.monotonic_s() - start_s)
    assert seen_w == pytest.approx(37.45, rel=0.01)
    assert meter.extras()["power_w"] == pytest.approx(65.32, rel=0.001)


def test_a_gpu_without_any_power_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither counter nor power: a reason and what to look at, not 0 W."""
    gpu = rtx4070_laptop(instant_mw=None, average_mw=None, power_mw=None)
    with pytest.raises(MeterUnavailable, match="neither a working energy counter nor") as info:
        Rig(monkeypatch, gpu).probe()
    assert "nvidia-smi" in info.value.fix


def test_zero_watts_is_a_failed_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that says 0 W while it is up says nothing."""
    rig = Rig(monkeypatch, rtx4070_laptop())
    (meter,) = rig.probe()
    rig.nvml.gpus[0].instant_mw = 0
    with pytest.raises(MeterReadError, match="reads 0"):
        meter.read_power_w()


def test_gpus_of_a_machine_are_meters_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four GPUs give four counters, so that the session can add them (the papers' Eq. 3)."""
    gpus = [a100(uuid=f"GPU-{i}", energy_mj=1_000_000 * (i + 1)) for i in range(4)]
    rig = Rig(monkeypatch, *gpus)
    meters = rig.probe()
    assert names(meters) == ["nvml:0", "nvml:1", "nvml:2", "nvml:3"]
    before_j = sum(m.read_energy_j() for m in meters)
    rig.clock.advance(10.0)
    assert sum(m.read_energy_j() for m in meters) - before_j == pytest.approx(4 * 4096.92)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("1", ["nvml:1"]),
        ("2,0", ["nvml:2", "nvml:0"]),
        ("0,-1,2", ["nvml:0"]),
        ("0,9,2", ["nvml:0"]),
        ("1,1", ["nvml:1"]),
        (B, ["nvml:1"]),
        ("GPU-7777", ["nvml:1"]),
        (f"GPU-8888,{B}", ["nvml:2", "nvml:1"]),
    ],
)
def test_only_visible_gpus_are_measured(
    monkeypatch: pytest.MonkeyPatch, variable: str, expected: list[str]
) -> None:
    """CUDA_VISIBLE_DEVICES by index and by UUID, full or abbreviated; what fits nothing ends it."""
    rig = Rig(monkeypatch, a100(), a100(uuid=B), a100(uuid=C))
    assert names(rig.probe(CUDA_VISIBLE_DEVICES=variable)) == expected


@pytest.mark.parametrize("variable", ["", "-1", "NoDevFiles", "GPU-", "7"])
def test_no_visible_gpu_is_refused_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """An empty or hopeless list is named, and so is what to write instead."""
    rig = Rig(monkeypatch, a100(), a100(uuid=B))
    with pytest.raises(MeterUnavailable, match=f"CUDA_VISIBLE_DEVICES='{variable}'") as info:
        rig.probe(CUDA_VISIBLE_DEVICES=variable)
    assert "CUDA_VISIBLE_DEVICES=0" in info.value.fix
    assert rig.nvml.opened == 0


@pytest.mark.parametrize("variable", ["MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-GPU-8/1/0"])
def test_a_mig_slice_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """NVML does not tell the power of a slice."""
    with pytest.raises(MeterUnavailable, match="MIG slice") as info:
        Rig(monkeypatch, a100(mig=MIG_ON)).probe(CUDA_VISIBLE_DEVICES=variable)
    assert "-mig 0" in info.value.fix


def test_numbers_on_unlike_gpus_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA may count the fastest first: a doubt unless the order is set or UUIDs are used."""
    rig = Rig(monkeypatch, rtx4070_laptop(), a100())
    assert "CUDA_DEVICE_ORDER" in rig.probe(CUDA_VISIBLE_DEVICES="1")[0].facts["note"]
    ordered = rig.probe(CUDA_VISIBLE_DEVICES="1", CUDA_DEVICE_ORDER="PCI_BUS_ID")[0]
    by_uuid = rig.probe(CUDA_VISIBLE_DEVICES="GPU-3431")[0]
    every = rig.probe()
    alike = Rig(monkeypatch, a100(), a100(uuid=B)).probe(CUDA_VISIBLE_DEVICES="1")[0]
    assert all("note" not in m.facts for m in (ordered, by_uuid, alike, *every))


def test_mig_and_vgpu_are_refused_and_hide_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole GPU is measured; the other two are left out, each with its reason and fix."""
    vgpu = pynvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU
    rig = Rig(monkeypatch, a100(mig=MIG_ON), a100(uuid=B), a100(uuid=C, virtualisation=vgpu))
    assert names(rig.probe()) == ["nvml:1"]
    assert [e.meter for e in rig.left_out] == ["nvml:0", "nvml:2"]
    assert "MIG is on" in rig.left_out[0].reason
    assert rig.left_out[0].fix.endswith("sudo nvidia-smi -i 0 -mig 0")
    assert "vGPU" in rig.left_out[1].reason
    assert "host" in rig.left_out[1].fix


def test_a_gpu_passed_through_whole_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a virtual machine with the whole card, its power is ours; MIG that is off is no matter."""
    mode = pynvml.NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH
    rig = Rig(monkeypatch, a100(virtualisation=mode, mig=(0, 0)))
    assert names(rig.probe()) == ["nvml:0"]


def test_a_broken_gpu_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four are opened, by their own indices; the fourth is among the refused."""
    broken = a100(uuid=C, broken=pynvml.NVML_ERROR_GPU_IS_LOST)
    rig = Rig(monkeypatch, a100(), broken, a100(uuid=B), a100(uuid="GPU-d"))
    opened = open_meters(MeterContext(clock=rig.clock), ["nvml"])
    assert [m.name for m in opened.meters] == ["nvml:0", "nvml:2", "nvml:3"]
    assert [(e.meter, e.reason) for e in opened.refused] == [
        ("nvml:1", "the GPU is lost: it fell off the bus")
    ]


def test_a_gpu_lost_mid_run_fails_and_goes_on_failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every later reading is a MeterReadError; side readings are absent and closing works."""
    rig = Rig(monkeypatch, a100())
    (meter,) = rig.probe()
    assert meter.read_energy_j() > 0
    rig.nvml.gpus[0].lost = True
    for _ in range(3):
        with pytest.raises(MeterReadError, match="nvml:0: the GPU is lost") as info:
            meter.read_energy_j()
    assert isinstance(info.value.__cause__, pynvml.NVMLError)
    assert meter.extras() == {}
    meter.close()
    meter.close()


@pytest.mark.parametrize(
    ("error", "reason", "fix"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA driver library", "Install the NVIDIA"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not loaded", "sudo modprobe nvidia"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "differ in version", "Reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not open", "chmod a+rw /dev/nvidia"),
        (pynvml.NVML_ERROR_UNKNOWN, "NVML says 'Unknown Error'", "nvidia-smi"),
    ],
)
def test_each_failing_start_has_its_reason_and_fix(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: int, reason: str, fix: str
) -> None:
    """What keeps NVML from starting is told apart."""
    write_host(tmp_path)
    with pytest.raises(MeterUnavailable, match=reason) as info:
        Rig(monkeypatch, init_error=error).probe(root=tmp_path)
    assert fix in info.value.fix


def test_in_a_container_the_fix_is_the_container_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A missing driver library there means that the container got no GPU."""
    write_host(tmp_path)
    (tmp_path / ".dockerenv").touch()
    error = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    with pytest.raises(MeterUnavailable, match="docker run --gpus all"):
        Rig(monkeypatch, init_error=error).probe(root=tmp_path)
    with pytest.raises(MeterUnavailable, match=r"shows no GPU.*--gpus all"):
        Rig(monkeypatch).probe(root=tmp_path)


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing nvidia-ml-py says what to install."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(MeterUnavailable, match="pip install nvidia-ml-py"):
        probe("nvml", MeterContext())


def test_nvml_is_let_go_with_the_last_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each meter holds NVML once, closing twice counts once, and a closed meter fails to read."""
    rig = Rig(monkeypatch, a100(), a100(uuid=B))
    first, second = rig.probe()
    assert rig.nvml.opened == 2
    first.close()
    first.close()
    assert rig.nvml.opened == 1
    assert second.read_energy_j() > 0
    second.close()
    assert rig.nvml.opened == 0
    with pytest.raises(MeterReadError, match="nvml:1"):
        second.read_energy_j()


def test_a_superchip_carries_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Grace-Hopper the reading may hold the CPU; on an H100 it does not."""
    (meter,) = Rig(monkeypatch, a100(name="NVIDIA GH200 480GB", capability=(9, 0))).probe()
    assert "module" in meter.facts["note"]
    (meter,) = Rig(monkeypatch, a100(name="NVIDIA H100 80GB HBM3", capability=(9, 0))).probe()
    assert "note" not in meter.facts


def test_throttle_bits_are_nvml_s() -> None:
    """Every bit of NVML's mask has words, and one mask has as many as it has bits."""
    assert sum(THROTTLE_REASONS) == pynvml.nvmlClocksEventReasonAll
    slow = pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonHwThermalSlowdown
    assert throttle_reasons(float(slow)) == ("power cap", "hardware thermal slowdown")
    assert throttle_reasons(0) == ()


@pytest.mark.parametrize("name", functions())
def test_the_stand_in_has_nvml_s_signatures(name: str) -> None:
    """Its functions are pynvml's, with the same parameters."""
    real = list(inspect.signature(getattr(pynvml, name)).parameters)
    assert list(inspect.signature(getattr(FakeNvml, name)).parameters)[1:] == real


@pytest.mark.gpu
def test_a_real_gpu_draws_something() -> None:
    """On a machine with an NVIDIA GPU, its meter and its polled power are those of a GPU."""
    try:
        meters: list[Any] = [*probe("nvml", MeterContext())]
    except MeterUnavailable as exc:
        pytest.skip(str(exc))
    for meter in meters:
        assert isinstance(meter, Meter)
        reader: Any = meter
        power_w = reader.extras().get("power_w") or reader.read_power_w()
        assert 1 < power_w < 3000
        meter.close()
