"""What many runs say together, as frozen records: correlations, phases, choices, forecasts.

SI units inside, the unit in every name. Missing is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Basis

Axis = Literal["batch_size", "power_limit_w", "precision", "n_gpus"]
"""What a sweep may run over, under the names that `joulecast.estimate` has for them."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """How a figure and an energy go together over a group of runs.

    Attributes
    ----------
    metric : the papers' name of the figure. target : the energy, by scope, such as ``gpu``.
    group : machine whose runs these are, or ``pooled``. task : train, infer or serve.
    spearman, pearson : -1..1, each with its 95 % interval; ``None`` where it is undefined, and
        `reason` says why. n : runs that know both.
    """

    metric: str
    target: str
    group: str
    task: str
    n: int
    spearman: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    pearson: float | None = None
    pearson_low: float | None = None
    pearson_high: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PhaseRatio:
    """Training over inference of one network on one machine, per sample."""

    model: str
    machine: str
    time_ratio: float
    energy_ratio: float | None


@dataclass(frozen=True, slots=True)
class Knee:
    """Utilisation against power of one machine: rising up to the knee, flat beyond it.

    Attributes
    ----------
    knee_util_frac : 0..1, ``None`` where power never stops rising. knee_power_w : watts of
        one GPU there.
    spearman : of utilisation and power over all runs. n : runs.
    """

    machine: str
    n: int
    spearman: float | None
    knee_util_frac: float | None = None
    knee_power_w: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Features that Lasso chose, with the share of each, and how well the fit held.

    Attributes
    ----------
    split : ``random`` (80 : 20, the papers' section 7), ``group`` (networks left out) or
        ``machine`` (machines left out).
    importances : of each feature, 0..1, together 1, the largest first.
    mdape : median absolute error in percent on what was left out. n_train, n_test : runs.
    """

    split: str
    task: str
    target: str
    importances: Mapping[str, float]
    mdape: float | None
    r2: float | None
    n_train: int
    n_test: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """One recommendation with the figures that it rests on.

    Attributes
    ----------
    kind : model, batch, power-limit, saturation, phase, accuracy, serving, measure, ...
    text : one sentence. saves_frac : of the energy, 0..1, ``None`` where none is claimed.
    """

    kind: str
    text: str
    saves_frac: float | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a set of runs shows.

    Attributes
    ----------
    runs, models : counts. machines : names. scopes : runs that know each scope's energy.
    scope : of the energies that phases, choices and advice are about.
    time_energy : Pearson's r of time and energy by machine and task (the papers: 0.99).
    phase_r : Pearson's r of training against inference, ``time`` and ``energy``, by machine.
    """

    runs: int
    models: int
    machines: tuple[str, ...]
    scopes: Mapping[str, int]
    scope: str = "system"
    correlations: tuple[Correlation, ...] = ()
    time_energy: tuple[Correlation, ...] = ()
    phases: tuple[PhaseRatio, ...] = ()
    phase_r: tuple[Correlation, ...] = ()
    knees: tuple[Knee, ...] = ()
    selections: tuple[Selection, ...] = ()
    advice: tuple[Advice, ...] = ()
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One answer of a sweep.

    Attributes
    ----------
    value : of the axis. energy_j, duration_s : of the whole workload, with their bounds.
    mem_bytes : needed per accelerator. fits : whether it has as many.
    measured_energy_j : of runs at just this value, scaled to the workload; ``None`` without any.
    """

    value: float | str
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    duration_s: float
    duration_low_s: float
    duration_high_s: float
    power_w: float
    basis: Basis
    mem_bytes: float | None = None
    fits: bool = True
    measured_energy_j: float | None = None
    measured_duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """Energy, time, power and memory over one axis.

    Attributes
    ----------
    best : value of least energy among those that fit. asked : value that the question had.
    saves_frac : of the energy at `asked` that `best` saves, 0..1; slower_frac : of its time that
        `best` takes more (negative: less).
    mem_ends_at : first value of the axis that does not fit, ``None`` if all do.
    """

    axis: Axis
    model: str
    hardware: str
    level: float
    scope: str
    points: tuple[SweepPoint, ...]
    best: float | str | None
    asked: float | str | None = None
    saves_frac: float | None = None
    slower_frac: float | None = None
    mem_ends_at: float | str | None = None
    model_text: str = ""
    hardware_text: str = ""
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One network on one machine.

    Attributes
    ----------
    energy_j ... cost : as in `Estimate`; ``None`` where it cannot be answered: `reason` says why.
    accuracy : 0..1, as given or measured. efficient : no other needs less of both energy and time
        at no lower accuracy. within_budget : ``None`` without a budget.
    """

    model: str
    hardware: str
    energy_j: float | None = None
    energy_low_j: float | None = None
    energy_high_j: float | None = None
    duration_s: float | None = None
    duration_low_s: float | None = None
    duration_high_s: float | None = None
    power_w: float | None = None
    carbon_g: float | None = None
    cost: float | None = None
    basis: Basis | None = None
    novelty: str | None = None
    accuracy: float | None = None
    efficient: bool = False
    within_budget: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Networks times machines, the least energy first."""

    task: str
    level: float
    candidates: tuple[Candidate, ...]
    notices: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EpochForecast:
    """Epochs until a learning curve reaches a target accuracy.

    Attributes
    ----------
    epochs, epochs_low, epochs_high : at `level`; `epochs` is ``None`` where more than a third of
        the curves that fit never reach the target, `epochs_high` where it has no bound.
    ceiling, ceiling_low, ceiling_high : accuracy that it tends to, 0..1.
    reached : the epochs seen so far reach it already.
    """

    target: float
    level: float
    seen: int
    epochs: float | None
    epochs_low: float | None
    epochs_high: float | None
    ceiling: float
    ceiling_low: float
    ceiling_high: float
    reached: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerShares:
    """Energy of a network by type of layer, of the device's energy, together 1.

    Attributes
    ----------
    frac : share by layer type: conv, depthwise, grouped, matmul, attention, norm, activation,
        pooling, embedding, optimiser, waiting (launches, loading, communication).
    time_frac : likewise of the time.
    """

    frac: Mapping[str, float] = field(default_factory=dict)
    time_frac: Mapping[str, float] = field(default_factory=dict)
