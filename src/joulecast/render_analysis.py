"""The one screen of many runs: an `Analysis` as text. Values in, text out."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.insight.correlations import POOLED
from joulecast.estimator.insight.words import counted
from joulecast.render import WIDTH, labelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.insight import Analysis, Correlation, Selection

MAX_MACHINES, MAX_NOTES, MAX_FEATURES = 3, 5, 8
_TASKS = {"train": "training", "infer": "inference", "serve": "serving"}
_LABELS = {"power-limit": "limit", "saturation": "load"}
_SPLITS = {"random": "random 80 : 20", "group": "networks out", "machine": "machines out"}
_NAME = 26
_CELL = 12
_SHARE = 15


def analysis_screen(shown: Analysis, *, width: int = WIDTH, whole: bool = False) -> str:
    """The analysis on one screen: the set, correlations, phases, knees, features, advice.

    Parameters
    ----------
    width : columns. whole : every machine, task and notice, however long.
    """
    lines = [*_head(shown, width)]
    for task in _tasks(shown, whole=whole):
        lines += ["", *_table(shown, task, width, whole=whole)]
    figures = [*_time(shown, width), *_phases(shown, width), *_knees(shown, width, whole)]
    lines += ["", *figures] if figures else []
    for task in dict.fromkeys(s.task for s in shown.selections):
        part = [s for s in shown.selections if s.task == task]
        if whole or task == _chosen(shown):
            lines += ["", *_selection(part, width)]
    lines += [""] if shown.advice else []
    for one in shown.advice:
        lines += labelled(_LABELS.get(one.kind, one.kind), one.text, width)
    lines += ["", *_notes(shown, width, whole=whole)] if shown.notices else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _head(shown: Analysis, width: int) -> list[str]:
    """How many runs of what, and whose energy they know."""
    names = list(shown.machines)
    few = ", ".join(names[:MAX_MACHINES])
    more = f", {len(names) - MAX_MACHINES} more" if len(names) > MAX_MACHINES else ""
    text = (
        f"{counted(shown.runs, 'run')} · {counted(shown.models, 'network')} · "
        f"{counted(len(names), 'machine')}: {few}{more}"
    )
    knows = ", ".join(f"{s} {n:,}" for s, n in shown.scopes.items())
    whose = f"energy known: {knows} (scopes are never pooled) · below: {shown.scope}"
    return [*textwrap.wrap(text, width, subsequent_indent="  "), whose]


def _tasks(shown: Analysis, *, whole: bool) -> list[str]:
    """Tasks whose table is shown: the papers' (inference), or training, and servers."""
    present = {c.task for c in shown.correlations if c.target == shown.scope}
    if whole:
        return [task for task in ("infer", "train", "serve") if task in present]
    first = [task for task in ("infer", "train") if task in present][:1]
    return first + ["serve"] * ("serve" in present)


def _table(shown: Analysis, task: str, width: int, *, whole: bool) -> Iterator[str]:
    """One line per figure, one column per machine; the last with its interval."""
    rows = [c for c in shown.correlations if c.target == shown.scope and c.task == task]
    groups = list(dict.fromkeys(c.group for c in rows if c.group != POOLED))
    kept = groups if whole else groups[:MAX_MACHINES]
    has_pool = any(c.group == POOLED for c in rows)
    last = POOLED if has_pool else kept[-1]
    kept = [g for g in kept if g != last]
    by_key = {(c.metric, c.group): c for c in rows}
    most = {g: max((c.n for c in rows if c.group == g), default=0) for g in (*kept, last)}
    columns = (*kept, last)
    head = f"Spearman's rho with {shown.scope} energy per sample, {_TASKS[task]}; "
    yield f"{head}of {last} Pearson's r too"
    yield " " * _NAME + "".join(f"{_cut(g):>{_CELL}}" for g in columns) + "   95 %               r"
    yield f"  {'runs':<{_NAME - 2}}" + "".join(f"{most[g]:>{_CELL},}" for g in columns)
    for metric in dict.fromkeys(c.metric for c in rows):
        line = [by_key.get((metric, g)) for g in columns]
        cells = [_rho(c, most[g]) for c, g in zip(line, columns, strict=True)]
        label = f"  {metric}"
        texts = f"{cells[0]:>{_NAME + _CELL - len(label)}}"
        texts += "".join(f"{cell:>{_CELL}}" for cell in cells[1:])
        yield f"{label}{texts}{_span(line[-1]):<19}{_pearson(line[-1])}"
    if has_pool and len(groups) > len(kept):
        yield f"  and {counted(len(groups) - len(kept), 'machine')} more: --all shows them"
    yield from _undefined(rows, width)


def _cut(name: str) -> str:
    """A machine's name in less than a column."""
    return name if len(name) < _CELL else f"{name[: _CELL - 2]}~"


def _rho(c: Correlation | None, most: int) -> str:
    if c is None or c.spearman is None:
        return "-"
    fewer = f" ({c.n})" if c.n != most else ""
    return f"{c.spearman:+.2f}{fewer}"


def _span(c: Correlation | None) -> str:
    if c is None or c.spearman_low is None or c.spearman_high is None:
        return ""
    return f"   {c.spearman_low:+.2f} to {c.spearman_high:+.2f}"


def _pearson(c: Correlation | None) -> str:
    return "" if c is None or c.pearson is None else f"{c.pearson:+.2f}"


def _undefined(rows: Sequence[Correlation], width: int) -> Iterator[str]:
    """Why figures have no correlation on any machine, each reason once."""
    why: dict[str, list[str]] = {}
    for metric in dict.fromkeys(c.metric for c in rows):
        own = [c for c in rows if c.metric == metric]
        if all(c.spearman is None for c in own):
            why.setdefault(max(own, key=lambda c: c.n).reason, []).append(metric)
    for reason, metrics in why.items():
        text = f"  {', '.join(metrics)}: {reason}"
        yield from textwrap.wrap(text, width, subsequent_indent="    ")


def _time(shown: Analysis, width: int) -> list[str]:
    """Pearson's r of time and energy by machine."""
    rows = [c for c in shown.time_energy if c.target == shown.scope and c.pearson is not None]
    task = next((t for t in ("infer", "train", "serve") if any(c.task == t for c in rows)), "")
    each = _by_machine([c for c in rows if c.task == task])
    if not each:
        return []
    return labelled("time", f"and energy, {_TASKS[task]}, Pearson's r: {each}", width)


def _by_machine(rows: Sequence[Correlation]) -> str:
    """Pearson's r of the first machines and of all."""
    kept = [c for c in rows if c.group != POOLED][:MAX_MACHINES]
    kept += [c for c in rows if c.group == POOLED]
    return ", ".join(f"{c.group} {c.pearson:.2f}" for c in kept)


def _phases(shown: Analysis, width: int) -> list[str]:
    """Training over inference."""
    if not shown.phases:
        return []
    times = np.array([p.time_ratio for p in shown.phases])
    energies = [p.energy_ratio for p in shown.phases if p.energy_ratio is not None]
    text = (
        f"training over inference per sample: time x {np.median(times):.1f} "
        f"({times.min():.1f} to {times.max():.1f})"
    )
    if energies:
        text += f", energy x {np.median(energies):.1f} ({min(energies):.1f} to {max(energies):.1f})"
    each = _by_machine([c for c in shown.phase_r if c.pearson is not None and c.metric == "time"])
    return labelled("phases", text + (f"; Pearson's r of the times: {each}" if each else ""), width)


def _knees(shown: Analysis, width: int, whole: bool) -> list[str]:  # noqa: FBT001 (of the screen)
    """Utilisation against power by machine."""
    told = [k for k in shown.knees if k.spearman is not None]
    lines: list[str] = []
    for knee in told if whole else told[:MAX_MACHINES]:
        text = f"{knee.machine} ({knee.n}): utilisation and power {knee.spearman:+.2f}, "
        if knee.knee_util_frac is None:
            text += knee.reason
        else:
            text += f"flat from {knee.knee_util_frac:.0%} on, at {knee.knee_power_w:.0f} W per GPU"
        lines += labelled("knee", text, width)
    return lines


def _chosen(shown: Analysis) -> str:
    """Task whose choice of features is shown."""
    tasks = [s.task for s in shown.selections if s.importances]
    return next((t for t in ("infer", "train", "serve") if t in tasks), "")


def _selection(part: Sequence[Selection], width: int) -> Iterator[str]:
    """Shares of the features by split, below each how well it held."""
    fitted = [s for s in part if s.importances]
    for one in part:
        if one.reason:
            reason = f"{_SPLITS[one.split]}: {one.reason}"
            yield from textwrap.wrap(f"features, {_TASKS[one.task]}, {reason}", width)
    if not fitted:
        return
    heads = "".join(f"{_SPLITS[s.split]:>{_SHARE}}" for s in fitted)
    yield f"{'Lasso features, ' + _TASKS[fitted[0].task]:<{_NAME}}{heads}"
    for name in list(fitted[0].importances)[:MAX_FEATURES]:
        cells = "".join(f"{100 * s.importances.get(name, 0.0):>{_SHARE - 2}.0f} %" for s in fitted)
        yield f"  {name:<{_NAME - 2}}{cells}"
    errors = "".join(f"{_number(s.mdape, 1):>{_SHARE - 2}} %" for s in fitted)
    yield f"  {'error left out (MdAPE)':<{_NAME - 2}}{errors}"
    fits = "".join(f"{_number(s.r2, 2):>{_SHARE}}" for s in fitted)
    yield f"  {'R2 of the logarithm':<{_NAME - 2}}{fits}"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _notes(shown: Analysis, width: int, *, whole: bool) -> Iterator[str]:
    kept = shown.notices if whole else shown.notices[:MAX_NOTES]
    for notice in kept:
        yield from labelled("note", notice, width)
    if hidden := len(shown.notices) - len(kept):
        yield from labelled("note", f"{hidden} more: --all shows them", width)
