"""Devices and machines from TOML files: found by any name, refused when they cannot be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.core import catalog
from joulecast.core.errors import BadInput, UnknownName
from joulecast.datasets import hardware

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIVE_NUMBERS = """
name = "My GPU"
kind = "gpu"
tdp_w = 300
year = 2024
mem_bytes = 24e9
mem_bandwidth_bytes_per_s = 1e12
peak_flops_per_s = { fp32 = 40e12, fp16 = 160e12 }
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A user's own folder, searched first."""
    monkeypatch.setattr(catalog, "user_dir", lambda: tmp_path)
    (tmp_path / "devices").mkdir()
    (tmp_path / "machines").mkdir()
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    """Drop what was read before."""
    for cached in (hardware.device, hardware._named, hardware._aliases, catalog.names):
        cached.cache_clear()


def written(path: Path, text: str) -> Path:
    """A file with that text."""
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", hardware.device_names())
def test_every_device_can_be_asked_for(name: str) -> None:
    """Each shipped device is read, and all but memory modules make a machine."""
    device = hardware.device(name)
    assert device.id == name
    assert device.tdp_w > 0
    if device.kind == "dram":
        with pytest.raises(BadInput, match="memory module"):
            hardware.machine(name)
    else:
        assert hardware.machine(name).accelerator == device


@pytest.mark.parametrize("name", [n for n in hardware.machine_names() if not n.startswith("_")])
def test_every_machine_is_whole(name: str) -> None:
    """Each shipped machine has its devices with counts."""
    machine = hardware.machine(name)
    assert machine.id == name
    assert machine.accelerator is not None
    assert (machine.n_gpus > 0) == (machine.gpu is not None)
    assert (machine.n_dimms > 0) == (machine.dram is not None)


@pytest.mark.parametrize("spelling", ["HC-3", "hc3", "Hc_3", " hc 3"])
def test_spellings_of_a_machine(spelling: str) -> None:
    """Case, hyphens, underscores and spaces do not matter."""
    assert hardware.machine(spelling).id == "hc3"


@pytest.mark.parametrize(
    ("name", "count", "gpu"),
    [
        ("8xh100-sxm", 8, "h100-sxm"),
        ("8x H100-SXM", 8, "h100-sxm"),
        ("2x-rtx-3090", 2, "rtx-3090"),
        ("4 x a100-sxm-80gb", 4, "a100-sxm-80gb"),
    ],
)
def test_several_of_a_device(name: str, count: int, gpu: str) -> None:
    """A count before a device is a host with that many."""
    machine = hardware.machine(name)
    assert machine.gpu is not None
    assert (machine.n_gpus, machine.gpu.id) == (count, gpu)


@pytest.mark.parametrize("name", ["0xh100-sxm", "999999999xt4", "xt4", "4x", "4xnothing"])
def test_impossible_counts_are_unknown(name: str) -> None:
    """No device at all, and more than anybody has, is no machine."""
    with pytest.raises(UnknownName):
        hardware.machine(name)


def test_the_clock_of_a_host_that_nobody_stated_stays_open() -> None:
    """Two boards alone differ in no host's clock; a machine's own CPU and a stated one keep it."""
    for board in ("rtx-4090", "v100-pcie"):
        host = hardware.machine(board).cpu
        assert host is not None
        assert host.clock_hz is None
        assert hardware.device(host.id).clock_hz
    for named in ("hc3", "i7-12700k"):
        host = hardware.machine(named).cpu
        assert host is not None
        assert host.clock_hz


def test_a_device_goes_into_a_host_of_its_kind() -> None:
    """A data-centre GPU stands in a server, a gaming one in a desktop, a board stands alone."""
    server, desktop, board = map(hardware.machine, ("a100-sxm-80gb", "rtx-4090", "jetson-nano"))
    assert server.n_cpus == 2
    assert desktop.n_cpus == 1
    assert board.cpu is None
    assert hardware.machine("i9-13900k").gpu is None


@pytest.mark.parametrize("name", ["qaic100-dm2", "qaic100-dm2e"])
def test_a_module_of_an_edge_box_has_no_server_around_it(name: str) -> None:
    """An M.2 module of a family of data-centre cards draws its board's watts, no server's."""
    machine = hardware.machine(name)
    assert machine.cpu is None
    assert machine.n_dimms == 0
    assert hardware.machine("qaic100-pro").cpu is not None


@pytest.mark.parametrize("name", ["rtx-3091", "h100-smx", "no such thing"])
def test_unknown_names_list_the_nearest(name: str) -> None:
    """An unknown machine names three that are spelled nearly so."""
    with pytest.raises(UnknownName, match="Nearest") as caught:
        hardware.machine(name)
    assert len(caught.value.nearest) == 3


def test_a_swap_of_neighbours_is_one_edit() -> None:
    """A typing slip finds what was meant first."""
    with pytest.raises(UnknownName) as caught:
        hardware.machine("hc-5")
    assert all(name.startswith("hc") for name in caught.value.nearest)
    with pytest.raises(UnknownName) as caught:
        hardware.device("rxt-3090")
    assert caught.value.nearest[0] == "rtx-3090"


def test_five_public_numbers_make_a_machine(tmp_path: Path) -> None:
    """A GPU that is not shipped works from TDP, memory, bandwidth, peak and year."""
    machine = hardware.machine(str(written(tmp_path / "mine.toml", FIVE_NUMBERS)))
    assert machine.gpu is not None
    assert (machine.gpu.id, machine.gpu.tdp_w, machine.n_gpus) == ("mine", 300, 1)
    assert machine.cpu is not None


def test_a_machine_file(tmp_path: Path) -> None:
    """A machine file names its devices by id, or describes one in place."""
    text = 'name = "Two"\ngpu = "rtx-3090"\nn_gpus = 2\ncpu = "i9-13900k"\nloader_workers = 4\n'
    machine = hardware.machine(str(written(tmp_path / "two.toml", text)))
    assert (machine.id, machine.n_gpus, machine.n_cpus) == ("two", 2, 1)
    assert machine.loader_workers == 4
    inline = 'name = "One"\n[gpu]\n' + FIVE_NUMBERS
    described = hardware.machine(str(written(tmp_path / "one.toml", inline)))
    assert described.gpu is not None
    assert described.gpu.tdp_w == 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "not valid TOML"),
        ("\udcff", "not valid TOML"),
        (FIVE_NUMBERS.replace("year = 2024", ""), "missing year"),
        (FIVE_NUMBERS.replace("300", "-300"), "cannot be right"),
        (FIVE_NUMBERS.replace("300", "nan"), "cannot be right"),
        (FIVE_NUMBERS.replace("300", "inf"), "cannot be right"),
        (FIVE_NUMBERS.replace("40e12", "0"), "cannot be right"),
        (FIVE_NUMBERS + "tpd_w = 3\n", "unknown key.*tdp_w"),
        ('name = "nothing"\n', "neither a gpu nor a cpu"),
        ('gpu = "no-such-gpu"\n', "unknown device"),
        ('gpu = "t4"\nn_gpus = 0\n', "cannot be right"),
        ("[gpu]\ntdp = 3\n", "unknown key.*tdp_w"),
        ("[gpu]\ntdp_w = 3\n", "A device needs"),
        (FIVE_NUMBERS.replace('"gpu"', '"toaster"'), "toaster"),
        (FIVE_NUMBERS.replace("300", '"much"'), "tdp_w"),
        ("[gpu]\n" + FIVE_NUMBERS.replace("300", "-300"), "cannot be right"),
        ('gpu = "t4"\nn_gpus = 1.5\n', "n_gpus"),
        ("gpu = 7\n", "gpu = 7 cannot be right"),
        ('gpu = "t4"\naliases = "mine"\n', "aliases"),
        (FIVE_NUMBERS.replace('"My GPU"', "3"), "name = 3"),
        (FIVE_NUMBERS.replace("{ fp32 = 40e12, fp16 = 160e12 }", "4e13"), "per precision"),
    ],
)
def test_files_that_cannot_be_right_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """A malformed file is refused with what is wrong in it, never taken as it is."""
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises((BadInput, UnknownName), match=words):
        hardware.machine(str(path))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path that is not there is named."""
    with pytest.raises(BadInput, match="no such file"):
        hardware.machine(str(tmp_path / "missing.toml"))


def test_a_users_own_files_come_first(own: Path) -> None:
    """A file in the user's folder is found by name, and shadows a shipped one."""
    written(own / "devices" / "t4.toml", FIVE_NUMBERS)
    written(own / "machines" / "lab.toml", 'name = "Lab"\ngpu = "t4"\n')
    assert hardware.device("T4").name == "My GPU"
    machine = hardware.machine("LAB")
    assert machine.gpu is not None
    assert machine.gpu.name == "My GPU"
    assert hardware.device_names()[0] == "t4"
    assert hardware.machine_names()[0] == "lab"


def test_a_name_with_a_slash_is_a_name(own: Path) -> None:
    """Only what is there as a file is read as one; a data sheet's spelling is just unknown."""
    assert own.is_dir()
    with pytest.raises(UnknownName):
        hardware.machine("NVIDIA A100 40GB/80GB")
