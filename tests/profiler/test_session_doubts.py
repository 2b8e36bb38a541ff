"""What a record says when meters, clocks or amounts are not to be trusted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulecast.profiler.ranks import Rank
from joulecast.profiler.session import Session
from tests.fakes.meters import CounterMeter, PowerMeter
from tests.fakes.session import Bench, has, setup_of


def test_a_window_shorter_than_the_refresh_gets_its_share() -> None:
    """A counter that moves once a second: a window of 0.2 s is interpolated and said to be."""
    bench = Bench()
    fine = bench.dram.read_energy_j
    bench.dram.read_energy_j = lambda: 10.0 * (fine() // 10.0)  # type: ignore[method-assign]
    with bench.session as session:
        bench.run(10.05, step_s=0.05)
        session.begin_window("short")
        bench.run(0.2, step_s=0.05)
        session.end_window("short")
        bench.run(10.0, step_s=0.05)
    assert session.run is not None
    window = session.run.measurement.windows[0]
    assert window.energy_j["dram"] == pytest.approx(2.0, rel=0.1)
    assert has(session.run, "1 window is shorter", "counter:1")


def test_amounts_that_cannot_be_are_left_out() -> None:
    """Negative samples and a loss that is not a number are noted, not recorded."""
    bench = Bench()
    with bench.session as session:
        session.epoch_start()
        bench.run(1.0)
        session.step(-5)
        session.step(float("nan"))
        session.step(8)
        session.epoch_end(samples=-1, loss=float("nan"), accuracy=0.5)
    assert session.run is not None
    m = session.run.measurement
    assert m.samples == 8
    assert (m.epochs[0].samples, m.epochs[0].loss, m.epochs[0].accuracy) == (8, None, 0.5)
    assert has(session.run, "samples of a step", "2 times")
    assert has(session.run, "loss")


def test_a_gpu_lost_in_the_middle() -> None:
    """Its energy ends where it was lost; the sum is called a lower bound, the job goes on."""
    bench = Bench(setup_of("gpu", "cpu", "dram"))
    with bench.session as session:
        bench.run(20.0)
        bench.gpu.broken = True
        bench.run(40.0)
    assert session.run is not None
    m = session.run.measurement
    assert m.energy_j["gpu"] == pytest.approx(2000.0, rel=0.03)
    assert m.power_w["gpu"] == pytest.approx(100.0)
    assert m.energy_j["cpu"] == pytest.approx(3000.0)
    assert has(session.run, "fake:0 saw nothing of 39 s of 60 s", "lower bound")
    assert has(session.run, "readings failed", "fake:0: gone")
    assert [r.seen_frac for r in m.meters] == pytest.approx([20.5 / 60, 1.0, 1.0])


def test_a_gpu_lost_early_was_hardly_seen() -> None:
    """Lost at a tenth of the run: its report says so.

    Nor does a power meter see a gap, or a counter one in which it wraps (30 s, 50 W, 333 J).
    """
    bench = Bench()
    with bench.session as session:
        bench.run(20.0)
        bench.gpu.broken = True
        bench.run(180.0)
    assert session.run is not None
    assert session.run.measurement.meters[0].seen_frac == pytest.approx(0.1, abs=0.01)
    bench = Bench()
    with bench.session as session:
        bench.run(10.0)
        bench.clock.advance(30.0)
        bench.run(10.0)
    assert session.run is not None
    seen = [r.seen_frac for r in session.run.measurement.meters]
    assert seen == pytest.approx([0.4, 0.4, 1.0], abs=0.01)


def test_readings_that_cannot_be_are_no_readings() -> None:
    """NVML's all-ones in milliwatts, and a counter that leaps by a megajoule: gaps, and told."""
    bench = Bench()
    bench.gpu.power_w = lambda t: 4294967.295 if 5.0 < t < 5.15 else 100.0
    with bench.session as session:
        bench.run(10.0)
        bench.dram.offset_j = 1e6
        bench.run(10.0)
    assert session.run is not None
    energy_j = session.run.measurement.energy_j
    assert energy_j["gpu"] == pytest.approx(2000.0)
    assert energy_j["dram"] == pytest.approx(200.0)
    assert has(session.run, "fake:0 read 4.29e+06 W", "fake:0: 1 of", "readings failed")
    assert has(session.run, "counter:1", "leapt")
    bench = Bench()
    bench.gpu.facts = {"power_limit_w": "100", "default_limit_w": "unknown"}
    bench.gpu.power_w = lambda t: 401.0 if 5.0 < t < 5.15 else 399.0
    assert has(bench.measure(10.0), "above the 400 W possible")


@pytest.mark.parametrize("words", ["average over 1 s", "1 s average"])
def test_a_meter_that_averages_needs_longer_windows(words: str) -> None:
    """A session or window shorter than ten averaging times is doubted, a longer one is not."""
    bench = Bench()
    bench.gpu.facts = {"power_window": words}
    assert has(bench.measure(2.0), "fake:0 tells averages over 1.0 s", "10 s or more")
    assert not has(bench.measure(20.0), "tells averages")
    with bench.session as session:
        bench.run(20.0)
        for name in "ab":
            session.begin_window(name)
            bench.run(3.0)
            session.end_window(name)
    assert session.run is not None
    assert has(session.run, "tells averages", "2 of its windows")
    bench.gpu.facts = {"power_window": "instantaneous"}
    assert not has(bench.measure(2.0), "tells averages")


def test_a_meter_that_never_answers_leaves_no_energy() -> None:
    """No 0 J: the scope is absent, so is the system, and the reason is said."""
    bench = Bench(setup_of("gpu", "cpu", "dram"))
    bench.gpu.broken = True
    run = bench.measure(10.0)
    assert set(run.measurement.energy_j) == {"cpu", "dram"}
    assert run.measurement.meters[0].energy_j is None
    assert has(run, "fake:0 gave no energy", "gone")
    assert has(run, "no system energy", "no meter saw gpu")


def test_one_of_two_gpus_is_a_lower_bound() -> None:
    """The papers' Eq. 3 sums over GPUs; if one is missing the sum says so."""
    bench = Bench()
    second = PowerMeter(bench.clock, 70.0, name="fake:1")
    bench.session = Session(options=replace(bench.session.options, meters=(bench.gpu, second)))
    both = bench.measure(10.0)
    assert both.measurement.energy_j == pytest.approx({"gpu": 1700.0})
    second.broken = True
    one = bench.measure(10.0)
    assert one.measurement.energy_j == pytest.approx({"gpu": 1000.0})
    assert has(one, "gpu energy is a lower bound", "fake:1")


def test_a_gap_is_reported() -> None:
    """Half a minute without a reading is interpolated, counted and told."""
    bench = Bench()
    with bench.session as session:
        bench.run(10.0)
        bench.clock.advance(30.0)
        bench.run(10.0)
    assert session.run is not None
    assert session.run.measurement.energy_j["gpu"] == pytest.approx(5000.0)
    assert has(session.run, "fake:0: no new reading for 30 s", "from 10.0 s to 40.1 s")


def test_a_counter_reset_in_the_middle() -> None:
    """The counter starts again at 0: no negative energy, one interval filled in, a notice."""
    bench = Bench()
    with bench.session as session:
        bench.run(10.0)
        bench.dram.offset_j = -10.0 * 10.0
        bench.run(10.0)
    assert session.run is not None
    assert session.run.measurement.energy_j["dram"] == pytest.approx(200.0, rel=0.02)
    assert has(session.run, "counter:1", "started again once")


def test_a_clock_that_steps_back() -> None:
    """Readings before the latest are dropped with a notice; windows never get negative lengths."""
    bench = Bench()
    with bench.session as session:
        bench.run(10.0)
        session.begin_window("back")
        bench.clock.advance(-3.0)
        window = session.end_window("back")
        bench.run(10.0, samples=1)
    assert session.run is not None
    m = session.run.measurement
    assert window.duration_s == 0.0
    assert m.duration_s == pytest.approx(17.0)
    assert m.energy_j["gpu"] == pytest.approx(1700.0)
    assert has(session.run, "clock stepped back", "fake:0")


def test_modelled_power_is_called_so() -> None:
    """A scope without a sensor is named; a model is left out where a sensor sees the scope."""
    bench = Bench()
    model = PowerMeter(bench.clock, 33.0, scope="cpu", name="cpu_load:0")
    model.energy_source = "tdp-model"
    bench.session = Session(options=replace(bench.session.options, meters=(model, bench.cpu)))
    run = bench.measure(10.0)
    assert run.measurement.energy_j["cpu"] == pytest.approx(500.0)
    assert run.measurement.energy_source["cpu"] == "rapl"
    bench.cpu.broken = True
    run = bench.measure(10.0)
    assert run.measurement.energy_j["cpu"] == pytest.approx(330.0)
    assert has(run, "cpu energy is modelled (tdp-model)")


def test_two_views_of_one_device_count_once() -> None:
    """Two meters with one UUID: the first counts, and a difference above 10 % is said."""
    bench = Bench()
    other = PowerMeter(bench.clock, 150.0, name="other:0")
    bench.gpu.facts = other.facts = {"uuid": "GPU-1"}
    bench.session = Session(options=replace(bench.session.options, meters=(bench.gpu, other)))
    run = bench.measure(60.0)
    assert run.measurement.energy_j["gpu"] == pytest.approx(6000.0)
    assert has(run, "fake:0 saw 100 W, other:0 150 W of the same device")


def test_a_platform_meter_is_never_summed() -> None:
    """What sees the whole board stands beside the sum."""
    bench = Bench(setup_of("cpu", "dram"))
    board = CounterMeter(bench.clock, 500.0, scope="platform", name="rapl:psys")
    meters = (bench.cpu, bench.dram, board)
    bench.session = Session(
        bench.session.setup, options=replace(bench.session.options, meters=meters)
    )
    energy_j = bench.measure(10.0).measurement.energy_j
    assert energy_j["platform"] == pytest.approx(5000.0)
    assert energy_j["system"] == pytest.approx(600.0)


def test_means_of_the_side_readings() -> None:
    """Utilisation as a mean over GPUs, memory as the highest, throttling as a notice."""
    bench = Bench()
    bench.gpu.side = {
        "util_frac": 0.8,
        "mem_util_frac": 0.3,
        "mem_used_bytes": 5e9,
        "throttle": 0x20,
    }
    run = bench.measure(10.0)
    m = run.measurement
    assert m.gpu_util_frac == pytest.approx(0.8)
    assert m.gpu_mem_util_frac == pytest.approx(0.3)
    assert m.gpu_mem_used_bytes == 5e9
    assert has(run, "fake:0 throttled in 100%")


def test_a_short_session_says_how_long_it_should_be() -> None:
    """Half a second at 10 Hz is too short for 5 %; idle that is unknown is named too."""
    run = Bench(idle_w={}).measure(0.5)
    assert has(run, "too short for +-5%", "1.3 s")
    assert has(run, "idle power is unknown")


def test_only_the_leader_of_a_node_meters() -> None:
    """Another rank keeps windows and steps, has no energy and says who has it."""
    rank = Rank(rank=3, local_rank=3, world_size=8, node="n1", job="j", is_leader=False)
    run = Bench(rank=rank, where={"environment": "host"}).measure(10.0, samples=4)
    m = run.measurement
    assert (m.energy_j, m.meters) == ({}, ())
    assert m.samples == 400
    assert has(run, "local rank 3", "local rank 0 meters the node")
    assert run.where == {
        "environment": "host",
        "node": "n1",
        "rank": "3",
        "local_rank": "3",
        "world_size": "8",
        "job": "j",
    }
