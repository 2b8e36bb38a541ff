"""The loops themselves: passes of training or inference over the data, told to a recording.

An evaluation stands in a window of its own after its epoch, so that the energy of an epoch is the
energy of training alone.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from joulecast.profiler.workload_loader import batches_of, endless
from joulecast.profiler.workload_network import scores_of
from joulecast.profiler.workload_plan import EVALUATION, EpochOutcome, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.workload_data import Dataset
    from joulecast.profiler.workload_loader import Batch, Batches, Split
    from joulecast.profiler.workload_plan import Plan, Recording


@dataclass(frozen=True, slots=True)
class Bench:
    """What was made ready at start-up.

    Attributes
    ----------
    optimiser : ``None`` for inference. scaler : of the gradients, fp16 only.
    """

    network: nn.Module
    dataset: Dataset
    plan: Plan
    device: torch.device
    optimiser: torch.optim.Optimizer | None
    scaler: torch.amp.GradScaler | None
    generator: torch.Generator

    def batches(self, split: Split) -> Batches:
        """Batches of one pass."""
        pinned = self.device.type == "cuda"
        return batches_of(self.dataset, self.plan, split, self.generator, pinned=pinned)

    def autocast(self) -> torch.autocast:
        """Reduced precision inside, where the plan asks for it."""
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.plan.precision)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on: `stop` ends the run early, `on_progress` is told of every step."""

    clock: Clock
    stop: Callable[[], bool] | None = None
    on_progress: Callable[[Progress], None] | None = None


@contextmanager
def window(recording: Recording, name: str) -> Iterator[None]:
    """A named stretch of the recording, closed whatever happens inside."""
    recording.begin_window(name)
    try:
        yield
    finally:
        recording.end_window(name)


class Loop:
    """One workload while it runs: its counts and its limits."""

    def __init__(self, bench: Bench, recording: Recording, watch: Watch) -> None:
        self.bench = bench
        self.recording = recording
        self.watch = watch
        self.start_s = watch.clock.monotonic_s()
        self.steps = 0
        self.samples = 0
        self.epoch = 0
        self.loss: float | None = None
        self.stopped = False
        self.epochs: list[EpochOutcome] = []

    def run(self) -> None:
        """Epochs, or passes without an end until steps or seconds are used up."""
        training = self.bench.plan.task == "train"
        batches = self.bench.batches("train" if training else "infer")
        self.bench.network.train(training)
        with torch.set_grad_enabled(training):
            if self.bench.plan.epochs_wanted is None:
                self._passes(endless(batches))
                return
            for _ in range(self.bench.plan.epochs_wanted):
                self._epoch(batches)
                if self.stopped:
                    return

    def _epoch(self, batches: Batches) -> None:
        """One epoch with its window, and the evaluation after it."""
        self.epoch += 1
        steps, samples = self.steps, self.samples
        self.recording.epoch_start()
        self._passes(batches)
        done = self.samples - samples
        self.recording.epoch_end(samples=done, loss=self.loss, accuracy=None)
        complete = self.steps - steps == len(batches)
        self.stopped &= not (complete and self.epoch == self.bench.plan.epochs_wanted)
        scores: tuple[float | None, float | None] = (None, None)
        if complete and self.bench.plan.task == "train" and self.bench.plan.evaluate:
            with window(self.recording, EVALUATION):
                scores = evaluate(self.bench)
        outcome = EpochOutcome(done, self.steps - steps, self.loss, *scores, complete=complete)
        self.epochs.append(outcome)

    def _passes(self, batches: Iterable[Batch]) -> None:
        """Steps over `batches` until they end or a limit is reached."""
        optimiser = self.bench.optimiser
        loss_sum = torch.zeros((), device=self.bench.device)
        samples = self.samples
        for batch in batches:
            inputs, labels = (t.to(self.bench.device, non_blocking=True) for t in batch)
            if optimiser is None:
                self._infer(inputs)
            else:  # the loss is summed on the device: reading it here would wait for the GPU
                loss_sum += self._learn(optimiser, inputs, labels) * len(labels)
            self._count(len(labels))
            if self._over():
                break
        if optimiser is not None:
            mean = float(loss_sum) / max(1, self.samples - samples)
            self.loss = mean if math.isfinite(mean) else None

    def _learn(self, optimiser: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> Tensor:
        """Loss of one batch, before what was learned from it."""
        bench = self.bench
        optimiser.zero_grad(set_to_none=True)
        with bench.autocast():
            loss = cross_entropy(scores_of(bench.network(inputs)), labels)
        if bench.scaler is None:
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        else:
            bench.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            bench.scaler.step(optimiser)
            bench.scaler.update()
        return loss.detach()

    def _infer(self, inputs: Tensor) -> None:
        """One forward pass and nothing else."""
        with self.bench.autocast():
            self.bench.network(inputs)

    def _count(self, samples: int) -> None:
        """Add a step, and tell everyone."""
        self.steps += 1
        self.samples += samples
        self.recording.step(samples=samples)
        if self.watch.on_progress is not None:
            elapsed_s = self.watch.clock.monotonic_s() - self.start_s
            done = min(1.0, self._done_frac(elapsed_s))
            self.watch.on_progress(
                Progress(self.steps, self.samples, elapsed_s, done, self.epoch, self.loss)
            )

    def _done_frac(self, elapsed_s: float) -> float:
        """Share of the plan that is done."""
        plan = self.bench.plan
        if plan.steps is not None:
            return self.steps / plan.steps
        if plan.seconds is not None:
            return elapsed_s / plan.seconds
        return self.samples / (self.bench.dataset.samples * (plan.epochs_wanted or 1))

    def _over(self) -> bool:
        """Whether steps or seconds are used up, or `stop` says so."""
        plan = self.bench.plan
        if plan.steps is not None and self.steps >= plan.steps:
            return True
        elapsed_s = self.watch.clock.monotonic_s() - self.start_s
        if plan.seconds is not None and elapsed_s >= plan.seconds:
            return True
        self.stopped = self.watch.stop is not None and self.watch.stop()
        return self.stopped


def evaluate(bench: Bench) -> tuple[float | None, float]:
    """Mean loss over the test split, ``None`` if not finite, and the share classified rightly."""
    loss_sum = torch.zeros((), device=bench.device)
    right = torch.zeros((), device=bench.device, dtype=torch.long)
    count = 0
    bench.network.eval()
    with torch.no_grad():
        for batch in bench.batches("evaluation"):
            inputs, labels = (t.to(bench.device, non_blocking=True) for t in batch)
            with bench.autocast():
                scores = scores_of(bench.network(inputs))
                loss_sum += cross_entropy(scores, labels, reduction="sum")
            right += (scores.argmax(1) == labels).sum()
            count += len(labels)
    bench.network.train()
    loss = float(loss_sum) / count
    return (loss if math.isfinite(loss) else None), int(right) / count
