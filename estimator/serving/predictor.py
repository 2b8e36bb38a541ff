"""Answers of a serving bundle: energy, rates, times and intervals of many servers at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.intervals import at_level
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import intervals
from joulecast.estimator.serving.answers import Adjustment, ServingAnswers
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.fitting import LEARNERS, shifted
from joulecast.estimator.serving.frame import TARGETS
from joulecast.estimator.serving.operation import PARTS, most_w, operate, scope_w
from joulecast.estimator.serving.physics import TERMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Novelty, Setup
    from joulecast.estimator.serving.bundle import Bundle

    Array = NDArray[np.float64]

NONE = Adjustment()
EXTRAPOLATED_FROM = float(np.log(2.0)) - 1e-9
"""Distance from the hull from which an answer is called extrapolated."""
_AS_OPERATED = (
    *("busy_frac", "served_rps", "saturation_rps", "batch", "max_batch", "queue"),
    *("ttft_s", "tpot_s", "latency_s", "step_s"),
)


def answer(
    setups: Sequence[Setup], bundle: Bundle, level: float = 0.9, adjust: Adjustment = NONE
) -> ServingAnswers:
    """Answers for `setups` (task ``serve``) with intervals at `level` (0.5..0.995).

    `adjust` moves the curve of every setup alike.
    """
    novelty = tuple(novelty_of(s, bundle) for s in setups)
    plain = columns_of(setups)
    far = intervals.distance(plain, bundle.hull)
    c = moved(learned(plain, bundle, novelty), adjust)
    t = operate(c, bundle.coefficients)
    power_w = scope_w(c, t)
    request_j = power_w / t["served_rps"]
    half = _half_widths(bundle, novelty, far, level)
    half = _sharpened(half, adjust, level)
    energy, rate = np.exp(half["energy"]), np.exp(half["time"])
    low_j, high_j = _possible(c, t, (request_j / energy, request_j * energy), rate)
    tokens = c["output_tokens"]
    return ServingAnswers(
        request_j=request_j,
        request_low_j=low_j,
        request_high_j=high_j,
        token_j=request_j / tokens,
        token_low_j=low_j / tokens,
        token_high_j=high_j / tokens,
        power_w=power_w,
        scope_w={s: t[f"{s}_w"] for s in PARTS},
        idle_w={s: t[f"{s}_idle_w"] for s in PARTS},
        saturation_low_rps=t["saturation_rps"] / rate,
        saturation_high_rps=t["saturation_rps"] * rate,
        novelty=novelty,
        extrapolated=far > EXTRAPOLATED_FROM,
        terms={name: t[f"{name}_s"] for name in TERMS},
        **{name: t[name] for name in _AS_OPERATED},
    )


def _possible(
    c: dict[str, Array], t: dict[str, Array], bounds_j: tuple[Array, Array], rate: Array
) -> tuple[Array, Array]:
    """Bounds of joules per request within what the machine can draw at the rates that it may serve.

    Parameters
    ----------
    rate : factor by which the saturation rate may be off either way, (n,).
    """
    asked = np.where(np.isnan(c["rate_rps"]), np.inf, c["rate_rps"])
    fewest = np.minimum(asked, t["saturation_rps"] / rate)
    most = np.minimum(asked, t["saturation_rps"] * rate)
    idle_w = scope_w(c, {f"{s}_w": t[f"{s}_idle_w"] for s in PARTS})
    request_j = scope_w(c, t) / t["served_rps"]
    low_j = np.clip(bounds_j[0], idle_w / most, request_j)
    high_j = np.minimum(bounds_j[1], np.maximum(scope_w(c, most_w(c)) / fewest, request_j))
    return low_j, high_j


def novelty_of(setup: Setup, bundle: Bundle) -> Novelty:
    """What about a server was never measured (near twins count as the same model)."""
    return bundle.novelty(device_of(setup), group_of(setup.architecture))


def learned(c: dict[str, Array], bundle: Bundle, novelty: Sequence[Novelty]) -> dict[str, Array]:
    """The columns with what the stack of learners adds to physics in their shifts."""
    by_learner = bundle.fitted.factors(c)
    weights = np.array([bundle.stack[n] for n in novelty]).reshape(-1, len(LEARNERS))
    mixed = {
        t: (np.column_stack([by_learner[n][t] for n in LEARNERS]) * weights).sum(axis=1)
        for t in TARGETS
    }
    return shifted(c, mixed)


def prepared(setup: Setup, bundle: Bundle, adjust: Adjustment = NONE) -> dict[str, Array]:
    """Columns of one server as `answer` sees them, for who runs the physics on his own."""
    c = columns_of([setup])
    return moved(learned(c, bundle, (novelty_of(setup, bundle),)), adjust)


def _half_widths(
    bundle: Bundle, novelty: Sequence[Novelty], far: Array, level: float
) -> dict[str, Array]:
    """Half widths of the intervals of energy and of rates, natural-log units."""
    widen = 1 + intervals.GROWTH * far
    return {
        q: widen * np.array([at_level(bundle.scores[n][q], level) for n in novelty])
        for q in ("energy", "time")
    }


def _sharpened(half: dict[str, Array], adjust: Adjustment, level: float) -> dict[str, Array]:
    """Half widths after measured bursts: those of a normal of what doubt is left."""
    doubt = {"energy": adjust.energy_sd, "time": adjust.saturation_sd}
    if adjust.energy_sd is None and adjust.saturation_sd is None:
        return half
    from statistics import NormalDist  # slow to import

    spread = NormalDist().inv_cdf((1 + level) / 2)
    return {
        q: wide if (sd := doubt[q]) is None else np.full_like(wide, spread * sd)
        for q, wide in half.items()
    }


def curve(
    setup: Setup,
    bundle: Bundle,
    rates_rps: Sequence[float],
    level: float = 0.9,
    adjust: Adjustment = NONE,
) -> ServingAnswers:
    """The same server at each of `rates_rps`, arrays of shape (n_rates,)."""
    return answer([at_rate(setup, rate) for rate in rates_rps], bundle, level, adjust)


def at_rate(setup: Setup, rate_rps: float) -> Setup:
    """The same server with requests that arrive at `rate_rps`."""
    serving = setup.workload.serving
    if serving is None:
        message = f"the workload of '{setup.architecture.name}' says nothing about serving"
        raise ValueError(message)
    workload = replace(setup.workload, serving=replace(serving, rate_rps=rate_rps))
    return replace(setup, workload=workload)


def moved(c: dict[str, Array], adjust: Adjustment) -> dict[str, Array]:
    """The columns with the adjustment's logarithms added to their shifts."""
    by = {"step": adjust.step, "prefill": adjust.prefill}
    by |= {"power": adjust.power, "idle": adjust.idle}
    return c | {f"shift_{name}": c[f"shift_{name}"] + value for name, value in by.items()}
