"""CPU power from TDP and load: the curve's shape, whose share counts, and that it says so."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.core.records import Device, Machine
from joulecast.profiler.meters import MeterContext, probe
from joulecast.profiler.meters.cpu_load import load_curve
from tests.fakes.clock import FakeClock
from tests.fakes.powercap import write_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CPU = Device("c", "Made-up CPU", "cpu", tdp_w=105.0, year=2021, source="", idle_w=20.0, sm_count=8)
MACHINE = Machine("m", "m", cpu=CPU, n_cpus=1)
SHARES = st.floats(0, 1)


def context(
    root: Path, load: Callable[[], float] | None = None, machine: Machine = MACHINE
) -> MeterContext:
    """A machine whose load is `load`, on a clock of its own."""
    return MeterContext(machine=machine, root=root, load_frac=load, clock=FakeClock())


def meter(root: Path, load: Callable[[], float] | None = None, machine: Machine = MACHINE) -> Any:  # noqa: ANN401
    """Its one meter."""
    (found,) = probe("cpu_load", context(root, load, machine))
    return found


def drawn_w(found: Any, after_s: float = 2.0) -> float:  # noqa: ANN401
    """Mean power over some seconds from its last reading on."""
    before_j = found._energy_j
    found._clock.advance(after_s)
    return float(found.read_energy_j() - before_j) / after_s


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with the eight cores (sixteen threads) that the machine's file says."""
    write_host(tmp_path, cores=8, threads=16)
    return tmp_path


@pytest.mark.parametrize(
    ("load", "watts"),
    [
        (0.0, 20.0),
        (1.0, 105.0),
        (0.5, 20.0 + 85.0 * (1.0 - 0.5**1.4)),
    ],
)
def test_power_between_idle_and_tdp(host: Path, load: float, watts: float) -> None:
    """Idle at rest, TDP when full, the published curve between."""
    found = meter(host, lambda: load)
    assert drawn_w(found) == pytest.approx(watts)
    assert found.extras() == {"cpu_load_frac": load}


@given(low=SHARES, high=SHARES, weight=SHARES)
def test_the_curve_rises_and_is_concave(low: float, high: float, weight: float) -> None:
    """More load is more power, and the first cores cost the most."""
    low, high = sorted((low, high))
    assert 0 <= load_curve(low) <= load_curve(high) + 1e-12 <= 1 + 1e-9
    between = weight * low + (1 - weight) * high
    chord = weight * load_curve(low) + (1 - weight) * load_curve(high)
    assert load_curve(between) >= chord - 1e-9


def test_sockets_add_up(host: Path) -> None:
    """Two sockets draw twice as much, idle included."""
    two = replace(MACHINE, n_cpus=2)
    write_host(host, cores=16, threads=32)
    assert drawn_w(meter(host, lambda: 0.0, two)) == pytest.approx(40.0)
    assert drawn_w(meter(host, lambda: 1.0, two)) == pytest.approx(210.0)


def test_it_says_that_it_is_a_model(host: Path) -> None:
    """Source, facts and file all call it modelled."""
    found = meter(host, lambda: 1.0)
    assert (found.scope, found.energy_source, found.wrap_j) == ("cpu", "tdp-model", None)
    assert found.facts["basis"] == "modelled"
    assert found.facts["share_frac"] == "1"


def test_a_virtual_machine_answers_for_its_share(tmp_path: Path) -> None:
    """Four threads on two cores of a CPU with eight cores: a quarter of the socket."""
    write_host(tmp_path, cores=2, threads=4)
    assert drawn_w(meter(tmp_path, lambda: 1.0)) == pytest.approx(105.0 / 4)
    assert drawn_w(meter(tmp_path, lambda: 0.0)) == pytest.approx(20.0 / 4)


def test_a_larger_host_than_the_file_says_is_one_whole_machine(tmp_path: Path) -> None:
    """The share never exceeds 1."""
    write_host(tmp_path, cores=64, threads=128)
    assert drawn_w(meter(tmp_path, lambda: 1.0)) == pytest.approx(105.0)


def quota(root: Path, cpus: float, used_s: float) -> None:
    """A control group (version 2) with this quota, and the CPU time it has used."""
    folder = root / "sys/fs/cgroup"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "proc/self").mkdir(exist_ok=True)
    (root / "proc/self/cgroup").write_text("0::/\n")
    (folder / "cpu.max").write_text(f"{int(cpus * 100_000)} 100000\n")
    (folder / "cpu.stat").write_text(f"usage_usec {int(used_s * 1e6)}\nuser_usec 0\n")


def test_a_container_answers_for_its_quota_and_its_own_load(host: Path) -> None:
    """Two of sixteen threads, busy for 3 of 4 CPU seconds: an eighth of the socket at load 0.75."""
    quota(host, cpus=2, used_s=100.0)
    about = context(host)
    (found,) = probe("cpu_load", about)
    quota(host, cpus=2, used_s=103.0)
    seen: Any = found
    expected = (20.0 + 85.0 * (1.5 - 0.75**1.4)) / 8
    assert drawn_w(seen) == pytest.approx(expected)
    assert seen.extras()["cpu_load_frac"] == pytest.approx(0.75)


Times = namedtuple("Times", "user system idle iowait steal guest")  # noqa: PYI024 (psutil's shape)


def test_the_system_s_load_comes_from_two_looks(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User and system time are load; waiting, stolen and guest time are not."""
    seen = [Times(100, 50, 1000, 10, 5, 7), Times(104, 52, 1012, 11, 6, 9)]
    monkeypatch.setattr(psutil, "cpu_times", lambda: seen[0])
    found = meter(host)
    with pytest.raises(MeterReadError, match="no CPU time has passed"):
        found.read_energy_j()
    seen.pop(0)
    found.read_energy_j()
    assert found.extras()["cpu_load_frac"] == pytest.approx(6 / 20)
    found.read_energy_j()  # no time passed since: the last load stands
    assert found.extras()["cpu_load_frac"] == pytest.approx(6 / 20)


def test_a_load_that_cannot_be_read_is_an_error(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not idle power."""
    found = meter(host)

    def fail() -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "cpu_times", fail)
    with pytest.raises(MeterReadError, match="cannot read the CPU's load"):
        found.read_energy_j()


@pytest.mark.parametrize("load", [-0.1, 1.1, float("nan")])
def test_a_senseless_load_is_an_error(host: Path, load: float) -> None:
    """A share outside 0..1 is refused."""
    with pytest.raises(MeterReadError, match="outside"):
        meter(host, lambda: load).read_energy_j()


def test_a_load_counts_for_the_time_over_which_it_is_a_mean(host: Path) -> None:
    """Rest for 0.4 s, then full load for 0.1 s: joules of each, however uneven the readings."""
    loads = [0.0, 1.0, 1.0, 0.0]
    found = meter(host, lambda: loads.pop(0))
    joules = []
    for length_s in (0.4, 0.1, 0.0, 2.0):
        found._clock.advance(length_s)
        joules.append(found.read_energy_j())
    assert joules == pytest.approx([8.0, 18.5, 18.5, 58.5])


def test_unknown_idle_power_is_a_share_of_the_tdp(host: Path) -> None:
    """15 % of it, as the predictor takes it."""
    machine = replace(MACHINE, cpu=replace(CPU, idle_w=None))
    assert drawn_w(meter(host, lambda: 0.0, machine)) == pytest.approx(0.15 * 105.0)


@pytest.mark.parametrize("machine", [None, replace(MACHINE, cpu=None), replace(MACHINE, n_cpus=0)])
def test_an_unknown_cpu_is_refused(machine: Machine | None) -> None:
    """No TDP is guessed: the fix says how to name the machine."""
    with pytest.raises(MeterUnavailable, match="CPU is not known") as info:
        probe("cpu_load", MeterContext(machine=machine))
    assert "--hw" in info.value.fix
