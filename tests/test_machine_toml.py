"""A machine written as TOML and read back; rates and idle watts corrected by a profile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import joulecast
from joulecast.core.errors import BadInput
from joulecast.core.records import Device, Machine
from joulecast.datasets import hardware
from joulecast.machine_toml import (
    COPY_SHARE,
    MATMUL_SHARE,
    machine_text,
    with_profile,
    write_machine,
)
from joulecast.profiler.hardware_profile import HardwareProfile, Rate

if TYPE_CHECKING:
    from pathlib import Path

CPU = Device(
    id="some-cpu",
    name='A "new" CPU \\ of the year',
    kind="cpu",
    tdp_w=80.0,
    year=2026,
    source="made up",
    peak_flops_per_s={"fp32": 5e11},
    sm_count=8,
    clock_hz=3.1e9,
    aliases=("New CPU", "Neu-Prozessor ü"),
    doubtful=("tdp_w", "idle_w"),
)
GPU = replace(CPU, id="some-gpu", name="A new GPU", kind="gpu", tdp_w=300.0, mem_bytes=24e9)


def rates_of(**values: float) -> dict[str, Rate]:
    """Rates by part, ``_`` for ``:``."""
    return {key.replace("_", ":"): Rate(value, 0.01, 7, 5.0) for key, value in values.items()}


def profile_of(device: str = "cpu", **values: float) -> HardwareProfile:
    """A profile with those figures."""
    return HardwareProfile(device, 8, rates_of(**values))


def test_an_assumed_host_keeps_its_clock_open(tmp_path: Path) -> None:
    """Nobody stated the host of a board: written down and read back nobody has."""
    path = tmp_path / "mine.toml"
    written = write_machine(hardware.machine("8xh100-sxm"), None, path)
    assert hardware.machine_from_toml(path) == written
    assert written.cpu is not None
    assert written.cpu.clock_hz is None


@pytest.mark.parametrize("name", [*hardware.machine_names(), "i9-13900k"])
def test_every_machine_survives(tmp_path: Path, name: str) -> None:
    """Every shipped machine is read back as it was written, its known devices by id."""
    machine = hardware.machine(name) if not name.startswith("_") else hardware._template(name)
    path = tmp_path / "mine.toml"
    written = write_machine(machine, None, path)
    assert hardware.machine_from_toml(path) == written
    assert replace(written, id=machine.id) == machine
    assert "[" not in path.read_text(encoding="utf-8").replace("aliases = [", "").split("note")[0]


def test_unknown_parts_become_tables(tmp_path: Path) -> None:
    """A described device is read back with all its facts, under the file's name."""
    machine = Machine("x", "Mine", gpu=GPU, n_gpus=2, gpu_power_limit_w=250.0, cpu=CPU, n_cpus=1)
    path = tmp_path / "folder" / "mine.toml"
    written = write_machine(machine, profile_of("cuda", matmul_fp32=2e13, copy=6e11), path)
    assert hardware.machine_from_toml(path) == written
    assert written.gpu is not None
    assert written.cpu == replace(CPU, id="mine")
    assert (written.id, written.gpu.id, written.n_gpus) == ("mine", "mine", 2)


texts = st.text(min_size=1, max_size=12)
figures = st.floats(min_value=1e-9, max_value=9e19)


@given(name=texts, note=st.text(max_size=9), aliases=st.lists(texts, max_size=3), watts=figures)
def test_any_text_and_number_survives(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    note: str,
    aliases: list[str],
    watts: float,
) -> None:
    """Quotes, control characters, other alphabets and any sane number are kept."""
    cpu = replace(CPU, name=name, note=note, aliases=tuple(aliases), tdp_w=watts)
    machine = Machine("x", name, cpu=cpu, n_cpus=1, note=note)
    path = tmp_path_factory.getbasetemp() / "any.toml"
    written = write_machine(machine, None, path, overwrite=True)
    assert hardware.machine_from_toml(path) == written
    assert written.cpu == replace(cpu, id="any")


def test_measured_rates_of_an_unknown_cpu() -> None:
    """Peaks are the measured rates over what such benchmarks reach, per socket, and doubtful."""
    machine = Machine("x", "Mine", cpu=CPU, n_cpus=2)
    cpu = with_profile(machine, profile_of(matmul_fp32=7e11, copy=6e10, launch=2e-6)).cpu
    assert cpu is not None
    assert cpu.peak_flops_per_s["fp32"] == pytest.approx(7e11 / MATMUL_SHARE["cpu"] / 2)
    assert cpu.mem_bandwidth_bytes_per_s == pytest.approx(6e10 / COPY_SHARE["cpu"] / 2)
    assert {"peak_flops_per_s.fp32", "mem_bandwidth_bytes_per_s", "tdp_w"} <= set(cpu.doubtful)
    assert (cpu.tdp_w, cpu.clock_hz, cpu.sm_count) == (80.0, 3.1e9, 8)


def test_a_part_that_was_not_measured_stays() -> None:
    """A failed copy leaves the bandwidth; a profile of the GPU leaves the CPU."""
    machine = Machine("x", "Mine", gpu=GPU, n_gpus=2, cpu=CPU, n_cpus=1)
    after = with_profile(machine, profile_of("cuda:0", matmul_fp32=4e13, matmul_bf16=1e14))
    assert after.gpu is not None
    assert after.gpu.peak_flops_per_s == pytest.approx({"fp32": 5e13, "bf16": 1.25e14})
    assert after.gpu.mem_bandwidth_bytes_per_s is None
    assert after.cpu == CPU
    assert "matmul bf16 100 TFLOP/s" in after.note


def test_a_known_device_keeps_its_data_sheet() -> None:
    """Rates of a catalogued device are its vendor's, whatever was measured."""
    machine = hardware.machine("hc3")
    after = with_profile(machine, profile_of("cuda", matmul_fp32=1.0e12, copy=1e11))
    assert after.gpu == machine.gpu
    assert after.cpu == machine.cpu
    assert "Measured on cuda: matmul fp32 1 TFLOP/s, copy 100 GB/s." in after.note


@pytest.mark.parametrize(
    ("watts", "source", "idle_w"),
    [
        (30.0, "rapl", 15.0),
        (30.0, "rapl+rapl-psys", 15.0),  # two sensors together
        (30.0, "rapl+tdp-model", None),
        (30.0, "tdp-model", None),  # modelled: it would only give the model back
        (30.0, "", None),
        (170.0, "rapl", None),  # above the TDP: not idle
    ],
)
def test_idle_watts_come_from_sensors_only(watts: float, source: str, idle_w: float | None) -> None:
    """Idle power per device is taken from a sensor, never from a model."""
    machine = Machine("x", "Mine", cpu=CPU, n_cpus=2)
    idle = replace(profile_of(), idle_w={"cpu": watts}, idle_source={"cpu": source})
    cpu = with_profile(machine, idle).cpu
    assert cpu is not None
    assert cpu.idle_w == idle_w
    assert ("idle_w" in cpu.doubtful) == (idle_w is None)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    """A user's file is only overwritten when that is asked for."""
    path, machine = tmp_path / "mine.toml", Machine("x", "Mine", cpu=CPU, n_cpus=1)
    write_machine(machine, None, path)
    before = path.read_bytes()
    with pytest.raises(BadInput, match="already there"):
        write_machine(replace(machine, name="Other"), None, path)
    assert path.read_bytes() == before
    write_machine(replace(machine, name="Other"), None, path, overwrite=True)
    assert hardware.machine_from_toml(path).name == "Other"
    assert [file.name for file in tmp_path.iterdir()] == ["mine.toml"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """What stands in the way is named."""
    (tmp_path / "machines").write_text("a file", encoding="utf-8")
    with pytest.raises(BadInput, match="cannot write"):
        write_machine(Machine("x", "Mine", cpu=CPU), None, tmp_path / "machines" / "mine.toml")


def test_figures_that_are_none_are_refused() -> None:
    """NaN and infinity never reach a file."""
    with pytest.raises(BadInput, match="finite"):
        machine_text(Machine("x", "Mine", cpu=replace(CPU, tdp_w=float("nan")), n_cpus=1))


def test_a_faster_profile_makes_a_faster_estimate(tmp_path: Path) -> None:
    """A CPU that computes four times as fast is estimated three to four times as fast."""
    took_s = []
    for factor in (1, 4):
        path = tmp_path / f"x{factor}.toml"
        rates = profile_of(matmul_fp32=factor * 1e11, copy=factor * 2e10)
        write_machine(Machine("x", "Mine", cpu=CPU, n_cpus=1), rates, path)
        took_s.append(joulecast.estimate("resnet18", str(path), epochs=1).duration_s)
    assert 2.5 < took_s[0] / took_s[1] < 4.5
