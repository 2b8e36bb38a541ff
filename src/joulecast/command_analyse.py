"""The command `joulecast analyse`: from options to one call, from its answer to a screen."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from joulecast.core.insight import Analysis
    from joulecast.core.records import Run


def run(ask: argparse.Namespace) -> int:
    """Exit code; prints the analysis as one screen or as JSON."""
    shown = _without_collecting(lambda: analysed(ask))
    if ask.json:
        from joulecast.tables import as_json

        sys.stdout.write(as_json(shown.to_dict()))
        for notice in shown.notices:
            sys.stderr.write(f"note: {notice}\n")
        return 0
    from joulecast.render_analysis import analysis_screen

    sys.stdout.write(analysis_screen(shown, whole=ask.all))
    return 0


def _without_collecting(work: Callable[[], Analysis]) -> Analysis:
    """What `work` returns, done without looking for garbage: many runs are long to look through."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        return work()
    finally:
        if was_on:
            gc.enable()


def analysed(ask: argparse.Namespace) -> Analysis:
    """The analysis that the options ask for.

    Raises
    ------
    BadInput
        When neither runs nor predictions are asked for, or these only in part.
    """
    from joulecast.api_analyse import analyse

    if not ask.runs and not ask.predict:
        message = (
            "name runs, e.g. 'joulecast analyse runs/' or a CSV table, or predictions: "
            "'joulecast analyse --predict vgg16,resnet18,lenet --hw hc1,hc3'"
        )
        raise BadInput(message)
    return analyse([*ask.runs, *_predicted(ask)], scope=ask.scope, seed=int(ask.seed))


def _predicted(ask: argparse.Namespace) -> tuple[Run, ...]:
    if not ask.predict and not ask.hw and ask.batch_sizes is None:
        return ()
    if not ask.predict or not ask.hw:
        message = "predictions need both: --predict vgg16,resnet18 --hw hc1,hc3"
        raise BadInput(message)
    from joulecast.predicted import predicted_runs

    return predicted_runs(
        _names(ask.predict), _names(ask.hw), batch_sizes=ask.batch_sizes or (128.0,)
    )


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]
