"""Which request rate to try next, and where a server's saturation lies: no clock, no server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_UP = 0.9
"""Answered share of what arrives below which a server does not keep up."""
FAILED = 0.1
"""Failed share of what arrives above which it does not either."""
TIGHT = 1.25
"""Ratio of the bracket's ends at which it is tight enough."""
LEAST_RPS, MOST_RPS = 1 / 64, 4096.0
MOST_BURSTS = 16


@dataclass(frozen=True, slots=True)
class Tried:
    """One burst as the search sees it.

    Attributes
    ----------
    offered_rps, achieved_rps : requests per second that arrived and were answered.
    failed_frac : of those that arrived, 0..1. saturated : ``None`` for too few to tell.
    """

    rate_rps: float
    offered_rps: float
    achieved_rps: float
    failed_frac: float = 0.0
    saturated: bool | None = None

    @property
    def is_too_much(self) -> bool:
        """Whether the server did not keep up."""
        behind = self.achieved_rps < KEPT_UP * self.offered_rps
        return bool(self.saturated) or self.failed_frac > FAILED or (behind and self._is_sure)

    @property
    def _is_sure(self) -> bool:
        return self.saturated is None or self.achieved_rps < 0.75 * self.offered_rps


@dataclass(frozen=True, slots=True)
class Saturation:
    """Where goodput stalls, requests per second.

    Attributes
    ----------
    rate_rps : the most that was answered beyond it, ``None`` if it was not reached.
    low_rps, high_rps : the highest rate that was kept up with and the lowest that was not, as the
        requests arrived.
    """

    rate_rps: float | None
    low_rps: float | None
    high_rps: float | None


def next_rate(tried: Sequence[Tried], start_rps: float = 1.0) -> float | None:
    """The rate of the next burst, ``None`` when the search is over.

    Twice the last until one is too much, then the middle of the bracket on a log scale.

    >>> next_rate([Tried(1, 1, 1), Tried(2, 2, 2)])
    4
    """
    if not tried:
        return start_rps
    if len(tried) >= MOST_BURSTS:
        return None
    low, high = _bracket(tried)
    if high is None:
        following = 2 * max(t.rate_rps for t in tried)
        return following if following <= MOST_RPS else None
    if low is None:
        return high / 2 if high / 2 >= LEAST_RPS else None
    if high <= TIGHT * low:
        return None
    return float(f"{math.sqrt(low * high):.3g}")


def saturation_of(tried: Sequence[Tried]) -> Saturation:
    """What the bursts say about saturation.

    Beyond it the goodput is the capacity; it is never told below the highest rate kept up with.
    """
    low, high = (_arrived_rps(tried, rate_rps) for rate_rps in _bracket(tried))
    beyond = [t.achieved_rps for t in tried if t.is_too_much]
    kept = max((t.achieved_rps for t in tried if not t.is_too_much), default=0.0)
    return Saturation(max([*beyond, kept]) if beyond else None, low, high)


def _arrived_rps(tried: Sequence[Tried], rate_rps: float | None) -> float | None:
    """Requests per second that arrived in the burst at `rate_rps`."""
    return next((t.offered_rps for t in tried if t.rate_rps == rate_rps), None)


def _bracket(tried: Sequence[Tried]) -> tuple[float | None, float | None]:
    """The highest rate kept up with below the lowest that was too much, and that one."""
    high = min((t.rate_rps for t in tried if t.is_too_much), default=None)
    below = [t.rate_rps for t in tried if not t.is_too_much and (high is None or t.rate_rps < high)]
    return max(below, default=None), high
