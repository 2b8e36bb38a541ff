"""`estimate --until-accuracy`: epochs from the first epochs' learning curve, energy from these."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.catalog import normalise
from joulecast.core.errors import BadInput
from joulecast.core.run_files import read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.core.insight import EpochForecast
    from joulecast.core.records import Estimate, Machine, Run

_COLUMNS = ("val_accuracy", "val_acc", "test_accuracy", "test_acc", "accuracy", "acc")
"""Columns of a CSV file that may hold the accuracy, the first that is there counts: beside one of
an evaluation, plain accuracy is that on the training data."""


def fill_until(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add the two options to `group`."""
    from joulecast.options import existing, number

    some = number(0, 1, above=True)
    words = "train until this accuracy (0..1) instead of --epochs; needs --curve"
    group.add_argument("--until-accuracy", type=some, metavar="F", help=words)
    known = "the first epochs, four or more: a run record, or a CSV file epoch,accuracy"
    group.add_argument("--curve", type=existing, metavar="FILE", help=known)


def refuse_half(target: float | None, curve: Path | None, epochs: float | None) -> None:
    """Refuse one of the two options without the other, and either with ``--epochs``.

    Raises
    ------
    BadInput
    """
    if target is None and curve is None:
        return
    if target is None or curve is None:
        there, missing = ("--curve", "--until-accuracy F")
        if curve is None:
            there, missing = ("--until-accuracy", "--curve FILE, the accuracy of the first epochs")
        message = f"{there} needs {missing}"
        raise BadInput(message)
    if epochs is not None:
        message = "--until-accuracy finds the epochs itself: leave out --epochs"
        raise BadInput(message)


def answered(
    model: Any,  # noqa: ANN401 (torch.nn.Module without importing torch)
    hardware: str | Path | Machine,
    target: float,
    curve: str | Path,
    given: Mapping[str, Any],
) -> Estimate:
    """The answer of `joulecast.estimate` for as many epochs as `target` takes by the `curve`.

    Parameters
    ----------
    given : further arguments of `estimate`. A curve that is a run record joins the runs to lean on.

    Raises
    ------
    JoulecastError
        As `estimate`, `curve_of`, `epochs_until` and `until_accuracy`.
    """
    from joulecast.api import estimate
    from joulecast.estimator.insight.learning_curve import epochs_until
    from joulecast.known_runs import runs_given

    if given.get("task") not in {None, "train"}:
        message = f"--until-accuracy is of training, task {given['task']} has no epochs to learn in"
        raise BadInput(message)
    accuracies, run = curve_of(curve)
    forecast = epochs_until(accuracies, target, level=given.get("level", 0.9))
    runs, skipped = runs_given(given.get("runs"))
    if run is not None and given.get("runs") != () and run not in runs:
        runs = (*runs, run)
    asked = {**given, "runs": runs}
    found = until_accuracy(lambda n: estimate(model, hardware, **{**asked, "epochs": n}), forecast)
    return found.with_notices(*skipped, *_of_another(run, found))


def _of_another(run: Run | None, answer: Estimate) -> tuple[str, ...]:
    """A sentence where the curve is another network's."""
    if run is None or normalise(run.setup.architecture.name) == normalise(answer.model):
        return ()
    own = run.setup.architecture.name or "an unnamed network"
    return (f"the curve is of {own}, not of {answer.model}",)


def curve_of(path: str | Path) -> tuple[tuple[float, ...], Run | None]:
    """Accuracy per epoch, and the record where it is one.

    Parameters
    ----------
    path : a run record with ``measurement.epochs[].accuracy``, or a CSV file with the columns
        epoch (from 0 or 1 on, without gaps) and accuracy.

    Raises
    ------
    BadInput, BadRecord
        For a file that is neither, an epoch without accuracy, gaps.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        return _from_csv(path), None
    run = read_run(path)
    epochs = run.measurement.epochs
    found = [e.accuracy for e in epochs]
    while found and found[-1] is None:  # the epoch during which the run ended
        found.pop()
    accuracy = tuple(a for a in found if a is not None)
    if not accuracy:
        message = (
            f"{path.name} has no accuracy per epoch. "
            "Give it to the session: epoch_end(accuracy=...), or a CSV file epoch,accuracy"
        )
        raise BadInput(message)
    if len(accuracy) < len(found):
        message = f"{path.name} lacks the accuracy of some epochs between others: evaluate each"
        raise BadInput(message)
    return accuracy, run


def _from_csv(path: Path) -> tuple[float, ...]:
    """The accuracies of a CSV file in the order of their epochs."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            names = [name.strip().lower() for name in rows.fieldnames or ()]
            rows.fieldnames = names
            column = next((name for name in _COLUMNS if name in names), None)
            if column is None or "epoch" not in names:
                message = f"{path.name} needs the columns epoch and accuracy. It has {names[:8]}"
                raise BadInput(message)
            found = sorted((float(row["epoch"]), float(row[column])) for row in rows)
    except (OSError, UnicodeError, csv.Error, TypeError, ValueError) as exc:
        message = f"{path.name} cannot be read as epoch,accuracy: {exc}"
        raise BadInput(message) from exc
    epochs = [epoch for epoch, _ in found]
    start = epochs[0] if epochs else 1.0
    if start not in {0.0, 1.0} or epochs != [start + i for i in range(len(epochs))]:
        message = f"{path.name} needs each epoch once, from 0 or 1 on without gaps"
        raise BadInput(message)
    return tuple(accuracy for _, accuracy in found)


def until_accuracy(estimate_at: Callable[[float], Estimate], forecast: EpochForecast) -> Estimate:
    """The answer for as many epochs as `forecast` says, its interval widened by theirs.

    Epochs and energy per epoch err independently, so the variances of their logarithms add: with
    half widths h of the logarithms, h = sqrt(h_epochs ** 2 + h_energy ** 2) on either side.

    Parameters
    ----------
    estimate_at : the answer for a number of epochs.

    Raises
    ------
    BadInput
        Where too many of the curves that fit never reach the target.
    """
    n = forecast.epochs
    if n is None:
        said = forecast.notices[0] if forecast.notices else "the curve does not tend to it"
        message = f"no number of epochs for accuracy {forecast.target:g}: {said}"
        raise BadInput(message)
    answer = estimate_at(n)
    low = math.log(n / (forecast.epochs_low or n))
    high = math.inf if forecast.epochs_high is None else math.log(forecast.epochs_high / n)
    energy = _widened((answer.energy_low_j, answer.energy_j, answer.energy_high_j), low, high)
    time = _widened((answer.duration_low_s, answer.duration_s, answer.duration_high_s), low, high)
    return replace(
        answer,
        energy_low_j=energy[0],
        energy_high_j=energy[1],
        duration_low_s=time[0],
        duration_high_s=time[1],
        notices=(*_said(forecast), *answer.notices),
    )


def _widened(bounds: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """Bounds of a product: `low` and `high` are the other factor's half widths, log units."""
    least, middle, most = bounds
    down = math.hypot(math.log(middle / least), low) if least > 0 else math.inf
    up = math.hypot(math.log(most / middle), high)
    return middle * math.exp(-down), middle * math.exp(up)


def _said(forecast: EpochForecast) -> tuple[str, ...]:
    """What is said of the epochs."""
    if forecast.reached:
        return (f"accuracy {forecast.target:g} was reached in epoch {forecast.epochs:g} already",)
    low, high = forecast.epochs_low, forecast.epochs_high
    span = f"{low:g} or more, with no upper bound" if high is None else f"{low:g} to {high:g}"
    first = (
        f"{forecast.epochs:g} epochs until accuracy {forecast.target:g} ({span} at "
        f"{100 * forecast.level:g} %), from the first {forecast.seen}; the interval of energy and "
        "time holds this doubt too (log variances added)"
    )
    return (first, *forecast.notices)
