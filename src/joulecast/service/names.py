"""Names in requests: of the catalogue or of the fleet, never a path, an ``auto`` or a file.

What nobody knows is refused here at a bounded price: the search for the nearest of all names takes
a tenth of a second for a long one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from joulecast.core.catalog import normalise
from joulecast.core.errors import JoulecastError, UnknownName
from joulecast.datasets import architectures, hardware

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from joulecast.core.records import Machine

_COUNTED = re.compile(r"(\d{1,4})\s*x\s*[-_]?(?=\D)(.+)", re.IGNORECASE)
_MOST_COPIES = 1024
_NEAR = 40
"""Names among which the nearest three are sought by edits, those that share most pairs of letters.
"""
_PLACES = (".", "/", "~")
_FILES = ("/", ".json", ".toml")


class Catalogue:
    """The names of the catalogue as they were at the start."""

    def __init__(self) -> None:
        self._models = architectures.names()
        self._hardware = _hardware_index()

    def model(self, name: str) -> str:
        """`name`, if a network of the catalogue is called so.

        Raises
        ------
        UnknownName
        """
        if _is_place(name) or not architectures.candidates(name):
            raise UnknownName("model", name, _alike(name, self._models), "GET /v1/models lists all")
        return name

    def machine(
        self, name: str, fleet: Mapping[str, Machine], stored: Container[str] = ()
    ) -> str | Machine:
        """The id that `name` spells, or the machine of the fleet that has this id.

        Parameters
        ----------
        stored : ids of which there are runs, applied or not.

        Raises
        ------
        UnknownName
        """
        if not _is_place(name):
            found = self._spelled(name)
            if found is not None:
                return found
            if name in fleet:
                return fleet[name]
        if name in stored:
            hint = "Runs of it are stored: POST /v1/calibrate makes it known by them"
            raise UnknownName("machine", name, (), hint)
        known = [*fleet, *dict.fromkeys(self._hardware.values())]
        raise UnknownName("machine", name, _alike(name, known), "GET /v1/machines lists all")

    def knows_machine(self, name: str) -> bool:
        """Whether a machine or device of the catalogue is called so."""
        return self._spelled(name) is not None

    def _spelled(self, name: str) -> str | None:
        """The id that a spelling means, one per machine: what is read is kept by name."""
        own = self._hardware.get(normalise(name))
        if own is not None:
            return own
        counted = _COUNTED.fullmatch(name.strip())
        if counted is None or not 1 <= int(counted[1]) <= _MOST_COPIES:
            return None
        one = self._hardware.get(normalise(counted[2]))
        return None if one is None else f"{int(counted[1])}x{one}"


def _is_place(name: str) -> bool:
    """Whether `name` could be taken for a path, or for this machine."""
    text = name.strip()
    return (
        not text.isprintable()
        or "\\" in text
        or text.startswith(_PLACES)
        or text.lower().endswith(_FILES)
        or text.lower() == "auto"
    )


def _hardware_index() -> dict[str, str]:
    """Ids of machines, then of devices, by every normalised spelling; ids before aliases."""
    ids = [*hardware.machine_names(), *hardware.device_names()]
    out: dict[str, str] = {}
    for own in ids:
        out.setdefault(normalise(own), own)
    machines = len(hardware.machine_names())
    for place, own in enumerate(ids):
        try:
            aliases = (hardware.machine if place < machines else hardware.device)(own).aliases
        except JoulecastError:
            continue  # a file of the user's that cannot be read names nothing
        for alias in aliases:
            out.setdefault(normalise(alias), own)
    return {spelling: own for spelling, own in out.items() if spelling and "/" not in own}


def _alike(name: str, known: Iterable[str]) -> list[str]:
    """The known names that share most pairs of letters with `name`, in the order given."""
    wanted = _pairs(name)
    names = list(dict.fromkeys(known))
    near = sorted(names, key=lambda k: -len(wanted & _pairs(k)))[:_NEAR]
    kept = set(near)
    return [k for k in names if k in kept]


def _pairs(name: str) -> set[str]:
    text = normalise(name)
    return {text[i : i + 2] for i in range(max(len(text) - 1, 1))}
