"""Plans that cannot be meant are refused, and outcomes find their place in the record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulecast.core.errors import BadInput
from joulecast.core.records import Window
from joulecast.profiler.workload_plan import (
    EpochOutcome,
    Outcome,
    Plan,
    check_plan,
    finish_run,
    workload_of,
)
from tests.fakes.recording import run_of

SHAPE = (3, 32, 32)


def test_defaults_are_the_papers_table_2() -> None:
    """Batch 128, learning rate 0.001, weight decay 5e-4, one epoch."""
    plan = Plan()
    check_plan(plan)
    assert (plan.batch_size, plan.learning_rate, plan.weight_decay) == (128, 0.001, 5e-4)
    assert plan.epochs_wanted == 1


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({"epochs": 1, "steps": 2}, "epochs and steps were both given"),
        ({"steps": 2, "seconds": 3.0}, "steps and seconds were both given"),
        ({"batch_size": 0}, "batch_size is 0; give a whole number from 1"),
        ({"batch_size": -3}, "batch_size is -3"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"batch_size": True}, "batch_size is True"),
        ({"steps": 0}, "steps is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"samples": 0}, "samples is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"loader_workers": -1}, "loader_workers is -1; give a whole number from 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seconds": 0.0}, "seconds is 0.0; give a finite number above 0"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"weight_decay": -1e-3}, "weight_decay is -0.001; give a finite number from 0"),
        ({"task": "serve"}, "task is 'serve'; give one of train, infer"),
        ({"precision": "fp8"}, "precision is 'fp8'; give one of fp32, bf16, fp16"),
        ({"data": "imagenet"}, "data is 'imagenet'"),
    ],
)
def test_figures_that_cannot_be_meant_are_refused(options: dict[str, Any], seen: str) -> None:
    """Each is named with what was seen and what would do."""
    with pytest.raises(BadInput, match=seen):
        check_plan(Plan(**options))


def test_a_limit_in_steps_or_seconds_has_no_epochs() -> None:
    """Only epochs, or no limit at all, count epochs."""
    assert Plan(epochs=3).epochs_wanted == 3
    assert Plan(steps=3).epochs_wanted is None
    assert Plan(seconds=3).epochs_wanted is None


def test_synthetic_data_needs_no_loader() -> None:
    """One loader process for real data, as the papers had; none for synthetic; or as told."""
    assert (Plan(data="digits").workers, Plan(data="synthetic").workers) == (1, 0)
    assert (Plan(data="digits", loader_workers=0).workers, Plan(loader_workers=2).workers) == (0, 2)


def test_the_workload_before_and_after_the_run() -> None:
    """Before: as planned, 50,000 samples. After: what was done, in epochs and their fractions."""
    before = workload_of(Plan(epochs=3, data="digits", precision="bf16"), SHAPE)
    assert (before.samples, before.epochs, before.dataset) == (50_000, 3, "digits")
    assert (before.precision, before.optimiser, before.input_shape) == ("bf16", "sgd", SHAPE)
    after = workload_of(Plan(steps=10, task="infer"), SHAPE, samples=1438, epochs=0.25)
    assert (after.samples, after.epochs, after.optimiser) == (1438, 0.25, "")


def outcome(*epochs: EpochOutcome) -> Outcome:
    """An outcome with these epochs."""
    return Outcome(
        workload=workload_of(Plan(), SHAPE, 100, 1.5),
        samples=150,
        steps=2,
        duration_s=3.0,
        device="cpu",
        device_name="cpu",
        epochs=epochs,
        facts={"torch": "2"},
        notices=("small data",),
    )


def test_scores_and_facts_reach_the_record() -> None:
    """Loss and accuracy stand with their epoch; a part of an epoch is no epoch."""
    windows = (Window("epoch 1", 0, 2, {"gpu": 5.0}), Window("epoch 2", 2, 1, {"gpu": 2.0}))
    run = replace(run_of(epochs=windows, notices=("old",)), versions={"driver": "1"})
    whole = EpochOutcome(100, 1, loss=2.0, test_loss=2.1, accuracy=0.3)
    part = EpochOutcome(50, 1, loss=1.9, complete=False)
    found = finish_run(run, outcome(whole, part))
    assert found.setup.workload.epochs == 1.5
    assert found.versions == {"driver": "1", "torch": "2"}
    measured = found.measurement
    assert measured.notices == ("old", "small data")
    assert measured.epochs == (replace(windows[0], loss=2.0, accuracy=0.3),)
    assert measured.windows == (replace(windows[1], name="partial epoch", loss=1.9),)


def test_epochs_that_do_not_match_stay_as_they_were() -> None:
    """A session that saw another number of epochs keeps its own."""
    windows = (Window("epoch 1", 0, 2),)
    run = run_of(epochs=windows)
    assert finish_run(run, outcome()).measurement.epochs == windows
