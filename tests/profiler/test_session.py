"""What a job may ask of a session: windows, epochs, steps, figures."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.profiler.session import Session, SessionOptions, Snapshot
from tests.fakes.clock import FakeClock
from tests.fakes.session import Bench, has, setup_of


def test_constant_power_for_a_minute() -> None:
    """P x T for every scope, their sum for the system, nothing doubtful to say."""
    run = Bench(setup_of("gpu", "cpu", "dram")).measure(60.0, samples=32)
    m = run.measurement
    expected = {"gpu": 6000.0, "cpu": 3000.0, "dram": 600.0, "system": 9600.0}
    assert m.energy_j == pytest.approx(expected)
    assert m.power_w == pytest.approx({s: j / 60 for s, j in expected.items()})
    assert m.energy_source == {
        "gpu": "nvml-power",
        "cpu": "rapl",
        "dram": "rapl",
        "system": "nvml-power+rapl",
    }
    assert m.duration_s == pytest.approx(60.0)
    assert m.samples == 600 * 32
    assert m.net_energy_j("system") == pytest.approx(9600 - 60 * 35)
    assert m.net_energy_j("system", idle_s=10.0) == pytest.approx(9600 - 350)
    assert m.steady_sample_s == pytest.approx(0.1 / 32)
    assert m.steady_power_w["system"] == pytest.approx(160.0)
    assert m.notices == ()
    assert (run.status, run.hardware_id, run.meter) == ("complete", "here", "fake+counter")


def test_a_session_needs_no_meters_and_no_setup() -> None:
    """Nothing is known, nothing is made up: empty energies, a duration, no file."""
    clock = FakeClock()
    session = Session(options=SessionOptions(clock=clock, thread=False)).start()
    clock.advance(3.0)
    run = session.stop()
    assert run.measurement.energy_j == {}
    assert run.measurement.duration_s == 3.0
    assert run.measurement.sampler_cpu_s is not None


@given(st.lists(st.floats(0.05, 3.0), min_size=1, max_size=8))
def test_windows_that_touch_add_up_to_the_session(lengths_s: list[float]) -> None:
    """Windows end to end hold all joules, and an outer window the sum of its inner ones."""
    bench = Bench()
    bench.gpu.power_w = lambda t: 100.0 + 30.0 * (t % 1.7)
    with bench.session as session:
        session.begin_window("all")
        windows = []
        for length_s in lengths_s:
            session.begin_window("part")
            bench.run(length_s, step_s=0.05)
            windows.append(session.end_window("part"))
        whole = session.end_window("all")
    assert session.run is not None
    total_j = session.run.measurement.energy_j
    for scope in ("gpu", "cpu", "dram"):
        inner_j = sum(w.energy_j[scope] for w in windows)
        assert inner_j == pytest.approx(whole.energy_j[scope])
        assert inner_j == pytest.approx(total_j[scope])
    assert session.run.measurement.windows[-1] == whole


def test_windows_nest_and_overlap() -> None:
    """A window within another and one across its end: each has what was drawn in its time."""
    bench = Bench()
    with bench.session as session:
        session.begin_window("a")
        bench.run(2.0)
        session.begin_window("b")
        bench.run(1.0)
        a = session.end_window("a")
        bench.run(3.0)
        b = session.end_window("b")
    assert [a.start_s, a.duration_s] == pytest.approx([0.0, 3.0])
    assert [b.start_s, b.duration_s] == pytest.approx([2.0, 4.0])
    assert a.energy_j["gpu"] == pytest.approx(300.0)
    assert b.energy_j["cpu"] == pytest.approx(200.0)


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_window_needs_a_name(name: Any) -> None:  # noqa: ANN401
    """What is no name is refused when the window is begun."""
    with Bench().session as session, pytest.raises(BadInput, match="needs a name"):
        session.begin_window(name)


def test_wrong_window_names_are_refused_at_once() -> None:
    """Two open windows of one name, or the end of one that is not open, are errors of the code."""
    with Bench().session as session:
        session.begin_window("training")
        with pytest.raises(BadInput, match="already open"):
            session.begin_window("training")
        with pytest.raises(BadInput, match=r"'trainign' was not begun\. Open: training"):
            session.end_window("trainign")
        session.end_window("training")
        session.begin_window("training")
        session.end_window("training")
    assert session.run is not None
    assert [w.name for w in session.run.measurement.windows] == ["training"] * 2


def test_epochs_are_windows_with_an_outcome() -> None:
    """Energy, duration, samples, loss and accuracy of each epoch."""
    bench = Bench()
    with bench.session as session:
        for epoch in range(3):
            session.epoch_start()
            bench.run(2.0, samples=10)
            session.epoch_end(loss=1.0 - epoch, accuracy=epoch / 4)
            bench.run(1.0)
    assert session.run is not None
    m = session.run.measurement
    assert [e.name for e in m.epochs] == ["epoch 1", "epoch 2", "epoch 3"]
    assert [e.duration_s for e in m.epochs] == pytest.approx([2.0] * 3)
    assert [e.energy_j["gpu"] for e in m.epochs] == pytest.approx([200.0] * 3)
    assert [(e.samples, e.steps) for e in m.epochs] == [(200.0, 20)] * 3
    assert [e.loss for e in m.epochs] == [1.0, 0.0, -1.0]
    assert [e.accuracy for e in m.epochs] == [0.0, 0.25, 0.5]
    assert m.steps is not None
    assert m.steps.median_s == pytest.approx(0.1)
    assert m.steps.stall_s == 0.0


def test_a_rate_from_epochs_alone() -> None:
    """Without steps the steady part is all epochs but the first."""
    bench = Bench()
    with bench.session as session:
        for seconds in (8.0, 4.0, 4.0):
            session.epoch_start()
            bench.run(seconds)
            session.epoch_end(samples=100)
    assert session.run is not None
    m = session.run.measurement
    assert m.samples == 300
    assert m.steady_sample_s == pytest.approx(0.04)
    assert m.steady_power_w["gpu"] == pytest.approx(100.0)
    assert m.steps is None


def test_steady_figures_are_those_of_the_epochs() -> None:
    """Evaluations and pauses between epochs count neither in the rate nor in the power."""
    bench = Bench()
    pausing = False
    bench.gpu.power_w = lambda _: 60.0 if pausing else 300.0
    with bench.session as session:
        for _ in range(4):
            pausing = False
            session.epoch_start()
            bench.run(8.0, samples=10)
            session.epoch_end()
            pausing = True
            bench.run(4.0)
    assert session.run is not None
    m = session.run.measurement
    assert m.steady_sample_s == pytest.approx(0.01)
    assert m.steady_power_w["gpu"] == pytest.approx(300.0, rel=0.01)


def test_samples_of_a_step_may_be_any_number() -> None:
    """A scalar of an array library counts, and the record is plain; a text is left out."""
    bench = Bench()
    with bench.session as session:
        bench.run(1.0, samples=np.float32(8))  # type: ignore[arg-type]
        session.step(np.array(8.0))  # type: ignore[arg-type]
        session.step("many")  # type: ignore[arg-type]
        session.epoch_end(loss="low")  # type: ignore[arg-type]
    assert session.run is not None
    assert session.run.measurement.samples == 88.0
    assert type(session.run.measurement.samples) is float
    assert [e.loss for e in session.run.measurement.epochs] == [None]
    assert has(session.run, "samples of a step")


def test_a_loop_that_never_ends_an_epoch() -> None:
    """Each beginning ends the epoch before; the last, perhaps cut short, is only a window."""
    bench = Bench()
    with bench.session as session:
        for _ in range(3):
            session.epoch_start()
            bench.run(2.0)
    assert session.run is not None
    m = session.run.measurement
    assert [e.duration_s for e in m.epochs] == pytest.approx([2.0, 2.0])
    assert [w.name for w in m.windows] == ["epoch 3 (open)"]
    assert has(session.run, "epoch_start() while epoch 1")
    assert has(session.run, "epoch 3 was never ended")


def test_epochs_that_are_only_ended() -> None:
    """`epoch_end` alone counts from the end of the epoch before, and says so."""
    bench = Bench()
    with bench.session as session:
        for _ in range(2):
            bench.run(3.0)
            session.epoch_end()
    assert session.run is not None
    assert [e.duration_s for e in session.run.measurement.epochs] == pytest.approx([3.0, 3.0])
    assert has(session.run, "epoch_end() without epoch_start()")


def test_a_window_left_open_ends_with_the_session() -> None:
    """It is in the record, with a notice."""
    bench = Bench()
    with bench.session as session:
        session.begin_window("forgotten")
        bench.run(2.0)
    assert session.run is not None
    assert session.run.measurement.windows[0].duration_s == pytest.approx(2.0)
    assert has(session.run, "'forgotten' was still open")


def test_calls_out_of_order_do_not_raise() -> None:
    """Before the start and after the end every call is harmless and noted in the next record."""
    bench = Bench()
    session = bench.session
    session.step()
    session.tick()
    session.begin_window("w")
    assert session.end_window("w").energy_j == {}
    session.epoch_start()
    assert session.epoch_end().energy_j == {}
    assert session.snapshot().energy_j == {}
    assert session.stop().measurement.energy_j == {}
    assert session.run is None
    session.start()
    session.start()
    bench.run(1.0)
    run = session.stop()
    assert session.stop() is run
    assert has(run, "step()", "not running")
    assert has(run, "end_window()", "not running")
    assert has(run, "start() was called while")


@pytest.mark.parametrize(
    "options",
    [{"period_s": 0.0}, {"flush_s": -1.0}, {"period_s": float("nan")}, {"idle_w": {"gpu": -1.0}}],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    """At the door, before anything runs."""
    with pytest.raises(BadInput):
        Session(options=SessionOptions(**options))


def test_a_look_while_it_runs() -> None:
    """Joules so far, watts now, steps; on_flush gets the same."""
    looks: list[Snapshot] = []
    bench = Bench(setup_of("gpu", "cpu", "dram"), on_flush=looks.append)
    bench.gpu.power_w = lambda t: 100.0 if t < 10.0 else 300.0
    with bench.session as session:
        bench.run(20.0, samples=2)
        look = session.snapshot()
    assert look.energy_j["gpu"] == pytest.approx(4000.0, rel=0.01)
    assert look.power_w["system"] == pytest.approx(360.0)
    assert (look.samples, look.steps, look.epochs) == (400.0, 200, 0)
    assert look.median_step_s == pytest.approx(0.1)
    assert look.duration_s == pytest.approx(20.0)
    assert [round(s.duration_s) for s in looks] == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]


def test_versions_are_of_what_is_loaded() -> None:
    """Python always, torch only where the job has loaded it."""
    versions = Bench(versions={"joulecast": "9"}).measure(1.0).versions
    assert versions["python"].startswith(f"{sys.version_info.major}.")
    assert versions["joulecast"] == "9"
    assert ("torch" in versions) == ("torch" in sys.modules)


def test_more_windows_than_a_record_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond are answered, and the record says that it lacks them."""
    monkeypatch.setattr("joulecast.profiler.session_book.WINDOWS", 5)
    bench = Bench()
    with bench.session as session:
        for _ in range(8):
            session.begin_window("w")
            bench.run(0.5)
            assert session.end_window("w").energy_j["gpu"] == pytest.approx(50.0)
    assert session.run is not None
    assert len(session.run.measurement.windows) == 5
    assert has(session.run, "first 5 windows; 3 more")
