"""How sessions begin and end, and what they keep away from the job."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.core.run_files import read_runs
from joulecast.profiler.session import Session, SessionOptions, Snapshot
from tests.fakes.clock import FakeClock
from tests.fakes.meters import PowerMeter
from tests.fakes.session import Bench, has

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from joulecast.core.records import Run


def test_a_session_may_be_started_anew() -> None:
    """Each start is a run of its own: another id, figures from zero."""
    bench = Bench()
    first, second = bench.measure(5.0, samples=1), bench.measure(10.0)
    assert first.id != second.id
    assert first.measurement.energy_j["gpu"] == pytest.approx(500.0)
    assert second.measurement.energy_j["gpu"] == pytest.approx(1000.0)
    assert second.measurement.steps is None
    assert not bench.gpu.closed


def test_a_decorated_function_is_measured_at_each_call(tmp_path: Path) -> None:
    """Its value passes through; a call of itself belongs to the outer run."""
    bench = Bench(folder=tmp_path)

    @bench.session
    def work(depth: int) -> int:
        """Work."""
        bench.run(1.0)
        return 1 + (work(depth - 1) if depth else 0)

    assert work(2) == 3
    assert bench.session.run is not None
    assert bench.session.run.measurement.duration_s == pytest.approx(3.0)
    assert work(depth=0) == 1
    assert work.__doc__ == "Work."
    assert len(read_runs(tmp_path).runs) == 2


def test_a_decorated_coroutine_is_measured_until_it_ends() -> None:
    """The run lasts as long as the awaited work."""
    bench = Bench()

    @bench.session
    async def work() -> str:
        bench.run(2.0)
        await asyncio.sleep(0)
        return "done"

    assert asyncio.run(work()) == "done"
    assert bench.session.run is not None
    assert bench.session.run.measurement.duration_s == pytest.approx(2.0)


def test_a_decorated_generator_is_measured_while_it_is_iterated_over() -> None:
    """The work between its yields counts; what is sent and returned passes through."""
    bench = Bench()

    @bench.session
    def work() -> Generator[int, int, str]:
        got = 0
        for _ in range(3):
            bench.run(10.0)
            got += yield got
        return f"sum {got}"

    def job() -> Generator[int, int, None]:
        said.append((yield from work()))

    said: list[str] = []
    going = job()
    next(going)
    assert going.send(2) == 2
    assert going.send(3) == 5
    assert list(going_on(going)) == []
    assert said == ["sum 9"]
    assert bench.session.run is not None
    assert bench.session.run.measurement.duration_s == pytest.approx(30.0)
    for _ in work():
        break
    assert bench.session.run.status == "interrupted"
    assert has(bench.session.run, "left the generator early")


def going_on(going: Generator[int, int, None]) -> Generator[int]:
    """What comes after 4 is sent."""
    try:
        yield going.send(4)
    except StopIteration:
        return


def test_a_decorated_asynchronous_generator_too() -> None:
    """The same with `async for`."""
    bench = Bench()

    @bench.session
    async def work() -> AsyncGenerator[int]:
        for index in range(3):
            bench.run(10.0)
            await asyncio.sleep(0)
            yield index

    async def job() -> list[int]:
        return [index async for index in work()]

    assert asyncio.run(job()) == [0, 1, 2]
    assert bench.session.run is not None
    assert bench.session.run.measurement.duration_s == pytest.approx(30.0)


def test_stop_within_a_call_of_ours_does_not_wait_for_itself() -> None:
    """What a handler of signals does, while the call that it interrupted holds the lock."""
    session = Session(options=SessionOptions(meters=(PowerMeter(FakeClock(), 10.0),)))

    def job() -> None:
        live = session.start()._live
        assert live is not None
        begin = live.book.begin

        def interrupted(name: str, now_s: float) -> None:
            begin(name, now_s)
            runs.append(session.stop())

        live.book.begin = interrupted  # type: ignore[method-assign]
        session.begin_window("w")

    runs: list[Run] = []
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert runs[0].status == "complete"
    assert not has(runs[0], "did not answer")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("x"), "ValueError"),
        (SystemExit(3), "sys.exit()"),
        (KeyboardInterrupt(), "Ctrl-C"),
    ],
)
def test_an_exception_passes_through_and_leaves_a_record(
    tmp_path: Path, error: BaseException, said: str
) -> None:
    """Nothing is swallowed; the record is whole and says what ended it."""
    bench = Bench(folder=tmp_path)

    def work() -> None:
        with bench.session:
            bench.run(2.0)
            raise error

    with pytest.raises(type(error)):
        work()
    (run,) = read_runs(tmp_path).runs
    assert run.status == "interrupted"
    assert run.measurement.energy_j["gpu"] == pytest.approx(200.0)
    assert has(run, "ended by", said)


def test_an_open_session_ends_with_the_process() -> None:
    """What `atexit` would call ends it, once."""
    bench = Bench()
    session = bench.session.start()
    bench.run(1.0)
    session._at_exit()
    assert session.run is not None
    assert session.run.status == "interrupted"
    assert has(session.run, "end of the process")
    atexit.unregister(session._at_exit)


def test_the_device_is_waited_for_at_each_edge() -> None:
    """The time of an edge is taken after the device has finished; a barrier that fails is noted."""
    bench = Bench()
    waits: list[float] = []

    def barrier() -> None:
        bench.clock.advance(1.0)
        waits.append(bench.clock.now_s)
        if len(waits) > 4:
            raise RuntimeError

    bench.session = Session(options=replace(bench.session.options, barrier=barrier))
    session = bench.session.start()
    session.begin_window("w")
    bench.run(2.0)
    assert session.end_window("w").duration_s == pytest.approx(3.0)
    session.epoch_start()
    session.epoch_end()
    run = session.stop()
    assert len(waits) == 6
    assert has(run, "could not be waited for")


def test_no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the end, or an exception, the process has the threads that it had."""

    def ours() -> list[str]:
        return [t.name for t in threading.enumerate() if session_id() in t.name]

    def session_id() -> str:
        return session.snapshot().run_id if session.is_running else ids[-1]

    monkeypatch.setattr("joulecast.profiler.sampler.END_S", 60.0)
    options = SessionOptions(meters=(PowerMeter(FakeClock(), 10.0),), period_s=0.01)
    ids: list[str] = []
    with Session(options=options) as session:
        ids.append(session_id())
        assert len(ours()) == 1
        session.begin_window("w")
        session.end_window("w")
    assert ours() == []

    def fails() -> None:
        with session:
            ids.append(session_id())
            assert len(ours()) == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert ours() == []


def test_a_step_costs_little() -> None:
    """Twenty thousand steps, and the best of a few rounds far below what a step takes."""
    session = Session().start()
    best_s = 1.0
    for _ in range(100):
        began_s = time.thread_time()
        for _ in range(200):
            session.step(8)
        best_s = min(best_s, (time.thread_time() - began_s) / 200)
    run = session.stop()
    assert run.measurement.steps is not None
    assert run.measurement.steps.count == 20_000
    assert best_s < 2e-5


def test_an_error_of_ours_never_reaches_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks inside, every call returns; what is left of the record names the error."""
    bench = Bench()
    session = bench.session.start()
    bench.run(1.0)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("joulecast.profiler.session_live.View", broken)
    session.begin_window("w")
    bench.run(1.0)
    assert session.end_window("w").energy_j == {}
    assert session.snapshot().energy_j == {}
    assert has(session.stop(), "ZeroDivisionError", "please report")


def test_who_looks_on_may_fail() -> None:
    """A callback that raises is called once; the measurement goes on."""
    looks: list[Snapshot] = []

    def fails(look: Snapshot) -> None:
        looks.append(look)
        raise ValueError("no screen")

    run = Bench(on_flush=fails).measure(20.0)
    assert len(looks) == 1
    assert run.measurement.energy_j["gpu"] == pytest.approx(2000.0)
    assert has(run, "on_flush failed", "no screen")


def test_without_a_thread_the_edges_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that gives no more threads costs readings, not the job."""

    def refused(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refused)
    bench = Bench(thread=True)
    with bench.session as session:
        session.begin_window("w")
        bench.clock.advance(2.0)
        assert session.end_window("w").energy_j["gpu"] == pytest.approx(200.0)
    assert session.run is not None
    assert has(session.run, "no thread could be started")
