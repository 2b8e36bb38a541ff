"""The micro-benchmark's plan and record, with benchmarks and meters whose truth is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from joulecast.core.errors import BadInput
from joulecast.core.records import Window
from joulecast.profiler.hardware_profile import BENCH_S, parts, profile_hardware
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from joulecast.profiler.hardware_profile import HardwareProfile

WATTS = {"gpu": 200.0, "cpu": 50.0}


class FakeBench:
    """Benchmarks that take as long as they may and give fixed figures."""

    def __init__(self, clock: FakeClock, device: str = "cpu", cpu_share: float = 1.0) -> None:
        self.clock = clock
        self.device = device
        self.threads = 4
        self.precisions = ("fp32",) if device == "cpu" else ("fp32", "tf32", "fp16", "bf16")
        self.cpu_share = cpu_share
        self.broken: dict[str, Exception] = {}

    def cpu_s(self) -> float:
        """All threads at work all the time, for their share of it."""
        return self.cpu_share * self.threads * (self.clock.now_s - self.clock.start_s)

    def _give(self, key: str, values: list[float], seconds: float) -> list[float]:
        self.clock.advance(seconds)
        if key in self.broken:
            raise self.broken[key]
        return values

    def matmul_flops_per_s(self, precision: str, seconds: float) -> list[float]:
        """FLOP/s with one outlier."""
        return self._give(precision, [1e11, 1.1e11, 0.9e11, 1e9, 1e11], seconds)

    def copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s."""
        return self._give("copy", [20e9, 22e9], seconds)

    def launch_s(self, seconds: float) -> list[float]:
        """Seconds."""
        return self._give("launch", [3e-6], seconds)

    def host_copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s."""
        return self._give("host-copy", [12e9], seconds)

    def loader_samples_per_s(self, workers: int, seconds: float) -> list[float]:
        """Samples/s."""
        return self._give("loader", [1000.0 * (workers + 1)], seconds)


class FakeRecorder:
    """A session whose machine draws constant watts."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.opened: dict[str, float] = {}
        self.closed: list[str] = []

    def begin_window(self, name: str) -> None:
        """Remember when."""
        assert name not in self.opened
        self.opened[name] = self.clock.now_s

    def end_window(self, name: str) -> Window:
        """Seconds and joules since then."""
        start_s = self.opened.pop(name)
        span_s = self.clock.now_s - start_s
        self.closed.append(name)
        return Window(name, start_s, span_s, {s: w * span_s for s, w in WATTS.items()})


def profiled(bench: FakeBench, seconds: float = BENCH_S) -> HardwareProfile:
    """The profile that `bench` gives."""
    return profile_hardware(bench, FakeRecorder(bench.clock), bench.clock, seconds=seconds)


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
@pytest.mark.parametrize("seconds", [BENCH_S, 12.0, 7.0])
def test_the_parts_take_the_asked_time(device: str, seconds: float) -> None:
    """However many parts a device has, together they take the seconds asked for."""
    bench = FakeBench(FakeClock(), device)
    planned = parts(bench, seconds)
    assert sum(part.seconds for part in planned) == pytest.approx(seconds)
    assert min(part.seconds for part in planned) > 0.02 * seconds
    assert profiled(bench, seconds).duration_s == pytest.approx(seconds)


def test_figures_are_medians_with_their_power() -> None:
    """An outlier moves nothing; watts are joules over seconds of the part's own window."""
    profile = profiled(FakeBench(FakeClock()))
    rate = profile.rates["matmul:fp32"]
    assert (rate.value, rate.repeats) == (1e11, 5)
    assert rate.spread_frac == pytest.approx(0.1)
    assert rate.power_w == pytest.approx(WATTS)
    assert profile.matmul_flops_per_s == {"fp32": 1e11}
    assert profile.value("copy") == 21e9
    assert profile.value("launch") == 3e-6
    assert (profile.value("loader:0"), profile.value("loader:1")) == (1000.0, 2000.0)
    assert profile.value("host-copy") is None
    assert (profile.device, profile.threads, profile.notices) == ("cpu", 4, ())


def test_a_gpu_has_more_parts() -> None:
    """Each precision is a part, and so is the copy from the host."""
    profile = profiled(FakeBench(FakeClock(), "cuda"))
    assert set(profile.matmul_flops_per_s) == {"fp32", "tf32", "fp16", "bf16"}
    assert profile.value("host-copy") == 12e9


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory\nlong tail"),
        OSError("no space left in /dev/shm"),
        MemoryError(),
    ],
)
def test_a_part_that_fails_leaves_the_others(error: Exception) -> None:
    """A failed part is absent and named, its window is closed, the rest is measured."""
    bench = FakeBench(FakeClock())
    bench.broken["copy"] = error
    recorder = FakeRecorder(bench.clock)
    profile = profile_hardware(bench, recorder, bench.clock)
    assert profile.value("copy") is None
    assert profile.value("launch") is not None
    assert len(profile.notices) == 1
    assert "copy could not be measured" in profile.notices[0]
    assert "\n" not in profile.notices[0]
    assert recorder.opened == {}
    assert "hardware:copy" in recorder.closed


@pytest.mark.parametrize("figures", [[], [float("nan")], [float("inf")], [0.0], [-3.0]])
def test_absurd_figures_are_no_figures(
    monkeypatch: pytest.MonkeyPatch, figures: list[float]
) -> None:
    """Nothing, not a number and nothing above 0 are never a rate."""
    monkeypatch.setattr(FakeBench, "copy_bytes_per_s", lambda _self, _seconds: figures)
    profile = profiled(FakeBench(FakeClock()))
    assert "copy" not in profile.rates
    assert "it gave no figure" in profile.notices[0]


def test_a_busy_machine_is_noticed() -> None:
    """Products on the CPU that got half of it are too slow, and that is said."""
    crowded = profiled(FakeBench(FakeClock(), cpu_share=0.5))
    notices = crowded.notices
    assert crowded.matmul_flops_per_s == {}
    assert len(notices) == 1
    assert "got 50 % of the 4 CPU threads" in notices[0]
    assert profiled(FakeBench(FakeClock(), "cuda", cpu_share=0.1)).notices == ()


def test_idle_goes_into_the_record_and_out_as_json() -> None:
    """The idle reading taken before is part of the profile."""
    bench = FakeBench(FakeClock())
    profile = profile_hardware(
        bench,
        FakeRecorder(bench.clock),
        bench.clock,
        idle_w={"cpu": 12.0},
        idle_source={"cpu": "rapl"},
    )
    plain = json.loads(json.dumps(profile.to_dict()))
    assert plain["idle_w"] == {"cpu": 12.0}
    assert plain["idle_source"] == {"cpu": "rapl"}
    assert plain["rates"]["copy"]["value"] == 21e9


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e6])
def test_absurd_lengths_are_refused(seconds: float) -> None:
    """A benchmark of no time at all, or of days, is refused before anything runs."""
    bench = FakeBench(FakeClock())
    with pytest.raises(BadInput, match="seconds"):
        profiled(bench, seconds)
    assert bench.clock.now_s == bench.clock.start_s
