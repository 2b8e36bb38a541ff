"""A trace of requests on so many replicas: hour by hour, with idle hours in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from joulecast.answering import hardware_line
from joulecast.answering_serving import doubts_of
from joulecast.estimator.serving.simulate import Requests, simulate
from joulecast.planning import HEADROOM, fewest
from joulecast.planning_records import PlanHour, PlanOption
from joulecast.request_trace import Hour, hours_of
from joulecast.serving_times import Late, rate_said, server_of, slowest

if TYPE_CHECKING:
    from joulecast.core.serving import Serving
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.planning import Wish
    from joulecast.planning_records import Bounds
    from joulecast.request_trace import Trace
    from joulecast.serving_times import Asked

_MOST_SIMULATED = 20_000
"""Requests of one replica's hour that are simulated; of more, those first to arrive."""


@dataclass(frozen=True, slots=True)
class _Met:
    """What the requests of an hour meet, and the joules above idle that they take of all."""

    slow: Late
    above_idle_j: float


Meet = Callable[[Hour, int], _Met]


@dataclass(frozen=True, slots=True)
class _Hours:
    """The hours of a trace as questions to one replica of a server."""

    asked: Asked
    trace: Trace
    hours: tuple[Hour, ...]

    @property
    def busy(self) -> tuple[Hour, ...]:
        """Those in which requests arrive."""
        return tuple(hour for hour in self.hours if hour.requests)

    def at(self, hour: Hour, count: int) -> Asked:
        """The server in an hour, with the requests shared by `count` replicas."""
        return self.asked.serving_as(_in_hour(self.asked.serving, hour, count))

    def figures(self, count: int) -> ServingAnswers:
        """One of `count` replicas at the mean rate of each busy hour, arrays (n_busy,)."""
        return self.asked.answers([self.at(hour, count).setup for hour in self.busy])

    def met(self, hour: Hour, count: int) -> _Met:
        """A busy hour on `count` replicas, as its requests really arrive.

        One of the copies is simulated; the others are taken to meet the same.
        """
        asked = self.at(hour, count)
        chosen = slice(hour.first, hour.last, count * asked.copies())
        arrival_s = self.trace.arrival_s[chosen][:_MOST_SIMULATED]
        n, hit = len(arrival_s), asked.serving.cache_hit_frac
        requests = Requests(
            arrival_s - hour.start_s,
            self.trace.prompt_tokens[chosen][:n],
            self.trace.output_tokens[chosen][:n],
            np.full(n, hit),
        )
        served = simulate(requests, server_of(asked, asked.answer()))
        window = served.window()
        above_j = window.energy_j - served.idle_w * window.duration_s
        share = float(requests.output_tokens.sum()) / (hour.requests * hour.output_tokens)
        return _Met(slowest(served, slice(None)), above_j / share)


def _in_hour(serving: Serving, hour: Hour, count: int) -> Serving:
    return replace(
        serving,
        rate_rps=hour.rate_rps / count,
        prompt_tokens=hour.prompt_tokens,
        output_tokens=hour.output_tokens,
        duration_s=hour.duration_s,
    )


def over(trace: Trace) -> Callable[[Asked, Wish, tuple[str, ...]], PlanOption]:
    """What makes an option of a question: the whole of `trace` on the fewest replicas."""
    hours = hours_of(trace)

    def option(asked: Asked, wish: Wish, notices: tuple[str, ...]) -> PlanOption:
        day = _Hours(asked, trace, hours)
        meet = cache(day.met)
        count, reason = _enough(day, wish.bounds, meet)
        if count is None:
            name, machine = asked.setup.architecture.name, asked.setup.machine.id
            return PlanOption(name, machine, fits=False, reason=reason)
        return _summed(day, count, meet, notices)

    return option


def _enough(day: _Hours, bounds: Bounds, meet: Meet) -> tuple[int | None, str]:
    """The fewest replicas that carry every hour within `bounds`, or ``None`` and why none do."""
    shares = np.array([hour.rate_rps for hour in day.busy]) / day.figures(1).saturation_rps
    count = max(math.ceil(float(shares.max()) / HEADROOM), 1)
    for i in np.argsort(-shares).tolist():  # a calmer hour may hold the sharper rush
        hour = day.busy[i]
        found, reason = fewest(count, bounds, _slow_in(hour, meet))
        if found is None:
            return None, reason
        count = found
    return count, ""


def _slow_in(hour: Hour, meet: Meet) -> Callable[[int], Late]:
    """Times of the slowest requests of an hour, by the number of replicas."""
    return lambda count: meet(hour, count).slow


def _summed(day: _Hours, count: int, meet: Meet, notices: tuple[str, ...]) -> PlanOption:
    """All hours on `count` replicas together.

    Joules are idle watts throughout and what the requests take above them; their bounds are those
    of the busy hours at their mean rates.
    """
    asked, setup, a = day.asked, day.asked.setup, day.figures(count)
    idle_w = count * asked.idle_w(a)
    hours = tuple(_told(hour, count, meet, idle_w) for hour in day.hours)
    energy_j, duration_s = sum(h.energy_j for h in hours), day.trace.duration_s
    each_j = np.array([h.energy_j for h in hours if h.requests])
    low, high = (
        float((each_j * bound / a.request_j).sum() / each_j.sum())
        for bound in (a.request_low_j, a.request_high_j)
    )
    requests = len(day.trace.arrival_s)
    option = PlanOption(
        model=setup.architecture.name,
        hardware=setup.machine.id,
        fits=True,
        hardware_text=hardware_line(setup.machine),
        replicas=count,
        copies=asked.copies(),
        energy_per_request_j=energy_j / requests,
        energy_per_request_low_j=low * energy_j / requests,
        energy_per_request_high_j=high * energy_j / requests,
        energy_per_output_token_j=energy_j / float(day.trace.output_tokens.sum()),
        energy_j=energy_j,
        energy_low_j=low * energy_j,
        energy_high_j=high * energy_j,
        duration_s=duration_s,
        power_w=energy_j / duration_s,
        ttft_p95_s=max(h.ttft_p95_s for h in hours if h.ttft_p95_s is not None),
        latency_p95_s=max(h.latency_p95_s for h in hours if h.latency_p95_s is not None),
        basis=asked.leaning.basis,
        hours=hours,
        notices=(*notices, *asked.leaning.notices, *setup.notices),
    )
    return _at_peak(option, day, count, a)


def _at_peak(option: PlanOption, day: _Hours, count: int, a: ServingAnswers) -> PlanOption:
    """`option` with the load of the fullest hour, and doubts about it."""
    load = np.array([hour.rate_rps for hour in day.busy]) / (count * a.saturation_rps)
    peak = int(np.argmax(load))
    part = day.at(day.busy[peak], count)
    return replace(
        option,
        saturation_rps=count * float(a.saturation_rps[peak]),
        saturation_low_rps=count * float(a.saturation_low_rps[peak]),
        saturation_high_rps=count * float(a.saturation_high_rps[peak]),
        load_frac=float(load[peak]),
        batch_limit=float(a.max_batch[peak]) * part.copies(),
        novelty=a.novelty[peak],  # type: ignore[arg-type]
        notices=(*option.notices, *doubts_of(part, part.answer()), *_rush(day, count, a)),
    )


def _rush(day: _Hours, count: int, a: ServingAnswers) -> tuple[str, ...]:
    """A sentence where more arrive in the busiest minute of an hour than can be answered."""
    full_rps = count * a.saturation_rps
    over = np.array([hour.peak_rps for hour in day.busy]) / full_rps
    worst = int(np.argmax(over))
    said = (
        f"in the busiest minute {rate_said(day.busy[worst].peak_rps)} requests/s arrive, more than "
        f"the {rate_said(full_rps[worst])} that can be answered: they wait in a queue"
    )
    return (said,) if over[worst] > 1 else ()


def _told(hour: Hour, count: int, meet: Meet, idle_w: float) -> PlanHour:
    """An hour with its energy and its slowest requests; `idle_w` of all replicas."""
    met = meet(hour, count) if hour.requests else None
    energy_j = idle_w * hour.duration_s + (met.above_idle_j if met else 0.0)
    return PlanHour(
        start_s=hour.start_s,
        duration_s=hour.duration_s,
        requests=hour.requests,
        rate_rps=hour.rate_rps,
        prompt_tokens=hour.prompt_tokens,
        output_tokens=hour.output_tokens,
        power_w=energy_j / hour.duration_s,
        energy_j=energy_j,
        ttft_p95_s=met.slow.ttft_p95_s if met else None,
        latency_p95_s=met.slow.latency_p95_s if met else None,
    )
