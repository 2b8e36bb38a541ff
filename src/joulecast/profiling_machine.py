"""`joulecast profile idle` and `hardware`: what a machine is, measured."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from joulecast.core.errors import MissingExtra
from joulecast.core.records import Setup, Workload
from joulecast.core.units import format_duration, format_si
from joulecast.measuring import UNKNOWN, find_here, options_of
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.idle import IdlePlan, measure_idle, store_idle
from joulecast.profiler.sampler import Sampler
from joulecast.profiler.session import Session
from joulecast.profiling_desk import ANSWERED, choice_of, open_desk, verdict
from joulecast.render import WIDTH, labelled
from joulecast.render_run import how
from joulecast.tables import as_json

if TYPE_CHECKING:
    import argparse

    from joulecast.core.records import Machine, Run
    from joulecast.profiler.hardware_profile import HardwareProfile
    from joulecast.profiler.idle import IdleReading
    from joulecast.profiler.workload_plan import Progress
    from joulecast.profiling_desk import Desk

_WHOLE = (10.0, 60.0, 50.0, 10.0)
_QUICK = (1.0, 4.0, 8.0, 3.0)
"""Seconds to settle, of idle, of the micro-benchmark, and of each calibration run."""


def measure_idle_power(ask: argparse.Namespace) -> int:
    """`joulecast profile idle`: the exit code."""
    desk = open_desk(ask)
    try:
        if code := verdict(ask, desk.here):
            return code
        resident = _resident(ask.model) if ask.model else None
        reading = _idle(desk, ask.settle, ask.seconds, ask.model or "")
        del resident
    finally:
        desk.here.close()
    _say_idle(desk, reading)
    return ANSWERED


def _resident(model: str) -> object:
    """The network, in the memory of the device, so that the machine idles with it."""
    if find_spec("torch") is None:
        raise MissingExtra("torch", "torch", "loading a network")
    from joulecast.profiler.workload import pick_device
    from joulecast.profiler.workload_network import load_network

    return load_network(model).build().to(pick_device("auto"))


def _idle(
    desk: Desk, settle_s: float, seconds: float, resident: str, *, keep: bool = True
) -> IdleReading:
    """Idle power of this machine, with `keep` also in the folder of runs."""

    def show(elapsed_s: float) -> None:
        desk.line.show(lambda: f"idle · {format_duration(elapsed_s)} · do not use the machine")

    plan = IdlePlan(settle_s=settle_s, seconds=seconds, resident=resident, on_round=show)
    sampler = Sampler(desk.here.meters, SystemClock(), desk.ask.period)
    reading = measure_idle(sampler, desk.here.machine, plan)
    if keep and desk.folder is not None and reading.power_w and reading.machine_id:
        store_idle(reading, desk.folder)
    desk.line.clear()
    return reading


def _say_idle(desk: Desk, reading: IdleReading) -> None:
    if desk.ask.json:
        sys.stdout.write(as_json(asdict(reading)))
        return
    sys.stdout.write("\n".join(_idle_lines(desk, reading)) + "\n")


def _idle_lines(desk: Desk, reading: IdleReading) -> list[str]:
    settled = "" if reading.settled else ", not settled"
    lines = [f"{desk.here.machine.name or 'this machine'}, idle{settled}", ""]
    for scope, power_w in reading.power_w.items():
        told = f"{format_si(power_w, 'W')} ({how(reading.energy_source.get(scope, ''))})"
        if scope in reading.spread_w:
            told += f", spread {format_si(reading.spread_w[scope], 'W', 2)}"
        lines += labelled(scope, told, WIDTH)
    if not reading.power_w:
        lines += labelled("idle", "not measured: no meter saw anything", WIDTH)
    for notice in (*desk.here.notices, *reading.notices):
        lines += labelled("note", notice, WIDTH)
    return lines


def measure_hardware(ask: argparse.Namespace) -> int:
    """`joulecast profile hardware`: the exit code. Writes a machine TOML and calibration runs."""
    if find_spec("torch") is None:
        raise MissingExtra("torch", "torch", "the micro-benchmark")
    from joulecast.machine_toml import write_machine
    from joulecast.this_machine import own_path

    desk = open_desk(ask)
    path = ask.toml or own_path()
    settle_s, idle_s, bench_s, run_s = _QUICK if ask.quick else _WHOLE
    try:
        if code := verdict(ask, desk.here):
            return code
        idle = _idle(desk, settle_s, idle_s, "", keep=not ask.quick)
        profile = _profile(desk, idle, bench_s)
        machine = write_machine(desk.here.machine, profile, path, overwrite=ask.toml is None)
        if ask.toml is None:  # as it will be known from now on
            machine, _ = find_here("auto", choice_of(ask))
        runs = _calibration_runs(desk, machine, run_s)
    finally:
        desk.here.close()
    desk.line.clear()
    if ask.json:
        told = {"machine": str(path), "profile": profile.to_dict(), "runs": [r.id for r in runs]}
        sys.stdout.write(as_json(told))
        return ANSWERED
    name = "auto" if ask.toml is None else str(path)
    lines = [*_idle_lines(desk, idle), *_rate_lines(profile)]
    lines += labelled("machine", f"{path}, from now on --hw {name}", WIDTH)
    if runs and desk.folder is not None:
        lines += labelled("runs", f"{len(runs)} to lean on, in {desk.folder}", WIDTH)
    sys.stdout.write("\n".join(lines) + "\n")
    return ANSWERED


def _profile(desk: Desk, idle: IdleReading, seconds: float) -> HardwareProfile:
    """The micro-benchmark, inside a session of its own that leaves no record."""
    from joulecast.profiler.hardware_profile import profile_hardware
    from joulecast.profiler.workload import pick_device
    from joulecast.profiler.workload_micro import TorchBench

    clock = SystemClock()
    bench = TorchBench(str(pick_device("auto")), clock)
    options = options_of(desk.here, None, desk.ask.period)
    session = Session(Setup(desk.here.machine, UNKNOWN, Workload()), options=options)
    session.options = replace(options, on_flush=lambda _: desk.progress(session, "hardware"))
    with session:
        return profile_hardware(
            bench,
            session,
            clock,
            seconds=seconds,
            idle_w=idle.power_w,
            idle_source=idle.energy_source,
        )


def _rate_lines(profile: HardwareProfile) -> list[str]:
    """What the machine reaches, a line each."""
    units = {"matmul": "FLOP/s", "copy": "B/s", "host-copy": "B/s", "launch": "s"}
    lines = []
    for key, rate in profile.rates.items():
        unit = units.get(key.partition(":")[0], "samples/s")
        watts = format_si(sum(rate.power_w.get(s, 0.0) for s in ("gpu", "cpu", "dram")), "W")
        told = f"{format_si(rate.value, unit)}, ±{50 * rate.spread_frac:.0f} %"
        lines += labelled(key, told + (f", {watts}" if rate.power_w else ""), WIDTH)
    for notice in profile.notices:
        lines += labelled("note", notice, WIDTH)
    return lines


def _calibration_runs(desk: Desk, machine: Machine, seconds: float) -> list[Run]:
    """Short runs of two networks, so that estimates for this machine have something to lean on."""
    from joulecast.profiler.hardware_profile import CALIBRATION
    from joulecast.profiler.workload_network import load_network
    from joulecast.profiler.workload_plan import Plan, workload_of
    from joulecast.profiler.workload_sweep import Attendance, sweep
    from joulecast.profiling_networks import group_of

    runs = []
    for name, task in CALIBRATION:
        network = load_network(name, group=group_of(name))
        plan = Plan(task="infer" if task == "infer" else "train", seconds=seconds)
        setup = Setup(machine, network.architecture, workload_of(plan, network.input_shape))
        session = desk.session(setup, f"{name}-{task}", network.architecture.group)

        def show(_: Progress, session: Session = session, name: str = name) -> None:
            desk.progress(session, name)

        for point in sweep(network, [plan], lambda _, s=session, p=show: Attendance(s, None, p)):  # type: ignore[misc]
            if point.run is not None:
                desk.keep(point.run)
                runs.append(point.run)
    return runs
