"""The public function about many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from joulecast.core.insight import Analysis
    from joulecast.core.records import Run


def analyse(
    runs: str | Path | Run | Iterable[str | Path | Run],
    *,
    scope: str | None = None,
    seed: int = 0,
) -> Analysis:
    """What a set of runs shows: correlations, phases, saturation, choice of features, advice.

    Parameters
    ----------
    runs : `Run` records, measured or predicted; folders or files of them; CSV tables in the columns
        of ``joulecast dataset build`` or of servers. One of these or several.
    scope : gpu, cpu, dram, system or wall; ``None`` for the one that most runs know, with
        correlations of every scope. Scopes are never pooled.
    seed : of random splits.

    Returns
    -------
    Runs with a quality flag are counted, and in no figure unless no other knows the energy. Repeats
    of a configuration count once. Intervals go by the number of networks.

    Raises
    ------
    BadInput
        If a place is not there, or no run knows an energy (of `scope`).

    Examples
    --------
    >>> from joulecast.predicted import predicted_runs
    >>> shown = analyse(predicted_runs(["lenet", "vgg16", "resnet18"], ["hc3"]))
    >>> shown.runs, shown.machines
    (6, ('hc3',))
    """
    from joulecast.core.errors import BadInput
    from joulecast.estimator.insight.analysis import analysis
    from joulecast.insight_runs import runs_from

    records, said = runs_from(runs)
    try:
        return analysis(records, scope, seed, said)
    except BadInput as exc:  # what was left out while reading may be why
        raise BadInput(". ".join((str(exc), *said))) from exc
