"""The measuring verbs: `joulecast profile`, `doctor` and `dataset build`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.records import Setup, Workload
from joulecast.core.run_files import default_folder
from joulecast.measuring import UNKNOWN
from joulecast.profiling_desk import ANSWERED, NOT_MEASURED, choice_of, open_desk, verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import TextIO

    from joulecast.core.records import Run


_NEVER_RAN = (126, 127)


def profile(ask: argparse.Namespace) -> int:
    """`joulecast profile`: the exit code. A run that is ended early keeps its record."""
    former = None
    if ask.kind != "run":  # a wrapped command gets its own signals
        former = signal.signal(signal.SIGTERM, _end)
    try:
        return _profile(ask)
    except KeyboardInterrupt:
        place = "" if ask.no_save else f": what was measured is in {ask.out or default_folder()}"
        sys.stderr.write(f"\njoulecast: interrupted{place}\n")
        raise
    finally:
        if former is not None:
            signal.signal(signal.SIGTERM, former)


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _profile(ask: argparse.Namespace) -> int:
    if ask.command and ask.kind != "run":
        message = f"'profile {ask.kind}' takes no command. Use 'joulecast profile run -- ...'"
        raise BadInput(message)
    if ask.kind == "run":
        return measure_command(ask)
    if ask.kind in {"train", "infer"}:
        from joulecast.profiling_networks import measure_network

        return measure_network(ask)
    if ask.kind == "burst":
        from joulecast.profiling_burst import measure_bursts

        return measure_bursts(ask)
    from joulecast import profiling_machine

    if ask.kind == "idle":
        return profiling_machine.measure_idle_power(ask)
    return profiling_machine.measure_hardware(ask)


def measure_command(ask: argparse.Namespace) -> int:
    """`joulecast profile run -- COMMAND`: the command's own exit code.

    Its output stays where it goes; what was measured is printed on standard error, but for
    ``--json``, which has standard output to itself only if the command is silent.
    """
    from joulecast.profiler.command import run_command

    if not ask.command:
        message = "name the command behind '--': joulecast profile run -- python train.py"
        raise BadInput(message)
    desk = open_desk(ask)
    try:
        if code := verdict(ask, desk.here):
            return code
        label = ask.name or Path(ask.command[0]).name
        setup = Setup(desk.here.machine, UNKNOWN, Workload(), notices=desk.here.notices)
        session = desk.session(setup, label)
        with session, _stdout_on_stderr() if ask.json else nullcontext():
            ended = run_command(
                ask.command,
                session,
                stop_after_s=ask.stop_after,
                on_progress=lambda _: desk.progress(session, label),
            )
    finally:
        desk.here.close()
    for notice in ended.notices:
        sys.stderr.write(f"joulecast: {notice}\n")
    if ended.exit_code in _NEVER_RAN and ended.notices:
        desk.discard(session.run)
    elif session.run is not None:
        desk.say(_with_ending(session.run, ended.exit_code, ended.notices), stream=sys.stderr)
        return ended.exit_code or verdict(ask, desk.here, session.run)
    return ended.exit_code


def _with_ending(run: Run, exit_code: int, notices: tuple[str, ...]) -> Run:
    """`run` with how its command ended."""
    ended = (f"the command ended with exit code {exit_code}",) * bool(exit_code)
    m = run.measurement
    return replace(run, measurement=replace(m, notices=(*ended, *notices, *m.notices)))


@contextmanager
def _stdout_on_stderr() -> Iterator[None]:
    """What is written to standard output goes to standard error meanwhile."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def doctor(ask: argparse.Namespace) -> int:
    """`joulecast doctor`: what can be measured here; 4 if not all of it and that was asked for."""
    from joulecast.measuring import context_of, find_here
    from joulecast.profiler.doctor import examine
    from joulecast.render_doctor import doctor_screen
    from joulecast.tables import as_json

    choice = choice_of(ask)
    machine, notices = find_here(ask.hw, choice)
    report = examine(context_of(machine, choice))
    if ask.json:
        sys.stdout.write(as_json({**asdict(report), "machine": machine.id, "notices": notices}))
    else:
        sys.stdout.write(doctor_screen(report, machine, notices))
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    lacking = [s.scope for s in report.scopes if parts[s.scope] and s.basis != "measured"]
    if ask.require_measured and lacking:
        sys.stderr.write(f"joulecast: no sensor sees {', '.join(lacking)}\n")
        return NOT_MEASURED
    return ANSWERED


def build_dataset(ask: argparse.Namespace) -> int:
    """`joulecast dataset build`: run records as one table, the nodes of a job merged."""
    from joulecast.core.run_files import read_runs
    from joulecast.dataset_table import rows_of, write_rows
    from joulecast.profiler.merge import merge

    found = read_runs(ask.places or [default_folder()])
    merged = merge(found.runs)
    rows = rows_of(merged.runs)

    def write(file: TextIO) -> None:
        write_rows(rows, file)

    if ask.out == "-":
        write(sys.stdout)
    else:
        with Path(ask.out).open("w", newline="", encoding="utf-8") as file:
            write(file)
    for sentence in (*found.skipped, *merged.doubts):
        sys.stderr.write(f"{sentence}\n")
    silent = len(merged.runs) - len(rows)
    said = f", {silent} without samples left out" if silent else ""
    sys.stderr.write(f"{len(found.runs)} records, {len(rows)} rows{said}\n")
    return ANSWERED
