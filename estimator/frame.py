"""Runs as a table to learn from: columns, logarithmic targets, weights and group labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.units import FLOPS_PER_MAC
from joulecast.estimator import columns as columns_of
from joulecast.estimator.effects import use_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

SET_ASIDE = (
    "input_bound",
    "steps_capped",
    "epoch<5s",
    "inferred_from_other_scenario",
    "graph_unknown",
    "avg_power>limit",
    "gpu_power>tdp",
    "no_macs",
    "model_ambiguous",
    "not_compliant",
    "sample_unlike",
)
"""Quality flags of rows that are neither fitted on nor scored."""
_JUDGED_RUNS = 10
_MANY_CORES = 4
_ONE_CORE = 1.2
"""Cores that a rig must have used at its best, at the clock of its stated peak."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Runs as arrays of shape (n_runs,).

    Attributes
    ----------
    columns : inputs, see `columns.from_setups`.
    log_sample_s, log_power_w : natural logarithms of the measured seconds per sample and watts in
        the run's scope, NaN where not measured. log_energy_j is their sum or measured itself.
    log_epoch_s : of runs whose epoch has an unknown number of samples, its seconds; else NaN.
    series : those runs by network, data set and batch size, blank for others: within one, times
        compare. (Not across batch sizes: padding and loading may change with them.)
    weight : larger for rows of small groups, mean 1.
    model, family, device, source : group labels; device is the accelerator's id.
    regime : ``common`` or ``tuned`` (vendor stacks).
    scored : rows that the headline figures count.
    """

    columns: Columns
    log_sample_s: Array
    log_power_w: Array
    log_energy_j: Array
    log_epoch_s: Array
    series: Labels
    weight: Array
    model: Labels
    family: Labels
    device: Labels
    source: Labels
    regime: Labels
    scored: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def measured(self) -> dict[str, Array]:
        """Natural logarithms of what was measured, per target."""
        return {
            "time": self.log_sample_s,
            "power": self.log_power_w,
            "energy": self.log_energy_j,
        }

    def log_seconds(self) -> Array:
        """Seconds per sample, in a series seconds per epoch: natural log up to its own constant."""
        return np.where(self.series == "", self.log_sample_s, self.log_epoch_s)

    def take(self, rows: NDArray[np.intp]) -> Frame:
        """The frame of the given rows."""
        picked = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "columns"}
        return Frame(columns={k: v[rows] for k, v in self.columns.items()}, **picked)


def frame_of(runs: Sequence[Run]) -> Frame:
    """The frame of `runs`, without those set aside by a quality flag or measured in nothing."""
    kept = usable(runs)
    setups = [r.setup for r in kept]
    counted = np.array([_is_counted(r) for r in kept])
    duration_s = np.array([r.measurement.duration_s or np.nan for r in kept])
    power_w = np.array([r.measurement.power_w.get(r.setup.scope, np.nan) for r in kept])
    energy_j = np.array([r.measurement.energy_j.get(r.setup.scope, np.nan) for r in kept])
    model = np.array([r.model_group for r in kept])
    device = columns_of.device_ids(setups)
    columns = columns_of.from_setups(setups)
    return Frame(
        columns=columns,
        log_sample_s=np.log(np.where(counted, duration_s, np.nan)),
        log_power_w=np.log(power_w),
        log_energy_j=np.log(np.where(counted, energy_j, np.nan)),
        log_epoch_s=np.log(np.where(counted, np.nan, duration_s)),
        series=np.array(["" if _is_counted(r) else _series_of(r) for r in kept]),
        weight=pair_weights(model, device),
        model=model,
        family=np.array([r.model_family for r in kept]),
        device=device,
        source=np.array([r.source for r in kept]),
        regime=columns_of.regimes(columns),
        scored=np.array([_is_scored(r) for r in kept]),
    )


def usable(runs: Sequence[Run]) -> list[Run]:
    """The runs that are fitted on: measured, not set aside by a flag, and physically possible."""
    kept = [r for r in runs if _is_sound(r)]
    if not kept:
        return []
    c = columns_of.from_setups([r.setup for r in kept])
    passes = 1 + 2 * c["is_train"] * c["trainable_frac"]
    measured_s = np.array([(_is_counted(r) and r.measurement.duration_s) or np.inf for r in kept])
    rate = FLOPS_PER_MAC * c["macs"] * passes / measured_s
    device = columns_of.device_ids([r.setup for r in kept])
    possible = (rate <= columns_of.best_peak(c) * c["count"]) & _has_all_cores(rate, c, device)
    return [r for r, p in zip(kept, possible, strict=True) if p]


def _is_counted(run: Run) -> bool:
    """Whether seconds and joules are those of a known number of samples."""
    return run.measurement.samples is not None


def _series_of(run: Run) -> str:
    w, machine = run.setup.workload, run.setup.machine
    how = f"{w.task}|{w.framework}|{w.precision}|{machine.n_gpus}"
    return f"{run.source}|{how}|{run.model_group}|{w.dataset}|{w.batch_size:g}"


def _is_sound(run: Run) -> bool:
    flagged = any(flag in run.quality_flag for flag in SET_ASIDE)
    return not flagged and bool(run.measurement.duration_s or run.measurement.power_w)


def _has_all_cores(rate: Array, c: Columns, device: Labels) -> NDArray[np.bool_]:
    """False for a CPU of many cores that never did more than one of them can, (n,).

    `rate` is FLOP/s, (n,); it takes `_JUDGED_RUNS` runs in one use to tell. Such a rig was given
    one core, and its device says nothing about it.
    """
    of_one_core = rate * c["cores"] / (c["peak_fp32"] * c["count"])
    whole = np.ones(len(rate), dtype=bool)
    dense = c["depthwise_macs"] + c["grouped_macs"] == 0  # thin ones never come near a peak
    many = dense & (c["is_cpu"] > 0) & (c["cores"] > _MANY_CORES)
    labels = np.array(use_labels(c, device))
    for label in np.unique(labels[many]):
        rows = many & (labels == label) & (rate > 0)
        if rows.sum() >= _JUDGED_RUNS:
            whole[rows] = of_one_core[rows].max() > _ONE_CORE
    return whole


def _is_scored(run: Run) -> bool:
    """Headline rows: GPU or system scope, common frameworks, energy per sample and size known."""
    setup = run.setup
    return (
        setup.scope in {"gpu", "system"}
        and setup.machine.gpu is not None
        and setup.workload.framework not in columns_of.TUNED_STACKS
        and setup.scope in run.measurement.energy_j
        and _is_counted(run)
    )


def pair_sizes(model: Labels, device: Labels) -> Array:
    """Number of rows of each row's (model, device) pair, (n,)."""
    pairs = [f"{m}|{d}" for m, d in zip(model, device, strict=True)]
    size = Counter(pairs)
    return np.array([size[p] for p in pairs], dtype=float)


def pair_weights(model: Labels, device: Labels) -> Array:
    """Weights, (n,) with mean 1, with which a pair of n rows counts as the square root of n."""
    weight: Array = pair_sizes(model, device) ** -0.5
    scaled: Array = weight / weight.mean()
    return scaled
