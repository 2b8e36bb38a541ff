"""What the serving predictor returns, and by what measured bursts may move it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """By how much measured bursts move a server's curve, as logarithms of factors.

    Attributes
    ----------
    step : on the time of an iteration. prefill : further, on the part that fills prompts.
    power : on the watts above active idle while busy. idle : on active idle.
    energy_sd, saturation_sd : what is left of doubt, standard deviations of the logarithms of
        energy per request and of the saturation rate; ``None`` for the zero-shot intervals.
    """

    step: float = 0.0
    prefill: float = 0.0
    power: float = 0.0
    idle: float = 0.0
    energy_sd: float | None = None
    saturation_sd: float | None = None


@dataclass(frozen=True, slots=True)
class ServingAnswers:
    """Figures of n servers, each array (n,), of the whole machine in the setups' scopes.

    Attributes
    ----------
    request_j, request_low_j, request_high_j : per answered request, idle in between included.
    token_j, token_low_j, token_high_j : per output token. power_w : mean.
    scope_w : watts by gpu, cpu, dram. idle_w : watts by scope with no request for long (model
        loaded). busy_frac : 0..1.
    served_rps, saturation_rps (with low and high) : requests per second.
    batch : requests in an iteration, mean while busy. max_batch : that engine and memory admit.
    queue : requests waiting, mean; infinite beyond saturation.
    ttft_s, tpot_s, latency_s : means. step_s : of one iteration at `batch`.
    novelty : per server. extrapolated : (n,) bool. terms : seconds of the parts of an iteration.
    """

    request_j: Array
    request_low_j: Array
    request_high_j: Array
    token_j: Array
    token_low_j: Array
    token_high_j: Array
    power_w: Array
    scope_w: Mapping[str, Array]
    idle_w: Mapping[str, Array]
    busy_frac: Array
    served_rps: Array
    saturation_rps: Array
    saturation_low_rps: Array
    saturation_high_rps: Array
    batch: Array
    max_batch: Array
    queue: Array
    ttft_s: Array
    tpot_s: Array
    latency_s: Array
    step_s: Array
    novelty: tuple[str, ...]
    extrapolated: NDArray[np.bool_]
    terms: Mapping[str, Array]
