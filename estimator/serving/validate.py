"""Group-out validation: what would have been said without the group that is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import baselines, intervals
from joulecast.estimator.serving.fitting import LEARNERS, fit
from joulecast.estimator.serving.frame import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Rows = NDArray[np.intp]

PROTOCOLS = ("random", "new-model", "new-family", "new-hardware", "new-pair", "new-source")
NOVELTY_PROTOCOL = {
    "seen-pair": "random",
    "new-model": "new-model",
    "new-hardware": "new-hardware",
    "new-pair": "new-pair",
}
N_PARTS = 5
N_MODEL_FOLDS = 10
WORST = 0.7
"""Errors beyond this (natural log, a factor of 2) count the same when learners are weighed."""
_EVEN = np.array([1.0, 1.0, 1.0]) / 3


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of one protocol, all (n_rows,).

    Attributes
    ----------
    log : per learner and target. baseline : log joules per output token per baseline.
    group : what was left out with the row. part : fifth of those groups. far : distance from the
        fold's hull.
    """

    log: dict[str, dict[str, Array]]
    baseline: dict[str, Array]
    group: Labels
    part: NDArray[np.intp]
    far: Array


def folds(frame: Frame, protocol: str, seed: int = 0) -> Iterator[tuple[Rows, Rows]]:
    """(rows to fit on, rows to predict) of a protocol.

    Model groups are left out a tenth at a time. In ``new-pair`` a device and a fifth of the model
    groups are both left out, and only their common rows are predicted.
    """
    index = np.arange(len(frame))
    if protocol == "random":
        part = np.random.default_rng(seed).permutation(len(frame)) % N_PARTS
        pairs = [(part != i, part == i) for i in range(N_PARTS)]
    elif protocol == "new-model":
        part = dealt(frame.model, N_MODEL_FOLDS)
        pairs = [(part != i, part == i) for i in range(N_MODEL_FOLDS)]
    elif protocol == "new-pair":
        part = dealt(frame.model, N_PARTS)
        pairs = [
            ((frame.device != d) & (part != i), (frame.device == d) & (part == i))
            for d in np.unique(frame.device)
            for i in range(N_PARTS)
        ]
    else:
        labels = _labels(frame, protocol)
        pairs = [(labels != label, labels == label) for label in np.unique(labels)]
    for known, asked in pairs:
        if asked.any() and known.any():
            yield index[known], index[asked]


def dealt(labels: Labels, n: int) -> NDArray[np.intp]:
    """Part of each label, 0 to n - 1: the labels of most rows are dealt out first, in turn."""
    distinct, inverse, count = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(distinct), dtype=np.intp)
    rank[np.argsort(-count, kind="stable")] = np.arange(len(distinct))
    part: NDArray[np.intp] = rank[inverse] % n
    return part


def _labels(frame: Frame, protocol: str) -> Labels:
    return {
        "new-model": frame.model,
        "new-family": frame.family,
        "new-hardware": frame.device,
        "new-pair": frame.device,
        "new-source": frame.source,
    }[protocol]


def out_of_fold(
    frame: Frame,
    protocol: str,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> OutOfFold:
    """Predictions for every row by learners that never saw the row's group, refitted per fold."""
    n = len(frame)
    log = {name: {t: np.full(n, np.nan) for t in TARGETS} for name in LEARNERS}
    base = {name: np.full(n, np.nan) for name in baselines.BASELINES}
    far = np.full(n, np.nan)
    for known, asked in folds(frame, protocol, seed):
        mine, theirs = frame.take(known), frame.take(asked)
        answers = fit(mine, seed).predict(theirs.columns)
        for name in LEARNERS:
            for target in TARGETS:
                log[name][target][asked] = answers[name][target]
        for name, values in baselines.log_token_j(mine, theirs).items():
            base[name][asked] = values
        far[asked] = intervals.distance(theirs.columns, intervals.hull_of(mine.columns))
    if progress:
        progress(protocol)
    if protocol == "random":
        return OutOfFold(log, base, np.arange(n).astype(str), np.arange(n) % N_PARTS, far)
    group = _labels(frame, protocol)
    return OutOfFold(log, base, group, dealt(group, N_PARTS), far)


def stack_weights(frame: Frame, oof: OutOfFold, rows: NDArray[np.bool_]) -> Array:
    """Convex weights of the learners, tenths, of least weighted absolute error of energy.

    Time and power share them: their errors may cancel, and a mix of each alone would undo that.
    """
    known = rows & np.isfinite(frame.log_token_j)
    known &= np.isfinite(oof.log["physics"]["time"])
    if not known.any():
        return _EVEN
    answers = np.column_stack([sum(oof.log[n][t][known] for t in TARGETS) for n in LEARNERS])
    best, least = _EVEN, np.inf
    for i in range(11):
        for j in range(11 - i):
            w = np.array([10 - i - j, i, j]) / 10
            miss = np.minimum(np.abs(answers @ w - frame.log_token_j[known]), WORST)
            error = float(np.average(miss, weights=frame.weight[known]))
            if error < least - 1e-9:
                best, least = w, error
    return best


def stacked(frame: Frame, oof: OutOfFold) -> dict[str, Array]:
    """The stack's log answers of energy, time and power; weights from the other groups' rows."""
    out = {t: np.full(len(frame), np.nan) for t in TARGETS}
    for k in np.unique(oof.part):
        here = oof.part == k
        w = stack_weights(frame, oof, ~here)
        for t in TARGETS:
            out[t][here] = np.column_stack([oof.log[n][t][here] for n in LEARNERS]) @ w
    out["energy"] = out["time"] + out["power"]
    return out
