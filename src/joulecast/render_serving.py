"""The one screen of a model server: a `ServingEstimate` as text and a small picture."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast.core.units import S_PER_H, format_duration, format_si
from joulecast.render import (
    MAX_NOTES,
    WIDTH,
    Row,
    aligned,
    basis_words,
    carbon_rows,
    cost_rows,
    energy_scale,
    head_lines,
    labelled,
    ranged,
    split_remark,
    told,
)
from joulecast.render_curve import curve_lines

if TYPE_CHECKING:
    from joulecast.core.serving_estimate import ServingEstimate

_NOVELTY = {
    "seen-pair": "seen pair: {model} was measured on {hardware}",
    "new-model": "new model: {model} was never measured on {hardware}, other models were",
    "new-hardware": "new hardware: {hardware} was never measured serving, {model} was",
    "new-pair": "new pair: {model} was never measured on {hardware}",
}
_MEASURED_HERE = {
    "calibrated": "sharpened by your own bursts of this machine or of this model",
    "short-run": "from your own bursts of this model on this machine",
    "measured": "your own burst of just this",
}
_STILL_J = 1e5
"""Joules per request up to which joules are read most easily."""


def serving_screen(
    answer: ServingEstimate,
    *,
    currency: str = "",
    width: int = WIDTH,
    max_notes: int | None = MAX_NOTES,
    curve_width: int | None = None,
) -> str:
    """The answer on one screen: head, figures, their origin, notices, the curve against the rate.

    Parameters
    ----------
    currency : name of the money. width : columns, 80 to 100 look best.
    max_notes : how many notices are shown, ``None`` for all. curve_width : columns of the picture,
        ``None`` for `width`.
    """
    what = f"{_arrivals(answer)} for {long_duration(answer.duration_s)}"
    lines = [*head_lines(answer, "this model", what, width), ""]
    rows = [_request(answer), _tokens(answer), _total(answer), _power(answer)]
    rows += [_load(answer), _latency(answer)]
    rows += [*carbon_rows(answer), *cost_rows(answer, currency)]
    lines += aligned(rows, width)
    basis = basis_words(answer, _MEASURED_HERE, _NOVELTY, "this model")
    lines += [*labelled("basis", basis, width), *told(answer, width, max_notes)]
    drawn = curve_lines(answer.curve, answer.rate_rps, answer.saturation_rps, curve_width or width)
    lines += ["", *drawn] if drawn else []
    return "\n".join(line.rstrip() for line in lines) + "\n"


def long_duration(duration_s: float) -> str:
    """A duration; whole hours as such."""
    hours, rest = divmod(duration_s, S_PER_H)
    return f"{hours:.0f} h" if not rest and 1 <= hours < 48 else format_duration(duration_s)


def _arrivals(answer: ServingEstimate) -> str:
    """How requests reach the server."""
    if answer.rate_rps is not None:
        return f"{per_second(answer.rate_rps)} requests/s"
    serving = answer.workload.serving if answer.workload else None
    if serving is not None and serving.concurrency is not None:
        return f"{serving.concurrency:g} requests at any time"
    return "full load"


def per_second(rate_rps: float) -> str:
    """A rate in the digits that a person would say.

    >>> per_second(10), per_second(0.257), per_second(41.23)
    ('10', '0.26', '41')
    """
    if rate_rps >= 10:
        return f"{rate_rps:,.0f}"
    return f"{rate_rps:.2g}"


def joules(energy_j: float, low_j: float, high_j: float) -> tuple[str, str, float, int]:
    """An amount with its unit, its bounds, and the scale and decimals that they are printed in."""
    scale, unit = (1.0, "J") if 1 <= energy_j < _STILL_J else energy_scale(energy_j)
    value, span, digits = ranged(energy_j / scale, low_j / scale, high_j / scale)
    return f"{value} {unit}", span, scale, digits


def _request(answer: ServingEstimate) -> Row:
    value, span, scale, digits = joules(
        answer.energy_per_request_j,
        answer.energy_per_request_low_j,
        answer.energy_per_request_high_j,
    )
    requests = answer.energy_j / answer.energy_per_request_j
    if answer.scope not in {"system", "wall"}:  # the other parts are none of this energy
        answer = replace(answer, gpu_energy_j=None, cpu_energy_j=None, dram_energy_j=None)
    return Row("request", value, span, split_remark(answer, scale * requests, digits))


def _tokens(answer: ServingEstimate) -> Row:
    value, span, _, _ = joules(
        1e3 * answer.energy_per_output_token_j,
        1e3 * answer.energy_per_output_token_low_j,
        1e3 * answer.energy_per_output_token_high_j,
    )
    return Row("tokens", value, span, "per 1,000 output tokens")


def _total(answer: ServingEstimate) -> Row:
    scale, unit = energy_scale(answer.energy_j)
    value, span, _ = ranged(
        answer.energy_j / scale, answer.energy_low_j / scale, answer.energy_high_j / scale
    )
    requests = answer.served_rps * answer.duration_s
    return Row(
        "energy",
        f"{value} {unit}",
        span,
        f"for {float(f'{requests:.3g}'):,.0f} requests in {long_duration(answer.duration_s)}",
    )


def _power(answer: ServingEstimate) -> Row:
    return Row("power", format_si(answer.power_w, "W"))


def _load(answer: ServingEstimate) -> Row:
    """How much of what the server can do is asked of it; in a closed loop what it does."""
    low, high = (per_second(r) for r in (answer.saturation_low_rps, answer.saturation_high_rps))
    batch = f"batch {per_second(answer.concurrency)} of {per_second(answer.max_concurrency)}"
    if answer.rate_rps is None:
        return Row("rate", f"{per_second(answer.served_rps)}/s", f"{low} - {high}", batch)
    share = answer.served_rps / answer.saturation_rps if answer.saturation_rps else 0.0
    return Row(
        "load",
        f"{100 * min(share, 1.0):.0f} %",
        f"of {per_second(answer.saturation_rps)} requests/s",
        f"full at {low} - {high}, {batch}",
    )


def _latency(answer: ServingEstimate) -> Row:
    """Times of a request: whole, to the first token, per further token."""
    if not math.isfinite(answer.latency_s):
        value, span = "no end", "the queue grows"
    else:
        value = seconds(answer.latency_s)
        late_s = answer.latency_p95_s
        span = "" if late_s is None else f"p95 {seconds(late_s)}"
    first = f"first token {seconds(answer.ttft_s)}"
    if answer.ttft_p95_s is not None and math.isfinite(answer.ttft_p95_s):
        first += f" (p95 {seconds(answer.ttft_p95_s)})"
    if not math.isfinite(answer.ttft_s):
        first = ""
    each = f"{seconds(answer.tpot_s)} per further token"
    return Row("latency", value, span, ", ".join(filter(None, [first, each])))


def seconds(time_s: float) -> str:
    """A time from milliseconds to hours, two digits.

    >>> seconds(0.0123), seconds(2.34), seconds(math.inf)
    ('12 ms', '2.3 s', 'no end')
    """
    return format_duration(time_s) if math.isfinite(time_s) else "no end"
