"""Fit, validate group-out, calibrate, write the bundle and its accuracy card."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.records import NOVELTIES
from joulecast.estimator import bundle as bundles
from joulecast.estimator import card as cards
from joulecast.estimator import intervals, kshot, kshot_table, studies, validate
from joulecast.estimator.bundle import Bundle, Calibration, Known
from joulecast.estimator.columns import POPULATIONS, populations
from joulecast.estimator.fitting import TARGETS, fit
from joulecast.estimator.frame import Frame, frame_of, usable
from joulecast.estimator.predictor import device_of, group_of, use_of
from joulecast.estimator.scores import QUANTITIES, scores_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.estimator.validate import OutOfFold

MIN_RUNS = 50


def train(
    runs: Sequence[Run],
    inputs: Sequence[Path],
    out: Path,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fit a bundle on `runs`, write it and its card into `out`, and return the card.

    Parameters
    ----------
    runs : measured runs; those that a quality flag sets aside are not used.
    inputs : the files they came from; the bundle records their SHA-256.
    seed : of the folds and of LightGBM. The same runs and seed give the same files.

    Raises
    ------
    BadInput
        With fewer than `MIN_RUNS` usable runs, or fewer than two models or devices.
    """
    say = progress or (lambda _: None)
    kept = usable(runs)
    _refuse_thin(kept)
    frame = frame_of(kept)
    say(f"fitting on {len(frame)} of {len(runs)} runs")
    fitted = fit(frame, seed)
    oofs = {p: validate.out_of_fold(frame, p, seed, progress=say) for p in validate.PROTOCOLS}
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in inputs}
    bundles.save(Bundle(fitted, calibrate(frame, oofs), known_of(kept), digests), out)
    short_runs, trials = kshot.study(frame, oofs)
    bundles.save_short_runs(short_runs, out)
    answers = {p: validate.stacked(oof, frame) for p, oof in oofs.items()}
    case = studies.Case(frame, kept, oofs, answers, seed)
    card = cards.card_of(frame, oofs) | {
        **kshot_table.card_of(trials, frame),
        **studies.run_all(case, say),
        "inputs": digests,
        "n_runs": len(frame),
        "n_set_aside": len(runs) - len(frame),
        "seed": seed,
    }
    bundles.write_json(card, out / bundles.CARD)
    return card


def _refuse_thin(runs: Sequence[Run]) -> None:
    models = {r.model_group for r in runs}
    devices = {d.id for d in (r.setup.machine.accelerator for r in runs) if d}
    if len(runs) < MIN_RUNS or len(models) < 2 or len(devices) < 2:
        message = (
            f"{len(runs)} usable runs of {len(models)} models on {len(devices)} devices are too "
            f"few to fit on. At least {MIN_RUNS} runs, 2 models and 2 devices are needed"
        )
        raise BadInput(message)


def calibrate(frame: Frame, oofs: Mapping[str, OutOfFold]) -> Calibration:
    """Stack weights and interval scores of every novelty class, from its own protocol's folds."""
    stack: dict[str, dict[str, dict[str, list[float]]]] = {p: {} for p in POPULATIONS}
    scores: dict[str, dict[str, dict[str, list[float]]]] = {p: {} for p in POPULATIONS}
    growth: dict[str, float] = {}
    rows = np.ones(len(frame), dtype=bool)
    population = populations(frame.columns)
    for novelty in NOVELTIES:
        oof = oofs[validate.NOVELTY_PROTOCOL[novelty]]
        found = scores_of(frame, oof, validate.stacked(oof, frame))
        growth[novelty] = found.growth(rows)
        for name in POPULATIONS:
            own = np.flatnonzero(population == name)
            stack[name][novelty] = {
                t: validate.stack_weights(oof, frame, own, t).tolist() for t in TARGETS
            }
            scores[name][novelty] = {
                q: found.quantiles(q, name, rows, growth[novelty]) for q in QUANTITIES
            }
    return Calibration(stack, scores, intervals.hull_of(frame.columns), growth)


def known_of(runs: Sequence[Run]) -> Known:
    """Which models were measured on which devices, and in which use; no measured value."""
    macs: dict[tuple[str, str, str], list[float]] = {}
    count: Counter[tuple[str, str, str]] = Counter()
    for run in runs:
        group, device = group_of(run.setup.architecture), device_of(run.setup)
        macs.setdefault((use_of(run.setup), device, group), []).append(run.setup.architecture.macs)
        count[group, device, run.source] += 1
    pairs: dict[str, dict[str, dict[str, tuple[float, float]]]] = {}
    for (use, device, group), v in sorted(macs.items()):
        pairs.setdefault(use, {}).setdefault(device, {})[group] = (min(v), max(v))
    groups = sorted(((m, d, n, s) for (m, d, s), n in count.items()), key=lambda g: (-g[2], g))
    return Known(pairs, tuple(groups))
