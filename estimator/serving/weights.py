"""How many bytes a weight takes, and at which of a device's rates it is multiplied."""

from __future__ import annotations

from joulecast.core.units import BYTES_PER_VALUE

_HALF = 2.0
WIDE, EIGHT, FOUR, STORED = 0, 1, 2, 3
"""Multiplied as two-byte, one-byte or half-byte numbers, or stored in four bits and widened."""


def bytes_per_weight(precision: str) -> float:
    """Bytes of one weight with its share of the scales.

    Scales take a byte per 32 weights (mxfp4) or 16 (nvfp4), or two per 128 (int4).
    """
    low = precision.lower()
    if "mxfp4" in low:
        return 0.5 + 1 / 32
    if "fp4" in low:
        return 0.5 + 1 / 16
    if any(word in low for word in ("int4", "awq", "gptq", "q4", "w4")):
        return 0.5 + 2 / 128
    if "8" in low:
        return 1.0
    return BYTES_PER_VALUE.get(low, _HALF)


def peak_of(precision: str) -> int:
    """`WIDE`, `EIGHT`, `FOUR` or `STORED`."""
    bytes_each, low = bytes_per_weight(precision), precision.lower()
    if bytes_each >= 2:
        return WIDE
    if bytes_each == 1:
        return EIGHT
    return FOUR if "fp4" in low else STORED
