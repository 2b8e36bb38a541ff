"""A server's curve sharpened by measured bursts: how far its four log factors are to be moved.

What bursts measured (power, pace, time to the first token) is held against the answers without
them, linearised at the point reached so far; `calibration_update` has the algebra.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import calibration_prior, predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration_bursts import bursts_of, is_same_server
from joulecast.estimator.serving.calibration_left import FAR, REPEATED, each, left_open
from joulecast.estimator.serving.calibration_update import FACTORS, Values, posterior
from joulecast.estimator.serving.columns import ENGINES, columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Basis, Run, Setup
    from joulecast.estimator.calibration_kernel import Places
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.calibration_bursts import Burst
    from joulecast.estimator.serving.calibration_update import Posterior, Prior

    Array = NDArray[np.float64]

NOISE = {
    "power": 0.023,
    "served": 0.023,
    "saturation": 0.03,
    "tpot": 0.04,
    "latency": 0.15,
    "ttft": 0.3,
}
"""Standard deviation of a reading's logarithm; repeats of one burst differ by the first. Networks
and schedulers are in the time to the first token."""
_BRIEF_SPREAD, _SETTLED_S = 0.1, 60.0
"""How far power readings of short windows are off, and seconds after which they have settled."""
_FEW = 0.4
"""How far power at a rate, and the pace of a full server, are off after one request; n requests
average it out."""
_POWER_LIMIT = 1.5
"""Times the boards' power limit beyond which watts are another unit or another machine."""
_STEP = 0.02
_ROUNDS = 3
_FARTHEST = 2.5
"""Natural-log units that a factor may be moved at most."""
_NEW_MODEL = ("new-model", "new-pair")
_WORDS = {
    "served": "requests per second",
    "saturation": "saturation rate",
    "tpot": "time per token",
    "ttft": "time to the first token",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is answered of n servers, linearised.

    Attributes
    ----------
    places : where they stand to each other. logs : per figure natural logarithms, (n,).
    slopes : per figure, (n, 4), along `FACTORS`; not finite where the figure is not.
    """

    places: Places
    logs: Mapping[str, Array]
    slopes: Mapping[str, Array]


def adjusted(
    setup: Setup, runs: Iterable[Run], bundle: Bundle, prior: Prior | None = None
) -> tuple[Adjustment, tuple[Burst, ...], tuple[str, ...]]:
    """How the asked server's curve is to be moved, the bursts that say so, and doubts about them.

    Parameters
    ----------
    runs : serving runs of this server, of other models on this device, or of this model elsewhere;
        others are passed over.
    prior : of how far off answers are, ``None`` for the one that comes with the bundle.
    """
    bursts, notices = bursts_of(setup, runs)
    if not bursts:
        return Adjustment(), (), notices
    prior = calibration_prior.load() if prior is None else prior
    at = Adjustment()
    for _ in range(_ROUNDS):
        values, names, found, same = _round(setup, bursts, bundle, prior, at)
        at = _moved_to(found)
    notices += _doubts(bursts, values, names, found)
    counted = np.unique(values.run[~found.absurd])
    used = tuple(bursts[i] for i in counted.tolist())
    if not used:
        return Adjustment(), (), notices
    reach = REPEATED if same[counted].any() else FAR
    energy, saturation = left_open(setup, bundle, at, found.covariance, reach)
    scores = prior.scores[basis(setup, used)]
    sds = (energy.sd(scores["energy"]), saturation.sd(scores["saturation"]))
    return replace(at, energy_sd=sds[0], saturation_sd=sds[1]), used, notices


def basis(setup: Setup, bursts: Sequence[Burst]) -> Basis:
    """``short-run`` after bursts of the asked server itself, ``calibrated`` after others.

    Others are of its device or of its model; without any it is ``zero-shot``.
    """
    if any(is_same_server(b.setup, setup) for b in bursts):
        return "short-run"
    return "calibrated" if bursts else "zero-shot"


def places_of(setups: Sequence[Setup], batch: Array, novelty: Sequence[str]) -> Places:
    """Where servers stand to each other: who, on what, and how their loads differ."""
    c = columns_of(setups)
    scales = (
        np.log(batch) / 6.0,
        np.log(c["active_params"]) / 5.0,
        np.log(c["params"]) / 5.0,
        np.log(c["prompt_tokens"] + c["output_tokens"]) / 6.0,
        c["engine_year"] / 3.0,
    )
    engine = np.argmax([c[f"engine_{name}"] for name in ENGINES], axis=0).astype(float)
    kinds = (c["bytes_per_weight"], c["gpus"], engine, c["is_spread"])
    return kernel.Places(
        device=np.array([device_of(s) for s in setups]),
        model=np.array([group_of(s.architecture) for s in setups]),
        scales=np.column_stack(scales),
        kinds=np.column_stack(kinds),
        is_new=np.isin(novelty, _NEW_MODEL),
    )


def seen(setups: Sequence[Setup], bundle: Bundle, at: Adjustment) -> Seen:
    """What is answered of `setups` moved by `at`, and how each factor moves it further."""
    n, moved = len(setups), ("", *FACTORS)  # all in one call
    by = [np.repeat([getattr(at, f) + _STEP * (f == m) for m in moved], n) for f in FACTORS]
    found = predictor.answer([*setups] * len(moved), bundle, adjust=each(by))
    logs, slopes = {}, {}
    for name, values in _logs(found).items():
        logs[name] = values[:n]
        there = values[n:].reshape(len(FACTORS), n)
        with np.errstate(invalid="ignore"):  # waits beyond saturation are infinite
            slopes[name] = (there - logs[name]).T / _STEP
    return Seen(places_of(setups, found.batch[:n], found.novelty[:n]), logs, slopes)


def _logs(a: ServingAnswers) -> dict[str, Array]:
    figures = {
        "power": a.power_w,
        "served": a.served_rps,
        "saturation": a.saturation_rps,
        "tpot": a.tpot_s,
        "latency": a.latency_s,
        "ttft": a.ttft_s,
        "request": a.request_j,
    }
    return {name: np.log(values) for name, values in figures.items()}


def _round(
    setup: Setup, bursts: Sequence[Burst], bundle: Bundle, prior: Prior, at: Adjustment
) -> tuple[Values, list[str], Posterior, NDArray[np.bool_]]:
    """Values of the bursts, what each is, the posterior linearised at `at`, which are repeats."""
    figures = seen([setup, *(b.setup for b in bursts)], bundle, at)
    asked = figures.places.take(np.array([0]))
    there = figures.places.take(np.arange(1, len(bursts) + 1))
    values, names = _values(bursts, figures, at)
    across = kernel.ties(asked, there)
    found = posterior(values, across, kernel.ties(there, there), prior)
    return values, names, found, across.same[0]


def _values(bursts: Sequence[Burst], figures: Seen, at: Adjustment) -> tuple[Values, list[str]]:
    """What the bursts measured against the answers in rows 1.. of `figures`."""
    point = np.array([getattr(at, f) for f in FACTORS])
    off, slopes, run, variance, names = [], [], [], [], []
    for i, burst in enumerate(bursts):
        for name, value in burst.measured().items():
            expected, slope = float(figures.logs[name][i + 1]), figures.slopes[name][i + 1]
            if not (math.isfinite(expected) and np.isfinite(slope).all()):
                continue
            if name == "power" and _is_impossible(burst):
                continue
            off.append(math.log(value) - expected + float(slope @ point))
            slopes.append(slope)
            run.append(i)
            variance.append(_variance(name, burst))
            names.append(name)
    table = np.array(slopes).reshape(-1, len(FACTORS))
    return Values(np.array(off), table, np.array(run, dtype=np.intp), np.array(variance)), names


def _is_impossible(burst: Burst) -> bool:
    """Whether the watts exceed what the boards can draw."""
    machine = burst.setup.machine
    device = machine.accelerator
    if device is None or burst.power_w is None or burst.setup.scope != "gpu":
        return False
    limit_w = (machine.gpu_power_limit_w or device.tdp_w) * max(machine.n_gpus, 1)
    return burst.power_w > _POWER_LIMIT * limit_w


def _variance(name: str, burst: Burst) -> float:
    """Variance of a reading's logarithm: repeats, short windows, few requests."""
    m = burst.run.measurement
    brief = few = 0.0
    if name == "power" and m.duration_s and (m.samples or 0) > 1:  # of one, a mean per request
        brief = _BRIEF_SPREAD * math.exp(-m.duration_s / _SETTLED_S)
    is_random = name == "saturation" or (name == "power" and burst.rate_rps is None)
    if is_random and m.burst is not None:
        few = _FEW / math.sqrt(m.burst.completed)
    return NOISE[name] ** 2 + brief**2 + few**2


def _moved_to(found: Posterior) -> Adjustment:
    mean = np.clip(found.mean, -_FARTHEST, _FARTHEST)
    return Adjustment(**dict(zip(FACTORS, (float(f) for f in mean), strict=True)))


def _doubts(
    bursts: Sequence[Burst], values: Values, names: Sequence[str], found: Posterior
) -> tuple[str, ...]:
    """A sentence per value that is set aside or stands far off the others."""
    out = []
    for i, burst in enumerate(bursts):
        label = f"burst of {burst.run.setup.architecture.name} on {burst.run.setup.machine.id}"
        if _is_impossible(burst):
            out.append(
                f"{label}: {burst.power_w:,.0f} W is more than its boards can draw; set aside"
            )
        for j in np.flatnonzero(values.run == i).tolist():
            if found.absurd[j] or found.doubt[j] > 0:
                fate = "set aside" if found.absurd[j] else "it moves the answer little"
                factor = math.exp(float(values.off[j]))
                what = _WORDS.get(names[j], names[j])
                out.append(f"{label}: {factor:.2g} times the expected {what}; {fate}")
    return tuple(out)
