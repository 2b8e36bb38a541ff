"""What a session leaves on the disk, and what a disk may do to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.core.run_files import read_run, read_runs
from joulecast.profiler.meters import MeterContext, probe
from joulecast.profiler.session import Session, SessionOptions
from tests.fakes.clock import FakeClock
from tests.fakes.meters import PowerMeter
from tests.fakes.session import Bench, has

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Run


def test_the_record_is_written_from_the_start_on(tmp_path: Path) -> None:
    """A first record before anything is measured, then one each `flush_s`, whole each time."""
    bench = Bench(folder=tmp_path, flush_s=2.0, label="my net")
    session = bench.session.start()
    (run,) = read_runs(tmp_path).runs
    assert run.status == "running"
    assert run.measurement.duration_s == 0.0
    seen = set()
    for _ in range(70):
        bench.run(0.1)
        (run,) = read_runs(tmp_path).runs
        seen.add(round(run.measurement.duration_s or 0.0, 1))
    assert len(seen) == 4
    final = session.stop()
    (run,) = read_runs(tmp_path).runs
    assert run == final
    assert run.status == "complete"
    assert "-my_net-" in run.id
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [f"{run.id}.json", f"{run.id}.trace.csv"]


def test_a_slow_disk_is_written_to_less_often(tmp_path: Path) -> None:
    """Writing that takes half a second is done each 50 s at most."""
    bench = Bench(folder=tmp_path)
    bench.session.start()
    live = bench.session._live
    assert live is not None
    assert live.recorder is not None
    save, calls = live.recorder.save, []

    def slow(run: Run) -> bool:
        calls.append(bench.clock.now_s)
        bench.clock.advance(0.5)
        return save(run)

    live.recorder.save = slow  # type: ignore[method-assign]
    bench.run(150.0)
    assert len(calls) == 3
    bench.session.stop()


def test_a_full_disk_is_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raises; when there is room again the record is written and says what happened."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bench = Bench(folder=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("joulecast.profiler.recorder.write_run", full)
        bench.session.start()
        bench.run(10.0)
        assert list(tmp_path.glob("*.json")) == []
    run = bench.session.stop()
    assert run.measurement.energy_j["gpu"] == pytest.approx(1000.0)
    assert has(run, "No space left on device", ".json")
    assert read_runs(tmp_path).runs == (run,)


def test_a_folder_that_cannot_be_written_is_a_notice(tmp_path: Path) -> None:
    """A file stands where the folder should be: the run comes back all the same."""
    blocked = tmp_path / "runs"
    blocked.write_text("")
    run = Bench(folder=blocked / "deep").measure(5.0)
    assert run.measurement.energy_j["gpu"] == pytest.approx(500.0)
    assert has(run, "could not be written", ".json")
    assert has(run, "could not be written", ".trace.csv")


def test_two_sessions_at_once(tmp_path: Path) -> None:
    """Both measure, write their own files, and tell that their energies overlap."""
    clock = FakeClock()
    options = SessionOptions(
        meters=(PowerMeter(clock, 10.0),), folder=tmp_path, period_s=0.01, label="twin"
    )
    with Session(options=options) as one, Session(options=options) as two:
        pass
    assert one.run is not None
    assert two.run is not None
    assert has(one.run, two.run.id, "energies overlap")
    assert has(two.run, one.run.id, "energies overlap")
    assert len(read_runs(tmp_path).runs) == 2
    lone = Session(options=options).start().stop()
    assert not has(lone, "energies overlap")


def test_a_forked_copy_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child process that inherits a running session neither ends nor overwrites its record."""
    bench = Bench(folder=tmp_path)
    session = bench.session.start()
    live = session._live
    assert live is not None
    with monkeypatch.context() as patch:
        patch.setattr("joulecast.profiler.session_live.os.getpid", lambda: -1)
        session.begin_window("child")
        bench.run(10.0)
        session._at_exit()
    (record,) = tmp_path.glob("*.json")
    assert read_run(record).measurement.duration_s == 0.0
    live.sampler.stop()


def test_a_trace_can_be_replayed(tmp_path: Path) -> None:
    """The trace of one session, read as if it were live, gives another the same energies."""
    bench = Bench(folder=tmp_path)
    recorded = bench.measure(60.0, samples=8)
    clock = FakeClock()
    (trace,) = tmp_path.glob("*.trace.csv")
    meters = tuple(probe("replay", MeterContext(replay=trace, clock=clock)))
    session = Session(options=SessionOptions(meters=meters, clock=clock, thread=False)).start()
    for _ in range(600):
        clock.advance(0.1)
        session.tick()
    again = session.stop().measurement
    for scope in ("gpu", "cpu", "dram"):
        assert again.energy_j[scope] == pytest.approx(
            recorded.measurement.energy_j[scope], rel=0.01
        )
