"""A server's curve sharpened by measured bursts: how far its four log factors are to be moved.

What bursts measured (power, pace, time to the first token) is held against the answers without
them, linearised at the point reached so far; `calibration_update` has the algebra.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import calibration_prior, predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration_bursts import bursts_of, is_same_server
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
    Seen = Mapping[str, tuple[Array, Array]]

NOISE = {"power": 0.023, "served": 0.023, "saturation": 0.03, "tpot": 0.04, "latency": 0.15}
"""Standard deviation of a reading's logarithm; repeats of one burst differ by the first."""
_TTFT_NOISE = 0.3
"""The same of the time to the first token: networks and schedulers are in it."""
_BRIEF_SPREAD, _SETTLED_S = 0.1, 60.0
"""How far power readings of short windows are off, and seconds after which they have settled."""
_FEW = 0.4
"""How far the power of a burst of one request is off its rate's; n requests average it out."""
_POWER_LIMIT = 1.5
"""Times the boards' power limit beyond which watts are another unit or another machine."""
_STEP = 0.02
_ROUNDS = 3
_FARTHEST = 2.5
"""Natural-log units that a factor may be moved at most while the point is sought."""
_NEW_MODEL = ("new-model", "new-pair")


def adjusted(
    setup: Setup, runs: Iterable[Run], bundle: Bundle, prior: Prior | None = None
) -> tuple[Adjustment, int, tuple[str, ...]]:
    """How the asked server's curve is to be moved, how many bursts say so, and doubts about them.

    Parameters
    ----------
    runs : serving runs of this server, of other models on this device, or of this model elsewhere;
        others are passed over.
    prior : of how far off answers are, ``None`` for the one that comes with the bundle.
    """
    prior = calibration_prior.load() if prior is None else prior
    bursts, notices = bursts_of(setup, runs)
    if not bursts:
        return Adjustment(), 0, notices
    at = Adjustment()
    for _ in range(_ROUNDS):
        values, names, found, asked = _round(setup, bursts, bundle, prior, at)
        at = _moved_to(found)
    used = np.unique(values.run[~found.absurd])
    notices += _doubts(bursts, values, names, found)
    if not len(used):
        return Adjustment(), 0, notices
    scores = prior.scores[basis(setup, [bursts[int(i)].run for i in used])]
    energy_sd = found.sd(asked["request"][1][0]) * scores["energy"]
    saturation_sd = found.sd(asked["saturation"][1][0]) * scores["saturation"]
    factors = dict(zip(FACTORS, (float(f) for f in found.mean), strict=True))
    return (
        Adjustment(**factors, energy_sd=energy_sd, saturation_sd=saturation_sd),
        len(used),
        notices,
    )


def basis(setup: Setup, runs: Iterable[Run]) -> Basis:
    """``short-run`` after bursts of the asked server itself, ``calibrated`` after others.

    Others are of its device or of its model; without either it is ``zero-shot``.
    """
    bursts, _ = bursts_of(setup, runs)
    if any(is_same_server(b.setup, setup) for b in bursts):
        return "short-run"
    return "calibrated" if bursts else "zero-shot"


def is_beyond(
    runs: Iterable[Run], rate_rps: float | None, answers: ServingAnswers, setup: Setup
) -> bool:
    """Whether a rate lies above saturation, and no burst of the server shows where that is.

    Parameters
    ----------
    answers : one server, moved by `adjusted`.
    """
    if rate_rps is None or rate_rps <= float(answers.saturation_rps[0]):
        return False
    bursts, _ = bursts_of(setup, runs)
    return not any(b.is_saturated and is_same_server(b.setup, setup) for b in bursts)


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


def seen(setups: Sequence[Setup], bundle: Bundle, at: Adjustment) -> tuple[ServingAnswers, Seen]:
    """Answers moved by `at`, and per figure its logarithms (n,) and slopes (n, 4)."""
    here = predictor.answer(setups, bundle, adjust=at)
    logs = _logs(here)
    slopes = {name: np.zeros((len(setups), len(FACTORS))) for name in logs}
    for i, factor in enumerate(FACTORS):
        moved = {f: getattr(at, f) + _STEP * (f == factor) for f in FACTORS}
        there = _logs(predictor.answer(setups, bundle, adjust=Adjustment(**moved)))
        for name, values in there.items():
            known = np.isfinite(values) & np.isfinite(logs[name])
            slopes[name][known, i] = (values[known] - logs[name][known]) / _STEP
    return here, {name: (logs[name], slopes[name]) for name in logs}


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
    with np.errstate(divide="ignore", invalid="ignore"):
        return {name: np.log(values) for name, values in figures.items()}


def _round(
    setup: Setup, bursts: Sequence[Burst], bundle: Bundle, prior: Prior, at: Adjustment
) -> tuple[Values, list[str], Posterior, Seen]:
    """Values of the bursts, what each is, and the posterior, linearised at `at`."""
    setups = [setup, *(b.setup for b in bursts)]
    answers, figures = seen(setups, bundle, at)
    where = places_of(setups, answers.batch, answers.novelty)
    n = len(setups)
    asked, there = where.take(np.array([0])), where.take(np.arange(1, n))
    values, names = _values(bursts, figures, at)
    found = posterior(values, kernel.ties(asked, there), kernel.ties(there, there), prior)
    return values, names, found, figures


def _values(bursts: Sequence[Burst], figures: Seen, at: Adjustment) -> tuple[Values, list[str]]:
    """What the bursts measured against the answers in rows 1.. of `figures`."""
    point = np.array([getattr(at, f) for f in FACTORS])
    off, slopes, run, variance, names = [], [], [], [], []
    for i, burst in enumerate(bursts):
        for name, value in burst.measured().items():
            logs, slope = figures[name][0][i + 1], figures[name][1][i + 1]
            if not (np.isfinite(logs) and np.isfinite(slope).all()):
                continue
            if name == "power" and _is_impossible(burst):
                continue
            off.append(math.log(value) - float(logs) + float(slope @ point))
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
    spread = NOISE.get(name, _TTFT_NOISE)
    m = burst.run.measurement
    brief = 0.0
    if name == "power" and m.duration_s and (m.samples or 0) > 1:
        brief = _BRIEF_SPREAD * math.exp(-m.duration_s / _SETTLED_S)
    few = 0.0
    if name == "power" and burst.rate_rps is None and m.burst is not None:
        few = _FEW / math.sqrt(m.burst.completed)
    return spread**2 + brief**2 + few**2


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
                out.append(f"{label}: {factor:.2g} times the expected {names[j]}; {fate}")
    return tuple(out)
