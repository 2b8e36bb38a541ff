"""Studies: questions put to group-out predictions, one file each, for the accuracy card.

A study offers ``TITLE`` and ``records(case)``: one line of the card's table per record, words
first, then figures; percent where the name says ``mdape``, ``p90``, ``coverage`` or ``_percent``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.validate import OutOfFold

    Array = NDArray[np.float64]
    Record = Mapping[str, str | float]

STUDIES: tuple[str, ...] = (
    "decisions",
    "power_limits",
    "one_run",
    "batch_range",
    "cpu_inference",
    "unseen_gpu_time",
    "coverage",
)
"""Files of this folder, in the order in which the card shows them."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a study looks at; it may also fit anew on part of the frame.

    Attributes
    ----------
    frame : all runs that are fitted on. runs : the same, row by row.
    oofs : predictions per protocol by learners that never saw the row's group.
    answers : per protocol and quantity (energy, time, power) the natural logarithm of the stack's
        answers, (n_rows,), NaN where a row was never left out; weights are nested.
    seed : of folds and trees.
    """

    frame: Frame
    runs: Sequence[Run]
    oofs: Mapping[str, OutOfFold]
    answers: Mapping[str, Mapping[str, Array]]
    seed: int = 0


def run_all(
    case: Case, progress: Callable[[str], None] | None = None
) -> dict[str, list[dict[str, str | float]]]:
    """Title -> records of every study."""
    found = {}
    for name in STUDIES:
        study = import_module(f"{__name__}.{name}")
        if progress:
            progress(f"study: {study.TITLE}")
        found[study.TITLE] = [dict(record) for record in study.records(case)]
    return found
