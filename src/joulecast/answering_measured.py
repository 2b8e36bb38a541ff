"""A server's answer replaced by the user's own bursts of just this server and these requests."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.records import Evidence
from joulecast.estimator.calibration import repeat_half
from joulecast.estimator.predictor import device_of
from joulecast.estimator.serving.calibration_bursts import bursts_of, is_same_server
from joulecast.serving_times import SPREAD_SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulecast.core.records import Machine, Run, Setup
    from joulecast.core.serving import BurstFigures, Serving
    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.estimator.serving.calibration_bursts import Burst

_MINUTE = 1.9
"""A burst of a minute is that much less sure than the repeat of a run: its power readings may be
3.7 % off beside the repeat's 2.3 % (see the noise in `joulecast.estimator.serving.calibration`)."""
_SHORTEST_S = 30.0
_SAME_RATE, _SAME_LENGTH, _SAME_HITS = 0.01, 0.05, 0.02
_ABSURD = 2.0
"""Times the answer sharpened by it, beyond which a burst was set aside as absurd."""


def burst_half(level: float) -> float:
    """Half width of an interval that one burst of a minute leaves, natural log."""
    return _MINUTE * repeat_half(level)


def as_measured(answer: ServingEstimate, setup: Setup, runs: Sequence[Run]) -> ServingEstimate:
    """`answer` with what bursts of just this showed (of several the median), if there are any.

    Parameters
    ----------
    answer : sharpened by `runs`. setup : the question.
    """
    own = [b for b in bursts_of(setup, runs)[0] if _is_just_this(b, setup)]
    own = [b for b in own if 1 / _ABSURD < _request_j(b) / answer.energy_per_request_j < _ABSURD]
    if not own:
        return answer
    request_j = _median([_request_j(b) for b in own])
    served_rps = _median([_figures(b).achieved_rps for b in own])
    count = Counter((b.setup.architecture.name, device_of(b.setup), b.run.source) for b in own)
    seen = tuple(Evidence(m, d, n, source) for (m, d, source), n in count.items())
    times = _times(own)
    guessed = SPREAD_SAID if "latency_p95_s" in times else None
    return replace(
        _with_energy(answer, request_j, served_rps),
        basis="measured",
        extrapolated=False,
        evidence=(*seen, *(e for e in answer.evidence if e not in seen)),
        next_measurement=None,
        notices=tuple(n for n in answer.notices if n != guessed),
        **times,
    )


def _is_just_this(burst: Burst, setup: Setup) -> bool:
    """Whether a burst is of the asked server, requests and scope, its energy by a sensor."""
    asked, run = setup.workload.serving, burst.run
    met, sent = burst.setup.workload.serving, run.setup.workload.serving
    if asked is None or met is None or sent is None or not is_same_server(burst.setup, setup):
        return False
    return (
        run.status == "complete"
        and burst.power_w is not None
        and burst.setup.scope == setup.scope
        and (run.measurement.duration_s or 0.0) >= _SHORTEST_S
        and _figures(burst).achieved_rps > 0
        and _is_same_host(run.setup.machine, setup.machine)
        and _is_same_load(sent, met, asked)
    )


def _is_same_load(sent: Serving, met: Serving, asked: Serving) -> bool:
    """Whether as much was sent as is asked for, in requests of the same kind."""
    rates = (sent.rate_rps, asked.rate_rps)
    held = (sent.concurrency, asked.concurrency)
    alike = all(
        one == other
        or (one is not None and other is not None and math.isclose(one, other, rel_tol=_SAME_RATE))
        for one, other in (rates, held)
    )
    return (
        alike
        and sent.engine == asked.engine
        and math.isclose(met.prompt_tokens, asked.prompt_tokens, rel_tol=_SAME_LENGTH)
        and math.isclose(met.output_tokens, asked.output_tokens, rel_tol=_SAME_LENGTH)
        and abs(met.cache_hit_frac - asked.cache_hit_frac) <= _SAME_HITS
    )


def _is_same_host(one: Machine, other: Machine) -> bool:
    """Whether power limits and, where both are known, processors are the same."""
    limits = [m.gpu_power_limit_w or (m.gpu and m.gpu.tdp_w) for m in (one, other)]
    return limits[0] == limits[1] and len({m.cpu.id for m in (one, other) if m.cpu}) < 2


def _figures(burst: Burst) -> BurstFigures:
    figures = burst.run.measurement.burst
    if figures is None:
        raise ValueError("the run records no burst")
    return figures


def _request_j(burst: Burst) -> float:
    return (burst.power_w or 0.0) / _figures(burst).achieved_rps


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def _with_energy(answer: ServingEstimate, request_j: float, served_rps: float) -> ServingEstimate:
    """`answer` with measured joules and rate; idle watts and the parts' shares stay."""
    power_w, seconds = request_j * served_rps, answer.duration_s
    idle_j = answer.energy_j - (answer.net_energy_j or 0.0)
    factor = math.exp(burst_half(answer.level))
    token_j = request_j * answer.energy_per_output_token_j / answer.energy_per_request_j
    parts = (answer.gpu_energy_j, answer.cpu_energy_j, answer.dram_energy_j)
    ratio = power_w / answer.power_w
    gpu_j, cpu_j, dram_j = (None if part is None else ratio * part for part in parts)
    return replace(
        answer,
        energy_per_request_j=request_j,
        energy_per_request_low_j=request_j / factor,
        energy_per_request_high_j=request_j * factor,
        energy_per_output_token_j=token_j,
        energy_per_output_token_low_j=token_j / factor,
        energy_per_output_token_high_j=token_j * factor,
        energy_j=power_w * seconds,
        energy_low_j=power_w * seconds / factor,
        energy_high_j=power_w * seconds * factor,
        power_w=power_w,
        served_rps=served_rps,
        gpu_energy_j=gpu_j,
        cpu_energy_j=cpu_j,
        dram_energy_j=dram_j,
        net_energy_j=max(power_w * seconds - idle_j, 0.0),
    )


def _times(bursts: Sequence[Burst]) -> dict[str, Any]:
    """Measured times of requests below saturation, by field of the answer; what none has is left.

    A saturated burst tells nothing of how long waits become.
    """
    calm = [_figures(b) for b in bursts if not b.is_saturated]
    wanted: tuple[tuple[str, Callable[[BurstFigures], float | None]], ...] = (
        ("ttft_s", lambda f: f.ttft.mean_s if f.ttft else None),
        ("ttft_p95_s", lambda f: f.ttft.p95_s if f.ttft else None),
        ("tpot_s", lambda f: f.itl.mean_s if f.itl else None),
        ("latency_s", lambda f: f.latency.mean_s if f.latency else None),
        ("latency_p95_s", lambda f: f.latency.p95_s if f.latency else None),
    )
    found = {}
    for name, of in wanted:
        values = [value for f in calm if (value := of(f)) is not None]
        if values:
            found[name] = _median(values)
    return found
