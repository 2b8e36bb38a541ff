"""`joulecast.compare` and `joulecast compare`: the front, budgets, pairs without an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import joulecast
from joulecast import command_compare, options_compare
from joulecast.api_compare import compare, marked
from joulecast.core.errors import BadInput
from joulecast.core.insight import Candidate, Comparison
from joulecast.core.records import Measurement, Run, Setup, Window, Workload
from joulecast.datasets import architectures, hardware
from joulecast.options import Parser
from joulecast.pricing import Budget, Tariff
from joulecast.render_compare import compare_screen

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES = 50_000.0


def compared(models: Any = "vgg16,lenet", machines: Any = "hc1,hc3", **asked: Any) -> Comparison:  # noqa: ANN401
    """A comparison that leans on no runs."""
    return compare(models, machines, **{"runs": (), "samples": SAMPLES, **asked})


def of(found: Comparison, model: str, machine: str) -> Candidate:
    """One pair."""
    return next(c for c in found.candidates if (c.model, c.hardware) == (model, machine))


def command(*words: str) -> int:
    """The exit code of ``compare`` with the given words."""
    parser = Parser(prog="joulecast")
    options_compare.add_compare(parser.add_subparsers(dest="verb", parser_class=Parser))
    return command_compare.run(parser.read(["compare", *words, "--no-runs"]))


def trained(model: str, accuracies: list[float]) -> Run:
    """A training run of `model` with an evaluation per epoch."""
    windows = tuple(
        Window(f"epoch {i}", float(i), 1.0, accuracy=a) for i, a in enumerate(accuracies)
    )
    setup = Setup(hardware.machine("hc4"), architectures.find(model), Workload())
    return Run(
        setup, Measurement({}, 1.0, None, epochs=windows), source="profiler", model_group=model
    )


@pytest.mark.parametrize("task", ["train", "infer"])
def test_every_pair_is_what_estimate_says(task: str) -> None:
    """A comparison is many estimates, the least energy first."""
    found = compared(task=task)
    energies = [c.energy_j or 0 for c in found.candidates]
    assert energies == sorted(energies)
    assert len(energies) == 4
    for c in found.candidates:
        one = joulecast.estimate(c.model, c.hardware, task=task, samples=SAMPLES, runs=())
        assert c.energy_j == pytest.approx(one.energy_j)
        assert c.duration_high_s == pytest.approx(one.duration_high_s)
        assert c.novelty == one.novelty


def test_the_front_is_of_energy_and_time() -> None:
    """The least energy is efficient; slower with more energy is not."""
    rows = [(1.0, 3.0), (2.0, 2.0), (3.0, 2.5), (4.0, 1.0)]
    found = marked([Candidate("m", f"h{i}", e, duration_s=t) for i, (e, t) in enumerate(rows)])
    assert [c.efficient for c in found] == [True, True, False, True]


def test_accuracy_keeps_what_needs_more_but_knows_more() -> None:
    """A costlier network stays efficient if it is more accurate, not if it is less."""
    light, heavy = (
        Candidate("a", "h", 1.0, duration_s=1.0),
        Candidate("b", "h", 2.0, duration_s=2.0),
    )
    told = [replace(light, accuracy=0.8), replace(heavy, accuracy=0.9)]
    assert [c.efficient for c in marked(told)] == [True, True]
    told = [replace(light, accuracy=0.9), replace(heavy, accuracy=0.8)]
    assert [c.efficient for c in marked(told)] == [True, False]
    assert [c.efficient for c in marked([light, heavy])] == [True, False]


def test_unknown_accuracy_is_held_against_its_own_network_alone() -> None:
    """Without its accuracy a network is neither beaten by others nor beats them."""
    rows = [
        Candidate("known", "h1", 1.0, duration_s=1.0, accuracy=0.9),
        Candidate("unknown", "h1", 2.0, duration_s=2.0),
        Candidate("unknown", "h2", 3.0, duration_s=3.0),
    ]
    assert [c.efficient for c in marked(rows)] == [True, True, False]


def test_accuracy_comes_as_given_or_from_runs() -> None:
    """By name in any spelling; else the best evaluation of measured runs, and a notice."""
    found = compared(accuracy={"VGG-16": 0.93})
    assert of(found, "vgg16", "hc1").accuracy == 0.93
    assert of(found, "lenet", "hc1").accuracy is None
    found = compared("lenet", "hc3", runs=[trained("lenet", [0.3, 0.61, 0.6])])
    assert of(found, "lenet", "hc3").accuracy == 0.61
    assert any("given runs" in notice for notice in found.notices)


def test_an_accuracy_of_nobody_is_said() -> None:
    """A misspelt name does not vanish, also beside one that is right."""
    for given in ({"vgg61": 0.9}, {"vgg61": 0.9, "lenet": 0.6}):
        said = next(n for n in compared(accuracy=given).notices if "none of them" in n)
        assert "of vgg61:" in said
    assert not any("none of them" in n for n in compared(accuracy={"LeNet": 0.6}).notices)


def test_given_accuracies_come_before_measured_ones_and_both_are_told() -> None:
    """A network whose accuracy was given is not said to be measured; the others are."""
    runs = [trained("lenet", [0.61]), trained("vgg16", [0.8]), trained("resnet18", [91.0])]
    found = compared("vgg16,lenet,resnet18", "hc3", accuracy={"vgg16": 0.93}, runs=runs)
    known = {c.model: c.accuracy for c in found.candidates}
    assert known == {"vgg16": 0.93, "lenet": 0.61, "resnet18": None}
    assert any(n.startswith("accuracy of lenet: the best") for n in found.notices)
    assert any(n.startswith("accuracy of resnet18") and "percent?" in n for n in found.notices)


def test_ties_are_efficient_together() -> None:
    """Equal in all costs: neither beats the other; equal energy and slower is beaten."""
    rows = [(1.0, 2.0, 0.9), (1.0, 2.0, 0.9), (1.0, 3.0, 0.9), (1.0, 3.0, 0.91)]
    found = marked([Candidate("m", "h", e, duration_s=t, accuracy=a) for e, t, a in rows])
    assert [c.efficient for c in found] == [True, True, False, True]


def test_pairs_without_an_answer_stay_with_their_reason() -> None:
    """Unknown names and weights that do not fit never stop the others, and come last."""
    found = compared("lenet,nosuchnet,llama-3.1-8b", "hc3,nosuchbox", seq_len=None)
    assert len(found.candidates) == 6
    assert found.candidates[0].model == "lenet"
    assert found.candidates[0].efficient
    rest = found.candidates[1:]
    assert all(c.energy_j is None and c.reason and not c.efficient for c in rest)
    assert "exceed" in of(found, "llama-3.1-8b", "hc3").reason
    assert "unknown" in of(found, "lenet", "nosuchbox").reason


def test_a_budget_marks_what_lies_within() -> None:
    """Energy, CO2e and cost each bind; without a budget nothing is marked."""
    least, *_, most = compared().candidates
    assert least.within_budget is None
    limit_j = ((least.energy_j or 0) * (most.energy_j or 0)) ** 0.5
    tariff = Tariff(carbon_intensity_g_per_kwh=400, price_per_kwh=0.5)
    for budget in (
        Budget(energy_kwh=limit_j / 3.6e6),
        Budget(carbon_g=400 * limit_j / 3.6e6),
        Budget(cost=0.5 * limit_j / 3.6e6),
    ):
        found = compared(budget=budget, tariff=tariff)
        assert [c.within_budget for c in found.candidates] == [
            (c.energy_j or 0) <= limit_j for c in found.candidates
        ]
    assert found.candidates[0].cost == pytest.approx(0.5 * (least.energy_j or 0) / 3.6e6)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"models": ""}, "names nothing"),
        ({"machines": []}, "names nothing"),
        ({"task": "serve"}, "joulecast plan"),
        ({"accuracy": {"vgg16": 93}}, "Percent"),
        ({"accuracy": {"vgg16": float("nan")}}, "outside 0 to 1"),
        ({"budget": Budget(cost=1)}, "--price"),
        ({"level": 2}, "level"),
        ({"machines": ["hc1"] * 0}, "names nothing"),
    ],
)
def test_bad_input_is_refused(asked: dict[str, Any], words: str) -> None:
    """What concerns all pairs is one error."""
    with pytest.raises(BadInput, match=words):
        compared(**asked)


def test_a_bad_question_of_all_pairs_is_their_reason() -> None:
    """NaN samples leave a table without answers."""
    found = compared(samples=float("nan"))
    assert all("samples" in c.reason for c in found.candidates)


def test_doubts_of_one_pair_name_it_and_common_ones_are_said_once() -> None:
    """The samples that were assumed are said once for all."""
    found = compare("vgg16,lenet", "hc1,hc3", runs=())
    assert sum("samples not given" in n for n in found.notices) == 1
    crowded = compared("torchvision:resnet50,lenet", "hc3", task="train", batch_size=1000)
    assert any(n.startswith("torchvision:resnet50 on hc3: batch") for n in crowded.notices)


def test_the_screen_holds_all_within_its_width() -> None:
    """Marks, reasons once per network, what the budget allows; no line beyond 100 columns."""
    found = compared(
        "vgg16,lenet,nosuchnet",
        "hc1,hc3",
        budget=Budget(energy_kwh=1e-4),
        tariff=Tariff(region="DE", price_per_kwh=0.3),
        accuracy={"vgg16": 0.93, "lenet": 0.66},
    )
    text = compare_screen(found, currency="EUR")
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("nosuchnet on hc1, hc3") == 1
    assert "  basis    zero-shot\n" in text
    assert text.count("★") == 1 + sum(c.efficient for c in found.candidates)
    assert "within" in text
    assert "EUR" in text
    assert "93.0 %" in text


def test_a_long_table_shows_all_efficient_pairs() -> None:
    """Of a hundred pairs the screen holds a screenful, the efficient ones among them."""
    rows = [Candidate("m", f"h{i}", 1.0 + i, duration_s=200.0 - i % 7) for i in range(100)]
    found = Comparison("infer", 0.9, tuple(marked(rows)))
    text = compare_screen(found)
    assert text.count("\n") < 50
    assert text.count("★") == 1 + sum(c.efficient for c in found.candidates)


def test_the_command_prints_the_screen_or_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is the object alone."""
    words = ["--models", "vgg16,lenet", "--hw", "hc1", "--accuracy", "vgg16=0.9,lenet=0.6"]
    assert command(*words) == 0
    assert "★" in capsys.readouterr().out
    assert command(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {c["accuracy"] for c in found["candidates"]} == {0.9, 0.6}
    assert found["task"] == "infer"


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """3 if none lies within the budget, 2 if none has an answer."""
    words = ["--models", "vgg16,lenet", "--hw", "hc1"]
    assert command(*words, "--max-kwh", "1e-9") == 3
    assert "budget" in capsys.readouterr().err
    assert command(*words, "--max-kwh", "1") == 0
    assert command("--models", "nosuchnet", "--hw", "hc1") == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(BadInput, match="name networks"):
        command("--models", "vgg16")


def test_without_any_answer_there_is_no_table_and_each_reason_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An empty table says nothing; --json keeps its object."""
    words = ["--models", "vgg16,lenet,alexnet", "--hw", "hc98,hc99"]
    assert command(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 2
    for line, machine in zip(lines, ("hc98", "hc99"), strict=True):
        pairs = f"vgg16 on {machine}, lenet on {machine} and 1 more"
        assert line.startswith(f"joulecast: {pairs}: unknown machine '{machine}'")
    assert command(*words, "--json") == 2
    assert len(json.loads(capsys.readouterr().out)["candidates"]) == 6


def test_accuracies_are_read_from_a_file(tmp_path: Path) -> None:
    """A CSV file model,accuracy; what is none says which column or value is wrong."""
    path = tmp_path / "a.csv"
    path.write_text("\ufeffmodel,accuracy\nvgg16,0.93\n,\nlenet,0.66\n", encoding="utf-8")
    assert options_compare.accuracies(str(path)) == {"vgg16": 0.93, "lenet": 0.66}
    path.write_text("network,accuracy\nvgg16,0.93\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no column model"):
        options_compare.accuracies(str(path))
    for words in ("vgg16=good", str(tmp_path / "none.csv")):
        with pytest.raises(BadInput, match="--accuracy takes"):
            command("--models", "vgg16", "--hw", "hc1", "--accuracy", words)
