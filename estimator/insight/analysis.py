"""All that a set of runs shows, in the order in which the papers show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.insight import Analysis
from joulecast.estimator.insight.advice import advice
from joulecast.estimator.insight.advice_gaps import measured_fracs
from joulecast.estimator.insight.configurations import coded, configurations, joined, median_by
from joulecast.estimator.insight.correlations import TASKS, correlations, known, time_energy
from joulecast.estimator.insight.frame import PREDICTED, Frame, frame_of
from joulecast.estimator.insight.phases import paired, ratios_of
from joulecast.estimator.insight.saturation import knees
from joulecast.estimator.insight.scopes import credible, main_scope, scopes_of
from joulecast.estimator.insight.selection import selections
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.insight import Selection
    from joulecast.core.records import Run
    from joulecast.estimator.insight.phases import Pairing

_FLATTERED = 1.1
_FLAGS_TOLD, _CELLS_TOLD = 4, 6
_INPUT_BOUND = "input_bound"
REFUSED = "refused"
"""Under which the `where` of a table's run names the cells of its row that hold no amount."""


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
    kept = credible(whole, scope)
    scopes = scopes_of(kept)
    main = main_scope(scopes, scope)
    frame, merged = configurations(with_accuracy(kept))
    told = [main] if scope else list(scopes)
    correlated = tuple(c for s in told for c in correlations(frame, s))
    pairing = paired(frame, main)
    ratios, phase_r = ratios_of(pairing, main)
    bends = knees(frame)
    chosen, of_choice = _selections(frame, main, seed)
    doubts = (*_unsure(runs, whole, kept), *_doubts(frame, main))
    why = (*_notices(kept, main), *merged, *_unpaired(pairing, frame), *of_choice)
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
        notices=(*said, *doubts, *why),
    )


def _framed(runs: Sequence[Run]) -> Frame:
    if not runs:
        message = "there are no runs to analyse. Give a folder of run records or a CSV table"
        raise BadInput(message)
    return frame_of(runs)


def with_accuracy(frame: Frame) -> Frame:
    """The runs, those without an accuracy with that of the same network on the same data.

    Inference rarely measures it; the papers take the one that training reached. Of several the
    median counts, and so does how many epochs it took.
    """
    accuracy = frame.number["accuracy"]
    missing = np.isnan(accuracy)
    if not missing.any() or missing.all():
        return frame
    key = joined([coded(frame.text["model"]), coded(frame.text["dataset"])])
    size = int(key.max()) + 1
    filled = dict(frame.number)
    for name in ("accuracy", "epochs"):
        middle = median_by(np.where(missing, np.nan, frame.number[name]), key, size)
        filled[name] = np.where(missing, middle[key], frame.number[name])
    return replace(frame, number=filled)


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


def _unsure(runs: Sequence[Run], whole: Frame, kept: Frame) -> Iterator[str]:
    """Runs that are in doubt, and cells of tables that hold no amount."""
    flagged = [str(flag) for flag in whole.text["flag"] if flag]
    if flagged:
        left = "no other knows the energy: they count all the same"
        if len(kept) < len(whole):
            left = "left out of every figure here"
        yield f"quality flags: {counted(len(flagged), 'run')} ({_most(flagged)}), {left}"
    unfinished = sum(run.status != "complete" for run in runs)
    if unfinished:
        yield f"not finished: {counted(unfinished, 'run')}, what they had measured counts"
    odd = [run.where[REFUSED] for run in runs if REFUSED in run.where]
    if odd:
        more = f"; and {len(odd) - _CELLS_TOLD:,} more" if len(odd) > _CELLS_TOLD else ""
        yield (
            f"{counted(len(odd), 'row')} of tables with cells that are no amount, taken as blank: "
            f"{'; '.join(odd[:_CELLS_TOLD])}{more}"
        )


def _most(flagged: Sequence[str]) -> str:
    """The most frequent flags with how often they are given."""
    words = (
        "input-bound" if f.startswith(_INPUT_BOUND) else f
        for one in flagged
        for f in one.split(";")
    )
    told = Counter(words).most_common()
    each = ", ".join(f"{flag} {n:,}" for flag, n in told[:_FLAGS_TOLD])
    return each + (", ..." if len(told) > _FLAGS_TOLD else "")


def _unpaired(pairing: Pairing, frame: Frame) -> Iterator[str]:
    """How much of training and inference has no counterpart, where both were run."""
    if pairing.unpaired and {"train", "infer"} <= set(frame.text["task"].tolist()):
        yield (
            f"training over inference: {counted(len(pairing.pairs), 'pair')}; "
            f"{counted(pairing.unpaired, 'configuration')} of either without a counterpart of the "
            "same machine, network, batch size, precision, framework, data set and source"
        )


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
        networks, machines = (len(set(part.text[n].tolist())) for n in ("model", "machine"))
        yield (
            f"{counted(len(part), 'configuration')} of training and inference are of "
            f"{counted(networks, 'network')} on {counted(machines, 'machine')}: n counts each "
            "batch size, power limit or precision, the 95 % intervals go by the number of networks"
        )
