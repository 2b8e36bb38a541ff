"""What the runs say together: recommendations, correlations, phases, knees, chosen features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.reporting import html
from joulecast.reporting.figures import table
from joulecast.reporting.words import NONE, counted, percent, plain, readable, watts

if TYPE_CHECKING:
    from joulecast.core.insight import Analysis, Correlation, Selection

_MOST_FEATURES = 6
_OPEN = 12
"""Rows up to which a table of networks is open."""


def recommendations(analysis: Analysis | None) -> str:
    """The advice, the largest saving first."""
    if analysis is None or not analysis.advice:
        return html.paragraph("These runs give no ground for a recommendation.", "more")
    ordered = sorted(analysis.advice, key=lambda a: -(a.saves_frac or 0.0))
    items = "".join(
        f'<li><span class="kind">{html.said(a.kind)}'
        f"{html.said(f' · saves {percent(a.saves_frac)} of the energy') if a.saves_frac else ''}"
        f"</span>{html.said(a.text)}</li>"
        for a in ordered
    )
    return f'<ul class="plain">{items}</ul>'


def correlations(analysis: Analysis | None) -> str:
    """Tables of what goes together with energy."""
    if analysis is None:
        return html.paragraph("There is nothing to correlate.", "more")
    return html.joined(
        [
            html.paragraph(
                "Rank correlation (Spearman) and linear correlation (Pearson) of each figure with "
                "the energy, with 95 % intervals; n counts the runs that know both. "
                "Machines and scopes are never mixed unless it says pooled.",
                "lead",
            ),
            *_groups(analysis),
            _phases(analysis),
            _knees(analysis),
            _selections(analysis),
        ]
    )


def _groups(analysis: Analysis) -> list[str]:
    """A table per scope, task and group; the first is open, the others on demand."""
    groups: dict[tuple[str, str, str], list[Correlation]] = {}
    for c in (*analysis.correlations, *analysis.time_energy):
        groups.setdefault((c.target, c.task, c.group), []).append(c)
    if not groups:
        return [html.paragraph("No group of runs is large enough to correlate.", "more")]
    first = next(iter(groups))
    found = [f"<h3>{html.said(_title(*first))}</h3>{_group(groups.pop(first))}"]
    own = [html.folded(_title(*k), _group(g)) for k, g in groups.items() if k[0] == first[0]]
    rest = [html.folded(_title(*k), _group(g)) for k, g in groups.items() if k[0] != first[0]]
    if rest:
        own.append(html.folded(f"Other scopes ({counted(len(rest), 'table')})", "".join(rest)))
    return found + own


def _title(target: str, task: str, group: str) -> str:
    where = "machines pooled" if group == "pooled" else group
    return f"{task}, {where}: {target} energy"


def _group(rows: list[Correlation]) -> str:
    """The table of a group, the strongest first; figures that are undefined say why."""
    known = [c for c in rows if c.spearman is not None or c.pearson is not None]
    silent = [c for c in rows if c not in known]
    if not known:
        return html.paragraph(f"{silent[0].reason or 'undefined'}.", "more")
    cells = [
        (
            c.metric,
            _told(c.spearman, c.spearman_low, c.spearman_high),
            _told(c.pearson, c.pearson_low, c.pearson_high),
            f"{c.n:,}",
        )
        for c in sorted(known, key=lambda c: -abs(c.spearman or c.pearson or 0.0))
    ]
    text = html.table_of(table(("figure", "Spearman", "Pearson", "n"), cells))
    if silent:
        names = ", ".join(f"{c.metric} ({c.reason or 'undefined'})" for c in silent)
        text += html.paragraph(f"Undefined: {names}.", "more")
    return text


def _told(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return NONE
    span = "" if low is None or high is None else f" ({low:+.2f} to {high:+.2f})"
    return f"{value:+.2f}{span}"


def _phases(analysis: Analysis) -> str:
    """Training over inference, per network."""
    if not analysis.phases:
        return ""
    rows = [
        (readable(p.model, 40), p.machine, plain(p.time_ratio), plain(p.energy_ratio))
        for p in analysis.phases
    ]
    said = [
        f"{c.metric} on {c.group}: r = {c.pearson:+.2f}, n = {c.n}"
        for c in analysis.phase_r
        if c.pearson is not None
    ]
    text = html.table_of(table(("network", "machine", "time", "energy"), rows))
    if len(rows) > _OPEN:
        text = html.folded(counted(len(rows), "network"), text)
    text += html.paragraph("; ".join(said) + ".", "more") if said else ""
    return f"<h3>Training over inference, per sample</h3>{text}"


def _knees(analysis: Analysis) -> str:
    """Where more utilisation no longer means more power."""
    known = [k for k in analysis.knees if k.knee_util_frac is not None or k.reason]
    if not known:
        return ""
    rows = [
        (
            k.machine,
            percent(k.knee_util_frac),
            watts(k.knee_power_w),
            _told(k.spearman, None, None),
            f"{k.n:,}",
            k.reason or NONE,
        )
        for k in known
    ]
    head = ("machine", "knee at", "power of a GPU there", "Spearman", "n", "remark")
    return f"<h3>Where power saturates</h3>{html.table_of(table(head, rows))}"


def _selections(analysis: Analysis) -> str:
    """Which features Lasso needs, by how the runs were split."""
    if not any(s.importances for s in analysis.selections):
        why = dict.fromkeys(s.reason for s in analysis.selections if s.reason)
        return html.paragraph(f"No features chosen: {'; '.join(why)}.", "more") if why else ""
    rows = [
        (
            f"{s.task}, {s.target}",
            s.split,
            NONE if s.mdape is None else f"{s.mdape:.0f} %",
            "below 0" if s.r2 is not None and s.r2 < 0 else plain(s.r2, 2),
            f"{s.n_train:,} / {s.n_test:,}",
            _features(s),
        )
        for s in analysis.selections
    ]
    head = ("energy of", "left out", "median error", "R²", "fitted / left out", "features")
    lead = html.paragraph(
        "Lasso on a random fifth left out (as in the papers) beside whole networks and whole "
        "machines left out: the difference is how far the random split flatters.",
        "lead",
    )
    return f"<h3>Which figures tell the energy</h3>{lead}{html.table_of(table(head, rows))}"


def _features(s: Selection) -> str:
    if not s.importances:
        return s.reason or NONE
    top = list(s.importances.items())[:_MOST_FEATURES]
    more = len(s.importances) - len(top)
    text = ", ".join(f"{name} {percent(share)}" for name, share in top)
    return text + (f" and {more:,} more" if more > 0 else "")
