"""Which scope's energy is spoken of when none is asked for: one answer for every reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.estimator.insight.frame import SCOPES, frame_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from joulecast.core.records import Run
    from joulecast.estimator.insight.frame import Frame


def scopes_of(frame: Frame) -> dict[str, int]:
    """Runs that know the energy per sample of each scope, scopes that none knows left out."""
    counts = {s: int(np.isfinite(frame.number[f"energy_per_sample_{s}_j"]).sum()) for s in SCOPES}
    return {s: n for s, n in counts.items() if n}


def main_scope(scopes: Mapping[str, int], wanted: str | None = None) -> str:
    """The scope asked for, or the one that most runs know; of equals the widest.

    Parameters
    ----------
    scopes : runs by scope, as of `scopes_of`.

    Raises
    ------
    BadInput
        If no run knows it.
    """
    if wanted is not None and wanted not in SCOPES:
        message = f"unknown scope '{wanted}'. Use one of {', '.join(SCOPES)}"
        raise BadInput(message)
    if not scopes:
        message = (
            "none of the runs knows an energy and how many samples it was for: there is nothing to "
            "analyse. 'joulecast doctor' says what can be measured here"
        )
        raise BadInput(message)
    if wanted is not None and wanted not in scopes:
        seen = ", ".join(f"{s} ({n:,})" for s, n in scopes.items())
        message = f"no run knows the energy of the scope '{wanted}'. Known: {seen}"
        raise BadInput(message)
    return wanted or max((s for s in SCOPES if s in scopes), key=lambda s: scopes[s])


def credible(frame: Frame, wanted: str | None = None) -> Frame:
    """The runs without a quality flag; all, if none of those knows an energy (of `wanted`)."""
    kept = frame.where(frame.text["flag"] == "")
    known = scopes_of(kept)
    return kept if (wanted in known if wanted else known) else frame


def main_scope_of(runs: Sequence[Run], wanted: str | None = None) -> str:
    """The scope that an analysis of `runs` is about: runs with a quality flag have no say.

    Raises
    ------
    BadInput
        As `main_scope`.
    """
    return main_scope(scopes_of(credible(frame_of(runs), wanted)), wanted)
