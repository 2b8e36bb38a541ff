"""`--until-accuracy`: reading curves, combining both doubts, saying what was found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import joulecast
from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.insight import EpochForecast
from joulecast.core.records import Estimate, Measurement, Run, Setup, Window, Workload
from joulecast.core.run_files import write_run
from joulecast.datasets import architectures, hardware
from joulecast.estimator.insight.learning_curve import epochs_until
from joulecast.options import Parser
from joulecast.until_accuracy import answered, curve_of, fill_until, refuse_half, until_accuracy

FORECAST = EpochForecast(0.9, 0.9, 5, 20.0, 10.0, 80.0, 0.95, 0.92, 0.99, notices=("as it began",))


def at(epochs: float) -> Estimate:
    """10 J and 2 s an epoch, energy within a factor of 1.5, time within 1.2."""
    energy_j, duration_s = 10 * epochs, 2 * epochs
    return Estimate(
        energy_j=energy_j,
        energy_low_j=energy_j / 1.5,
        energy_high_j=energy_j * 1.5,
        duration_s=duration_s,
        duration_low_s=duration_s / 1.2,
        duration_high_s=duration_s * 1.2,
        level=0.9,
        power_w=5.0,
        scope="gpu",
        basis="zero-shot",
        notices=("own",),
    )


def record(accuracies: list[float | None]) -> Run:
    """A training run with an evaluation per epoch."""
    windows = tuple(
        Window(f"epoch {i}", float(i), 1.0, accuracy=a) for i, a in enumerate(accuracies)
    )
    setup = Setup(hardware.machine("hc3"), architectures.find("vgg16"), Workload())
    return Run(
        setup, Measurement({}, 9.0, 9.0, epochs=windows), source="profiler", model_group="vgg16"
    )


def test_both_doubts_are_in_the_interval() -> None:
    """Half widths of logarithms add as squares on each side; the middle is at the epochs."""
    found = until_accuracy(at, FORECAST)
    assert found.energy_j == 200
    assert found.duration_s == 40
    low, high = (math.exp(math.hypot(math.log(1.5), math.log(f))) for f in (2, 4))
    assert found.energy_low_j == pytest.approx(200 / low)
    assert found.energy_high_j == pytest.approx(200 * high)
    high = math.exp(math.hypot(math.log(1.2), math.log(4)))
    assert found.duration_high_s == pytest.approx(40 * high)


@given(st.floats(1, 1e3), st.floats(1, 50), st.floats(1, 50))
def test_the_interval_is_never_narrower_than_either(n: float, down: float, up: float) -> None:
    """Epochs that are not sure never make the energy surer."""
    forecast = replace(FORECAST, epochs=n, epochs_low=n / down, epochs_high=n * up)
    found, plain = until_accuracy(at, forecast), at(n)
    assert found.energy_low_j <= plain.energy_low_j * (1 + 1e-9)
    assert found.energy_high_j >= plain.energy_high_j * (1 - 1e-9)
    assert found.energy_low_j <= plain.energy_j / down * (1 + 1e-9)
    assert found.energy_high_j >= plain.energy_j * up * (1 - 1e-9)


def test_the_notices_say_epochs_and_their_bounds_first() -> None:
    """Then what the curve says, then the estimate's own."""
    said = until_accuracy(at, FORECAST).notices
    assert "20 epochs until accuracy 0.9 (10 to 80 at 90 %)" in said[0]
    assert said[1:] == ("as it began", "own")


def test_no_upper_bound_of_the_epochs_is_none_of_the_energy() -> None:
    """The lower bound stays, and the notice says what is open."""
    found = until_accuracy(at, replace(FORECAST, epochs_high=None))
    assert math.isinf(found.energy_high_j)
    assert found.energy_low_j > 0
    assert "no upper bound" in found.notices[0]


def test_a_target_above_the_ceiling_is_refused_with_the_reason() -> None:
    """There is no energy for what is never reached."""
    never = replace(FORECAST, epochs=None, epochs_high=None, notices=("it tends to 0.8",))
    with pytest.raises(BadInput, match=r"tends to 0\.8"):
        until_accuracy(at, never)


def test_a_doubtful_target_is_refused_with_the_likely_accuracy(tmp_path: Path) -> None:
    """No energy for a number of epochs that a large part of the curves never shows."""
    path = tmp_path / "curve.csv"
    path.write_text("epoch,accuracy\n1,0.42\n2,0.55\n3,0.63\n4,0.68\n")
    words = r"no number of epochs for accuracy 0\.9: the curve tends to 0\.8\d+ .*lower target"
    with pytest.raises(BadInput, match=words):
        answered("vgg16", "hc3", 0.9, path, {"runs": ()})
    assert answered("vgg16", "hc3", 0.75, path, {"runs": ()}).energy_j > 0


def test_what_was_reached_keeps_the_estimate_s_interval() -> None:
    """The epoch is known: only the energy is not."""
    found = until_accuracy(at, epochs_until([0.2, 0.5, 0.92, 0.9], 0.9))
    assert found.energy_j == 30
    assert found.energy_high_j == pytest.approx(45)
    assert "reached in epoch 3" in found.notices[0]


def test_the_real_estimate_takes_fractions_of_nothing() -> None:
    """From a curve to an answer of the predictor."""
    curve = [0.9 - 0.5 * e**-0.7 for e in range(1, 11)]
    forecast = epochs_until(curve, 0.85)
    found = until_accuracy(
        lambda n: joulecast.estimate("vgg16", "hc3", epochs=n, runs=()), forecast
    )
    assert found.workload is not None
    assert found.workload.epochs == forecast.epochs
    assert found.energy_low_j < found.energy_j < found.energy_high_j


def test_a_record_gives_its_curve_and_itself(tmp_path: Path) -> None:
    """An epoch without evaluation at the end is left out."""
    path = tmp_path / "run.json"
    write_run(record([0.1, 0.3, 0.4, 0.45, None]), path)
    accuracy, run = curve_of(path)
    assert accuracy == (0.1, 0.3, 0.4, 0.45)
    assert run is not None
    assert run.model_group == "vgg16"


@pytest.mark.parametrize(
    ("accuracies", "words"), [([None, None], "no accuracy"), ([0.1, None, 0.4], "lacks")]
)
def test_a_record_without_a_curve_is_refused(
    tmp_path: Path, accuracies: list[float | None], words: str
) -> None:
    """The message says what to give the session."""
    write_run(record(accuracies), tmp_path / "run.json")
    with pytest.raises(BadInput, match=words):
        curve_of(tmp_path / "run.json")


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    """As everywhere: a record that cannot be read."""
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(BadRecord):
        curve_of(tmp_path / "run.json")


@pytest.mark.parametrize(
    "text",
    [
        "epoch,accuracy\n1,0.1\n2,0.2\n3,0.3\n",
        "epoch,accuracy\n0,0.1\n2,0.3\n1,0.2\n",
        "\ufeffEpoch, loss, val_acc\n0, 3, 0.1\n1, 2, 0.2\n2, 1, 0.3\n",
        "epoch,accuracy,loss,val_accuracy\n0,0.5,3,0.1\n1,0.6,2,0.2\n2,0.7,1,0.3\n",
    ],
)
def test_a_table_counts_from_0_or_1_in_any_order(tmp_path: Path, text: str) -> None:
    """Logs of common tools can be given as they are; accuracy of an evaluation comes first."""
    path = tmp_path / "curve.csv"
    path.write_text(text, encoding="utf-8")
    assert curve_of(path) == ((0.1, 0.2, 0.3), None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns epoch and accuracy"),
        ("epoch,loss\n1,2\n", "columns epoch and accuracy"),
        ("epoch,accuracy\n1,good\n", "cannot be read"),
        ("epoch,accuracy\n1\n", "cannot be read"),
        ("epoch,accuracy\n1,0.1\n3,0.2\n", "without gaps"),
        ("epoch,accuracy\n1,0.1\n1,0.2\n", "without gaps"),
        ("epoch,accuracy\n5,0.1\n6,0.2\n", "without gaps"),
    ],
)
def test_a_table_that_is_no_curve_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """One line says what is missing."""
    path = tmp_path / "curve.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        curve_of(path)


def test_an_empty_table_shows_no_curve(tmp_path: Path) -> None:
    """A head without rows is a curve of no epochs, which the forecast refuses."""
    path = tmp_path / "curve.csv"
    path.write_text("epoch,accuracy\n")
    with pytest.raises(BadInput, match="at least 4"):
        epochs_until(curve_of(path)[0], 0.5)


def test_the_options_are_read(tmp_path: Path) -> None:
    """A share above 0 up to 1, and a file that is there."""
    path = tmp_path / "curve.csv"
    path.write_text("epoch,accuracy\n")
    parser = Parser(prog="estimate")
    fill_until(parser.add_argument_group("until"))
    ask = parser.read(["--until-accuracy", "0.9", "--curve", str(path)])
    assert (ask.until_accuracy, ask.curve) == (0.9, path)
    for words in (["--until-accuracy", "90"], ["--curve", str(tmp_path / "none")]):
        with pytest.raises(BadInput):
            parser.read(words)


def test_one_option_without_the_other_is_refused() -> None:
    """And either beside --epochs."""
    refuse_half(None, None, 3)
    refuse_half(0.9, Path("c.csv"), None)
    for asked in ((0.9, None, None), (None, Path("c.csv"), None), (0.9, Path("c.csv"), 3)):
        with pytest.raises(BadInput):
            refuse_half(*asked)


def test_a_record_answers_and_is_leant_on(tmp_path: Path) -> None:
    """A run of this pair gives the curve and sharpens the energy; --no-runs keeps it out."""
    told = joulecast.estimate("vgg16", "hc3", samples=50_000, runs=())
    parts = {p: 1.4 * getattr(told, f"{p}_energy_j") for p in ("gpu", "cpu", "dram")}
    windows = tuple(
        Window(f"epoch {i}", i * 20.0, 20.0, samples=50_000.0, accuracy=0.9 - 0.4 * 0.7**i)
        for i in range(8)
    )
    sensors = {"gpu": "nvml-counter", "cpu": "rapl", "dram": "rapl"}
    measured = Measurement(
        {p: 8 * e for p, e in parts.items()}, 160.0, 400_000.0, sensors, epochs=windows
    )
    assert told.workload is not None
    setup = Setup(hardware.machine("hc3"), architectures.find("vgg16"), told.workload)
    write_run(Run(setup, measured, source="profiler", model_group="vgg16"), tmp_path / "run.json")
    asked = {"samples": 50_000.0, "runs": [tmp_path / "run.json"]}
    found = answered("vgg16", "hc3", 0.89, tmp_path / "run.json", asked)
    assert found.basis == "short-run"
    assert not any("not of vgg16" in n for n in found.notices)
    plain = answered("vgg16", "hc3", 0.89, tmp_path / "run.json", {**asked, "runs": ()})
    assert plain.basis == "zero-shot"
    other = answered("lenet", "hc3", 0.89, tmp_path / "run.json", asked)
    assert "the curve is of vgg16, not of lenet" in other.notices


def test_inference_has_no_epochs_to_learn_in(tmp_path: Path) -> None:
    """Nor has a server."""
    with pytest.raises(BadInput, match="of training"):
        answered("vgg16", "hc3", 0.9, tmp_path / "none.csv", {"task": "infer"})
