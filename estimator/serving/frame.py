"""Measured servers as a table to learn from: columns, logarithmic targets, weights, labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.weights import WIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]

TARGETS = ("time", "power")
QUANTITIES = ("energy", "time", "power")
IMPOSSIBLE = 0.95
"""Measured faster than this share of the time that reading the weights once takes at full
bandwidth: the requests were shorter than stated."""
_STALLED = 1e-3
"""Weight of runs whose host could not feed a new accelerator: small two-byte models alone on one
GPU of 2024 or later that reason for thousands of tokens took 3 to 4 times as long per token as the
same servers on shorter answers."""
_IMAGES = 0.5
"""Weight of runs whose prompts hold images: their number of tokens is an assumption."""
_UNDATED = 0.25
"""Weight of runs whose engine nobody dates: they say little about today's."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Runs as arrays of shape (n_runs,).

    Attributes
    ----------
    columns : inputs, see `columns.columns_of`.
    log_token_s, log_power_w, log_token_j : natural logarithms of seconds per output token of the
        whole server, mean watts in the scope, joules per output token; NaN where not measured.
    weight : larger for rows of small groups, mean 1.
    model, family, device, source : group labels. kind : dense, moe or hybrid.
    text : rows of text alone. stalled : rows that are hardly fitted on (`_STALLED`).
    """

    columns: dict[str, Array]
    log_token_s: Array
    log_power_w: Array
    log_token_j: Array
    weight: Array
    model: Labels
    family: Labels
    device: Labels
    source: Labels
    kind: Labels
    text: NDArray[np.bool_]
    stalled: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def measured(self) -> dict[str, Array]:
        """Natural logarithms of what was measured, per quantity."""
        return {
            "energy": self.log_token_j,
            "time": self.log_token_s,
            "power": self.log_power_w,
        }

    def take(self, rows: NDArray[np.intp]) -> Frame:
        """The frame of the given rows."""
        picked = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "columns"}
        return Frame(columns={k: v[rows] for k, v in self.columns.items()}, **picked)


def usable(runs: Sequence[Run]) -> list[Run]:
    """The runs of model servers that answered requests in a known and possible time."""
    kept = [
        r
        for r in runs
        if r.setup.workload.serving is not None
        and r.setup.machine.accelerator is not None
        and r.measurement.samples
        and r.measurement.duration_s
    ]
    if not kept:
        return []
    c = columns_of([r.setup for r in kept])
    least_s = c["shared_params"] * c["bytes_per_weight"] / c["tensor"] / c["bandwidth"]
    step_s = np.array([(r.measurement.duration_s or 0) / _output_tokens(r) for r in kept])
    step_s = step_s * np.where(np.isnan(c["concurrency"]), np.inf, c["concurrency"])
    possible = step_s > IMPOSSIBLE * least_s
    return [r for r, p in zip(kept, possible, strict=True) if p]


def frame_of(runs: Sequence[Run]) -> Frame:
    """The frame of `runs`; see `usable`."""
    runs = usable(runs)
    c = columns_of([r.setup for r in runs])
    model = np.array([r.model_group for r in runs])
    device = np.array([_device_id(r) for r in runs])
    tokens = np.array([_output_tokens(r) for r in runs])
    seconds = np.array([r.measurement.duration_s or np.nan for r in runs])
    power_w = np.array([r.measurement.power_w.get(r.setup.scope, np.nan) for r in runs])
    energy_j = np.array([r.measurement.energy_j.get(r.setup.scope, np.nan) for r in runs])
    undated = np.array([_is_undated(r) for r in runs])
    weight = weights(model, device) * np.where(undated, _UNDATED, 1.0)
    weight = weight * np.where(c["image_tokens"] > 0, _IMAGES, 1.0)
    stalled = _stalled(runs, c)
    hybrid = c["state_bytes"] > 0
    return Frame(
        columns=c,
        log_token_s=np.log(seconds / tokens),
        log_power_w=np.log(power_w),
        log_token_j=np.log(energy_j / tokens),
        weight=weight * np.where(stalled, _STALLED, 1.0),
        model=model,
        family=np.array([r.model_family for r in runs]),
        device=device,
        source=np.array([r.source for r in runs]),
        kind=np.where(hybrid, "hybrid", np.where(c["expert_params"] > 0, "moe", "dense")),
        text=c["image_tokens"] == 0,
        stalled=stalled,
    )


def _stalled(runs: Sequence[Run], c: dict[str, Array]) -> NDArray[np.bool_]:
    reasons = np.array([r.where.get("workload", "") == "gpqa" for r in runs])
    alone = (c["count"] == 1) & (c["narrow"] == WIDE) & (c["is_newest"] > 0)
    stalled: NDArray[np.bool_] = reasons & alone
    return stalled


def weights(model: Labels, device: Labels) -> Array:
    """Weights, (n,) with mean 1, with which a pair's n rows count as the square root of n."""
    pairs = np.char.add(np.char.add(model, "|"), device)
    _, index, size = np.unique(pairs, return_inverse=True, return_counts=True)
    weight: Array = size[index].astype(float) ** -0.5
    weight /= weight.mean()
    return weight


def _device_id(run: Run) -> str:
    device = run.setup.machine.accelerator
    return device.id if device is not None else ""


def _output_tokens(run: Run) -> float:
    serving = run.setup.workload.serving
    return (run.measurement.samples or np.nan) * (serving.output_tokens if serving else np.nan)


def _is_undated(run: Run) -> bool:
    serving = run.setup.workload.serving
    return serving is not None and serving.engine_year is None
