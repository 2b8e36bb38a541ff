"""A comparison as a table that a person reads at a glance: one line per network and machine."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from joulecast.core.units import format_duration, format_si
from joulecast.render import WIDTH, energy_scale, labelled, noted, ranged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.insight import Candidate, Comparison

_MOST_ROWS = 40
_MOST_NOTES = 4
_WORDS = 2
"""Columns of words, which stand to the left; figures stand to the right."""


def compare_screen(found: Comparison, *, currency: str = "", width: int = WIDTH) -> str:
    """The pairs, the least energy first; the efficient ones marked; then what has no answer.

    Parameters
    ----------
    currency : name of the money.
    """
    answered = [c for c in found.candidates if c.energy_j is not None]
    shown = _shortened(answered)
    lines = [f"{_counted(answered)}, {found.task}, least energy first", ""]
    lines += _table([_titles(found, answered, currency), *(_cells(c, answered) for c in shown)])
    if hidden := len(answered) - len(shown):
        lines.append(f"    ... {hidden} more that are not efficient: --json shows them")
    for text in _unanswered(found.candidates):
        lines += textwrap.wrap(text, width, initial_indent="  ✗ ", subsequent_indent="    ")
    lines += ["", *_verdict(answered, width)]
    lines += noted(found.notices, width, _MOST_NOTES, "--json")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _unanswered(candidates: Sequence[Candidate]) -> list[str]:
    """A sentence per network and reason why it has no answer."""
    places: dict[tuple[str, str], list[str]] = {}
    for c in candidates:
        if c.energy_j is None:
            places.setdefault((c.model, c.reason), []).append(c.hardware)
    return [f"{model} on {', '.join(on)}: {why}" for (model, why), on in places.items()]


def _counted(answered: Sequence[Candidate]) -> str:
    models, machines = ({getattr(c, n) for c in answered} for n in ("model", "hardware"))
    nets = "1 network" if len(models) == 1 else f"{len(models)} networks"
    places = "1 machine" if len(machines) == 1 else f"{len(machines)} machines"
    return f"{nets} on {places}"


def _shortened(answered: Sequence[Candidate]) -> list[Candidate]:
    """At most a screen of them: all efficient ones, and the others with least energy."""
    if len(answered) <= _MOST_ROWS:
        return list(answered)
    room = max(_MOST_ROWS - sum(c.efficient for c in answered), 0)
    others = {id(c) for c in [c for c in answered if not c.efficient][:room]}
    return [c for c in answered if c.efficient or id(c) in others]


def _titles(found: Comparison, answered: Sequence[Candidate], currency: str) -> list[str]:
    level, unit = f"{100 * found.level:g} %", _scale(answered)[1]
    titles = ["", "network", "machine", unit, level, "time", "power"]
    return titles + [title for _, title in _extra(answered, currency)]


def _scale(answered: Sequence[Candidate]) -> tuple[float, str]:
    """Joules per unit, and the unit, that suit the middle of the table."""
    middle = answered[len(answered) // 2].energy_j if answered else None
    return energy_scale(middle or 1.0)


def _extra(answered: Sequence[Candidate], currency: str = "") -> list[tuple[str, str]]:
    """Fields that are shown where some pair has them, with their titles."""
    fields = (
        ("accuracy", "accuracy"),
        ("carbon_g", "CO2e"),
        ("cost", currency or "cost"),
        ("within_budget", "budget"),
    )
    return [(f, title) for f, title in fields if any(getattr(c, f) is not None for c in answered)]


def _cells(c: Candidate, answered: Sequence[Candidate]) -> list[str]:
    scale, _ = _scale(answered)
    amounts = (c.energy_j, c.energy_low_j, c.energy_high_j)
    energy, span, _ = ranged(*((e or 0.0) / scale for e in amounts))
    return [
        "★" if c.efficient else "",
        c.model,
        c.hardware,
        energy,
        span,
        format_duration(c.duration_s or 0.0),
        format_si(c.power_w or 0.0, "W"),
        *(_said(getattr(c, field), field) for field, _ in _extra(answered)),
    ]


def _said(value: float | bool | None, field: str) -> str:  # noqa: FBT001 (a cell of any column)
    """A cell of a column that not every comparison has."""
    if value is None:
        return "-"
    if field == "within_budget":
        return "within" if value else "over"
    if field == "accuracy":
        return f"{100 * value:.1f} %"
    return format_si(value, "g") if field == "carbon_g" else f"{value:,.3g}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"  {row[0]:<1} "
        + "  ".join(
            f"{cell:<{w}}" if i < _WORDS else f"{cell:>{w}}"
            for i, (cell, w) in enumerate(zip(row[1:], wide[1:], strict=True))
        )
        for row in rows
    ]


def _verdict(answered: Sequence[Candidate], width: int) -> list[str]:
    """What the marks mean, and what the budget allows."""
    if not answered:
        return labelled("best", "none of the pairs could be answered", width)
    best = answered[0]
    needs = f"{best.model} on {best.hardware} needs least"
    front = sum(c.efficient for c in answered)
    told = any(c.accuracy is not None for c in answered)
    what = "both energy and time" + " at no lower accuracy" * told
    out = labelled("best", f"{needs}; ★ {front} efficient: no other needs less of {what}", width)
    held = [c for c in answered if c.within_budget is not None]
    if held:
        inside = [c for c in held if c.within_budget]
        text = f"{len(inside)} of {len(held)} lie within it"
        ranked = [c for c in inside if c.accuracy is not None]
        if ranked:
            top = max(ranked, key=lambda c: c.accuracy or 0.0)
            text += f"; the most accurate of these: {top.model} on {top.hardware}"
        out += labelled("budget", text, width)
    return out + labelled("basis", _bases(answered), width)


def _bases(answered: Sequence[Candidate]) -> str:
    """On what the answers stand; of several bases, how many stand on each."""
    count = Counter(c.basis or "unknown" for c in answered)
    return next(iter(count)) if len(count) == 1 else ", ".join(f"{n} {b}" for b, n in count.items())
