"""Fit the serving model, validate group-out, calibrate, write the bundle and its card."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.catalog import normalise
from joulecast.core.errors import BadInput
from joulecast.estimator.bundle import write_json
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import bundle as bundles
from joulecast.estimator.serving import intervals, validate
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.card import card_of
from joulecast.estimator.serving.fitting import fit
from joulecast.estimator.serving.frame import Frame, frame_of, usable
from joulecast.estimator.serving.studies import rate_curve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.estimator.serving.validate import OutOfFold

MIN_RUNS = 50


def train(
    runs: Sequence[Run],
    inputs: Sequence[Path],
    out: Path,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Fit a bundle on `runs` of model servers, write it and its card into `out`, return the card.

    Parameters
    ----------
    runs : measured runs of task ``serve``. inputs : the files they came from; the bundle records
        their SHA-256. seed : of folds and LightGBM; the same runs and seed give the same files.

    Raises
    ------
    BadInput
        With fewer than `MIN_RUNS` usable runs, or fewer than two models or devices.
    """
    say = progress or (lambda _: None)
    kept = usable(runs)
    frame = frame_of(kept) if kept else None
    if frame is None or len(frame) < MIN_RUNS or not _varied(frame):
        message = (
            f"{len(kept)} usable runs of model servers are too few to fit on. At least "
            f"{MIN_RUNS} runs, 2 models and 2 devices are needed"
        )
        raise BadInput(message)
    say(f"fitting on {len(frame)} of {len(runs)} runs")
    fitted = fit(frame, seed)
    oofs = {p: validate.out_of_fold(frame, p, seed, say) for p in validate.PROTOCOLS}
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in inputs}
    stack, scores = _calibrated(frame, oofs)
    hull = intervals.hull_of(frame.columns)
    bundle = Bundle(fitted, stack, scores, hull, *_known(kept), digests)
    bundles.save(bundle, out)
    card = card_of(frame, oofs) | {
        **_studied(kept, bundle, seed),
        "inputs": digests,
        "n_runs": len(frame),
        "n_set_aside": len(runs) - len(frame),
        "seed": seed,
    }
    write_json(card, out / bundles.CARD)
    return card


def _studied(runs: Sequence[Run], bundle: Bundle, seed: int) -> dict[str, Any]:
    """Title -> records of the study of request-rate curves, if `runs` hold one."""
    found = list(rate_curve.records(runs, bundle, seed))
    return {rate_curve.TITLE: found} if found else {}


def _varied(frame: Frame) -> bool:
    return min(len(np.unique(frame.model)), len(np.unique(frame.device))) >= 2


def _calibrated(
    frame: Frame, oofs: Mapping[str, OutOfFold]
) -> tuple[dict[str, list[float]], dict[str, dict[str, list[float]]]]:
    """Stack weights and interval scores of every novelty class, from its own protocol's folds."""
    stack, scores = {}, {}
    everywhere = np.ones(len(frame), dtype=bool)
    for novelty, protocol in validate.NOVELTY_PROTOCOL.items():
        oof = oofs[protocol]
        stack[novelty] = validate.stack_weights(frame, oof, everywhere).tolist()
        answers = validate.stacked(frame, oof)
        scores[novelty] = {
            q: intervals.scores(m - answers[q], oof.far, oof.group)
            for q, m in frame.measured().items()
        }
    return stack, scores


def _known(
    runs: Sequence[Run],
) -> tuple[dict[str, list[str]], tuple[tuple[str, str, int, str], ...]]:
    """Which model groups were measured on which devices; no measured value."""
    count: Counter[tuple[str, str, str]] = Counter()
    pairs: dict[str, set[str]] = {}
    for run in runs:
        device, group = device_of(run.setup), normalise(run.model_group)
        pairs.setdefault(device, set()).update((group, group_of(run.setup.architecture)))
        count[group, device, run.source] += 1
    groups = sorted(((m, d, n, s) for (m, d, s), n in count.items()), key=lambda g: (-g[2], g))
    return {d: sorted(g) for d, g in sorted(pairs.items())}, tuple(groups)
