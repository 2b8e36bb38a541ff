"""`joulecast sweep`: options to a call, the answer to a screen or JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run(ask: argparse.Namespace) -> int:
    """Print the sweep that the options ask for; the exit code.

    Raises
    ------
    JoulecastError
        As `joulecast.sweep`, and where no model or machine is named.
    """
    from joulecast.api_sweep import sweep
    from joulecast.options_sweep import question

    if ask.model is None or ask.hw is None:
        message = (
            "name a network and a machine, e.g. 'joulecast sweep --model vgg16 --hw hc3 "
            "--over power-limit'"
        )
        raise BadInput(message)
    given = {"task": None, **question(ask)}
    found = sweep(ask.model, ask.hw, over=ask.over, values=ask.values, **given)
    if ask.json:
        tell_json(found.to_dict(), found.notices)
    else:
        from joulecast.render_sweep import sweep_screen

        sys.stdout.write(sweep_screen(found))
    return 0


def tell_json(answer: dict[str, object], notices: Sequence[str]) -> None:
    """`answer` as one JSON object on stdout, `notices` on stderr."""
    from joulecast.tables import as_json

    sys.stdout.write(as_json(answer))
    for notice in notices:
        sys.stderr.write(f"note: {' '.join(notice.split())}\n")
