"""What held-out rows teach the prior, and what rows of a pair are worth to its others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator.serving import calibration_study as study
from joulecast.estimator.serving import predictor
from joulecast.estimator.serving.calibration_prior import TYPICAL
from tests.fakes.serving_bursts import TRUTH, burst, physics_bundle, server

if TYPE_CHECKING:
    from joulecast.core.records import Run
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.calibration_study import Cases

MODELS = ("llama-3.1-8b", "llama-3.2-1b")


def row(bundle: Bundle, clients: float, model: str) -> Run:
    """A row of a table: so many clients, each as fast as the server lets it."""
    asked = server(None, model=model)
    serving = asked.workload.serving
    assert serving is not None
    closed = replace(serving, concurrency=clients)
    setup = replace(asked, workload=replace(asked.workload, serving=closed))
    a = predictor.answer([setup], bundle, adjust=TRUTH)
    run = burst(setup, bundle)
    figures = run.measurement.burst
    assert figures is not None
    pace = replace(figures, achieved_rps=float(a.served_rps[0]), offered_rps=0.0, saturated=None)
    return replace(run, measurement=replace(run.measurement, burst=pace))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Physics alone, nothing learned."""
    return physics_bundle()


@pytest.fixture(scope="module")
def cases(bundle: Bundle) -> Cases:
    """Two models on one device, four batch sizes each, all off by the same factors."""
    runs = [row(bundle, n, m) for m in MODELS for n in (4.0, 8.0, 16.0, 32.0)]
    return study.cases_of(study.telling(runs), bundle)


def test_the_factors_of_rows_are_recovered(cases: Cases) -> None:
    """Step and power that would make each answer right are those the rows were made with."""
    found = cases.factors()
    np.testing.assert_allclose(found["step"], TRUTH.step, atol=0.01)
    np.testing.assert_allclose(found["power"], TRUTH.power, atol=0.02)


def test_rows_without_pace_or_power_tell_nothing(bundle: Bundle) -> None:
    """An open loop, and a row nobody measured the watts of, are no cases."""
    good = row(bundle, 8.0, MODELS[0])
    dark = replace(good, measurement=replace(good.measurement, power_w={}, energy_j={}))
    assert [b.run for b in study.telling([good, dark, burst(server(2.0), bundle)])] == [good]


def test_given_rows_take_the_error_away(cases: Cases) -> None:
    """Without rows the error is the full one; rows of the same model leave less than others'."""
    found = study.trials(cases, {"a100-sxm-80gb": TYPICAL})
    nothing = found.take(found.k == 0)
    np.testing.assert_allclose(nothing.left, cases.off["request"][nothing.row])
    error = {
        given: np.abs(found.left[(found.k == 3) & (found.given == given)]).mean()
        for given in (0, 1)
    }
    assert error[0] < 0.25 * np.abs(nothing.left).mean()
    assert error[0] < error[1] < np.abs(nothing.left).mean()
    table = study.table(found)
    assert table["k = 0"]["n"] == len(cases.device)
    assert table["k = 3, same model"]["mdape"] < table["k = 1, same model"]["mdape"]


def test_scores_widen_posteriors_that_were_too_sure(cases: Cases) -> None:
    """Errors of twice the 90 % interval ask for a factor of two; sure ones never narrow."""
    found = study.trials(cases, {"a100-sxm-80gb": TYPICAL})
    for times, expected in ((2.0, 2.0), (0.1, 1.0)):
        off = replace(found, left=np.where(found.k > 0, times * 1.645 * found.sd, found.left))
        scores = study.scored(off, TYPICAL).scores
        assert scores["short-run"]["energy"] == pytest.approx(expected, abs=0.01)
        assert scores["calibrated"]["saturation"] == pytest.approx(expected, abs=0.01)
