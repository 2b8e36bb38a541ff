"""`joulecast profile burst`: a model server under load, one run record per request rate."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

from joulecast.asking_burst import find_server
from joulecast.core.errors import BadInput
from joulecast.core.serving import Serving
from joulecast.core.units import format_duration
from joulecast.options_burst import AUTO
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.serving import prompts as prompts_of
from joulecast.profiler.serving.burst_point import Attempt, first_answer, measure
from joulecast.profiler.serving.outcomes import LoadPlan, Target
from joulecast.profiler.serving.saturation import Tried, next_rate, saturation_of
from joulecast.profiler.serving.scrape_watch import looker
from joulecast.profiling_burst_desk import open_burst_desk
from joulecast.profiling_burst_kept import Campaign, keep, say, setup_of
from joulecast.profiling_desk import verdict

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from joulecast.asking_burst import Server
    from joulecast.core.records import Run
    from joulecast.profiler.serving.burst_point import Measured, Seen
    from joulecast.profiler.serving.outcomes import Outcome, Prompt
    from joulecast.profiler.serving.scrape import ServerState
    from joulecast.profiling_desk import Desk

_MAX_IN_FLIGHT = 2048
_WARMUP_S = (1.0, 10.0, 60.0)
"""Seconds: at least, usually at most, and at most where answers take long."""
_PROMPT_TOKENS, _OUTPUT_TOKENS = 512, 128


def measure_bursts(ask: argparse.Namespace) -> int:
    """`joulecast profile burst`: the exit code. What was measured is kept however it ends."""
    _check(ask)
    server = find_server(ask, os.environ)
    desk = open_burst_desk(ask, server)
    campaign: Campaign | None = None
    try:
        if code := verdict(ask, desk.here):
            return code
        campaign = _begun(ask, desk, server)
        for share in ask.shared or ask.cache_hit or (None,):
            _sweep(campaign, share)
    finally:
        desk.here.close()
        desk.line.clear()
        if campaign is not None and campaign.runs:
            say(campaign)
    return next((code for run in campaign.runs if (code := verdict(ask, desk.here, run))), 0)


def _check(ask: argparse.Namespace) -> None:
    """Raise BadInput where two options cannot be meant together."""
    if ask.prompts and (ask.prompt_tokens or ask.shared or ask.cache_hit):
        raise BadInput("--prompts are sent as they are: leave out --prompt-tokens and --shared")
    if ask.shared and ask.cache_hit:
        raise BadInput("--shared and --cache-hit say the same: give one of them")
    if ask.replay and ask.power_from:
        raise BadInput("--replay and --power-from are two sources of power: give one of them")


def _begun(ask: argparse.Namespace, desk: Desk, server: Server) -> Campaign:
    """The campaign after one request alone: the server works, and how long it takes is known."""
    target = Target(
        url=server.url,
        model=server.model,
        api_key=server.key,
        api=ask.api,
        timeout_s=ask.timeout,
        ignore_eos=_is_made_up(ask),
    )
    campaign = Campaign(ask, desk, server, target, 0.0)
    desk.line.show(lambda: f"{server.model} · one request to begin with")
    prompt = next(_prompts(campaign, None))
    outcome = first_answer(target, iter([prompt] * 3), SystemClock())
    if _is_made_up(ask) and outcome.prompt_tokens:
        campaign.tokens_per_word = prompts_of.tokens_per_word(prompt, outcome.prompt_tokens)
    campaign.warmup_s = ask.warmup if ask.warmup is not None else _warmup_s(ask.seconds, outcome)
    return campaign


def _warmup_s(seconds: float, first: Outcome) -> float:
    """A sixth of the burst, and twice as long as an answer takes, so that the batch is full."""
    least, usual, most = _WARMUP_S
    answer_s = (first.ended_s or 0.0) - first.due_s
    return min(most, max(least, min(usual, seconds / 6), 2 * answer_s))


def _is_made_up(ask: argparse.Namespace) -> bool:
    return bool(ask.prompt_tokens or ask.shared or ask.cache_hit)


def _prompts(campaign: Campaign, share: float | None) -> Iterator[Prompt]:
    """What is asked, without an end."""
    ask, salt = campaign.ask, campaign.salt
    if _is_made_up(ask):
        return prompts_of.synthetic(
            int(ask.prompt_tokens or _PROMPT_TOKENS),
            int(ask.output_tokens or _OUTPUT_TOKENS),
            share or 0.0,
            seed=ask.seed,
            salt=salt,
            tokens_per_word=campaign.tokens_per_word,
        )
    most = int(ask.output_tokens or prompts_of.MAX_TOKENS)
    if ask.prompts:
        return prompts_of.from_file(ask.prompts, most, ask.seed, salt)
    return prompts_of.bundled(most, ask.seed, salt)


def _sweep(campaign: Campaign, share: float | None) -> None:
    """Bursts at all rates, or until saturation is found; raises what ended them early."""
    campaign.salt += 1  # what a prefix cache has seen is not asked again
    prompts, tried = _prompts(campaign, share), list[Tried]()
    auto = campaign.ask.rps == AUTO
    rates = iter(campaign.ask.rps) if not auto else iter(())
    while (rate := next_rate(tried) if auto else next(rates, None)) is not None:
        measured = _point(campaign, float(rate), share, prompts)
        if measured.ended_by is not None:
            raise measured.ended_by
        if measured.gone:
            raise BadInput(f"{campaign.server.url} is gone: {measured.gone}. What came is kept")
        tried.append(_tried(campaign.runs[-1], float(rate)))
    if auto:
        campaign.found.append((share, saturation_of(tried)))


def _tried(run: Run, rate_rps: float) -> Tried:
    figures = run.measurement.burst
    if figures is None:
        return Tried(rate_rps, rate_rps, 0.0, 1.0)
    failed_frac = figures.failed / figures.sent if figures.sent else 0.0
    return Tried(
        rate_rps, figures.offered_rps, figures.achieved_rps, failed_frac, figures.saturated
    )


def _point(
    campaign: Campaign, rate_rps: float, share: float | None, prompts: Iterator[Prompt]
) -> Measured:
    """One burst, measured, kept and counted among the campaign's runs."""
    ask, server, desk = campaign.ask, campaign.server, campaign.desk
    plan = LoadPlan(
        rate_rps=rate_rps,
        duration_s=campaign.warmup_s + ask.seconds,
        arrivals=ask.arrivals,
        seed=ask.seed,
        max_in_flight=int(ask.max_in_flight or _MAX_IN_FLIGHT),
        drain_s=ask.drain,
    )
    first = next(prompts)
    expected = Serving(
        prompt_tokens=first.prompt_tokens or prompts_of.words_of(first),
        output_tokens=first.max_tokens,
        rate_rps=rate_rps,
        cache_hit_frac=share or 0.0,
        engine=server.engine or "unknown",
        duration_s=ask.seconds,
        prompt_tokens_guessed=True,
    )
    setup = setup_of(campaign, expected, rate_rps * ask.seconds)
    session = desk.session(setup, f"{server.network.name}-burst", server.network.group)
    clock = SystemClock()
    look = looker(server.url, server.model, clock, server.headers)
    attempt = Attempt(campaign.target, plan, campaign.warmup_s, ask.seconds, look)

    def show(elapsed_s: float, seen: Seen, state: ServerState | None) -> None:
        desk.line.show(lambda: _progress(attempt, elapsed_s, seen, state))

    measured = measure(attempt, session, chain([first], prompts), clock, show)
    keep(campaign, measured, expected, share)
    return measured


def _progress(attempt: Attempt, elapsed_s: float, seen: Seen, state: ServerState | None) -> str:
    plan = attempt.plan
    stage = "warm-up" if elapsed_s < attempt.warmup_s else "burst"
    stage = "drain" if elapsed_s > plan.duration_s else stage
    parts = [
        f"{plan.rate_rps:g} req/s · {stage} {elapsed_s:.0f} of {format_duration(plan.duration_s)}",
        f"{seen.answered} answered" + (f", {seen.failed} failed" if seen.failed else ""),
    ]
    if state is not None and state.running is not None:
        parts.append(f"batch {state.running:g}")
    return " · ".join(parts)
