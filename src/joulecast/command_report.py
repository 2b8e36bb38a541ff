"""The command `joulecast report`: from options to one call; tells where the file lies."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.options_report import NARROWEST, OUT, WIDEST

if TYPE_CHECKING:
    import argparse

_COLUMNS = 80


def run(ask: argparse.Namespace) -> int:
    """Exit code; writes the page and says so, or prints the text.

    Raises
    ------
    BadInput
        When neither runs nor predictions are named.
    """
    if not ask.runs and not ask.predict:
        message = (
            "name runs, e.g. 'joulecast report runs/' or a CSV table, or predictions: "
            "'joulecast report --predict vgg16,resnet18 --hw hc2'"
        )
        raise BadInput(message)
    if ask.terminal:
        sys.stdout.write(_text(ask))
        if ask.out is None and ask.figures is None:
            return 0
    from joulecast.api_report import report

    path = report(
        ask.runs,
        ask.out or OUT,
        figures=ask.figures,
        title=ask.title,
        predict=names(ask.predict),
        hardware=names(ask.hw),
        lifecycle=ask.lifecycle,
        requests_per_day=ask.requests_per_day,
        days=ask.days,
        level=ask.level,
        progress=None if ask.quiet else _tell,
    )
    if not ask.terminal:
        sys.stdout.write(f"{path}\n")
        if ask.figures is not None:
            sys.stdout.write(f"{ask.figures}\n")
    return 0


def names(text: str | None) -> list[str]:
    """The names in a list with commas.

    >>> names("vgg16, resnet18"), names(None)
    (['vgg16', 'resnet18'], [])
    """
    return [name for part in (text or "").split(",") if (name := part.strip())]


def _text(ask: argparse.Namespace) -> str:
    """The key figures as text, as wide as the terminal, in colour only where one looks."""
    from joulecast.api_report import gathered
    from joulecast.terminal_plots import terminal_report

    material = gathered(
        ask.runs,
        predict=names(ask.predict),
        hardware=names(ask.hw),
        level=ask.level,
        life={
            "lifecycle": ask.lifecycle,
            "requests_per_day": ask.requests_per_day,
            "days": ask.days,
        },
    )
    seen = shutil.get_terminal_size((_COLUMNS, 24)).columns
    columns = ask.width or min(max(seen, NARROWEST), WIDEST)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return terminal_report(material, int(columns), colour=colour, title=ask.title)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
