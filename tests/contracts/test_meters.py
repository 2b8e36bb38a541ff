"""Every file in profiler/meters is a meter as sessions expect one, and refuses as doctor expects.

A new meter is tested here as soon as it exists; `MACHINES` needs a machine on which it works.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pynvml
import pytest

from joulecast.core.errors import MeterUnavailable
from joulecast.core.records import MEASURED_SOURCES
from joulecast.datasets.hardware import machine
from joulecast.profiler.meters import SCOPES, Meter, MeterContext, kind, names, probe, prometheus
from joulecast.profiler.serving.scrape_http import fetch
from tests.fakes.amdsmi import FakeAmdSmi, mi100, mi300
from tests.fakes.clock import FakeClock
from tests.fakes.nvml import FakeNvml, a100, rtx4070_laptop
from tests.fakes.pages import Pages
from tests.fakes.powercap import laptop, two_sockets, write_host
from tests.fakes.scrapes import DCGM_A100

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNMEASURED = {"tdp-model", "dram-model", "constant", "replay-model", "replay"}
BESIDE = {"wall", "platform"}
TRACE = "time_s,meter,scope,kind,value\n0,nvml:0,gpu,energy_j,5\n0,cpu_load:0,cpu,power_w,7\n"


def nvidia(context: MeterContext, patch: pytest.MonkeyPatch) -> MeterContext:
    """A GPU with a counter and one without."""
    fake = FakeNvml(context.clock, a100(), rtx4070_laptop())  # type: ignore[arg-type]
    patch.setitem(sys.modules, "pynvml", fake.module())
    return context


def amd(context: MeterContext, patch: pytest.MonkeyPatch) -> MeterContext:
    """A GPU whose counter works and one whose does not."""
    fake = FakeAmdSmi(context.clock, mi300(), mi100())  # type: ignore[arg-type]
    patch.setitem(sys.modules, "amdsmi", fake.module())
    return context


def server(context: MeterContext, _: pytest.MonkeyPatch) -> MeterContext:
    """Two sockets with memory counters."""
    two_sockets(context.sysfs_root)
    return context


def known(context: MeterContext, _: pytest.MonkeyPatch) -> MeterContext:
    """A machine whose CPU and DIMMs are in the catalogue."""
    return replace(context, machine=machine("hc3"), load_frac=lambda: 0.5)


def recorded(context: MeterContext, _: pytest.MonkeyPatch) -> MeterContext:
    """A trace of two meters."""
    path = context.root / "trace.csv"
    path.write_text(TRACE)
    return replace(context, replay=path)


def stated(context: MeterContext, _: pytest.MonkeyPatch) -> MeterContext:
    """Watts that the user gives."""
    return replace(context, options={"power_w": "65"})


def elsewhere(context: MeterContext, patch: pytest.MonkeyPatch) -> MeterContext:
    """A page of DCGM's exporter on loopback, its answer kept after it is gone."""
    with Pages({"/metrics": DCGM_A100}) as pages:
        text = fetch(f"{pages.root}/metrics")
    patch.setattr(prometheus, "fetch", lambda *_: text)
    return replace(context, options={"url": f"{pages.root}/metrics"})


MACHINES: dict[str, Callable[[MeterContext, pytest.MonkeyPatch], MeterContext]] = {
    "amdsmi": amd,
    "constant": stated,
    "cpu_load": known,
    "dram_formula": known,
    "nvml": nvidia,
    "prometheus": elsewhere,
    "rapl": server,
    "replay": recorded,
}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MeterContext:
    """A host on which nothing can be measured and of which nothing is known."""
    clock = FakeClock()
    driverless = FakeNvml(clock, init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)
    monkeypatch.setitem(sys.modules, "pynvml", driverless.module())
    monkeypatch.setitem(sys.modules, "amdsmi", None)
    write_host(tmp_path)
    return MeterContext(sysfs_root=tmp_path / "sys", root=tmp_path, clock=clock)


@pytest.fixture
def opened(name: str, bare: MeterContext, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The meters called `name` on a machine that has them."""
    return [*probe(name, MACHINES[name](bare, monkeypatch))]


def reading(meter: Any) -> float:  # noqa: ANN401
    """What the meter reads, whichever of the two it is."""
    counts = hasattr(meter, "read_energy_j")
    return float(meter.read_energy_j() if counts else meter.read_power_w())


@pytest.mark.parametrize("name", names())
def test_it_offers_meters_where_it_can(name: str, opened: list[Any]) -> None:
    """At least one, each with a name of its own and the whole protocol."""
    assert opened
    assert len({m.name for m in opened}) == len(opened)
    for meter in opened:
        assert isinstance(meter, Meter)
        assert isinstance(meter, kind(name))
        assert ":" in meter.name


@pytest.mark.parametrize("name", names())
def test_it_reads_energy_or_power(name: str, opened: list[Any], bare: MeterContext) -> None:
    """Exactly one of the two, and a sane number."""
    del name
    bare.clock.advance(1.0)  # type: ignore[attr-defined]
    for meter in opened:
        assert hasattr(meter, "read_energy_j") != hasattr(meter, "read_power_w")
        assert math.isfinite(reading(meter))
        assert reading(meter) > 0


@pytest.mark.parametrize("name", names())
def test_it_says_what_it_sees_and_how(name: str, opened: list[Any]) -> None:
    """Scope and source are known ones; a meter that models never bears a measured source."""
    models = hasattr(kind(name), "FALLBACK_FOR")
    for meter in opened:
        assert meter.scope in {*SCOPES, *BESIDE}
        assert (meter.energy_source in MEASURED_SOURCES) != (meter.energy_source in UNMEASURED)
        assert not (models and meter.energy_source in MEASURED_SOURCES)
        assert not models or meter.scope == kind(name).FALLBACK_FOR  # type: ignore[attr-defined]
        assert meter.wrap_j is None or meter.wrap_j > reading(meter)
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in meter.facts.items())
        assert all(math.isfinite(v) for v in meter.extras().values())


@pytest.mark.parametrize("name", names())
def test_it_may_be_closed_twice(name: str, opened: list[Any]) -> None:
    """Closing again does nothing."""
    del name
    for meter in opened:
        meter.close()
        meter.close()


@pytest.mark.parametrize("name", names())
def test_it_refuses_with_a_reason_and_a_fix(name: str, bare: MeterContext) -> None:
    """Where it cannot work it says why and what would help, in three parts of a message."""
    with pytest.raises(MeterUnavailable) as info:
        probe(name, bare)
    assert info.value.meter.partition(":")[0] == name
    assert info.value.reason
    assert info.value.fix
    assert str(info.value) == f"{info.value.meter}: {info.value.reason}. {info.value.fix}"
    assert not info.value.reason.endswith(".")


def test_a_laptop_s_platform_is_beside_the_scopes(bare: MeterContext) -> None:
    """Psys covers packages and more: its scope is none of those that add up."""
    laptop(bare.sysfs_root)
    assert [m.scope for m in probe("rapl", bare)] == ["cpu", "platform"]
