"""`joulecast compare`: options to a call, the answer to a screen or JSON, the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from joulecast.command_sweep import tell_json
from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    import argparse

    from joulecast.core.insight import Comparison

_ANSWERED, _BAD_INPUT, _BREACHED = 0, 2, 3


def run(ask: argparse.Namespace) -> int:
    """Print the comparison that the options ask for; the exit code.

    Raises
    ------
    JoulecastError
        As `joulecast.compare`, and where no network or machine is named.
    """
    from joulecast.api_compare import compare
    from joulecast.options_sweep import question
    from joulecast.pricing import budget_of, tariff_of

    if ask.models is None or ask.hw is None:
        message = (
            "name networks and machines, e.g. "
            "'joulecast compare --models vgg16,resnet18 --hw hc1,hc3'"
        )
        raise BadInput(message)
    found = compare(
        ask.models,
        ask.hw,
        accuracy=ask.accuracy,
        budget=budget_of(ask),
        tariff=tariff_of(ask),
        **question(ask),
    )
    if ask.json:
        tell_json(found.to_dict(), found.notices)
    else:
        from joulecast.render_compare import compare_screen

        sys.stdout.write(compare_screen(found, currency=ask.currency))
    return _verdict(found)


def _verdict(found: Comparison) -> int:
    """The exit code; one line on stderr where it is not 0."""
    answered = [c for c in found.candidates if c.energy_j is not None]
    if not answered:
        reason = found.candidates[0].reason
        sys.stderr.write(f"joulecast: none of the pairs could be answered: {reason}\n")
        return _BAD_INPUT
    if all(c.within_budget is False for c in answered):
        sys.stderr.write("none of them lies within the budget\n")
        return _BREACHED
    return _ANSWERED
