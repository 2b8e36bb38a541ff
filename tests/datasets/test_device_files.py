"""Checks on device and machine files: shape, plausible values, names, and the published table."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

DATASETS = Path(__file__).resolve().parents[2] / "datasets"
DEVICE_PATHS = sorted((DATASETS / "devices").glob("*.toml"))
MACHINE_PATHS = sorted((DATASETS / "machines").glob("*.toml"))

PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")
KINDS = ("gpu", "cpu", "dram", "edge")
TEXT_KEYS = {"name", "kind", "vendor", "architecture", "source", "note"}
NUMBER_KEYS = {
    "year",
    "tdp_w",
    "turbo_w",
    "idle_w",
    "mem_bytes",
    "mem_bandwidth_bytes_per_s",
    "sm_count",
    "l2_bytes",
    "clock_hz",
    "process_nm",
}
LIST_KEYS = {"aliases", "doubtful"}
DEVICE_KEYS = TEXT_KEYS | NUMBER_KEYS | LIST_KEYS | {"peak_flops_per_s"}
ALWAYS = {"name", "kind", "year", "tdp_w", "source"}
MEMORY = {"mem_bytes", "mem_bandwidth_bytes_per_s"}
REQUIRED = {
    "gpu": ALWAYS | MEMORY | {"peak_flops_per_s"},
    "cpu": ALWAYS | {"mem_bandwidth_bytes_per_s", "peak_flops_per_s"},
    "dram": ALWAYS | {"mem_bytes", "clock_hz", "idle_w"},
    "edge": ALWAYS | MEMORY | {"peak_flops_per_s"},
}
MACHINE_TEXT = {"name", "gpu", "cpu", "dram", "source", "note"}
MACHINE_NUMBERS = {"n_gpus", "gpu_power_limit_w", "n_cpus", "n_dimms", "loader_workers"}
MACHINE_KEYS = MACHINE_TEXT | MACHINE_NUMBERS | {"aliases"}

# machine: (gpu, its count, limit in W, memory, cpu, its power, dimm, count, bytes, rate, workers)
TABLE_1 = {
    "hc1": ("rtx-3080", 1, 320, 10e9, "i7-8700k", 95, "ddr4-16gb-3600", 4, 16e9, 3600e6, 1),
    "hc2": ("rtx-3090", 1, 350, 24e9, "i9-11900kf", 125, "ddr4-32gb-3200", 4, 32e9, 3200e6, 1),
    "hc3": ("rtx-a2000-12gb", 1, 70, 12e9, "i5-12500", 65, "ddr5-16gb-3200", 2, 16e9, 3200e6, 1),
    "hc4": (
        "h100-pcie",
        2,
        300,
        80e9,
        "xeon-platinum-8480+",
        350,
        "ddr5-64gb-2200",
        16,
        64e9,
        2200e6,
        None,
    ),
}


def _load(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _normalise(spelling: str) -> str:
    return re.sub(r"[-_\s]", "", spelling.casefold())


DEVICES = {path.stem: _load(path) for path in DEVICE_PATHS}
MACHINES = {path.stem: _load(path) for path in MACHINE_PATHS}
each_device = pytest.mark.parametrize("device_id", sorted(DEVICES))
each_machine = pytest.mark.parametrize("machine_id", sorted(MACHINES))


def _resolve(spelling: str) -> str | None:
    wanted = _normalise(spelling)
    for device_id, device in DEVICES.items():
        if wanted in {_normalise(s) for s in (device_id, *device.get("aliases", []))}:
            return device_id
    return None


@each_device
def test_device_has_the_keys_of_its_kind(device_id: str) -> None:
    """A device file has every key its kind requires and no key the loader does not know."""
    device = DEVICES[device_id]
    assert device["kind"] in KINDS
    assert not REQUIRED[device["kind"]] - device.keys()
    assert not device.keys() - DEVICE_KEYS
    assert set(device.get("peak_flops_per_s", {})) <= set(PRECISIONS)


@each_device
def test_device_values_have_their_types(device_id: str) -> None:
    """Texts are non-empty, numbers are positive (absent rather than 0) and lists hold texts."""
    device = DEVICES[device_id]
    for key, value in device.items():
        if key in TEXT_KEYS:
            assert isinstance(value, str), key
            assert value.strip() == value != "", key
        elif key in NUMBER_KEYS:
            assert isinstance(value, int | float), key
            assert value > 0, key
        elif key in LIST_KEYS:
            assert isinstance(value, list), key
            assert value, key
            assert all(isinstance(item, str) and item.strip() for item in value), key
    peaks = device.get("peak_flops_per_s", {})
    assert all(isinstance(peak, int | float) and peak > 0 for peak in peaks.values())


@each_device
def test_device_id_is_lower_case_without_spaces(device_id: str) -> None:
    """File names are plain identifiers that every file system keeps apart."""
    assert re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", device_id)


@each_device
def test_device_names_a_public_source(device_id: str) -> None:
    """Every device points to a public page over https."""
    assert re.fullmatch(r"https://[^\s/]+\.[^\s]+", DEVICES[device_id]["source"])


@each_device
def test_device_doubts_existing_fields(device_id: str) -> None:
    """Each doubtful entry is a field of the same file, peaks as peak_flops_per_s.<precision>."""
    device = DEVICES[device_id]
    peaks = device.get("peak_flops_per_s", {})
    known = device.keys() | {f"peak_flops_per_s.{precision}" for precision in peaks}
    doubtful = device.get("doubtful", [])
    assert set(doubtful) <= known
    assert len(set(doubtful)) == len(doubtful)


@each_device
def test_device_power_is_plausible(device_id: str) -> None:
    """Idle power is below TDP, turbo power not below it, and all within what one device draws."""
    device = DEVICES[device_id]
    assert 1 <= device["tdp_w"] <= 1500
    assert device.get("idle_w", 0) < device["tdp_w"]
    assert device["tdp_w"] <= device.get("turbo_w", device["tdp_w"]) <= 600 + device["tdp_w"]
    assert 2010 <= device["year"] <= 2026


@each_device
def test_device_memory_and_clock_are_plausible(device_id: str) -> None:
    """Memory, bandwidth, cache and clock lie in ranges that catch a wrong unit."""
    device = DEVICES[device_id]
    assert 1e9 <= device.get("mem_bandwidth_bytes_per_s", 1e9) <= 2e13
    assert 8e6 <= device.get("mem_bytes", 1e9) <= 600e9
    assert 1e5 <= device.get("l2_bytes", 1e6) <= 1e9
    assert 1 <= device.get("sm_count", 1) <= 400
    assert 3 <= device.get("process_nm", 5) <= 28
    high = 10e9 if device["kind"] == "dram" else 6.2e9
    assert 0.4e9 <= device.get("clock_hz", 1e9) <= high


@each_device
def test_device_peaks_are_plausible(device_id: str) -> None:
    """Narrower formats are never slower than wider ones (Volta has no int8 tensor cores)."""
    peaks: dict[str, float] = DEVICES[device_id].get("peak_flops_per_s", {})
    assert all(1e9 <= peak <= 2e16 for peak in peaks.values())
    chains = [
        ("fp32", "tf32", "fp16", "fp8", "fp4"),
        ("fp64", "tf32", "bf16", "fp8"),
        ("fp32", "bf16", "int8"),
    ]
    if DEVICES[device_id].get("architecture") != "Volta":
        chains.append(("fp32", "fp16", "int8"))
    for chain in chains:
        known = [peaks[precision] for precision in chain if precision in peaks]
        assert known == sorted(known), chain


@each_device
def test_device_tensor_formats_fit_its_architecture(device_id: str) -> None:
    """Volta, Turing and older list no tf32, bf16 or fp8; only Ada, Hopper and later list fp8."""
    device = DEVICES[device_id]
    old = {"Kepler", "Maxwell", "Pascal", "Volta", "Turing"}
    if device.get("vendor") == "NVIDIA" and device.get("architecture") in old:
        assert not {"tf32", "bf16", "fp8", "fp4"} & device["peak_flops_per_s"].keys()
    if device.get("architecture") == "Ampere":
        assert not {"fp8", "fp4"} & device["peak_flops_per_s"].keys()


def test_geforce_half_precision_counts_fp32_accumulation() -> None:
    """GeForce cards list fp16 with fp32 accumulation: 4 x fp32 on Turing, 2 x fp32 from Ampere."""
    for name, factor in (("rtx-2080-ti", 4), ("rtx-3090", 2), ("rtx-4090", 2), ("rtx-5090", 2)):
        peaks = DEVICES[name]["peak_flops_per_s"]
        assert peaks["fp16"] == pytest.approx(factor * peaks["fp32"], rel=0.01)


def test_spellings_belong_to_one_device_each() -> None:
    """No id or alias matches two files, nor repeats in one, ignoring case, '-', '_' and spaces."""
    spellings = [
        _normalise(spelling)
        for device_id, device in DEVICES.items()
        for spelling in (device_id, *device.get("aliases", []))
    ]
    assert [s for s, count in Counter(spellings).items() if count > 1] == []


@each_device
def test_device_answers_to_its_own_name(device_id: str) -> None:
    """The printed name of a device resolves to that device."""
    assert _resolve(DEVICES[device_id]["name"]) == device_id


@pytest.mark.parametrize(
    ("spelling", "device_id"),
    [
        ("A100", "a100-sxm-80gb"),
        ("h100", "h100-sxm"),
        ("V100", "v100-sxm2"),
        ("4090", "rtx-4090"),
        ("RTX 3090", "rtx-3090"),
        ("4070", "rtx-4070"),
        ("t4", "t4"),
        ("L4", "l4"),
        ("H100-SXM-80", "h100-sxm"),
        ("b200_sxm", "b200"),
        ("rtx_pro_6000_server", "rtx-pro-6000-blackwell-server"),
        ("Tesla V100-SXM2-16GB", "v100-sxm2"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("gtx-1080-ti-x2", "gtx-1080-ti"),
        ("AMD EPYC 7742 64-Core Processor", "epyc-7742"),
        ("Intel(R) Xeon(R) Platinum 8480+", "xeon-platinum-8480+"),
        ("unknown", "unnamed-gpu"),
    ],
)
def test_common_spellings_resolve(spelling: str, device_id: str) -> None:
    """Bare names, driver names and data-set spellings find the device they mean."""
    assert _resolve(spelling) == device_id


def test_there_are_enough_gpus() -> None:
    """At least 45 NVIDIA, AMD and Intel GPUs are covered, from the GTX 750 Ti to the B200."""
    vendors = {"NVIDIA", "AMD", "Intel"}
    stand_ins = {"unnamed-gpu", "unknown-grid-gpu", "rtx-4070-class"}
    gpus = {
        device_id
        for device_id, device in DEVICES.items()
        if device["kind"] == "gpu" and device.get("vendor") in vendors
    }
    assert len(gpus - stand_ins) >= 45
    assert {"gtx-750-ti", "b200"} <= gpus


def test_stand_ins_are_doubtful() -> None:
    """A device that its source does not name has power and peak marked doubtful, with a note."""
    for device_id in ("unnamed-gpu", "desktop-cpu", "laptop-cpu", "unknown-5v-board"):
        device = DEVICES[device_id]
        assert {"tdp_w", "peak_flops_per_s.fp32"} <= set(device["doubtful"])
        assert device["note"]


@each_machine
def test_machine_has_known_keys_and_devices(machine_id: str) -> None:
    """A machine file has only known keys, counts its parts, and refers to existing devices."""
    machine = MACHINES[machine_id]
    assert {"name", "source"} <= machine.keys() <= MACHINE_KEYS
    for part, count, kind in (("gpu", "n_gpus", "gpu"), ("cpu", "n_cpus", "cpu")):
        assert (part in machine) == (count in machine)
        assert part not in machine or DEVICES[machine[part]]["kind"] == kind
    assert ("dram" in machine) == ("n_dimms" in machine)
    assert "dram" not in machine or DEVICES[machine["dram"]]["kind"] == "dram"
    assert all(machine[key] > 0 for key in MACHINE_NUMBERS & machine.keys())
    if "gpu_power_limit_w" in machine:
        assert machine["gpu_power_limit_w"] <= DEVICES[machine["gpu"]]["tdp_w"]


def test_machine_spellings_belong_to_one_machine_each() -> None:
    """No spelling of a machine matches two files."""
    owners: dict[str, set[str]] = {}
    for machine_id, machine in MACHINES.items():
        for spelling in (machine_id, machine["name"], *machine.get("aliases", [])):
            owners.setdefault(_normalise(spelling), set()).add(machine_id)
    assert all(len(ids) == 1 for ids in owners.values())


@pytest.mark.parametrize("machine_id", sorted(TABLE_1))
def test_table_1_is_as_printed(machine_id: str) -> None:
    """The four machines of the papers' Table 1 carry exactly the printed parts and figures."""
    machine = MACHINES[machine_id]
    gpu, cpu, dimm = (DEVICES[machine[part]] for part in ("gpu", "cpu", "dram"))
    assert machine["n_cpus"] == 1
    assert (
        machine["gpu"],
        machine["n_gpus"],
        machine["gpu_power_limit_w"],
        gpu["mem_bytes"],
        machine["cpu"],
        cpu["tdp_w"],
        machine["dram"],
        machine["n_dimms"],
        dimm["mem_bytes"],
        dimm["clock_hz"],
        machine.get("loader_workers"),
    ) == TABLE_1[machine_id]


def test_dimm_power_follows_the_papers_formula() -> None:
    """Active power of a DIMM is C V^2 f / 2 with one C for all and 1.2 V (DDR4) or 1.1 V (DDR5)."""
    for device_id, device in DEVICES.items():
        if device["kind"] == "dram":
            volts = 1.2 if device_id.startswith("ddr4") else 1.1
            expected = 0.5 * 1.94e-9 * volts**2 * device["clock_hz"]
            assert device["tdp_w"] == pytest.approx(expected, abs=0.01)


def test_templates_hold_no_gpu() -> None:
    """The plain hosts leave the GPU open; the edge one leaves CPU and memory to the board too."""
    templates = {machine_id for machine_id in MACHINES if machine_id.startswith("_")}
    assert templates == {"_desktop", "_server", "_edge"}
    assert all("gpu" not in MACHINES[machine_id] for machine_id in templates)
    assert MACHINES["_edge"].keys() <= {"name", "source", "note", "aliases"}
    assert MACHINES["_desktop"]["n_dimms"] == 2
    assert (MACHINES["_server"]["n_cpus"], MACHINES["_server"]["n_dimms"]) == (2, 16)


def test_files_name_no_private_place() -> None:
    """No file mentions a folder of the machine it was written on."""
    for path in (*DEVICE_PATHS, *MACHINE_PATHS):
        assert not re.search(r"(?<![\w./-])/(work|home|tmp|root)/", path.read_text("utf-8")), path
