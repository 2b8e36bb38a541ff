"""Watts that the user states: for a machine without sensors whose power is known from elsewhere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from joulecast.core.errors import MeterUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.profiler.meters import MeterContext

_SCOPES = ("cpu", "gpu", "dram", "wall")
_MOST_W = 1e6


class Meter:
    """The same watts at all times; the option ``scope`` says of what, by default the CPU."""

    ON_REQUEST = True
    energy_source = "constant"
    wrap_j: float | None = None

    def __init__(self, power_w: float, scope: str) -> None:
        self._power_w = power_w
        self.name = "constant:0"
        self.scope = scope
        self.facts: Mapping[str, str] = {"power_w": f"{power_w:g}", "basis": "modelled"}

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """The meter that the options ``power_w`` and ``scope`` describe."""
        text, scope = context.options.get("power_w", ""), context.options.get("scope", "cpu")
        fix = "Write the watts after it: --meter constant:65"
        if not text:
            raise MeterUnavailable("constant", "no watts are given", fix)
        try:
            power_w = float(text)
        except ValueError:
            power_w = math.nan
        if not 0 < power_w <= _MOST_W:
            raise MeterUnavailable("constant", f"'{text}' is no number of watts", fix)
        if scope not in _SCOPES:
            reason = f"'{scope}' is nothing that it can stand for"
            raise MeterUnavailable("constant", reason, f"Take one of {', '.join(_SCOPES)}")
        return [cls(power_w, scope)]

    def read_power_w(self) -> float:
        """Watts, as stated."""
        return self._power_w

    def extras(self) -> Mapping[str, float]:
        """Nothing beside the power."""
        return {}

    def close(self) -> None:
        """Nothing is held open."""
