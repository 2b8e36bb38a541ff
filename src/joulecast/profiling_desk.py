"""What all measuring verbs share: opening this machine, progress, printing and the verdict."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from joulecast.answering import hardware_line, model_line
from joulecast.core.errors import BadInput
from joulecast.core.records import is_measured
from joulecast.core.run_files import default_folder, to_dict, write_run
from joulecast.dataset_table import was_measured
from joulecast.live import ProgressLine, reading
from joulecast.measuring import MeterChoice, open_here, options_of
from joulecast.profiler.session import Session
from joulecast.push import open_outbox
from joulecast.render_run import run_screen
from joulecast.tables import as_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path
    from typing import TextIO

    from joulecast.core.records import Estimate, Run, Setup
    from joulecast.measuring import Here
    from joulecast.profiler.meters import Meter
    from joulecast.push import Outbox

ANSWERED, NOT_MEASURED = 0, 4


@dataclass(frozen=True, slots=True)
class Desk:
    """One call of a measuring verb: what was asked, the machine, where the records go."""

    ask: argparse.Namespace
    here: Here
    folder: Path | None
    line: ProgressLine
    outbox: Outbox | None = None

    def session(
        self, setup: Setup, label: str, group: str = "", meters: Sequence[Meter] | None = None
    ) -> Session:
        """A session of `setup` on this machine, not yet started; `meters` if not all."""
        here = self.here if meters is None else replace(self.here, meters=tuple(meters))
        options = options_of(here, self.folder, self.ask.period, keep_trace=not self.ask.no_trace)
        return Session(
            setup, options=replace(options, label=label, model_group=group, model_family=group)
        )

    def progress(self, session: Session, what: str = "", sure: float | None = None) -> None:
        """Show where a session stands; it is asked only when the line is due."""

        def text() -> str:
            seen = session.snapshot()
            told = reading(seen.duration_s, seen.energy_j, seen.power_w, sure)
            return f"{what} · {told}" if what else told

        self.line.show(text)

    def keep(self, run: Run) -> str:
        """Write `run` over what its session wrote, and send it if asked to; where it lies."""
        saved = self._kept(run)
        self._send()
        return saved

    def _kept(self, run: Run) -> str:
        """Where `run` lies, which waits to be sent if it is to be."""
        saved = self._written(run)
        if self.outbox is not None:
            self._note(self.outbox.add(run))
        return saved

    def _written(self, run: Run) -> str:
        if self.folder is None:
            return ""
        path = self.folder / f"{run.id}.json"
        try:
            write_run(run, path)
        except OSError as exc:
            return f"not written: {exc.strerror} ({path})"
        return str(path)

    def _send(self) -> None:
        """Send what waits, within a bounded time; what could not be sent is one note."""
        if (outbox := self.outbox) is not None:
            self.line.show(lambda: f"sending to {outbox.service.url}")
            self._note(outbox.send().notes)

    def _note(self, notes: Sequence[str]) -> None:
        self.line.clear()
        for note in notes:
            sys.stderr.write(f"note: {note}\n")

    def discard(self, run: Run | None) -> None:
        """Take back what a session wrote of something that never ran."""
        if run is not None and self.folder is not None:
            for suffix in (".json", ".trace.csv"):
                (self.folder / f"{run.id}{suffix}").unlink(missing_ok=True)

    def say(self, run: Run, whole: Estimate | None = None, stream: TextIO | None = None) -> None:
        """Print what was measured: on one screen (to `stream`), or as one JSON object."""
        self.line.clear()
        saved = self._kept(run)
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
        sys.stdout.flush()
        self._send()


def choice_of(ask: argparse.Namespace) -> MeterChoice:
    """The meters that the options ask for."""
    return MeterChoice(tuple(ask.meter), ask.replay, ask.sysfs_root)


def open_desk(ask: argparse.Namespace) -> Desk:
    """The machine opened as the options ask."""
    choice = choice_of(ask)
    folder = None if ask.no_save else ask.out or default_folder()
    if folder is not None:
        _make(folder)
    line = ProgressLine(sys.stderr, quiet=ask.quiet)
    outbox = open_outbox(ask, os.environ)
    return Desk(ask, open_here(ask.hw, choice), folder, line, outbox)


def _make(folder: Path) -> None:
    """Make the folder of records, before anything is measured that could not be kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        message = f"cannot write records into {folder}: {exc.strerror}. Give --out, or --no-save"
        raise BadInput(message) from exc


def head_of(run: Run) -> list[str]:
    """What was run, and where."""
    named = run.setup.architecture.params > 0
    label = run.id.partition("-")[2].rpartition("-")[0]
    what = model_line(run.setup) if named else (label or "a command")
    place = hardware_line(run.setup.machine) if run.setup.machine.accelerator else "this machine"
    return [what, f"measured on {place}"]


def verdict(ask: argparse.Namespace, here: Here, run: Run | None = None) -> int:
    """Exit code 4 and one line on stderr where `--require-measured` is not met, else 0.

    Parameters
    ----------
    run : what was measured; ``None`` to tell before anything runs.
    """
    lacking = unmeasured(here, run) if ask.require_measured else []
    if not lacking:
        return ANSWERED
    sys.stderr.write(
        f"joulecast: not measured: no sensor sees {', '.join(lacking)} here. 'joulecast doctor' "
        "says what would change that; without --require-measured it is modelled\n"
    )
    return NOT_MEASURED


def unmeasured(here: Here, run: Run | None = None) -> list[str]:
    """Scopes of this machine that no sensor sees, or of `run` that none saw to its end."""
    machine = here.machine if run is None else run.setup.machine
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    wanted = [scope for scope, part in parts.items() if part is not None] or ["this machine"]
    if run is None:
        seen = {m.scope for m in here.meters if is_measured(m.energy_source)}
    else:
        seen = {scope for scope in run.measurement.energy_source if was_measured(run, scope)}
    return [scope for scope in wanted if scope not in seen]
