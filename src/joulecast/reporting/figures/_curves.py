"""Curves of one network on one machine in one set-up over what varies from run to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from joulecast.reporting.points import by
from joulecast.reporting.words import readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joulecast.reporting.points import Point

    Key = tuple[str, str, str, bool, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Curve:
    """Runs by what varies, ascending.

    Attributes
    ----------
    setting : as `Point.setting`.
    """

    model: str
    machine: str
    task: str
    predicted: bool
    setting: tuple[str, ...]
    at: Mapping[float, list[Point]]

    @property
    def style(self) -> str:
        """Of its line: dashed where it is predicted."""
        return "--" if self.predicted else "-"


def curves_of(points: Sequence[Point], varies: str) -> list[Curve]:
    """The curves over the attribute `varies` of `points`, those with most values first."""
    curves = []
    for key, group in by(points, "model", "machine", "task", "predicted", "setting").items():
        found = {float(x): some for (x,), some in by(group, varies).items()}  # type: ignore[arg-type]
        model, machine, task, predicted, setting = cast("Key", key)
        curves.append(Curve(model, machine, task, predicted, setting, dict(sorted(found.items()))))
    return sorted(curves, key=lambda c: -len(c.at))


def names_of(curves: Sequence[Curve]) -> list[str]:
    """A name for each curve: the network, and what tells it from the others."""
    columns = [[c.machine for c in curves], [c.task for c in curves]]
    columns += [list(column) for column in zip(*(c.setting for c in curves), strict=True)]
    apart = [column for column in columns if len(set(column)) > 1]
    return [
        ", ".join([readable(c.model, 24), *(column[i] for column in apart if column[i])])
        + (" (predicted)" if c.predicted else "")
        for i, c in enumerate(curves)
    ]
