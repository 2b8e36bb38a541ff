"""What all measuring verbs share: opening this machine, progress, printing and the verdict."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from joulecast.answering import hardware_line, model_line
from joulecast.core.records import MEASURED_SOURCES
from joulecast.core.run_files import default_folder, to_dict, write_run
from joulecast.live import ProgressLine, reading
from joulecast.measuring import MeterChoice, open_here, options_of
from joulecast.profiler.session import Session
from joulecast.render_run import run_screen
from joulecast.tables import as_json

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from typing import TextIO

    from joulecast.core.records import Estimate, Run, Setup
    from joulecast.measuring import Here
    from joulecast.profiler.session import Snapshot

ANSWERED, NOT_MEASURED = 0, 4


@dataclass(frozen=True, slots=True)
class Desk:
    """One call of a measuring verb: what was asked, the machine, where the records go."""

    ask: argparse.Namespace
    here: Here
    folder: Path | None
    line: ProgressLine

    def session(self, setup: Setup, label: str, group: str = "") -> Session:
        """A session of `setup` on this machine, not yet started."""
        options = options_of(
            self.here, self.folder, self.ask.period, keep_trace=not self.ask.no_trace
        )
        return Session(
            setup, options=replace(options, label=label, model_group=group, model_family=group)
        )

    def progress(self, snapshot: Snapshot, what: str = "", sure: float | None = None) -> None:
        """Show where a session stands."""
        told = reading(snapshot.duration_s, snapshot.energy_j, snapshot.power_w, sure)
        self.line.show(lambda: f"{what} · {told}" if what else told)

    def keep(self, run: Run) -> str:
        """Write `run` over what its session wrote; where it lies."""
        if self.folder is None:
            return ""
        path = self.folder / f"{run.id}.json"
        try:
            write_run(run, path)
        except OSError as exc:
            return f"not written: {exc.strerror} ({path})"
        return str(path)

    def say(self, run: Run, whole: Estimate | None = None, stream: TextIO | None = None) -> None:
        """Print what was measured: on one screen (to `stream`), or as one JSON object."""
        self.line.clear()
        saved = self.keep(run)
        if self.ask.json:
            m = run.measurement
            net_j = {scope: m.net_energy_j(scope, self.ask.idle_s) for scope in m.energy_j}
            told = to_dict(run) | {"record": saved or None, "net_energy_j": net_j}
            told |= {"extrapolated": None if whole is None else asdict(whole)}
            sys.stdout.write(as_json(told))
            for notice in run.measurement.notices:
                sys.stderr.write(f"note: {notice}\n")
        else:
            (stream or sys.stdout).write(
                run_screen(run, head_of(run), whole, saved, idle_s=self.ask.idle_s)
            )


def choice_of(ask: argparse.Namespace) -> MeterChoice:
    """The meters that the options ask for."""
    return MeterChoice(tuple(ask.meter), ask.replay, ask.sysfs_root)


def open_desk(ask: argparse.Namespace) -> Desk:
    """The machine opened as the options ask."""
    choice = choice_of(ask)
    folder = None if ask.no_save else ask.out or default_folder()
    line = ProgressLine(sys.stderr, quiet=ask.quiet)
    return Desk(ask, open_here(ask.hw, choice), folder, line)


def head_of(run: Run) -> list[str]:
    """What was run, and where."""
    named = run.setup.architecture.params > 0
    label = run.id.partition("-")[2].rpartition("-")[0]
    what = model_line(run.setup) if named else (label or "a command")
    place = hardware_line(run.setup.machine) if run.setup.machine.accelerator else "this machine"
    return [what, f"measured on {place}"]


def refusal(here: Here) -> str:
    """Why `--require-measured` cannot be met here, or nothing."""
    machine = here.machine
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    seen = {m.scope for m in here.meters if m.energy_source in MEASURED_SOURCES}
    lacking = [scope for scope, part in parts.items() if part is not None and scope not in seen]
    if not lacking:
        return ""
    return (
        f"not measured: no sensor sees {', '.join(lacking)} here. "
        "'joulecast doctor' says what would change that; without --require-measured it is modelled"
    )


def verdict(ask: argparse.Namespace, here: Here) -> int:
    """Exit code 4 and one line on stderr where `--require-measured` cannot be met, else 0."""
    told = refusal(here) if ask.require_measured else ""
    if told:
        sys.stderr.write(f"joulecast: {told}\n")
        return NOT_MEASURED
    return ANSWERED
