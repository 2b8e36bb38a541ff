"""From the first epochs to the whole run, on a table of measured epochs that is not shipped.

Run: ``python benchmarks/short_runs.py epochs.csv.gz``. Columns: src, hardware_id, model, dataset,
batch_size, run, power_limit_w, epoch, duration_s, energy_j. Prints errors and coverage of the
constants as shipped, and of constants chosen with the source folder left out that they are scored
on, beside two plain rules.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import extrapolate_epochs as epochs
from joulecast.estimator import extrapolate_rate as rates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from joulecast.estimator.extrapolate import Amount
    from joulecast.estimator.extrapolate_epochs import Settings, Widths

    Array = NDArray[np.float64]

RUN = ("src", "hardware_id", "model", "dataset", "batch_size", "run", "power_limit_w")
SEEN = (1, 2, 3, 4, 6, 10)
FITTED = (1, 2, 3, 4)
MIN_EPOCHS = 5
START_S = (0.0, 0.3, 0.6, 0.9)
RAMP_SHARE = (0.0, 0.25, 0.5, 0.75, 1.0)
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its source folder, and joules and seconds of every epoch."""

    source: str
    energy_j: Array
    duration_s: Array


@dataclass(frozen=True, slots=True)
class Score:
    """What one short run gave: relative errors, coverage, half width, logs and spreads."""

    source: str
    energy_error: float
    duration_error: float
    energy_inside: bool
    duration_inside: bool
    width: float
    ratios: tuple[float, float]
    spreads: tuple[float, float]


def read(path: Path) -> list[Run]:
    """The runs of a table, epochs in order; shorter ones than `MIN_EPOCHS` are left out."""
    rows: dict[tuple[str, ...], list[tuple[int, float, float]]] = defaultdict(list)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as table:
        for row in csv.DictReader(table):
            values = int(row["epoch"]), float(row["energy_j"]), float(row["duration_s"])
            rows[tuple(row[c] for c in RUN)].append(values)
    runs = [(key[0], np.array(sorted(values))) for key, values in rows.items()]
    return [Run(src, v[:, 1], v[:, 2]) for src, v in runs if len(v) >= MIN_EPOCHS]


def units(run: Run, k: int) -> rates.Units:
    """The first k epochs."""
    return rates.Units(run.energy_j[:k], run.duration_s[:k], np.ones(k))


def score(run: Run, k: int, settings: Settings) -> Score:
    """Errors of the whole run from its first k epochs."""
    seen, left = units(run, k), float(len(run.energy_j) - k)
    choice = rates.choose(seen)
    energy, duration = epochs.whole_run(seen, choice, left, LEVEL, settings)
    start = epochs.start_frac(seen, settings)
    logs = rates.logs(seen.energy_j, choice, start), rates.logs(seen.duration_s, choice)
    return Score(
        run.source,
        energy.total / run.energy_j.sum() - 1,
        duration.total / run.duration_s.sum() - 1,
        energy.low <= run.energy_j.sum() <= energy.high,
        duration.low <= run.duration_s.sum() <= duration.high,
        (energy.high - energy.low) / 2 / energy.total,
        (ratio(energy, run.energy_j, k), ratio(duration, run.duration_s, k)),
        (epochs.spread(logs[0]), epochs.spread(logs[1])),
    )


def ratio(amount: Amount, values: Array, k: int) -> float:
    """|log error| of what was still to come."""
    return float(abs(np.log(amount.rest / values[k:].sum())))


def scores(runs: Sequence[Run], k: int, settings: Settings) -> list[Score]:
    """Scores of all runs that are longer than k epochs."""
    return [score(run, k, settings) for run in runs if len(run.energy_j) > k]


def fit(runs: Sequence[Run]) -> Settings:
    """Settings chosen on these runs: each source folder counts alike."""
    base = epochs.SHIPPED

    def cost(start_s: float, share: float, seen: Sequence[int]) -> float:
        settings = epochs.Settings(start_s, share, base.energy, base.duration)
        total = 0.0
        for k in seen:
            for errors in by_source(scores(runs, k, settings), lambda s: abs(s.energy_error)):
                total += float(np.median(errors) + 0.3 * np.quantile(errors, 0.9))
        return total

    start_s = min(START_S, key=lambda value: cost(value, 0.0, (1,)))
    share = min(RAMP_SHARE, key=lambda value: cost(start_s, value, FITTED[1:]))
    chosen = epochs.Settings(start_s, share, base.energy, base.duration)
    return epochs.Settings(start_s, share, widths(runs, chosen, 0), widths(runs, chosen, 1))


def widths(runs: Sequence[Run], settings: Settings, which: int) -> Widths:
    """Largest quantile of a source folder at `LEVEL`, for 1, 2, 3 ... epochs."""
    found: list[float] = []
    for k in range(1, len(epochs.SHIPPED.energy.spreads) + 2):

        def width(s: Score, seen: int = k) -> float:
            return s.ratios[which] / (s.spreads[which] if seen > 1 else 1.0)

        groups = by_source(scores(runs, k, settings), width)
        found.append(max(float(np.quantile(group, LEVEL)) for group in groups))
    return epochs.Widths(found[0], tuple(found[1:]))


def by_source(scored: Sequence[Score], value: Callable[[Score], float]) -> list[Array]:
    """The values of each source folder."""
    sources = sorted({s.source for s in scored})
    return [np.array([value(s) for s in scored if s.source == name]) for name in sources]


def plain(run: Run, k: int) -> tuple[float, float]:
    """Relative energy errors of epoch 1 x epochs, and of epoch 1 + median(2..k) x rest."""
    e, n = run.energy_j, len(run.energy_j)
    usual = float(np.median(e[1:k])) if k > 1 else float(e[0])
    return float(e[0] * n / e.sum() - 1), float((e[0] + usual * (n - 1)) / e.sum() - 1)


def cell(errors: Sequence[float]) -> str:
    """Median and 90 % quantile of |error|, percent."""
    absolute = 100 * np.abs(np.array(errors))
    return f"{np.median(absolute):6.2f} /{np.quantile(absolute, 0.9):6.2f}"


def line(name: str, scored: Sequence[Score]) -> None:
    """Print one row of a table."""
    inside = [100 * np.mean([getattr(s, f) for s in scored]) for f in
              ("energy_inside", "duration_inside")]  # fmt: skip
    print(
        f"  {name:18} {len(scored):4}  {cell([s.energy_error for s in scored])}  "
        f"{cell([s.duration_error for s in scored])}  {inside[0]:5.0f} {inside[1]:6.0f}  "
        f"{100 * float(np.median([s.width for s in scored])):6.2f}"
    )


def table(title: str, runs: Sequence[Run], settings: dict[str, Settings], k: int) -> None:
    """Print the scores at k epochs, per source folder and pooled."""
    pooled = []
    print(f"\n{title}, from epochs 1-{k}" if k > 1 else f"\n{title}, from epoch 1")
    print(f"  {'source':18} {'runs':>4}  {'energy %':>14}  {'time %':>14}  {'cover':>5} "
          f"{'(time)':>6}  {'+-%':>6}")  # fmt: skip
    for source in sorted(settings):
        scored = scores([r for r in runs if r.source == source], k, settings[source])
        if scored:
            line(source, scored)
        pooled += scored
    line("all", pooled)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="table of epochs, CSV, gzipped or not")
    parser.add_argument("--seen", type=int, nargs="*", default=SEEN)
    ask = parser.parse_args()
    runs = read(ask.path)
    sources = sorted({run.source for run in runs})
    print(f"{len(runs)} runs of {MIN_EPOCHS} epochs or more. MdAPE / P90 of |error|, percent.")
    print("cover: share of the 90 % intervals that hold; +-%: median half width of energy")
    for k in ask.seen:
        errors = [plain(run, k) for run in runs if len(run.energy_j) > k]
        print(f"plain rules, k = {k}: epoch 1 x epochs {cell([e[0] for e in errors])}; "
              f"epoch 1 + median(2..k) x rest {cell([e[1] for e in errors])}")  # fmt: skip
    left_out = {s: fit([run for run in runs if run.source != s]) for s in sources}
    for s in sources:
        found = left_out[s]
        print(f"without {s}: start {found.start_s} s, ramp share {found.ramp_share}")
    for k in ask.seen:
        table("as shipped", runs, dict.fromkeys(sources, epochs.SHIPPED), k)
        table("source folder left out", runs, left_out, k)


if __name__ == "__main__":
    main()
