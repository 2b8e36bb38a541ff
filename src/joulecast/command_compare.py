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
    elif any(c.energy_j is not None for c in found.candidates):
        from joulecast.render_compare import compare_screen

        sys.stdout.write(compare_screen(found, currency=ask.currency))
    return _verdict(found)


def _verdict(found: Comparison) -> int:
    """The exit code; where it is not 0, why on stderr."""
    answered = [c for c in found.candidates if c.energy_j is not None]
    if not answered:
        for reason, pairs in _reasons(found).items():
            more = f" and {len(pairs) - 2} more" if len(pairs) > 2 else ""
            sys.stderr.write(f"joulecast: {', '.join(pairs[:2])}{more}: {reason}\n")
        return _BAD_INPUT
    if all(c.within_budget is False for c in answered):
        sys.stderr.write("none of them lies within the budget\n")
        return _BREACHED
    return _ANSWERED


def _reasons(found: Comparison) -> dict[str, list[str]]:
    """The pairs by why they have no answer."""
    pairs: dict[str, list[str]] = {}
    for c in found.candidates:
        pairs.setdefault(c.reason, []).append(f"{c.model} on {c.hardware}")
    return pairs
