"""What one, two and three bursts are worth for a model server that was never measured.

Run: ``python benchmarks/serving_bursts.py runs_serving.csv``. The physics is refitted without each
device, each model and each pair; then rows of the held-out device are given back (table 1), bursts
of the measured request-rate curve (table 2) and bursts of simulated servers (table 3). ``--write
FOLDER`` stores the learned prior beside the bundle in the folder.
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
from joulecast.estimator.serving import (
    calibration,
    calibration_prior,
    fitting,
    intervals,
    predictor,
)
from joulecast.estimator.serving import calibration_simulated as simulated
from joulecast.estimator.serving import calibration_study as study
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.frame import QUANTITIES, frame_of, usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.calibration_study import Cases
    from joulecast.estimator.serving.calibration_update import Prior
    from joulecast.estimator.serving.fitting import Fitted
    from joulecast.estimator.serving.frame import Frame

    Rows = NDArray[np.intp]

FOLDS = 6
LOADS = (0.05, 0.15, 0.3)
BURST_LOADS = (0.3, 0.08, 1.5)
SERVERS = 20
RULE = 0.93


def held_out(runs: Sequence[Run], frame: Frame, protocol: str) -> Cases:
    """Cases answered by a physics that never saw their device, model or pair."""
    rng = np.random.default_rng(0)
    models = rng.permutation(np.unique(frame.model))
    fold_of = {m: i % FOLDS for i, m in enumerate(models)}
    fold = np.array([fold_of[m] for m in frame.model])
    by_device, by_model = protocol != "new-model", protocol != "new-hardware"
    devices = np.unique(frame.device) if by_device else [""]
    parts = []
    for device in devices:
        for f in range(FOLDS if by_model else 1):
            here = (frame.device == device) if by_device else np.ones(len(frame), dtype=bool)
            own = (fold == f) if by_model else np.ones(len(frame), dtype=bool)
            asked = np.flatnonzero(here & own)
            kept = np.flatnonzero(~(here & by_device) & ~(own & by_model))
            if len(asked):
                fitted = fitting.fit(frame.take(kept))
                parts.append(study.cases_of([runs[i] for i in asked.tolist()], fitted))
    return study.joined(parts)


def bundle_of(fitted: Fitted, frame: Frame) -> Bundle:
    """The bundle of `fitted` with the learners' mean as its answer."""
    novelties = [str(n) for n in NOVELTIES]
    even = {n: [1 / len(fitting.LEARNERS)] * len(fitting.LEARNERS) for n in novelties}
    scores = {n: dict.fromkeys(QUANTITIES, [0.5] * len(LEVELS)) for n in novelties}
    hull = intervals.hull_of(frame.columns)
    pairs = {d: sorted(set(frame.model[frame.device == d])) for d in np.unique(frame.device)}
    return Bundle(fitted, even, scores, hull, pairs, (), {})


def print_rows(title: str, table: dict[str, dict[str, float]]) -> None:
    """Print one table of errors in percent."""
    print(f"\n{title}\n{'':24}{'n':>7}{'MdAPE':>8}{'P90':>8}{'cover':>8}")
    for name, line in table.items():
        cells = "".join(f"{line[c]:8.1f}" for c in ("mdape", "p90", "coverage"))
        print(f"{name:24}{line['n']:7.0f}{cells}")


def priors(new_hardware: Cases, new_model: Cases) -> tuple[Prior, dict[str, Prior]]:
    """The prior of all rows, and per device that of the others."""
    devices = np.unique(new_hardware.device)
    without = {}
    for device in devices:
        here, also = (c.take(np.flatnonzero(c.device != device)) for c in (new_hardware, new_model))
        without[str(device)] = study.learned(here, also)
    return study.learned(new_hardware, new_model), without


def print_request_rates(curve: Sequence[Run], bundle: Bundle, prior: Prior) -> None:
    """Print errors at the other rates of the measured curve after 0, 1, 2 and 3 bursts."""
    count = np.array([r.measurement.samples or 1.0 for r in curve])
    measured = np.array([r.measurement.energy_j["gpu"] for r in curve]) / count
    print(f"\nrequest-rate curve, {len(curve)} rates\n{'':24}{'n':>7}{'MdAPE':>8}{'P90':>8}")
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
                    sd = (adjust.energy_sd or 0.0, adjust.saturation_sd or 0.0)
                found = predictor.answer([asked], bundle, adjust=adjust)
                off = float(np.log(found.request_j[0] / true_j))
                of_saturation = float(np.log(found.saturation_rps[0] / truth.saturation_rps))
                errors.setdefault(f"{k} bursts", []).append(off)
                errors.setdefault(f"{k} bursts, saturation", []).append(of_saturation)
                if k:
                    for q, o, s in (("", off, sd[0]), (", saturation", of_saturation, sd[1])):
                        inside.setdefault(f"{k} bursts{q}", []).append(abs(o) <= 1.645 * s)
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


def main() -> None:
    """Print the tables; store the prior if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--write", type=Path)
    ask = parser.parse_args()
    runs = [r for r in usable(list(serving_table.load(ask.runs))) if "tier_T" not in r.quality_flag]
    table = [r for r in runs if r.source.startswith("ml_energy_v")]
    frame = frame_of(table)
    cases = {p: held_out(table, frame, p) for p in ("new-hardware", "new-model", "new-pair")}
    prior, without = priors(cases["new-hardware"], cases["new-model"])
    found = {p: study.trials(cases[p], without) for p in ("new-hardware", "new-pair")}
    prior = study.scored(found["new-hardware"], prior)
    print_rows("device never measured", study.table(found["new-hardware"]))
    print_rows("device and model never measured", study.table(found["new-pair"]))
    bundle = bundle_of(fitting.fit(frame), frame)
    print_request_rates([r for r in runs if r.source == "ml_energy_rps"], bundle, prior)
    print_simulated(table, bundle, prior)
    if ask.write:
        text = json.dumps(calibration_prior.to_dict(prior), indent=1) + "\n"
        (ask.write / calibration_prior.FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
