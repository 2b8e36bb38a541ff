"""Questions answered: several estimates in one call, or one with the runs that are applied."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from joulecast.answering import estimate_of, row_estimate
from joulecast.asking_run import setup_of
from joulecast.core.errors import BadInput, JoulecastError
from joulecast.estimator import bundle as bundles
from joulecast.estimator import predictor
from joulecast.pricing import Budget, Tariff, priced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joulecast.core.records import Estimate, Run, Setup
    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.service.bodies import EstimateBody, ServingBody, Tariffed
    from joulecast.service.fleet import Applied
    from joulecast.service.names import Catalogue

    Result = TypeVar("Result")

Answer = TypeVar("Answer", "Estimate", "ServingEstimate")
_BEYOND = "a number of the question is beyond any machine. Give the numbers of a real run"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question whose names are resolved.

    Attributes
    ----------
    notices : what has to be said about it. runs : applied ones that may say something about it.
    """

    body: EstimateBody
    setup: Setup
    notices: tuple[str, ...]
    runs: tuple[Run, ...]


def answers_of(
    bodies: Sequence[EstimateBody], catalogue: Catalogue, applied: Callable[[], Applied]
) -> list[Estimate | Asked | Exception]:
    """One answer per question, or what is wrong with it.

    A question that applied runs say something about comes back as `Asked`: it takes longer.
    """
    out: list[Estimate | Asked | Exception] = []
    known = applied()
    for body in bodies:
        try:
            out.append(_asked(body, catalogue, known))
        except (JoulecastError, ArithmeticError, ValueError) as exc:
            out.append(_as_ours(exc))
    levels = {a.body.level for a in out if isinstance(a, Asked)}
    for level in levels:
        places = [
            i
            for i, a in enumerate(out)
            if isinstance(a, Asked) and a.body.level == level and not a.runs
        ]
        found = _together([a for i in places if isinstance(a := out[i], Asked)], level)
        for place, answer in zip(places, found, strict=True):
            out[place] = answer
    return out


def _as_ours(exc: Exception) -> Exception:
    """`exc`, or for arithmetic that gave way the refusal of the numbers."""
    return exc if isinstance(exc, JoulecastError) else BadInput(_BEYOND)


def _asked(body: EstimateBody, catalogue: Catalogue, applied: Applied) -> Asked:
    model = catalogue.model(body.model)
    machine = catalogue.machine(body.hardware, applied.machines, applied.counts)
    with np.errstate(all="ignore"):
        setup, notices = setup_of(model, machine, **body.workload())
    return Asked(body, setup, notices, applied.about(setup))


def _together(asked: Sequence[Asked], level: float) -> list[Estimate | Exception]:
    """The answers at one level; if the whole fails, each on its own."""
    if not asked:
        return []
    try:
        with np.errstate(all="ignore"):
            a = predictor.answer([one.setup for one in asked], bundles.load(), level)
            return [_finished(one, a, row) for row, one in enumerate(asked)]
    except (JoulecastError, ArithmeticError, ValueError) as exc:
        if len(asked) == 1:
            return [_as_ours(exc)]
    return [answer for one in asked for answer in _together([one], level)]


def _finished(asked: Asked, a: predictor.Answers, row: int) -> Estimate | Exception:
    """One row of the figures as an answer."""
    body = asked.body
    answer = row_estimate(asked.setup, a, row, body.level, explain=body.explain)
    answer = replace(answer, notices=(*asked.notices, *answer.notices))
    try:
        return priced(sane(answer), tariff_of(body), Budget())
    except JoulecastError as exc:
        return exc


def reckoned(work: Callable[[], Result]) -> Result:
    """What `work` returns.

    Raises
    ------
    JoulecastError
        Also where arithmetic gives way to numbers that nothing has.
    """
    try:
        return work()
    except (ArithmeticError, ValueError) as exc:
        raise BadInput(_BEYOND) from exc


def leaning(asked: Asked) -> Estimate:
    """The answer that leans on the applied runs.

    Raises
    ------
    JoulecastError
    """
    body = asked.body
    with np.errstate(all="ignore"):
        answer = estimate_of(
            asked.setup, body.level, asked.notices, explain=body.explain, runs=asked.runs
        )
    return priced(sane(answer), tariff_of(body), Budget())


def served(body: ServingBody, catalogue: Catalogue, applied: Applied) -> ServingEstimate:
    """The answer about a model server.

    Raises
    ------
    JoulecastError
    """
    from joulecast.answering_serving import serving_estimate_of
    from joulecast.asking_serving import Place, setup_asked
    from joulecast.core.serving import Serving

    model = catalogue.model(body.model)
    machine = catalogue.machine(body.hardware, applied.machines, applied.counts)
    serving = Serving(
        prompt_tokens=body.prompt_tokens,
        output_tokens=body.output_tokens,
        rate_rps=body.rate_rps,
        concurrency=body.concurrency,
        cache_hit_frac=body.cache_hit_frac,
        engine=body.engine,
        engine_year=body.engine_year,
        duration_s=body.duration_s,
    )
    place = Place(body.weight_precision, body.n_gpus, body.power_limit_w, body.scope, body.force)
    with np.errstate(all="ignore"):
        setup, notices = setup_asked(model, machine, serving, place)
        answer = serving_estimate_of(
            setup,
            body.level,
            notices,
            explain=body.explain,
            runs=applied.about(setup),
            force=body.force,
        )
    return priced(sane(answer), tariff_of(body), Budget())


def tariff_of(body: Tariffed) -> Tariff:
    """What the body says a kilowatt-hour stands for."""
    return Tariff(body.region, body.carbon_intensity, body.price, pue=body.pue, carbon=body.carbon)


def sane(answer: Answer) -> Answer:
    """`answer`, if its figures are finite and above 0.

    Raises
    ------
    BadInput
    """
    figures = (answer.energy_j, answer.energy_low_j, answer.energy_high_j, answer.duration_s)
    if not all(math.isfinite(value) and value > 0 for value in figures):
        raise BadInput(_BEYOND)
    return answer
