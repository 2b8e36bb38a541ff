"""Which batch size needs least energy per sample, and how much it saves against a named one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Advice
from joulecast.core.units import format_si
from joulecast.estimator.insight.configurations import series
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.estimator.insight.frame import Frame

USUAL_BATCH = 128.0
"""The papers' batch size."""
_WORTH = 0.01
_LEAST_SIZES = 3


@dataclass(frozen=True, slots=True)
class _Series:
    """Runs that differ in their batch size only.

    Attributes
    ----------
    best, other : places of the run of least energy and of that it is compared with: at
        `USUAL_BATCH`, else the costliest.
    """

    runs: Frame
    best: int
    other: int
    saved: float

    @property
    def is_usual(self) -> bool:
        """Whether it is compared with the papers' batch size."""
        return bool(self.runs.number["batch_size"][self.other] == USUAL_BATCH)

    @property
    def named(self) -> str:
        """Network, machine and task."""
        model, machine, task = (self.runs.text[n][self.best] for n in ("model", "machine", "task"))
        return f"{model} on {machine} ({task})"


def of_batches(frame: Frame, scope: str) -> Iterator[Advice]:
    """The batch size of least energy of `scope` per sample, and what it saves.

    Runs whose size had to be assumed say nothing of it.
    """
    found: list[_Series] = []
    short = 0
    told_its_size = (frame.text["task"] != "serve") & (frame.number["batch_given"] > 0)
    for group in series(frame.where(told_its_size), "batch_size"):
        sizes = len(np.unique(group.number["batch_size"]))
        short += 1 < sizes < _LEAST_SIZES
        if sizes >= _LEAST_SIZES:
            found.append(_series(group, scope))
    left = f"{counted(short, 'set')} of runs at two batch sizes only"
    if found:
        top = max(found, key=lambda one: one.saved)
        told = _flat(top, found) if top.saved < _WORTH else _best(top, found, scope)
        more = f"; {left} left out" if short else ""
        yield Advice("batch", told + more, top.saved if top.saved >= _WORTH else None)
    elif short:
        yield Advice("measure", f"{left}: a third would tell which size needs least energy")


def _series(group: Frame, scope: str) -> _Series:
    sizes, energy_j = group.number["batch_size"], group.number[f"energy_per_sample_{scope}_j"]
    best = int(np.argmin(energy_j))
    usual = np.flatnonzero(sizes == USUAL_BATCH)
    other = int(usual[0]) if len(usual) else int(np.argmax(energy_j))
    return _Series(group, best, other, 1 - float(energy_j[best] / energy_j[other]))


def _flat(top: _Series, found: Sequence[_Series]) -> str:
    """Where no size is worth a change."""
    sizes = np.unique(top.runs.number["batch_size"])
    text = f"{top.named}: the batch size, {sizes[0]:g} to {sizes[-1]:g}, hardly changes the energy"
    if top.is_usual:
        text = (
            f"{top.named} needs as little energy at batch {USUAL_BATCH:g} as at any of the "
            f"{len(sizes)} sizes run"
        )
    return text + (f", as do {len(found) - 1} more such series" if len(found) > 1 else "")


def _best(top: _Series, found: Sequence[_Series], scope: str) -> str:
    """The series that saves most; a median over those that are compared with the same size."""
    size, energy_j = (
        top.runs.number[name] for name in ("batch_size", f"energy_per_sample_{scope}_j")
    )
    beside = "" if top.is_usual else ", the costliest size run"
    text = (
        f"{top.named} needs least energy at batch {size[top.best]:g}: "
        f"{format_si(float(energy_j[top.best]), 'J')} per sample, {top.saved:.0%} less than at "
        f"{size[top.other]:g}{beside}"
    )
    saved = [one.saved for one in found if one.is_usual]
    if len(saved) > 1:
        text += (
            f"; over {len(saved)} series with batch {USUAL_BATCH:g} the best size saves "
            f"{float(np.median(saved)):.0%} in the median"
        )
    return text
