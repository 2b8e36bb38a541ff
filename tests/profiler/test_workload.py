"""Networks really train and infer on the CPU, and the recording hears of it in the right order."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from joulecast.core.catalog import names
from joulecast.core.errors import BadInput, DoesNotFit
from joulecast.core.records import Architecture
from joulecast.profiler import workload
from joulecast.profiler.session import Session, SessionOptions
from joulecast.profiler.workload import pick_device, run
from joulecast.profiler.workload_network import MODELS_DIR, Network, load_network
from joulecast.profiler.workload_plan import Outcome, Plan, Progress
from joulecast.profiler.workload_sweep import Attendance, sweep
from tests.fakes.cifar import write_python
from tests.fakes.clock import FakeClock
from tests.fakes.recording import FakeRecording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL: dict[str, Any] = {"batch_size": 4, "samples": 20, "threads": 1}


@pytest.fixture(scope="module")
def lenet() -> Network:
    """LeNet, counted once."""
    return load_network("lenet")


def network_of(build: Callable[[], nn.Module], classes: int | None = 4) -> Network:
    """A network of a test's own on 3x8x8."""
    return Network("own", build, (3, 8, 8), classes, Architecture("own", "", (3, 8, 8), 0, 0, {}))


def linear() -> nn.Module:
    """One layer: four scores."""
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4))


def digits(network: Network, **options: Any) -> tuple[Outcome, FakeRecording]:  # noqa: ANN401
    """A run on digits without loader processes."""
    recording = FakeRecording()
    plan = Plan(**{"data": "digits", "loader_workers": 0, "threads": 1, **options})
    return run(network, plan, recording), recording


def test_lenet_learns_the_digits(lenet: Network) -> None:
    """Four epochs of real training end well below chance, on the test split too."""
    outcome, recording = digits(lenet, epochs=4, batch_size=32, learning_rate=0.01)
    losses = [epoch.loss for epoch in outcome.epochs if epoch.loss is not None]
    accuracies = [epoch.accuracy for epoch in outcome.epochs if epoch.accuracy is not None]
    assert len(losses) == len(accuracies) == 4
    assert losses[-1] < 0.75 * losses[0]
    assert accuracies[-1] > 0.5
    assert (outcome.samples, outcome.steps) == (4 * 1438, 4 * 45)
    assert recording.samples == outcome.samples
    assert (outcome.workload.samples, outcome.workload.epochs) == (1438, 4)


def test_what_the_recording_hears_of_training(lenet: Network) -> None:
    """Start-up, then epoch and evaluation in turn, each closed before the next."""
    recording = FakeRecording()
    run(lenet, Plan(epochs=2, **SMALL), recording)
    epoch = ["+epoch", "steps", "-epoch", "+evaluation", "-evaluation"]
    assert recording.calls == ["+start-up", "-start-up", *epoch, *epoch]
    assert recording.step_samples == [4] * 10
    assert [window.samples for window in recording.epochs] == [20, 20]


def test_what_the_recording_hears_of_inference(lenet: Network) -> None:
    """No evaluation and no loss: forward passes only, over as many samples as asked."""
    recording = FakeRecording()
    outcome = run(lenet, Plan(task="infer", epochs=2, **{**SMALL, "samples": 18}), recording)
    assert recording.calls == ["+start-up", "-start-up", *["+epoch", "steps", "-epoch"] * 2]
    assert recording.step_samples == [4, 4, 4, 4, 2] * 2
    assert outcome.loss is None
    assert [epoch.accuracy for epoch in outcome.epochs] == [None, None]


def test_evaluation_can_be_left_out(lenet: Network) -> None:
    """Without it there is no window and no accuracy, but still a loss."""
    recording = FakeRecording()
    outcome = run(lenet, Plan(evaluate=False, **SMALL), recording)
    assert "+evaluation" not in recording.calls
    assert outcome.epochs[0].accuracy is None
    assert outcome.epochs[0].loss == outcome.loss == pytest.approx(2.3, abs=0.1)


def test_inference_leaves_the_network_as_it_was() -> None:
    """Evaluation mode without gradients: no weight and no running mean moves."""
    seen: list[nn.Module] = []

    def build() -> nn.Module:
        seen.append(nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(192, 4)))
        return seen[-1]

    run(network_of(build), Plan(task="infer", **SMALL), FakeRecording())
    norm = seen[-1][0]  # type: ignore[index]
    assert not norm.training
    assert norm.running_mean.abs().sum() == 0
    assert all(p.grad is None for p in seen[-1].parameters())


def test_training_goes_on_in_training_mode_after_an_evaluation() -> None:
    """The second epoch updates running means as the first did."""
    modes: list[bool] = []

    class Spy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            modes.append(self.training)
            return super().forward(x)

    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), Spy(192, 4))

    run(network_of(build), Plan(epochs=2, **SMALL), FakeRecording())
    assert modes == ([True] * 5 + [False]) * 2


def test_one_step_is_gradient_descent_with_momentum_and_decay() -> None:
    """After one step each weight w is w - rate (gradient + decay w), computed by hand here."""
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(linear())
        return built[-1]

    plan = Plan(steps=1, learning_rate=0.1, weight_decay=0.05, seed=3, **SMALL)
    run(network_of(build), plan, FakeRecording())
    run(network_of(build), Plan(task="infer", steps=1, seed=3, **SMALL), FakeRecording())
    after, before = (dict(m.named_parameters())["1.bias"].detach() for m in built)
    inputs, labels = first_batch(plan)
    weights = built[1].state_dict()["1.weight"]
    scores = inputs.flatten(1) @ weights.T + before
    gradient = (scores.softmax(1) - torch.eye(4)[labels]).mean(0)
    torch.testing.assert_close(after, before - 0.1 * (gradient + 0.05 * before))


def first_batch(plan: Plan) -> tuple[torch.Tensor, torch.Tensor]:
    """The first batch that a plan trains on, on 3x8x8."""
    from joulecast.profiler.workload_data import load_dataset
    from joulecast.profiler.workload_loader import batches_of

    generator = torch.Generator().manual_seed(plan.seed)
    dataset = load_dataset(plan, (3, 8, 8), 4)
    inputs, labels = next(iter(batches_of(dataset, plan, "train", generator, pinned=False)))
    return inputs, labels


def test_the_same_seed_gives_the_same_loss(tmp_path: Path, lenet: Network) -> None:
    """Weights, order, crops and all: equal to the last bit; another seed differs."""
    write_python(tmp_path)
    cifar = {"data": "cifar10", "data_folder": tmp_path, "batch_size": 16, "epochs": 2}
    one, again, other = (digits(lenet, seed=s, **cifar)[0].epochs for s in (7, 7, 8))
    assert one == again
    assert one[-1].loss != other[-1].loss


def test_a_loader_process_gives_the_same_pictures(lenet: Network) -> None:
    """Loading elsewhere changes nothing of what is learned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
        outside = digits(lenet, batch_size=512, loader_workers=1)[0]
    inside = digits(lenet, batch_size=512)[0]
    assert outside.loss == inside.loss
    assert outside.workload.loader_workers == 1


def test_the_callers_random_numbers_and_threads_stay(lenet: Network) -> None:
    """A run in the middle of one's own script changes neither."""
    threads = torch.get_num_threads()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run(lenet, Plan(steps=1, **{**SMALL, "threads": threads + 1}), FakeRecording())
    torch.testing.assert_close(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_steps_limit_a_run_across_epochs(lenet: Network) -> None:
    """Twelve steps over five to a pass: no epochs are told, and the fraction is exact."""
    recording = FakeRecording()
    outcome = run(lenet, Plan(steps=12, **SMALL), recording)
    assert recording.calls == ["+start-up", "-start-up", "steps"]
    assert (outcome.steps, outcome.samples, outcome.epochs) == (12, 48, ())
    assert outcome.workload.epochs == pytest.approx(48 / 20)
    assert outcome.loss == pytest.approx(2.3, abs=0.1)
    assert not outcome.stopped


def test_seconds_limit_a_run_by_the_given_clock(lenet: Network) -> None:
    """Ten seconds at three a step end after the fourth step."""
    clock = FakeClock()
    outcome = run(
        lenet,
        Plan(seconds=10, **SMALL),
        FakeRecording(),
        on_progress=lambda _: clock.advance(3),
        clock=clock,
    )
    assert (outcome.steps, outcome.duration_s) == (4, 12)


def test_stopping_early_leaves_a_part_of_an_epoch(lenet: Network) -> None:
    """Stopped in the second epoch after two of five steps: that epoch is not complete."""
    told: list[Progress] = []
    recording = FakeRecording()
    outcome = run(
        lenet,
        Plan(epochs=3, **SMALL),
        recording,
        stop=lambda: len(told) == 7,
        on_progress=told.append,
    )
    assert outcome.stopped
    assert [(e.complete, e.steps, e.samples) for e in outcome.epochs] == [
        (True, 5, 20),
        (False, 2, 8),
    ]
    assert outcome.workload.epochs == pytest.approx(1.4)
    assert recording.open == []
    assert recording.calls[-3:] == ["+epoch", "steps", "-epoch"]


def test_a_stop_with_the_last_step_is_no_early_stop(lenet: Network) -> None:
    """What would have ended anyway was not stopped, and is evaluated."""
    outcome = run(lenet, Plan(batch_size=20, samples=20), FakeRecording(), stop=lambda: True)
    assert not outcome.stopped
    assert outcome.epochs[0].complete
    assert outcome.epochs[0].accuracy is not None


def test_progress_counts_to_the_end(lenet: Network) -> None:
    """Shares of the whole rise to 1; the loss is the last epoch's."""
    told: list[Progress] = []
    outcome = run(lenet, Plan(epochs=2, **SMALL), FakeRecording(), on_progress=told.append)
    assert [p.done_frac for p in told] == pytest.approx([n / 10 for n in range(1, 11)])
    assert [p.epoch for p in told] == [1] * 5 + [2] * 5
    assert told[4].loss is None
    assert told[5].loss == outcome.epochs[0].loss
    told.clear()
    run(lenet, Plan(steps=2, **SMALL), FakeRecording(), on_progress=told.append)
    assert [(p.done_frac, p.epoch) for p in told] == [(0.5, 0), (1.0, 0)]


def test_reduced_precision_reaches_the_layers() -> None:
    """Under bf16 a layer computes in bfloat16, under fp32 in float32."""
    dtypes: list[torch.dtype] = []

    class Spy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            dtypes.append(super().forward(x).dtype)
            return super().forward(x)

    def build() -> nn.Module:
        return nn.Sequential(nn.Flatten(), Spy(192, 4))

    for precision in ("fp32", "bf16"):
        for task in ("train", "infer"):
            plan = Plan(task=task, precision=precision, steps=1, **SMALL)
            outcome = run(network_of(build), plan, FakeRecording())
            assert outcome.workload.precision == precision
    assert dtypes == [torch.float32] * 2 + [torch.bfloat16] * 2


def test_a_loss_that_explodes_is_missing_and_said(lenet: Network) -> None:
    """No NaN reaches the record: the loss is None, with a notice."""
    outcome, _ = digits(lenet, batch_size=64, learning_rate=1e12, samples=640)
    assert outcome.loss is None
    assert outcome.epochs[0].loss is None
    assert outcome.epochs[0].test_loss is None
    assert "no finite number" in outcome.notices[-1]


def test_devices_and_precisions_that_are_not_there(lenet: Network) -> None:
    """Each is refused before anything is built."""
    assert pick_device("cpu").type == "cpu"
    for name, seen in (("gpu", "no device 'gpu'"), ("mps", "not supported"), ("cuda:99", "sees")):
        with pytest.raises(BadInput, match=seen):
            pick_device(name)
    recording = FakeRecording()
    with pytest.raises(BadInput, match="fp16 on a CPU"):
        run(lenet, Plan(precision="fp16", device="cpu"), recording)
    assert recording.calls == []


def test_networks_that_cannot_be_trained() -> None:
    """No scores per sample, or nothing to learn: said, with what to do."""
    with pytest.raises(BadInput, match="joulecast profile run"):
        run(network_of(linear, classes=None), Plan(**SMALL), FakeRecording())
    with pytest.raises(BadInput, match="no trainable parameters"):
        run(network_of(nn.Flatten, classes=192), Plan(**SMALL), FakeRecording())
    outcome = run(network_of(nn.Flatten, None), Plan(task="infer", **SMALL), FakeRecording())
    assert outcome.samples == 20


class Greedy(nn.Module):
    """Runs out of memory where the batch is larger than four."""

    def __init__(self, error: type[Exception] = torch.cuda.OutOfMemoryError) -> None:
        super().__init__()
        self.body = linear()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores, or the error."""
        if len(x) > 4:
            raise self.error("CUDA out of memory. Tried to allocate 20 GiB.")
        out: torch.Tensor = self.body(x)
        return out


@pytest.mark.parametrize("error", [torch.cuda.OutOfMemoryError, RuntimeError])
def test_a_batch_that_does_not_fit_is_said(error: type[Exception]) -> None:
    """Running out of memory says which batch, of what, where."""
    network = network_of(lambda: Greedy(error))
    with pytest.raises(DoesNotFit, match="batch 8 of own exceeds the memory of cpu: CUDA out of"):
        run(network, Plan(**{**SMALL, "batch_size": 8}), FakeRecording())


def test_other_errors_of_a_network_come_through() -> None:
    """A user's own mistake keeps its own traceback, and the windows are closed."""

    class Wrong(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(-1, 7)

    recording = FakeRecording()
    with pytest.raises(RuntimeError, match="invalid for input"):
        run(network_of(Wrong), Plan(task="infer", **SMALL), recording)


def test_a_sweep_goes_on_past_a_batch_that_does_not_fit() -> None:
    """Each point has its recording; the one out of memory has a notice and no run."""
    seen: dict[int, FakeRecording] = {}

    def attend(plan: Plan) -> Attendance:
        seen[plan.batch_size] = FakeRecording()
        return Attendance(seen[plan.batch_size])

    plans = [Plan(**{**SMALL, "batch_size": size}) for size in (2, 8, 4)]
    points = list(sweep(network_of(Greedy), plans, attend))
    assert [point.plan.batch_size for point in points] == [2, 8, 4]
    assert [point.run is None for point in points] == [False, True, False]
    assert "Take a smaller batch" in points[1].notices[0]
    assert [seen[size].ended_by for size in (2, 8, 4)] == [None, DoesNotFit, None]
    first = points[0].run
    assert first is not None
    assert first.setup.workload.batch_size == 2
    assert first.measurement.epochs[0].loss == points[0].outcome.epochs[0].loss  # type: ignore[union-attr]


def test_a_sweep_ends_with_its_caller() -> None:
    """A stop rule of its own for each point; an interrupted point says so and goes no further."""
    recording = FakeRecording()

    def interrupt(_: Progress) -> None:
        raise KeyboardInterrupt

    attend = Attendance(recording, on_progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(sweep(network_of(linear), [Plan(**SMALL)], lambda _: attend))
    assert recording.ended_by is KeyboardInterrupt


def test_a_session_is_such_a_recording(lenet: Network) -> None:
    """A real session, without meters, takes every call and its record gets the scores."""
    options = SessionOptions(thread=False)
    plans = [Plan(epochs=2, **SMALL), Plan(task="infer", steps=3, **SMALL)]
    train, infer = sweep(lenet, plans, lambda _: Attendance(Session(options=options)))
    assert train.run is not None
    measured = train.run.measurement
    assert train.run.status == "complete"
    assert [window.samples for window in measured.epochs] == [20, 20]
    assert [w.accuracy for w in measured.epochs] == [e.accuracy for e in train.outcome.epochs]  # type: ignore[union-attr]
    assert [w.name for w in measured.windows] == ["start-up", "evaluation", "evaluation"]
    assert measured.samples == 40
    assert infer.run is not None
    assert infer.run.measurement.samples == 12
    assert infer.run.setup.workload.epochs == pytest.approx(12 / 20)


@pytest.mark.parametrize("name", names(MODELS_DIR, ".py"))
def test_every_network_takes_a_step_of_both_kinds(name: str) -> None:
    """One step of training and one of inference at batch 2, on the shape that its file states."""
    module = importlib.import_module(f"joulecast.models.{name}")
    shape = module.INPUT_SHAPE
    network = Network(name, module.build, shape, 10, Architecture(name, "", shape, 0, 0, {}))
    for task in ("train", "infer"):
        plan = Plan(task=task, batch_size=2, steps=1, samples=8, threads=1)
        outcome = run(network, plan, FakeRecording())
        assert (outcome.steps, outcome.samples) == (1, 2)
        if task == "train":
            assert outcome.loss is not None  # as a loss that is no finite number would be
            assert outcome.loss > 0


def test_facts_name_what_ran(lenet: Network) -> None:
    """The version of torch and the threads stand in the outcome."""
    outcome = run(lenet, Plan(steps=1, **SMALL), FakeRecording())
    assert outcome.facts["torch"] == torch.__version__
    assert outcome.facts["torch_threads"] == "1"
    assert workload.is_out_of_memory(RuntimeError("x: can't allocate memory: you tried"))
    assert not workload.is_out_of_memory(RuntimeError("shape mismatch"))
