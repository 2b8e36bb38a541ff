"""What a workload is asked to do and what came of it, in plain records: no torch here.

The faces build a `Plan`; the loops fill an `Outcome`; `finish_run` puts both into the run record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

from joulecast.core.errors import BadInput
from joulecast.core.records import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from joulecast.core.records import Measurement, Run, Window

Precision = Literal["fp32", "bf16", "fp16"]
DataSource = Literal["cifar10", "digits", "synthetic"]

START_UP: Final = "start-up"
EVALUATION: Final = "evaluation"
CIFAR_TRAIN_SAMPLES: Final = 50_000


class Recording(Protocol):
    """What the loops tell while they run. Whoever opens it starts and stops it."""

    def start(self) -> object:
        """Begin to measure."""
        ...

    def stop(self) -> Run:
        """End; the run as measured."""
        ...

    def begin_window(self, name: str) -> object:
        """Open a named stretch; stretches nest."""
        ...

    def end_window(self, name: str) -> object:
        """Close the stretch of that name."""
        ...

    def epoch_start(self) -> object:
        """Open an epoch."""
        ...

    def epoch_end(self, *, samples: int, loss: float | None, accuracy: float | None) -> object:
        """Close the open epoch."""
        ...

    def step(self, *, samples: int) -> object:
        """One batch was processed; cheap."""
        ...

    def snapshot(self) -> object:
        """What was measured so far."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """One workload. At most one of `epochs`, `steps`, `seconds` is given; without any, one epoch.

    The defaults of batch, learning rate, loss (categorical cross-entropy), weight decay and
    optimiser (SGD) are those of the papers' Table 2. It states no momentum: 0.9 is taken, as in
    the public CIFAR-10 recipe that the networks in ``models/`` follow; no schedule.

    Attributes
    ----------
    samples : per epoch; ``None`` for as many as the training split holds. Inference repeats the
        test split up to that number, as the papers do.
    data_folder : where CIFAR-10 lies.
    augment : random crop and flip in training; ``None`` for CIFAR-10 only.
    device : ``auto`` (the first GPU, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ...
    loader_workers : ``None`` for 1, and 0 with synthetic data, which needs no loading.
    threads : CPU threads of torch; ``None`` leaves them alone.
    evaluate : loss and accuracy on the test split after each training epoch.
    """

    task: Literal["train", "infer"] = "train"
    batch_size: int = 128
    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None
    samples: int | None = None
    precision: Precision = "fp32"
    device: str = "auto"
    data: DataSource = "synthetic"
    data_folder: Path | None = None
    augment: bool | None = None
    loader_workers: int | None = None
    seed: int = 0
    threads: int | None = None
    evaluate: bool = True
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 5e-4

    @property
    def epochs_wanted(self) -> int | None:
        """Epochs to run, ``None`` where steps or seconds limit the run."""
        unlimited = self.steps is None and self.seconds is None
        return 1 if unlimited and self.epochs is None else self.epochs

    @property
    def workers(self) -> int:
        """Loader processes."""
        if self.loader_workers is not None:
            return self.loader_workers
        return 0 if self.data == "synthetic" else 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workload is, told after every step.

    Attributes
    ----------
    epoch : from 1; 0 where no epochs are counted. done_frac : 0..1. loss : of the last epoch.
    """

    step: int
    samples: int
    elapsed_s: float
    done_frac: float
    epoch: int = 0
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class EpochOutcome:
    """One pass over the data.

    Attributes
    ----------
    loss : mean over the pass, training. test_loss, accuracy : of the test split, accuracy 0..1.
    complete : whether every sample of the epoch was processed.
    """

    samples: int
    steps: int
    loss: float | None = None
    test_loss: float | None = None
    accuracy: float | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a workload did.

    Attributes
    ----------
    workload : as it was executed; `epochs` is a fraction where the last pass was not finished.
    epochs : empty where steps or seconds limited the run.
    loss : training, mean over the last epoch, or over all steps of a run without epochs.
    duration_s : seconds of the loops with their evaluations, without start-up.
    stopped : ended by `stop` before its own limit. facts : versions and settings that matter.
    """

    workload: Workload
    samples: int
    steps: int
    duration_s: float
    device: str
    device_name: str
    epochs: tuple[EpochOutcome, ...] = ()
    loss: float | None = None
    stopped: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def check_plan(plan: Plan) -> None:
    """Raise BadInput unless every figure of `plan` can be meant."""
    limits = {"epochs": plan.epochs, "steps": plan.steps, "seconds": plan.seconds}
    given = [name for name, value in limits.items() if value is not None]
    if len(given) > 1:
        raise BadInput(f"{' and '.join(given)} were both given; give one limit.")
    for name, choices in (("precision", get_args(Precision)), ("data", get_args(DataSource))):
        _check_choice(name, getattr(plan, name), choices)
    _check_choice("task", plan.task, ("train", "infer"))
    for name in ("batch_size", "epochs", "steps", "samples", "threads"):
        _check_count(name, getattr(plan, name), least=1)
    for name in ("loader_workers", "seed"):
        _check_count(name, getattr(plan, name), least=0)
    for name in ("seconds", "learning_rate"):
        _check_number(name, getattr(plan, name), positive=True)
    for name in ("momentum", "weight_decay"):
        _check_number(name, getattr(plan, name), positive=False)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise BadInput if `value` is none of `choices`."""
    if value not in choices:
        raise BadInput(f"{name} is '{value}'; give one of {', '.join(choices)}.")


def _check_count(name: str, value: object, least: int) -> None:
    """Raise BadInput unless `value` is None or a whole number from `least`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and int(str(value)) >= least):
        raise BadInput(f"{name} is {value!r}; give a whole number from {least}.")


def _check_number(name: str, value: float | None, *, positive: bool) -> None:
    """Raise BadInput unless `value` is None or finite and not negative (nor 0 if `positive`)."""
    if value is None:
        return
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        bound = "above 0" if positive else "from 0"
        raise BadInput(f"{name} is {value!r}; give a finite number {bound}.")


def workload_of(
    plan: Plan,
    input_shape: tuple[int, ...],
    samples: int | None = None,
    epochs: float | None = None,
) -> Workload:
    """`plan` as the record's workload.

    Parameters
    ----------
    samples, epochs : as executed; ``None`` for what is known before the run: the plan's own, else
        50,000 samples, and one epoch where steps or seconds limit the run.
    """
    return Workload(
        task=plan.task,
        samples=samples or plan.samples or CIFAR_TRAIN_SAMPLES,
        epochs=plan.epochs_wanted or 1 if epochs is None else epochs,
        batch_size=plan.batch_size,
        input_shape=input_shape,
        dataset=plan.data,
        precision=plan.precision,
        optimiser="sgd" if plan.task == "train" else "",
        loader_workers=plan.workers,
    )


def finish_run(run: Run, outcome: Outcome) -> Run:
    """`run` with what only the loops know.

    The workload as executed; each epoch's loss and the accuracy of the evaluation after it, which
    was not known when the epoch ended; an epoch cut short moves from the epochs to the windows.
    """
    measurement = _with_epochs(run.measurement, outcome.epochs)
    measurement = replace(measurement, notices=(*measurement.notices, *outcome.notices))
    return replace(
        run,
        setup=replace(run.setup, workload=outcome.workload),
        measurement=measurement,
        versions={**run.versions, **outcome.facts},
    )


def _with_epochs(measurement: Measurement, epochs: tuple[EpochOutcome, ...]) -> Measurement:
    """Measurement whose epochs carry loss and accuracy, and are complete."""
    if len(epochs) != len(measurement.epochs):
        return measurement
    whole: list[Window] = []
    partial: list[Window] = []
    for window, epoch in zip(measurement.epochs, epochs, strict=True):
        if epoch.complete:
            whole.append(replace(window, loss=epoch.loss, accuracy=epoch.accuracy))
        else:
            partial.append(replace(window, name="partial epoch", loss=epoch.loss))
    return replace(measurement, epochs=tuple(whole), windows=(*measurement.windows, *partial))
