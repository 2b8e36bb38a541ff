"""`joulecast.sweep` and `joulecast sweep`: values, the best of them, memory's end, bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import joulecast
from joulecast import command_sweep, options_sweep
from joulecast.api_sweep import TOLD_APART, sweep
from joulecast.core.errors import BadInput, UnknownName
from joulecast.core.insight import Sweep, SweepPoint
from joulecast.core.records import Measurement, Run, Setup
from joulecast.datasets import architectures, hardware
from joulecast.estimator.frame import SET_ASIDE
from joulecast.options import Parser
from joulecast.render_sweep import sweep_screen
from joulecast.sweeping import AXES

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = 50_000.0
SENSORS = {"gpu": "nvml-counter", "cpu": "rapl", "dram": "rapl"}


def swept(over: str, *, model: str = "vgg16", machine: str = "hc3", **asked: Any) -> Sweep:  # noqa: ANN401
    """A sweep that leans on no runs."""
    return sweep(model, machine, over=over, **{"runs": (), "samples": SAMPLES, **asked})


def run_of(batch: float, factor: float, samples: float = SAMPLES) -> Run:
    """A measured run of vgg16 on hc3 at `batch`: the estimate times `factor`."""
    told = joulecast.estimate("vgg16", "hc3", batch_size=batch, samples=samples, runs=())
    assert told.workload is not None
    parts = {p: factor * getattr(told, f"{p}_energy_j") for p in ("gpu", "cpu", "dram")}
    measurement = Measurement(
        energy_j={**parts, "system": sum(parts.values())},
        duration_s=told.duration_s,
        samples=samples,
        energy_source=SENSORS,
    )
    setup = Setup(hardware.machine("hc3"), architectures.find("vgg16"), told.workload)
    return Run(setup, measurement, source="profiler", model_group="vgg16", meter="nvml+rapl")


def command(*words: str) -> int:
    """The exit code of ``sweep`` with the given words."""
    parser = Parser(prog="joulecast")
    options_sweep.add_sweep(parser.add_subparsers(dest="verb", parser_class=Parser))
    return command_sweep.run(parser.read(["sweep", *words]))


def at(found: Sweep, value: float | str) -> SweepPoint:
    """The point of a value."""
    return next(p for p in found.points if p.value == value)


@pytest.mark.parametrize(
    ("over", "name", "values"),
    [
        ("batch-size", "batch_size", (16, 128)),
        ("power-limit", "power_limit_w", (40, 60)),
        ("precision", "precision", ("fp32", "fp16")),
        ("gpus", "n_gpus", (1, 4)),
    ],
)
def test_every_point_is_what_estimate_says(over: str, name: str, values: Sequence[Any]) -> None:
    """A sweep is many estimates: energy, bounds, time and power are the same."""
    found = swept(over, values=values)
    assert found.axis == name
    for value in values:
        point = at(found, value)
        one = joulecast.estimate("vgg16", "hc3", samples=SAMPLES, runs=(), **{name: value})
        assert point.energy_j == pytest.approx(one.energy_j)
        assert point.energy_low_j == pytest.approx(one.energy_low_j)
        assert point.energy_high_j == pytest.approx(one.energy_high_j)
        assert point.duration_s == pytest.approx(one.duration_s)
        assert point.power_w == pytest.approx(one.power_w)


def test_the_best_is_the_least_energy_of_those_that_fit() -> None:
    """And what it saves and takes longer is against the question's own value."""
    found = swept("power-limit", batch_size=64)
    fitting = [p for p in found.points if p.fits]
    best, asked = at(found, found.best or 0), at(found, 70)
    assert best.energy_j == min(p.energy_j for p in fitting)
    assert found.asked == 70
    assert found.saves_frac == pytest.approx(1 - best.energy_j / asked.energy_j)
    assert found.slower_frac == pytest.approx(best.duration_s / asked.duration_s - 1)


def test_default_batches_end_with_one_that_does_not_fit() -> None:
    """Powers of two up to memory's end plus one; need grows with the batch; the best fits."""
    found = swept("batch-size", model="torchvision:resnet50")
    assert [p.fits for p in found.points] == [True] * (len(found.points) - 1) + [False]
    assert found.mem_ends_at == found.points[-1].value
    needs = [p.mem_bytes or 0 for p in found.points]
    assert needs == sorted(needs)
    assert needs[-2] < 0.92 * 12e9 < needs[-1]
    assert found.best != found.mem_ends_at


def test_a_value_that_does_not_fit_is_never_the_best() -> None:
    """Even where it would need the least energy per sample."""
    found = swept("batch-size", model="torchvision:resnet50", values=[1, 4096])
    assert not at(found, 4096).fits
    assert found.best == 1


def test_weights_too_large_for_one_precision_leave_the_others() -> None:
    """An LLM whose fp32 weights exceed the card fits in a narrower precision."""
    found = swept(
        "precision", model="llama-3.1-8b", machine="hc2", task="infer", seq_len=128, batch_size=1
    )
    assert not at(found, "fp32").fits
    assert at(found, "fp16").fits
    assert found.best != "fp32"
    assert found.saves_frac is None


def test_default_precisions_are_those_of_the_device() -> None:
    """int8 is of inference alone; a card without fp8 does not show it."""
    train, infer = swept("precision"), swept("precision", task="infer")
    assert [p.value for p in train.points] == ["fp32", "tf32", "fp16", "bf16"]
    assert [p.value for p in infer.points] == ["fp32", "tf32", "fp16", "bf16", "int8"]


def test_default_limits_go_from_two_fifths_of_the_tdp_to_the_tdp() -> None:
    """Ten steps, the vendor's limit among them."""
    values = [p.value for p in swept("power-limit").points]
    assert len(values) == 10
    assert (values[0], values[-1]) == (28, 70)


def test_the_question_s_own_value_is_among_the_defaults() -> None:
    """A limit or batch that was asked shows its line."""
    limited = swept("power-limit", power_limit_w=50)
    assert limited.asked == 50
    assert at(limited, 50).power_w < at(limited, 70).power_w
    assert at(swept("batch-size", batch_size=100), 100).fits


@pytest.mark.parametrize(
    ("over", "machine", "values", "words"),
    [
        ("batch-size", "8xh100-sxm", [64, 128], "data parallel on 8 GPUs; batch size is per GPU"),
        ("gpus", "hc3", [1, 2, 4], "at 2, 4: data parallel; batch size is per GPU"),
        ("gpus", "hc3", [1, 8], "at 8: input-bound: 1 loader worker holds the device up"),
        ("batch-size", "hc3", [128, 9999], "at 9999: may not fit into memory: the largest"),
        ("precision", "hc3", ["fp32", "fp16"], "at fp16: extrapolated: nothing near"),
    ],
)
def test_what_estimate_says_of_a_value_names_the_value(
    over: str, machine: str, values: Sequence[Any], words: str
) -> None:
    """No notice of a point is lost; what is said of all points is said once, without a value."""
    assert any(n.startswith(words) for n in swept(over, machine=machine, values=values).notices)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([100_000, 5], "power limit 5, 100000 W: .* takes about 21 to 87 W$"),
        ([70, 88], "power limit 88 W"),
        ([10, 70], "power limit 10 W.*add --force"),
    ],
)
def test_limits_that_the_board_does_not_take_are_refused(limits: list[float], words: str) -> None:
    """A star behind a limit that cannot be set is no advice."""
    with pytest.raises(BadInput, match=words):
        swept("power-limit", values=limits)


def test_a_low_limit_can_be_forced_a_high_one_cannot() -> None:
    """Some boards go lower, and the notice stays; above, the answer would be another limit's."""
    found = swept("power-limit", values=[10, 21, 87.5], force=True)
    assert [p.value for p in found.points] == [10, 21, 87.5]
    said = "at 10: power limit below what most boards accept"
    assert any(n.startswith(said) for n in found.notices)
    with pytest.raises(BadInput, match="power limit 200 W"):
        swept("power-limit", values=[70, 200], force=True)


@pytest.mark.parametrize("task", ["train", "infer"])
def test_a_sweep_over_gpus_says_what_is_per_gpu(task: str) -> None:
    """In a notice and over the column; other sweeps do not speak of it."""
    found = swept("gpus", values=[1, 2], task=task)
    assert "batch size and memory are per GPU" in found.notices[0]
    assert " memory/GPU" in sweep_screen(found)
    assert at(found, 1).mem_bytes == at(found, 2).mem_bytes
    assert "memory/GPU" not in sweep_screen(swept("batch-size", values=[8]))


def test_what_was_assumed_of_this_machine_is_said() -> None:
    """As `estimate` says it of ``auto``."""
    told = joulecast.estimate("lenet", "auto", batch_size=8, samples=SAMPLES, runs=()).notices
    assert set(told) <= set(swept("batch-size", model="lenet", machine="auto", values=[8]).notices)


def test_a_best_that_is_worse_than_what_was_asked_saves_nothing() -> None:
    """Of values that leave the question's own out, the best may need more: said, not hidden."""
    found = swept("batch-size", values=[1, 2])
    asked = joulecast.estimate("vgg16", "hc3", samples=SAMPLES, runs=())
    less = 1 - asked.energy_j / at(found, 2).energy_j
    assert found.best == 2
    assert found.saves_frac is None
    assert found.slower_frac is None
    assert f"needs {100 * less:.0f} % less" in found.notices[-1]
    assert "told apart from it" not in sweep_screen(found)


def test_memory_ends_at_the_least_value_that_does_not_fit() -> None:
    """In whatever order the values come; the screen says it of batches alone, in full."""
    found = swept("batch-size", values=[2_000_000, 1_000_000, 8])
    assert found.mem_ends_at == 1_000_000
    assert "ends at batch 1000000" in sweep_screen(found)
    found = swept(
        "precision", model="llama-3.1-8b", machine="hc2", task="infer", seq_len=128, batch_size=1
    )
    assert found.mem_ends_at == "fp32"
    assert "ends at" not in sweep_screen(found)


def test_a_lower_bound_is_never_shown_as_nothing() -> None:
    """Of a bracket that reaches far down the screen shows digits, not 0.00."""
    found = swept("precision", values=["fp32", "int8"], task="infer")
    assert at(found, "int8").energy_low_j < 0.005 * 3600
    assert " 0.00 -" not in sweep_screen(found)


def test_values_between_commas_may_have_blanks() -> None:
    """In Python as on the command line."""
    assert [p.value for p in swept("precision", values="fp32, tf32").points] == ["fp32", "tf32"]


@pytest.mark.parametrize("over", ["batch-size", "power-limit", "precision", "gpus"])
def test_small_differences_are_not_told_apart(over: str) -> None:
    """Values within the error of a ratio are named, with where that figure comes from."""
    found = swept(over)
    said = next(n for n in found.notices if "told apart" in n)
    least = TOLD_APART[found.axis]
    assert f"{100 * least:.0f} %" in said
    assert "median error" in said or "guess" in said
    best = at(found, found.best or 0)
    near = [p for p in found.points if p.fits and p.energy_j <= best.energy_j / (1 - least)]
    names = [p.value if isinstance(p.value, str) else f"{p.value:g}" for p in near]
    assert len(near) == 1 or all(name in said for name in names)


def test_a_best_that_is_not_told_apart_claims_nothing() -> None:
    """The screen says so instead of a saving of a few percent."""
    found = swept("batch-size")
    assert found.saves_frac is not None
    assert 0 < found.saves_frac < TOLD_APART["batch_size"]
    assert "not told apart from it" in sweep_screen(found)
    assert "saves" not in sweep_screen(found)


def test_runs_sharpen_the_points_and_show_beside_them() -> None:
    """A run at batch 32 moves all points its way; its energy is scaled to the workload."""
    run = run_of(32, 1.5, samples=SAMPLES / 2)
    plain, known = (swept("batch-size", values=[32, 64], runs=r) for r in ((), [run]))
    assert {p.basis for p in known.points} == {"short-run"}
    assert "  basis    short-run\n" in sweep_screen(known)
    assert at(known, 64).energy_j > 1.2 * at(plain, 64).energy_j
    assert at(known, 32).measured_energy_j == pytest.approx(2 * run.measurement.energy_j["system"])
    assert at(known, 64).measured_energy_j is None
    wide, narrow = (at(f, 32).energy_high_j / at(f, 32).energy_low_j for f in (plain, known))
    assert narrow < wide


def test_runs_of_another_machine_and_doubtful_ones_are_not_shown_as_measured() -> None:
    """Beside a point stands only what a sensor measured at just this."""
    run = run_of(32, 1.0)
    here = run.setup.machine
    limited = replace(run.setup, machine=replace(here, gpu_power_limit_w=50.0))
    hosted = replace(run.setup, machine=replace(here, cpu=hardware.machine("hc1").cpu))
    others = (
        replace(run, setup=limited),
        replace(run, setup=hosted),
        replace(run, source="predicted"),
        replace(run, quality_flag=SET_ASIDE[0]),
    )
    for other in others:
        point = at(swept("batch-size", values=[32], runs=[other]), 32)
        assert point.measured_energy_j is None
        assert point.measured_duration_s is None


@pytest.mark.parametrize("over", ["power-limit", "gpus"])
def test_a_cpu_machine_has_no_limit_or_gpus_to_sweep(over: str) -> None:
    """The message says so; its batch sizes can be swept."""
    with pytest.raises(BadInput, match="has no GPU"):
        swept(over, machine="xeon-w-2155")
    assert swept("batch-size", machine="xeon-w-2155", values=[1, 8]).best is not None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"over": "colour"}, "cannot sweep"),
        ({"over": "batch-size", "values": []}, "give 1 to"),
        ({"over": "batch-size", "values": range(1, 2000)}, "give 1 to"),
        ({"over": "batch-size", "values": ["many"]}, "no number"),
        ({"over": "batch-size", "values": [-4]}, "cannot be right"),
        ({"over": "batch-size", "values": [float("nan")]}, "cannot be right"),
        ({"over": "gpus", "values": [1.5]}, "whole number"),
        ({"over": "precision", "values": ["fp7"]}, "unknown precision"),
        ({"over": "batch-size", "task": "serve"}, "joulecast plan"),
        ({"over": "batch-size", "level": 7}, "level"),
    ],
)
def test_bad_input_is_refused(asked: dict[str, Any], words: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(BadInput, match=words):
        swept(**asked)


def test_the_screen_marks_the_best_and_the_end_of_memory() -> None:
    """One line per value, a star at the best, a cross behind memory, within 100 columns."""
    found = swept("batch-size", model="torchvision:resnet50")
    lines = sweep_screen(found).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("★" in line for line in lines) == 1
    assert sum("✗" in line for line in lines) == 1
    assert any(line.startswith("  memory") for line in lines)
    assert not any("batch 128" in line for line in lines[:2])


def test_bars_are_as_long_as_the_energy() -> None:
    """The longest bar is that of the most energy, half of it is half as long."""
    point = SweepPoint(1, 4.0, 3.0, 5.0, 1.0, 0.9, 1.1, 4.0, "zero-shot")
    points = (point, replace(point, value=2, energy_j=2.0))
    found = Sweep("batch_size", "m", "h", 0.9, "gpu", points, best=2)
    rows = [line for line in sweep_screen(found).splitlines() if "█" in line]
    assert rows[0].count("█") == 2 * rows[1].count("█") > 0


def test_a_long_sweep_is_thinned_on_the_screen_only() -> None:
    """A thousand values show a screenful with the best among them."""
    found = swept("batch-size", values=list(range(1, 301)), batch_size=131)
    assert len(found.points) == 300
    text = sweep_screen(found)
    assert text.count("\n") < 60
    assert "★" in text
    assert "asked" in text


def test_the_command_prints_the_screen_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is the object alone, and notices are on stderr."""
    words = ["--model", "vgg16", "--hw", "hc3", "--values", "16,32", "--no-runs"]
    assert command(*words) == 0
    assert "★" in capsys.readouterr().out
    assert command(*words, "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [p["value"] for p in found["points"]] == [16, 32]
    assert found["axis"] == "batch_size"
    assert all(line.startswith("note: ") for line in err.splitlines())


def test_the_command_needs_a_network_and_a_machine() -> None:
    """Unknown names list the nearest."""
    with pytest.raises(BadInput, match="name a network"):
        command("--model", "vgg16")
    with pytest.raises(UnknownName, match="vgg16"):
        command("--model", "vgg61", "--hw", "hc3")
    with pytest.raises(BadInput, match="invalid choice"):
        command("--model", "vgg16", "--hw", "hc3", "--over", "colour")


def test_the_options_name_every_axis() -> None:
    """The parser's own list, which saves an import, is that of the sweep."""
    assert tuple(AXES) == options_sweep.OVER
