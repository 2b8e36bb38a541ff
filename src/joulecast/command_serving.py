"""The commands about model servers: from options to one call, from its answer to a screen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast.render import MAX_NOTES, WIDTH

if TYPE_CHECKING:
    import argparse

    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.planning_records import Plan
    from joulecast.pricing import Tariff

_WIDEST = 160


def estimated(ask: argparse.Namespace) -> ServingEstimate:
    """The answer to the options of `estimate` about a server."""
    from joulecast import api_serving
    from joulecast.options_serving import question

    given, assumed = question(ask)
    return api_serving.estimate_serving(ask.model, ask.hw, **given).with_notices(*assumed)


def screen(answer: ServingEstimate, ask: argparse.Namespace) -> str:
    """One screen, with --explain a second."""
    from joulecast.render_serving import serving_screen

    text = serving_screen(
        answer,
        currency=ask.currency,
        max_notes=None if ask.explain else MAX_NOTES,
        curve_width=_columns(),
    )
    if not ask.explain:
        return text
    from joulecast.explain_serving import serving_explanation

    return text + serving_explanation(answer)


def _columns() -> int:
    """Columns of the terminal, within reason."""
    return min(max(shutil.get_terminal_size((WIDTH, 24)).columns, 40), _WIDEST)


def planned(ask: argparse.Namespace, tariff: Tariff) -> Plan:
    """The answer to the options of `plan`.

    Raises
    ------
    BadInput
        When no model, no machine or no requests are named, and when none of those named does it.
    """
    from joulecast import api_plan
    from joulecast.core.errors import BadInput
    from joulecast.options_serving import plan_question
    from joulecast.pricing import Budget, priced

    given, assumed = plan_question(ask)
    answer = api_plan.plan(ask.model, ask.hw, **given)
    if answer.best is None:
        reasons = "; ".join(f"{o.model} on {o.hardware}: {o.reason}" for o in answer.options)
        message = f"none of these does it: {reasons}. Name others, or loosen the bounds"
        raise BadInput(message)
    options = tuple(priced(o, tariff, Budget()) if o.fits else o for o in answer.options)
    return replace(answer, options=options).with_notices(*assumed)


def plan_screen(answer: Plan, ask: argparse.Namespace) -> str:
    """The plan as a table."""
    from joulecast import render_plan

    return render_plan.plan_screen(answer, currency=ask.currency)
