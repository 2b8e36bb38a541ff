"""What can be measured here, as text. Values in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.answering import hardware_line
from joulecast.core.units import format_si
from joulecast.render import WIDTH, labelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.records import Machine
    from joulecast.profiler.doctor import MeterCheck, Report

_WORDS = {
    "measured": "measured by {}",
    "modelled": "modelled by {}: no sensor sees it",
    "missing": "missing: it is left out of every sum",
}


def doctor_screen(
    report: Report, machine: Machine, notices: Sequence[str] = (), *, width: int = WIDTH
) -> str:
    """The machine, what is measured or modelled of it, and each meter with its fix."""
    named = machine.accelerator is not None
    lines = [hardware_line(machine) if named else "this machine is not known", ""]
    parts = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    for scope in report.scopes:
        if parts[scope.scope] is None and scope.basis == "missing":
            continue
        told = _WORDS[scope.basis].format(", ".join(scope.meters))
        lines += labelled(scope.scope, told, width)
    lines += ["", "  meters"]
    for check in report.meters:
        if check.on_request and check.state == "refused":
            continue
        lines += _meter(check, width)
    lines += ["", *labelled("runs in", ", ".join(_place(report)), width)]
    for notice in notices:
        lines += labelled("note", notice, width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _meter(check: MeterCheck, width: int) -> list[str]:
    """One meter: a tick and its watts, or a cross, the reason and the fix."""
    if check.state == "works":
        watts = "" if check.power_w is None else f" · {format_si(check.power_w, 'W')} now"
        lines = labelled("ok", f"{check.meter} · {check.energy_source}{watts}", width)
        if note := check.facts.get("note"):
            lines += labelled("", note, width)
        return lines
    lines = labelled("no", f"{check.meter}: {check.reason}", width)
    if check.fix:
        lines += labelled("", f"-> {check.fix}", width)
    return lines


def _place(report: Report) -> Iterator[str]:
    """Where this runs, in words."""
    for key, value in report.environment.items():
        if key == "environment":
            yield f"a {value}"
        elif key == "mem_limit_bytes":
            yield f"memory limit {float(value) / 1e9:.0f} GB"
        else:
            yield f"{key.replace('_', ' ')} {value}"
