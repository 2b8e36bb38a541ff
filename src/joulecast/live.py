"""Progress on standard error: one line that is rewritten, or a line now and then in a log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from joulecast.core.units import format_duration, format_energy, format_si

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TextIO

_SCREEN_S, _LOG_S = 0.2, 10.0


class ProgressLine:
    """One line of progress, rewritten on a screen; every ten seconds a new one elsewhere."""

    def __init__(
        self, stream: TextIO, *, quiet: bool = False, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._now = now
        self._on_screen = stream.isatty()
        self._quiet = quiet
        self._last_s = -1e9
        self._wide = 0

    def show(self, text: Callable[[], str]) -> None:
        """Show what `text` returns, unless something was shown just now."""
        now_s = self._now()
        if self._quiet or now_s - self._last_s < (_SCREEN_S if self._on_screen else _LOG_S):
            return
        self._last_s = now_s
        line = text()
        if self._on_screen:
            self._stream.write(f"\r{line:<{self._wide}}")
            self._wide = len(line)
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line off the screen."""
        if self._on_screen and self._wide:
            self._stream.write(f"\r{'':<{self._wide}}\r")
            self._stream.flush()
            self._wide = 0


def reading(
    duration_s: float,
    energy_j: Mapping[str, float],
    power_w: Mapping[str, float],
    half_width_frac: float | None = None,
) -> str:
    """Time, power and energy so far, and how sure the energy per sample is.

    >>> reading(61.0, {"system": 7200.0}, {"system": 120.0}, 0.031)
    '61 s · 120 W · 2.0 Wh · ±3.1 %'
    """
    parts = [format_duration(duration_s)]
    scope = "system" if "system" in energy_j else next(iter(energy_j), None)
    if scope is not None:
        if scope in power_w:
            parts.append(format_si(power_w[scope], "W"))
        parts.append(format_energy(energy_j[scope]))
    if half_width_frac is not None:
        parts.append(f"±{100 * half_width_frac:.1f} %")
    return " · ".join(parts)
