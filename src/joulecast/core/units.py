"""Units: the only place with conversion factors.

Inside everything is SI; pretty units are for print.
"""

from __future__ import annotations

import math
import re

J_PER_KWH = 3.6e6
J_PER_WH = 3.6e3
FLOPS_PER_MAC = 2.0
BYTES_PER_GB = 1e9
S_PER_MIN = 60.0
S_PER_H = 3600.0

BYTES_PER_VALUE = {
    "fp64": 8.0,
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "fp4": 0.5,
    "int4": 0.5,
}

_PREFIXES = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)
_DURATION_UNITS_S = {"s": 1.0, "m": S_PER_MIN, "min": S_PER_MIN, "h": S_PER_H, "d": 24 * S_PER_H}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smhd])\s*")


def flops_from_macs(macs: float) -> float:
    """Floating-point operations of `macs` multiply-adds (one multiply-add = two operations)."""
    return FLOPS_PER_MAC * macs


def energy_j_to_kwh(energy_j: float) -> float:
    """Kilowatt-hours of `energy_j` joules.

    >>> energy_j_to_kwh(3.6e6)
    1.0
    """
    return energy_j / J_PER_KWH


def parse_duration_s(text: str) -> float:
    """Seconds of a duration such as ``90``, ``90s``, ``5min``, ``1h`` or ``1h30min``.

    >>> parse_duration_s("1h30min")
    5400.0
    """
    wanted = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", wanted):
        return float(wanted)
    parts = _DURATION_PART.findall(wanted)
    if not parts or _DURATION_PART.sub("", wanted):
        message = f"cannot read the duration '{text}'. Write 90s, 5min, 1h or 1h30min"
        raise ValueError(message)
    return sum(float(number) * _DURATION_UNITS_S[unit] for number, unit in parts)


def format_si(value: float, unit: str, digits: int = 3) -> str:
    """`value` with an SI prefix, `digits` significant; a unit that is a word stands apart.

    >>> format_si(14_728_266, "params"), format_si(0.0125, "J"), format_si(3.14e8, "MAC")
    ('14.7 M params', '12.5 mJ', '314 MMAC')
    """
    if not math.isfinite(value) or value == 0:
        return f"{value:g} {unit}".rstrip()
    rounded = float(f"{value:.{digits - 1}e}")
    factor, prefix = next((p for p in _PREFIXES if abs(rounded) >= p[0]), _PREFIXES[-1])
    number = f"{rounded / factor:.{digits}g}"
    if "e+" in number:
        number = f"{rounded / factor:.0f}"
    is_word = len(unit) > 1 and unit.islower()
    return f"{number} {prefix}{' ' if prefix and is_word else ''}{unit}".rstrip()


def format_energy(energy_j: float) -> str:
    """Energy in the unit a person would pick: J, Wh, kWh or MWh.

    >>> format_energy(684_000)
    '0.19 kWh'
    """
    if not abs(energy_j) >= 0.1 * J_PER_WH or math.isinf(energy_j):
        return format_si(energy_j, "J", 2)
    if abs(energy_j) < 0.1 * J_PER_KWH:
        return f"{_round_2(energy_j / J_PER_WH)} Wh"
    if abs(energy_j) < 1e3 * J_PER_KWH:
        return f"{_round_2(energy_j / J_PER_KWH)} kWh"
    return f"{_round_2(energy_j / J_PER_KWH / 1e3)} MWh"


def format_duration(duration_s: float) -> str:
    """Duration as a person would say it.

    >>> format_duration(70), format_duration(149), format_duration(6720)
    ('70 s', '2 min 29 s', '1 h 52 min')
    """
    if not duration_s >= 1 or math.isinf(duration_s):
        return format_si(duration_s, "s", 2)
    if duration_s < 99.5:
        return f"{_round_2(duration_s)} s"
    minutes, seconds = divmod(round(duration_s), 60)
    if minutes < 10:
        return f"{minutes} min {seconds:02d} s"
    minutes = round(duration_s / S_PER_MIN)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    days, hours = divmod(round(duration_s / S_PER_H), 24)
    return f"{days} d {hours} h"


def _round_2(value: float) -> str:
    """`value`, not 0, with two significant digits and all digits before the point."""
    rounded = float(f"{value:.1e}")
    if abs(rounded) >= 100:
        return f"{value:,.0f}"
    digits = max(0, 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{digits}f}"
