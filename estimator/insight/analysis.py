"""All that a set of runs shows, in the order in which the papers show it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.insight import Analysis
from joulecast.estimator.insight.advice import advice
from joulecast.estimator.insight.advice_gaps import measured_fracs
from joulecast.estimator.insight.configurations import coded, configurations, joined
from joulecast.estimator.insight.correlations import TASKS, correlations, known, time_energy
from joulecast.estimator.insight.frame import PREDICTED, SCOPES, Frame, frame_of
from joulecast.estimator.insight.phases import phases
from joulecast.estimator.insight.saturation import knees
from joulecast.estimator.insight.selection import selections
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.insight import Selection
    from joulecast.core.records import Run

_FLATTERED = 1.1
_GRADE = "tier_"
"""How the flags begin that grade a row of a table of servers and doubt nothing."""


def analysis(
    runs: Sequence[Run], scope: str | None = None, seed: int = 0, said: Sequence[str] = ()
) -> Analysis:
    """What `runs` show.

    Parameters
    ----------
    scope : of the energies that phases, choices and advice are about, and then the only one
        correlated; ``None`` for the one that most runs know, and tables of every scope.
    seed : of random splits. said : what there is to say about how the runs were read.

    Raises
    ------
    BadInput
        Without runs, or without any that know an energy (of `scope`).
    """
    whole = _framed(runs)
    scopes = scopes_of(whole)
    main = main_scope(scopes, scope)
    frame, merged = configurations(with_accuracy(whole))
    told = [main] if scope else list(scopes)
    correlated = tuple(c for s in told for c in correlations(frame, s))
    ratios, phase_r = phases(frame, main)
    bends = knees(frame)
    chosen, of_choice = _selections(frame, main, seed)
    why = (*_doubts(frame, main), *of_choice)
    return Analysis(
        runs=len(whole),
        models=len(set(whole.text["model"].tolist())),
        machines=tuple(dict.fromkeys(whole.text["machine"].tolist())),
        scopes=scopes,
        scope=main,
        correlations=correlated,
        time_energy=tuple(c for s in told for c in time_energy(frame, s)),
        phases=ratios,
        phase_r=phase_r,
        knees=bends,
        selections=chosen,
        advice=advice(frame, main, ratios, bends, correlated),
        notices=(*said, *_unsure(runs), *_notices(whole, main), *merged, *why),
    )


def _framed(runs: Sequence[Run]) -> Frame:
    if not runs:
        message = "there are no runs to analyse. Give a folder of run records or a CSV table"
        raise BadInput(message)
    return frame_of(runs)


def scopes_of(frame: Frame) -> dict[str, int]:
    """Runs that know the energy per sample of each scope, scopes that none knows left out."""
    counts = {s: int(np.isfinite(frame.number[f"energy_per_sample_{s}_j"]).sum()) for s in SCOPES}
    return {s: n for s, n in counts.items() if n}


def main_scope(scopes: dict[str, int], wanted: str | None) -> str:
    """The scope asked for, or the one that most runs know; of equals the widest.

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
    return wanted or max(scopes, key=lambda s: scopes[s])


def with_accuracy(frame: Frame) -> Frame:
    """The runs, those without an accuracy with that of the same network on the same data.

    Inference rarely measures it; the papers take the one that training reached. Of several the
    median counts.
    """
    accuracy = frame.number["accuracy"]
    missing = np.isnan(accuracy)
    if not missing.any() or missing.all():
        return frame
    key = joined([coded(frame.text["model"]), coded(frame.text["dataset"])])
    filled = accuracy.copy()
    for k in np.unique(key[~missing]):
        own = key == k
        filled[own & missing] = np.median(accuracy[own & ~missing])
    return replace(frame, number={**frame.number, "accuracy": filled})


def _selections(
    frame: Frame, scope: str, seed: int
) -> tuple[tuple[Selection, ...], tuple[str, ...]]:
    """Choices of features by task, and what there is to say about them."""
    found: list[Selection] = []
    for task in TASKS:
        if not (known(frame, scope).text["task"] == task).any():
            continue
        try:
            found += selections(frame, scope, task, seed)
        except MissingExtra as exc:
            return (), (f"features were not chosen: {exc}",)
    said = list(_flattery(found))
    if any("work_done" in s.importances for s in found):
        said.append(
            "work_done and utilisation are features as in the papers: they are known after a run "
            "only, so these fits rank features and predict no new run"
        )
    return tuple(found), tuple(said)


def _flattery(found: Sequence[Selection]) -> Iterator[str]:
    """By how much a random split makes the fit look better than it is for a new network."""
    by_split = {(s.task, s.split): s.mdape for s in found}
    for task in TASKS:
        drawn, left_out = by_split.get((task, "random")), by_split.get((task, "group"))
        if drawn is None or left_out is None:
            continue
        verdict = "the random split does not flatter here"
        if left_out > _FLATTERED * drawn:
            verdict = f"the random split flatters by a factor of {left_out / drawn:.1f}"
        yield (
            f"features of {task}: the fit errs by {drawn:.1f} % on random runs, by "
            f"{left_out:.1f} % on networks left out (MdAPE): {verdict}"
        )


def _unsure(runs: Sequence[Run]) -> Iterator[str]:
    """Runs whose records doubt themselves; they count all the same."""
    flagged = sum(
        any(not flag.startswith(_GRADE) for flag in run.quality_flag.split(";") if flag)
        for run in runs
    )
    if flagged:
        yield f"quality flags (input-bound, coarse meter, ...): {counted(flagged, 'run')}, kept"
    unfinished = sum(run.status != "complete" for run in runs)
    if unfinished:
        yield f"not finished: {counted(unfinished, 'run')}, what they had measured counts"


def _notices(whole: Frame, main: str) -> Iterator[str]:
    """How the runs were measured, and which are left out."""
    predicted = int((whole.text["basis"] == PREDICTED).sum())
    if predicted:
        some = "all" if predicted == len(whole) else f"{predicted:,} of"
        yield f"{some} {counted(len(whole), 'run')} are predictions, not measurements"
    for scope, frac in measured_fracs(whole.where(whole.text["basis"] != PREDICTED)).items():
        if frac < 1:
            yield (
                f"{1 - frac:.0%} of the {scope} energies of runs that were executed are modelled "
                "at least in part, not measured"
            )
    without = len(whole) - len(known(whole, main))
    if without:
        yield (
            f"{without:,} of {len(whole):,} runs do not know the {main} energy per sample: they "
            f"are in no figure about {main}; scopes are never pooled"
        )
    if whole.refused:
        yield (
            f"negative, not finite, absurd, no energy or a share above 1: "
            f"{counted(whole.refused, 'value')}, taken as unknown"
        )


def _doubts(frame: Frame, main: str) -> Iterator[str]:
    """What makes correlations of configurations hard to read."""
    seen = known(frame, main)
    if len(set(seen.text["model"].tolist())) == 1:
        name = seen.text["model"][0]
        yield f"one network only ({name}): what tells networks apart cannot be correlated"
    part = seen.where(seen.text["task"] != "serve")
    key = joined([coded(part.text[n]) for n in ("model", "machine", "task")]) if len(part) else None
    if key is not None and len(np.unique(key)) < len(part):
        yield (
            f"{counted(len(np.unique(key)), 'network')} on a machine in a task, counted "
            f"{len(part):,} times: each batch size, power limit or precision is a run of its own, "
            "so that n overstates how many networks were compared"
        )
