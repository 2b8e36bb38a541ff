"""The two commands: exit codes, what stands on which stream, and every kind of bad input."""

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulecast import api, cli
from joulecast.core.errors import UnknownName
from joulecast.core.records import Estimate, Workload
from joulecast.options import number

ANSWER = Estimate(
    energy_j=3.6e6,
    energy_low_j=2.7e6,
    energy_high_j=5.4e6,
    duration_s=3600,
    duration_low_s=3000,
    duration_high_s=4200,
    level=0.9,
    power_w=1000,
    scope="system",
    basis="zero-shot",
    novelty="new-pair",
    model="vgg16",
    hardware="hc3",
    model_text="vgg16 (14.7 M params)",
    hardware_text="hc3: RTX A2000",
    workload=Workload(),
    notices=("a doubt",),
)
NAMED = ["--model", "vgg16", "--hw", "hc3"]


class Question:
    """Stands for `api.estimate` and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.hardware = ""
        self.asked: dict[str, Any] = {}

    def __call__(self, model: str, hardware: str, **asked: Any) -> Estimate:  # noqa: ANN401
        """The canned answer; anything but vgg16 is unknown."""
        if model != "vgg16":
            raise UnknownName("model", model, ["vgg16", "vgg19", "vgg11", "lenet"])
        self.hardware, self.asked = hardware, asked
        return self.answer


@pytest.fixture
def question(monkeypatch: pytest.MonkeyPatch) -> Question:
    """`api.estimate` replaced by a `Question`."""
    fake = Question()
    monkeypatch.setattr(api, "estimate", fake)
    return fake


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr, with nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1
    return err


def test_an_answer_leaves_with_zero(question: Question, capsys: pytest.CaptureFixture[str]) -> None:
    """The plain question prints one screen on stdout and nothing on stderr."""
    assert cli.estimate_main([*NAMED, "--epochs", "100"]) == cli.ANSWERED
    out, err = capsys.readouterr()
    assert out.startswith("vgg16")
    assert "note     a doubt" in out
    assert err == ""
    assert question.asked["epochs"] == 100
    assert question.asked["task"] is None


def test_every_option_reaches_the_call(question: Question) -> None:
    """Options carry the names and types of `joulecast.estimate`."""
    text = (
        "--task inference --epochs 2 --samples 1000 --batch-size 64 --input 3x224x224 --seq-len 128"
        " --precision bf16 --framework keras --optimizer adam --trainable-frac 0.5 --gpus 8"
        " --power-limit 250 --workers 4 --scope gpu --level 0.8 --force --explain"
        " --runs . .."
    )
    cli.estimate_main([*NAMED, *text.split()])
    assert question.asked == {
        "task": "inference",
        "epochs": 2,
        "samples": 1000,
        "batch_size": 64,
        "input_shape": (3, 224, 224),
        "seq_len": 128,
        "precision": "bf16",
        "framework": "keras",
        "optimiser": "adam",
        "trainable_frac": 0.5,
        "n_gpus": 8,
        "power_limit_w": 250,
        "loader_workers": 4,
        "scope": "gpu",
        "level": 0.8,
        "runs": [Path(), Path("..")],
        "force": True,
        "explain": True,
    }


def test_no_runs_leans_on_none(question: Question) -> None:
    """`--no-runs` keeps the user's own records out of the answer."""
    cli.estimate_main([*NAMED, "--no-runs"])
    assert question.asked["runs"] == ()


def test_joulecast_estimate_is_the_same_command(
    question: Question,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`joulecast estimate` takes the options of `estimate` and prints the same."""
    codes, outs = [], []
    for command, argv in ((cli.estimate_main, NAMED), (cli.main, ["estimate", *NAMED])):
        codes.append(command([*argv, "--gpus", "2"]))
        outs.append(capsys.readouterr().out)
        assert question.asked.pop("n_gpus") == 2
    assert codes == [0, 0]
    assert outs[0] == outs[1]


def test_json_is_alone_on_stdout(question: Question, capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout is one object without NaN; the notices stand on stderr."""
    question.answer = replace(ANSWER, net_energy_j=math.nan, cpu_energy_j=math.inf)
    assert cli.estimate_main([*NAMED, "--json"]) == cli.ANSWERED
    out, err = capsys.readouterr()
    said = json.loads(out, parse_constant=pytest.fail)
    assert said["energy_j"] == 3.6e6
    assert said["net_energy_j"] is None
    assert said["cpu_energy_j"] is None
    assert set(said) == set(ANSWER.to_dict())
    assert err == "note: a doubt\n"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--max-kwh", "0.9"], cli.BREACHED),
        (["--max-kwh", "1.2"], cli.ANSWERED),
        (["--max-carbon", "480"], cli.BREACHED),
        (["--max-carbon", "1000"], cli.ANSWERED),
        (["--max-carbon", "480", "--region", "SE"], cli.ANSWERED),
        (["--max-cost", "0.29", "--price", "0.3"], cli.BREACHED),
        (["--max-cost", "0.31", "--price", "0.3"], cli.ANSWERED),
        (["--max-cost", "0.31", "--price", "0.3", "--pue", "1.1"], cli.BREACHED),
        (["--max-kwh", "0.9", "--require-measured"], cli.BREACHED),
        (["--require-measured"], cli.NOT_MEASURED),
        (["--max-kwh", "0.9", "--json"], cli.BREACHED),
        (["--require-measured", "--json"], cli.NOT_MEASURED),
    ],
)
@pytest.mark.usefixtures("question")
def test_budgets_decide_the_exit_code(
    options: list[str],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A breach is 3, an estimate where a measurement is required 4; the answer is printed first."""
    assert cli.estimate_main([*NAMED, *options]) == code
    out, err = capsys.readouterr()
    assert "energy" in out
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == (code != cli.ANSWERED)
    if code == cli.BREACHED:
        assert options[0] in lines[0]


@pytest.mark.usefixtures("question")
def test_a_budget_inside_the_interval_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    """A budget between the expected value and the upper bound holds, with a note."""
    assert cli.estimate_main([*NAMED, "--max-kwh", "1.2"]) == cli.ANSWERED
    assert "ends at 1.5 kWh" in capsys.readouterr().err


def test_a_measured_answer_meets_the_requirement(question: Question) -> None:
    """--require-measured passes on the basis `measured`."""
    question.answer = replace(ANSWER, basis="measured")
    assert cli.estimate_main([*NAMED, "--require-measured"]) == cli.ANSWERED


@pytest.mark.parametrize(
    ("options", "grams", "source"),
    [
        (["--region", "DE"], 381, "Germany 2023"),
        (["--region", "germany", "--pue", "1.5"], 571.5, "Germany 2023"),
        (["--carbon-intensity", "100"], 100, "as given"),
        (["--region", "DE", "--carbon-intensity", "100"], 100, "as given"),
        (["--max-carbon", "1e6"], 481, "World average"),
    ],
)
@pytest.mark.usefixtures("question")
def test_carbon_is_energy_times_intensity(
    options: list[str],
    grams: float,
    source: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One kilowatt-hour weighs what its grid emits, times the PUE; the source is named."""
    cli.estimate_main([*NAMED, "--json", *options])
    said = json.loads(capsys.readouterr().out)
    assert said["carbon_g"] == pytest.approx(grams)
    assert said["carbon_source"].startswith(source)


@pytest.mark.usefixtures("question")
def test_no_carbon_and_no_cost_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a region, a price or a budget neither is in the answer."""
    cli.estimate_main([*NAMED, "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["carbon_g"] is None
    assert said["cost"] is None


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "--model vgg16 --hw hc3"),
        (["--model", "vgg16"], "--model vgg16 --hw hc3"),
        (["--model", "vgg61", "--hw", "hc3"], "vgg16, vgg11, vgg19"),
        ([*NAMED, "--epochs", "nan"], "--epochs"),
        ([*NAMED, "--epochs", "0"], "--epochs"),
        ([*NAMED, "--epochs", "-1"], "--epochs"),
        ([*NAMED, "--epochs", "inf"], "--epochs"),
        ([*NAMED, "--epochs", "ten"], "'ten'"),
        ([*NAMED, "--epochs"], "--epochs"),
        ([*NAMED, "--batch-size", "0"], "--batch-size"),
        ([*NAMED, "--batch-size", "1.5"], "whole number"),
        ([*NAMED, "--samples", "-5"], "--samples"),
        ([*NAMED, "--samples", "1e30"], "--samples"),
        ([*NAMED, "--level", "90"], "0.5 to 0.995"),
        ([*NAMED, "--level", "nan"], "0.5 to 0.995"),
        ([*NAMED, "--input", "3x0x32"], "3x32x32"),
        ([*NAMED, "--input", "big"], "3x32x32"),
        ([*NAMED, "--task", "dance"], "infer"),
        ([*NAMED, "--pue", "0.5"], "--pue"),
        ([*NAMED, "--price", "nan"], "--price"),
        ([*NAMED, "--max-kwh", "0"], "--max-kwh"),
        ([*NAMED, "--max-cost", "5"], "--price"),
        ([*NAMED, "--region", "Germny"], "Germany"),
        ([*NAMED, "--region", "ZZ"], "Nearest"),
        ([*NAMED, "--mdoel", "x"], "--model"),
        ([*NAMED, "vgg16"], "'vgg16'"),
        ([*NAMED, "--epoch", "3"], "--epochs"),
    ],
)
@pytest.mark.usefixtures("question")
def test_bad_input_is_one_clear_line(
    argv: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line on stderr that says what to mend, nothing on stdout, no traceback."""
    assert cli.estimate_main(argv) == cli.BAD_INPUT
    line = one_line(capsys)
    assert line.startswith("estimate: ")
    assert words in line


def test_a_bug_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error that nobody foresaw is exit code 1 and asks for a report."""
    monkeypatch.setattr(api, "estimate", lambda *_a, **_k: 1 / 0)
    assert cli.estimate_main(NAMED) == cli.BUG
    assert "ZeroDivisionError" in one_line(capsys)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("0.5", 0.5),
        ("50,000", 50_000),
        ("1,000,000.5", 1_000_000.5),
        ("5e4", 50_000),
        ("50_000", 50_000),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, value: float) -> None:
    """Thousands separators and exponents are fine."""
    assert number(0, 1e9)(text) == value


@pytest.mark.parametrize(
    "text", ["1,2", "1,2,4", "1,0000", "0,500", "1000,000", ",5", "1,", "1,00.5"]
)
def test_a_list_is_no_number(text: str) -> None:
    """A comma that separates no thousands is refused, never dropped."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"not '{text}'"):
        number(0, 1e9)(text)
