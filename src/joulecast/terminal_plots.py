"""The key figures of a report as text, for people over SSH. Values in, text out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.units import format_si
from joulecast.render import labelled
from joulecast.reporting import headline
from joulecast.reporting.figures._bars import bars_of
from joulecast.reporting.figures._said import basis_of
from joulecast.reporting.figures._serving import bursts
from joulecast.reporting.points import PARTS, Point, by, in_widest, middle, usual_batch
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
        yield from _headed(screen, f"Time per sample on {machine}", usual, timed=True)
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
    chosen = in_widest(p for p in material.of("train", "infer") if p.macs_param and p.samples)
    for machine, own in _of_one_machine(chosen.points):
        if len({p.model for p in own}) < 2:
            return
        series = {
            str(task): [
                (p.macs_param or 0.0, p.per_sample_j(chosen.scope) or 0.0)
                for p in usual_batch(group)
            ]
            for (task,), group in by(own, "task").items()
        }
        text = f"{chosen.scope} J a sample by MACs per parameter, {machine}"
        yield from _headed(screen, text, own)
        yield from _scatter(screen, series, ("", "J"))


def _rates(material: Material, screen: Screen) -> Iterator[str]:
    """Energy per request by rate, per server."""
    chosen = bursts(material)
    scope = chosen.scope
    for machine, own in _of_one_machine(chosen.points):
        groups = sorted(by(own, "model").items(), key=lambda item: -len(item[1]))
        series = {
            readable(str(model), _NAME): [
                (p.rate_rps or 0.0, p.per_sample_j(scope) or 0.0) for p in group
            ]
            for (model,), group in groups[: len(_COLOURS)]
        }
        text = f"{scope} J a request by requests per second, {machine}"
        yield from _headed(screen, text, own)
        yield from _scatter(screen, series, ("", "J"))
        yield from _rest(len(groups), len(_COLOURS))


def _agreement(material: Material, screen: Screen) -> Iterator[str]:
    """Predicted over measured of each model, between half and twice."""
    pairs = material.energies or material.times
    if not pairs:
        return
    what = "energy" if material.energies else "time"
    seen = [p.point for p in pairs]
    yield from _headed(screen, f"Predicted over measured {what}", seen, timed=what == "time")
    fitted = sum(p.fitted for p in pairs)
    if fitted:
        yield f"{fitted:,} of {len(pairs):,} in-sample: fitted on the same sources, proves little"
    wide = max(screen.columns - _NAME - 12, 20)
    yield f"{'':>{_NAME}}  {'0.5':<{wide // 2 - 1}}1{'2':>{wide - wide // 2}}"
    groups: dict[str, list[float]] = {}
    for p in pairs:
        groups.setdefault(readable(p.point.model, _NAME), []).append(p.said / p.seen)
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


def _headed(
    screen: Screen, text: str, points: Sequence[Point], *, timed: bool = False
) -> Iterator[str]:
    basis = basis_of(points, timed=timed)
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


def _rest(count: int, most: int = _MOST_BARS) -> Iterator[str]:
    if count > most:
        yield f"{'':>{_NAME}}  and {count - most:,} more"
