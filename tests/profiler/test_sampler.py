"""One round, many rounds, and a thread that harms nobody."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from joulecast.profiler.clock import SystemClock
from joulecast.profiler.sampler import Sampler
from tests.fakes.clock import FakeClock
from tests.fakes.meters import CounterMeter, PowerMeter

if TYPE_CHECKING:
    from collections.abc import Callable


def rounds(sampler: Sampler, clock: FakeClock, count: int, step_s: float = 0.1) -> None:
    """Read `count` times, `step_s` apart."""
    for _ in range(count):
        sampler.tick()
        clock.advance(step_s)


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> bool:
    """Whether the condition came true in time."""
    end_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.002)
    return condition()


def test_every_meter_is_read_in_a_round() -> None:
    """Power and counters side by side, each in its own series."""
    clock = FakeClock()
    sampler = Sampler([PowerMeter(clock, 100.0), CounterMeter(clock, 20.0)], clock)
    rounds(sampler, clock, 11)
    assert [s.curve().energy_j[-1] for s in sampler.series] == pytest.approx([100.0, 20.0])
    assert [s.kind for s in sampler.series] == ["power_w", "energy_j"]


def test_a_reading_is_timed_in_the_middle_of_its_call() -> None:
    """A driver that takes 40 ms is stamped 20 ms after the call began."""
    clock = FakeClock(0.0)

    def slow(_: float) -> float:
        clock.advance(0.04)
        return 5.0

    sampler = Sampler([PowerMeter(clock, slow)], clock, keep_rows=True)
    sampler.tick()
    assert sampler.take_rows()[0].time_s == pytest.approx(0.02)
    assert sampler.take_rows() == []


def test_rows_tell_where_a_counter_wraps() -> None:
    """The first row of a counter that wraps says where, so that its trace can be read alone."""
    clock = FakeClock()
    sampler = Sampler([CounterMeter(clock, 20.0, wrap_j=99.0)], clock, keep_rows=True)
    rounds(sampler, clock, 3)
    found = [(row.kind, round(row.value, 6)) for row in sampler.take_rows()]
    assert found == [("wrap_j", 99.0), ("energy_j", 0.0), ("energy_j", 2.0), ("energy_j", 4.0)]


@pytest.mark.parametrize("error", [OSError("gone"), ZeroDivisionError(), MemoryError()])
def test_whatever_a_meter_raises_is_counted(error: Exception) -> None:
    """Any failure is a gap; the other meters go on."""
    clock = FakeClock()

    def fails(_: float) -> float:
        raise error

    sampler = Sampler([PowerMeter(clock, fails), PowerMeter(clock, 7.0, "cpu", "cpu:0")], clock)
    rounds(sampler, clock, 5)
    broken, good = sampler.series
    assert broken.readings == 0
    assert broken.failures > 0
    assert broken.why == (str(error) or type(error).__name__)
    assert good.readings == 5


def test_a_meter_that_keeps_failing_is_asked_less_often() -> None:
    """A hundred seconds of failures are a dozen calls, and a recovery is seen within 30 s."""
    clock = FakeClock()
    meter = PowerMeter(clock, 50.0)
    meter.broken = True
    sampler = Sampler([meter], clock)
    rounds(sampler, clock, 1000)
    assert 8 <= sampler.series[0].failures <= 14
    meter.broken = False
    rounds(sampler, clock, 310)
    assert sampler.series[0].readings > 0


def test_modelled_power_is_read_twice_a_second() -> None:
    """Rounds of the thread leave out a model that was just read; one on request does not."""
    clock = FakeClock()
    model = PowerMeter(clock, 50.0)
    model.energy_source = "tdp-model"
    sampler = Sampler([model, PowerMeter(clock, 5.0)], clock)
    for _ in range(40):
        sampler.tick(every=False)
        clock.advance(0.125)
    assert [s.readings for s in sampler.series] == [10, 40]
    sampler.tick()
    assert sampler.series[0].readings == 11


def test_side_readings_come_once_a_second() -> None:
    """Extras are asked for at 1 Hz; their mean and their highest value are kept."""
    clock = FakeClock(0.0)
    meter = PowerMeter(clock, 50.0)
    sampler = Sampler([meter], clock, keep_rows=True)
    for second in range(10):
        meter.side = {"util_frac": second / 10, "throttle": 0x04 if second < 2 else 0x01}
        rounds(sampler, clock, 10)
    extras = sampler.series[0].extras
    assert extras["util_frac"].count == pytest.approx(10, abs=1)
    assert extras["util_frac"].mean == pytest.approx(0.45, abs=0.05)
    assert extras["util_frac"].high == 0.9
    assert extras["throttled"].mean == pytest.approx(0.2, abs=0.05)
    kinds = {row.kind for row in sampler.take_rows()}
    assert kinds == {"power_w", "util_frac", "throttle"}


def test_side_readings_that_fail_leave_the_energy_alone() -> None:
    """Utilisation that cannot be read is absent; the power is there."""
    clock = FakeClock()
    meter = PowerMeter(clock, 50.0)
    meter.side = {"util_frac": float("nan"), "temp_c": 60.0}
    sampler = Sampler([meter], clock)
    rounds(sampler, clock, 3)
    meter.extras = None  # type: ignore[method-assign,assignment]
    rounds(sampler, clock, 30)
    assert sampler.series[0].readings == 33
    assert sampler.series[0].failures == 0
    assert list(sampler.series[0].extras) == ["temp_c"]


def test_rounds_know_their_own_cpu_time() -> None:
    """CPU seconds of the rounds add up."""
    clock = FakeClock()
    spent = iter(range(100))
    sampler = Sampler([PowerMeter(clock, 1.0)], clock, cpu_s=lambda: float(next(spent)))
    rounds(sampler, clock, 4)
    assert sampler.cpu_s == 4.0


def test_the_thread_reads_and_ends() -> None:
    """Readings come by themselves until it is stopped; then no thread is left."""
    clock = SystemClock()
    meter = PowerMeter(FakeClock(), 5.0)
    sampler = Sampler([meter], clock, period_s=0.005)
    followed: list[int] = []
    thread = sampler.start("test", lambda: followed.append(1))
    assert thread.daemon
    assert until(lambda: sampler.series[0].readings > 5)
    assert sampler.stop()
    assert thread not in threading.enumerate()
    assert followed
    assert sampler.cpu_s > 0
    assert (sampler.series[0].period_s or 0) > 0


def test_a_round_on_request_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`read_now` does not wait for the period, and the thread does the reading."""
    monkeypatch.setattr("joulecast.profiler.sampler.REPLY_S", 60.0)
    monkeypatch.setattr("joulecast.profiler.sampler.END_S", 60.0)
    sampler = Sampler([PowerMeter(FakeClock(), 5.0)], SystemClock(), period_s=3600.0)
    sampler.start()
    assert sampler.read_now()
    assert sampler.read_now()
    assert sampler.series[0].readings == 2
    assert sampler.stop()


def test_a_driver_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits a bounded time once, then not at all until the thread is back."""
    monkeypatch.setattr("joulecast.profiler.sampler.REPLY_S", 0.05)
    monkeypatch.setattr("joulecast.profiler.sampler.END_S", 0.05)
    free = threading.Event()

    def hangs(_: float) -> float:
        free.wait(20)
        return 5.0

    sampler = Sampler([PowerMeter(FakeClock(), hangs)], SystemClock(), period_s=60.0)
    thread = sampler.start()
    assert not sampler.read_now()
    began_s = time.monotonic()
    assert not any(sampler.read_now() for _ in range(100))
    assert time.monotonic() - began_s < 1.0
    assert not sampler.stop()
    free.set()
    thread.join(5)
    assert not thread.is_alive()


def test_what_follows_a_round_may_fail() -> None:
    """A flush that raises does not end the thread; it is counted."""

    def fails() -> None:
        raise RuntimeError

    sampler = Sampler([PowerMeter(FakeClock(), 5.0)], SystemClock(), period_s=0.002)
    sampler.start("", fails)
    assert until(lambda: sampler.lost_rounds > 2)
    assert sampler.stop()
    assert sampler.series[0].readings > 2
