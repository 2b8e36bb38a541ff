"""The machine that we run on: found by exact names, or made up with a word about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast import guessed_parts, part_names
from joulecast.core import catalog
from joulecast.core.errors import BadInput, UnknownName
from joulecast.datasets import hardware
from joulecast.machine_toml import write_machine
from joulecast.profiler.host import GpuFacts, HostFacts, host_facts
from joulecast.this_machine import OWN_FILE, own_path, this_machine
from tests.fakes import proc
from tests.fakes.proc import FakeCpu

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joulecast.core.records import Device, Machine
    from joulecast.this_machine import Detected

EPYC_VM = FakeCpu(
    name="AMD EPYC",
    vendor="AuthenticAMD",
    family=25,
    model=17,
    cores=2,
    threads_per_core=1,
    flags="fpu avx2 fma hypervisor",
    mhz=2600,
)
A2000 = "NVIDIA RTX A2000 12GB"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A user's own folder, empty."""
    folder = tmp_path / "user"
    monkeypatch.setattr(catalog, "user_dir", lambda: folder)
    cached = (hardware.device, hardware._named, hardware._aliases, catalog.names)
    for read in cached:
        read.cache_clear()
    yield folder
    for read in cached:
        read.cache_clear()


def facts_of(tmp_path: Path, cpu: FakeCpu | None = None, mem_gib: float = 31.2) -> HostFacts:
    """Facts of a made-up host."""
    return host_facts(proc.host(tmp_path / "host", cpu, mem_gib=mem_gib))


def detected(facts: HostFacts, *gpus: str | GpuFacts) -> Detected:
    """The machine with those facts and GPUs."""
    cards = [g if isinstance(g, GpuFacts) else GpuFacts(g) for g in gpus]
    return this_machine(facts=facts, gpu_facts=cards, environ={})


def cpu_of(machine: Machine) -> Device:
    """The CPU, which has to be there."""
    assert machine.cpu is not None
    return machine.cpu


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA GeForce RTX 3090", "rtx-3090"),
        ("GeForce RTX 3090", "rtx-3090"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200-sxm"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-16GB", "v100-sxm2"),
        (A2000, "rtx-a2000-12gb"),
        ("NVIDIA RTX A2000", "rtx-a2000"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA L40", "l40"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("Quadro RTX 6000", "quadro-rtx-6000"),
        ("NVIDIA GeForce RTX 3060 Laptop GPU", "rtx-3060-laptop"),
        ("NVIDIA TITAN RTX", "titan-rtx"),
    ],
)
def test_gpus_as_their_driver_spells_them(name: str, device: str) -> None:
    """A driver's spelling finds the device that it means."""
    found = part_names.match(name, "gpu")
    assert found is not None
    assert found.id == device


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("AMD EPYC 7763 64-Core Processor", "epyc-7763"),
        ("Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz", "xeon-gold-6248"),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "xeon-e5-2680-v4"),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.50GHz", "xeon-e5-2680-v4"),
        ("12th Gen Intel(R) Core(TM) i5-12500", "i5-12500"),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", "i7-8700k"),
        ("AMD Ryzen Threadripper PRO 5975WX 32-Cores", "threadripper-pro-5975wx"),
        ("AMD Ryzen 9 5950X 16-Core Processor", "ryzen-9-5950x"),
    ],
)
def test_cpus_as_the_kernel_spells_them(name: str, device: str) -> None:
    """The kernel's spelling finds the device, whatever base clock it prints."""
    found = part_names.match(name, "cpu")
    assert found is not None
    assert found.id == device


@pytest.mark.parametrize(
    "name",
    [
        "",
        "NVIDIA",
        "GeForce RTX",
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb",
        "NVIDIA H800",
        "NVIDIA GeForce RTX 4090 D",
        "Tesla V100S-PCIE-32GB",
        "NVIDIA GeForce RTX 3080 Laptop GPU",
        "AMD EPYC",
        "AMD EPYC-Milan Processor",
        "Intel(R) Xeon(R) Processor @ 2.20GHz",
        "Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz",
        "12th Gen Intel(R) Core(TM) i5-12500T",
        "QEMU Virtual CPU version 2.5+",
    ],
)
def test_a_name_that_only_resembles_is_none(name: str) -> None:
    """A part of a name, or one with more to it, is another device."""
    assert part_names.match(name, "cpu", "gpu", "edge") is None


def test_every_device_is_found_by_its_own_name() -> None:
    """No two devices of a kind become one when the noise is left out."""
    for name in hardware.device_names():
        device = hardware.device(name)
        for spelling in (device.id, device.name, *device.aliases):
            found = part_names.match(spelling, device.kind)
            assert found == hardware.device(spelling), spelling
            assert part_names.is_called(device, spelling)


def test_memory_tells_cards_of_one_name_apart() -> None:
    """NVML calls both sizes of the RTX 4060 Ti the same; another size of the 3080 is no 3080."""
    name = "NVIDIA GeForce RTX 4060 Ti"
    small, big = (part_names.match(name, "gpu", mem_bytes=n * 2**30) for n in (8, 16))
    assert small is not None
    assert big is not None
    assert (small.id, big.id) == ("rtx-4060-ti", "rtx-4060-ti-16gb")
    assert part_names.match("NVIDIA GeForce RTX 3080", "gpu", mem_bytes=12 * 2**30) is None


def test_the_studys_machine_is_recognised(tmp_path: Path) -> None:
    """The parts of hc3 are hc3, with its DIMMs and its power limit."""
    found = detected(facts_of(tmp_path), GpuFacts(A2000, 12 * 2**30, 70.0))
    assert found.machine == hardware.machine("hc3")
    assert "hc3" in found.notices[0]


@pytest.mark.parametrize(
    ("mem_gib", "gpu"),
    [
        (15.4, GpuFacts(A2000)),  # half the memory
        (31.2, GpuFacts(A2000, 12 * 2**30, 50.0)),  # capped
        (31.2, GpuFacts("NVIDIA RTX A2000")),  # the 6 GB card
    ],
)
def test_other_parts_are_another_machine(tmp_path: Path, mem_gib: float, gpu: GpuFacts) -> None:
    """A machine is only taken for a known one if every part agrees."""
    machine = detected(facts_of(tmp_path, mem_gib=mem_gib), gpu).machine
    assert machine.id != "hc3"
    assert machine.id.endswith("+i5-12500")
    assert machine.gpu_power_limit_w == gpu.power_limit_w


def test_two_cards_and_two_sockets(tmp_path: Path) -> None:
    """Devices are counted and the id says so."""
    cpu = FakeCpu("Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", sockets=2, cores=32, model=106)
    found = detected(facts_of(tmp_path, cpu, 503.5), *["NVIDIA GeForce RTX 3090"] * 2)
    machine = found.machine
    assert machine.id == "2x-rtx-3090+2x-xeon-gold-6338"
    assert (machine.n_gpus, machine.n_cpus, machine.n_dimms) == (2, 2, 16)
    assert machine.dram == hardware.device("ddr4-32gb-3200")
    assert cpu_of(machine) == hardware.device("xeon-gold-6338")
    assert len(found.notices) == 1  # of the DIMMs


def test_cards_of_several_kinds(tmp_path: Path) -> None:
    """Only one kind is counted, and the others are named."""
    found = detected(facts_of(tmp_path), "Tesla T4", A2000, "Tesla T4")
    assert found.machine.gpu == hardware.device("t4")
    assert found.machine.n_gpus == 2
    assert any(A2000 in notice for notice in found.notices)


def test_a_virtual_cpu_without_a_model(tmp_path: Path) -> None:
    """Watts are assumed per core, which is said; rates follow clock, cores and vector width."""
    found = detected(facts_of(tmp_path, EPYC_VM, 23.5))
    cpu = cpu_of(found.machine)
    assert found.machine.id == cpu.id == "amd-epyc-2-cores"
    assert (cpu.tdp_w, cpu.sm_count, cpu.year) == (14.0, 2, 2022)
    assert cpu.peak_flops_per_s["fp32"] == pytest.approx(2 * 2.6e9 * 32)
    assert {"tdp_w", "peak_flops_per_s.fp32"} <= set(cpu.doubtful)
    assert any("7 W per core assumed, 14 W" in notice for notice in found.notices)
    assert found.machine.mem_bytes == pytest.approx(23.5 * 2**30, rel=0.01)
    assert found.machine.n_dimms == 1


def test_an_unknown_server_has_its_sockets(tmp_path: Path) -> None:
    """A bare server that no catalogue names is made up per socket."""
    cpu = FakeCpu("Intel(R) Xeon(R) Gold 6226R CPU @ 2.90GHz", sockets=2, cores=16, model=85)
    machine = detected(facts_of(tmp_path, cpu, 376)).machine
    assert (machine.n_cpus, cpu_of(machine).sm_count, cpu_of(machine).tdp_w) == (2, 16, 112.0)
    assert cpu_of(machine).vendor == "Intel"
    assert cpu_of(machine).year == 2018
    assert machine.id == "2x-intel-xeon-gold-6226r-16-cores"


@pytest.mark.parametrize(
    ("cpu", "year", "per_cycle"),
    [
        (FakeCpu(model=143, flags="avx2 avx512f"), 2023, 64),
        (FakeCpu(model=79), 2016, 32),
        (FakeCpu(vendor="AuthenticAMD", family=25, model=0x11, flags="avx2 avx512f"), 2022, 32),
        (FakeCpu(vendor="AuthenticAMD", family=25, model=0x01), 2021, 32),
        (FakeCpu(vendor="AuthenticAMD", family=23, model=0x01), 2017, 16),
        (FakeCpu(vendor="AuthenticAMD", family=23, model=0x31), 2019, 32),
        (FakeCpu(vendor="AuthenticAMD", family=26, model=0x02, flags="avx512f"), 2024, 64),
        (FakeCpu(vendor="", flags="asimd"), 2020, 16),
        (FakeCpu(vendor="GenuineIntel", model=9999, flags="sse2"), 2020, 8),
    ],
)
def test_generation_and_width(tmp_path: Path, cpu: FakeCpu, year: int, per_cycle: float) -> None:
    """Family and model tell the year, the flags the width of the vector units."""
    facts = facts_of(tmp_path, cpu)
    assert guessed_parts.cpu_year(facts) == year
    assert guessed_parts.flops_per_cycle(facts) == per_cycle


def test_a_share_of_a_known_processor(tmp_path: Path) -> None:
    """Four of 64 cores compute at a sixteenth of the rate and answer for a sixteenth of the TDP."""
    cpu = FakeCpu("AMD EPYC 7763 64-Core Processor", "AuthenticAMD", 25, 1, 1, 4, 2, "hypervisor")
    found = detected(facts_of(tmp_path, cpu, 15.6))
    whole, share = hardware.device("epyc-7763"), cpu_of(found.machine)
    assert share.sm_count == 4
    assert share.tdp_w == pytest.approx(whole.tdp_w / 16)
    assert share.peak_flops_per_s["fp32"] == pytest.approx(whole.peak_flops_per_s["fp32"] / 16)
    assert share.clock_hz == whole.clock_hz
    assert any("4 of 64 CPU cores are ours" in notice for notice in found.notices)
    assert found.machine.n_cpus == 1


def test_beside_a_gpu_the_whole_processor_counts(tmp_path: Path) -> None:
    """A host's CPU is not the device that computes: it stays what it is, with a notice."""
    cpu = FakeCpu("AMD EPYC 7763 64-Core Processor", "AuthenticAMD", 25, 1, 1, 4, 2, "hypervisor")
    found = detected(facts_of(tmp_path, cpu, 31.4), "NVIDIA A100-SXM4-80GB")
    assert found.machine.cpu == hardware.device("epyc-7763")
    assert any("counted as host" in notice for notice in found.notices)


def test_a_container_with_a_quota(tmp_path: Path) -> None:
    """CPU and memory of a limited container are those of the limits."""
    facts = facts_of(tmp_path)
    proc.write(tmp_path / "host", "sys/fs/cgroup/cpu.max", "400000 100000")
    proc.write(tmp_path / "host", "sys/fs/cgroup/memory.max", str(8 * 2**30))
    limited = detected(host_facts(tmp_path / "host"))
    assert cpu_of(limited.machine).sm_count == 2  # 4 threads of 2 per core
    assert cpu_of(limited.machine).tdp_w == pytest.approx(65 / 3)
    assert limited.machine.mem_bytes == pytest.approx(8 * 2**30, rel=0.02)
    assert cpu_of(detected(facts).machine) == hardware.device("i5-12500")


def test_affinity_is_no_share(tmp_path: Path) -> None:
    """A bound process is told so; the machine is still whole."""
    root = proc.host(tmp_path / "host")
    proc.write(root, "proc/self/status", "Cpus_allowed_list:\t0-1\n")
    found = detected(host_facts(root))
    assert found.machine.cpu == hardware.device("i5-12500")
    assert any("affinity leaves this process 1 of 6" in notice for notice in found.notices)


def test_a_gpu_that_nobody_knows(tmp_path: Path) -> None:
    """Without its facts it is refused with what to do; with them it is made up."""
    facts = facts_of(tmp_path)
    with pytest.raises(UnknownName, match="profile hardware"):
        detected(facts, "NVIDIA H800")
    card = GpuFacts("NVIDIA H800", 85e9, 650.0, 700.0, 132, 1.98e9, 2.619e9, 5120, (9, 0))
    found = detected(facts, card)
    gpu = found.machine.gpu
    assert gpu is not None
    assert (gpu.id, gpu.tdp_w, gpu.mem_bytes, gpu.year) == ("nvidia-h800", 700.0, 85e9, 2022)
    assert gpu.mem_bandwidth_bytes_per_s == pytest.approx(3.35e12, rel=0.01)
    assert gpu.peak_flops_per_s["fp32"] == pytest.approx(2 * 132 * 128 * 0.85 * 1.98e9)
    assert found.machine.gpu_power_limit_w == 650.0
    assert any("not in the catalogue" in notice for notice in found.notices)


@pytest.mark.parametrize("known", ["rtx-3090", "a100-sxm-80gb", "t4", "v100-sxm2", "h100-sxm"])
def test_made_up_gpus_come_near_the_data_sheet(known: str) -> None:
    """Rates made up from a known card's clocks and counts are those of its data sheet."""
    sheet = hardware.device(known)
    clocks = {  # highest SM clock, memory clock, bus width and capability that the driver tells
        "rtx-3090": (2.1e9, 9.751e9, 384, (8, 6)),
        "a100-sxm-80gb": (1.41e9 / 0.85, 1.593e9, 5120, (8, 0)),
        "t4": (1.59e9, 5.001e9, 256, (7, 5)),
        "v100-sxm2": (1.53e9, 0.877e9, 4096, (7, 0)),
        "h100-sxm": (1.98e9, 2.619e9, 5120, (9, 0)),
    }
    clock_hz, mem_clock_hz, bits, capability = clocks[known]
    assert sheet.sm_count is not None
    card = GpuFacts(
        "x",
        sheet.mem_bytes,
        sheet.tdp_w,
        None,
        int(sheet.sm_count),
        clock_hz,
        mem_clock_hz,
        bits,
        capability,
    )
    made = guessed_parts.gpu_of(card)
    assert made is not None
    bandwidth = sheet.mem_bandwidth_bytes_per_s
    assert made.mem_bandwidth_bytes_per_s == pytest.approx(bandwidth, rel=0.02)
    assert made.peak_flops_per_s["fp32"] == pytest.approx(sheet.peak_flops_per_s["fp32"], rel=0.2)
    assert made.peak_flops_per_s["fp16"] <= 1.1 * sheet.peak_flops_per_s["fp16"]
    assert abs(made.year - sheet.year) <= 1


@pytest.mark.parametrize(
    ("environ", "n_gpus"),
    [
        ({}, 3),
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1"}, 1),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, 0),
    ],
)
def test_only_visible_cards_count(tmp_path: Path, environ: dict[str, str], n_gpus: int) -> None:
    """Without NVML the kernel driver's list is cut as CUDA would cut it."""
    root = proc.nvidia(proc.host(tmp_path / "host"), *["Tesla T4"] * 3)
    machine = this_machine(facts=host_facts(root), environ=environ).machine
    assert machine.n_gpus == n_gpus
    assert (machine.gpu is None) == (n_gpus == 0)


def test_names_given_by_the_caller_come_first(tmp_path: Path) -> None:
    """The meter's list of GPUs counts, even if it is empty."""
    facts = host_facts(proc.nvidia(proc.host(tmp_path / "host"), "Tesla T4"))
    assert this_machine(facts=facts, gpu_names=[], environ={}).machine.gpu is None
    named = this_machine(facts=facts, gpu_names=[A2000], environ={}).machine
    assert named.gpu == hardware.device("rtx-a2000-12gb")


def test_a_board(tmp_path: Path) -> None:
    """A single-board computer is known by the name of its board."""
    proc.write(tmp_path, "proc/cpuinfo", "processor\t: 0\nFeatures\t: asimd\n")
    proc.write(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4")
    assert detected(host_facts(tmp_path)).machine == hardware.machine("raspberry-pi-4")


def test_a_host_that_says_nothing() -> None:
    """There is no machine to be made of nothing."""
    with pytest.raises(BadInput, match="names no CPU"):
        detected(HostFacts())


def test_a_gpu_in_a_silent_host() -> None:
    """A GPU alone is a machine; what is left out is said."""
    found = detected(HostFacts(), "Tesla T4")
    assert found.machine.cpu is None
    assert len(found.notices) == 2


def test_the_users_own_file_is_used(tmp_path: Path) -> None:
    """What `profile hardware` wrote is this machine, under an id of its parts."""
    facts = facts_of(tmp_path, EPYC_VM, 23.5)
    first = detected(facts)
    written = write_machine(first.machine, None, own_path())
    assert written.id == OWN_FILE.removesuffix(".toml")
    again = detected(facts)
    assert again.machine == first.machine
    assert again.notices == (f"described by machines/{OWN_FILE}",)


def test_known_parts_keep_their_ids_in_the_own_file(own: Path, tmp_path: Path) -> None:
    """A known GPU with other watts than the catalogue's is still that GPU."""
    path = own / "machines" / OWN_FILE
    path.parent.mkdir(parents=True)
    text = 'cpu = "i5-12500"\n[gpu]\nname = "NVIDIA L40S"\nkind = "gpu"\ntdp_w = 350\nyear = 2023\n'
    path.write_text(text, encoding="utf-8")
    machine = detected(facts_of(tmp_path), "NVIDIA L40S").machine
    assert machine.id == "l40s+i5-12500"
    assert machine.gpu is not None
    assert (machine.gpu.id, machine.gpu.idle_w) == ("l40s", None)


@pytest.mark.parametrize("gpus", [("Tesla T4",), (A2000, A2000), ()])
def test_the_own_file_and_other_gpus(own: Path, tmp_path: Path, gpus: tuple[str, ...]) -> None:
    """Hidden or added cards of the same kind are counted anew; another kind is another machine."""
    write_machine(hardware.machine("hc3"), None, own / "machines" / OWN_FILE)
    found = detected(facts_of(tmp_path), *gpus)
    assert found.machine.n_gpus == len(gpus)
    used = found.notices[0].startswith("described by")
    assert used == ("Tesla T4" not in gpus)


@pytest.mark.parametrize(
    "text",
    [
        "name = ",
        'cpu = "no-such-cpu"\n',
        'cpu = "i9-13900k"\n',  # written on another machine that shares the home directory
        "[gpu]\ntdp_w = 3\n",
    ],
)
def test_an_own_file_that_does_not_fit_is_left_out(own: Path, tmp_path: Path, text: str) -> None:
    """A broken file, or that of another machine, is a notice and never an exception."""
    path = own / "machines" / OWN_FILE
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    found = detected(facts_of(tmp_path, EPYC_VM))
    assert found.machine.id == "amd-epyc-2-cores"
    assert "is not used" in found.notices[0]


def test_this_very_machine_is_found_or_refused() -> None:
    """The machine that runs the tests becomes a machine, whatever it is."""
    try:
        found = this_machine(gpu_names=[], environ={})
    except BadInput:
        return
    assert found.machine.accelerator is not None
    assert found.machine.accelerator.tdp_w > 0
