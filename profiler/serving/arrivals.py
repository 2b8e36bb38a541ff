"""When requests arrive: drawn beforehand, so that nothing in the server's answers can move them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ARRIVALS: Final = 10_000_000
"""More than this is a slip of the keyboard, not a load."""


def arrivals_s(
    rate_rps: float,
    duration_s: float,
    kind: Literal["poisson", "constant"] = "poisson",
    seed: int = 0,
) -> NDArray[np.float64]:
    """Seconds after the start at which requests arrive: (n,), rising, 0 <= t < `duration_s`.

    ``constant`` starts at 0 with gaps of 1 / rate; ``poisson`` draws every gap, the first one too,
    from the exponential distribution of that mean. With one seed a longer load begins as the
    shorter one does, and twice the rate is the same load in half the time.
    """
    expected = _expected(rate_rps, duration_s, seed)
    if kind == "constant":
        count = math.ceil(expected * (1 - 1e-12))  # 0.1 x 30 s are 3 requests, not 4
        return np.arange(count, dtype=np.float64) / rate_rps
    if kind != "poisson":
        raise BadInput(f"arrivals '{kind}' are unknown. Say poisson or constant.")
    rng = np.random.default_rng(seed)
    block = int(expected + 4 * math.sqrt(expected)) + 16
    gaps = rng.standard_exponential(block)
    times = np.cumsum(gaps)
    while times[-1] < expected:
        times = np.cumsum(gaps := np.concatenate([gaps, rng.standard_exponential(block)]))
    found: NDArray[np.float64] = times[times < expected] / rate_rps
    return found[found < duration_s]


def _expected(rate_rps: float, duration_s: float, seed: int) -> float:
    """Requests that arrive on average; what cannot be one is refused."""
    for name, value in (("rate_rps", rate_rps), ("duration_s", duration_s)):
        if not (math.isfinite(value) and value > 0):
            raise BadInput(f"{name} is {value}. It must be a finite number above 0.")
    if seed < 0:
        raise BadInput(f"seed is {seed}. It must be 0 or more.")
    if rate_rps * duration_s > MAX_ARRIVALS:
        raise BadInput(
            f"{rate_rps:g} requests per second over {duration_s:g} s are "
            f"{rate_rps * duration_s:.3g} requests. Send at most {MAX_ARRIVALS}."
        )
    return rate_rps * duration_s
