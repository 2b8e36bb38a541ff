"""Bursts as the calibration leans on them: which count, and what they say about rate and power."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulecast.estimator.calibration_runs import is_measured
from joulecast.estimator.predictor import device_of, group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from joulecast.core.records import Run, Scope, Setup
    from joulecast.core.serving import BurstFigures, Serving, Spread

MOST = 48
"""Bursts that are looked at: those most like the question."""
_SCOPES: tuple[Scope, ...] = ("gpu", "system", "wall")
_FAILED = 0.2
"""Share of failed requests from which a burst tells nothing of the rest."""
_TELLING = 10
"""Requests below which the share that is answered tells nothing of saturation."""
_LAGS = 0.93
"""Answered share of what arrives below which a server is saturated, where nothing else says so."""
_TIME_ONLY = "tier_T"


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst, or one steady stretch of a closed loop, as it is held against an answer.

    Attributes
    ----------
    setup : the run's, with the rate, lengths and hit share that were met, in the power's scope.
    power_w : mean watts of that scope, ``None`` without a sensor.
    rate_rps : answered requests per second where they tell the server's pace: in a closed loop and
        beyond saturation. tpot_s : mean seconds per further token, latency_s : to the last.
    ttft_s : mean seconds to the first token, below saturation only.
    """

    run: Run
    setup: Setup
    power_w: float | None
    rate_rps: float | None
    tpot_s: float | None
    latency_s: float | None
    ttft_s: float | None
    is_saturated: bool

    def measured(self) -> Mapping[str, float]:
        """Measured values by what of an answer they are held against; one speaks for the time."""
        pace = {"served": None, "saturation": None, "tpot": self.tpot_s, "latency": None}
        if self.rate_rps is not None:
            pace = {"saturation" if self.is_saturated else "served": self.rate_rps}
        elif self.tpot_s is None:
            pace = {"latency": self.latency_s}
        found = {"power": self.power_w, "ttft": self.ttft_s, **pace}
        return {name: value for name, value in found.items() if value is not None}


def bursts_of(setup: Setup, runs: Iterable[Run]) -> tuple[list[Burst], tuple[str, ...]]:
    """Bursts of the asked device or model, the most alike first, and doubts about the others."""
    device, group = device_of(setup), group_of(setup.architecture)
    found: list[Burst] = []
    left_out: dict[str, int] = {}
    for run in runs:
        own = run.setup
        if own.workload.task != "serve" or not own.architecture.name:
            continue
        if device_of(own) != device and group_of(own.architecture) != group:
            continue
        reason = _reason_against(run) if device_of(own) else "its device is not known"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            found.append(burst_of(run, setup.scope))
    found.sort(key=lambda burst: _difference(burst.setup, setup))
    said = [f"{_counted(n)} left out: {reason}" for reason, n in left_out.items()]
    dark = sum(b.power_w is None for b in found[:MOST])
    if dark:
        said.append(f"no sensor stands behind the power of {_counted(dark)}: only the time counts")
    return found[:MOST], tuple(said)


def burst_of(run: Run, scope: Scope = "gpu") -> Burst:
    """The burst that a run records.

    Parameters
    ----------
    scope : in which the question is asked; the run's power is taken there where it was measured.
    """
    figures, serving = run.measurement.burst, run.setup.workload.serving
    if figures is None or serving is None:
        raise ValueError("the run records no burst")
    own_scope, power_w = _power_w(run, scope)
    open_loop = serving.rate_rps is not None
    saturated = open_loop and _is_saturated(figures)
    met = _as_met(serving, figures, saturated=saturated)
    pace = _amount(figures.achieved_rps) if saturated or not open_loop else None
    workload = replace(run.setup.workload, serving=met)
    return Burst(
        run=run,
        setup=replace(run.setup, workload=workload, scope=own_scope),
        power_w=power_w,
        rate_rps=pace,
        tpot_s=_mean_s(figures.itl),
        latency_s=_mean_s(figures.latency),
        ttft_s=None if saturated or not open_loop else _mean_s(figures.ttft),
        is_saturated=saturated,
    )


def is_same_server(a: Setup, b: Setup) -> bool:
    """Whether model, device, their number, weights' precision and parallelism are the same."""
    one, other = a.workload.serving, b.workload.serving
    if one is None or other is None:
        return False
    asked = [(s.tensor_parallel, s.pipeline_parallel, s.data_parallel) for s in (one, other)]
    apart = any(x and y and x != y for x, y in zip(*asked, strict=True))
    return (
        not apart
        and device_of(a) == device_of(b)
        and group_of(a.architecture) == group_of(b.architecture)
        and math.isclose(a.architecture.params, b.architecture.params, rel_tol=0.02)
        and a.machine.n_gpus == b.machine.n_gpus
        and a.workload.precision == b.workload.precision
    )


def _reason_against(run: Run) -> str:
    """Why a burst cannot count; empty if it can."""
    figures, serving = run.measurement.burst, run.setup.workload.serving
    if figures is None or serving is None:
        return "it records no burst"
    if _TIME_ONLY in run.quality_flag:
        return "a quality flag sets it aside"
    if run.status == "running":
        return "it never ended"
    if not figures.completed or figures.failed > _FAILED * figures.sent:
        how_many = f"{figures.failed} of {figures.sent} requests failed"
        return how_many if figures.failed else "no request was answered"
    if not (_amount(serving.prompt_tokens) and _amount(serving.output_tokens)):
        return "it says no prompt or output length"
    return "" if burst_of(run).measured() else "it tells neither power nor time"


def _is_saturated(f: BurstFigures) -> bool:
    if f.saturated is not None:
        return f.saturated
    if f.sent < _TELLING:
        return False
    known = _amount(f.offered_rps) and _amount(f.achieved_rps)
    return bool(known) and f.achieved_rps < _LAGS * f.offered_rps


def _as_met(serving: Serving, f: BurstFigures, *, saturated: bool) -> Serving:
    """What the server met in the window, where it differs from what was asked for."""
    done = max(f.completed, 1)
    prompt, output = (_amount(n) for n in (f.prompt_tokens, f.output_tokens))
    hit = f.cache_hit_frac
    if hit is None and f.cached_tokens is not None and prompt:
        hit = f.cached_tokens / prompt
    offered = _amount(f.offered_rps if saturated else f.achieved_rps)
    return replace(
        serving,
        rate_rps=None if serving.rate_rps is None else offered or serving.rate_rps,
        prompt_tokens=prompt / done if prompt else serving.prompt_tokens,
        output_tokens=output / done if output else serving.output_tokens,
        cache_hit_frac=min(max(hit, 0.0), 1.0) if hit is not None else serving.cache_hit_frac,
    )


def _power_w(run: Run, scope: Scope) -> tuple[Scope, float | None]:
    """Scope in which the power is known, the asked one if it is, and mean watts."""
    m = run.measurement
    order = (scope, *(s for s in _SCOPES if s != scope))
    for name in order:
        known = name in m.power_w or name in m.energy_j
        if not known or not is_measured(run, name):
            continue
        power_w, energy_j = _amount(m.power_w.get(name)), _amount(m.energy_j.get(name))
        duration_s = _amount(m.duration_s)
        if power_w is None and energy_j and duration_s:
            power_w = energy_j / duration_s
        if power_w is not None:
            return name, power_w
    return scope, None


def _mean_s(times: Spread | None) -> float | None:
    """Mean seconds; the median where no mean is known."""
    if times is None:
        return None
    return _amount(times.mean_s) or _amount(times.p50_s)


def _difference(own: Setup, asked: Setup) -> float:
    """Rough difference of two servers, to rank bursts before anything is computed."""
    far = 10.0 * (device_of(own) != device_of(asked))
    far += 10.0 * (group_of(own.architecture) != group_of(asked.architecture))
    far += 2.0 * (own.workload.precision != asked.workload.precision)
    far += 2.0 * (own.machine.n_gpus != asked.machine.n_gpus)
    one, other = (max(s.architecture.params, 1.0) for s in (own, asked))
    return far + abs(math.log(one / other))


def _amount(value: float | None) -> float | None:
    """`value` if it can be an amount, else ``None``."""
    return value if value is not None and 0 < value < math.inf else None


def _counted(n: int) -> str:
    return "1 burst" if n == 1 else f"{n} bursts"
