"""Training against inference of one network on one machine, per sample (papers' 6.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Correlation, PhaseRatio
from joulecast.estimator.insight.configurations import coded, joined, median_by
from joulecast.estimator.insight.correlate import pearson_of, spearman_of
from joulecast.estimator.insight.correlations import POOLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]

_SAME_TEXTS = ("model", "machine", "precision", "framework", "dataset", "variant")
_SAME_NUMBERS = ("batch_size", "limit_w", "n_gpus", "macs")


def phases(frame: Frame, scope: str) -> tuple[tuple[PhaseRatio, ...], tuple[Correlation, ...]]:
    """Ratios per network and machine, and Pearson's r over networks by machine and pooled.

    Runs are matched by network, machine, batch size, precision, framework, data set and power
    limit; of several runs of a match, and several matches of one network, the medians count.

    Parameters
    ----------
    scope : of the energies; the times are those of all runs.
    """
    matched = _matched(frame, scope)
    names = sorted({(pair[0], pair[1]) for pair in matched})
    ratios: list[PhaseRatio] = []
    by_machine: dict[str, list[list[float]]] = {}
    for machine, model in names:
        lines = np.array([pair[2:] for pair in matched if pair[:2] == (machine, model)])
        time_ratio = _middle(lines[:, 0] / lines[:, 1])
        energy_ratio = _middle(lines[:, 2] / lines[:, 3])
        if time_ratio is not None:
            ratios.append(PhaseRatio(model, machine, time_ratio, energy_ratio))
            middles = [np.nan if (m := _middle(column)) is None else m for column in lines.T]
            by_machine.setdefault(machine, []).append(middles)
    if len(by_machine) > 1:
        by_machine[POOLED] = [line for lines in list(by_machine.values()) for line in lines]
    found = [_along(group, lines, scope) for group, lines in by_machine.items()]
    return tuple(ratios), tuple(c for pair in found for c in pair)


def _matched(frame: Frame, scope: str) -> list[tuple[str, str, float, float, float, float]]:
    """Machine, network, seconds in training and inference, joules likewise, per match."""
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
    both = np.flatnonzero(np.isfinite(table[:, 0]) & np.isfinite(table[:, 1]))
    return [
        (text["machine"][place[k]], text["model"][place[k]], *map(float, table[k])) for k in both
    ]


def _middle(values: Array) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _along(
    group: str, lines: Sequence[Sequence[float]], scope: str
) -> tuple[Correlation, Correlation]:
    """Correlations of training against inference over networks, of time and of energy."""
    table = np.array(lines)
    return (
        _correlation("time", "time", group, table[:, :2]),
        _correlation("energy", scope, group, table[:, 2:]),
    )


def _correlation(metric: str, target: str, group: str, pair: Array) -> Correlation:
    plain, rank = pearson_of(pair[:, 0], pair[:, 1]), spearman_of(pair[:, 0], pair[:, 1])
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
