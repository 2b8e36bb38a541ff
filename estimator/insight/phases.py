"""Training against inference of one network on one machine, per sample (papers' 6.1.1).

Only like is compared with like: the same network, machine, number of GPUs, power limit, batch size,
precision, framework, data set, multiply-adds, variant of the code and source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Correlation, PhaseRatio
from joulecast.estimator.insight.configurations import coded, configurations, joined, median_by
from joulecast.estimator.insight.correlate import pearson_of, spearman_of
from joulecast.estimator.insight.correlations import POOLED
from joulecast.estimator.insight.frame import frame_of
from joulecast.estimator.insight.scopes import credible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]

_SAME_TEXTS = ("model", "machine", "precision", "framework", "dataset", "variant", "source")
_SAME_NUMBERS = ("batch_size", "limit_w", "n_gpus", "macs")


@dataclass(frozen=True, slots=True)
class PhasePair:
    """Training and inference of one configuration, seconds and joules per sample.

    Attributes
    ----------
    train_j, infer_j : ``None`` where the scope's energy is unknown.
    """

    machine: str
    model: str
    batch_size: float
    precision: str
    framework: str
    source: str
    train_s: float
    infer_s: float
    train_j: float | None
    infer_j: float | None

    @property
    def time_ratio(self) -> float:
        """Training over inference."""
        return self.train_s / self.infer_s

    @property
    def energy_ratio(self) -> float | None:
        """Training over inference, where both are known."""
        known = self.train_j is not None and self.infer_j is not None
        return self.train_j / self.infer_j if known else None  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Pairing:
    """Training over inference of a set of runs.

    Attributes
    ----------
    pairs : by machine and network. unpaired : configurations of training or inference whose
        counterpart was not run.
    """

    pairs: tuple[PhasePair, ...]
    unpaired: int


def paired_runs(runs: Sequence[Run], scope: str) -> Pairing:
    """As `paired`, of the runs without a quality flag, repeats as their median."""
    return paired(configurations(credible(frame_of(runs), scope))[0], scope)


def paired(frame: Frame, scope: str) -> Pairing:
    """Pairs of training and inference of the same configuration; of several runs the medians.

    Parameters
    ----------
    scope : of the energies; the times are those of all runs.
    """
    text, number = frame.text, frame.number
    key = joined(
        [coded(text[n]) for n in _SAME_TEXTS] + [coded(number[n]) for n in _SAME_NUMBERS],
    )
    size = int(key.max(initial=-1)) + 1
    columns = (number["sample_s"], number[f"energy_per_sample_{scope}_j"])
    table = np.full((size, 4), np.nan)
    place = np.full(size, -1, dtype=np.intp)
    for phase, task in enumerate(("train", "infer")):
        rows = np.flatnonzero(text["task"] == task)
        for c, values in enumerate(columns):
            table[:, 2 * c + phase] = median_by(values[rows], key[rows], size)
        place[key[rows]] = rows
    timed = np.isfinite(table[:, :2])
    pairs = [_pair(frame, place[k], table[k]) for k in np.flatnonzero(timed.all(axis=1))]
    pairs.sort(key=lambda p: (p.machine, p.model, p.batch_size))
    return Pairing(tuple(pairs), int((timed.sum(axis=1) == 1).sum()))


def _pair(frame: Frame, at: int, line: Array) -> PhasePair:
    """The pair of one line: seconds in training and inference, joules likewise."""
    texts = {n: str(frame.text[n][at]) for n in ("machine", "model", "precision", "framework")}
    train_j, infer_j = (float(x) if np.isfinite(x) else None for x in line[2:])
    return PhasePair(
        **texts,
        source=str(frame.text["source"][at]),
        batch_size=float(frame.number["batch_size"][at]),
        train_s=float(line[0]),
        infer_s=float(line[1]),
        train_j=train_j,
        infer_j=infer_j,
    )


def phases(frame: Frame, scope: str) -> tuple[tuple[PhaseRatio, ...], tuple[Correlation, ...]]:
    """Ratios per network and machine, and Pearson's r over networks by machine and pooled.

    Of several pairs of one network on a machine the medians count.

    Parameters
    ----------
    scope : of the energies; the times are those of all runs.
    """
    return ratios_of(paired(frame, scope), scope)


def ratios_of(
    pairing: Pairing, scope: str
) -> tuple[tuple[PhaseRatio, ...], tuple[Correlation, ...]]:
    """As `phases`, of pairs already made."""
    own: dict[tuple[str, str], list[PhasePair]] = {}
    for pair in pairing.pairs:
        own.setdefault((pair.machine, pair.model), []).append(pair)
    ratios: list[PhaseRatio] = []
    by_machine: dict[str, list[tuple[str, list[float]]]] = {}
    for (machine, model), pairs in own.items():
        lines = np.array([_line(pair) for pair in pairs])
        time_ratio = float(np.median(lines[:, 0] / lines[:, 1]))
        ratios.append(PhaseRatio(model, machine, time_ratio, _middle(lines[:, 2] / lines[:, 3])))
        middles = [np.nan if (m := _middle(column)) is None else m for column in lines.T]
        by_machine.setdefault(machine, []).append((model, middles))
    if len(by_machine) > 1:
        by_machine[POOLED] = [line for lines in list(by_machine.values()) for line in lines]
    found = [_along(group, lines, scope) for group, lines in by_machine.items()]
    return tuple(ratios), tuple(c for pair in found for c in pair)


def _line(pair: PhasePair) -> tuple[float, ...]:
    energies = (np.nan if e is None else e for e in (pair.train_j, pair.infer_j))
    return pair.train_s, pair.infer_s, *energies


def _middle(values: Array) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _along(
    group: str, lines: Sequence[tuple[str, Sequence[float]]], scope: str
) -> tuple[Correlation, Correlation]:
    """Correlations of training against inference over networks, of time and of energy."""
    models = np.array([model for model, _ in lines], dtype=object)
    table = np.array([line for _, line in lines])
    return (
        _correlation("time", "time", group, (table[:, 0], table[:, 1], models)),
        _correlation("energy", scope, group, (table[:, 2], table[:, 3], models)),
    )


def _correlation(
    metric: str, target: str, group: str, pair: tuple[Array, Array, NDArray[np.object_]]
) -> Correlation:
    plain, rank = pearson_of(*pair), spearman_of(*pair)
    return Correlation(
        metric=metric,
        target=target,
        group=group,
        task="train",
        n=plain.n,
        spearman=rank.value,
        spearman_low=rank.low,
        spearman_high=rank.high,
        pearson=plain.value,
        pearson_low=plain.low,
        pearson_high=plain.high,
        reason=plain.reason,
    )
