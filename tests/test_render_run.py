"""What a measured run looks like on the screen."""

from __future__ import annotations

import io

import joulecast
from joulecast.core.records import Measurement, Run, Setup, StepTimes, Window, Workload
from joulecast.datasets import architectures, hardware
from joulecast.live import ProgressLine
from joulecast.render_run import run_screen

SETUP = Setup(hardware.machine("hc3"), architectures.find("lenet", None, "pytorch"), Workload())


def a_run(measurement: Measurement) -> Run:
    """A run of lenet on hc3."""
    return Run(SETUP, measurement, source="profiler", model_group="lenet")


def test_each_scope_says_how_it_was_got() -> None:
    """A modelled watt is never shown as a measured one."""
    seen = Measurement(
        energy_j={"gpu": 600.0, "cpu": 300.0, "dram": 30.0, "system": 930.0},
        energy_source={
            "gpu": "nvml-counter",
            "cpu": "tdp-model",
            "dram": "dram-model",
            "system": "nvml-counter+tdp-model+dram-model",
        },
        idle_w={"system": 30.0},
        duration_s=10.0,
        samples=1000.0,
        steps=StepTimes(100, 0.1, 0.11, stall_s=2.0),
    )
    text = run_screen(a_run(seen))
    assert "gpu 0.17 (nvml-counter)" in text
    assert "cpu 0.083 (modelled: tdp-model)" in text
    assert "net of idle 0.17" in text  # (930 - 30 x 10) J = 0.175 Wh
    assert "net of idle 0.25" in run_screen(a_run(seen), idle_s=1.0)  # (930 - 30 x 1) J = 0.25 Wh
    assert "stalls 2.0 s" in text


def test_nothing_measured_is_said() -> None:
    """No meter is no number, and a way to find out why."""
    text = run_screen(a_run(Measurement(energy_j={}, duration_s=10.0, samples=None)))
    assert "not measured" in text
    assert "joulecast doctor" in text


def test_a_long_run_shows_its_last_epochs_and_few_notes() -> None:
    """The screen stays a screen."""
    epochs = tuple(Window(f"epoch {n}", n * 1.0, 1.0, {"system": 5.0}) for n in range(1, 40))
    seen = Measurement({}, 40.0, 1.0, epochs=epochs, notices=tuple(f"n{i}" for i in range(20)))
    text = run_screen(a_run(seen))
    assert "epoch 39" in text
    assert "epoch 34" not in text
    assert "14 more in the record" in text
    assert len(text.splitlines()) < 24


def test_a_run_extrapolated_says_so() -> None:
    """The whole run comes with its interval."""
    whole = joulecast.extrapolate_epochs([100.0, 100.0, 100.0], [10.0, 10.0, 10.0], 36)
    text = run_screen(a_run(Measurement({}, 30.0, 1.0)), whole=whole)
    assert "1.0 Wh" in text
    assert "6 min" in text


def test_progress_in_a_log_comes_every_ten_seconds() -> None:
    """A file that is not a screen is not flooded."""
    stream, times = io.StringIO(), iter([0.0, 1.0, 5.0, 11.0, 12.0])
    line = ProgressLine(stream, now=lambda: next(times))
    for n in range(5):
        line.show(lambda n=n: f"step {n}")  # type: ignore[misc]
    assert stream.getvalue() == "step 0\nstep 3\n"


def test_quiet_shows_nothing() -> None:
    """`--quiet` means it."""
    stream = io.StringIO()
    ProgressLine(stream, quiet=True, now=lambda: 0.0).show(lambda: "x")
    assert stream.getvalue() == ""
