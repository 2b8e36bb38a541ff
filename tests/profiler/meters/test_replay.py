"""A recorded trace read as if it were live."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.core.records import MEASURED_SOURCES
from joulecast.profiler.meters import MeterContext, probe
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

TRACE = """time_s,meter,scope,kind,value
0.000000,,,begin,0
0.100000,nvml:0,gpu,energy_j,1000
0.100000,nvml:0,gpu,util_frac,0.5
0.100000,rapl:dram-0,dram,wrap_j,65
0.100000,rapl:dram-0,dram,energy_j,60
0.100000,cpu_load:0,cpu,power_w,41.5
1.100000,,,step,0
1.100000,nvml:0,gpu,energy_j,1200
1.100000,nvml:0,gpu,util_frac,0.9
1.100000,cpu_load:0,cpu,power_w,43
2.000000,,"a, window",end,0
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A trace of three meters."""
    path = tmp_path / "run.trace.csv"
    path.write_text(TRACE)
    return path


def opened(path: Path | None, clock: FakeClock) -> dict[str, Any]:
    """The replayed meters by name."""
    return {m.name: m for m in probe("replay", MeterContext(replay=path, clock=clock))}


def test_meters_keep_their_names_and_scopes(trace: Path) -> None:
    """A model that was recorded stays a model: a replay does not make it measured."""
    meters = opened(trace, FakeClock())
    assert {name: (m.scope, m.energy_source, m.wrap_j) for name, m in meters.items()} == {
        "nvml:0": ("gpu", "replay", None),
        "rapl:dram-0": ("dram", "replay", 65.0),
        "cpu_load:0": ("cpu", "replay-model", None),
    }
    assert "replay-model" not in MEASURED_SOURCES


def test_readings_are_the_last_at_or_before_now(trace: Path) -> None:
    """Nothing is interpolated, and time starts with the first reading."""
    clock = FakeClock()
    meters = opened(trace, clock)
    gpu, cpu = meters["nvml:0"], meters["cpu_load:0"]
    clock.advance(60.0)  # whatever happens before the session reads
    with pytest.raises(MeterReadError, match="nothing is recorded yet"):
        gpu.read_energy_j()
    clock.advance(0.1 + 1e-9)
    assert gpu.read_energy_j() == 1000.0
    assert gpu.extras() == {"util_frac": 0.5}
    assert cpu.read_power_w() == 41.5
    clock.advance(0.9)
    assert (gpu.read_energy_j(), cpu.read_power_w()) == (1000.0, 41.5)
    clock.advance(0.1)
    assert (gpu.read_energy_j(), cpu.read_power_w()) == (1200.0, 43.0)
    assert gpu.extras() == {"util_frac": 0.9}
    assert cpu.extras() == {}


def test_past_the_end_nothing_is_read(trace: Path) -> None:
    """The recording ends with its last row; a stale reading is not a live one."""
    clock = FakeClock()
    gpu = opened(trace, clock)["nvml:0"]
    clock.advance(5.0)
    with pytest.raises(MeterReadError):
        gpu.read_energy_j()
    clock.advance(2.0)
    assert gpu.read_energy_j() == 1200.0
    clock.advance(0.001)
    with pytest.raises(MeterReadError, match="the recording ended after 2 s"):
        gpu.read_energy_j()


def test_one_start_for_all_meters(trace: Path) -> None:
    """The meters of a trace share its time."""
    clock = FakeClock()
    meters = opened(trace, clock)
    assert meters["cpu_load:0"].extras() == {}
    clock.advance(1.5)
    assert meters["nvml:0"].read_energy_j() == 1200.0


def test_a_trace_cut_off_by_a_crash_is_read_as_far_as_it_goes(trace: Path) -> None:
    """A line without its end, a value that is no number, rows out of order: passed over."""
    trace.write_text(TRACE + "2.1,nvml:0,gpu,energy_j,nan\n0.5,nvml:0,gpu,energy_j,9\n2.2,nvml")
    clock = FakeClock()
    gpu = opened(trace, clock)["nvml:0"]
    with pytest.raises(MeterReadError):
        gpu.read_energy_j()
    clock.advance(2.0)
    assert gpu.read_energy_j() == 1200.0


def test_a_packed_trace(trace: Path) -> None:
    """A trace packed with gzip reads the same."""
    packed = trace.with_suffix(".csv.gz")
    packed.write_bytes(gzip.compress(TRACE.encode()))
    assert list(opened(packed, FakeClock())) == ["nvml:0", "rapl:dram-0", "cpu_load:0"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a trace"),
        (b"time,power\n1,2\n", "is not a trace"),
        (b"time_s,meter,scope,kind,value\n0,,,step,1\n", "no readings of energy or power"),
        (b"time_s,meter,scope,kind,value\n0,nvml:0,gpu,util_frac,1\n", "no readings of energy"),
        (b"\xff\xfe\x00", "cannot read"),
    ],
)
def test_what_is_no_trace_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """With the reason, and what a trace looks like."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(MeterUnavailable, match=reason) as info:
        opened(path, FakeClock())
    assert "time_s,meter,scope,kind,value" in info.value.fix


def test_a_missing_recording_is_refused(tmp_path: Path) -> None:
    """No path, or a path to nothing, or packed data cut short."""
    with pytest.raises(MeterUnavailable, match="no recording is named") as info:
        opened(None, FakeClock())
    assert "--replay" in info.value.fix
    with pytest.raises(MeterUnavailable, match="cannot read"):
        opened(tmp_path / "absent.csv", FakeClock())
    short = tmp_path / "short.csv.gz"
    short.write_bytes(gzip.compress(TRACE.encode())[:-20])
    with pytest.raises(MeterUnavailable, match="cannot read"):
        opened(short, FakeClock())
