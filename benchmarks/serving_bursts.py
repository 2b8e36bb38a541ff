"""What one, two and three bursts are worth for a model server that was never measured.

Run: ``python benchmarks/serving_bursts.py runs_serving.csv``. The stack of learners is refitted
without each device, each model and each pair; then rows of the held-out device are given back
(table 1), and bursts of the measured request-rate curve, its device held out (table 2). Bursts of
simulated servers (table 3) sharpen the bundle that comes with the package. ``--write FOLDER``
stores the learned prior there.
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import NOVELTIES
from joulecast.datasets import serving_table
from joulecast.estimator.intervals import LEVELS
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import bundle as bundles
from joulecast.estimator.serving import (
    calibration,
    calibration_prior,
    fitting,
    intervals,
    predictor,
    validate,
)
from joulecast.estimator.serving import calibration_simulated as simulated
from joulecast.estimator.serving import calibration_study as study
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.frame import QUANTITIES, TARGETS, frame_of, usable
from joulecast.estimator.serving.validate import OutOfFold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run, Setup
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.calibration_study import Cases
    from joulecast.estimator.serving.calibration_update import Prior
    from joulecast.estimator.serving.fitting import Fitted
    from joulecast.estimator.serving.frame import Frame

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

PROTOCOLS = ("new-hardware", "new-model", "new-pair")
LOADS = (0.05, 0.15, 0.3)
BURST_LOADS = (0.3, 0.08, 1.5)
SERVERS = 20
RULE = 0.93
"""Share of the power limit that a server is taken to draw at any rate."""


def folds(runs: Sequence[Run], frame: Frame, protocol: str) -> list[tuple[Rows, Bundle]]:
    """Rows that are asked, with a bundle that never saw their device, model or pair.

    The learners' weights come from what the other rows' folds say of these.
    """
    fits = [(k, a, fitting.fit(frame.take(k))) for k, a in validate.folds(frame, protocol)]
    log = {name: {t: np.full(len(frame), np.nan) for t in TARGETS} for name in fitting.LEARNERS}
    for _, asked, fitted in fits:
        for name, answers in fitted.predict(frame.take(asked).columns).items():
            for target in TARGETS:
                log[name][target][asked] = answers[target]
    none = np.zeros(len(frame))
    oof = OutOfFold(log, {}, frame.device, none.astype(np.intp), none)
    out = []
    for known, asked, fitted in fits:
        weights = validate.stack_weights(frame, oof, np.isin(np.arange(len(frame)), known))
        kept = [runs[i].setup for i in known.tolist()]
        out.append((asked, bundle_of(fitted, weights.tolist(), kept)))
    return out


def bundle_of(fitted: Fitted, weights: list[float], setups: Sequence[Setup]) -> Bundle:
    """A bundle fitted on `setups`; nobody asks it for intervals."""
    names = [str(n) for n in NOVELTIES]
    scores = {n: dict.fromkeys(QUANTITIES, [0.5] * len(LEVELS)) for n in names}
    pairs: dict[str, set[str]] = {}
    for s in setups:
        pairs.setdefault(device_of(s), set()).add(group_of(s.architecture))
    hull = intervals.hull_of(columns_of(setups))
    known = {d: sorted(groups) for d, groups in pairs.items()}
    return Bundle(fitted, dict.fromkeys(names, weights), scores, hull, known, (), {})


def cases_of(runs: Sequence[Run], parts: Sequence[tuple[Rows, Bundle]]) -> Cases:
    """All cases of a protocol's folds."""
    bursts = [(study.telling([runs[i] for i in rows.tolist()]), bundle) for rows, bundle in parts]
    return study.joined([study.cases_of(own, bundle) for own, bundle in bursts if own])


def print_rows(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table of errors in percent."""
    print(f"\n{title}\n{'':24}{'n':>7}{'MdAPE':>8}{'P90':>8}{'cover':>8}")
    for name, line in table.items():
        cells = "".join(f"{line[c]:8.1f}" for c in ("mdape", "p90", "coverage"))
        print(f"{name:24}{line['n']:7.0f}{cells}")


def priors_without(new_hardware: Cases, new_model: Cases) -> dict[str, Prior]:
    """Per device the prior that the others teach."""
    out = {}
    for device in np.unique(new_hardware.device):
        here, also = (c.take(np.flatnonzero(c.device != device)) for c in (new_hardware, new_model))
        out[str(device)] = study.learned(here, also)
    return out


def print_request_rates(curve: Sequence[Run], bundle: Bundle, prior: Prior) -> None:
    """Print errors at the other rates of the measured curve after 0, 1, 2 and 3 bursts."""
    count = np.array([r.measurement.samples or 1.0 for r in curve])
    measured = np.array([r.measurement.energy_j["gpu"] for r in curve]) / count
    print(f"\nrequest-rate curve of a device never measured, {len(curve)} rates")
    print(f"{'':24}{'n':>7}{'MdAPE':>8}{'P90':>8}")
    for k in range(4):
        errors, sets = [], list(combinations(range(len(curve)), k))
        for picked in sets:
            given = [curve[i] for i in picked]
            for i in sorted(set(range(len(curve))) - set(picked)):
                adjust, _, _ = calibration.adjusted(curve[i].setup, given, bundle, prior)
                found = predictor.answer([curve[i].setup], bundle, adjust=adjust)
                errors.append(100 * abs(_drained_j(found, curve[i], count[i]) / measured[i] - 1))
        _print_line(f"{k} bursts", errors)
    gpu = curve[0].setup.machine.gpu
    served = np.array([r.measurement.burst.achieved_rps for r in curve if r.measurement.burst])
    if gpu is not None:
        rule = 100 * np.abs(RULE * gpu.tdp_w / served / measured - 1)
        _print_line("0.93 limit / achieved", rule.tolist())
    zero = predictor.answer([curve[-1].setup], bundle)
    print(f"saturation {float(zero.saturation_rps[0]):.2f} answered, {served.max():.2f} measured")


def _print_line(name: str, errors: Sequence[float]) -> None:
    print(f"{name:24}{len(errors):7}{np.median(errors):8.1f}{np.quantile(errors, 0.9):8.1f}")


def _drained_j(found: ServingAnswers, run: Run, count: float) -> float:
    """Joules per request of `count` of them, measured until the last one was answered."""
    serving, latency_s = run.setup.workload.serving, float(found.latency_s[0])
    rate_rps = (serving.rate_rps if serving else None) or 0.0
    longer = 1 + latency_s * rate_rps / count if np.isfinite(latency_s) else 1.0
    return float(found.request_j[0]) * longer


def print_simulated(runs: Sequence[Run], bundle: Bundle, prior: Prior) -> None:
    """Print errors of simulated servers at light load and of their saturation."""
    rng = np.random.default_rng(5)
    errors: dict[str, list[float]] = {}
    inside: dict[str, list[bool]] = {}
    roomy = [s for s in (simulated.as_server(r.setup, rng) for r in runs) if simulated.is_roomy(s)]
    for n, i in enumerate(rng.choice(len(roomy), SERVERS, replace=False)):
        setup = roomy[i]
        truth = simulated.drawn(setup, bundle.coefficients, rng)
        zero = float(predictor.answer([predictor.at_rate(setup, 1.0)], bundle).saturation_rps[0])
        given = [simulated.burst(truth, x * zero, 10 * n + j) for j, x in enumerate(BURST_LOADS)]
        for load in LOADS:
            rate = load * truth.saturation_rps
            true_j = simulated.energy_per_request_j(truth, rate, n)
            asked, gpu = predictor.at_rate(setup, rate), setup.machine.gpu
            limit_w = (gpu.tdp_w if gpu else 0.0) * setup.machine.n_gpus
            errors.setdefault("rule", []).append(np.log(RULE * limit_w / rate / true_j))
            for k in range(4):
                adjust = Adjustment()
                if k:
                    adjust, _, _ = calibration.adjusted(asked, given[:k], bundle, prior)
                a = predictor.answer([asked], bundle, adjust=adjust)
                for name, said, low, high, true in (
                    ("", a.request_j, a.request_low_j, a.request_high_j, true_j),
                    (", saturation", *_saturation(a), truth.saturation_rps),
                ):
                    errors.setdefault(f"{k} bursts{name}", []).append(np.log(said[0] / true))
                    inside.setdefault(f"{k} bursts{name}", []).append(low[0] <= true <= high[0])
    table = {}
    for name in sorted(errors):
        error = 100 * np.abs(np.expm1(errors[name]))
        cover = 100 * float(np.mean(inside[name])) if name in inside else np.nan
        table[name] = {
            "n": len(error),
            "mdape": float(np.median(error)),
            "p90": float(np.quantile(error, 0.9)),
            "coverage": cover,
        }
    print_rows(
        f"{SERVERS} simulated servers at {LOADS} of saturation, bursts at {BURST_LOADS}", table
    )


def _saturation(a: ServingAnswers) -> tuple[Array, Array, Array]:
    return a.saturation_rps, a.saturation_low_rps, a.saturation_high_rps


def main() -> None:
    """Print the tables; store the prior if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--write", type=Path)
    ask = parser.parse_args()
    shipped = bundles.load()
    runs = usable(list(serving_table.load(ask.runs)))
    frame = frame_of(runs)
    parts = {p: folds(runs, frame, p) for p in PROTOCOLS}
    cases = {p: cases_of(runs, parts[p]) for p in PROTOCOLS}
    without = priors_without(cases["new-hardware"], cases["new-model"])
    found = {p: study.trials(cases[p], without) for p in ("new-hardware", "new-pair")}
    for protocol, title in (("new-hardware", "device"), ("new-pair", "device and model")):
        for images, kind in ((False, "text"), (True, "images")):
            rows = cases[protocol].images[found[protocol].row] == images
            table = study.table(found[protocol].take(rows))
            print_rows(f"{title} never measured, {kind}", table)
    curve = [r for r in runs if r.source == "ml_energy_rps"]
    device = device_of(curve[0].setup)
    unseen = next(b for _, b in parts["new-hardware"] if device not in b.pairs)
    learned = study.learned(cases["new-hardware"], cases["new-model"])
    print_request_rates(curve, unseen, without.get(device, learned))  # it taught no spread itself
    prior = study.scored(found["new-hardware"], learned)
    print_simulated([r for r in runs if r.source.startswith("ml_energy_v")], shipped, prior)
    if ask.write:
        ask.write.mkdir(parents=True, exist_ok=True)
        text = json.dumps(calibration_prior.to_dict(prior), indent=1) + "\n"
        (ask.write / calibration_prior.FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
