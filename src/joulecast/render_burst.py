"""Bursts as one screen of text: a calm table, what they say together, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.core.run_files import default_folder
from joulecast.core.units import format_duration, format_si
from joulecast.profiler.serving.burst import ILL_FRAC
from joulecast.render import WIDTH, labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Run
    from joulecast.core.serving import Spread
    from joulecast.estimator.serving.metrics import Correlation
    from joulecast.profiler.serving.saturation import Saturation

COLUMNS = (
    ("req/s", "asked"),
    ("answered", "/s"),
    ("J/req", ""),
    ("J/token", ""),
    ("W", ""),
    ("TTFT", "p50"),
    ("TTFT", "p95"),
    ("ITL", "p50"),
    ("latency", "p95"),
    ("batch", ""),
    ("hit", ""),
    ("failed", ""),
)
_SCOPES = ("system", "gpu", "wall", "cpu")
_MOST_NOTES = 6
_NONE = "-"
_BAR = 24


def scope_told(run: Run) -> str:
    """The widest scope whose energy the run has; empty without any."""
    return next((s for s in _SCOPES if s in run.measurement.energy_j), "")


def point_of(run: Run, errors: dict[str, int]) -> dict[str, Any]:
    """What a point has to say, in plain values with units in their names."""
    m = run.measurement
    burst, serving = m.burst, run.setup.workload.serving
    tokens = burst.output_tokens if burst else None
    return {
        "run": run.id,
        "status": run.status,
        "rate_rps": serving.rate_rps if serving else None,
        "scope": scope_told(run) or None,
        "energy_per_request_j": {s: _per(j, m.samples) for s, j in m.energy_j.items()},
        "energy_per_output_token_j": {s: _per(j, tokens) for s, j in m.energy_j.items()},
        "power_w": dict(m.power_w),
        "energy_source": dict(m.energy_source),
        "errors": errors,
        "notices": list(m.notices),
    }


def burst_table(runs: Sequence[Run]) -> list[str]:
    """The lines of the table, its two heads first."""
    rows = [_row(run) for run in runs]
    heads = [tuple(c[0] for c in COLUMNS), tuple(c[1] for c in COLUMNS)]
    wide = [max(len(row[i]) for row in (*heads, *rows)) for i in range(len(COLUMNS))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, wide, strict=True)).rstrip()
        for row in (*heads, *rows)
    ]


def burst_screen(
    head: Sequence[str],
    runs: Sequence[Run],
    correlations: Sequence[Correlation] = (),
    saturations: Sequence[tuple[float | None, Saturation]] = (),
    saved: str = "",
) -> str:
    """All points of a command on one screen.

    Parameters
    ----------
    head : lines that name model, server and machine. saved : folder of the records.
    saturations : each with the shared share of its prompts, 0..1.
    """
    lines = [*head, "", *burst_table(runs)]
    lines += _curve(runs)
    lines.append("")
    scopes = {scope_told(run): run.measurement.energy_source for run in runs if scope_told(run)}
    got = [f"{scope} ({source.get(scope, '')})" for scope, source in scopes.items()]
    energy = f"joules of {', '.join(got)}" if got else "not measured: no meter saw the server"
    lines += labelled("energy", energy, WIDTH)
    for share, saturation in saturations:
        shared = "" if share is None else f"{share:.0%} shared: "
        lines += labelled("saturates", shared + saturation_line(saturation), WIDTH)
    if correlations:
        lines += labelled("ranks", _ranks(correlations), WIDTH)
    if saved:
        lines += labelled("records", saved, WIDTH)
    lines += labelled("next", _next(runs, [s for _, s in saturations], saved), WIDTH)
    notices = notices_of(runs)
    for notice in notices[:_MOST_NOTES]:
        lines += labelled("note", notice, WIDTH)
    if len(notices) > _MOST_NOTES:
        lines += labelled("note", f"{len(notices) - _MOST_NOTES} more in the records", WIDTH)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def saturation_line(found: Saturation) -> str:
    """Where goodput stalls, with its bracket."""
    if found.rate_rps is None:
        kept = "no rate" if found.low_rps is None else f"{found.low_rps:.3g}"
        return f"not reached: it kept up with {kept} requests per second"
    low = "0" if found.low_rps is None else f"{found.low_rps:.3g}"
    return (
        f"at about {found.rate_rps:.3g} requests per second: it kept up with {low}, not with "
        f"{found.high_rps or 0:.3g}"
    )


def _row(run: Run) -> tuple[str, ...]:
    m = run.measurement
    burst, scope = m.burst, scope_told(run)
    if burst is None:
        return (_rate(run), *[_NONE] * (len(COLUMNS) - 1))
    energy_j, hit = m.energy_j.get(scope), burst.cache_hit_frac
    return (
        _rate(run),
        f"{burst.achieved_rps:.3g}" + ("!" if burst.saturated else ""),
        _plain(_per(energy_j, m.samples)),
        _plain(_per(energy_j, burst.output_tokens)),
        _plain(m.power_w.get(scope)),
        _time(burst.ttft, "p50_s"),
        _time(burst.ttft, "p95_s"),
        _time(burst.itl, "p50_s"),
        _time(burst.latency, "p95_s"),
        _NONE if burst.running_mean is None else f"{burst.running_mean:.3g}",
        _NONE if hit is None else f"{100 * hit:.0f} %",
        f"{burst.failed}",
    )


def _curve(runs: Sequence[Run]) -> list[str]:
    """J per request by rate as bars, for three points or more."""
    known = [
        (_rate(run), value)
        for run in runs
        if (value := _per(run.measurement.energy_j.get(scope_told(run)), run.measurement.samples))
    ]
    if len(known) < 3:
        return []
    most = max(value for _, value in known)
    wide = max(len(rate) for rate, _ in known)
    bars = [
        f"{r.rjust(wide)}  {'#' * max(1, round(_BAR * v / most))} {_plain(v)}" for r, v in known
    ]
    return ["", "J per request by requests per second", *bars]


def _rate(run: Run) -> str:
    """Requests per second, with the shared share of the prompts where that is swept."""
    serving, share = run.setup.workload.serving, run.where.get("shared_frac")
    rate = _NONE if serving is None or serving.rate_rps is None else f"{serving.rate_rps:.3g}"
    return rate if share is None else f"{rate} ({float(share):.0%})"


def notices_of(runs: Sequence[Run]) -> list[str]:
    """Each notice once: those of some points first, with their rates, then those of all."""
    rates: dict[str, list[str]] = {}
    for run in runs:
        for notice in dict.fromkeys((*run.measurement.notices, *run.setup.notices)):
            rates.setdefault(notice, []).append(_rate(run))
    some = [f"at {', '.join(at)}/s: {n}" for n, at in rates.items() if len(at) < len(runs)]
    return some + [n for n, at in rates.items() if len(at) >= len(runs)]


def _ranks(found: Sequence[Correlation]) -> str:
    """Spearman's correlations with the energy per request, as the papers' Table 6 has them."""
    told = [
        f"{c.metric} {c.rho:+.2f}"
        for c in found
        if c.rho is not None and c.metric != found[0].metric
    ]
    n = max((c.n for c in found), default=0)
    silent = [c.metric for c in found if c.rho is None]
    text = f"Spearman with the energy per request, n = {n}: {', '.join(told) or 'none'}"
    return text + (f" (the same or unknown in all: {', '.join(silent)})" if silent else "")


def _next(runs: Sequence[Run], saturations: Sequence[Saturation], saved: str) -> str:
    """What would make the answer surer."""
    bursts = [b for run in runs if (b := run.measurement.burst) is not None]
    if all(b.failed > ILL_FRAC * b.sent for b in bursts):
        return "see to the server: no estimate leans on bursts in which so many requests failed"
    if not any(run.measurement.energy_j for run in runs):
        return "give --power-from URL, or burst from the server's own machine, to see its energy"
    if any(s.rate_rps is None for s in saturations):
        return "give higher --rps: no estimate beyond a rate that was kept up with"
    if not saturations and not any(b.saturated for b in bursts):
        return "--rps auto finds where it saturates; estimates go no further than bursts did"
    if not saved:
        return "without --no-save the records would sharpen 'estimate --rps R'"
    given = "" if saved == str(default_folder()) else f" --runs {saved}"
    return f"'estimate --rps R{given}' leans on them; --cache-hit sweep shows the cache's part"


def _per(energy_j: float | None, count: float | None) -> float | None:
    return energy_j / count if energy_j is not None and count else None


def _plain(value: float | None) -> str:
    """Three digits in the column's own unit, so that rows compare at a glance."""
    if value is None:
        return _NONE
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _time(spread: Spread | None, name: str) -> str:
    if spread is None:
        return _NONE
    seconds = float(getattr(spread, name))
    return format_si(seconds, "s") if seconds < 60 else format_duration(seconds)
