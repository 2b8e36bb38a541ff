"""What `joulecast compare` accepts."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from joulecast.core.errors import BadInput
from joulecast.options import fill_budgets, fill_loads, fill_tariff, fill_workload
from joulecast.options_sweep import fill_answer


def add_compare(verbs: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add `compare` to the verbs of `joulecast`."""
    ask = verbs.add_parser(
        "compare",
        usage="joulecast compare --models A,B,C --hw x,y [options]",
        help="networks on machines: energy, time, the efficient ones, what a budget allows",
        description="Networks on machines, in inference unless --task train.",
        allow_abbrev=False,
    )
    add = ask.add_argument
    add("--models", "--model", dest="models", metavar="A,B,C", help="networks")
    add("--hw", metavar="x,y", help="machines")
    known = "a=0.9,b=0.87, or a CSV file model,accuracy (default: of measured runs)"
    add("--accuracy", type=accuracies, metavar="A", help=known)
    fill_workload(ask.add_argument_group("what is run"), task="infer")
    fill_loads(ask.add_argument_group("on what"))
    prices = ask.add_argument_group("CO2e, money and budgets")
    fill_tariff(prices)
    fill_budgets(prices)
    fill_answer(ask)
    ask.set_defaults(task="infer")


def accuracies(text: str) -> dict[str, float]:
    """Accuracy by network, from pairs between commas or from a CSV file.

    >>> accuracies("vgg16=0.93, lenet=0.66")
    {'vgg16': 0.93, 'lenet': 0.66}
    """
    if "=" not in text:
        path = Path(text)
        if not path.is_file():
            message = f"takes a=0.9,b=0.87 or a CSV file model,accuracy, not '{text}'"
            raise argparse.ArgumentTypeError(message)
        return _read(path)
    out: dict[str, float] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = pair.partition("=")
        out[name.strip()] = _number(value, pair)
    return out


def _read(path: Path) -> dict[str, float]:
    """The rows of a CSV file with the columns model and accuracy."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        missing = {"model", "accuracy"} - set(rows.fieldnames or ())
        if missing:
            message = f"{path} has no column {' and no '.join(sorted(missing))}"
            raise BadInput(message)
        return {
            row["model"].strip(): _number(row["accuracy"] or "", f"{path}: {row['model']}")
            for row in rows
            if (row["model"] or "").strip()
        }


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        message = f"takes accuracies from 0 to 1 such as vgg16=0.93, not '{where}'"
        raise argparse.ArgumentTypeError(message) from None
