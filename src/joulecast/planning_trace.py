"""A trace of requests on so many replicas: hour by hour, with idle hours in between."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.answering import hardware_line
from joulecast.answering_serving import scope_parts
from joulecast.estimator.serving import predictor
from joulecast.estimator.serving.simulate import Requests, simulate
from joulecast.planning import HEADROOM, fewest
from joulecast.planning_records import PlanHour, PlanOption
from joulecast.request_trace import hours_of
from joulecast.serving_times import Late, server_of, slowest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from joulecast.core.serving import Serving
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.planning import Wish
    from joulecast.request_trace import Hour, Trace
    from joulecast.serving_times import Asked

    Array = NDArray[np.float64]

_MOST_SIMULATED = 20_000
"""Requests of one replica's hour that are simulated; of more, those first to arrive."""


@dataclass(frozen=True, slots=True)
class _Hours:
    """The hours of a trace as questions to one replica of a server."""

    asked: Asked
    trace: Trace
    hours: tuple[Hour, ...]

    def at(self, hour: Hour, count: int) -> Asked:
        """The server in an hour, with the requests shared by `count` replicas."""
        return self.asked.serving_as(_in_hour(self.asked.serving, hour, count))

    def figures(self, hours: tuple[Hour, ...], count: int) -> ServingAnswers:
        """One replica in each of `hours` that have requests."""
        setups = [self.at(hour, count).setup for hour in hours]
        asked = self.asked
        return predictor.answer(setups, asked.bundle, asked.level, asked.adjust)

    def slow(self, hour: Hour, count: int) -> Late:
        """The slowest of an hour's requests at one of `count` replicas."""
        asked = self.at(hour, count)
        streams = count * asked.copies()
        chosen = slice(hour.first, hour.last, streams)
        arrival_s = self.trace.arrival_s[chosen][:_MOST_SIMULATED]
        n, hit = len(arrival_s), asked.serving.cache_hit_frac
        requests = Requests(
            arrival_s - hour.start_s,
            self.trace.prompt_tokens[chosen][:n],
            self.trace.output_tokens[chosen][:n],
            np.full(n, hit),
        )
        return slowest(simulate(requests, server_of(asked, asked.answer())), slice(None))


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
        busy = tuple(hour for hour in hours if hour.requests)
        full = day.figures(busy, 1).saturation_rps
        shares = np.array([hour.rate_rps for hour in busy]) / full
        worst = busy[int(np.argmax(shares))]
        first = max(math.ceil(float(shares.max()) / HEADROOM), 1)
        count, reason = fewest(first, wish.bounds, lambda n: day.slow(worst, n))
        setup = asked.setup
        if count is None:
            return PlanOption(setup.architecture.name, setup.machine.id, fits=False, reason=reason)
        return _summed(day, count, busy, notices)

    return option


def _summed(
    day: _Hours, count: int, busy: tuple[Hour, ...], notices: tuple[str, ...]
) -> PlanOption:
    """All hours on `count` replicas together."""
    asked, setup = day.asked, day.asked.setup
    a = day.figures(busy, count)
    seconds = np.array([hour.duration_s for hour in busy])
    each_j = count * a.power_w * seconds
    idle_w = count * sum(float(a.idle_w[s][0]) for s in scope_parts(setup.scope))
    idle_s = sum(hour.duration_s for hour in day.hours if not hour.requests)
    idle_j = idle_w * idle_s
    low_j, high_j = (
        float((each_j * bound / a.request_j).sum()) + idle_j
        for bound in (a.request_low_j, a.request_high_j)
    )
    energy_j, requests = float(each_j.sum()) + idle_j, len(day.trace.arrival_s)
    hours = _told(day, count, a.power_w * count, idle_w)
    load = np.array([hour.rate_rps for hour in busy]) / (count * a.saturation_rps)
    peak = int(np.argmax(load))
    duration_s = day.trace.duration_s
    return PlanOption(
        model=setup.architecture.name,
        hardware=setup.machine.id,
        fits=True,
        hardware_text=hardware_line(setup.machine),
        replicas=count,
        energy_per_request_j=energy_j / requests,
        energy_per_request_low_j=low_j / requests,
        energy_per_request_high_j=high_j / requests,
        energy_per_output_token_j=energy_j / float(day.trace.output_tokens.sum()),
        energy_j=energy_j,
        energy_low_j=low_j,
        energy_high_j=high_j,
        duration_s=duration_s,
        power_w=energy_j / duration_s,
        saturation_rps=count * float(a.saturation_rps[peak]),
        saturation_low_rps=count * float(a.saturation_low_rps[peak]),
        saturation_high_rps=count * float(a.saturation_high_rps[peak]),
        load_frac=float(load[peak]),
        batch_limit=float(a.max_batch[peak]) * asked.copies(),
        ttft_p95_s=max(h.ttft_p95_s for h in hours if h.ttft_p95_s is not None),
        latency_p95_s=max(h.latency_p95_s for h in hours if h.latency_p95_s is not None),
        basis=asked.basis,
        novelty=a.novelty[peak],  # type: ignore[arg-type]
        hours=hours,
        notices=notices,
    )


def _told(day: _Hours, count: int, power_w: Array, idle_w: float) -> tuple[PlanHour, ...]:
    """Every hour with its energy and its slowest requests; `power_w` of those with requests."""
    watts = iter(power_w.tolist())
    out = []
    for hour in day.hours:
        drawn_w = next(watts) if hour.requests else idle_w
        slow = day.slow(hour, count) if hour.requests else None
        out.append(
            PlanHour(
                start_s=hour.start_s,
                duration_s=hour.duration_s,
                requests=hour.requests,
                rate_rps=hour.rate_rps,
                prompt_tokens=hour.prompt_tokens,
                output_tokens=hour.output_tokens,
                power_w=drawn_w,
                energy_j=drawn_w * hour.duration_s,
                ttft_p95_s=slow.ttft_p95_s if slow else None,
                latency_p95_s=slow.latency_p95_s if slow else None,
            )
        )
    return tuple(out)
