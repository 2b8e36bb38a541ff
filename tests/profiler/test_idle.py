"""Idle power: settled, averaged, stored per machine."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.core.errors import BadRecord
from joulecast.core.records import Device, Machine, Measurement
from joulecast.core.run_files import read_runs
from joulecast.profiler.idle import (
    IdlePlan,
    IdleReading,
    idle_path,
    load_idle,
    measure_idle,
    store_idle,
)
from joulecast.profiler.sampler import Sampler
from tests.fakes.clock import FakeClock
from tests.fakes.meters import CounterMeter, PowerMeter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GPU = Device(id="g", name="g", kind="gpu", tdp_w=300.0, year=2024, source="")
CPU = Device(id="c", name="c", kind="cpu", tdp_w=65.0, year=2024, source="")
MACHINE = Machine(id="lab 1", name="", gpu=GPU, n_gpus=1, cpu=CPU, n_cpus=1)


class Lab:
    """A machine whose GPU draws what the test says."""

    def __init__(self, gpu_w: Callable[[float], float] | float) -> None:
        self.clock = FakeClock()
        self.gpu = PowerMeter(self.clock, gpu_w)
        self.cpu = CounterMeter(self.clock, 8.0)
        self.sampler = Sampler([self.gpu, self.cpu], self.clock, 0.5)

    def idle(self, plan: IdlePlan | None = None) -> IdleReading:
        """Measure."""
        return measure_idle(self.sampler, MACHINE, plan)


def test_settled_power_is_a_mean_over_a_minute() -> None:
    """30 s of settling, 60 s of measuring, every scope and their sum."""
    lab = Lab(20.0)
    reading = lab.idle()
    assert reading.power_w == pytest.approx({"gpu": 20.0, "cpu": 8.0, "system": 28.0})
    assert reading.spread_w == pytest.approx({"gpu": 0.0, "cpu": 0.0, "system": 0.0}, abs=1e-9)
    assert reading.energy_source["system"] == "nvml-power+rapl"
    assert reading.seconds == pytest.approx(60.0)
    assert lab.clock.now_s - lab.clock.start_s == pytest.approx(90.0)
    assert reading.settled
    assert reading.notices == ()


def test_power_that_falls_is_waited_for() -> None:
    """A GPU that cools down for two minutes is measured after that."""
    lab = Lab(lambda t: 20.0 + 80.0 * math.exp(-t / 20))
    reading = lab.idle()
    assert reading.settled
    assert reading.power_w["gpu"] == pytest.approx(20.0, rel=0.02)
    assert lab.clock.now_s - lab.clock.start_s > 120


def test_patience_ends() -> None:
    """Power that keeps drifting is measured at last, and called unsettled."""
    lab = Lab(lambda t: 20.0 * 1.01**t)
    reading = lab.idle(IdlePlan(patience_s=40.0))
    assert not reading.settled
    assert any("gpu and system" in n or "gpu, system" in n for n in reading.notices)
    assert lab.clock.now_s - lab.clock.start_s == pytest.approx(130.0, abs=2)


def test_power_that_was_not_compared_is_not_called_settled() -> None:
    """No settling, or nothing readable: nobody knows."""
    reading = Lab(20.0).idle(IdlePlan(settle_s=0.0))
    assert not reading.settled
    assert any("is not known" in n for n in reading.notices)
    assert reading.power_w["gpu"] == pytest.approx(20.0)


def test_busy_cpus_are_told() -> None:
    """A CPU at work is no idle machine, whichever meter saw its load."""
    lab = Lab(20.0)
    lab.cpu.side = {"cpu_load_frac": 0.9}
    assert any("counter:0 was 90% busy" in n for n in lab.idle().notices)


def test_spread_is_that_of_the_blocks() -> None:
    """Power that alternates between minutes' twelfths: its standard deviation."""
    lab = Lab(lambda t: 20.0 + 4.0 * (-1) ** int((t - 30.0) // 5))
    reading = lab.idle(IdlePlan(patience_s=0.0))
    assert reading.spread_w["gpu"] == pytest.approx(4.0, rel=0.1)
    assert reading.spread_w["cpu"] == pytest.approx(0.0, abs=1e-6)


def test_a_busy_or_broken_or_short_reading_is_doubted() -> None:
    """Utilisation, a lost meter and too little time are told; a lost scope is absent."""
    lab = Lab(20.0)
    lab.gpu.side = {"util_frac": 0.4}
    rounds: list[float] = []

    def lose(elapsed_s: float) -> None:
        rounds.append(elapsed_s)
        lab.gpu.broken = elapsed_s > 35

    reading = lab.idle(IdlePlan(seconds=30.0, on_round=lose))
    assert set(reading.power_w) == {"cpu"}
    assert any("40% busy" in n for n in reading.notices)
    assert any("at least 60 s" in n for n in reading.notices)
    assert any("no system energy" in n for n in reading.notices)
    assert rounds == sorted(rounds)


def test_nothing_readable_is_no_power() -> None:
    """Without a reading there is no idle power, only the reason."""
    lab = Lab(20.0)
    lab.gpu.broken = lab.cpu.broken = True
    reading = lab.idle()
    assert reading.power_w == {}
    assert not reading.settled
    assert sum("gave no energy" in n for n in reading.notices) == 2


def test_readings_are_stored_side_by_side(tmp_path: Path) -> None:
    """Bare and with a model resident in one file per machine; a new one replaces its like."""
    bare = Lab(20.0).idle()
    resident = Lab(35.0).idle(IdlePlan(resident="resnet18"))
    path = store_idle(bare, tmp_path)
    assert store_idle(resident, tmp_path) == path == tmp_path / "idle-lab_1.json"
    assert load_idle(tmp_path, "lab 1") == {"": bare, "resnet18": resident}
    store_idle(replace(bare, seconds=99.0), tmp_path)
    found = load_idle(tmp_path, "lab 1")
    assert found[""].seconds == 99.0
    assert found["resnet18"].power_w["gpu"] == pytest.approx(35.0)
    assert load_idle(tmp_path, "lab_1") == {}
    assert load_idle(tmp_path, "elsewhere") == {}
    assert read_runs(tmp_path).skipped == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"schema": "x"}',
        '{"schema": "joulecast.idle/1", "readings": {"": {"power_w": 1}}}',
    ],
)
def test_a_file_that_is_no_idle_record_is_named(tmp_path: Path, text: str) -> None:
    """Reading it says so; storing replaces it."""
    path = idle_path(tmp_path, "lab 1")
    path.write_text(text)
    with pytest.raises(BadRecord, match=r"idle-lab_1\.json"):
        load_idle(tmp_path, "lab 1")
    bare = Lab(20.0).idle()
    store_idle(bare, tmp_path)
    assert load_idle(tmp_path, "lab 1") == {"": bare}


def test_a_negative_power_is_no_idle_record(tmp_path: Path) -> None:
    """A value that cannot be is refused when it is read."""
    path = store_idle(Lab(20.0).idle(), tmp_path)
    path.write_text(path.read_text().replace('"gpu": 20.0', '"gpu": -20.0'))
    with pytest.raises(BadRecord, match="cannot be right"):
        load_idle(tmp_path, "lab 1")


def test_net_is_gross_without_idle() -> None:
    """The papers' Eq. 1 with idle for as long as the run, and literally with a fixed T_idle."""
    idle_w = Lab(20.0).idle().power_w
    m = Measurement({"gpu": 10_000.0}, 100.0, None, idle_w=idle_w)
    assert m.net_energy_j("gpu") == pytest.approx(8000.0)
    assert m.net_energy_j("gpu", idle_s=60.0) == pytest.approx(8800.0)
