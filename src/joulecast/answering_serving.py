"""The answer to one question about a model server: a bundle's figures as a `ServingEstimate`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.answering import hardware_line
from joulecast.answering_bursts import contradicted, lean_on, refuse_beyond
from joulecast.answering_measured import as_measured, burst_half
from joulecast.core.records import Evidence
from joulecast.core.serving_estimate import RatePoint, ServingEstimate
from joulecast.core.units import format_si
from joulecast.estimator.predictor import device_of, group_of
from joulecast.estimator.serving import bundle as bundles
from joulecast.estimator.serving import features, predictor
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.fitting import LEARNERS
from joulecast.estimator.serving.frame import TARGETS
from joulecast.serving_memory import too_large
from joulecast.serving_times import (
    PARTS,
    SPREAD_SAID,
    Asked,
    copies_of,
    copies_said,
    late,
    rate_said,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Run, Setup
    from joulecast.estimator.serving.answers import ServingAnswers

_POINTS = 20
_FROM, _TO = 1 / 30, 1.3
"""Of the saturation rate: where the curve begins and ends."""
_TOLD = 0.005
"""Logarithm of a factor from which it is told."""
_FEW = 4
"""Requests at once below which memory, not the engine, is what limits a server."""
_EXTRAPOLATED = "extrapolated: nothing near this was measured; the interval is a physical bracket"


def serving_estimate_of(
    setup: Setup,
    level: float,
    notices: tuple[str, ...],
    *,
    explain: bool,
    runs: Sequence[Run] = (),
    force: bool = False,
) -> ServingEstimate:
    """The answer to `setup` over its whole duration, with intervals at `level`.

    Parameters
    ----------
    runs : the user's own; bursts of this machine or of this model sharpen the answer, one of just
        this server and these requests is the answer.
    force : answer also beyond what the bursts of this server can tell.

    Raises
    ------
    BadInput
        For a rate above what such bursts reached, beyond the expected saturation.
    """
    bundle = bundles.load()
    asked = Asked(setup, bundle, level, lean_on(setup, runs, bundle))
    a = asked.answer()
    if runs and not force:
        refuse_beyond(setup, runs, a)
    doubts = (*contradicted(setup, runs, a), *asked.leaning.notices) if runs else ()
    answer = as_measured(_estimate(asked, a, (*doubts, *notices)), setup, runs)
    return replace(answer, explanation=_explanation(asked, a)) if explain else answer


def _estimate(asked: Asked, a: ServingAnswers, notices: tuple[str, ...]) -> ServingEstimate:
    """The record that the figures `a` amount to."""
    setup, serving = asked.setup, asked.serving
    machine, seconds = setup.machine, serving.duration_s
    figures: dict[str, Any] = {
        name: float(getattr(a, field)[0]) for name, field in _FIGURES.items()
    }
    request_j, power_w = figures["energy_per_request_j"], figures["power_w"]
    parts_j = {s: float(a.scope_w[s][0]) * seconds for s in PARTS}
    copies = asked.copies()
    figures |= {name: copies * figures[name] for name in ("concurrency", "max_concurrency")}
    energy_j = power_w * seconds
    slow, leaning, forced = late(asked, a), asked.leaning, bool(too_large(setup))
    if slow is not None and math.isfinite(slow.latency_p95_s):
        notices = (*notices, SPREAD_SAID)
    return ServingEstimate(
        **figures,
        energy_j=energy_j,
        energy_low_j=energy_j * figures["energy_per_request_low_j"] / request_j,
        energy_high_j=energy_j * figures["energy_per_request_high_j"] / request_j,
        duration_s=seconds,
        level=asked.level,
        scope=setup.scope,
        basis=leaning.basis,
        ttft_p95_s=slow.ttft_p95_s if slow else None,
        latency_p95_s=slow.latency_p95_s if slow else None,
        rate_rps=serving.rate_rps,
        novelty=None if forced else a.novelty[0],  # type: ignore[arg-type]
        gpu_energy_j=parts_j["gpu"] if machine.gpu else None,
        cpu_energy_j=parts_j["cpu"] if machine.cpu else None,
        dram_energy_j=parts_j["dram"] if machine.dram else None,
        net_energy_j=max(energy_j - asked.idle_w(a) * seconds, 0.0),
        extrapolated=forced or bool(a.extrapolated[0]),
        curve=curve_of(asked, a),
        evidence=(*leaning.evidence, *_evidence(asked)),
        notices=(*notices, *setup.notices, *doubts_of(asked, a)),
        next_measurement=_next_measurement(asked, a),
        model=setup.architecture.name,
        hardware=machine.id,
        model_text=model_line(asked),
        hardware_text=hardware_line(machine),
        workload=replace(setup.workload, samples=figures["served_rps"] * seconds),
    )


_FIGURES = {
    "energy_per_request_j": "request_j",
    "energy_per_request_low_j": "request_low_j",
    "energy_per_request_high_j": "request_high_j",
    "energy_per_output_token_j": "token_j",
    "energy_per_output_token_low_j": "token_low_j",
    "energy_per_output_token_high_j": "token_high_j",
    "power_w": "power_w",
    "served_rps": "served_rps",
    "saturation_rps": "saturation_rps",
    "saturation_low_rps": "saturation_low_rps",
    "saturation_high_rps": "saturation_high_rps",
    "concurrency": "batch",
    "max_concurrency": "max_batch",
    "busy_frac": "busy_frac",
    "ttft_s": "ttft_s",
    "tpot_s": "tpot_s",
    "latency_s": "latency_s",
}


def curve_of(asked: Asked, a: ServingAnswers) -> tuple[RatePoint, ...]:
    """The server at rates up to and beyond its saturation, the asked one among them."""
    full_rps = float(a.saturation_rps[0])
    low, high = _FROM * full_rps, _TO * full_rps
    rates = [low * (high / low) ** (i / (_POINTS - 1)) for i in range(_POINTS)]
    if asked.serving.rate_rps is not None:
        rates.append(asked.serving.rate_rps)
    rates = sorted({*rates, full_rps})
    c = predictor.curve(asked.setup, asked.bundle, rates, asked.level, asked.leaning.adjust)
    columns = (
        *(np.array(rates), c.served_rps, c.power_w, c.request_j, c.request_low_j),
        *(c.request_high_j, c.ttft_s, c.latency_s, c.busy_frac),
    )
    return tuple(RatePoint(*map(float, values)) for values in zip(*columns, strict=True))


def doubts_of(asked: Asked, a: ServingAnswers) -> tuple[str, ...]:
    """More requests than the server can answer, or nearly; nothing near was measured."""
    out = [_EXTRAPOLATED] if a.extrapolated[0] else []
    rate, full = asked.serving.rate_rps, float(a.saturation_rps[0])
    if rate is not None and rate >= full:
        out.insert(
            0,
            f"{rate:.9g} requests/s are more than the {rate_said(full)} it can answer: figures are "
            f"those of the full server, further requests wait ever longer",
        )
    elif rate is not None and rate > float(a.saturation_low_rps[0]):
        low, high = (rate_said(float(r[0])) for r in (a.saturation_low_rps, a.saturation_high_rps))
        out.append(
            f"the server may be full at {rate:.9g} requests/s already: its saturation is sure only "
            f"within {low} to {high}"
        )
    held = not too_large(asked.setup)
    if held and asked.serving.concurrency is None and a.max_batch[0] < _FEW:
        out.append(
            f"beside the weights there is room for {int(a.max_batch[0])} of such requests at once: "
            "more GPUs or narrower weights would serve more"
        )
    device = asked.setup.machine.accelerator
    doubtful = [f for f in (device.doubtful if device else ()) if f not in {"idle_w", "int8"}]
    if doubtful:
        out.append(f"no vendor page confirms {', '.join(doubtful[:3])} of {asked.setup.machine.id}")
    return tuple(out)


def _next_measurement(asked: Asked, a: ServingAnswers) -> str | None:
    """The burst that would narrow the interval most, ``None`` after some and where none can be."""
    if asked.leaning.basis == "short-run" or too_large(asked.setup):
        return None
    rate, served_rps = asked.serving.rate_rps, float(a.served_rps[0])
    rps = f"{rate:.9g}" if rate is not None and rate <= served_rps else rate_said(served_rps)
    factor = math.exp(burst_half(asked.level))
    narrower = factor < float(a.request_high_j[0] / a.request_j[0])
    promise = f": interval down to about ±{100 * (factor - 1):.0f} %" if narrower else ""
    return (
        "burst this server for a minute (joulecast profile burst --url URL "
        f"--rps {rps} --seconds 60){promise}"
    )


def _evidence(asked: Asked, count: int = 4) -> tuple[Evidence, ...]:
    """Measured groups of this model or on this device: both first, then most rows first."""
    setup = asked.setup
    group, device = group_of(setup.architecture), device_of(setup)

    def kinship(entry: tuple[str, str, int, str]) -> int:
        return 2 * (entry[0] == group) + (entry[1] == device)

    near = sorted(filter(kinship, asked.bundle.groups), key=lambda e: (-kinship(e), -e[2]))
    return tuple(Evidence(*entry) for entry in near[:count])


def model_line(asked: Asked) -> str:
    """The model, its requests and the engine in one line."""
    setup, s = asked.setup, asked.serving
    hits = f"{100 * s.cache_hit_frac:.2g} % of prompts cached" if s.cache_hit_frac else ""
    year = "" if s.engine_year is None else f" of {s.engine_year:g}"
    params = format_si(setup.architecture.params, "params")
    parts = (
        f"{setup.architecture.name} ({params}, {setup.workload.precision})",
        f"{s.prompt_tokens:,g} prompt + {s.output_tokens:,g} output tokens",
        hits,
        f"{s.engine}{year}{_layout(setup)}",
    )
    return " · ".join(filter(None, parts))


def _layout(setup: Setup) -> str:
    """How the GPUs share the work, if there are several."""
    if setup.machine.n_gpus < 2:
        return ""
    copies, together = copies_of(setup)
    if copies == 1:
        return f" over {together} GPUs" if together > 1 else " on one of them"
    return f", {copies_said(setup)}"


def _explanation(asked: Asked, a: ServingAnswers) -> dict[str, Any]:
    """Terms of an iteration, watts of the parts, what learning and bursts moved."""
    terms_s = {name: float(value[0]) for name, value in a.terms.items()}
    adjust = asked.leaning.adjust
    return {
        "iteration_terms_s": {name: value for name, value in terms_s.items() if value > 0},
        "iteration_s": float(a.step_s[0]),
        "batch": float(a.batch[0]),
        "power_terms_w": {name: float(power_w[0]) for name, power_w in a.scope_w.items()},
        "idle_terms_w": {name: float(power_w[0]) for name, power_w in a.idle_w.items()},
        "factors": {
            name: math.exp(getattr(adjust, name)) for name in ("step", "prefill", "power", "idle")
        },
        "features": _features(asked),
        "learners": _learners(asked, a),
        "stack": dict(zip(LEARNERS, asked.bundle.stack[a.novelty[0]], strict=True)),
    }


def _features(asked: Asked, count: int = 8) -> list[dict[str, Any]]:
    """What Lasso moves most: factors of a feature on an iteration's time and on its watts."""
    fitted = asked.bundle.fitted
    x = features.matrix(columns_of([asked.setup]), fitted.coefficients)[0]
    linear = [fitted.linear[target] for target in TARGETS]
    time, power = ((x - one.mean) / one.scale * one.coef for one in linear)
    found = zip(features.FEATURES, x, time, power, strict=True)
    moved = sorted(found, key=lambda f: -abs(f[2]) - abs(f[3]))
    return [
        {"name": name, "value": float(value), "time": math.exp(t), "power": math.exp(w)}
        for name, value, t, w in moved[:count]
        if max(abs(t), abs(w)) > _TOLD
    ]


def _learners(asked: Asked, a: ServingAnswers) -> dict[str, dict[str, float]]:
    """Joules per request of each learner alone, and by what it moves physics' time and watts."""
    bundle = asked.bundle
    moved = bundle.fitted.factors(columns_of([asked.setup]))
    out = {}
    for name in LEARNERS:
        alone = [float(name == other) for other in LEARNERS]
        only = replace(bundle, stack=dict.fromkeys(bundle.stack, alone))
        said = predictor.answer([asked.setup], only, asked.level, asked.leaning.adjust)
        factors = {target: math.exp(float(moved[name][target][0])) for target in TARGETS}
        out[name] = {"energy_per_request_j": float(said.request_j[0]), **factors}
    return out | {"answer": {"energy_per_request_j": float(a.request_j[0])}}
