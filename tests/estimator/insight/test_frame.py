"""Columns of runs written by hand: derived figures, what is unknown, where energies come from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from joulecast.core.records import Measurement
from joulecast.estimator.insight.configurations import configurations, joined
from joulecast.estimator.insight.frame import NUMBERS, SCOPES, TEXTS, frame_of
from tests.fakes.insight_runs import burst, run


def test_every_column_is_there_for_every_run() -> None:
    """Also without runs."""
    for runs in ([], [run(), burst()]):
        frame = frame_of(runs)
        assert len(frame) == len(runs)
        assert set(frame.number) == set(NUMBERS)
        assert set(frame.text) == set(TEXTS)
        assert {len(c) for c in (*frame.number.values(), *frame.text.values())} == {len(runs)}


def test_figures_of_one_run() -> None:
    """1,000 samples of 10 mJ and 0.1 ms: 100 W."""
    frame = frame_of([run(accuracy=0.9, util=0.8, limit_w=200.0)])
    number = {name: column[0] for name, column in frame.number.items()}
    assert number["energy_per_sample_gpu_j"] == pytest.approx(0.01)
    assert number["sample_s"] == pytest.approx(1e-4)
    assert number["power_gpu_w"] == pytest.approx(100.0)
    assert (number["accuracy"], number["gpu_util_frac"], number["limit_w"]) == (0.9, 0.8, 200.0)
    assert number["size_bytes"] == 4e6
    assert number["mem_bytes"] == 10e9
    assert math.isnan(number["energy_system_j"])
    assert (frame.text["basis"][0], number["measured_gpu"]) == ("measured", 1.0)


def test_a_burst_counts_what_was_answered() -> None:
    """Rates as sent, tokens per completed request, one byte a weight in fp8."""
    frame = frame_of([burst(rate_rps=2.0, request_j=50.0)])
    assert frame.number["rate_rps"][0] == 2.0
    assert frame.number["output_tokens"][0] == pytest.approx(200.0)
    assert frame.number["energy_per_sample_gpu_j"][0] == pytest.approx(50.0)
    assert frame.number["size_bytes"][0] == 8e9


@pytest.mark.parametrize("energy_j", [math.nan, math.inf, -1.0])
def test_what_cannot_be_is_unknown_and_counted(energy_j: float) -> None:
    """Not finite or negative."""
    one = run()
    broken = replace(one, measurement=replace(one.measurement, energy_j={"gpu": energy_j}))
    frame = frame_of([one, broken])
    assert frame.refused == 1
    assert np.isnan(frame.number["energy_gpu_j"]).tolist() == [False, True]


def test_a_run_without_samples_has_no_energy_per_sample() -> None:
    """None, and zero as well."""
    one = run()
    for samples in (None, 0.0):
        bare = replace(one, measurement=replace(one.measurement, samples=samples))
        assert np.isnan(frame_of([bare]).number["energy_per_sample_gpu_j"][0])


def test_basis_is_that_of_what_computes() -> None:
    """A modelled GPU is modelled, a prediction predicted, a table's row what it says."""
    modelled = run(energy_source="tdp-model")
    predicted = replace(run(), source="predicted")
    of_table = replace(run(), measurement=Measurement({"gpu": 1.0}, 1.0, 1.0))
    dram = run()
    beside = replace(
        dram.measurement,
        energy_j={"gpu": 10.0, "system": 12.0},
        energy_source={"gpu": "nvml-counter", "system": "nvml-counter+dram-model"},
    )
    frame = frame_of([modelled, predicted, of_table, replace(dram, measurement=beside)])
    assert frame.text["basis"].tolist() == ["modelled", "predicted", "measured", "measured"]
    assert frame.number["measured_gpu"].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert frame.number["measured_system"][3] == 0.0


def test_repeats_of_a_configuration_are_their_median() -> None:
    """Three repeats are one row; another batch, machine or task is another row."""
    repeats = [run(sample_j=j) for j in (0.01, 0.02, 0.09)]
    others = [run(batch=64), run(machine="other"), run(task="train")]
    merged, said = configurations(frame_of([*repeats, *others]))
    assert len(merged) == 4
    assert 0.02 in merged.number["energy_per_sample_gpu_j"].tolist()
    assert "6 runs are 4 configurations" in said[0]


def test_a_median_takes_what_the_repeats_know() -> None:
    """An unknown figure of one repeat is the other's."""
    merged, _ = configurations(frame_of([run(util=None), run(util=0.5), run(util=0.7)]))
    assert merged.number["gpu_util_frac"].tolist() == pytest.approx([0.6])


def test_where_it_was_measured_the_prediction_is_left_out() -> None:
    """What was only predicted stays."""
    predicted = [replace(run(m, sample_j=1.0), source="predicted") for m in ("net", "other")]
    merged, said = configurations(frame_of([run(), *predicted]))
    assert sorted(merged.text["basis"].tolist()) == ["measured", "predicted"]
    assert "1 prediction left out" in said[0]


def test_a_choice_of_runs_keeps_all_columns_in_step() -> None:
    """By mask and by place."""
    frame = frame_of([run("a"), run("b", sample_j=0.5), run("c")])
    assert frame.where(frame.text["model"] == "b").number["energy_gpu_j"].tolist() == [500.0]
    assert frame.where(np.array([2, 0])).text["model"].tolist() == ["c", "a"]
    assert SCOPES[0] == "system"


def test_shares_above_1_and_readings_of_nothing_are_unknown() -> None:
    """A utilisation in percent, an accuracy above 1, an energy and a time of nothing."""
    runs = [run(util=85.0, accuracy=91.0), run(sample_j=0.0), run(sample_s=0.0), run(util=1.0)]
    frame = frame_of(runs)
    assert frame.refused == 4
    assert np.isnan(frame.number["gpu_util_frac"]).tolist() == [True, True, True, False]
    assert np.isnan(frame.number["accuracy"]).all()
    assert np.isnan(frame.number["energy_per_sample_gpu_j"]).tolist() == [False, True, False, False]
    assert np.isnan(frame.number["power_gpu_w"]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("meter", "scope", "sensed"),
    [
        ("codecarbon", "system", 0.0),
        ("carbontracker", "system", 0.0),
        ("CodeCarbon", "cpu", 0.0),
        ("codecarbon", "gpu", 1.0),
        ("codecarbon/rapl", "cpu", 1.0),
        ("nvml", "system", 1.0),
    ],
)
def test_meters_that_model_a_part_are_told_from_their_name(
    meter: str, scope: str, sensed: float
) -> None:
    """A table states its meter; memory and a CPU without RAPL are modelled by some."""
    one = replace(run(scope=scope), measurement=Measurement({scope: 1.0}, 1.0, 1.0), meter=meter)
    assert frame_of([one]).number[f"measured_{scope}"][0] == sensed


def test_an_absurd_power_is_unknown_and_counted() -> None:
    """1e9 W."""
    frame = frame_of([replace(run(), measurement=Measurement({}, 1.0, 1.0, power_w={"gpu": 1e9}))])
    assert frame.refused == 1
    assert np.isnan(frame.number["power_gpu_w"][0])


def test_combinations_of_many_columns_keep_apart_what_differs() -> None:
    """Also where the product of their sizes is beyond 64 bits."""
    draw = np.random.default_rng(0)
    columns = [draw.integers(0, 1000, 2000) for _ in range(12)]
    columns = [np.concatenate([c, c[:50]]) for c in columns]
    codes = joined(columns)
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    assert codes.max() + 1 == len(set(rows)) == 2000
    assert codes[:50].tolist() == codes[2000:].tolist()
