"""A plan as a table that a person reads at a glance: one line per model and machine."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from joulecast.core.units import format_energy, format_si
from joulecast.render import WIDTH, labelled, noted
from joulecast.render_serving import joules, long_duration, per_second, seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.planning_records import Plan, PlanHour, PlanOption

_BARS = "▁▂▃▄▅▆▇█"
_MOST_NOTES = 4
_NAMES = 3
"""Columns that say what a line is about: mark, model, machine."""


def plan_screen(
    plan: Plan, *, currency: str = "", width: int = WIDTH, max_notes: int | None = _MOST_NOTES
) -> str:
    """The options that do what was asked, the best first, then why the others do not.

    Parameters
    ----------
    currency : name of the money. max_notes : how many notices are shown, ``None`` for all.
    """
    fitting = [option for option in plan.options if option.fits]
    lines = [*_head(plan, width), *[""] * bool(fitting)]
    lines += _table([_titles(plan, currency), *(_cells(o, plan) for o in fitting)], width)
    lines += _legend(fitting)
    lines += _fallen([o for o in plan.options if not o.fits], width)
    best = plan.best
    if best is None:
        lines += ["", *labelled("best", "none of these does it", width)]
    else:
        lines += ["", *labelled("best", _verdict(best), width)]
        lines += _hours(best.hours, width)
    said = list(dict.fromkeys((*plan.notices, *(best.notices if best else ()))))
    lines += noted(said, width, max_notes, "--json")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(plan: Plan, width: int) -> list[str]:
    s, b = plan.serving, plan.bounds
    parts = [f"{per_second(plan.rate_rps)} requests/s"]
    if any(option.hours for option in plan.options):
        requests = round(plan.rate_rps * plan.duration_s)
        noun = "request" if requests == 1 else "requests"
        parts = [f"{requests:,} {noun} in {long_duration(plan.duration_s)}"]
    parts.append(f"{s.prompt_tokens:,.4g} prompt + {s.output_tokens:,.4g} output tokens")
    if s.cache_hit_frac:
        parts.append(f"{100 * s.cache_hit_frac:.2g} % of prompts cached")
    for name, limit_s in (("first token", b.ttft_p95_s), ("last token", b.latency_p95_s)):
        if limit_s is not None:
            parts.append(f"{name} within {seconds(limit_s)} (p95)")
    return textwrap.wrap(" · ".join(parts), width, subsequent_indent="  ")


def _titles(plan: Plan, currency: str) -> list[str]:
    first = ["", "model", "machine", "replicas"]
    if _has_copies(plan):
        first.append("copies each")
    first += ["J/request", f"{100 * plan.level:g} %", "load", "p95 first", "last", "power"]
    if any(o.carbon_g is not None for o in plan.options):
        first.append("CO2e")
    if any(o.cost is not None for o in plan.options):
        first.append(f"{currency or 'cost'}")
    return first


def _has_copies(plan: Plan) -> bool:
    """Whether a machine holds several copies of a model."""
    return any((o.copies or 1) > 1 for o in plan.options)


def _cells(o: PlanOption, plan: Plan) -> list[str]:
    value, span, _, _ = joules(
        o.energy_per_request_j or 0.0,
        o.energy_per_request_low_j or 0.0,
        o.energy_per_request_high_j or 0.0,
    )
    mark = "★" if o.is_best else "·" if o.is_best_machine else ""
    late = ("-" if t is None else seconds(t) for t in (o.ttft_p95_s, o.latency_p95_s))
    cells = [mark, o.model, o.hardware, f"{o.replicas}"]
    cells += [f"{o.copies}"] if _has_copies(plan) else []
    cells += [value, span]
    cells += [f"{100 * (o.load_frac or 0.0):.0f} %", *late, format_si(o.power_w or 0.0, "W")]
    if any(p.carbon_g is not None for p in plan.options):
        cells.append("-" if o.carbon_g is None else format_si(o.carbon_g, "g"))
    if any(p.cost is not None for p in plan.options):
        cells.append("-" if o.cost is None else f"{o.cost:,.3g}")
    return cells


def _table(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Lines of cells; names to the left, figures to the right.

    Columns beyond `width` stand in a second table below, behind the names.
    """
    if len(rows) < 2:
        return []
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines: list[str] = []
    for part in _parts(wide, width):
        lines += [""] * bool(lines)
        lines += ["".join(_padded(row[i], wide[i], i) for i in part) for row in rows]
    return lines


def _parts(wide: Sequence[int], width: int) -> list[list[int]]:
    """Columns of each table that `width` has room for, the names first in all of them."""
    room = width - sum(w + 2 for w in wide[:_NAMES])
    parts: list[list[int]] = []
    left = -1
    for i, w in enumerate(wide[_NAMES:], _NAMES):
        if w + 2 > left:
            parts.append(list(range(_NAMES)))
            left = room
        parts[-1].append(i)
        left -= w + 2
    return parts


def _padded(cell: str, wide: int, column: int) -> str:
    return f"  {cell:<{wide}}" if column < _NAMES else f"  {cell:>{wide}}"


def _legend(options: Sequence[PlanOption]) -> list[str]:
    """What the marks mean, where there is something to choose among."""
    if len(options) < 2:
        return []
    said = ["★ least energy per request"]
    if any(o.is_best_machine and not o.is_best for o in options):
        said.append("· least of its model")
    return [f"  {'   '.join(said)}"]


def _fallen(options: Sequence[PlanOption], width: int) -> list[str]:
    """Why the others fall out."""
    out: list[str] = [""] if options else []
    for o in options:
        text = f"{o.model} on {o.hardware}: {o.reason}"
        out += textwrap.wrap(text, width, initial_indent="  ✗  ", subsequent_indent="     ")
    return out


def _verdict(best: PlanOption) -> str:
    """What the best option is and takes."""
    count = "1 machine" if best.replicas == 1 else f"{best.replicas} machines"
    copies = "" if best.copies in {None, 1} else f" with {best.copies} copies"
    copies += " each" if copies and best.replicas != 1 else ""
    took = format_energy(best.energy_j)
    full = per_second(best.saturation_rps or 0.0)
    return (
        f"{best.model} on {count} {best.hardware}{copies}: {took} in "
        f"{long_duration(best.duration_s)}, "
        f"full at {full} requests/s, batch limit {best.batch_limit or 0.0:,.0f} per machine"
        + (f" ({best.basis})" if best.basis else "")
    )


def _hours(hours: Sequence[PlanHour], width: int) -> list[str]:
    """Requests and watts over the hours as bars, of a long trace the means of several hours."""
    if not hours:
        return []
    room = width - 30
    each = -(-len(hours) // room)
    groups = [hours[i : i + each] for i in range(0, len(hours), each)]
    rates = [sum(h.requests for h in g) / sum(h.duration_s for h in g) for g in groups]
    watts = [sum(h.energy_j for h in g) / sum(h.duration_s for h in g) for g in groups]
    per = "an hour each" if each == 1 else f"{each} hours each"
    rows = (
        ("requests", rates, f"up to {per_second(max(rates))}/s, {per}"),
        ("power", watts, f"up to {format_si(max(watts), 'W')}"),
    )
    return [f"  {name:<9}{_bars(values)}  {said}" for name, values, said in rows]


def _bars(values: Sequence[float]) -> str:
    top = max(values)
    return "".join(" " if v <= 0 else _BARS[round((len(_BARS) - 1) * v / top)] for v in values)
