"""What every extrapolation from a short run shares: checks at the door, quantiles, the record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.records import Estimate
from joulecast.core.statistics import t_quantile
from joulecast.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Basis, Scope

    Array = NDArray[np.float64]
    Series = Sequence[float | None] | NDArray[Any]

SCOPES = ("gpu", "cpu", "dram", "system", "wall")
MAX_POWER_W = 1e8
"""More than any computing centre draws."""
MAX_DURATION_S = 1e10
"""Three hundred years."""
MAX_COUNT = 1e15
MAX_HALF_WIDTH = 2.0
"""Widest half interval, natural log."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Joules or seconds: what was measured, what is expected of the rest, and its half widths.

    Attributes
    ----------
    measured, rest : the two parts. half_width : natural log, of the rest, both ways.
    more : added to the upper end alone. doubt : part of what counts as measured was not read; it
        is added to both half widths.
    """

    measured: float
    rest: float
    half_width: float = 0.0
    more: float = 0.0
    doubt: float = 0.0

    @property
    def total(self) -> float:
        """The whole run."""
        return self.measured + self.rest

    @property
    def low(self) -> float:
        """Lower end; what was read cannot be taken back."""
        return self.measured + self.rest * math.exp(-self._half) - self.doubt

    @property
    def high(self) -> float:
        """Upper end."""
        return self.measured + self.rest * math.exp(self._half) + self.more + self.doubt

    @property
    def _half(self) -> float:
        return min(max(self.half_width, 0.0), MAX_HALF_WIDTH)


@dataclass(frozen=True, slots=True)
class Remarks:
    """What is said beside the numbers: doubts, whether the window is steady, what to do next."""

    notices: tuple[str, ...] = ()
    stable: bool = True
    next_measurement: str | None = None


def record(
    energy: Amount, duration: Amount, remarks: Remarks, *, level: float, scope: str
) -> Estimate:
    """The record of an extrapolation; `basis` is measured where nothing is left."""
    basis: Basis = "measured" if duration.rest <= 0 else "short-run"
    return Estimate(
        energy_j=float(energy.total),
        energy_low_j=float(energy.low),
        energy_high_j=float(energy.high),
        duration_s=float(duration.total),
        duration_low_s=float(duration.low),
        duration_high_s=float(duration.high),
        level=level,
        power_w=float(energy.total / duration.total),
        scope=cast("Scope", scope),
        basis=basis,
        stable=remarks.stable,
        notices=remarks.notices,
        next_measurement=remarks.next_measurement,
    )


def check_asked(level: float, scope: str) -> None:
    """Raise unless `level` and `scope` are ones that can be answered."""
    if not _is_number(level) or not 0.5 <= level <= 0.995:
        raise BadInput(f"level = {level!r} is outside 0.5 to 0.995. Give e.g. 0.9")
    if scope not in SCOPES:
        raise BadInput(f"unknown scope {scope!r}. Use one of {', '.join(SCOPES)}")


def check_count(name: str, value: float, at_least: float, limit: float = MAX_COUNT) -> float:
    """`value` as a float, if it is a number from `at_least` to `limit`."""
    if not _is_number(value) or not math.isfinite(value):
        raise BadInput(f"{name} = {value!r} is not a number. Give the size of the whole run")
    if value < at_least * (1 - 1e-9):
        raise BadInput(
            f"{name} = {value:g} is less than the {at_least:g} already measured. "
            "Give the size of the whole run, measured part included"
        )
    if value > limit:
        raise BadInput(f"{name} = {value:g} cannot be right: above {limit:g}. Check its unit")
    return float(value)


def as_array(name: str, values: object) -> Array:
    """`values` as a float array, (n,), ``None`` as NaN; refused if they are no list of numbers."""
    if isinstance(values, str | bytes):
        raise BadInput(f"{name} = {values!r} is text. Give a list of numbers")
    try:
        listed = [math.nan if v is None else v for v in cast("Iterable[Any]", values)]
        found = np.asarray(listed, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} cannot be read as numbers ({error}). Give a list") from error
    if found.ndim != 1 or not len(found):
        raise BadInput(f"{name} holds no values, seen shape {found.shape}. Measure something first")
    return found


def check_lengths(**series: Array) -> None:
    """Raise unless all series are of one length."""
    lengths = {name: len(values) for name, values in series.items()}
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{name} {n}" for name, n in lengths.items())
        raise BadInput(f"the series differ in length: {seen}. Give one value each per measurement")


def check_positive(name: str, values: Array, unit: str, limit: float) -> None:
    """Raise unless every value is a number above 0 and below `limit`."""
    bad = np.flatnonzero(~(values > 0) | ~(values < limit))
    if len(bad):
        raise BadInput(
            f"{name}[{bad[0]}] = {values[bad[0]]:g} {unit} cannot be right. "
            f"Give positive {unit} below {limit:g}"
        )


def check_energy(energy_j: Array, duration_s: Array) -> NDArray[np.bool_]:
    """Which energies are missing (NaN, or 0: a counter that did not move), (n,).

    Raises
    ------
    BadInput : negative or infinite energies, impossible powers, or no energy at all.
    """
    bad = np.flatnonzero((energy_j < 0) | np.isinf(energy_j))
    if len(bad):
        raise BadInput(
            f"energy_j[{bad[0]}] = {energy_j[bad[0]]:g} J cannot be right. "
            "Give joules per measurement, not a counter's value; None where a reading failed"
        )
    gone = ~(energy_j > 0)
    if gone.all():
        raise BadInput("energy_j holds no reading above 0 J. Check the meter, then measure again")
    power = energy_j[~gone] / duration_s[~gone]
    if power.max() > MAX_POWER_W:
        raise BadInput(
            f"energy_j / duration_s reaches {power.max():g} W, which cannot be right. "
            "Check the units: joules and seconds"
        )
    return gone


def normal_quantile(level: float) -> float:
    """Half width of the central interval of a standard normal distribution at `level`."""
    return NormalDist().inv_cdf((1 + level) / 2)


def student_quantile(level: float, freedom: float) -> float:
    """Half width of the central interval of Student's t distribution at `level`; `freedom` >= 1.

    >>> round(student_quantile(0.9, 10), 2)
    1.81
    """
    return t_quantile((1 + level) / 2, freedom)


def spoken_span(seconds: float) -> str:
    """A duration to wait, rounded up to what a person would wait."""
    for step in (10, 30, 60, 300, 600, 1800):
        if seconds <= 12 * step:
            return format_duration(step * math.ceil(seconds / step))
    return format_duration(3600 * math.ceil(seconds / 3600))


def _is_number(value: object) -> bool:
    return isinstance(value, Real | np.number) and not isinstance(value, bool | np.bool_)
