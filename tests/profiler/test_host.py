"""Raw facts of a host, read from trees that look like /proc and /sys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.profiler import host_cgroup
from joulecast.profiler.host import HostFacts, host_facts
from tests.fakes import proc
from tests.fakes.proc import FakeCpu

if TYPE_CHECKING:
    from pathlib import Path


def test_a_plain_desktop(tmp_path: Path) -> None:
    """Names, counts, memory and clock are those of the files."""
    proc.host(tmp_path)
    facts = host_facts(tmp_path)
    assert facts.cpu_name == "12th Gen Intel(R) Core(TM) i5-12500"
    assert (facts.cpu_vendor, facts.cpu_family, facts.cpu_model) == ("GenuineIntel", 6, 151)
    assert (facts.sockets, facts.cores, facts.threads) == (1, 6, 12)
    assert facts.cpus_available == 12
    assert facts.cpu_quota is None
    assert facts.mem_bytes == int(31.2 * 2**20) * 1024
    assert facts.clock_hz == 3e9
    assert "avx2" in facts.cpu_flags
    assert (facts.mem_limit_bytes, facts.gpu_names, facts.container) == (None, (), "")
    assert not facts.is_virtual


def test_two_sockets_are_counted(tmp_path: Path) -> None:
    """Cores with the same number on two sockets are two cores."""
    proc.host(tmp_path, FakeCpu(sockets=2, cores=20))
    facts = host_facts(tmp_path)
    assert (facts.sockets, facts.cores, facts.threads) == (2, 40, 80)


def test_an_empty_tree_says_nothing(tmp_path: Path) -> None:
    """What cannot be read is unknown, never 0."""
    assert host_facts(tmp_path) == HostFacts()


def test_garbage_is_not_believed(tmp_path: Path) -> None:
    """Files that hold something else leave the facts unknown."""
    for path in ("proc/cpuinfo", "proc/meminfo", "proc/self/status", "sys/fs/cgroup/cpu.max"):
        proc.write(tmp_path, path, "\x00 nonsense : : max\n\n- 12 kB\n")
    assert host_facts(tmp_path) == HostFacts()


@pytest.mark.parametrize(
    ("name", "khz", "clock_hz"),
    [
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "", 2.2e9),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", "3900000", 3.9e9),
        ("AMD EPYC", "", 3e9),
    ],
)
def test_the_clock_comes_from_the_best_witness(
    tmp_path: Path, name: str, khz: str, clock_hz: float
) -> None:
    """The kernel's maximum comes before the name's clock, and that before the clock of now."""
    proc.host(tmp_path, FakeCpu(name=name))
    if khz:
        proc.write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", khz)
    assert host_facts(tmp_path).clock_hz == pytest.approx(clock_hz)


def test_affinity_limits_the_cpus(tmp_path: Path) -> None:
    """A bound process has the CPUs of its list; the group's quota is another matter."""
    proc.host(tmp_path)
    proc.write(tmp_path, "proc/self/status", "Cpus_allowed:\tf03\nCpus_allowed_list:\t0-1,8-11\n")
    facts = host_facts(tmp_path)
    assert facts.cpus_available == 6
    assert facts.cpu_quota is None


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu.max": "max 100000"}, None),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, 4.0),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, 2.0),
        ({"unified/a/b/cpu.max": "50000 100000"}, 0.5),
        ({"a/b/cpu.max": "100000 0"}, None),
    ],
)
def test_quota_of_version_2(tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
    """The tightest quota of our group and of those above it binds."""
    proc.write(tmp_path, "proc/self/cgroup", "0::/a/b\n")
    for path, text in files.items():
        proc.write(tmp_path, f"sys/fs/cgroup/{path}", text)
    assert host_cgroup.cpu_quota(tmp_path) == quota


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_limits_of_version_1(tmp_path: Path, mount: str) -> None:
    """Version 1 has one tree per controller; inside a container only its mount is to be seen."""
    proc.host(tmp_path)
    proc.write(tmp_path, "proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n")
    proc.write(tmp_path, f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us", "250000\n")
    proc.write(tmp_path, f"sys/fs/cgroup/{mount}/cpu.cfs_period_us", "100000\n")
    proc.write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", str(8 * 2**30))
    facts = host_facts(tmp_path)
    assert (facts.cpu_quota, facts.cpus_available) == (2.5, 2.5)
    assert facts.mem_limit_bytes == 8 * 2**30
    assert facts.container == "docker"


def test_no_limit_in_version_1(tmp_path: Path) -> None:
    """Its figures for no limit are no limits."""
    proc.write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    proc.write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    proc.write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert host_cgroup.cpu_quota(tmp_path) is None
    assert host_cgroup.mem_limit_bytes(tmp_path) is None


def test_memory_limit_of_version_2(tmp_path: Path) -> None:
    """The limit of a group above ours binds as well."""
    proc.write(tmp_path, "proc/self/cgroup", "0::/slice/job\n")
    proc.write(tmp_path, "sys/fs/cgroup/slice/memory.max", "4294967296\n")
    proc.write(tmp_path, "sys/fs/cgroup/slice/job/memory.max", "max\n")
    assert host_cgroup.mem_limit_bytes(tmp_path) == 2**32


@given(st.sets(st.integers(0, 300), min_size=1))
def test_cpu_lists_are_counted(cpus: set[int]) -> None:
    """A list counts as many CPUs as it names, written singly or as ranges."""
    ranges, ordered = [], sorted(cpus)
    start = previous = ordered[0]
    for cpu in [*ordered[1:], 10**6]:
        if cpu != previous + 1:
            ranges.append(f"{start}-{previous}" if previous > start else str(start))
            start = cpu
        previous = cpu
    assert host_cgroup.count_of_list(",".join(ranges)) == len(cpus)
    assert host_cgroup.count_of_list(",".join(map(str, ordered))) == len(cpus)


def test_cards_of_the_nvidia_driver(tmp_path: Path) -> None:
    """The kernel driver's list needs no library."""
    proc.nvidia(tmp_path, "NVIDIA A100-SXM4-80GB", "Tesla T4")
    facts = host_facts(tmp_path)
    assert facts.gpu_names == ("NVIDIA A100-SXM4-80GB", "Tesla T4")
    assert facts.gpu_uuids == ("GPU-0", "GPU-1")


def test_memory_modules(tmp_path: Path) -> None:
    """The error counters know every module; an empty slot is none."""
    for i, mib in enumerate(("16384", "16384", "0")):
        proc.write(tmp_path, f"sys/devices/system/edac/mc/mc0/dimm{i}/size", mib)
    assert host_facts(tmp_path).dimm_bytes == (16 * 2**30, 16 * 2**30)


@pytest.mark.parametrize(
    ("path", "text", "environ", "container"),
    [
        (".dockerenv", "", {}, "docker"),
        ("run/.containerenv", "", {}, "podman"),
        ("proc/self/cgroup", "0::/kubepods/burstable/pod1\n", {}, "kubernetes"),
        ("x", "", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ("x", "", {"APPTAINER_NAME": "image.sif"}, "apptainer"),
        ("x", "", {"container": "lxc"}, "lxc"),
        ("x", "", {}, ""),
    ],
)
def test_containers(
    tmp_path: Path, path: str, text: str, environ: dict[str, str], container: str
) -> None:
    """Each runtime leaves its own mark."""
    proc.write(tmp_path, path, text)
    assert host_facts(tmp_path, environ).container == container


def test_virtual_machine_and_cache(tmp_path: Path) -> None:
    """The hypervisor's flag and the size of the last cache are read."""
    proc.host(tmp_path, FakeCpu(flags="fpu hypervisor"))
    proc.write(tmp_path, "sys/devices/system/cpu/cpu0/cache/index3/size", "32768K\n")
    facts = host_facts(tmp_path)
    assert facts.is_virtual
    assert facts.l3_bytes == 32 * 2**20


def test_the_hosts_name_is_not_told(tmp_path: Path) -> None:
    """The id is the same for the same name and does not hold it."""
    proc.host(tmp_path)
    facts = host_facts(tmp_path)
    assert len(facts.host_id) == 12
    assert facts.host_id == host_facts(tmp_path).host_id
    assert "somehost" not in repr(facts)
    proc.write(tmp_path, "proc/sys/kernel/hostname", "otherhost\n")
    assert host_facts(tmp_path).host_id != facts.host_id


def test_a_board_without_a_cpu_name(tmp_path: Path) -> None:
    """ARM kernels name the board, not the processor."""
    proc.write(tmp_path, "proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd\n\nprocessor\t: 1\n")
    proc.write(tmp_path, "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\x00")
    facts = host_facts(tmp_path)
    assert facts.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert (facts.cpu_name, facts.cores, facts.threads) == ("", 2, 2)
    assert "asimd" in facts.cpu_flags


def test_this_very_host_can_be_read() -> None:
    """The host that runs the tests yields facts that hang together."""
    facts = host_facts()
    if facts.threads is not None:
        assert facts.cores is not None
        assert 1 <= facts.cores <= facts.threads
        assert facts.cpus_available is not None
        assert 0 < facts.cpus_available <= facts.threads
