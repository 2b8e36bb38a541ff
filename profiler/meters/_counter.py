"""A look at energy counters before they are trusted: some exist and never move."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulecast.profiler.clock import Clock

STEP_S = 0.25
"""Long enough for two refreshes of a counter that ticks at 10 Hz."""
STEPS = 4


def watched_power_w(
    read_j: Sequence[Callable[[], float | None]], clock: Clock
) -> list[float | None]:
    """Watts that each counter shows, (n_counters,); ``None`` where it stands still or fails.

    All counters are watched together, for a quarter of a second; those that stand still for up to
    a second, for no powered device draws nothing.

    Parameters
    ----------
    read_j : joules of a counter, ``None`` if it cannot be read.
    """
    start_s = clock.monotonic_s()
    first = [read() for read in read_j]
    power_w: list[float | None] = [None] * len(read_j)
    never = threading.Event()
    for _ in range(STEPS if read_j else 0):
        clock.wait(never, STEP_S)
        elapsed_s = clock.monotonic_s() - start_s
        for i, read in enumerate(read_j):
            if power_w[i] is None:
                power_w[i] = _rate(first[i], read(), elapsed_s)
        if all(f is None or p is not None for f, p in zip(first, power_w, strict=True)):
            break
    return power_w


def _rate(first_j: float | None, later_j: float | None, elapsed_s: float) -> float | None:
    if first_j is None or later_j is None or later_j <= first_j or elapsed_s <= 0:
        return None
    return (later_j - first_j) / elapsed_s
