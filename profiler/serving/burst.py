"""From what became of the requests to the figures of a burst: warm-up and drain are cut away.

The window's ends are those of the metered one, so that joules and answers are of the same time.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.serving import BurstFigures, Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run, Setup, Window
    from joulecast.profiler.serving.outcomes import Load, Outcome
    from joulecast.profiler.serving.scrape import ServerFigures

FEW = 20
"""Answers below which percentiles and joules per request say little."""
TOLD = 10
"""Arrivals below which it is not told whether the server kept up."""
LUMP_S = 2e-5
"""Mean time between tokens below which they came all at once: faster than any server makes them."""
REFUSED_FRAC = 0.05
ILL_FRAC = 0.2
"""Share of failed requests from which a burst tells of a fault and not of the load."""
STEADY = "steady"
"""The session's window between warm-up and drain."""
_REFUSALS = ("HTTP 429", "HTTP 503", "not sent")
_CUT = "cut off"
_SIGMAS = {"poisson": 3.0, "constant": 1.5}
"""Standard deviations that growth has to exceed, by arrivals: even ones add no chance of theirs."""


@dataclass(frozen=True, slots=True)
class Burst:
    """One load as it was seen through its window.

    Attributes
    ----------
    start_s, end_s : of the window, seconds after the load's start.
    """

    load: Load
    start_s: float
    end_s: float
    server: ServerFigures

    @property
    def duration_s(self) -> float:
        """Seconds of the window."""
        return self.end_s - self.start_s

    def arrived(self) -> list[Outcome]:
        """Requests that were due in the window."""
        return [o for o in self.load.outcomes if self._within(o.due_s)]

    def answered(self) -> list[Outcome]:
        """Requests whose whole answer ended in the window, whenever they arrived."""
        return [o for o in self.load.outcomes if not o.error and self._within(o.ended_s)]

    def failed(self) -> list[Outcome]:
        """Requests due in the window without a whole answer; an early end fails none."""
        early = self.load.stopped_early
        return [o for o in self.arrived() if o.error and not (early and o.kind == _CUT)]

    def under_way(self, time_s: float) -> int:
        """Requests sent before `time_s` and not ended then by the server."""
        return sum(
            o.sent_s is not None
            and o.due_s < time_s
            and (o.ended_s is None or o.ended_s >= time_s or o.kind == _CUT)
            for o in self.load.outcomes
        )

    def _within(self, time_s: float | None) -> bool:
        return time_s is not None and self.start_s <= time_s < self.end_s


def figures_of(burst: Burst) -> BurstFigures:
    """The figures of the window.

    `completed` and the tokens are of the answers that ended in it, as its joules are; times are of
    the requests that arrived in it, for the slowest of them end later. Times count from the moment
    at which a request was due, so that a late sender cannot hide a slow server.
    """
    arrived, answered, server = burst.arrived(), burst.answered(), burst.server
    whole = [o for o in arrived if not o.error]
    seconds, itl = burst.duration_s, spread_of(_gaps_s(whole))
    lumped = itl is not None and itl.mean_s < LUMP_S
    return BurstFigures(
        sent=len(arrived),
        completed=len(answered),
        failed=len(burst.failed()),
        offered_rps=len(arrived) / seconds,
        achieved_rps=len(answered) / seconds,
        prompt_tokens=_total(o.prompt_tokens for o in answered),
        output_tokens=_total(o.output_tokens for o in answered),
        cached_tokens=_cached_tokens(answered),
        ttft=None if lumped else spread_of([o.chunk_s[0] - o.due_s for o in whole if o.chunk_s]),
        itl=None if lumped else itl,
        latency=spread_of([o.ended_s - o.due_s for o in whole if o.ended_s is not None]),
        running_mean=server.running_mean,
        waiting_mean=server.waiting_mean,
        kv_used_frac=server.kv_used_frac,
        cache_hit_frac=_hit_frac(answered, server),
        preemptions=server.preemptions,
        lag_p99_s=_lag_p99_s(arrived),
        saturated=is_saturated(burst),
    )


def spread_of(values: Sequence[float] | NDArray[np.float64]) -> Spread | None:
    """Mean and percentiles of seconds, ``None`` without any.

    >>> spread_of([1.0, 3.0]).p50_s
    2.0
    """
    if not len(values):
        return None
    of = np.asarray(values, dtype=np.float64)
    p50, p90, p95, p99 = (float(p) for p in np.percentile(of, (50, 90, 95, 99)))
    return Spread(mean_s=float(of.mean()), p50_s=p50, p90_s=p90, p95_s=p95, p99_s=p99)


def is_saturated(burst: Burst) -> bool | None:
    """Whether requests arrived faster than they were worked off; ``None`` for too few to tell.

    Then the number under way grows after the batch has filled, in the window's second half too, by
    more than chance moves a steady one (standard deviations of the difference of two Poisson
    counts), or requests are refused. Where many fail otherwise the server is ill: ``None`` too.
    """
    arrived = burst.arrived()
    if len(arrived) < TOLD:
        return None
    refused = sum(o.kind in _REFUSALS for o in arrived)
    if refused > REFUSED_FRAC * len(arrived):
        return True
    if len(burst.failed()) > ILL_FRAC * len(arrived):
        return None
    middle_s = (burst.start_s + burst.end_s) / 2
    full_s = max(burst.start_s, min(middle_s, _filled_s(burst)))
    first, middle, last = (burst.under_way(t) for t in (full_s, middle_s, burst.end_s))
    chance = _SIGMAS[burst.load.plan.arrivals] * math.sqrt(2 * (first + 1))
    grew = last - first > max(REFUSED_FRAC * len(arrived), chance)
    return grew and last - middle > REFUSED_FRAC * len(arrived) / 4


def _filled_s(burst: Burst) -> float:
    """When the batch has filled: twice as long as the quick answers took, from the load's start."""
    took_s = [o.ended_s - o.due_s for o in burst.load.outcomes if not o.error and o.ended_s]
    return 2 * float(np.percentile(took_s, 10)) if took_s else 0.0


def errors_of(burst: Burst) -> dict[str, int]:
    """How many requests of the window failed, by kind, the most frequent first."""
    return dict(Counter(o.kind for o in burst.failed()).most_common())


def doubts_of(burst: Burst, figures: BurstFigures, warmup_s: float) -> tuple[str, ...]:
    """What the reader should know of a burst: early ends, failures, too few answers, saturation."""
    found = list(burst.load.notices)
    if figures.completed < FEW:
        found.append(_too_few(burst, figures))
    if figures.completed and figures.output_tokens == 0:
        found.append("the answers are empty: no joules per output token. Try a longer prompt")
    if figures.ttft is None and any(len(o.chunk_s) > 1 and not o.error for o in burst.arrived()):
        found.append(
            "the pieces of an answer came all at once: what stands between here and the server "
            "collects them, so that times of tokens are not known. Take the server itself"
        )
    if figures.failed > ILL_FRAC * figures.sent:
        kinds = ", ".join(errors_of(burst))
        found.append(
            f"{figures.failed} of {figures.sent} requests failed ({kinds}): no estimate leans on "
            "this burst. See to the server, or try a lower rate"
        )
    elif figures.saturated:
        found.append(
            f"saturated: {figures.offered_rps:.3g} requests per second arrived and "
            f"{figures.achieved_rps:.3g} were answered; times grow with the length of the burst"
        )
    elif figures.latency is not None and figures.latency.p50_s > warmup_s:
        found.append(
            f"half of the answers took longer than the warm-up ({warmup_s:.3g} s), so that the "
            f"batch was still filling: give --warmup {math.ceil(2 * figures.latency.p90_s)}"
        )
    return tuple(found)


def burst_run(
    run: Run, setup: Setup, burst: Burst, figures: BurstFigures, doubts: Iterable[str] = ()
) -> Run:
    """The session's `run` cut to the window: joules, seconds and answers are those of it.

    Parameters
    ----------
    setup : with the workload as it turned out.
    """
    m = run.measurement
    window = next((w for w in m.windows if w.name == STEADY), None)
    measurement = replace(
        m,
        energy_j=dict(window.energy_j) if window else {},
        power_w=_power_w(window),
        duration_s=window.duration_s if window else burst.duration_s,
        samples=figures.completed,
        burst=figures,
        notices=(*doubts, *m.notices),
    )
    status = "interrupted" if burst.load.stopped_early else run.status
    return replace(run, setup=setup, measurement=measurement, status=status)


def _power_w(window: Window | None) -> dict[str, float]:
    if window is None or window.duration_s <= 0:
        return {}
    return {scope: j / window.duration_s for scope, j in window.energy_j.items()}


def _too_few(burst: Burst, figures: BurstFigures) -> str:
    rate_rps = figures.achieved_rps or burst.load.plan.rate_rps
    return (
        f"{figures.completed} answers in {burst.duration_s:.3g} s are too few for percentiles and "
        f"a sure energy per request: give --seconds {math.ceil(1.5 * FEW / rate_rps)} or more"
    )


def _total(counts: Iterable[float | None]) -> float | None:
    """Their sum, ``None`` where one is not known or there is none."""
    values = list(counts)
    known = [v for v in values if v is not None]
    return float(sum(known)) if known and len(known) == len(values) else None


def _cached_tokens(answered: Sequence[Outcome]) -> float | None:
    """Prompt tokens that were cached, ``None`` if no answer tells of any.

    vLLM and SGLang leave the count out where it is 0: beside others that tell, silence is 0.
    """
    told = [o.cached_tokens for o in answered if o.cached_tokens is not None]
    return float(sum(told)) if told else None


def _gaps_s(outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Seconds between tokens, all requests together; pieces of several tokens are shared out."""
    gaps = [np.diff(o.chunk_s) / _tokens_a_piece(o) for o in outcomes if len(o.chunk_s) > 1]
    return np.concatenate(gaps) if gaps else np.empty(0)


def _tokens_a_piece(outcome: Outcome) -> float:
    """Tokens behind one piece of a stream of several, at least 1."""
    return max(1.0, ((outcome.output_tokens or 0) - 1) / (len(outcome.chunk_s) - 1))


def _hit_frac(answered: Sequence[Outcome], server: ServerFigures) -> float | None:
    """Share of the prompt tokens that were cached: the server's counters, else the answers' own."""
    if server.cache_hit_frac is not None:
        return server.cache_hit_frac
    cached, prompt = _cached_tokens(answered), _total(o.prompt_tokens for o in answered)
    return min(1.0, cached / prompt) if cached is not None and prompt else None


def _lag_p99_s(arrived: Sequence[Outcome]) -> float | None:
    lags = [o.sent_s - o.due_s for o in arrived if o.sent_s is not None]
    return float(np.percentile(lags, 99)) if lags else None
