"""A recording that remembers what it was told, and refuses what a session would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from joulecast.core.records import Measurement, Run, Setup, Window, Workload
from joulecast.profiler.session_options import unknown_setup

if TYPE_CHECKING:
    from types import TracebackType


def run_of(setup: Setup | None = None, **figures: object) -> Run:
    """A run with the `figures` of its measurement."""
    given = {"energy_j": {}, "duration_s": None, "samples": None, **figures}
    return Run(
        setup=setup or unknown_setup(),
        measurement=Measurement(**given),  # type: ignore[arg-type]
        source="fake",
        model_group="",
    )


class FakeRecording:
    """Calls in their order; energy is one joule per sample, an epoch lasts one second."""

    def __init__(self, workload: Workload | None = None) -> None:
        self.workload = workload
        self.calls: list[str] = []
        self.open: list[str] = []
        self.samples = 0
        self.steps = 0
        self.step_samples: list[int] = []
        self.epochs: list[Window] = []
        self.run: Run | None = None
        self.ended_by: type[BaseException] | None = None

    def start(self) -> Self:
        """Begin."""
        self.calls.append("start")
        return self

    def stop(self) -> Run:
        """End; a window left open is a mistake of the caller."""
        self.calls.append("stop")
        self.run = run_of(
            energy_j={"system": float(self.samples)},
            duration_s=float(len(self.epochs) or 1),
            samples=self.samples,
            epochs=tuple(self.epochs),
        )
        return self.run

    def begin_window(self, name: str) -> None:
        """Open a window."""
        assert name not in self.open
        self.open.append(name)
        self.calls.append(f"+{name}")

    def end_window(self, name: str) -> Window:
        """Close the window that was opened last."""
        assert self.open.pop() == name
        self.calls.append(f"-{name}")
        return Window(name, 0.0, 1.0)

    def epoch_start(self) -> None:
        """Open an epoch."""
        assert "epoch" not in self.open
        self.open.append("epoch")
        self.calls.append("+epoch")

    def epoch_end(
        self, *, samples: int, loss: float | None = None, accuracy: float | None = None
    ) -> Window:
        """Close the epoch."""
        assert self.open.pop() == "epoch"
        self.calls.append("-epoch")
        window = Window(
            name=f"epoch {len(self.epochs) + 1}",
            start_s=0.0,
            duration_s=1.0,
            samples=samples,
            loss=loss,
            accuracy=accuracy,
        )
        self.epochs.append(window)
        return window

    def step(self, *, samples: int) -> None:
        """Count; the calls keep one entry for a row of steps."""
        self.steps += 1
        self.samples += samples
        self.step_samples.append(samples)
        if self.calls[-1:] != ["steps"]:
            self.calls.append("steps")

    def snapshot(self) -> dict[str, float]:
        """Counts so far."""
        return {"samples": self.samples, "steps": self.steps}

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ended_by = kind
        self.stop()
