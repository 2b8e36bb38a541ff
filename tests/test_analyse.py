"""`analyse` as a function and as a command: one screen, one JSON object, one line when refused."""

from __future__ import annotations

import gc
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast import command_analyse
from joulecast.api_analyse import analyse
from joulecast.core.errors import BadInput
from joulecast.core.run_files import write_run
from joulecast.options import Parser
from joulecast.options_analyse import add_analyse
from joulecast.predicted import Requests, predicted_bursts, predicted_runs
from joulecast.render import WIDTH
from joulecast.render_analysis import analysis_screen
from tests.fakes.insight_runs import burst, run

if TYPE_CHECKING:
    from pathlib import Path

NETWORKS = "lenet,mobilenet,vgg16,resnet18,googlenet,densenet121,senet18,dpn26"


def ask(*words: str) -> int:
    """Exit code of `joulecast analyse` with `words`."""
    parser = Parser(prog="joulecast")
    add_analyse(parser.add_subparsers(dest="verb", parser_class=Parser))
    return command_analyse.run(parser.read(["analyse", *words]))


def test_the_screen_of_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    """What the set holds, the table by machine and pooled, phases, features, advice, notes."""
    assert ask("--predict", NETWORKS, "--hw", "hc1,hc2,hc3") == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "48 runs · 8 networks · 3 machines: hc1, hc2, hc3"
    assert "below: system" in lines[1]
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) < 60
    ends = {line.index("+1.00") for line in lines if line.startswith("  energy_per_sample")}
    ends |= {line.index("-0.") for line in lines if line.startswith("  gpu_energy_scaling")}
    assert len(ends) == 1  # below each other, however long the figure's name
    for words in (
        "hc1         hc2         hc3      pooled   95 %",
        "macs_param",
        "training over inference per sample",
        "random 80 : 20   networks out   machines out",
        "error left out (MdAPE)",
        "all 48 runs are predictions",
    ):
        assert words in text


def test_figures_of_the_papers_from_predictions() -> None:
    """macs_param ranks networks on every machine, time goes with energy, training takes longer."""
    shown = analyse(predicted_runs(NETWORKS.split(","), ["hc1", "hc2", "hc3"]))
    rho = {
        c.group: c.spearman
        for c in shown.correlations
        if (c.metric, c.task, c.target) == ("macs_param", "infer", "system")
    }
    assert set(rho) == {"hc1", "hc2", "hc3", "pooled"}
    assert all(value is not None and value > 0.8 for value in rho.values())
    times = [c.pearson for c in shown.time_energy if c.target == "system" and c.group == "hc2"]
    assert all(r is not None and r > 0.97 for r in times)
    assert all(1 < p.time_ratio < 6 for p in shown.phases)


def test_signs_of_table_6_from_predictions() -> None:
    """Larger models need more, higher rates less."""
    tokens = {"llama-3.2-1b": 420.0, "llama-3.1-8b": 360.0, "llama-3.1-70b": 320.0}
    requests = Requests((1.0, 2.0, 5.0, 10.0, 20.0), 60, tokens)
    shown = analyse(predicted_bursts(list(tokens), ["hc4"], requests, weight_precision="fp8"))
    rho = {c.metric: c.spearman for c in shown.correlations if c.target == "system"}
    assert rho["request_rate"] < -0.8  # type: ignore[operator]
    assert rho["parameters"] > 0  # type: ignore[operator]
    assert rho["average_output_token_length"] < 0  # type: ignore[operator]
    assert "serving" in {one.kind for one in shown.advice}


def test_json_holds_one_object_and_notes_go_to_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a folder of records."""
    for i in range(4):
        write_run(run(f"n{i}", sample_j=0.01 * (i + 1)), tmp_path / f"{i}.json")
    assert ask(str(tmp_path), "--json") == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["runs"], found["scopes"]) == (4, {"gpu": 4})
    assert set(found) >= {"correlations", "phases", "knees", "selections", "advice", "notices"}
    assert "note: " in err or not found["notices"]


def test_runs_and_predictions_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three measured, four predicted; the scope that is asked for is the one shown."""
    for i, name in enumerate(("a", "b", "c")):
        write_run(run(name, macs=(i + 1) * 1e8, sample_j=i + 1), tmp_path / f"{i}.json")
    assert ask(str(tmp_path), "--predict", "lenet,vgg16", "--hw", "hc3", "--scope", "gpu") == 0
    text = capsys.readouterr().out
    assert text.startswith("7 runs")
    assert "below: gpu" in text
    assert "4 of 7 runs are predictions" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name runs"),
        (("--predict", "vgg16"), "need both"),
        (("--hw", "hc1"), "name runs"),
        (("--predict", "nobody-knows", "--hw", "hc1"), "unknown model"),
        (("--predict", "vgg16", "--hw", "hc1", "--scope", "wall"), "no run knows the energy"),
        (("--predict", "vgg16", "--hw", "hc1", "--batch-sizes", "x"), "whole number"),
        (("--batch-sizes", "64", "."), "need both"),
        (("no-such-folder",), "no such file"),
    ],
)
def test_bad_questions_are_refused(words: tuple[str, ...], said: str) -> None:
    """Each with what to do; collecting garbage is on again."""
    with pytest.raises(Exception, match=said) as caught:
        ask(*words)
    assert type(caught.value).__module__ == "joulecast.core.errors"
    assert gc.isenabled()


def test_a_reason_is_told_once_for_all_its_figures() -> None:
    """Two runs: nothing can be correlated, in two lines and not in nine."""
    lines = analysis_screen(analyse([run("a"), run("b", sample_j=0.02)])).splitlines()
    assert sum("2 runs with both" in line for line in lines) == 1
    assert sum("accuracy and GPU utilisation, known of none of 2 runs" in x for x in lines) == 1


def test_all_machines_stand_beside_the_first_ones() -> None:
    """Pearson's r of time and energy on three of five machines, and pooled."""
    runs = [
        run(f"n{i}", machine=f"m{k}", sample_s=i * 1e-4, sample_j=i * (0.01 + 0.001 * k * i))
        for k in range(5)
        for i in range(1, 5)
    ]
    text = analysis_screen(analyse(runs))
    (line,) = [x for x in text.splitlines() if x.startswith("  time")]
    assert [word in line for word in ("m0", "m2", "m3", "pooled")] == [True, True, False, True]
    assert "and 2 machines more: --all shows them" in text


@pytest.mark.parametrize(
    "runs",
    [
        [run()],
        [run(batch=b, sample_j=1 / b) for b in (8, 16, 32, 64)],
        [burst(rate_rps=r, request_j=90 / r) for r in (1.0, 2.0, 4.0)],
        [
            run(f"n{i}", machine=f"a-machine-with-a-long-name-{i % 6}", scope="wall")
            for i in range(30)
        ],
    ],
)
def test_every_set_has_a_screen(runs: list[object]) -> None:
    """One run, one network, servers, many machines of constant energy."""
    shown = analyse(runs)  # type: ignore[arg-type]
    for whole in (False, True):
        text = analysis_screen(shown, whole=whole)
        assert "nan" not in text
        assert "None" not in text
    assert max(map(len, analysis_screen(shown).splitlines())) <= WIDTH


def test_an_empty_set_is_refused() -> None:
    """By the function as by the command."""
    with pytest.raises(BadInput, match="no runs to analyse"):
        analyse(())


def test_a_record_given_twice_counts_once(tmp_path: Path) -> None:
    """By its id, from two copies of a folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for i in range(3):
            one = replace(run(f"n{i}", sample_j=i + 1), id=f"run-{i}")
            write_run(one, tmp_path / name / f"{i}.json")
    shown = analyse([tmp_path / "one", tmp_path / "two"])
    assert shown.runs == 3
    assert any("given twice: 3 runs, counted once" in n for n in shown.notices)


def test_a_table_with_cells_that_are_no_amount_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line and the cell stand in a note."""
    path = tmp_path / "runs.csv"
    head = "model,hardware_id,task,batch_size,samples_per_s,energy_per_sample_j,energy_scope\n"
    path.write_text(f"{head}vgg16,hc3,infer,0,1000,0.05,gpu\nlenet,hc3,infer,8,900,0.01,gpu\n")
    assert ask(str(path)) == 0
    assert "line 2: batch_size 0" in capsys.readouterr().out
