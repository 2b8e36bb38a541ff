"""The flat view of a run: what it knows, per sample, and where it comes from."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.reporting.points import in_widest, middle, point_of, positive, usual_batch, widest
from joulecast.reporting.predictions import _in_parts
from tests.fakes.report_runs import as_predicted, burst, trained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Setup
    from joulecast.reporting.predictions import Answer


def test_energy_per_sample_is_energy_over_samples() -> None:
    """300 W for 0.2 ms per sample are 60 mJ."""
    point = point_of(trained(power_w=300.0, sample_s=2e-4))
    assert point.per_sample_j("system") == pytest.approx(0.06)
    assert point.per_sample_j("gpu") == pytest.approx(0.042)
    assert point.per_sample_j("wall") is None


def test_a_request_of_a_server_is_its_sample() -> None:
    """600 W at 10 requests per second are 60 J a request, 0.24 J a token of 250."""
    point = point_of(burst(rate_rps=10.0, tokens=250.0))
    assert point.per_sample_j("system") == pytest.approx(60.0)
    assert point.per_token_j("system") == pytest.approx(0.24)
    assert point.rate_rps == 10.0


@pytest.mark.parametrize(
    ("sources", "basis"),
    [
        ({"gpu": "nvml-counter", "cpu": "tdp-model"}, "measured"),
        ({"gpu": "tdp-model"}, "modelled"),
        ({"gpu": "replay"}, "modelled"),
        ({"gpu": "replay-model"}, "modelled"),
        ({"gpu": "nvml-counter+tdp-model"}, "modelled"),
        ({}, "measured"),
        ({"gpu": "predicted"}, "predicted"),
    ],
)
def test_the_basis_is_that_of_what_computes(sources: dict[str, str], basis: str) -> None:
    """The GPU's source decides on a machine with a GPU; a table's row is taken at its word."""
    run = trained()
    run = replace(run, measurement=replace(run.measurement, energy_source=sources))
    assert point_of(run).basis == basis


def test_a_predicted_run_is_never_measured() -> None:
    """Its source says so, and so does the point."""
    assert point_of(as_predicted(trained())).predicted


@given(st.floats())
def test_only_finite_amounts_above_zero_are_numbers(value: float) -> None:
    """Whatever a record holds, a figure sees a positive number or nothing."""
    seen = positive(value)
    assert seen is None or (seen > 0 and math.isfinite(seen))


def test_non_finite_figures_are_missing_not_zero() -> None:
    """NaN energy, infinite time and negative samples leave the point without them."""
    run = trained()
    m = replace(
        run.measurement,
        energy_j={"gpu": math.nan, "cpu": math.inf, "system": -1.0},
        duration_s=math.inf,
        samples=-5.0,
        power_w={"gpu": math.nan},
        gpu_util_frac=math.nan,
    )
    point = point_of(replace(run, measurement=m))
    assert (point.energy_j, point.power_w) == ({}, {})
    assert (point.duration_s, point.sample_s, point.util_frac, point.basis) == (None,) * 3 + ("",)


def test_the_widest_scope_is_the_one_that_most_know() -> None:
    """Two runs of the GPU alone outvote one that knows the system."""
    run = trained()
    alone = replace(run, measurement=replace(run.measurement, energy_j={"gpu": 5.0}))
    assert widest([point_of(run)]) == "system"
    assert widest([point_of(run), point_of(alone), point_of(alone)]) == "gpu"
    assert widest([]) == ""


def test_models_are_compared_at_the_commonest_batch_size() -> None:
    """A model that never ran at it keeps its own."""
    runs = [trained(), trained("lenet"), trained(batch_size=16), trained("resnet18", batch_size=8)]
    kept = usual_batch([point_of(run) for run in runs])
    assert [(p.model, p.batch_size) for p in kept] == [
        ("vgg16", 128),
        ("lenet", 128),
        ("resnet18", 8),
    ]


def test_predictions_neither_outvote_nor_replace_what_was_run() -> None:
    """Two predictions at 128 beside a run at 64: the run stays."""
    runs = [trained(batch_size=64), as_predicted(trained()), as_predicted(trained("lenet"))]
    kept = usual_batch([point_of(run) for run in runs])
    assert [(p.batch_size, p.predicted) for p in kept] == [(64, False), (128, True), (128, True)]


def test_runs_of_other_scopes_are_counted() -> None:
    """One run that knows only the wall beside two that know the system."""
    run = trained()
    alone = replace(run, measurement=replace(run.measurement, energy_j={"wall": 5.0}))
    chosen = in_widest([point_of(run), point_of(run), point_of(alone)])
    assert (chosen.scope, len(chosen.points), chosen.left_out) == ("system", 2, 1)


def test_a_burst_without_a_count_of_arrivals_keeps_the_rate_that_was_asked() -> None:
    """NaN requests per second are none."""
    run = burst(rate_rps=4.0)
    figures = run.measurement.burst
    assert figures is not None
    odd = replace(figures, offered_rps=math.nan)
    run = replace(run, measurement=replace(run.measurement, burst=odd))
    assert point_of(run).rate_rps == 4.0


def test_a_machine_has_the_name_that_the_analysis_gives_it() -> None:
    """A table's own name of a device is the knee's and the advice's too."""
    assert point_of(replace(trained(), hardware_id="lab-7")).machine == "lab-7"
    assert point_of(trained()).machine == "hc2"


def test_one_odd_setup_does_not_silence_its_neighbours() -> None:
    """Of nine runs the one that cannot be predicted is left out."""
    points = [point_of(trained(batch_size=b)) for b in range(1, 10)]

    def answered(setups: Sequence[Setup], _level: float) -> Answer:
        if any(s.workload.batch_size == 5 for s in setups):
            raise ValueError
        return tuple(np.ones(len(setups)) for _ in range(6)), set()

    found = _in_parts(points, range(9), 0.9, answered)
    assert sorted(found) == [0, 1, 2, 3, 5, 6, 7, 8]


def test_the_middle_leaves_out_what_is_unknown() -> None:
    """The median of the known values; nothing where none is known."""
    assert middle([None, 1.0, 3.0]) == 2.0
    assert middle([None]) is None
