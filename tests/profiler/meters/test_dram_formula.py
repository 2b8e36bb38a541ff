"""Memory power by the papers' formula, checked against the formula itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import MeterUnavailable
from joulecast.core.records import Machine
from joulecast.datasets.hardware import device, machine
from joulecast.profiler.meters import MeterContext, probe

if TYPE_CHECKING:
    from pathlib import Path

CAPACITANCE_F = 1.94e-9
VOLTAGE_V = {"DDR4": 1.2, "DDR5": 1.1}


def meter(root: Path, found: Machine) -> Any:  # noqa: ANN401
    """The one meter of `found`."""
    (dram,) = probe("dram_formula", MeterContext(machine=found, root=root))
    return dram


def memory(root: Path, gib: float) -> None:
    """Let the host show this much memory."""
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/meminfo").write_text(f"MemTotal: {int(gib * 2**20)} kB\n")


@pytest.mark.parametrize(
    "name",
    ["ddr4-16gb-3200", "ddr4-16gb-3600", "ddr5-16gb-3200", "ddr5-32gb-4800", "ddr5-64gb-2200"],
)
@pytest.mark.parametrize("count", [1, 2, 8])
def test_watts_are_half_c_v_squared_f_over_all_dimms(tmp_path: Path, name: str, count: int) -> None:
    """P = sum over DIMMs of 1/2 C V^2 f, with the figures that the device files name."""
    dimm = device(name)
    assert dimm.clock_hz is not None
    one_w = 0.5 * CAPACITANCE_F * VOLTAGE_V[dimm.architecture] ** 2 * dimm.clock_hz
    found = meter(tmp_path, Machine("m", "m", dram=dimm, n_dimms=count))
    assert found.read_power_w() == pytest.approx(count * one_w, rel=0.002)
    assert (found.scope, found.energy_source) == ("dram", "dram-model")
    assert found.facts["basis"] == "modelled"


def test_a_host_that_shows_nearly_all_its_memory_shows_all(tmp_path: Path) -> None:
    """2 x 16 GB show as 31 GiB or less: that is the whole machine."""
    memory(tmp_path, 29.0)
    assert meter(tmp_path, machine("hc3")).read_power_w() == pytest.approx(7.52)


def test_a_virtual_machine_answers_for_its_share(tmp_path: Path) -> None:
    """8 of 32 GB are a quarter of the DIMMs' power."""
    memory(tmp_path, 8e9 / 2**30)
    assert meter(tmp_path, machine("hc3")).read_power_w() == pytest.approx(7.52 / 4, rel=1e-6)


def test_a_container_answers_for_its_limit(tmp_path: Path) -> None:
    """A memory limit of 4 GB on the same machine is an eighth."""
    memory(tmp_path, 30.0)
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("4000000000\n")
    assert meter(tmp_path, machine("hc3")).read_power_w() == pytest.approx(7.52 / 8)


@pytest.mark.parametrize(
    "found", [None, replace(machine("hc3"), dram=None), replace(machine("hc3"), n_dimms=0)]
)
def test_unknown_dimms_are_refused(found: Machine | None) -> None:
    """No DIMM is guessed: the fix says how to name the machine."""
    with pytest.raises(MeterUnavailable, match="DIMMs are not known") as info:
        probe("dram_formula", MeterContext(machine=found))
    assert "--hw" in info.value.fix
