"""How good forecasts of epochs are: the first 5, 10 and 20 epochs of real training runs.

Takes a CSV with the columns source, curve, epoch, accuracy (0..1) and, if known, schedule. Each
target lies between the best epoch seen and the best of the whole run; the epoch that first shows
it is known. A target above the run's best must have no upper bound below the run's end. The
widening is chosen on one half of the sources and tested on the other, both ways round.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from joulecast.estimator.insight import learning_curve

SEEN = (5, 10, 20)
SHARES = (0.25, 0.5, 0.75, 0.95)
WORTHS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0)
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Asked:
    """One target asked of the beginning of one run; `actual` is infinite where never shown."""

    source: str
    schedule: str
    seen: int
    actual: float
    length: int
    epochs: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the interval holds the epoch, or outlasts a run that never showed the target."""
        if math.isinf(self.actual):
            return self.high > self.length
        return self.low <= self.actual <= self.high


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("curves", type=Path, help="CSV: source,curve,epoch,accuracy[,schedule]")
    curves = read(parser.parse_args().curves)
    asked = ask_all(curves)
    say(f"{len(curves)} runs of {len({s for s, _ in curves})} sources, level {LEVEL:.0%}\n")
    for name, part in parts(asked):
        say(row(name, part))
    say("\nall sources by worth, then each source under the worth chosen on the others\n")
    leave_out(curves)


def read(path: Path) -> dict[tuple[str, str], tuple[str, np.ndarray]]:
    """Schedule and accuracies by source and curve."""
    found: dict[tuple[str, str], list[tuple[int, float, str]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            value = (int(line["epoch"]), float(line["accuracy"]), line.get("schedule") or "")
            found[line["source"], line["curve"]].append(value)
    return {
        key: (rows[0][2], np.array([accuracy for _, accuracy, _ in sorted(rows)]))
        for key, rows in found.items()
    }


def ask_all(curves: dict[tuple[str, str], tuple[str, np.ndarray]]) -> list[Asked]:
    """All targets of all beginnings."""
    out = []
    for (source, _), (schedule, accuracy) in curves.items():
        for seen in SEEN:
            if accuracy.size >= 2 * seen:
                out += ask(source, schedule, accuracy, seen)
    return out


def ask(source: str, schedule: str, accuracy: np.ndarray, seen: int) -> list[Asked]:
    """Targets between the best epoch seen and the best of the run, and one above both."""
    start, best = accuracy[:seen].max(), accuracy.max()
    targets = [start + share * (best - start) for share in SHARES if best > start + 0.005]
    if best < 0.985:
        targets.append(best + 0.01)
    out = []
    for target in targets:
        shown = np.flatnonzero(accuracy >= target)
        actual = float(shown[0] + 1) if shown.size else math.inf
        f = learning_curve.epochs_until(accuracy[:seen].tolist(), float(target), level=LEVEL)
        bounds = (math.inf if e is None else e for e in (f.epochs, f.epochs_low, f.epochs_high))
        out.append(Asked(source, schedule, seen, actual, accuracy.size, *bounds))
    return out


def parts(asked: list[Asked]) -> list[tuple[str, list[Asked]]]:
    """The tables' rows: by epochs seen, by schedule, by source."""
    out = [("all", asked)]
    out += [(f"first {n} epochs", [a for a in asked if a.seen == n]) for n in SEEN]
    kinds = sorted({a.schedule for a in asked})
    out += [(f"schedule: {k or 'unknown'}", [a for a in asked if a.schedule == k]) for k in kinds]
    sources = sorted({a.source for a in asked})
    return out + [(s, [a for a in asked if a.source == s]) for s in sources]


def row(name: str, part: list[Asked]) -> str:
    """One row: how often the interval holds, and the median error of the epochs."""
    shown = [a for a in part if math.isfinite(a.actual)]
    never = [a for a in part if math.isinf(a.actual)]
    told = [a for a in shown if math.isfinite(a.epochs)]
    errors = [abs(math.log(a.epochs / a.actual)) for a in told]
    wide = [a.high / a.low for a in shown if math.isfinite(a.low)]
    median = f"x {math.exp(np.median(errors)):6.2f}" if errors else "       -"
    width = f"x {np.median(wide):7.1f}" if wide else "        -"
    return (
        f"{name:<26} n {len(shown):4d}  held {share(shown)}  told {len(told):3d}, "
        f"median error {median}  width {width}   "
        f"not shown in the run: n {len(never):3d}  held {share(never)}\n"
    )


def share(part: list[Asked]) -> str:
    """Percent of intervals that hold."""
    return f"{100 * np.mean([a.holds for a in part]):5.1f} %" if part else "    -  "


def leave_out(curves: dict[tuple[str, str], tuple[str, np.ndarray]]) -> None:
    """What each worth holds, and each source under the worth that the other sources ask for."""
    by_worth = {}
    kept = learning_curve.WORTH
    for worth in WORTHS:
        learning_curve.WORTH = worth
        by_worth[worth] = ask_all(curves)
        say(row(f"worth {worth:g}", by_worth[worth]))
    learning_curve.WORTH = kept
    tested = []
    for source in sorted({a.source for a in by_worth[kept]}):
        others = {w: [a for a in asked if a.source != source] for w, asked in by_worth.items()}
        held = {w: float(np.mean([a.holds for a in asked])) for w, asked in others.items()}
        good = [w for w, value in held.items() if value >= LEVEL]
        chosen = max(good) if good else max(held, key=lambda w: held[w])
        own = [a for a in by_worth[chosen] if a.source == source]
        tested += own
        say(row(f"{source} (worth {chosen:g})", own))
    say(row("all, left out", tested))


def say(text: str) -> None:
    """Print `text`."""
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
