"""What was measured in a row of the serving table: joules, watts, times, requests answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from joulecast.core.records import Measurement
from joulecast.core.serving import BurstFigures, Spread
from joulecast.datasets.cells import number, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Setup

_KEPT_UP: Final = 0.95
"""Share of the offered rate that a server below saturation answers at least."""


def measured(row: Mapping[str, Any], setup: Setup) -> Measurement:
    """What was measured: of all requests where their number is stated, else of one."""
    count = number(row.get("n_requests")) or 1.0
    rps = _answered_rps(row)
    request_j, power_w = _request_j(row), number(row.get("avg_power_w"))
    stated_s = number(row.get("duration_s")) if count > 1 else None
    return Measurement(
        energy_j={setup.scope: count * request_j} if request_j else {},
        duration_s=stated_s or (count / rps if rps else None),
        samples=count,
        power_w={setup.scope: power_w} if power_w else {},
        burst=_burst(row, setup, count, rps),
    )


def _request_j(row: Mapping[str, Any]) -> float | None:
    """Joules per request, as stated or from those per output token."""
    stated = number(row.get("energy_per_request_j"))
    token_j, output = (
        number(row.get(name)) for name in ("energy_per_output_token_j", "avg_output_tokens")
    )
    return token_j * output if stated is None and token_j and output else stated


def _answered_rps(row: Mapping[str, Any]) -> float | None:
    """Requests answered per second: as stated, of a batch that runs once, or from tokens."""
    stated = number(row.get("achieved_rps"))
    if stated is not None:
        return stated
    batch, latency_s = number(row.get("batch_size_config")), number(row.get("e2e_latency_s"))
    if batch and latency_s:
        return batch / latency_s
    tokens_s, output = number(row.get("throughput_tok_s")), number(row.get("avg_output_tokens"))
    return tokens_s / output if tokens_s and output else None


def _burst(row: Mapping[str, Any], setup: Setup, count: float, rps: float | None) -> BurstFigures:
    """What the requests met; a percentile that the row does not state is NaN."""
    serving = setup.workload.serving
    offered = (serving.rate_rps if serving else None) or rps or math.nan
    prompt, output = number(row.get("avg_prompt_tokens")), number(row.get("avg_output_tokens"))
    itl = {p: _ms(row.get(f"itl_{p}_ms")) for p in ("median", "p90", "p95", "p99")}
    is_mean = "mean TPOT" in text(row.get("notes"))
    mean_s, median_s = (itl["median"], math.nan) if is_mean else (math.nan, itl["median"])
    spread = Spread(mean_s, median_s, itl["p90"], itl["p95"], itl["p99"])
    closed = serving is not None and serving.rate_rps is None
    return BurstFigures(
        sent=int(count),
        completed=int(count),
        failed=0,
        offered_rps=offered,
        achieved_rps=rps or math.nan,
        prompt_tokens=prompt and prompt * count,
        output_tokens=output and output * count,
        ttft=_mean_spread(number(row.get("ttft_s"))),
        itl=spread if not math.isnan(itl["median"]) else None,
        latency=_mean_spread(number(row.get("e2e_latency_s"))),
        running_mean=number(row.get("observed_batch_size")) if closed else None,
        saturated=bool(rps and rps < _KEPT_UP * offered) if not closed else None,
    )


def _ms(cell: object) -> float:
    found = number(cell)
    return math.nan if found is None else found / 1e3


def _mean_spread(mean_s: float | None) -> Spread | None:
    return None if mean_s is None else Spread(mean_s, *(math.nan,) * 4)
