"""Networks times machines: what each takes, which are efficient, which lie within a budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.answering_many import estimates_of
from joulecast.asking_run import refuse_level, setup_of
from joulecast.core.catalog import normalise
from joulecast.core.errors import BadInput, JoulecastError
from joulecast.core.insight import Candidate, Comparison
from joulecast.estimator.insight.pareto import undominated
from joulecast.known_runs import runs_given
from joulecast.pricing import Budget, Tariff, breaches, priced

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from joulecast.core.records import Estimate, Machine, Run, Setup

_MOST = 2000
"""Pairs that are compared at most."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One pair: the question, or why it cannot be asked; what was said about it."""

    model: str
    hardware: str
    setup: Setup | None = None
    notices: tuple[str, ...] = ()
    reason: str = ""


def compare(  # noqa: PLR0913 (the public interface)
    models: Any,  # noqa: ANN401 (a name, or several names, architectures and modules)
    hardware: str | Path | Machine | Sequence[str | Path | Machine],
    *,
    task: str = "infer",
    accuracy: Mapping[str, float] | None = None,
    budget: Budget | None = None,
    tariff: Tariff | None = None,
    runs: str | Path | Iterable[str | Path | Run] | None = None,
    level: float = 0.9,
    **question: Any,  # noqa: ANN401 (the arguments of `estimate`)
) -> Comparison:
    """Every network on every machine, the least energy first, the efficient ones marked.

    Parameters
    ----------
    models, hardware : one or several, also as names between commas.
    task : ``infer`` or ``train``. accuracy : 0..1 by network; that of measured runs otherwise.
    budget : limits that each is held against. tariff : what a kilowatt-hour stands for.
    runs : measured runs to lean on, as in `estimate`. question : further arguments of `estimate`.

    Raises
    ------
    JoulecastError
        For an empty list, an accuracy that is none, and a budget without its price. A pair that
        cannot be answered stays in the table with a reason.

    Examples
    --------
    >>> found = compare("vgg16,lenet", "hc1,hc3", runs=())
    >>> found.candidates[0].model, found.candidates[0].efficient
    ('lenet', True)
    """
    refuse_level(level)
    question = {k: v for k, v in question.items() if k != "explain"}
    pairs = [(m, h) for m in _listed(models, "models") for h in _listed(hardware, "hardware")]
    if len(pairs) > _MOST:
        message = f"{len(pairs):,} pairs are too many: compare up to {_MOST:,} at once"
        raise BadInput(message)
    _refuse_serving(task)
    prices = tariff or Tariff(), budget or Budget()
    given = _accuracies(accuracy or {})
    known, skipped = runs_given(runs)
    measured, doubtful = _measured_accuracy(known)
    asked = [_asked(m, h, {**question, "task": task}) for m, h in pairs]
    setups = [a.setup for a in asked if a.setup is not None]
    estimates = [priced(e, *prices) for e in estimates_of(setups, level, known)]
    answers, doubts = iter(estimates), iter([e.notices for e in estimates])
    found = [
        Candidate(a.model, a.hardware, reason=a.reason)
        if a.setup is None
        else _candidate(a.setup, next(answers), prices, _accuracy_of(a, given, measured))
        for a in asked
    ]
    found.sort(key=lambda c: math.inf if c.energy_j is None else c.energy_j)
    told = (*_unmatched(accuracy or {}, asked), *_as_measured(asked, given, measured), *doubtful)
    said = (*_said(asked, doubts), *told, *skipped)
    return Comparison(asked_task(task), level, tuple(marked(found)), said)


def asked_task(task: str) -> str:
    """``infer`` for its longer spelling, else as it is."""
    return "infer" if task == "inference" else task


def _listed(things: Any, what: str) -> list[Any]:  # noqa: ANN401 (names, paths, records, modules)
    """Several of a kind: a list as it is, names between commas apart, one thing as a list."""
    if isinstance(things, str):
        found: list[Any] = [name.strip() for name in things.split(",") if name.strip()]
    else:
        found = list(things) if isinstance(things, list | tuple) else [things]
    if not found:
        message = f"{what} names nothing: give one or more names, e.g. vgg16,resnet18 on hc1,hc3"
        raise BadInput(message)
    return list(dict.fromkeys(found)) if all(isinstance(one, str) for one in found) else found


def _refuse_serving(task: str) -> None:
    if task == "serve":
        message = "model servers are compared by 'joulecast plan' (--model A,B --hw a,b --rps R)"
        raise BadInput(message)


def _asked(model: Any, hardware: Any, question: dict[str, Any]) -> _Asked:  # noqa: ANN401 (names)
    """One pair as a question, or why it is none."""
    try:
        setup, notices = setup_of(model, hardware, **question)
    except JoulecastError as exc:
        return _Asked(_name(model), _name(hardware), reason=str(exc))
    return _Asked(_name(model), setup.machine.id, setup, notices)


def _name(thing: Any) -> str:  # noqa: ANN401 (a name, a path, a record or a module)
    found = getattr(thing, "id", None) or getattr(thing, "name", None)
    if isinstance(found, str):
        return found
    return type(thing).__name__ if hasattr(thing, "state_dict") else str(thing)


def _accuracies(accuracy: Mapping[str, float]) -> dict[str, float]:
    """Accuracies by normalised name, if they can be accuracies."""
    for name, value in accuracy.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
            percent = isinstance(value, int | float) and 1 < value <= 100
            hint = f"Percent? Give {value / 100:g}" if percent else "Give a share from 0 to 1"
            message = f"accuracy of {name} = {value!r} is outside 0 to 1. {hint}"
            raise BadInput(message)
    return {normalise(name): float(value) for name, value in accuracy.items()}


def _measured_accuracy(runs: Sequence[Run]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Best accuracy that any evaluation of a run showed, by normalised name; what was left out."""
    out: dict[str, float] = {}
    percent: dict[str, None] = {}
    for run in runs:
        name = run.setup.architecture.name
        seen = [e.accuracy for e in run.measurement.epochs if e.accuracy is not None]
        if max(seen, default=0.0) > 1:
            percent[name] = None
        elif seen and name:
            out[normalise(name)] = max([*seen, out.get(normalise(name), 0.0)])
    said = f"accuracy of {', '.join(percent)} in the given runs lies above 1 (percent?): left out"
    return out, (said,) * bool(percent)


def _names(asked: _Asked) -> tuple[str, ...]:
    """The normalised names of a pair's network: as it was asked for, and its own."""
    own = asked.setup.architecture.name if asked.setup else asked.model
    return normalise(asked.model), normalise(own)


def _accuracy_of(asked: _Asked, *known: Mapping[str, float]) -> float | None:
    """What the first of `known` that has the network says of it."""
    return next((own[name] for own in known for name in _names(asked) if name in own), None)


def _candidate(
    setup: Setup, answer: Estimate, prices: tuple[Tariff, Budget], accuracy: float | None
) -> Candidate:
    """What one pair takes."""
    tariff, budget = prices
    broken = any(certain for certain, _ in breaches(answer, tariff, budget))
    return Candidate(
        model=setup.architecture.name,
        hardware=setup.machine.id,
        energy_j=answer.energy_j,
        energy_low_j=answer.energy_low_j,
        energy_high_j=answer.energy_high_j,
        duration_s=answer.duration_s,
        duration_low_s=answer.duration_low_s,
        duration_high_s=answer.duration_high_s,
        power_w=answer.power_w,
        carbon_g=answer.carbon_g,
        cost=answer.cost,
        basis=answer.basis,
        novelty=answer.novelty,
        accuracy=accuracy,
        within_budget=None if budget == Budget() else not broken,
    )


def marked(found: Sequence[Candidate]) -> list[Candidate]:
    """`found` with those marked that none beats in energy and time at no lower accuracy.

    Networks whose accuracy is not known are held against their own other machines only, unless
    that of none is known.
    """
    told = any(c.accuracy is not None for c in found)
    nan = math.nan
    costs = np.array(
        [(c.energy_j or nan, c.duration_s or nan, _cost_of_accuracy(c, told=told)) for c in found]
    ).reshape(len(found), 3)
    keep = undominated(costs) & np.isfinite(costs[:, 0])
    unknown = [i for i, c in enumerate(found) if told and c.accuracy is None and c.energy_j]
    for model in {found[i].model for i in unknown}:
        own = [i for i in unknown if found[i].model == model]
        keep[own] = undominated(costs[own][:, :2])
    return [replace(c, efficient=bool(k)) for c, k in zip(found, keep, strict=True)]


def _cost_of_accuracy(c: Candidate, *, told: bool) -> float:
    if not told:
        return 0.0
    return math.nan if c.accuracy is None else -c.accuracy


def _said(asked: Sequence[_Asked], doubts: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    """What was said of all pairs once, of some with their names.

    Parameters
    ----------
    doubts : of each answered pair.
    """
    names: dict[str, list[str]] = {}
    for a in asked:
        own = next(doubts) if a.setup is not None else ()
        for notice in dict.fromkeys((*a.notices, *own)):
            names.setdefault(notice, []).append(f"{a.model} on {a.hardware}")
    answered = sum(a.setup is not None for a in asked)
    return tuple(
        notice if len(pairs) == answered else f"{_some(pairs)}: {notice}"
        for notice, pairs in names.items()
    )


def _some(names: Sequence[str]) -> str:
    """The first of the names, and how many more."""
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return ", ".join(names[:2]) + more


def _unmatched(given: Iterable[str], asked: Sequence[_Asked]) -> tuple[str, ...]:
    """A sentence where accuracies were given of networks that nobody asked for."""
    own = {name for a in asked for name in _names(a)}
    rest = [name for name in given if normalise(name) not in own]
    said = f"accuracies were given of {_some(rest)}: none of them is compared"
    return (said,) * bool(rest)


def _as_measured(
    asked: Sequence[_Asked], given: Mapping[str, float], measured: Mapping[str, float]
) -> tuple[str, ...]:
    """A sentence where accuracies come from the runs."""
    answered = [a for a in asked if a.setup is not None and _accuracy_of(a, given) is None]
    own = dict.fromkeys(a.model for a in answered if _accuracy_of(a, measured) is not None)
    said = f"accuracy of {', '.join(own)}: the best that an evaluation in the given runs showed"
    return (said,) * bool(own)
