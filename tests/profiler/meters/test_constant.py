"""Watts that the user states."""

from __future__ import annotations

from typing import Any

import pytest

from joulecast.core.errors import MeterUnavailable
from joulecast.core.records import MEASURED_SOURCES
from joulecast.profiler.meters import MeterContext, probe


@pytest.mark.parametrize("scope", ["cpu", "gpu", "dram", "wall"])
def test_the_stated_watts_come_back(scope: str) -> None:
    """In the scope that was asked for, and never called measured."""
    meter: Any
    (meter,) = probe("constant", MeterContext(options={"power_w": "65.5", "scope": scope}))
    assert (meter.name, meter.scope, meter.read_power_w()) == ("constant:0", scope, 65.5)
    assert meter.energy_source == "constant"
    assert "constant" not in MEASURED_SOURCES


def test_the_cpu_is_meant_if_nothing_is_said() -> None:
    """`--meter constant:65` stands for the CPU."""
    (meter,) = probe("constant", MeterContext(options={"power_w": "65"}))
    assert meter.scope == "cpu"


@pytest.mark.parametrize("text", ["", "0", "-5", "nan", "inf", "1e9", "sixty"])
def test_senseless_watts_are_refused(text: str) -> None:
    """With how to write them."""
    with pytest.raises(MeterUnavailable, match="watts") as info:
        probe("constant", MeterContext(options={"power_w": text}))
    assert "--meter constant:65" in info.value.fix


def test_an_unknown_scope_is_refused() -> None:
    """The fix lists what there is."""
    with pytest.raises(MeterUnavailable, match="'disk'") as info:
        probe("constant", MeterContext(options={"power_w": "5", "scope": "disk"}))
    assert "cpu, gpu, dram, wall" in info.value.fix
