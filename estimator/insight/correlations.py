"""The papers' Tables 3 and 6 from any runs: every figure against the energy, by machine and pooled.

The energy is that of the same number of samples. Over one set of runs that is the energy per sample
times a constant, so its correlations are those of the energy per sample: a run of twice the samples
does not look as if its network needed twice the energy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Correlation
from joulecast.estimator.insight.configurations import coded, grouped
from joulecast.estimator.insight.correlate import LEAST, Coefficient, pearson_of, spearman_of
from joulecast.estimator.insight.paper_metrics import metrics_of
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]
    Labels = NDArray[np.object_]

POOLED = "pooled"
TASKS = ("train", "infer", "serve")
_ONE_MODEL = "one network only: a correlation needs several"


def correlations(frame: Frame, scope: str) -> tuple[Correlation, ...]:
    """Spearman's and Pearson's correlations of the papers' figures with the energy of `scope`.

    Both are of the plain values, as in the papers. Only runs that know this scope's energy count;
    scopes are never pooled. Runs of different tasks are never pooled either. Intervals go by the
    number of networks: batch sizes of one are not independent. A server's rate and requests vary by
    themselves, so that there every configuration counts but in what its network alone decides.
    """
    found: list[Correlation] = []
    for task, group, part in parts(known(frame, scope)):
        target = part.number[f"energy_per_sample_{scope}_j"]
        alone = _alone(part, task)
        for metric, values in metrics_of(part, scope, task).items():
            named = (metric, scope, group, task)
            alike = part.text["model"] if task != "serve" or metric in _OF_NETWORK else None
            found.append(_correlation(named, (values, target, alike), alone))
    return tuple(found)


def time_energy(frame: Frame, scope: str) -> tuple[Correlation, ...]:
    """Pearson's (and Spearman's) correlation of seconds and joules per sample."""
    return tuple(
        _correlation(
            ("duration", scope, group, task),
            (
                part.number["sample_s"],
                part.number[f"energy_per_sample_{scope}_j"],
                part.text["model"] if task != "serve" else None,
            ),
        )
        for task, group, part in parts(known(frame, scope))
    )


def known(frame: Frame, scope: str) -> Frame:
    """The runs that know the energy of `scope`."""
    return frame.where(np.isfinite(frame.number[f"energy_per_sample_{scope}_j"]))


def parts(frame: Frame) -> Iterator[tuple[str, str, Frame]]:
    """Task, machine or ``pooled``, and the runs, the machines with most runs first.

    A task with one machine has nothing to pool.
    """
    for task in TASKS:
        of_task = frame.where(frame.text["task"] == task)
        machines = by_size(of_task)
        for name, places in machines.items():
            yield task, name, of_task.where(places)
        if len(machines) > 1:
            yield task, POOLED, of_task


def by_size(frame: Frame, column: str = "machine") -> Mapping[str, NDArray[np.intp]]:
    """Places of the runs of each machine (or other text), the most frequent first."""
    groups = sorted(grouped(coded(frame.text[column])), key=len, reverse=True)
    return {str(frame.text[column][places[0]]): places for places in groups}


def _alone(part: Frame, task: str) -> str:
    """Why figures of networks cannot be correlated here; a server's rate varies by itself."""
    names = set(part.text["model"].tolist())
    return _ONE_MODEL if len(names) == 1 and task != "serve" else ""


_NEEDS = {
    "overall_efficiency": "accuracy and GPU utilisation",
    "gpu_energy_scaling_factor": "the power of a GPU",
    "work_done": "the time per sample",
    "work_per_unit_power": "the time per sample",
    "model_size_to_ram": "the memory of the accelerator",
    "macs_param": "multiply-adds and trainable parameters",
    "request_rate": "requests per second",
    "average_output_token_length": "output tokens",
}
"""What a figure is made of beside the energy."""
_OF_NETWORK = ("macs_param", "model_size_to_ram", "parameters", "flops")
"""What the network alone decides, whatever it is asked."""


def _correlation(
    named: tuple[str, str, str, str],
    columns: tuple[Array, Array, Labels | None],
    alone: str = "",
) -> Correlation:
    """The correlation of two columns under its names (metric, target, group, task)."""
    rank, plain = spearman_of(*columns), pearson_of(*columns)
    target = columns[1]
    reason = rank.reason or plain.reason
    if alone and rank.n >= LEAST and (named[0] in _OF_NETWORK or rank.value is None):
        rank = plain = Coefficient(None, rank.n)
        reason = alone
    metric, scope, group, task = named
    if rank.n < min(LEAST, len(target)) and metric in _NEEDS:
        all_runs = counted(len(target), "run")
        reason = f"it needs {_NEEDS[metric]}, known of {rank.n or 'none'} of {all_runs}"
    return Correlation(
        metric=metric,
        target=scope,
        group=group,
        task=task,
        n=rank.n,
        spearman=rank.value,
        spearman_low=rank.low,
        spearman_high=rank.high,
        pearson=plain.value,
        pearson_low=plain.low,
        pearson_high=plain.high,
        reason=reason,
    )
