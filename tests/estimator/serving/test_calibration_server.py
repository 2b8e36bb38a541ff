"""Whole bursts of whole servers: known factors come back, wrong bursts do not, the queue agrees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joulecast.core.serving import Serving
from joulecast.estimator.intervals import LEVELS
from joulecast.estimator.serving import calibration, predictor
from joulecast.estimator.serving import calibration_simulated as simulated
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration_bursts import burst_of
from joulecast.estimator.serving.calibration_prior import TYPICAL
from joulecast.estimator.serving.calibration_update import FACTORS
from joulecast.estimator.serving.simulate import poisson, simulate
from joulecast.estimator.serving.simulate_physics import server_of
from tests.fakes.serving_bursts import TRUTH, burst, physics_bundle, server

if TYPE_CHECKING:
    from joulecast.core.records import Run, Setup
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Physics alone, nothing learned."""
    return physics_bundle()


def after(
    asked: Setup, runs: list[Run], bundle: Bundle
) -> tuple[float, float, int, tuple[str, ...]]:
    """Factors by which energy per request and saturation are off, bursts used, notices."""
    adjust, used, notices = calibration.adjusted(asked, runs, bundle, TYPICAL)
    found = predictor.answer([asked], bundle, adjust=adjust)
    true = predictor.answer([asked], bundle, adjust=TRUTH)
    return (
        float(found.request_j[0] / true.request_j[0]),
        float(found.saturation_rps[0] / true.saturation_rps[0]),
        len(used),
        notices,
    )


def test_bursts_of_a_known_server_give_its_curve(bundle: Bundle) -> None:
    """One light, one heavy and one saturating burst give energy and saturation of other rates."""
    runs = [burst(server(r), bundle) for r in (0.2, 6.0, 200.0)]
    for rate in (0.4, 3.0, 8.0):
        energy, saturation, n, notices = after(server(rate), runs, bundle)
        assert n == 3
        assert notices == ()
        assert energy == pytest.approx(1, abs=0.04)
        assert saturation == pytest.approx(1, abs=0.06)
    _, used, _ = calibration.adjusted(server(1.0), runs, bundle, TYPICAL)
    assert calibration.basis(server(1.0), used) == "short-run"


def test_one_burst_shrinks_and_more_narrow(bundle: Bundle) -> None:
    """One burst takes part of the error away, and doubt falls with bursts but not below repeats."""
    asked = server(3.0)
    before, _, n, _ = after(asked, [], bundle)
    assert n == 0
    one, _, _, _ = after(asked, [burst(server(1.0), bundle)], bundle)
    assert abs(np.log(one)) < 0.5 * abs(np.log(before))
    runs = [burst(server(r), bundle) for r in (1.0, 2.9, 3.1)]
    sds = [calibration.adjusted(asked, runs[:k], bundle, TYPICAL)[0].energy_sd or 9 for k in (1, 3)]
    assert 0.023 <= sds[1] < sds[0] < 0.2


def test_other_models_and_machines_count_less(bundle: Bundle) -> None:
    """A burst of another model here is no short run, and strangers are passed over."""
    asked = server(3.0)
    other = burst(server(3.0, model="llama-3.2-1b"), bundle)
    elsewhere = burst(server(3.0, device="h100-sxm"), bundle)
    own = calibration.adjusted(asked, [burst(asked, bundle)], bundle, TYPICAL)[0]
    for run in (other, elsewhere):
        moved, used, _ = calibration.adjusted(asked, [run], bundle, TYPICAL)
        assert len(used) == 1
        assert calibration.basis(asked, used) == "calibrated"
        assert 0 < moved.power < own.power
        assert (moved.energy_sd or 0) > (own.energy_sd or 9)
    stranger = burst(server(3.0, device="h100-sxm", model="llama-3.2-1b"), bundle)
    assert calibration.adjusted(asked, [stranger], bundle, TYPICAL) == (Adjustment(), (), ())


def test_nonsense_bursts_are_refused(bundle: Bundle) -> None:
    """Kilowatts from one board, and bursts that mostly failed, are named and count for nothing."""
    asked = server(3.0)
    wild = burst(asked, bundle, off=1000.0)
    moved, _, notices = calibration.adjusted(asked, [wild], bundle, TYPICAL)
    assert "more than its boards can draw" in notices[0]
    assert moved.power == pytest.approx(0, abs=0.08)
    broken = burst(asked, bundle, failed=100_000)
    assert calibration.adjusted(asked, [broken], bundle, TYPICAL)[:2] == (Adjustment(), ())


def test_all_slopes_come_from_one_call(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logarithms and slopes of a mixed lot are those of one answer per nudge, made in one call."""
    setups = [server(0.5), server(200.0), server(None), server(2.0, device="h100-sxm")]
    at, nudge = Adjustment(step=0.1, power=-0.2, idle=0.3), 0.02
    here = predictor.answer(setups, bundle, adjust=at)
    there = predictor.answer(setups, bundle, adjust=replace(at, power=at.power + nudge))
    calls = []
    answer = predictor.answer

    def counted(*args: Any, **options: Any) -> ServingAnswers:  # noqa: ANN401 (passed on)
        calls.append(args)
        return answer(*args, **options)

    monkeypatch.setattr(predictor, "answer", counted)
    found = calibration.seen(setups, bundle, at)
    assert len(calls) == 1
    np.testing.assert_allclose(found.logs["power"], np.log(here.power_w))
    slopes = np.log(there.power_w / here.power_w) / nudge
    np.testing.assert_allclose(found.slopes["power"][:, FACTORS.index("power")], slopes)
    np.testing.assert_allclose(found.slopes["request"][:, FACTORS.index("power")], slopes)
    assert not np.isfinite(found.logs["ttft"][1])
    assert not np.isfinite(found.slopes["ttft"][1]).any()
    assert np.isfinite(found.slopes["ttft"][0]).all()


def test_bursts_that_count_are_named_and_others_are_not(bundle: Bundle) -> None:
    """A server's own burst of pure nonsense leaves the answer to another model's burst alone."""
    asked = server(3.0)
    m = (nonsense := burst(asked, bundle, off=1000.0)).measurement
    assert m.burst is not None
    timeless = replace(m.burst, ttft=None, itl=None, latency=None)
    nonsense = replace(nonsense, measurement=replace(m, burst=timeless))
    other = burst(server(3.0, model="llama-3.2-1b"), bundle)
    _, used, _ = calibration.adjusted(asked, [nonsense, other], bundle, TYPICAL)
    assert [b.run for b in used] == [other]
    assert calibration.basis(asked, used) == "calibrated"
    assert calibration.adjusted(asked, [nonsense], bundle, TYPICAL)[1] == ()


def test_why_a_burst_is_left_out(bundle: Bundle) -> None:
    """Nothing answered, an unknown device and a lost length are each said as they are."""
    good = burst(server(3.0), bundle)
    figures, serving = good.measurement.burst, good.setup.workload.serving
    assert figures is not None
    assert serving is not None
    silent = replace(figures, completed=0, failed=0)
    nobody = replace(good.setup.machine, gpu=None, cpu=None)
    short = replace(good.setup.workload, serving=replace(serving, output_tokens=0.0))
    cases = {
        "no request was answered": replace(
            good, measurement=replace(good.measurement, burst=silent)
        ),
        "its device is not known": replace(good, setup=replace(good.setup, machine=nobody)),
        "no prompt or output length": replace(good, setup=replace(good.setup, workload=short)),
    }
    for words, run in cases.items():
        _, used, notices = calibration.adjusted(server(3.0), [run], bundle, TYPICAL)
        assert used == ()
        assert words in notices[0]


def test_the_pace_of_a_few_requests_says_less(bundle: Bundle) -> None:
    """A full server that answered ten requests moves the saturation rate less than one of many."""
    asked, many = server(3.0), burst(server(200.0), bundle)
    figures = many.measurement.burst
    assert figures is not None
    few = replace(many, measurement=replace(many.measurement, burst=replace(figures, completed=10)))
    sds = [
        calibration.adjusted(asked, [run], bundle, TYPICAL)[0].saturation_sd or 9
        for run in (many, few)
    ]
    assert sds[1] > 1.3 * sds[0]


@pytest.mark.parametrize("load", [0.05, 0.3, 0.7])
def test_the_fixed_point_agrees_with_the_simulation(bundle: Bundle, load: float) -> None:
    """Power, batch and time per token of means are those of a simulated queue."""
    rate = load * float(predictor.answer([server(1.0)], bundle).saturation_rps[0])
    asked = server(rate)
    answers = predictor.answer([asked], bundle)
    one, replicas = server_of(asked, bundle)
    assert replicas == 1
    seconds = 3000 / rate
    served = simulate(poisson(Serving(250, 200), rate, seconds, seed=1), one)
    window = served.window(0.1 * seconds, seconds)
    assert window.power_w == pytest.approx(float(answers.power_w[0]), rel=0.03)
    assert window.busy_frac == pytest.approx(float(answers.busy_frac[0]), abs=0.03)
    assert window.batch == pytest.approx(float(answers.batch[0]), rel=0.06)
    assert np.nanmean(served.tpot_s) == pytest.approx(float(answers.tpot_s[0]), rel=0.06)


def test_a_simulated_overload_is_read_as_the_saturation_rate(bundle: Bundle) -> None:
    """A burst beyond saturation says so and tells the pace; one at light load tells none."""
    truth = simulated.drawn(server(1.0), bundle.coefficients, np.random.default_rng(3))
    full = burst_of(simulated.burst(truth, 1.5 * truth.saturation_rps, 1))
    light = burst_of(simulated.burst(truth, 0.3 * truth.saturation_rps, 1))
    assert full.is_saturated
    assert full.rate_rps == pytest.approx(truth.saturation_rps, rel=0.1)
    assert full.ttft_s is None
    assert not light.is_saturated
    assert light.rate_rps is None
    assert light.ttft_s is not None


def test_weak_bursts_never_widen_an_interval(bundle: Bundle) -> None:
    """A burst of another model, or far from the asked load, leaves at most the doubt of none."""
    narrow = {n: dict.fromkeys(s, [0.05] * len(LEVELS)) for n, s in bundle.scores.items()}
    sure = replace(bundle, scores=narrow)
    asked, other = server(3.0), burst(server(3.0, model="llama-3.2-1b"), bundle)
    before = predictor.answer([asked], sure)
    adjust, used, _ = calibration.adjusted(asked, [other], bundle, TYPICAL)
    assert len(used) == 1
    assert adjust.energy_sd is not None
    assert 1.645 * adjust.energy_sd > np.log(before.request_high_j[0] / before.request_j[0])
    adjust, used, _ = calibration.adjusted(asked, [other], sure, TYPICAL)
    assert len(used) == 1
    assert (adjust.energy_sd, adjust.saturation_sd) == (None, None)
    hot = burst(server(3.0, device="h100-sxm"), bundle, truth=Adjustment(step=0.8, power=0.8))
    refuted, _, _ = calibration.adjusted(asked, [hot], sure, TYPICAL)
    assert refuted.energy_sd is not None  # what moves the answer out of an interval, widens it


def test_at_the_power_limit_other_bursts_do_not_make_sure(bundle: Bundle) -> None:
    """Where watts sit at the limit slopes vanish, and doubt about power yet remains."""
    hot = replace(bundle.fitted, offset={**bundle.fitted.offset, "power": 0.3})
    bundle = replace(bundle, fitted=hot)
    asked = server(3.0, device="l4")
    limit_w = asked.machine.gpu.tdp_w if asked.machine.gpu else 0.0
    answers = predictor.answer([asked], bundle)
    assert answers.power_w[0] == pytest.approx(limit_w, rel=0.01)
    elsewhere = burst(server(3.0, device="v100-sxm2"), bundle)
    adjust, _, _ = calibration.adjusted(asked, [elsewhere], bundle, TYPICAL)
    assert (adjust.energy_sd or 9) > 0.08
    own, _, _ = calibration.adjusted(asked, [burst(asked, bundle)], bundle, TYPICAL)
    assert (own.energy_sd or 9) < 0.05
