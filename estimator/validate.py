"""Group-out validation: what the predictor would have said without the group it is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator import intervals
from joulecast.estimator.columns import POPULATIONS, populations
from joulecast.estimator.fitting import LEARNERS, TARGETS, fit, physics_constant, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame

    Array = NDArray[np.float64]
    Rows = NDArray[np.intp]

PROTOCOLS = ("random", "new-model", "new-family", "new-hardware", "new-pair", "new-source")
NOVELTY_PROTOCOL = {
    "seen-pair": "random",
    "new-model": "new-model",
    "new-hardware": "new-hardware",
    "new-pair": "new-pair",
}
BASELINES = ("physics_constant", "macs_constant", "tdp_time", "nearest_row")
N_FOLDS = 5
WORST = 0.7
"""Errors beyond this (natural log, a factor of 2) count the same when learners are weighed."""


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of one protocol, all (n_rows,), NaN where a row was never left out.

    Attributes
    ----------
    log : per learner and target (time, power). baseline_log_energy : per baseline.
    fold : label of the fold in which the row was left out. group : what was left out with the
        row, of a new pair the device; in ``random`` nothing but the row itself.
    far : distance from the fold's hull. also : in ``new-pair`` the fifth of the models left out.
    """

    log: dict[str, dict[str, Array]]
    baseline_log_energy: dict[str, Array]
    fold: NDArray[np.str_]
    group: NDArray[np.str_]
    far: Array
    also: NDArray[np.str_] | None = None


def folds(frame: Frame, protocol: str, seed: int = 0) -> Iterator[tuple[str, Rows, Rows]]:
    """(label, rows to fit on, rows to predict) of a protocol.

    In ``new-pair`` a device and a fifth of the model groups are both left out, and only their
    common rows are predicted. The fifths are even: the groups of most rows are in different ones.
    """
    index = np.arange(len(frame))
    rng = np.random.default_rng(seed)
    if protocol == "random":
        part = rng.permutation(len(frame)) % N_FOLDS
        for k in range(N_FOLDS):
            yield str(k), index[part != k], index[part == k]
        return
    if protocol == "new-pair":
        groups = _by_size(frame.model)
        part_of = {g: i % N_FOLDS for i, g in enumerate(groups)}
        part = np.array([part_of[g] for g in frame.model])
        for device in np.unique(frame.device):
            here = frame.device == device
            for k in range(N_FOLDS):
                rows = index[here & (part == k)]
                if len(rows):
                    yield f"{device}|{k}", index[~here & (part != k)], rows
        return
    labels = {
        "new-model": frame.model,
        "new-family": frame.family,
        "new-hardware": frame.device,
        "new-source": frame.source,
    }
    for label in np.unique(labels[protocol]):
        here = labels[protocol] == label
        yield str(label), index[~here], index[here]


def _by_size(labels: NDArray[np.str_]) -> NDArray[np.str_]:
    """The distinct labels, those of most rows first: dealt out in turn they make even parts."""
    distinct, count = np.unique(labels, return_counts=True)
    ordered: NDArray[np.str_] = distinct[np.argsort(-count, kind="stable")]
    return ordered


def out_of_fold(
    frame: Frame,
    protocol: str,
    seed: int = 0,
    n_jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> OutOfFold:
    """Predictions for every row by learners that never saw the row's group, refitted per fold."""
    from joblib import Parallel, delayed

    n = len(frame)
    log = {name: {t: np.full(n, np.nan) for t in TARGETS} for name in LEARNERS}
    baseline = {name: np.full(n, np.nan) for name in BASELINES}
    fold = np.full(n, "", dtype=object)
    far = np.full(n, np.nan)
    jobs = list(folds(frame, protocol, seed))
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(_one_fold)(frame, train, test, seed) for _, train, test in jobs
    )
    for (label, _, test), (answers, base, away) in zip(jobs, results, strict=True):
        for name in LEARNERS:
            for target in TARGETS:
                log[name][target][test] = answers[name][target]
        for name in BASELINES:
            baseline[name][test] = base[name]
        fold[test], far[test] = label, away
        if progress:
            progress(f"{protocol}: {label}")
    return OutOfFold(log, baseline, fold.astype(str), *_groups(frame, protocol, fold, far))


def _groups(
    frame: Frame, protocol: str, fold: NDArray[np.str_], far: Array
) -> tuple[NDArray[np.str_], Array, NDArray[np.str_] | None]:
    """The last three of `OutOfFold`."""
    if protocol == "random":
        return np.arange(len(frame)).astype(str), far, None
    if protocol == "new-pair":
        return frame.device, far, np.array([label.rpartition("|")[2] for label in fold])
    return fold.astype(str), far, None


def _one_fold(frame: Frame, train: Rows, test: Rows, seed: int) -> tuple[Any, Any, Array]:
    known, asked = frame.take(train), frame.take(test)
    fitted = fit(known, seed)
    answers, terms = predict(fitted, asked.columns, asked.device, asked.regime)
    far = intervals.distance(asked.columns, intervals.hull_of(known.columns))
    physical = {"physics_constant": physics_constant(fitted, terms, asked.regime)}
    return answers, physical | _baselines(known, asked, answers), far


def _baselines(
    known: Frame, asked: Frame, answers: dict[str, dict[str, Array]]
) -> dict[str, Array]:
    """Log joules per sample of three simple rules fitted on the same rows."""

    def work(frame: Frame) -> Array:
        c = frame.columns
        return np.log(c["macs"] * (1 + 2 * c["is_train"]))

    have = np.isfinite(known.log_energy_j)
    level = float(np.median((known.log_energy_j - work(known))[have])) if have.any() else np.nan
    c = asked.columns
    tdp_w = np.log(c["tdp_w"] * c["count"])

    return {
        "macs_constant": level + work(asked),
        "tdp_time": tdp_w + answers["lightgbm"]["time"],
        "nearest_row": nearest_row(known, asked),
    }


def nearest_row(known: Frame, asked: Frame) -> Array:
    """Log joules per sample of the measured row whose inputs lie nearest, (n_asked,)."""
    have = np.isfinite(known.log_energy_j)
    if not have.any():
        return np.full(len(asked), np.nan)

    def place(frame: Frame) -> Array:
        c = frame.columns
        logs = ("macs", "params", "batch", "peak_fp32", "bandwidth", "tdp_w")
        parts = [np.log(c[n]) for n in logs]
        return np.column_stack([*parts, 3 * c["is_train"], 3 * c["framework_tensorflow"]])

    mine, theirs = place(asked), place(known)[have]
    near = np.array([np.argmin(((theirs - row) ** 2).sum(axis=1)) for row in mine], dtype=int)
    found: Array = known.log_energy_j[have][near]
    return found


def stack_weights(oof: OutOfFold, frame: Frame, rows: Rows, target: str) -> Array:
    """Convex weights of the learners, a grid of tenths, with the least weighted absolute error."""
    measured = frame.measured()[target]
    rows = rows[np.isfinite(measured[rows]) & np.isfinite(oof.log["physics"][target][rows])]
    if not len(rows):
        return np.array([0.0, 0.5, 0.5])
    answers = np.column_stack([oof.log[name][target][rows] for name in LEARNERS])
    best, least = np.array([0.0, 0.5, 0.5]), np.inf
    for i in range(11):
        for j in range(11 - i):
            w = np.array([10 - i - j, i, j]) / 10
            miss = np.minimum(np.abs(answers @ w - measured[rows]), WORST)
            error = np.average(miss, weights=frame.weight[rows])
            if error < least - 1e-9:
                best, least = w, float(error)
    return best


def parts_of(oof: OutOfFold) -> NDArray[np.intp]:
    """Fifth of the groups that each row belongs to, (n,): neither folds nor groups are split."""
    label_of = oof.fold if oof.also is None else oof.group
    labels = np.random.default_rng(1).permutation(np.unique(label_of))
    part = {label: i % N_FOLDS for i, label in enumerate(labels)}
    return np.array([part[label] for label in label_of], dtype=np.intp)


def nested(oof: OutOfFold) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """(rows, rows that share nothing with them of what was left out), each (n_rows,), per part.

    Intervals of the first are drawn from the second. For a new pair these hold neither the devices
    nor the models of the first.
    """
    part = parts_of(oof)
    for k in np.unique(part):
        here, others = part == k, part != k
        if oof.also is None:
            yield here, others
            continue
        for also in np.unique(oof.also[here]):
            yield here & (oof.also == also), others & (oof.also != also)


def stacked(oof: OutOfFold, frame: Frame) -> dict[str, Array]:
    """The stack's log answers per target; weights per population, from the other folds (nested)."""
    part = parts_of(oof)
    population = populations(frame.columns)
    out: dict[str, Array] = {}
    for target in TARGETS:
        answer = np.full(len(frame), np.nan)
        for name in POPULATIONS:
            own = population == name
            for k in range(N_FOLDS):
                here = np.flatnonzero(own & (part == k))
                if not len(here):
                    continue
                w = stack_weights(oof, frame, np.flatnonzero(own & (part != k)), target)
                answer[here] = np.column_stack([oof.log[n][target][here] for n in LEARNERS]) @ w
        out[target] = answer
    out["energy"] = out["time"] + out["power"]
    return out
