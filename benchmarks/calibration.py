"""What a few own runs are worth on a device that was never measured, on a table of runs.

Run: ``python benchmarks/calibration.py runs_train_infer.csv``. Refits the learners without each
device and without each model (about ten minutes on two cores); ``--keep FOLDER`` keeps these
predictions for the next time. ``--write FOLDER`` stores constants and figures beside the bundle in
the folder, as ``joulecast train`` does.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.datasets import runs_table
from joulecast.estimator import bundle as bundles
from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator import kshot, kshot_table, validate
from joulecast.estimator.columns import populations
from joulecast.estimator.fitting import LEARNERS, TARGETS
from joulecast.estimator.frame import frame_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.estimator.bundle import ShortRuns
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.kshot import Trials
    from joulecast.estimator.validate import OutOfFold

PROTOCOLS = (*kshot.PROTOCOLS, "new-model")
COLUMNS = (
    "n", "n_groups", "mdape_before", "plain_mean", "mdape", "p90", "mdape_of_time",
    "mdape_of_power", "devices_before", "devices", "coverage", "width",
)  # fmt: skip
HEADS = ("n", "dev", "k=0", "mean", "ours", "P90", "time", "power", "d k=0", "d ours", "cover", "x")


def out_of_fold(frame: Frame, protocol: str, keep: Path | None) -> OutOfFold:
    """Predictions of a protocol, read from `keep` where they are kept."""
    path = keep / f"{protocol}.npz" if keep else None
    if path is not None and path.is_file():
        with np.load(path) as kept:
            log = {n: {t: kept[f"{n}-{t}"] for t in TARGETS} for n in LEARNERS}
            also = kept.get("also")
            return validate.OutOfFold(log, {}, kept["fold"], kept["group"], kept["far"], also)
    found = validate.out_of_fold(frame, protocol)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {"fold": found.fold, "group": found.group, "far": found.far}
        arrays |= {"also": found.also} if found.also is not None else {}
        for name, by_target in found.log.items():
            arrays |= {f"{name}-{target}": v for target, v in by_target.items()}
        np.savez(path, **arrays)
    return found


def print_table(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table: errors in percent."""
    print(f"\n{title}")
    print(f"{'':26}", *(f"{head:>7}" for head in HEADS))
    for name, figures in table.items():
        print(f"{name:26}", *(f"{figures[column]:7.4g}" for column in COLUMNS))


def part(found: Trials, rows: NDArray[np.bool_]) -> Trials:
    """The trials about the given rows of the frame."""
    return found.take(rows[found.row])


def print_by_device(found: Trials, frame: Frame) -> None:
    """Print the median error of each device by kind and number of runs."""
    print("\nmedian error of each device: k = 0, then 1, 3, 5 runs of each kind")
    for device in np.unique(frame.device[found.row[frame.scored[found.row]]]):
        table = kshot_table.table(part(found, frame.device == device), frame)
        cells = (f"{name.removeprefix('k = ')}: {f['mdape']:.1f}" for name, f in table.items())
        print(f"  {device} (n = {table['k = 0']['n']}): {'; '.join(cells)}")


def print_closest(frame: Frame, oofs: dict[str, OutOfFold], rows: NDArray[np.bool_]) -> None:
    """Print the error after one run of the most alike other workload of the same pair."""
    residual = kshot.signed_residuals(frame, oofs["new-hardware"])
    new = {"time": 0.0, "power": 0.0}
    gpu = populations(frame.columns) == "gpu"
    places = kshot.places(frame, is_new=False)
    before, after = [], []
    for device in np.unique(frame.device[rows]):
        spreads = kshot.spreads(frame, residual, new, gpu & (frame.device != device))
        here = np.flatnonzero(rows & (frame.device == device) & np.isfinite(residual["energy"]))
        ties = kernel.ties(places.take(here), places.take(here))
        far = np.where(ties.model, ties.distance, np.inf) + np.diag(np.full(len(here), np.inf))
        for i, j in enumerate(far.argmin(axis=1)):
            left = residual["energy"][here[i]]
            before.append(left)
            for q, s in spreads.items():
                prior = s.prior_variance(np.array([False]))[0]
                share = ties.covariance(s, repeats=False)[i, j] / prior
                left -= share * residual[q][here[j]]
            after.append(left)
    errors = [np.median(100 * np.abs(np.expm1(-np.array(v)))) for v in (before, after)]
    print(f"  closest other workload of the pair: {errors[0]:.1f} -> {errors[1]:.1f} (k = 1)")


def print_wild(found: ShortRuns) -> None:
    """Print how far one record off by a factor moves an answer that four good ones hold at 1."""
    spreads = found.spreads["gpu"]["time"]
    print("\noffset of time for a sixth model after four runs at 1.0 and one off by a factor")
    for factor in (1.5, 2, 4, 16):
        places = kernel.Places(
            device=np.array(["d"] * 6),
            model=np.array(list("abcdef")),
            scales=np.random.default_rng(0).normal(0, 0.15, (6, 5)),
            kinds=np.zeros((6, 5)),
            is_new=np.zeros(6, dtype=bool),
        )
        given, asked = places.take(np.arange(5)), places.take(np.array([5]))
        among, across = kernel.ties(given, given), kernel.ties(asked, given)
        y = np.log([1.0, 1.0, 1.0, 1.0, factor])
        k = among.covariance(spreads, repeats=True) + kernel.REPEAT**2 * np.eye(5)
        reach = across.covariance(spreads, repeats=True)[0]
        plain = float(reach @ np.linalg.solve(k, y))
        said = kernel.settled(y, k, among.pair)
        robust, _, _ = kernel.posterior(said, reach, across.pair[0], 1.0)
        mean = float(np.exp(y.mean()))
        print(
            f"  x {factor:g}: mean {mean:.3f}, unsettled {np.exp(plain):.3f}, "
            f"ours {np.exp(robust):.3f}"
        )


def main() -> None:
    """Print the tables; store constants and figures if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", type=Path)
    ask = parser.parse_args()
    frame = frame_of(list(runs_table.load(ask.runs)))
    oofs = {p: out_of_fold(frame, p, ask.keep) for p in PROTOCOLS}
    short_runs, trials = kshot.study(frame, oofs)
    card = kshot_table.card_of(trials, frame)
    print_table("device never measured", card["short_runs"])
    print_table("device and model never measured", card["short_runs_new_pair"])
    print_by_device(trials["new-hardware"], frame)
    zeus = np.char.startswith(frame.source, "zeus")
    print_table(
        "Zeus, GPU never measured", kshot_table.table(part(trials["new-hardware"], zeus), frame)
    )
    print_closest(frame, oofs, zeus)
    for model in np.unique(frame.model[zeus & frame.scored]):
        rows = zeus & (frame.model == model)
        print_table(f"Zeus, {model}", kshot_table.table(part(trials["new-hardware"], rows), frame))
    print_wild(short_runs)
    if ask.write:
        bundles.save_short_runs(short_runs, ask.write)
        path = ask.write / bundles.CARD
        stored = json.loads(path.read_text(encoding="utf-8"))
        bundles.write_json({**stored, **card}, path)


if __name__ == "__main__":
    main()
