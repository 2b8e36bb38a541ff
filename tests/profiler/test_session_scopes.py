"""What may be added up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulecast.core.records import Device, Machine, is_measured
from joulecast.profiler.session_options import unknown_setup
from joulecast.profiler.session_scopes import by_scope, parts_of, sources, summed
from tests.fakes.clock import FakeClock
from tests.fakes.meters import PowerMeter


def meter(scope: str, energy_source: str = "rapl", uuid: str = "") -> PowerMeter:
    """A meter of a scope."""
    found = PowerMeter(FakeClock(), 1.0, scope)
    found.energy_source = energy_source
    found.facts = {"uuid": uuid} if uuid else {}
    return found


def test_the_system_is_the_sum_of_its_parts() -> None:
    """The papers' Eq. 3 over two sockets and two GPUs; the wall stands beside it."""
    amounts = [
        ("gpu", 1.0),
        ("gpu", 2.0),
        ("cpu", 4.0),
        ("cpu", 8.0),
        ("dram", 16.0),
        ("wall", 64.0),
    ]
    sums = by_scope(amounts, ("gpu", "cpu", "dram"))
    assert sums == {"gpu": 3.0, "cpu": 12.0, "dram": 16.0, "wall": 64.0, "system": 31.0}


def test_a_missing_part_leaves_no_system() -> None:
    """A sum without one of the machine's parts would be a lower bound."""
    assert by_scope([("gpu", 1.0), ("cpu", None)], ("gpu", "cpu")) == {"gpu": 1.0}
    assert by_scope([("gpu", 1.0)], ()) == {"gpu": 1.0}


def test_parts_are_the_machine_s_own() -> None:
    """Of a known machine what it has; of an unknown one CPU, DRAM and metered GPUs."""
    unknown = unknown_setup().machine
    cpu = Device(id="c", name="c", kind="cpu", tdp_w=1.0, year=2020, source="")
    assert parts_of(replace(unknown, cpu=cpu), [meter("gpu")]) == ("cpu",)
    assert parts_of(unknown, [meter("gpu")]) == ("gpu", "cpu", "dram")
    assert parts_of(None, [meter("cpu")]) == ("cpu", "dram")
    assert parts_of(Machine(id="", name=""), []) == ("cpu", "dram")


@pytest.mark.parametrize(
    ("meters", "seen", "chosen"),
    [
        ([meter("cpu"), meter("cpu", "tdp-model")], [True, True], [0]),
        ([meter("cpu"), meter("cpu", "tdp-model")], [False, True], [0, 1]),
        ([meter("cpu"), meter("cpu")], [True, True], [0, 1]),
        ([meter("cpu", "replay"), meter("cpu", "replay-model")], [True, True], [0]),
        ([meter("gpu", uuid="A"), meter("gpu", uuid="A")], [True, True], [0]),
        ([meter("gpu", uuid="A"), meter("gpu", uuid="A")], [False, True], [0, 1]),
        ([meter("gpu", uuid="A"), meter("gpu", uuid="B")], [True, True], [0, 1]),
        ([meter("gpu", "nvml-power"), meter("cpu", "tdp-model")], [True, True], [0, 1]),
    ],
)
def test_no_device_is_added_twice(
    meters: list[PowerMeter], seen: list[bool], chosen: list[int]
) -> None:
    """Models give way to sensors of their scope, a second meter of a device to the first."""
    assert summed(meters, seen) == chosen


def test_mixed_sources_are_joined() -> None:
    """Each source once; a mix is measured only if all of it is."""
    found = sources(
        [("gpu", "nvml-counter"), ("gpu", "nvml-power"), ("gpu", "nvml-power")], ["gpu"]
    )
    assert found == {"gpu": "nvml-counter+nvml-power"}
    assert is_measured("nvml-counter+nvml-power")
    assert not is_measured("nvml-counter+tdp-model")
