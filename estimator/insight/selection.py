"""Features that Lasso chooses on the runs of a set, and how well the fit holds for others.

The papers split their runs at random, 80 : 20 (section 7). Runs of one network then stand on both
sides and the fit looks better than it is for a new network: the same is done with networks and with
machines left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import MissingExtra
from joulecast.core.insight import Selection
from joulecast.estimator.insight.configurations import coded
from joulecast.estimator.insight.paper_metrics import macs_param, model_size_to_ram, work_done

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]
    Codes = NDArray[np.intp]
    Fold = tuple[Codes, Codes]

PAPERS_CHOICE = (
    *("gpu_mem_util", "macs_param", "work_done", "model_size_to_ram", "macs", "model_size"),
)
"""What the papers' Lasso chose, 65 % together."""
SPLITS = ("random", "group", "machine")
_NOUNS = {"group": "network", "machine": "machine"}
LEAST_RUNS = 20
MOST_RUNS = 20_000
_MOST_UNKNOWN = 0.2
"""Share of runs that may lack a feature before the feature is left out instead of the runs."""
_REPEATS, _TEST_SHARE, _FOLDS = 5, 0.2, 5
_ALPHAS, _WEAKEST = 30, 1e-3
_NOTHING = 1e-6
_LEAST_KEPT = 10
"""Runs that have to be left to fit on when the most frequent network or machine is left out."""
_OF_ALL: Mapping[str, str] = {
    "macs": "macs",
    "model_size": "size_bytes",
    "params": "params",
    "gpu_util": "gpu_util_frac",
    "gpu_mem_util": "gpu_mem_util_frac",
    "power_limit": "limit_w",
    "gpu_memory": "mem_bytes",
    "memory_bandwidth": "bandwidth_bytes_per_s",
    "peak_flops": "peak_flops_per_s",
    "gpus": "n_gpus",
    "cpu_tdp": "cpu_tdp_w",
}
_OF_SERVERS: Mapping[str, str] = {
    "request_rate": "rate_rps",
    "cache_hit_rate": "cache_hit_frac",
    "output_tokens": "output_tokens",
    "prompt_tokens": "prompt_tokens",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is fitted: complete runs.

    Attributes
    ----------
    x : (n, n_features), logarithms where a feature is above 0 throughout. y : (n,), logarithm of
        joules per sample. names : (n_features,). model, machine : (n,), codes.
    left_out : features that too few runs know.
    """

    x: Array
    y: Array
    names: tuple[str, ...]
    model: Codes
    machine: Codes
    left_out: tuple[str, ...]


def features(frame: Frame, task: str) -> dict[str, Array]:
    """Features of the papers, none of them an energy or a power that was measured, each (n,).

    `work_done` and the utilisations are known after a run only; the papers have them among the
    features all the same.
    """
    columns = {name: frame.number[column] for name, column in _OF_ALL.items()}
    columns |= {"macs_param": macs_param(frame), "model_size_to_ram": model_size_to_ram(frame)}
    if task == "serve":
        return columns | {name: frame.number[column] for name, column in _OF_SERVERS.items()}
    return columns | {"work_done": work_done(frame), "batch_size": frame.number["batch_size"]}


def selections(frame: Frame, scope: str, task: str, seed: int) -> tuple[Selection, ...]:
    """Lasso's choice on runs of one task, tested on random runs, networks and machines left out.

    Raises
    ------
    MissingExtra
        Without scikit-learn.
    """
    if find_spec("sklearn") is None:
        raise MissingExtra("scikit-learn", "train", "choosing features with Lasso")
    problem = problem_of(frame, scope, task, seed)
    return tuple(_selection(problem, split, (task, scope), seed) for split in SPLITS)


def problem_of(frame: Frame, scope: str, task: str, seed: int) -> Problem:
    """The complete runs of a task; at most `MOST_RUNS`, drawn at random."""
    energy_j = frame.number[f"energy_per_sample_{scope}_j"]
    frame = frame.where(np.flatnonzero((frame.text["task"] == task) & (energy_j > 0)))
    if len(frame) > MOST_RUNS:
        drawn = np.random.default_rng(seed).choice(len(frame), MOST_RUNS, replace=False)
        frame = frame.where(np.sort(drawn))
    columns = features(frame, task)
    unknown = {n: float(np.isnan(v).mean()) if len(v) else 1.0 for n, v in columns.items()}
    names = tuple(n for n in columns if unknown[n] <= _MOST_UNKNOWN)
    x = np.column_stack([columns[n] for n in names]) if names else np.empty((len(frame), 0))
    complete = np.flatnonzero(np.isfinite(x).all(axis=1))
    frame, x = frame.where(complete), x[complete]
    positive = (x > 0).all(axis=0)
    x[:, positive] = np.log(x[:, positive])
    return Problem(
        x=x,
        y=np.log(frame.number[f"energy_per_sample_{scope}_j"]),
        names=names,
        model=coded(frame.text["model_group"]),
        machine=coded(frame.text["machine"]),
        left_out=tuple(n for n in columns if n not in names),
    )


def _selection(problem: Problem, split: str, told: tuple[str, str], seed: int) -> Selection:
    """The choice under one split; `told` is task and scope."""
    reason = _why_not(problem, split)
    if reason:
        return Selection(split, *told, {}, None, None, len(problem.y), 0, reason)
    shares, errors, r2, sizes = [], [], [], []
    for train, test in _outer(problem, split, seed):
        coefficients, predicted = _fitted(problem, split, (train, test), seed)
        total = float(np.abs(coefficients).sum())
        if total > 0:
            shares.append(np.abs(coefficients) / total)
        errors.append(np.abs(np.expm1(predicted - problem.y[test])))
        r2.append((((predicted - problem.y[test]) ** 2).sum(), _around_mean(problem, train, test)))
        sizes.append((len(train), len(test)))
    mean = np.mean(shares, axis=0) if shares else np.zeros(len(problem.names))
    chosen = {n: float(s) for n, s in zip(problem.names, mean, strict=True) if s > _NOTHING}
    left, whole = np.sum(r2, axis=0)
    n_train, n_test = (round(float(n)) for n in np.mean(sizes, axis=0))
    return Selection(
        split=split,
        task=told[0],
        target=told[1],
        importances=dict(sorted(chosen.items(), key=lambda item: -item[1])),
        mdape=100 * float(np.median(np.concatenate(errors))),
        r2=1 - float(left / whole) if whole > 0 else None,
        n_train=n_train,
        n_test=n_test,
        reason="" if chosen else "no feature helps to tell the energy of what is left out",
    )


def _around_mean(problem: Problem, train: Codes, test: Codes) -> float:
    """Squares around the mean of what was fitted on: what a fit without features leaves."""
    return float(((problem.y[test] - problem.y[train].mean()) ** 2).sum())


def _why_not(problem: Problem, split: str) -> str:
    n = len(problem.y)
    if n < LEAST_RUNS:
        return f"{n} runs know energy and features: at least {LEAST_RUNS} are needed"
    if float(np.ptp(problem.y)) == 0:
        return "the energy is the same in all runs"
    if not (problem.x != problem.x[0]).any():
        return "no feature varies"
    groups = _left_out_by(problem, split)
    return "" if groups is None else _why_not_without(groups, _NOUNS[split])


def _left_out_by(problem: Problem, split: str) -> Codes | None:
    """Codes of what a split leaves out as a whole; ``None`` for the random one."""
    return {"group": problem.model, "machine": problem.machine}.get(split)


def _why_not_without(groups: Codes, noun: str) -> str:
    if len(np.unique(groups)) < 2:
        return f"one {noun} only: none can be left out"
    if len(groups) - int(np.bincount(groups).max()) < _LEAST_KEPT:
        return f"nearly all runs are of one {noun}: too few are left without it"
    return ""


def _outer(problem: Problem, split: str, seed: int) -> Iterator[Fold]:
    """Training and test runs: random 80 : 20, or whole networks or machines left out."""
    groups = _left_out_by(problem, split)
    if groups is None:
        draw, n = np.random.default_rng(seed), len(problem.y)
        n_test = max(round(_TEST_SHARE * n), 1)
        for _ in range(_REPEATS):
            order = draw.permutation(n)
            yield order[n_test:], order[:n_test]
        return
    yield from folds(groups, _FOLDS)


def folds(groups: Codes, count: int) -> list[Fold]:
    """Folds of whole groups, nearly equal in runs."""
    from sklearn.model_selection import GroupKFold

    splitter = GroupKFold(min(count, len(np.unique(groups))))
    return list(splitter.split(groups.reshape(-1, 1), groups=groups))


def _fitted(problem: Problem, split: str, fold: Fold, seed: int) -> tuple[Array, Array]:
    """Coefficients (n_features,) on standardised features, and answers for the test runs.

    The penalty is chosen by cross-validation inside the training runs, split as the test is.
    """
    from sklearn.linear_model import LassoCV

    train, test = fold
    x, y = problem.x[train], problem.y[train]
    mean, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 1e-12 * np.maximum(np.abs(mean), 1e-12), spread, np.inf)
    z, centred = (x - mean) / scale, y - y.mean()
    strongest = float(np.abs(z.T @ centred).max()) / len(y)
    alphas = max(strongest, 1e-12) * np.geomspace(1, _WEAKEST, _ALPHAS)
    inner = _inner(problem, split, train, seed)
    search = LassoCV(alphas=alphas, cv=inner, precompute=True, max_iter=100_000, tol=1e-3)
    search.fit(z, centred)
    predicted = search.predict((problem.x[test] - mean) / scale) + y.mean()
    return np.asarray(search.coef_), np.asarray(predicted)


def _inner(problem: Problem, split: str, train: Codes, seed: int) -> Sequence[Fold]:
    groups = _left_out_by(problem, split)
    if groups is not None and len(np.unique(groups[train])) > 1:
        return folds(groups[train], _FOLDS)
    order = np.random.default_rng(seed).permutation(len(train))
    chunks = np.array_split(order, _FOLDS)
    return [(np.setdiff1d(order, chunk), chunk) for chunk in chunks]
