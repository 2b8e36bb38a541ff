"""The answer to the question what to serve a model on, as frozen records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulecast.core.records import Basis, Novelty
    from joulecast.core.serving import Serving


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the slowest of requests may take, ``None`` for no bound, and replicas at most.

    Attributes
    ----------
    latency_p95_s, ttft_p95_s : seconds to the last and to the first token that 95 of 100 requests
        stay below.
    """

    latency_p95_s: float | None = None
    ttft_p95_s: float | None = None
    max_replicas: int = 64


@dataclass(frozen=True, slots=True)
class PlanHour:
    """One hour of a trace on all replicas; times are ``None`` in an hour without requests."""

    start_s: float
    duration_s: float
    requests: int
    rate_rps: float
    prompt_tokens: float
    output_tokens: float
    power_w: float
    energy_j: float
    ttft_p95_s: float | None = None
    latency_p95_s: float | None = None


@dataclass(frozen=True, slots=True)
class PlanOption:
    """One model on so many replicas of one machine; all figures are of all replicas together.

    Attributes
    ----------
    fits : whether it does what was asked; `reason` says why not, and the figures are then ``None``.
    replicas : machines that share the requests evenly. copies : of the model on each of them, one
        per GPU or group of GPUs.
    load_frac : of the saturation rate that is asked, of a trace in its fullest hour. batch_limit :
        requests at once that engine and memory of one machine admit.
    energy_j : over `duration_s`. is_best_machine : of those for this model; is_best : of all.
    hours : of a trace.
    """

    model: str
    hardware: str
    fits: bool
    reason: str = ""
    hardware_text: str = ""
    replicas: int | None = None
    copies: int | None = None
    energy_per_request_j: float | None = None
    energy_per_request_low_j: float | None = None
    energy_per_request_high_j: float | None = None
    energy_per_output_token_j: float | None = None
    energy_j: float = 0.0
    energy_low_j: float = 0.0
    energy_high_j: float = 0.0
    duration_s: float = 0.0
    power_w: float | None = None
    saturation_rps: float | None = None
    saturation_low_rps: float | None = None
    saturation_high_rps: float | None = None
    load_frac: float | None = None
    batch_limit: float | None = None
    ttft_p95_s: float | None = None
    latency_p95_s: float | None = None
    basis: Basis | None = None
    novelty: Novelty | None = None
    carbon_g: float | None = None
    carbon_intensity_g_per_kwh: float | None = None
    carbon_source: str | None = None
    cost: float | None = None
    price_per_kwh: float | None = None
    is_best_machine: bool = False
    is_best: bool = False
    hours: tuple[PlanHour, ...] = ()
    notices: tuple[str, ...] = ()

    def with_notices(self, *notices: str) -> PlanOption:
        """Copy with `notices` appended."""
        return replace(self, notices=(*self.notices, *notices))


@dataclass(frozen=True, slots=True)
class Plan:
    """Every model on every machine, those that fit first, by energy per request.

    Attributes
    ----------
    rate_rps : of all requests; of a trace the mean. serving : what a request is like.
    best_model, best_hardware : of the option that takes the least energy, ``None`` if none fits.
    """

    options: tuple[PlanOption, ...]
    bounds: Bounds
    rate_rps: float
    duration_s: float
    level: float
    serving: Serving
    best_model: str | None = None
    best_hardware: str | None = None
    notices: tuple[str, ...] = ()

    @property
    def best(self) -> PlanOption | None:
        """The option that takes the least energy per request, ``None`` if none fits."""
        return next((option for option in self.options if option.is_best), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names; the JSON of the command line."""
        return asdict(self)

    def with_notices(self, *notices: str) -> Plan:
        """Copy with `notices` appended."""
        return replace(self, notices=(*self.notices, *notices))
