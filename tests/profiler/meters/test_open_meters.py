"""Which meters a machine's scopes get: measured before modelled, and why others are not there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from joulecast.core.errors import MeterUnavailable, UnknownName
from joulecast.datasets.hardware import machine
from joulecast.profiler import meters
from joulecast.profiler.meters import MeterContext, open_meters
from tests.fakes.clock import FakeClock
from tests.fakes.nvml import FakeNvml, a100
from tests.fakes.powercap import laptop, two_sockets, write_host

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeterContext:
    """Two GPUs, an empty /sys, a machine whose facts are known."""
    clock = FakeClock()
    fake = FakeNvml(clock, a100(), a100(uuid="GPU-b"))
    monkeypatch.setitem(sys.modules, "pynvml", fake.module())
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    write_host(tmp_path)
    return MeterContext(
        machine=machine("hc3"), sysfs_root=tmp_path / "sys", root=tmp_path, clock=clock
    )


def found(context: MeterContext, *wanted: str) -> list[tuple[str, str]]:
    """Names and sources of the meters."""
    return [(m.name, m.energy_source) for m in open_meters(context, wanted).meters]


GPUS = [("nvml:0", "nvml-counter"), ("nvml:1", "nvml-counter")]


def test_a_server_is_measured_throughout(context: MeterContext) -> None:
    """GPUs, packages and memory have sensors: nothing is modelled."""
    two_sockets(context.sysfs_root)
    assert found(context) == [
        *GPUS,
        ("rapl:package-0", "rapl"),
        ("rapl:package-1", "rapl"),
        ("rapl:dram-0", "rapl"),
        ("rapl:dram-1", "rapl"),
    ]


def test_only_what_nothing_measures_is_modelled(context: MeterContext) -> None:
    """A laptop's RAPL has no memory: the formula steps in; psys replaces nothing."""
    laptop(context.sysfs_root)
    assert found(context) == [
        *GPUS,
        ("rapl:package-0", "rapl"),
        ("rapl:psys", "rapl-psys"),
        ("dram_formula:0", "dram-model"),
    ]


def test_without_sensors_everything_left_is_labelled(context: MeterContext) -> None:
    """CPU and memory are modelled under names that say so, and RAPL's refusal is kept."""
    assert found(context) == [
        *GPUS,
        ("cpu_load:0", "tdp-model"),
        ("dram_formula:0", "dram-model"),
    ]
    assert [e.meter for e in open_meters(context).refused] == ["amdsmi", "rapl"]


def test_meters_asked_for_by_name_are_the_only_ones(context: MeterContext) -> None:
    """A modelled meter may be asked for where a sensor exists; unknown names are an error."""
    two_sockets(context.sysfs_root)
    assert found(context, "cpu_load", "rapl")[0] == ("cpu_load:0", "tdp-model")
    assert len(found(context, "cpu_load", "rapl")) == 5
    with pytest.raises(UnknownName, match="nvml"):
        open_meters(context, ["nvlm"])


def test_devices_left_out_are_among_the_refused(
    context: MeterContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU with MIG beside a whole one: one meter, one refusal with its fix."""
    gpus = (a100(mig=(pynvml.NVML_DEVICE_MIG_ENABLE, 1)), a100(uuid="GPU-b"))
    fake = FakeNvml(context.clock, *gpus)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pynvml", fake.module())
    opened = open_meters(context, ["nvml"])
    assert [m.name for m in opened.meters] == ["nvml:1"]
    assert [(e.meter, bool(e.fix)) for e in opened.refused] == [("nvml:0", True)]


def test_whatever_a_driver_raises_is_a_refusal(
    context: MeterContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw reaches no user's job."""

    def fail(_: Any) -> list[Any]:  # noqa: ANN401
        raise ZeroDivisionError("by a driver")

    monkeypatch.setattr(meters.kind("rapl"), "probe", fail)
    opened = open_meters(context, ["rapl", "nvml"])
    assert len(opened.meters) == 2
    assert "ZeroDivisionError: by a driver" in opened.refused[0].reason
    assert isinstance(opened.refused[0], MeterUnavailable)
    assert isinstance(opened.refused[0].__cause__, ZeroDivisionError)
