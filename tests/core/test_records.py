"""Records are frozen, and an estimate is plain JSON."""

import dataclasses
import inspect
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core import records
from joulecast.core.records import (
    Architecture,
    Device,
    Estimate,
    Evidence,
    Machine,
    OpCount,
    Workload,
)

RECORDS = [kind for _, kind in inspect.getmembers(records, dataclasses.is_dataclass)]
GPU = Device(id="g", name="G", kind="gpu", tdp_w=70.0, year=2021, source="-", mem_bytes=12e9)
CPU = Device(id="c", name="C", kind="cpu", tdp_w=65.0, year=2021, source="-")
DIMM = Device(id="d", name="D", kind="dram", tdp_w=5.0, year=2021, source="-", mem_bytes=16e9)
FINITE = st.floats(min_value=0, max_value=1e18, allow_nan=False)
ESTIMATES = st.builds(
    Estimate,
    energy_j=FINITE,
    energy_low_j=FINITE,
    energy_high_j=FINITE,
    duration_s=FINITE,
    duration_low_s=FINITE,
    duration_high_s=FINITE,
    level=st.floats(0.01, 0.99),
    power_w=FINITE,
    scope=st.sampled_from(["gpu", "system", "wall"]),
    basis=st.sampled_from(["zero-shot", "measured"]),
    novelty=st.none() | st.sampled_from(records.NOVELTIES),
    cost=st.none() | FINITE,
    evidence=st.lists(
        st.builds(Evidence, model=st.text(), device=st.text(), n=st.integers(), source=st.text()),
        max_size=2,
    ).map(tuple),
    notices=st.lists(st.text(), max_size=2).map(tuple),
    workload=st.none() | st.builds(Workload, input_shape=st.none() | st.just((3, 32, 32))),
    explanation=st.none() | st.dictionaries(st.text(), FINITE, max_size=2),
)


@pytest.mark.parametrize("kind", RECORDS)
def test_records_are_frozen(kind: Any) -> None:  # noqa: ANN401 (any dataclass)
    """No field of a record can be set, added or lost after it was made."""
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__


def test_setting_a_field_is_refused() -> None:
    """Setting a field of a record raises."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPU.tdp_w = 1.0  # type: ignore[misc]


@given(ESTIMATES)
def test_an_estimate_is_json(estimate: Estimate) -> None:
    """The dictionary of an estimate is valid JSON that holds every field under its name."""
    plain = estimate.to_dict()
    read = json.loads(json.dumps(plain, allow_nan=False))
    assert list(read) == [f.name for f in dataclasses.fields(Estimate)]
    assert read["energy_j"] == estimate.energy_j
    assert read["notices"] == list(estimate.notices)
    assert [Evidence(**e) for e in read["evidence"]] == list(estimate.evidence)


@given(ESTIMATES, st.lists(st.text(), max_size=3))
def test_notices_are_appended(estimate: Estimate, notices: list[str]) -> None:
    """A copy with notices has them after those that were there, and nothing else changes."""
    copy = estimate.with_notices(*notices)
    assert copy.notices == (*estimate.notices, *notices)
    assert dataclasses.replace(copy, notices=estimate.notices) == estimate


@pytest.mark.parametrize(
    ("machine", "computes", "mem_bytes"),
    [
        (Machine("m", "M", gpu=GPU, n_gpus=2, cpu=CPU, n_cpus=1, dram=DIMM, n_dimms=2), GPU, 24e9),
        (Machine("m", "M", cpu=CPU, n_cpus=1, dram=DIMM, n_dimms=2), CPU, 32e9),
        (Machine("m", "M", cpu=CPU, n_cpus=1), CPU, None),
        (Machine("m", "M", gpu=CPU, n_gpus=1, dram=DIMM, n_dimms=2), CPU, None),
        (Machine("m", "M"), None, None),
    ],
)
def test_weights_lie_in_the_memory_of_what_computes(
    machine: Machine, computes: Device | None, mem_bytes: float | None
) -> None:
    """The accelerator is the GPU where there is one; unknown memory is None, never 0."""
    assert machine.accelerator == computes
    assert machine.mem_bytes == mem_bytes


def test_size_is_parameters_and_buffers() -> None:
    """A network's size counts four bytes per parameter, and its buffers."""
    network = Architecture("n", "vision", (3, 32, 32), 10.0, 5.0, {"conv": OpCount(5.0)}, None, 8.0)
    assert network.size_bytes == 48.0


def test_classes_with_multiply_adds_are_operator_classes() -> None:
    """Every class that may hold multiply-adds is one of the operator classes."""
    assert set(records.MAC_CLASSES) < set(records.OP_CLASSES)
    assert len(set(records.OP_CLASSES)) == len(records.OP_CLASSES)


@pytest.mark.parametrize("kind", RECORDS)
def test_quantities_tell_their_unit(kind: Any) -> None:  # noqa: ANN401 (any dataclass)
    """No field is called by a quantity without its unit."""
    bare = {
        "energy",
        "power",
        "duration",
        "time",
        "memory",
        "bandwidth",
        "clock",
        "carbon",
        "flops",
    }
    assert bare.isdisjoint(f.name for f in dataclasses.fields(kind))
