"""`joulecast profile train` and `infer`: networks really run, swept, repeated, extrapolated."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.records import Setup
from joulecast.core.units import format_energy, format_si
from joulecast.profiling_desk import ANSWERED, open_desk, verdict

if TYPE_CHECKING:
    import argparse

    from joulecast.core.records import Estimate, Machine, Run
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
    from joulecast.profiler.workload_sweep import sweep

    network = load_network(ask.model, ask.input_shape, group=group_of(ask.model))
    wanted = plans(ask)
    desk = open_desk(ask)
    try:
        if code := verdict(ask, desk.here):
            return code
        points = [
            _shown(desk, point, one_of=len(wanted))
            for point in sweep(network, wanted, lambda plan: _attend(desk, network, plan))
        ]
    finally:
        desk.here.close()
    runs = [point.run for point in points if point.run is not None]
    if len(points) > 1:
        _print_table(desk, points)
    if not runs:
        raise BadInput(" ".join(points[0].notices))
    return ANSWERED


def group_of(name: str) -> str | None:
    """The catalogue's group of near twins of a network, ``None`` for one of the user's own."""
    from joulecast.datasets import architectures

    return next((a.group for a in architectures.candidates(name)), None)


def plans(ask: argparse.Namespace) -> list[Plan]:
    """One plan per batch size and repeat."""
    from joulecast.profiler.workload_plan import Plan

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


def _attend(desk: Desk, network: Network, plan: Plan) -> Attendance:
    """The session of one plan, its stop rule, and progress."""
    from joulecast.profiler.until import Until
    from joulecast.profiler.workload_plan import workload_of
    from joulecast.profiler.workload_sweep import Attendance

    workload = workload_of(plan, network.input_shape)
    machine, said = _computing(desk.here.machine, plan)
    notices = (*desk.here.notices, *said)
    setup = Setup(machine, network.architecture, workload, notices=notices)
    session = desk.session(setup, f"{network.name}-{plan.task}", network.architecture.group)
    until = None if desk.ask.until is None else Until(desk.ask.until)
    onlooker = _Onlooker(desk, session, until, f"{network.name} batch {plan.batch_size}")
    return Attendance(session, onlooker.stop, onlooker.progress)


def _computing(machine: Machine, plan: Plan) -> tuple[Machine, tuple[str, ...]]:
    """The machine without its GPU where the CPU computes: a record says what did the work."""
    from joulecast.profiler.workload import pick_device

    cpu = machine.cpu
    if machine.gpu is None or cpu is None or pick_device(plan.device).type != "cpu":
        return machine, ()
    bare = replace(machine, id=cpu.id, name=cpu.name, gpu=None, n_gpus=0, gpu_power_limit_w=None)
    return bare, (f"the CPU computes, not the {machine.gpu.name}",)


@dataclass(slots=True)
class _Onlooker:
    """Looks at a session now and then: for the line of progress, and for `--until`."""

    desk: Desk
    session: Session
    until: Until | None
    what: str
    enough: bool = False
    looked_s: float = -1e9

    def stop(self) -> bool:
        """Whether the energy per sample is as sure as asked."""
        return self.enough

    def progress(self, now: Progress) -> None:
        """Take a look, at most five times a second."""
        if now.elapsed_s - self.looked_s < 0.2:
            return
        self.looked_s = now.elapsed_s
        seen = self.session.snapshot()
        if self.until is not None:
            energy_j = _widest(seen)
            self.enough = self.until.observe(seen.duration_s, energy_j, seen.samples, seen.steps)
        epoch = f" · epoch {now.epoch}" if now.epoch else ""
        sure = None if self.until is None else self.until.half_width_frac
        self.desk.progress(seen, f"{self.what}{epoch} · step {now.step:,}", sure)


def _widest(seen: Snapshot) -> float | None:
    return next((seen.energy_j[s] for s in _SCOPES if s in seen.energy_j), None)


def _shown(desk: Desk, point: Point, one_of: int) -> Point:
    """The point, printed; one of many is printed as a line of a table later."""
    if point.run is None:
        for notice in point.notices:
            sys.stderr.write(f"joulecast: {notice}\n")
    elif one_of == 1:
        desk.say(point.run, whole_run(point.run, desk.ask.total_epochs))
    else:
        desk.line.clear()
        desk.keep(point.run)
    return point


def whole_run(run: Run, total_epochs: int | None) -> Estimate | None:
    """The run extrapolated to `total_epochs`: from its epochs, else from its steady steps."""
    from joulecast.estimator.extrapolate_epochs import extrapolate_epochs
    from joulecast.estimator.extrapolate_steps import extrapolate_steps

    m, w = run.measurement, run.setup.workload
    scope = next((s for s in _SCOPES if s in m.energy_j), None)
    if total_epochs is None or scope is None:
        return None
    if m.epochs:
        joules = [e.energy_j.get(scope) for e in m.epochs]
        seconds = [e.duration_s for e in m.epochs]
        return extrapolate_epochs(joules, seconds, max(total_epochs, len(joules)), scope=scope)
    if not m.samples or m.duration_s is None:
        return None
    total = max(total_epochs * w.samples, m.samples)
    return extrapolate_steps(m.energy_j[scope], m.duration_s, m.samples, total, scope=scope)


def _print_table(desk: Desk, points: list[Point]) -> None:
    """Repeats and batch sizes side by side."""
    from joulecast.tables import as_json, print_table

    found = _summaries(points)
    if desk.ask.json:
        runs = [p.run.id for p in points if p.run is not None]
        rows = [{"batch_size": batch, **asdict(summary)} for batch, summary in found.items()]
        sys.stdout.write(as_json({"runs": runs, "points": rows}))
        return
    head = ["batch", "repeats", "energy per sample", "±", "time per sample", "±", "power", "scope"]
    lines = [[str(batch), *_cells(summary)] for batch, summary in found.items()]
    print_table("energy, time and power (means of the repeats and their spread)", head, lines)


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
