"""Devices by the names that drivers and kernels print: exactly, never by a part of the name.

The trade spells one part in several ways ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "Tesla T4"):
what says nothing about the model is left out on both sides, and the rest must be equal.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from joulecast.core import catalog
from joulecast.core.errors import UnknownName
from joulecast.datasets import hardware

if TYPE_CHECKING:
    from joulecast.core.records import Device

_NOISE = re.compile(
    r"\(r\) cpu\b|\bcpu @|@.*$|\((?:r|tm|c)\)|\b\d+(?:st|nd|rd|th) gen\b|"
    r"\b\w+-cores?\b|\bprocessor\b|\bwith radeon.*$|\b(?:nvidia|intel|amd|geforce|tesla)\b|"
    r"\bdeveloper kit\b|\brev \d[\d.]*\b",
)
_MEMORY_TOLERANCE = 0.15
"""GB or GiB, and what a driver keeps for itself."""


def match(name: str, *kinds: str, mem_bytes: float | None = None) -> Device | None:
    """The catalogue's device of exactly that name, one of `kinds`, with about that much memory.

    Some cards share a name and differ in memory: the name with the size is looked for as well.
    """
    sized = f"{name} {round((mem_bytes or 0) / 2**30)}GB"
    for spelling in (name, sized):
        device = _called(spelling)
        fits = device is not None and is_near(device.mem_bytes, mem_bytes)
        if device is not None and fits and device.kind in kinds:
            return device
    return None


def is_called(device: Device, name: str) -> bool:
    """Whether `name` spells `device`."""
    return plain(name) in {plain(s) for s in (device.id, device.name, *device.aliases)}


def is_near(
    expected: float | None, seen: float | None, tolerance: float = _MEMORY_TOLERANCE
) -> bool:
    """Whether two sizes may be the same; one that is not known may be anything."""
    if not expected or not seen:
        return True
    return abs(seen - expected) <= tolerance * expected


def plain(name: str) -> str:
    """The form in which the spellings of drivers and of data sheets are compared.

    >>> plain("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz") == plain("Intel Xeon E5-2680 v4")
    True
    """
    return catalog.normalise(_NOISE.sub(" ", name.casefold()))


def _called(name: str) -> Device | None:
    """The device that `name` spells as the catalogue has it, or the only one of its plain form."""
    wanted = plain(name)
    if not wanted:
        return None
    try:
        return hardware.device(name)
    except UnknownName:
        ids = _index(tuple(hardware.device_names())).get(wanted, frozenset())
    return hardware.device(next(iter(ids))) if len(ids) == 1 else None


@cache
def _index(names: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Ids by the plain form of every spelling."""
    index: dict[str, set[str]] = {}
    for name in names:
        device = hardware.device(name)
        for spelling in (device.id, device.name, *device.aliases):
            index.setdefault(plain(spelling), set()).add(device.id)
    return {form: frozenset(ids) for form, ids in index.items()}
