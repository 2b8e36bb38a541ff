"""What was measured: machines, networks, meters, sources of energy, runs, doubts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from joulecast.answering import hardware_line
from joulecast.core.records import SEEN_ENOUGH
from joulecast.reporting import headline, html, pairs
from joulecast.reporting.figures import Table, table
from joulecast.reporting.points import PARTS, SCOPES, by, positive
from joulecast.reporting.words import (
    NONE,
    counted,
    energy,
    listed,
    percent,
    plain,
    readable,
    seconds,
    watts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.records import Machine, MeterReport
    from joulecast.reporting.material import Material
    from joulecast.reporting.points import Point

_WORDS = {
    "measured": "a sensor stands behind it",
    "modelled": "computed or replayed: no sensor here and now",
    "predicted": "nobody ran it: joulecast's own answer",
    "": "no energy known, only time",
}
_AT_ITS_WORD = "the table says so and names no sensor"


def section(material: Material) -> str:
    """The section."""
    points = material.points
    if not points:
        return html.paragraph("There are no runs. Measure some with 'joulecast profile'.")
    return html.joined(
        [
            html.paragraph(_summary(material)),
            "<h3>Machines</h3>",
            html.short_table(_machines(material), "machines"),
            "<h3>How the energy was got</h3>",
            html.short_table(_sources(points), "rows"),
            _meters(points),
            "<h3>How sure</h3>",
            html.paragraph(_sure(material)),
            html.folded(f"All {counted(len(points), 'run')}", html.table_of(_runs(points))),
            _doubts(material),
        ]
    )


def _summary(material: Material) -> str:
    points = material.points
    models = [readable(m, 30) for m, _ in Counter(p.model for p in points).most_common()]
    tasks = Counter(p.task for p in points)
    said = [
        f"{counted(len(points), 'run')} of {counted(len(models), 'network')} ({listed(models, 5)}) "
        f"on {counted(len(material.machines), 'machine')}: "
        + ", ".join(f"{n:,} {task}" for task, n in tasks.most_common())
    ]
    dates = sorted(p.run.started_at[:10] for p in points if p.run.started_at)
    if dates:
        said.append(
            f"Measured on {dates[0]}"
            if dates[0] == dates[-1]
            else f"Measured from {dates[0]} to {dates[-1]}"
        )
    cut = sum(p.run.status != "complete" for p in points)
    if cut:
        said.append(f"{counted(cut, 'run')} cut short: the record holds what was seen until then")
    return ". ".join(said) + "."


def _machines(material: Material) -> Table:
    rows = []
    groups = by(material.points, "machine")
    for name in material.machines:
        group = groups[(name,)]
        machine, others = _usual_machine(group)
        tdp = [
            f"{kind} {watts(d.tdp_w * max(n, 1))}"
            for kind, d, n in (
                ("gpu", machine.gpu, machine.n_gpus),
                ("cpu", machine.cpu, machine.n_cpus),
            )
            if d is not None and positive(d.tdp_w)
        ]
        line = hardware_line(machine).partition(": ")[2] if machine.accelerator else "not known"
        line += f" (commonest of {others + 1} set-ups)" if others else ""
        idle = next((p.run.measurement.idle_w for p in group if p.run.measurement.idle_w), {})
        rows.append((name, line, ", ".join(tdp) or NONE, _idle(dict(idle)), f"{len(group):,}"))
    return table(("machine", "parts", "TDP", "idle", "runs"), rows)


def _usual_machine(points: Sequence[Point]) -> tuple[Machine, int]:
    """The commonest set-up of a machine (number of devices, power limit), and how many others."""
    machines = [p.run.setup.machine for p in points]
    key = [(m.n_gpus, m.n_cpus, m.gpu_power_limit_w) for m in machines]
    count = Counter(key)
    return machines[key.index(count.most_common(1)[0][0])], len(count) - 1


def _idle(idle_w: dict[str, float]) -> str:
    known = [f"{s} {watts(w)}" for s, w in idle_w.items() if s in SCOPES and positive(w)]
    return ", ".join(known[:3]) or NONE


def _sources(points: Sequence[Point]) -> Table:
    """Per machine and basis: how many runs, which scopes, which sources."""
    rows = []
    for (machine, basis), group in by(points, "machine", "basis").items():
        count: Counter[str] = Counter()
        for p in group:
            sources = p.run.measurement.energy_source
            count.update(
                f"{s}: {sources[s]}" if sources.get(s) else s
                for s in (*PARTS, "wall", "system")
                if s in p.energy_j and (s != "system" or not any(q in sources for q in PARTS))
            )
        how = listed([name for name, _ in count.most_common()], 4) or NONE
        means = _WORDS[str(basis)]
        if basis == "measured" and not any(p.run.measurement.energy_source for p in group):
            means = _AT_ITS_WORD
        rows.append((str(machine), str(basis) or "time only", f"{len(group):,}", how, means))
    return table(("machine", "energy is", "runs", "scopes and sources", "what that means"), rows)


def _meters(points: Sequence[Point]) -> str:
    """The meters that took part, and their gaps."""
    groups: dict[tuple[str, str], list[tuple[float | None, float | None, int, int]]] = {}
    for p in points:
        for m in p.run.measurement.meters:
            key = (m.meter, m.energy_source)
            groups.setdefault(key, []).append((m.period_s, m.seen_frac, m.readings, m.failures))
    if not groups:
        return html.paragraph("The records name no meters.", "more")
    rows = []
    for (meter, source), reports in groups.items():
        period, seen = (sorted(v for r in reports if (v := r[k]) is not None) for k in (0, 1))
        rows.append(
            (
                meter,
                source,
                f"{len(reports):,}",
                f"{sum(r[2] for r in reports):,}",
                f"{sum(r[3] for r in reports):,}",
                seconds(period[len(period) // 2]) if period else NONE,
                f"{sum(v < SEEN_ENOUGH for v in seen):,}",
            )
        )
    head = ("meter", "source", "runs", "readings", "failed", "every", "runs with gaps")
    return html.table_of(table(head, rows))


def _sure(material: Material) -> str:
    """What stands behind the energies, and how predictions compare with them."""
    count = Counter(p.basis for p in material.points)
    said = [f"{n:,} {basis or 'without energy'}" for basis, n in count.most_common()]
    parts = [f"Of {counted(len(material.points), 'run')}, by their energy: {', '.join(said)}."]
    if material.energies or material.times:
        parts += [
            pairs.told("energy", material.energies, material.level),
            pairs.told("time", material.times, material.level),
            pairs.uncompared(material.points),
        ]
    else:
        _, number, text = headline.three(material)[2]
        parts.append(f"{text[0].upper()}{text[1:]}." if number == NONE else f"{number}: {text}.")
    return " ".join(part for part in parts if part)


def _runs(points: Sequence[Point]) -> Table:
    head = (
        "network",
        "machine",
        "task",
        "batch",
        "precision",
        "samples",
        "time",
        "energy",
        "power",
    )
    return table((*head, "energy is", "started"), points, _row)


def _row(p: Point) -> tuple[str, ...]:
    scope = next((s for s in SCOPES if s in p.energy_j), "")
    return (
        readable(p.model, 40),
        readable(p.machine, 30),
        p.task,
        plain(p.batch_size) if p.task != "serve" else NONE,
        readable(p.run.setup.workload.precision, 8),
        NONE if p.samples is None else f"{p.samples:,.0f}",
        seconds(p.duration_s),
        f"{energy(p.energy_j[scope])} {scope}" if scope else NONE,
        watts(p.power_w.get(scope)),
        p.basis or "time only",
        (p.run.started_at or NONE)[:16].replace("T", " "),
    )


def _doubts(material: Material) -> str:
    """What the records and the analysis say against themselves, each once, the commonest first."""
    count: Counter[str] = Counter(material.notices)
    for p in material.points:
        count.update(dict.fromkeys((*p.run.measurement.notices, *p.run.setup.notices), 1))
    if not count:
        return ""
    of = len(material.points)
    texts = [f"{n}{f' ({k} of {of} runs)' if k > 1 else ''}" for n, k in count.most_common()]
    gaps = html.notes(texts)
    low = sum(m.seen_frac is not None and m.seen_frac < SEEN_ENOUGH for m in _reports(material))
    lead = f"{counted(low, 'meter')} saw less than {percent(SEEN_ENOUGH)} of a run. " if low else ""
    return f"<h3>Doubts</h3>{html.paragraph(lead) if lead else ''}{gaps}"


def _reports(material: Material) -> Iterator[MeterReport]:
    for p in material.points:
        yield from p.run.measurement.meters
