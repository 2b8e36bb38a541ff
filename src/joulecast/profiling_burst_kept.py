"""What is kept and told of the bursts of one command."""

from __future__ import annotations

import secrets
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from joulecast.answering import hardware_line
from joulecast.core.records import Setup, Workload
from joulecast.core.units import format_si
from joulecast.estimator.serving.metrics import LEAST, correlations, scope_of, seven_of
from joulecast.profiler.serving import burst as bursts
from joulecast.render_burst import burst_screen, notices_of, point_of
from joulecast.tables import as_json

if TYPE_CHECKING:
    import argparse

    from joulecast.asking_burst import Server
    from joulecast.core.records import Run
    from joulecast.core.serving import BurstFigures, Serving
    from joulecast.profiler.serving.burst_point import Measured
    from joulecast.profiler.serving.outcomes import Target
    from joulecast.profiler.serving.saturation import Saturation
    from joulecast.profiling_desk import Desk


@dataclass(slots=True)
class Campaign:
    """One command: the server, what it is sent, and the points so far.

    Attributes
    ----------
    token : joins the records of the command. salt : makes its prompts new to a prefix cache.
    found : saturation by shared share of the prompts, 0..1.
    """

    ask: argparse.Namespace
    desk: Desk
    server: Server
    target: Target
    warmup_s: float
    tokens_per_word: float = 1.0
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    salt: int = field(default_factory=lambda: 1 + secrets.randbelow(10**9))
    runs: list[Run] = field(default_factory=list)
    errors: list[dict[str, int]] = field(default_factory=list)
    found: list[tuple[float | None, Saturation]] = field(default_factory=list)


def setup_of(campaign: Campaign, serving: Serving, samples: float) -> Setup:
    """What is executed: `samples` requests to the campaign's server."""
    server = campaign.server
    workload = Workload(
        task="serve",
        samples=samples,
        input_shape=server.network.input_shape or None,
        dataset="tokens",
        precision=server.precision,
        framework=serving.engine,
        serving=serving,
    )
    notices = (*server.notices, *campaign.desk.here.notices)
    return Setup(campaign.desk.here.machine, server.network, workload, notices=notices)


def keep(campaign: Campaign, measured: Measured, expected: Serving, share: float | None) -> None:
    """Write the record as it turned out."""
    run, server, seen = measured.run, campaign.server, measured.burst
    if seen is None:
        said = "it ended before the warm-up was over: nothing was measured"
        notices = (said, *measured.load.notices, *run.measurement.notices)
        run = replace(run, measurement=replace(run.measurement, notices=notices))
        errors: dict[str, int] = {}
    else:
        figures = bursts.figures_of(seen)
        serving = _as_met(campaign, expected, seen, figures)
        doubts = bursts.doubts_of(seen, figures, campaign.warmup_s)
        if share and figures.cache_hit_frac is None:
            doubts += (f"the server tells no cache hits: {share:.0%} of the prompt taken as hit",)
        setup = setup_of(campaign, serving, figures.completed)
        run = bursts.burst_run(run, setup, seen, figures, doubts)
        errors = bursts.errors_of(seen)
    shared = {} if share is None else {"shared_frac": f"{share:g}"}
    engine = {"engine": server.version} if server.version else {}
    run = replace(
        run,
        model_family=server.family or run.model_family,
        versions={**run.versions, **engine},
        where={**run.where, "burst": campaign.token, "server_model": server.model, **shared},
        status="interrupted" if measured.load.stopped_early else run.status,
    )
    campaign.desk.keep(run)
    campaign.runs.append(run)
    campaign.errors.append(errors)


def _as_met(
    campaign: Campaign, expected: Serving, seen: bursts.Burst, figures: BurstFigures
) -> Serving:
    """The requests as they turned out: lengths and hit rate measured where they were told."""
    n, hit = figures.completed, figures.cache_hit_frac
    prompt, output = figures.prompt_tokens, figures.output_tokens
    engine = campaign.server.engine or seen.server.engine
    return replace(
        expected,
        prompt_tokens=prompt / n if prompt and n else expected.prompt_tokens,
        output_tokens=expected.output_tokens if output is None or not n else output / n,
        prompt_tokens_guessed=not prompt,
        cache_hit_frac=expected.cache_hit_frac if hit is None else hit,
        concurrency=campaign.ask.max_in_flight,
        engine=engine or "unknown",
        duration_s=seen.duration_s,
    )


def say(campaign: Campaign) -> None:
    """Print all points: on one screen, or as one JSON object."""
    runs, desk = campaign.runs, campaign.desk
    known = [run for run in runs if run.measurement.burst is not None]
    ranks = correlations(known) if len(known) >= LEAST else ()
    if desk.ask.json:
        scope = scope_of(known)
        told = {
            "burst": campaign.token,
            "server": campaign.server.url,
            "model": campaign.server.model,
            "network": campaign.server.network.name,
            "engine": campaign.server.engine or None,
            "folder": str(desk.folder) if desk.folder else None,
            "points": [
                {**point_of(run, errors), "figures": _figures(run)}
                for run, errors in zip(runs, campaign.errors, strict=True)
            ],
            "saturation": asdict(campaign.found[-1][1]) if campaign.found else None,
            "saturations": [{"shared_frac": f, **asdict(s)} for f, s in campaign.found],
            "seven_metrics": [seven_of(run, scope) for run in known],
            "correlations": [asdict(c) for c in ranks],
        }
        sys.stdout.write(as_json(told))
        for notice in notices_of(runs):
            sys.stderr.write(f"note: {notice}\n")
        return
    saved = str(desk.folder) if desk.folder else ""
    sys.stdout.write(burst_screen(_head(campaign), runs, ranks, campaign.found, saved))


def _figures(run: Run) -> dict[str, object] | None:
    burst = run.measurement.burst
    return None if burst is None else asdict(burst)


def _head(campaign: Campaign) -> list[str]:
    """Model and network, server, machine."""
    server, machine = campaign.server, campaign.desk.here.machine
    a = server.network
    params = f" ({a.name}, {format_si(a.params, 'params')})" if a.params else ""
    engine = f" · {server.engine} {server.version}".rstrip() if server.engine else ""
    place = hardware_line(machine) if machine.accelerator else "a machine that is not known"
    return [f"{server.model}{params} · {server.precision}{engine}", f"{server.url} on {place}"]
