"""`estimate --rps` and `joulecast plan`: options to calls, exit codes, lines for bad input."""

import json
from pathlib import Path
from typing import Any

import pytest

from joulecast import api, api_plan, api_serving, cli
from joulecast.core.serving_estimate import ServingEstimate
from tests.fakes.servers import SERVER

NAMED = ["--model", "llama-3.1-8b", "--hw", "hc4"]


class Question:
    """Stands for `estimate_serving` and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def __call__(self, model: str, hardware: str, **asked: Any) -> ServingEstimate:  # noqa: ANN401
        """The canned answer."""
        self.asked = {"model": model, "hardware": hardware, **asked}
        return SERVER


@pytest.fixture
def question(monkeypatch: pytest.MonkeyPatch) -> Question:
    """`estimate_serving` replaced by a `Question`."""
    fake = Question()
    monkeypatch.setattr(api_serving, "estimate_serving", fake)
    return fake


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr, with nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_every_option_reaches_the_call(question: Question) -> None:
    """Options carry the names and types of `joulecast.estimate_serving`."""
    text = (
        "--rps 10 --prompt-tokens 200 --output-tokens 300 --cache-hit 30% --duration 1h"
        " --engine sglang --engine-year 2024.7 --weight-precision fp8 --gpus 2 --power-limit 250"
        " --scope gpu --level 0.8 --force --explain --no-runs"
    )
    assert cli.estimate_main([*NAMED, *text.split()]) == cli.ANSWERED
    assert question.asked == {
        "model": "llama-3.1-8b",
        "hardware": "hc4",
        "rate_rps": 10,
        "prompt_tokens": 200,
        "output_tokens": 300,
        "cache_hit_frac": 0.3,
        "duration_s": 3600,
        "engine": "sglang",
        "engine_year": 2024.7,
        "weight_precision": "fp8",
        "n_gpus": 2,
        "power_limit_w": 250,
        "scope": "gpu",
        "level": 0.8,
        "force": True,
        "explain": True,
        "runs": (),
    }


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--task", "serve"], {}),
        (["--concurrency", "16"], {"concurrency": 16}),
        (["--rps", "0.5", "--precision", "int4"], {"rate_rps": 0.5, "weight_precision": "int4"}),
    ],
)
def test_what_switches_to_serving(
    options: list[str],
    asked: dict[str, Any],
    question: Question,
    capsys: Any,  # noqa: ANN401
) -> None:
    """A rate, a concurrency or the task do; lengths that nobody gave are assumed and said."""
    assert cli.estimate_main([*NAMED, *options]) == cli.ANSWERED
    assert question.asked.items() >= asked.items()
    assert question.asked["prompt_tokens"] == 512
    assert "512 prompt tokens and 256 output tokens per request assumed" in capsys.readouterr().out


@pytest.mark.usefixtures("question")
def test_json_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout is one object with units in its keys; notices stand on stderr."""
    assert cli.main(["estimate", *NAMED, "--rps", "10", "--json"]) == cli.ANSWERED
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert said["energy_per_request_j"] == 46.0
    assert said["workload"]["serving"]["cache_hit_frac"] == 0.3
    assert err.startswith("note: not given")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--max-kwh", "0.4"], cli.BREACHED),
        (["--max-kwh", "0.8"], cli.ANSWERED),
        (["--max-carbon", "100"], cli.BREACHED),
        (["--max-cost", "0.1", "--price", "0.3"], cli.BREACHED),
        (["--require-measured"], cli.NOT_MEASURED),
    ],
)
@pytest.mark.usefixtures("question")
def test_budgets_decide_the_exit_code(options: list[str], code: int) -> None:
    """Budgets hold for the energy over the duration."""
    assert cli.estimate_main([*NAMED, "--rps", "10", *options]) == code


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--rps", "0"], "--rps takes a number above 0"),
        (["--rps", "nan"], "--rps takes a number"),
        (["--rps", "1,2"], "not '1,2'"),
        (["--rps", "-3"], "--rps takes a number"),
        (["--rps", "3", "--concurrency", "2"], "--rps and --concurrency are two ways"),
        (["--rps", "3", "--cache-hit", "1.3"], "share from 0 to 1"),
        (["--rps", "3", "--cache-hit", "nan"], "share from 0 to 1"),
        (["--rps", "3", "--output-tokens", "0"], "--output-tokens takes 1 or more: a request wi"),
        (["--rps", "3", "--output-tokens", "-3"], "--output-tokens takes a number above 0"),
        (["--rps", "3", "--prompt-tokens", "0"], "--prompt-tokens takes a number above 0"),
        (["--rps", "3", "--duration", "soon"], "cannot read the duration"),
        (["--rps", "3", "--task", "train"], "leave out --task train"),
        (["--rps", "3", "--epochs", "3"], "--epochs is of training"),
        (["--rps", "3", "--batch-size", "3"], "--batch-size is of training"),
        (["--rps", "3", "--model", "vgg16"], "generates no text"),
        (["--rps", "3", "--model", "llama-3.1-405b"], "16 of its GPUs (--gpus 16)"),
        ([], "Use --rps R to serve it"),
        (["--rps", "3", "--max-cost", "3"], "--price"),
    ],
)
def test_bad_input_is_one_clear_line(
    options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line on stderr that says what to mend, nothing on stdout."""
    assert cli.estimate_main([*NAMED, *options]) == cli.BAD_INPUT
    assert words in one_line(capsys)


def test_the_issues_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The main question is answered on one screen with energy, latency and the picture."""
    text = "--rps 10 --prompt-tokens 200 --output-tokens 300 --cache-hit 0.3 --duration 1h"
    assert cli.estimate_main([*NAMED, *text.split(), "--no-runs"]) == cli.ANSWERED
    out, err = capsys.readouterr()
    assert err == ""
    for words in ("request", "per 1,000 output tokens", "p95", "profile burst", "10 here", "full"):
        assert words in out
    assert len(out.splitlines()) <= 26


def plan(*options: str) -> int:
    """Exit code of `joulecast plan` about one small model."""
    return cli.main(["plan", *options])


def test_plan_options_reach_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are read with their units, tokens assumed."""
    seen: dict[str, Any] = {}

    def fake(models: str, machines: str, **asked: Any) -> Any:  # noqa: ANN401
        seen.update(asked, models=models, machines=machines)
        return api_plan_real(models, machines, **asked)

    api_plan_real = api_plan.plan
    monkeypatch.setattr(api_plan, "plan", fake)
    text = "--model llama-3.2-1b --hw hc4,h200 --rps 2 --p95-latency 20s --p95-ttft 500ms"
    assert plan(*text.split(), "--max-replicas", "3", "--no-runs") == cli.ANSWERED
    assert seen == {
        "models": "llama-3.2-1b",
        "machines": "hc4,h200",
        "rate_rps": 2,
        "p95_latency_s": 20.0,
        "p95_ttft_s": 0.5,
        "max_replicas": 3,
        "prompt_tokens": 512,
        "output_tokens": 256,
        "runs": (),
        "force": False,
    }


def test_a_plan_on_the_screen_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The best is marked, the others say why they fall out; JSON has it all, CO2e included."""
    text = "--model llama-3.2-1b,llama-3.1-70b --hw hc4,rtx-4090 --rps 2 --region DE --no-runs"
    assert plan(*text.split()) == cli.ANSWERED
    out = capsys.readouterr().out
    assert "★  llama-3.2-1b" in out
    assert "CO2e" in out
    assert "llama-3.1-70b on rtx-4090: the weights" in out
    assert plan(*text.split(), "--json") == cli.ANSWERED
    said = json.loads(capsys.readouterr().out)
    assert said["best_model"] == "llama-3.2-1b"
    assert len(said["options"]) == 4
    first = said["options"][0]
    assert first["carbon_g"] == pytest.approx(first["energy_j"] / 3.6e6 * 381, rel=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "name models, machines and requests"),
        ("--model llama-3.1-8b --hw hc4", "--trace requests.csv"),
        ("--model llama-3.1-8b --hw hc4 --rps 0", "--rps takes a number above 0"),
        ("--model llama-3.1-8b --hw hc5 --rps 1", "unknown machine 'hc5'"),
        ("--model llama-9 --hw hc4 --rps 1", "unknown model 'llama-9'"),
        ("--model , --hw hc4 --rps 1", "names nothing"),
        ("--model llama-3.1-8b --hw hc4 --rps 1 --p95-latency soon", "--p95-latency"),
        ("--model llama-3.1-8b --hw hc4 --rps 1 --output-tokens 0", "--output-tokens takes 1 or"),
        ("--model llama-3.1-8b --hw hc4 --trace missing.csv", "no such file"),
        ("--model llama-3.1-8b --hw hc4 --rps 1 --max-replicas 0", "--max-replicas"),
    ],
)
def test_bad_plans_are_one_clear_line(
    options: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line."""
    assert plan(*options.split()) == cli.BAD_INPUT
    assert words in one_line(capsys)


@pytest.mark.parametrize("options", ["", "--json"])
def test_a_plan_without_an_answer_is_no_success(
    options: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing named does it the exit code is 2, and one line says why for each."""
    text = "--model llama-3.1-70b,llama-3.2-1b --hw rtx-4090 --rps 30 --p95-ttft 1ms --no-runs"
    assert plan(*text.split(), *options.split()) == cli.BAD_INPUT
    line = one_line(capsys)
    assert line.startswith("joulecast: none of these does it: ")
    assert "llama-3.1-70b on rtx-4090: the weights" in line
    assert "llama-3.2-1b on rtx-4090: with 64 replicas the first token takes" in line


def test_a_wide_plan_stays_within_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """With copies, CO2e and cost the columns go on in a second table; the marks are explained."""
    text = "--model llama-3.2-1b,llama-3.1-8b --hw 8xh100,hc4 --rps 20 --no-runs --p95-latency 60s"
    text += " --region DE --price 0.3 --currency EUR"
    assert plan(*text.split()) == cli.ANSWERED
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("  model  " in line for line in lines) == 2
    assert any("CO2e" in line and "EUR" in line and "machine" in line for line in lines)
    assert "  ★ least energy per request   · least of its model" in lines
    text = "--model llama-3.2-1b --hw hc4 --rps 2 --no-runs"
    assert plan(*text.split()) == cli.ANSWERED
    assert "least energy" not in capsys.readouterr().out


def test_the_card_shows_serving_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    """`accuracy` has two lines of model servers, with the stored card's own figures."""
    assert cli.main(["accuracy"]) == cli.ANSWERED
    _, found, below = capsys.readouterr().out.partition("model servers: out-of-group error")
    assert found
    served = api.card()["serving"]["protocols"]
    lines = [line for line in below.splitlines() if line.startswith("new-")]
    assert [line.split()[0] for line in lines] == ["new-model", "new-hardware"]
    for line in lines:
        assert f"{served[line.split()[0]]['text']['energy']['mdape']:.1f} %" in line


def test_copies_stand_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """Machines with several GPUs say how many copies they hold; one card holds one."""
    text = "--model llama-3.2-1b --hw hc4 --rps 2 --no-runs"
    assert plan(*text.split()) == cli.ANSWERED
    out = capsys.readouterr().out
    assert "copies each" in out
    assert "1 machine hc4 with 2 copies:" in out
    assert "--gpus 1 asks for one card" in out
    assert plan(*text.split(), "--gpus", "1") == cli.ANSWERED
    assert "cop" not in capsys.readouterr().out


def test_a_trace_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace is planned with bars of its hours; a bad row is named."""
    path = tmp_path / "requests.csv"
    rows = [f"{10 * i},{100 + i % 50},{50 + i % 20}" for i in range(600)]
    path.write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *rows]), encoding="utf-8")
    text = ["--model", "llama-3.2-1b", "--hw", "hc4", "--no-runs", "--trace", str(path)]
    assert plan(*text) == cli.ANSWERED
    out = capsys.readouterr().out
    assert "600 requests in" in out
    assert "an hour each" in out
    path.write_text("\n".join(["arrival_s,prompt_tokens,output_tokens", *rows, "x,1,2"]))
    assert plan(*text) == cli.BAD_INPUT
    assert "row 602: arrival_s is 'x'" in one_line(capsys)
    assert plan(*text, "--rps", "3", "--prompt-tokens", "9") == cli.BAD_INPUT
    assert "leave out --rps, --prompt-tokens" in one_line(capsys)
