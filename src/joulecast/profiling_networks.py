"""`joulecast profile train` and `infer`: networks really run, swept, repeated, extrapolated."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, cast

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.records import Setup
from joulecast.core.units import format_energy, format_si
from joulecast.profiler.workload_plan import EVALUATION, START_UP
from joulecast.profiling_desk import open_desk, verdict
from joulecast.render_run import how

if TYPE_CHECKING:
    import argparse

    from joulecast.core.records import Estimate, Machine, Measurement, Run, Scope
    from joulecast.profiler.meters import Meter
    from joulecast.profiler.session import Session, Snapshot
    from joulecast.profiler.sweep import Summary
    from joulecast.profiler.until import Until
    from joulecast.profiler.workload_network import Network
    from joulecast.profiler.workload_plan import Plan, Progress
    from joulecast.profiler.workload_sweep import Attendance, Point
    from joulecast.profiling_desk import Desk

_UNTIL_S = 600.0
"""Seconds after which `--until` gives up, unless a length is given."""
_SCOPES = ("system", "gpu", "cpu")


def measure_network(ask: argparse.Namespace) -> int:
    """`joulecast profile train` or `infer`: the exit code."""
    if find_spec("torch") is None:
        raise MissingExtra("torch", "torch", "running networks")
    from joulecast.profiler.workload_network import load_network
    from joulecast.profiler.workload_sweep import Attendance, sweep

    network = load_network(ask.model, ask.input_shape, group=group_of(ask.model))
    wanted = plans(ask)
    desk = open_desk(ask)
    try:
        if code := verdict(ask, desk.here):
            return code
        onlookers: list[_Onlooker] = []

        def attend(plan: Plan) -> Attendance:
            onlookers.append(_onlooker(desk, network, plan))
            return Attendance(onlookers[-1].session, onlookers[-1].stop, onlookers[-1].progress)

        points = [
            _shown(desk, point, onlookers[-1].verdict(), one_of=len(wanted))
            for point in sweep(network, wanted, attend)
        ]
    finally:
        desk.here.close()
    runs = [point.run for point in points if point.run is not None]
    if len(points) > 1:
        _print_table(desk, points)
    if not runs:
        raise BadInput(" ".join(points[0].notices))
    return max(verdict(ask, desk.here, run) for run in runs)


def group_of(name: str) -> str | None:
    """The catalogue's group of near twins of a network, ``None`` for one of the user's own."""
    from joulecast.datasets import architectures

    return next((a.group for a in architectures.candidates(name)), None)


def plans(ask: argparse.Namespace) -> list[Plan]:
    """One plan per batch size and repeat."""
    from joulecast.profiler.workload_plan import Plan

    _check(ask)
    seconds = ask.seconds
    if ask.until is not None and not (ask.epochs or ask.steps or seconds):
        seconds = _UNTIL_S
    one = Plan(
        task="infer" if ask.kind == "infer" else "train",
        epochs=ask.epochs,
        steps=ask.steps,
        seconds=seconds,
        samples=ask.samples,
        precision=ask.precision,
        device=ask.device,
        data=_data(ask),
        data_folder=ask.data_dir,
        loader_workers=ask.loader_workers,
        seed=ask.seed,
        evaluate=not ask.no_evaluate,
    )
    return [replace(one, batch_size=b) for b in ask.batch_size for _ in range(ask.repeats)]


def _check(ask: argparse.Namespace) -> None:
    """Raise BadInput where two options cannot be meant together."""
    if ask.total_epochs and len(ask.batch_size) * ask.repeats > 1:
        message = "--total-epochs is for a single run. Leave out --repeats and further batch sizes"
        raise BadInput(message)
    if ask.total_epochs and ask.epochs and ask.total_epochs < ask.epochs:
        message = f"--total-epochs {ask.total_epochs} is less than --epochs {ask.epochs}"
        raise BadInput(message)


def _data(ask: argparse.Namespace) -> Any:  # noqa: ANN401
    """The data meant: as said, CIFAR-10 where its folder is named, else the digits."""
    if ask.data == "cifar10" and ask.data_dir is None:
        message = "--data cifar10 needs the folder that it lies in: --data-dir DIR"
        raise BadInput(message)
    if ask.data is not None:
        return ask.data
    if ask.data_dir is not None:
        return "cifar10"
    return "digits" if find_spec("sklearn") is not None else "synthetic"


def _onlooker(desk: Desk, network: Network, plan: Plan) -> _Onlooker:
    """The session of one plan, with its stop rule and progress."""
    from joulecast.profiler.until import Until
    from joulecast.profiler.workload_plan import workload_of

    workload = workload_of(plan, network.input_shape)
    machine, meters, said = _computing(desk, plan)
    notices = (*desk.here.notices, *said)
    setup = Setup(machine, network.architecture, workload, notices=notices)
    label = f"{network.name}-{plan.task}"
    session = desk.session(setup, label, network.architecture.group, meters)
    until = None if desk.ask.until is None else Until(desk.ask.until)
    return _Onlooker(desk, session, until, f"{network.name} batch {plan.batch_size}")


def _computing(desk: Desk, plan: Plan) -> tuple[Machine, tuple[Meter, ...], tuple[str, ...]]:
    """The part of the machine that computes, its meters, and what to say of it.

    One GPU of several, or the CPU of a machine with GPUs: a record says what did the work.
    """
    from joulecast.profiler.workload import device_uuid, pick_device

    machine, meters = desk.here.machine, desk.here.meters
    if machine.gpu is None:
        return machine, meters, ()
    others = tuple(m for m in meters if m.scope != "gpu")
    device, cpu = pick_device(plan.device), machine.cpu
    if device.type == "cpu" and cpu is not None:
        bare = replace(machine, id=cpu.id, name=cpu.name, gpu=None, n_gpus=0)
        said = f"the CPU computes, not the {machine.gpu.name}"
        return replace(bare, gpu_power_limit_w=None), others, (said,)
    if machine.n_gpus == 1:
        return machine, meters, ()
    uuid = device_uuid(device)
    mine = tuple(m for m in meters if m.scope == "gpu" and uuid and uuid in m.facts.get("uuid", ""))
    said = f"one of {machine.n_gpus} GPUs computes" + ("" if mine else ": which could not be told")
    return replace(machine, n_gpus=1), (*mine, *others), (said,)


@dataclass(slots=True)
class _Onlooker:
    """Looks at a session now and then: for the line of progress, and for `--until`."""

    desk: Desk
    session: Session
    until: Until | None
    what: str
    enough: bool = False
    looked_s: float = -1e9

    def verdict(self) -> tuple[str, ...]:
        """How sure the energy per sample became, where that was asked."""
        if self.until is None:
            return ()
        half, wanted = self.until.half_width_frac, 100 * self.until.target_frac
        if half is None:
            return (f"--until {wanted:g}%: not reached, {self.until.tightness.reason}",)
        reached = "reached" if self.enough else "not reached: measure longer"
        return (f"--until {wanted:g}%: {reached}, the energy per sample is ±{100 * half:.1f} %",)

    def stop(self) -> bool:
        """Whether the energy per sample is as sure as asked."""
        return self.enough

    def progress(self, now: Progress) -> None:
        """Show where the run is; for `--until`, take a look once a second."""
        until = self.until
        if until is not None and now.elapsed_s - self.looked_s >= 1:
            self.looked_s = now.elapsed_s
            seen = self.session.snapshot()
            self.enough = until.observe(seen.duration_s, _widest(seen), seen.samples, seen.steps)
        epoch = f" · epoch {now.epoch}" if now.epoch else ""
        sure = None if until is None else until.half_width_frac
        self.desk.progress(self.session, f"{self.what}{epoch} · step {now.step:,}", sure)


def _widest(seen: Snapshot) -> float | None:
    return next((seen.energy_j[s] for s in _SCOPES if s in seen.energy_j), None)


def _shown(desk: Desk, point: Point, said: tuple[str, ...], one_of: int) -> Point:
    """The point, printed; one of many is printed as a line of a table later."""
    desk.line.clear()
    if point.run is None:
        for notice in point.notices:
            sys.stderr.write(f"joulecast: {notice}\n")
        return point
    m = point.run.measurement
    run = replace(point.run, measurement=replace(m, notices=(*said, *m.notices)))
    if one_of == 1:
        desk.say(run, whole_run(run, desk.ask.total_epochs))
    else:
        desk.keep(run)
    return replace(point, run=run)


def whole_run(run: Run, total_epochs: int | None) -> Estimate | None:
    """The run extrapolated to `total_epochs`: from its epochs, else from its steady steps."""
    m = run.measurement
    scope = next((s for s in _SCOPES if s in m.energy_j), None)
    if total_epochs is None or scope is None:
        return None
    return (
        _from_epochs(m, scope, total_epochs) if m.epochs else _from_steps(run, scope, total_epochs)
    )


def _from_epochs(m: Measurement, scope: str, total_epochs: int) -> Estimate:
    """Every epoch with its evaluation, and the start-up once."""
    from joulecast.estimator.extrapolate_epochs import extrapolate_epochs

    tested = [w for w in m.windows if w.name == EVALUATION]
    pairs = list(zip_longest(m.epochs, tested[: len(m.epochs)]))
    joules = [_sum(*(w.energy_j.get(scope) for w in pair if w)) for pair in pairs]
    seconds = [sum(w.duration_s for w in pair if w) for pair in pairs]
    started = next((w for w in m.windows if w.name == START_UP), None)
    whole = extrapolate_epochs(joules, seconds, total_epochs, scope=cast("Scope", scope))
    return _later(whole, started.energy_j.get(scope, 0.0), started.duration_s) if started else whole


def _from_steps(run: Run, scope: str, total_epochs: int) -> Estimate | None:
    """What was measured, and the steady rate for the rest."""
    from joulecast.estimator.extrapolate_steps import extrapolate_steps

    m = run.measurement
    if not m.samples or m.duration_s is None:
        return None
    total = max(total_epochs * run.setup.workload.samples, m.samples)
    sample_s, power_w = m.steady_sample_s, m.steady_power_w.get(scope)
    if not sample_s or not power_w:
        joules, seconds = m.energy_j[scope], m.duration_s
    else:
        seconds = sample_s * m.samples
        joules = power_w * seconds
    whole = extrapolate_steps(joules, seconds, m.samples, total, scope=cast("Scope", scope))
    return _later(whole, max(m.energy_j[scope] - joules, 0.0), max(m.duration_s - seconds, 0.0))


def _later(whole: Estimate, energy_j: float, duration_s: float) -> Estimate:
    """`whole` with what was spent once, before the steady part."""
    return replace(
        whole,
        energy_j=whole.energy_j + energy_j,
        energy_low_j=whole.energy_low_j + energy_j,
        energy_high_j=whole.energy_high_j + energy_j,
        duration_s=whole.duration_s + duration_s,
        duration_low_s=whole.duration_low_s + duration_s,
        duration_high_s=whole.duration_high_s + duration_s,
        power_w=(whole.energy_j + energy_j) / (whole.duration_s + duration_s),
    )


def _sum(*energies_j: float | None) -> float | None:
    """Their sum, ``None`` if one is missing."""
    known = [e for e in energies_j if e is not None]
    return sum(known) if len(known) == len(energies_j) else None


def _print_table(desk: Desk, points: list[Point]) -> None:
    """Repeats and batch sizes side by side."""
    from joulecast.tables import as_json, print_table

    found = _summaries(points)
    runs = [p.run for p in points if p.run is not None]
    sources = {s: e for run in runs for s, e in run.measurement.energy_source.items()}
    if desk.ask.json:
        rows = [
            {"batch_size": b, **asdict(s), "energy_source": sources.get(s.scope)}
            for b, s in found.items()
        ]
        sys.stdout.write(as_json({"runs": [run.id for run in runs], "points": rows}))
    else:
        head = ["batch", "repeats", "energy per sample", "±", "time per sample", "±", "power"]
        head += ["scope", "got by"]
        lines = [[str(b), *_cells(s), how(sources.get(s.scope, ""))] for b, s in found.items()]
        print_table("energy, time and power (means of the repeats and their spread)", head, lines)
    for notice in dict.fromkeys(n for run in runs for n in run.measurement.notices):
        sys.stderr.write(f"note: {notice}\n")


def _summaries(points: list[Point]) -> dict[int, Summary]:
    from joulecast.profiler.sweep import summarise

    by_batch: dict[int, list[Run]] = {}
    for point in points:
        if point.run is not None:
            by_batch.setdefault(point.plan.batch_size, []).append(point.run)
    found = {}
    for batch, runs in by_batch.items():
        try:
            found[batch] = summarise(runs)
        except BadInput as exc:  # a point whose meters failed does not hide the others
            sys.stderr.write(f"joulecast: batch {batch}: {exc}\n")
    return found


def _cells(s: Summary) -> list[str]:
    def spread(frac: float | None) -> str:
        return "-" if frac is None else f"{100 * frac:.1f} %"

    return [
        str(s.repeats),
        format_energy(s.energy_per_sample_j.mean),
        spread(s.energy_per_sample_j.cv_frac),
        format_si(s.sample_s.mean, "s"),
        spread(s.sample_s.cv_frac),
        format_si(s.power_w.mean, "W"),
        s.scope,
    ]
