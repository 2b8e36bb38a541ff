"""From meters to scopes: which meters may be added up, and when a sum is the whole.

The papers' Eq. 3: the power of a system is that of its GPUs, CPUs and DIMMs together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.records import MEASURED_SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from joulecast.core.records import Machine
    from joulecast.profiler.meters import Meter

PARTS = ("gpu", "cpu", "dram")
_SENSED = (*MEASURED_SOURCES, "replay")


def is_sensed(energy_source: str) -> bool:
    """Whether a sensor stands behind every part of it, or stood when a trace was recorded."""
    return all(part in _SENSED for part in energy_source.split("+"))


def summed(meters: Sequence[Meter], seen: Sequence[bool]) -> list[int]:
    """Indices of the meters that are added up; those of one scope see different devices.

    A modelled meter is left out where a measured one of its scope has readings, a second meter of
    one device (same ``uuid`` in its facts) as well.
    """
    measured = {
        m.scope for m, has in zip(meters, seen, strict=True) if has and is_sensed(m.energy_source)
    }
    chosen: list[int] = []
    devices: set[tuple[str, str]] = set()
    for index, meter in enumerate(meters):
        uuid = meter.facts.get("uuid", "")
        if meter.scope in measured and not is_sensed(meter.energy_source):
            continue
        if uuid and (meter.scope, uuid) in devices:
            continue
        if uuid and seen[index]:
            devices.add((meter.scope, uuid))
        chosen.append(index)
    return chosen


def parts_of(machine: Machine | None, meters: Iterable[Meter]) -> tuple[str, ...]:
    """Scopes that make up the system: the machine's own, or CPU, DRAM and what is metered."""
    if machine is None or not (machine.gpu or machine.cpu or machine.dram):
        metered = {m.scope for m in meters}
        return tuple(p for p in PARTS if p != "gpu" or p in metered)
    return tuple(p for p in PARTS if getattr(machine, p) is not None)


def by_scope(amounts: Iterable[tuple[str, float | None]], parts: Sequence[str]) -> dict[str, float]:
    """Sums by scope of (scope, joules or watts), ``system`` if all its `parts` are there.

    >>> by_scope([("gpu", 3.0), ("gpu", 4.0), ("cpu", 1.0), ("dram", None)], ["gpu", "cpu"])
    {'gpu': 7.0, 'cpu': 1.0, 'system': 8.0}
    """
    sums: dict[str, float] = {}
    for scope, amount in amounts:
        if amount is not None:
            sums[scope] = sums.get(scope, 0.0) + amount
    return with_system(sums, parts)


def with_system(sums: Mapping[str, float], parts: Sequence[str]) -> dict[str, float]:
    """`sums` and the system's, if every part is there; platform and wall meters are no part."""
    if not parts or any(part not in sums for part in parts):
        return dict(sums)
    return {**sums, "system": sum(sums[part] for part in PARTS if part in sums)}


def sources(energy_sources: Iterable[tuple[str, str]], scopes: Iterable[str]) -> dict[str, str]:
    """How each of `scopes` was got: the sources of its meters, joined with ``+``.

    >>> sources([("gpu", "nvml-power"), ("cpu", "rapl")], ["gpu", "cpu", "system"])
    {'gpu': 'nvml-power', 'cpu': 'rapl', 'system': 'nvml-power+rapl'}
    """
    pairs = list(energy_sources)
    wanted = {scope: (scope,) if scope != "system" else PARTS for scope in scopes}
    return {
        scope: "+".join(dict.fromkeys(source for part, source in pairs if part in parts))
        for scope, parts in wanted.items()
    }
