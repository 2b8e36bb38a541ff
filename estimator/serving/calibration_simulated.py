"""Simulated servers whose truth is known, at loads that no public table holds.

A server's coefficients are the physics' own, each off by a random factor, its step, prefill, power
and active idle by further ones; its bursts are simulated request by request, with noisy meters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import Measurement, Run
from joulecast.core.serving import BurstFigures, Spread
from joulecast.estimator.predictor import group_of
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.operation import memory_limit, operate
from joulecast.estimator.serving.predictor import at_rate, moved
from joulecast.estimator.serving.simulate import poisson, simulate
from joulecast.estimator.serving.simulate_physics import server_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.core.records import Setup
    from joulecast.estimator.serving.simulate import Served, Server

OFF = {"step": 0.15, "prefill": 0.2, "power": 0.15, "idle": 0.25}
"""Standard deviations of the logarithms by which a server differs from the physics as a whole."""
_OFF_EACH = 0.1
"""The same of each coefficient: the curve's shape differs, too."""
_METER = 0.023
_SPREAD = 0.7
_LEAST, _WARMUP_S = 200, 30.0
_ROOM = 24


@dataclass(frozen=True, slots=True)
class Truth:
    """A simulated server.

    Attributes
    ----------
    setup : one replica's. server : what it does. saturation_rps : answered under overload.
    """

    setup: Setup
    server: Server
    saturation_rps: float


def as_server(setup: Setup, rng: np.random.Generator) -> Setup:
    """The server of a table's row, with chat-like traffic of random lengths, of one replica."""
    serving = setup.workload.serving
    if serving is None:
        raise ValueError("a server to simulate needs its traffic")
    prompt, output = (float(np.round(x)) for x in np.exp(rng.uniform(np.log(80), np.log(800), 2)))
    traffic = replace(
        serving,
        prompt_tokens=prompt,
        output_tokens=output,
        concurrency=None,
        rate_rps=1.0,
        image_tokens=0.0,
        prompt_tokens_guessed=False,
        engine="vllm",
    )
    return replace(setup, workload=replace(setup.workload, serving=traffic, framework="vllm"))


def is_roomy(setup: Setup) -> bool:
    """Whether the physics gives the server memory for `_ROOM` requests at least, on one replica."""
    c = columns_of([setup])
    return float(memory_limit(c)[0]) >= _ROOM and float(c["replicas"][0]) == 1


def drawn(setup: Setup, k: Mapping[str, float], rng: np.random.Generator) -> Truth:
    """A server like `setup`, off the physics with coefficients `k` at random."""
    off = {name: float(rng.normal(0, sd)) for name, sd in OFF.items()}
    own = {name: v * float(np.exp(rng.normal(0, _OFF_EACH))) for name, v in k.items()}
    server = server_from(moved(columns_of([setup]), Adjustment(**off)), own)
    truth = Truth(setup, server, np.nan)
    serving = setup.workload.serving
    if serving is None:
        raise ValueError("a server to simulate needs its traffic")
    guess_rps = float(operate(columns_of([setup]), k)["saturation_rps"][0])
    for overload in (3.0, 1.7):  # first from a guess, then with a window that fits
        seconds = max(3 * server.max_batch / guess_rps, 120.0)
        asked = poisson(serving, overload * guess_rps, min(seconds, 4e4 / guess_rps), 0, _SPREAD)
        seconds = float(asked.arrival_s[-1])
        window = simulate(asked, server).window(seconds * 0.5, seconds)
        guess_rps = max(window.completed / window.duration_s, 1e-3)
    return replace(truth, saturation_rps=guess_rps)


def energy_per_request_j(truth: Truth, rate_rps: float, seed: int) -> float:
    """Joules per request at a rate below saturation, of a long stretch."""
    seconds = max(3000 / rate_rps, 600.0)
    window = _served(truth, rate_rps, seconds, seed).window(0.05 * seconds, seconds)
    return window.power_w / rate_rps


def burst(truth: Truth, rate_rps: float, seed: int) -> Run:
    """What a burst at a rate records: a minute, longer for few or slow requests."""
    rng = np.random.default_rng(seed)
    slow_s = 1.2 * truth.server.max_batch / truth.saturation_rps
    saturated = rate_rps > truth.saturation_rps
    warmup_s = _WARMUP_S + (2 * slow_s if saturated else 0.0)
    seconds = max(60.0, min(_LEAST / rate_rps, 600.0))
    served = _served(truth, rate_rps, warmup_s + seconds, seed)
    window = served.window(warmup_s, warmup_s + seconds)
    power_w = window.power_w * float(np.exp(rng.normal(0, _METER)))
    asked = at_rate(truth.setup, rate_rps)
    figures = _figures(served, warmup_s, seconds, saturated=saturated)
    return Run(
        setup=replace(asked, workload=replace(asked.workload, samples=window.completed)),
        measurement=Measurement(
            energy_j={"gpu": power_w * seconds},
            duration_s=seconds,
            samples=window.completed,
            energy_source={"gpu": "nvml-counter"},
            power_w={"gpu": power_w},
            burst=figures,
        ),
        source="simulated",
        model_group=group_of(truth.setup.architecture),
        id=f"burst-{seed}",
    )


def _served(truth: Truth, rate_rps: float, seconds: float, seed: int) -> Served:
    serving = truth.setup.workload.serving
    if serving is None:
        raise ValueError("a server to simulate needs its traffic")
    return simulate(poisson(serving, rate_rps, seconds, seed, _SPREAD), truth.server)


def _figures(served: Served, from_s: float, seconds: float, *, saturated: bool) -> BurstFigures:
    r = served.requests
    ended = (served.ended_s > from_s) & (served.ended_s <= from_s + seconds)
    came = (r.arrival_s > from_s) & (r.arrival_s <= from_s + seconds)
    done = int(ended.sum())
    offered, achieved = int(came.sum()) / seconds, done / seconds
    times = (served.ttft_s[ended], served.tpot_s[ended], served.latency_s[ended])
    ttft, itl, latency = (_spread(t[np.isfinite(t)]) if done else None for t in times)
    return BurstFigures(
        sent=int(came.sum()),
        completed=done,
        failed=0,
        offered_rps=offered,
        achieved_rps=achieved,
        prompt_tokens=float(r.prompt_tokens[ended].sum()),
        output_tokens=float(r.output_tokens[ended].sum()),
        ttft=ttft,
        itl=itl,
        latency=latency,
        saturated=saturated,
    )


def _spread(seconds: NDArray[np.float64]) -> Spread | None:
    if not len(seconds):
        return None
    return Spread(
        float(seconds.mean()), *(float(np.quantile(seconds, q)) for q in (0.5, 0.9, 0.95, 0.99))
    )
