"""Which machine, which model and how many replicas for a rate of requests and bounds on times."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulecast.answering import hardware_line
from joulecast.answering_bursts import lean_on
from joulecast.answering_serving import serving_estimate_of
from joulecast.asking_serving import Place, setup_asked
from joulecast.core.errors import BadInput, DoesNotFit
from joulecast.estimator.serving import bundle as bundles
from joulecast.planning_records import Bounds, Plan, PlanOption
from joulecast.serving_times import Asked, Late, copies_of, late

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    from joulecast.core.records import Architecture, Machine, Run
    from joulecast.core.serving import Serving
    from joulecast.core.serving_estimate import ServingEstimate

HEADROOM = 0.9
"""Share of the saturation rate that replicas are loaded with at most: queues grow steeply above."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What all options have in common.

    Attributes
    ----------
    serving : of a request, and the rate of all of them. runs : measured bursts to lean on.
    """

    serving: Serving
    place: Place
    bounds: Bounds
    level: float
    runs: Sequence[Run] = ()


def planned(
    models: Sequence[str | Path | Architecture],
    machines: Sequence[str | Path | Machine],
    wish: Wish,
    option_of: Callable[[Asked, Wish, tuple[str, ...]], PlanOption] | None = None,
) -> Plan:
    """Every model on every machine, the best marked.

    Parameters
    ----------
    option_of : what makes an option of a question that can be asked, default one for a rate.

    Raises
    ------
    UnknownName
        For a model or machine that nobody knows; whatever else is wrong with one of them is told
        in its option.
    """
    make = option_of or _at_rate
    options = [_option(model, machine, wish, make) for model in models for machine in machines]
    options.sort(key=lambda o: (not o.fits, o.energy_per_request_j or math.inf))
    options = _marked(options)
    best = options[0] if options and options[0].fits else None
    return Plan(
        options=tuple(options),
        bounds=wish.bounds,
        rate_rps=wish.serving.rate_rps or 0.0,
        duration_s=wish.serving.duration_s,
        level=wish.level,
        serving=wish.serving,
        best_model=best.model if best else None,
        best_hardware=best.hardware if best else None,
        notices=_close(options),
    )


def _option(
    model: str | Path | Architecture,
    machine: str | Path | Machine,
    wish: Wish,
    make: Callable[[Asked, Wish, tuple[str, ...]], PlanOption],
) -> PlanOption:
    """One model on one machine, or why not."""
    try:
        setup, notices = setup_asked(model, machine, wish.serving, wish.place)
    except (BadInput, DoesNotFit) as exc:
        return PlanOption(_name(model), _name(machine), fits=False, reason=str(exc))
    bundle = bundles.load()
    asked = Asked(setup, bundle, wish.level, lean_on(setup, wish.runs, bundle))
    try:
        return make(asked, wish, notices)
    except BadInput as exc:
        return PlanOption(setup.architecture.name, setup.machine.id, fits=False, reason=str(exc))


def _name(thing: Any) -> str:  # noqa: ANN401 (a name, a path or a record)
    found = getattr(thing, "id", None) or getattr(thing, "name", None)
    return str(found if isinstance(found, str) else thing)


def _at_rate(asked: Asked, wish: Wish, notices: tuple[str, ...]) -> PlanOption:
    """The option with the fewest replicas that carry the rate within the bounds."""
    rate = asked.serving.rate_rps or 0.0
    setup, bounds = asked.setup, wish.bounds

    def slow_of(count: int) -> Late | None:
        part = asked.serving_as(replace(asked.serving, rate_rps=rate / count))
        return late(part, part.answer())

    full_rps = float(asked.answer().saturation_rps[0])
    count, reason = fewest(max(math.ceil(rate / (HEADROOM * full_rps)), 1), bounds, slow_of)
    if count is None:
        return PlanOption(setup.architecture.name, setup.machine.id, fits=False, reason=reason)
    part = asked.serving_as(replace(asked.serving, rate_rps=rate / count))
    answer = serving_estimate_of(
        part.setup, wish.level, notices, explain=False, runs=wish.runs, force=wish.place.force
    )
    option = _of_estimate(answer, count, hardware_line(setup.machine))
    return replace(option, copies=copies_of(setup)[0])


def fewest(
    first: int, bounds: Bounds, slow_of: Callable[[int], Late | None]
) -> tuple[int | None, str]:
    """The fewest replicas from `first` on within `bounds`, or ``None`` and why there are none.

    Parameters
    ----------
    slow_of : times of the slowest requests with so many replicas; they fall with the number.
    """
    most = bounds.max_replicas
    if first > most:
        machines = "1 is" if most == 1 else f"{most:,} are"
        return None, f"it takes {first:,} replicas to carry the rate, {machines} allowed"
    slow = slow_of(first)
    if not broken(slow, bounds):
        return first, ""
    low, high = first, first
    while broken(slow, bounds):
        if high >= most:
            counted = "1 replica" if high == 1 else f"{high:,} replicas"
            return None, f"with {counted} {broken(slow, bounds)}"
        low, high = high, min(2 * high, most)
        before, slow = slow, slow_of(high)
        if _settled(before, slow) and broken(slow, bounds):
            return None, f"however many replicas, {broken(slow, bounds)}"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if broken(slow_of(middle), bounds) else (low, middle)
    return high, ""


def broken(slow: Late | None, bounds: Bounds) -> str:
    """Which bound the slowest requests break, empty if none."""
    if slow is None:
        return ""
    for what, limit_s, seen_s in (
        ("the first token", bounds.ttft_p95_s, slow.ttft_p95_s),
        ("the last token", bounds.latency_p95_s, slow.latency_p95_s),
    ):
        if limit_s is not None and seen_s > limit_s:
            if math.isinf(seen_s):
                return f"the queue grows, {what} may take {limit_s:g} s"
            return f"{what} takes {seen_s:.3g} s (p95), more than the {limit_s:g} s allowed"
    return ""


def _settled(before: Late | None, now: Late | None) -> bool:
    """Whether twice the replicas changed nothing: requests meet nobody else any more."""
    if before is None or now is None or math.isinf(before.latency_p95_s):
        return False
    pairs = ((before.latency_p95_s, now.latency_p95_s), (before.ttft_p95_s, now.ttft_p95_s))
    return all(new > 0.99 * old for old, new in pairs)


def _of_estimate(answer: ServingEstimate, count: int, hardware_text: str) -> PlanOption:
    """`count` replicas of the server that `answer` describes."""
    rate = answer.rate_rps or answer.served_rps
    return PlanOption(
        model=answer.model,
        hardware=answer.hardware,
        fits=True,
        hardware_text=hardware_text,
        replicas=count,
        energy_per_request_j=answer.energy_per_request_j,
        energy_per_request_low_j=answer.energy_per_request_low_j,
        energy_per_request_high_j=answer.energy_per_request_high_j,
        energy_per_output_token_j=answer.energy_per_output_token_j,
        energy_j=count * answer.energy_j,
        energy_low_j=count * answer.energy_low_j,
        energy_high_j=count * answer.energy_high_j,
        duration_s=answer.duration_s,
        power_w=count * answer.power_w,
        saturation_rps=count * answer.saturation_rps,
        saturation_low_rps=count * answer.saturation_low_rps,
        saturation_high_rps=count * answer.saturation_high_rps,
        load_frac=rate / answer.saturation_rps,
        batch_limit=answer.max_concurrency,
        ttft_p95_s=answer.ttft_p95_s,
        latency_p95_s=answer.latency_p95_s,
        basis=answer.basis,
        novelty=answer.novelty,
        notices=answer.notices,
    )


def _marked(options: Sequence[PlanOption]) -> list[PlanOption]:
    """The options with the best machine of each model and the best of all marked."""
    seen: set[str] = set()
    out = []
    for i, option in enumerate(options):
        first = option.fits and option.model not in seen
        seen |= {option.model} if option.fits else set()
        out.append(replace(option, is_best_machine=first, is_best=first and i == 0))
    return out


def _close(options: Sequence[PlanOption]) -> tuple[str, ...]:
    """A sentence where the second best may be the best."""
    fitting = [o for o in options if o.fits]
    if len(fitting) < 2:
        return ()
    best, second = fitting[:2]
    low, high = second.energy_per_request_low_j or 0.0, best.energy_per_request_high_j or 0.0
    if low >= high:
        return ()
    names = (f"{o.model} on {o.hardware}" for o in (best, second))
    return (f"{' and '.join(names)} overlap in their intervals: a burst on each would decide",)
