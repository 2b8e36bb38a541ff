"""Meters: one file each, the file name is the meter's name.

Measured meters are opened first; a modelled one only for a scope that nothing measures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from joulecast.core import catalog
from joulecast.core.errors import MeterUnavailable
from joulecast.profiler.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.core.records import Machine
    from joulecast.profiler.clock import Clock

HERE = Path(__file__).resolve().parent
SCOPES = ("gpu", "cpu", "dram")
"""Scopes that add up to the system. A meter may also have the scope ``wall`` (a whole machine) or
``platform`` (what RAPL calls psys: no package and no wall): both stand beside the sum."""


def _untold(_: MeterUnavailable) -> None:
    """Drop what nobody listens to."""


@dataclass(frozen=True, slots=True)
class MeterContext:
    """What the meters may know of the machine they run on.

    Attributes
    ----------
    machine : facts for modelled meters (TDP, DIMMs), ``None`` if unknown.
    sysfs_root : where /sys is mounted (a container may see the host's elsewhere).
    environ : environment variables (CUDA_VISIBLE_DEVICES, ...).
    replay : a recorded trace to read instead of sensors.
    load_frac : share of the machine's CPUs that are busy, 0..1, or ``None`` to ask the system.
    options : further settings of a meter asked for by name, e.g. ``{"power_w": "65"}``.
    clock : of meters that look twice or replay.
    root : where /proc and the control groups are found (a test puts a tree there).
    report : told of each device that a meter leaves out while it opens others: a broken GPU
        does not hide the working ones.
    """

    machine: Machine | None = None
    sysfs_root: Path = Path("/sys")
    environ: Mapping[str, str] = field(default_factory=dict)
    replay: Path | None = None
    load_frac: Callable[[], float] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)
    root: Path = Path("/")
    report: Callable[[MeterUnavailable], None] = _untold


@runtime_checkable
class Meter(Protocol):
    """A source of readings of one device: a cumulative energy or a momentary power.

    A meter has `read_energy_j` (joules since some start, wrapping at `wrap_j` if that is given) or
    `read_power_w`; a reading that fails is a `MeterReadError`.

    Attributes
    ----------
    name : e.g. ``nvml:0``. scope : one of `SCOPES`, ``wall`` or ``platform``.
    energy_source : e.g. ``nvml-counter``; see `joulecast.core.records.MEASURED_SOURCES`.
    wrap_j : joules at which the counter starts again, ``None`` if it does not or reads power.
    facts : driver, UUID, averaging window, ...; under ``note`` a doubt that the user should read.
    """

    name: str
    scope: str
    energy_source: str
    wrap_j: float | None
    facts: Mapping[str, str]

    def extras(self) -> Mapping[str, float]:
        """Momentary side readings: util_frac, mem_util_frac, mem_used_bytes, temp_c, ..."""
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """The meters of a machine, and why the others are not among them."""

    meters: tuple[Meter, ...]
    refused: tuple[MeterUnavailable, ...]


def names() -> tuple[str, ...]:
    """Names of all meters: the files of this folder."""
    return catalog.names(HERE, ".py")


def kind(name: str) -> type:
    """The class of the meters called `name`.

    A class with ``FALLBACK_FOR`` models the scope that it names; one with ``ON_REQUEST`` is opened
    only when asked for by name.

    Raises
    ------
    UnknownName
        If no file of that name is there.
    """
    found = catalog.find(name, "meter", names())
    meter: type = import_module(f"{__name__}.{found}").Meter
    return meter


def probe(name: str, context: MeterContext) -> list[Meter]:
    """The meters called `name` that this machine offers.

    Raises
    ------
    MeterUnavailable
        With the reason and the fix.
    UnknownName
        If no file of that name is there.
    """
    found: Any = kind(name)
    try:
        meters: list[Meter] = found.probe(context)
    except MeterUnavailable:
        raise
    except Exception as exc:  # a driver may fail in any way, and must not harm the user's job
        reason = f"it failed in an unforeseen way, {type(exc).__name__}: {exc}"
        raise MeterUnavailable(
            name, reason, "Report it, with what 'joulecast doctor' says."
        ) from exc
    return meters


def open_meters(context: MeterContext, wanted: Sequence[str] = ()) -> Opened:
    """The meters in `wanted`, or all that this machine offers: measured ones before modelled.

    A modelled meter (``FALLBACK_FOR`` names its scope) is left out where its scope is measured.
    Devices that a meter left out are among the refused.
    """
    meters: list[Meter] = []
    refused: list[MeterUnavailable] = []
    context = replace(context, report=refused.append)
    for name in wanted or _in_order():
        fallback_for = getattr(kind(name), "FALLBACK_FOR", None)
        if not wanted and fallback_for in {m.scope for m in meters}:
            continue
        try:
            meters += probe(name, context)
        except MeterUnavailable as exc:
            refused.append(exc)
    return Opened(tuple(meters), tuple(refused))


def _in_order() -> list[str]:
    """Meters that need not be asked for by name: measured first, then modelled."""
    by_itself = [n for n in names() if not getattr(kind(n), "ON_REQUEST", False)]
    return sorted(by_itself, key=lambda n: hasattr(kind(n), "FALLBACK_FOR"))
