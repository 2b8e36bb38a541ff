"""What is measured on a machine, and what of it counts."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import joulecast
from joulecast.core.errors import BadInput, JoulecastError
from joulecast.core.records import Measurement, MeterReport, Run, Setup, Workload
from joulecast.dataset_table import measured_scope
from joulecast.datasets import hardware
from joulecast.measuring import UNKNOWN, Here
from joulecast.profiler.idle import IdleReading, store_idle
from joulecast.profiler.ranks import Rank
from joulecast.profiler.workload_plan import Plan
from joulecast.profiling_desk import unmeasured
from joulecast.profiling_networks import _computing
from tests.fakes.clock import FakeClock
from tests.fakes.meters import CounterMeter, PowerMeter

if TYPE_CHECKING:
    from pathlib import Path

CLOCK = FakeClock()
HC3 = hardware.machine("hc3")


def here(*meters: Any, machine: Any = HC3) -> Here:  # noqa: ANN401
    """A machine with these meters open."""
    return Here(machine, meters, Rank(), {})


def gpu(index: int) -> PowerMeter:
    """The meter of one GPU of several."""
    meter = PowerMeter(CLOCK, 60.0, name=f"nvml:{index}")
    meter.facts = {"uuid": f"GPU-000{index}"}
    return meter


def a_run(**seen_frac: float) -> Run:
    """A run on hc3 whose GPU and CPU were measured, seen for these shares of it."""
    sources = {"gpu": "nvml-counter", "cpu": "rapl"}
    reports = tuple(
        MeterReport(f"{scope}:0", scope, sources[scope], 1.0, seen_frac=seen)
        for scope, seen in seen_frac.items()
    )
    measurement = Measurement(
        {"gpu": 60.0, "cpu": 30.0}, 1.0, 8.0, energy_source=sources, meters=reports
    )
    return Run(Setup(HC3, UNKNOWN, Workload()), measurement, "profiler", "")


def test_a_sensor_lost_on_the_way_measured_nothing() -> None:
    """Joules of a tenth of a run are not the run's."""
    assert measured_scope(a_run(gpu=1.0, cpu=1.0)) == "gpu"
    assert measured_scope(a_run(gpu=0.1, cpu=1.0)) == ""


def test_every_part_of_the_machine_has_to_be_seen() -> None:
    """Before a run its meters tell, after it what they saw; an unknown machine is not seen."""
    rapl = CounterMeter(CLOCK, 30.0)
    assert unmeasured(here(gpu(0), rapl)) == ["dram"]
    assert unmeasured(here(gpu(0), rapl), a_run(gpu=0.1, cpu=1.0)) == ["gpu", "dram"]
    nobody = joulecast.Machine(id="", name="")
    assert unmeasured(here(machine=nobody)) == ["this machine"]


def test_the_cpu_of_a_gpu_machine_is_recorded_as_what_computed() -> None:
    """A run on the CPU is no run of the GPU beside it, and the GPU's idle joules are not its."""
    desk: Any = SimpleNamespace(here=here(gpu(0), CounterMeter(CLOCK, 30.0)))
    machine, meters, said = _computing(desk, Plan(device="cpu"))
    assert machine.gpu is None
    assert machine.accelerator is HC3.cpu
    assert [m.scope for m in meters] == ["cpu"]
    assert "not the NVIDIA RTX A2000" in said[0]


def test_one_gpu_of_several_is_metered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The joules of idle neighbours do not count for a network that runs on one GPU."""
    workload = pytest.importorskip("joulecast.profiler.workload", reason="needs torch")
    device = SimpleNamespace(type="cuda", index=1)
    monkeypatch.setattr(workload, "pick_device", lambda _: device)
    monkeypatch.setattr(workload, "device_uuid", lambda _: "0001")
    desk: Any = SimpleNamespace(here=here(gpu(0), gpu(1), machine=replace(HC3, n_gpus=2)))
    machine, meters, _ = _computing(desk, Plan(device="cuda:1"))
    assert machine.n_gpus == 1
    assert [m.name for m in meters] == ["nvml:1"]


def test_idle_watts_count_only_if_they_were_got_as_the_joules_are(tmp_path: Path) -> None:
    """A modelled idle is never subtracted from measured joules."""
    watts = {"cpu": 10.0, "gpu": 8.0}
    sources = {"cpu": "tdp-model", "gpu": "nvml-power"}
    reading = IdleReading("hc3", watts, {}, sources, seconds=60.0, settled=True)
    store_idle(reading, tmp_path)
    assert here(gpu(0), CounterMeter(CLOCK, 30.0)).idle_w(tmp_path) == {"gpu": 8.0}
    unknown = joulecast.Machine(id="", name="")
    assert here(gpu(0), machine=unknown).idle_w(tmp_path) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": -1},
        {"batch_size": float("nan")},
        {"samples": -4},
        {"samples": 0},
        {"epochs": 0},
        {"precision": "fp99"},
        {"task": "fly"},
    ],
)
def test_a_session_refuses_what_cannot_be(wrong: dict[str, Any]) -> None:
    """Absurd values are turned away at the door, before the job starts."""
    with pytest.raises(BadInput):
        joulecast.Session("lenet", "hc3", folder=None, meters=["constant:65"], **wrong)


def test_a_meter_may_be_named_without_a_list() -> None:
    """One meter is one name."""
    with joulecast.Session("lenet", "hc3", folder=None, meters="constant:65") as session:
        pass
    assert session.run is not None
    assert [m.meter for m in session.run.measurement.meters] == ["constant:0"]


def test_a_meter_asked_for_and_not_there_is_an_error() -> None:
    """Who names a meter wants that one."""
    with pytest.raises(JoulecastError, match="constant"):
        joulecast.Session("lenet", "hc3", folder=None, meters=["constant"])
