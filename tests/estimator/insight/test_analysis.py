"""The whole of a set: scopes, notices, and sets from which nothing follows."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.core.errors import BadInput
from joulecast.estimator.insight import selection
from joulecast.estimator.insight.analysis import analysis
from joulecast.estimator.insight.scopes import main_scope_of
from tests.fakes.insight_runs import burst, run

if TYPE_CHECKING:
    from joulecast.core.records import Run


def several(**other: object) -> list[Run]:
    """Eight networks in both phases."""
    return [
        run(f"n{i}", macs=i * 1e8, task=task, sample_j=i * 0.01 * f, sample_s=i * 1e-4 * f, **other)  # type: ignore[arg-type]
        for i in range(1, 9)
        for task, f in (("train", 3), ("infer", 1))
    ]


def test_counts_and_scopes() -> None:
    """Runs of two scopes and some without: the scope that most know is the main one."""
    bare = run("bare", sample_j=None)
    shown = analysis([*several(), *several(scope="wall")[:4], bare])
    assert (shown.runs, shown.models, shown.machines) == (21, 9, ("hc",))
    assert shown.scopes == {"gpu": 16, "wall": 4}
    assert shown.scope == "gpu"
    assert {c.target for c in shown.correlations} == {"gpu", "wall"}
    assert any("5 of 21 runs do not know the gpu energy" in n for n in shown.notices)
    only = analysis([*several(), *several(scope="wall")[:4]], "wall")
    assert {c.target for c in only.correlations} == {"wall"}
    assert only.scope == "wall"


def test_it_survives_json() -> None:
    """Plain values, no NaN."""
    shown = analysis([*several(accuracy=0.9, util=0.6), burst()])
    text = json.dumps(shown.to_dict(), allow_nan=False)
    assert json.loads(text)["runs"] == 17


def test_an_empty_set_and_one_without_energies_are_refused() -> None:
    """Each says what to do."""
    with pytest.raises(BadInput, match="no runs to analyse"):
        analysis([])
    with pytest.raises(BadInput, match="none of the runs knows an energy"):
        analysis([run(sample_j=None)])
    with pytest.raises(BadInput, match=r"scope 'dram'.*gpu \(1\)"):
        analysis([run()], "dram")
    with pytest.raises(BadInput, match="unknown scope 'cloud'"):
        analysis([run()], "cloud")


def test_one_network_says_that_nothing_can_be_compared() -> None:
    """At several batch sizes."""
    shown = analysis([run(batch=b, sample_j=1 / b) for b in (8, 16, 32, 64)])
    assert any("one network only (net)" in n for n in shown.notices)


def test_a_single_run_is_answered() -> None:
    """With nothing but reasons."""
    shown = analysis([run()])
    assert all(c.spearman is None and c.reason for c in shown.correlations)
    assert all(s.reason for s in shown.selections)


def test_non_finite_values_are_left_out_and_counted() -> None:
    """One energy of NaN, one duration of infinity."""
    one, two = run("x"), run("y")
    broken = [
        replace(one, measurement=replace(one.measurement, energy_j={"gpu": math.nan})),
        replace(two, measurement=replace(two.measurement, duration_s=math.inf)),
    ]
    shown = analysis([*several(), *broken])
    assert shown.scopes["gpu"] == 17
    assert any("a share above 1: 2 values" in n for n in shown.notices)


def test_what_was_run_goes_before_its_prediction() -> None:
    """On other data of that size, and whatever optimiser inference names."""
    ran, other = run("x"), run("y")
    workload = replace(ran.setup.workload, dataset="digits", optimiser="")
    ran = replace(ran, setup=replace(ran.setup, workload=workload))
    predicted = [replace(r, source="predicted") for r in (run("x", sample_j=9.0), other)]
    shown = analysis([ran, *predicted])
    assert any("1 prediction left out" in n for n in shown.notices)
    assert {c.n for c in shown.correlations if c.metric == "energy_per_sample"} == {2}


def test_repeats_do_not_make_a_correlation_surer() -> None:
    """Ten repeats of eight networks are eight runs."""
    once = analysis(several())
    often = analysis(several() * 10)
    assert often.correlations == once.correlations
    assert often.runs == 160
    assert any("160 runs are 16 configurations" in n for n in often.notices)


def test_inference_takes_the_accuracy_that_training_reached() -> None:
    """So that overall_efficiency is known in inference as in the papers."""
    runs = several(util=0.5)
    runs = [
        r if r.setup.workload.task == "infer" else run(
            r.setup.architecture.name, macs=r.setup.architecture.macs, task="train", accuracy=0.8,
        )
        for r in runs
    ]  # fmt: skip
    found = {(c.metric, c.task): c for c in analysis(runs).correlations if c.target == "gpu"}
    assert found["overall_efficiency", "infer"].n == 8


def test_without_sklearn_the_rest_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice names the command."""
    monkeypatch.setattr(selection, "find_spec", lambda _name: None)
    shown = analysis(several())
    assert shown.selections == ()
    assert shown.correlations
    assert any("joulecast[train]" in n for n in shown.notices)


def test_how_it_was_measured_is_said() -> None:
    """Modelled energies, predictions, flagged and unfinished runs."""
    runs = several()
    runs[0] = run("n1", task="train", energy_source="tdp-model")
    runs[1] = replace(runs[1], source="predicted")
    runs[2] = replace(runs[2], quality_flag="coarse meter")
    runs[3] = replace(runs[3], quality_flag="tier_A", status="interrupted")
    said = " ".join(analysis(runs).notices)
    assert "1 of 15 runs are predictions" in said
    assert "7% of the gpu energies of runs that were executed are modelled" in said
    assert "quality flags: 1 run (coarse meter 1), left out" in said
    assert "not finished: 1 run," in said


def test_flagged_runs_are_in_no_figure_but_counted() -> None:
    """An input-bound pair changes neither phases nor correlations; its notice names the flag."""
    plain = analysis(several())
    slow = [
        run("n9", task=t, sample_s=s, sample_j=9.0) for t, s in (("train", 1e-4), ("infer", 1.0))
    ]
    flagged = [replace(r, quality_flag="input_bound_8gpu") for r in slow]
    shown = analysis([*several(), *flagged])
    assert shown.runs == 18
    assert shown.correlations == plain.correlations
    assert shown.phases == plain.phases
    assert shown.knees == plain.knees
    assert shown.advice == plain.advice
    assert any("2 runs (input-bound 2), left out of every figure" in n for n in shown.notices)


def test_where_all_are_flagged_they_count_all_the_same() -> None:
    """And so where no other knows the scope that is asked for."""
    doubted = [replace(r, quality_flag="epoch<5s") for r in several()]
    shown = analysis(doubted)
    assert shown.scopes == {"gpu": 16}
    assert any("no other knows the energy" in n for n in shown.notices)
    other = [replace(r, quality_flag="epoch<5s") for r in several(scope="wall")]
    assert analysis([*several(), *other], "wall").scope == "wall"


def test_the_main_scope_is_that_of_runs_without_a_flag() -> None:
    """The same for all that ask."""
    doubted = [replace(r, quality_flag="epoch<5s") for r in several(scope="wall") * 2]
    runs = [*several(), *doubted]
    assert main_scope_of(runs) == analysis(runs).scope == "gpu"
    assert main_scope_of(runs, "wall") == "wall"


def test_two_spellings_are_one_network() -> None:
    """In counts and in pairs of training and inference."""
    shown = analysis([run("MobileNetV2"), run("mobilenet_v2", task="train", sample_s=2e-4)])
    assert shown.models == 1
    assert [p.model for p in shown.phases] == ["MobileNetV2"]


def test_intervals_go_by_networks_and_say_so() -> None:
    """Three networks at six batch sizes have no interval, eight at two have that of eight."""
    few = [
        run(f"n{i}", macs=i * 1e8, batch=b, sample_j=i + 1 / b)
        for i in (1, 2, 3)
        for b in range(1, 7)
    ]
    few += [run("n1", macs=5e8, batch=1, sample_j=0.5)]
    shown = analysis(few)
    rank = next(c for c in shown.correlations if c.metric == "macs_param")
    assert (rank.n, rank.spearman_low) == (19, None)
    assert rank.spearman is not None
    assert any("19 configurations" in n and "3 networks on 1 machine" in n for n in shown.notices)


def test_pairs_without_a_counterpart_are_counted() -> None:
    """Eight networks in both phases, one in inference only."""
    shown = analysis([*several(), run("alone")])
    assert len(shown.phases) == 8
    assert any("8 pairs; 1 configuration of either without" in n for n in shown.notices)


def test_cells_that_are_no_amount_are_named() -> None:
    """The line and the cell of a table, six of them at most."""
    odd = [
        replace(r, where={"refused": f"line {i}: batch_size 0"}) for i, r in enumerate(several())
    ]
    (said,) = [n for n in analysis(odd).notices if "no amount" in n]
    assert said.startswith("16 rows of tables")
    assert "line 0: batch_size 0; line 1: batch_size 0" in said
    assert said.endswith("and 10 more")
