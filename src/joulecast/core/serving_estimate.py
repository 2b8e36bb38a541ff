"""The answer to a question about serving, as a frozen record."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Basis, Evidence, Novelty, Scope, Workload


@dataclass(frozen=True, slots=True)
class RatePoint:
    """The server at one request rate; see `ServingEstimate` for the words."""

    rate_rps: float
    served_rps: float
    power_w: float
    energy_per_request_j: float
    energy_per_request_low_j: float
    energy_per_request_high_j: float
    ttft_s: float
    latency_s: float
    busy_frac: float


@dataclass(frozen=True, slots=True)
class ServingEstimate:
    """What a model server draws and how fast it answers, with intervals at `level`.

    Attributes
    ----------
    energy_per_request_j, energy_per_output_token_j : joules of `scope`, idle in between included.
    energy_j : joules over `duration_s`. power_w : mean watts.
    rate_rps : requests that arrive per second, ``None`` for a closed loop. served_rps : that are
        answered. saturation_rps : the most that can be.
    concurrency : requests in the batch, mean, while any is there. max_concurrency : that the engine
        and the memory for keys and values admit.
    busy_frac : share of the time in which the server works, 0..1.
    ttft_s, tpot_s, latency_s : to the first token, per further token, to the last; means.
    ttft_p95_s, latency_p95_s : that 95 of 100 requests stay below.
    gpu_energy_j, cpu_energy_j, dram_energy_j, net_energy_j : joules over `duration_s`.
    curve : the same server at rates up to and beyond saturation.
    """

    energy_per_request_j: float
    energy_per_request_low_j: float
    energy_per_request_high_j: float
    energy_per_output_token_j: float
    energy_per_output_token_low_j: float
    energy_per_output_token_high_j: float
    energy_j: float
    energy_low_j: float
    energy_high_j: float
    duration_s: float
    level: float
    power_w: float
    scope: Scope
    basis: Basis
    served_rps: float
    saturation_rps: float
    saturation_low_rps: float
    saturation_high_rps: float
    concurrency: float
    max_concurrency: float
    busy_frac: float
    ttft_s: float
    tpot_s: float
    latency_s: float
    ttft_p95_s: float | None = None
    latency_p95_s: float | None = None
    rate_rps: float | None = None
    novelty: Novelty | None = None
    gpu_energy_j: float | None = None
    cpu_energy_j: float | None = None
    dram_energy_j: float | None = None
    net_energy_j: float | None = None
    carbon_g: float | None = None
    carbon_intensity_g_per_kwh: float | None = None
    carbon_source: str | None = None
    cost: float | None = None
    price_per_kwh: float | None = None
    sci_g: float | None = None
    sci_per: str | None = None
    extrapolated: bool = False
    curve: tuple[RatePoint, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    notices: tuple[str, ...] = ()
    next_measurement: str | None = None
    model: str = ""
    hardware: str = ""
    model_text: str = ""
    hardware_text: str = ""
    workload: Workload | None = None
    explanation: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names; the JSON of the command line and of HTTP."""
        return asdict(self)

    def with_notices(self, *notices: str) -> ServingEstimate:
        """Copy with `notices` appended."""
        return replace(self, notices=(*self.notices, *notices))
