"""The key figures of a report as text, for people over SSH. Values in, text out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.units import format_si
from joulecast.render import labelled
from joulecast.reporting import headline
from joulecast.reporting.figures._bars import bars_of, basis_of
from joulecast.reporting.figures._serving import points_of
from joulecast.reporting.figures.agreement import energies, times
from joulecast.reporting.points import PARTS, Point, by, middle, usual_batch, widest
from joulecast.reporting.words import readable, seconds, watts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from joulecast.reporting.figures._bars import Bar
    from joulecast.reporting.material import Material

    Told = Callable[[float], str]

_MOST_BARS = 12
_MOST_ADVICE = 5
_NAME = 20
_SIGNS = "█▒░"
_ROWS = 14
_COLOURS = (34, 33, 32, 35, 36)
"""Blue, yellow, green, magenta, cyan of the terminal's own palette."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How wide, and whether in colour."""

    columns: int
    colour: bool = False

    def painted(self, text: str, series: int) -> str:
        """`text` in the colour of a series."""
        if not self.colour or not text:
            return text
        return f"\x1b[{_COLOURS[series % len(_COLOURS)]}m{text}\x1b[0m"

    def heading(self, text: str) -> str:
        """A line that begins a figure."""
        short = readable(text, self.columns)
        return f"\x1b[1m{short}\x1b[0m" if self.colour else short


def terminal_report(
    material: Material, columns: int = 80, *, colour: bool = False, title: str | None = None
) -> str:
    """The three numbers, the advice, and the key figures drawn in `columns` columns.

    Parameters
    ----------
    colour : with the terminal's colours. title : of the first line.
    """
    screen = Screen(columns, colour)
    lines = [screen.heading(title or "Energy of machine-learning runs"), ""]
    for name, number, text in headline.three(material):
        lines += labelled(name.lower(), f"{number}   {text}", columns)
    if material.analysis:
        ordered = sorted(material.analysis.advice, key=lambda a: -(a.saves_frac or 0.0))
        for advice in ordered[:_MOST_ADVICE]:
            lines += labelled("advice", readable(advice.text), columns)
    figures = [*_time(material, screen), *_power(material, screen), *_size(material, screen)]
    figures += [*_rates(material, screen), *_agreement(material, screen)]
    if not figures:
        lines += ["", "Nothing to draw: the runs know neither energy nor time."]
    return "\n".join(line.rstrip() for line in [*lines, *figures]) + "\n"


def _time(material: Material, screen: Screen) -> Iterator[str]:
    """Time per sample by model and task, of the machine with most runs."""
    points = [p for p in material.of("train", "infer") if p.sample_s]
    for machine, own in _of_one_machine(points):
        tasks = [[p for p in own if p.task == task] for task in ("train", "infer")]
        usual = [p for some in tasks for p in usual_batch(some)]
        bars = bars_of(usual, lambda p: {p.task: p.sample_s})
        yield from _headed(screen, f"Time per sample on {machine}", own)
        yield from _bars(screen, bars, ("train", "infer"), seconds, stacked=False)


def _power(material: Material, screen: Screen) -> Iterator[str]:
    """Mean power by model and device."""
    points = [p for p in material.of("train", "infer") if any(s in p.power_w for s in PARTS)]
    for machine, own in _of_one_machine(points):
        task = "train" if any(p.task == "train" for p in own) else "infer"
        some = usual_batch([p for p in own if p.task == task])
        bars = bars_of(some, lambda p: {s: p.power_w[s] for s in PARTS if s in p.power_w})
        yield from _headed(screen, f"Mean power on {machine}, {task}", some)
        yield from _bars(screen, bars, PARTS, watts, stacked=True)


def _size(material: Material, screen: Screen) -> Iterator[str]:
    """Energy per sample against MACs per parameter."""
    points = [p for p in material.of("train", "infer") if p.macs_param and p.samples]
    scope = widest(points)
    known = usual_batch([p for p in points if p.per_sample_j(scope)])
    if len({p.model for p in known}) < 2:
        return
    series = {
        task: [(p.macs_param or 0.0, p.per_sample_j(scope) or 0.0) for p in group]
        for (task,), group in by(known, "task").items()
    }
    named = {str(task): spots for task, spots in series.items()}
    yield from _headed(screen, f"Joules ({scope}) a sample by MACs per parameter", known)
    yield from _scatter(screen, named, ("", "J"))


def _rates(material: Material, screen: Screen) -> Iterator[str]:
    """Energy per request by rate, per server."""
    points = points_of(material, Point.per_sample_j)
    if not points:
        return
    scope = widest(points)
    series = {
        readable(str(model), _NAME): [(p.rate_rps or 0.0, p.per_sample_j(scope) or 0.0) for p in g]
        for (model,), g in list(by(points, "model").items())[: len(_COLOURS)]
    }
    yield from _headed(screen, f"Joules ({scope}) a request by requests per second", points)
    yield from _scatter(screen, series, ("", "J"))


def _agreement(material: Material, screen: Screen) -> Iterator[str]:
    """Predicted over measured of each model, between half and twice."""
    pairs = energies(material) or times(material)
    if not pairs:
        return
    what = "energy" if energies(material) else "time"
    yield from _headed(screen, f"Predicted over measured {what}", [p for p, *_ in pairs])
    wide = max(screen.columns - _NAME - 12, 20)
    yield f"{'':>{_NAME}}  {'0.5':<{wide // 2 - 1}}1{'2':>{wide - wide // 2}}"
    groups: dict[str, list[float]] = {}
    for p, seen, said, _, _ in pairs:
        groups.setdefault(readable(p.model, _NAME), []).append(said / seen)
    ranked = sorted(groups.items(), key=lambda item: -abs(math.log(middle(item[1]) or 1.0)))
    for name, ratios in ranked[:_MOST_BARS]:
        row = list("·" + " " * (wide // 2 - 2) + "│" + " " * (wide - wide // 2 - 1) + "·")
        for ratio in ratios:
            at = (1 + math.log2(min(max(ratio, 0.5), 2.0))) / 2
            row[round(at * (len(row) - 1))] = "●"
        told = f"{middle(ratios):.2f}"
        yield f"{name:>{_NAME}}  {screen.painted(''.join(row), 0)}  {told}"
    yield from _rest(len(ranked))


def _of_one_machine(points: Sequence[Point]) -> Iterator[tuple[str, list[Point]]]:
    """The machine that most of the points are of, with them; nothing without points."""
    groups = by(points, "machine")
    if groups:
        machine = max(groups, key=lambda m: len(groups[m]))
        yield readable(str(machine[0]), 30), groups[machine]


def _headed(screen: Screen, text: str, points: Sequence[Point]) -> Iterator[str]:
    basis = basis_of(points)
    yield ""
    yield screen.heading(f"{text} ({basis})" if basis else text)


def _bars(
    screen: Screen, bars: Sequence[Bar], series: Sequence[str], told: Told, *, stacked: bool
) -> Iterator[str]:
    """Bars of the first models with their numbers at the end; signs tell the series apart."""
    used = [s for s in series if any(s in bar.amounts for bar in bars)]
    yield "  ".join(
        screen.painted(_SIGNS[series.index(s)] * 2, series.index(s)) + f" {s}" for s in used
    )
    wide = screen.columns - _NAME - 14
    shown = bars[:_MOST_BARS]
    longest = max((b.total if stacked else max(b.amounts.values()) for b in shown), default=1.0)
    for bar in shown:
        name = f"{readable(bar.model, _NAME - 2)}{' p' if bar.predicted else ''}"
        rows = [bar.amounts] if stacked else [{s: bar.amounts[s]} for s in used if s in bar.amounts]
        for k, row in enumerate(rows):
            drawn = _bar(screen, row, series, wide / longest)
            value = told(sum(row.values()))
            yield f"{name if k == 0 else '':>{_NAME}}  {drawn} {value}"
    if any(bar.predicted for bar in shown):
        yield f"{'':>{_NAME}}  p: predicted"
    yield from _rest(len(bars))


def _bar(screen: Screen, row: Mapping[str, float], series: Sequence[str], scale: float) -> str:
    parts, done = [], 0.0
    for name in series:
        if name in row:
            start, done = round(done * scale), done + row[name]
            signs = _SIGNS[series.index(name)] * (round(done * scale) - start)
            parts.append(screen.painted(signs, series.index(name)))
    return "".join(parts) or "▏"


def _scatter(
    screen: Screen, series: Mapping[str, Sequence[tuple[float, float]]], units: tuple[str, str]
) -> Iterator[str]:
    """Points on logarithmic axes, a letter per series."""
    spots = [(x, y) for some in series.values() for x, y in some if x > 0 and y > 0]
    if not spots:
        return
    xs, ys = [math.log(x) for x, _ in spots], [math.log(y) for _, y in spots]
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    margin = 10
    wide = screen.columns - margin - 2
    grid = [[" "] * wide for _ in range(_ROWS)]
    for k, some in enumerate(series.values()):
        for x, y in some:
            column = _cell(math.log(x), left, right, wide)
            row = _ROWS - 1 - _cell(math.log(y), low, high, _ROWS)
            grid[row][column] = screen.painted("abcde"[k % 5], k)
    for i, cells in enumerate(grid):
        value = math.exp(high) if i == 0 else math.exp(low) if i == _ROWS - 1 else None
        label = "" if value is None else format_si(value, units[1])
        yield f"{label:>{margin - 1}} │{''.join(cells)}"
    yield f"{'':>{margin}}└{'─' * wide}"
    ends = (format_si(math.exp(left), units[0]), format_si(math.exp(right), units[0]))
    yield f"{'':>{margin + 1}}{ends[0]}{ends[1]:>{wide - len(ends[0])}}"
    letters = [f"{screen.painted('abcde'[k % 5], k)} {name}" for k, name in enumerate(series)]
    yield f"{'':>{margin + 1}}{'   '.join(letters)}"


def _cell(value: float, low: float, high: float, count: int) -> int:
    share = (value - low) / (high - low) if high > low else 0.5
    return round(share * (count - 1))


def _rest(count: int) -> Iterator[str]:
    if count > _MOST_BARS:
        yield f"{'':>{_NAME}}  and {count - _MOST_BARS:,} more"
