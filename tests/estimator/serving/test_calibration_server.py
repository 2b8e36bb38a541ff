"""Whole bursts of whole servers: known factors come back, wrong bursts do not, the queue agrees."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.records import NOVELTIES, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.datasets import architectures, hardware
from joulecast.estimator.fitting import Linear
from joulecast.estimator.intervals import LEVELS
from joulecast.estimator.serving import calibration, intervals, physics, predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.calibration_prior import TYPICAL
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.features import FEATURES
from joulecast.estimator.serving.fitting import Fitted
from joulecast.estimator.serving.frame import QUANTITIES, TARGETS
from joulecast.estimator.serving.simulate import poisson, simulate
from joulecast.estimator.serving.simulate_physics import server_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUTH = Adjustment(step=0.15, prefill=0.0, power=0.12, idle=0.2)


class Silent:
    """Trees that add nothing."""

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Zeros."""
        return np.zeros(len(x))


def server(
    rate_rps: float | None, device: str = "a100-sxm-80gb", model: str = "llama-3.1-8b"
) -> Setup:
    """A model server asked about in the GPU's scope."""
    machine = replace(hardware.machine(device), n_gpus=1)
    serving = Serving(250, 200, rate_rps=rate_rps, engine="vllm", engine_year=2025.5)
    workload = Workload("serve", precision="bf16", framework="vllm", serving=serving)
    return Setup(machine, architectures.find(model), workload, "gpu")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Physics alone, nothing learned."""
    n = len(FEATURES)
    nothing = Linear(np.zeros(n), np.ones(n), np.zeros(n), 0.0)
    fitted = Fitted(
        physics.default_coefficients(),
        dict.fromkeys(TARGETS, 0.0),
        dict.fromkeys(TARGETS, nothing),
        dict.fromkeys(TARGETS, Silent()),
    )
    names = [str(n) for n in NOVELTIES]
    scores = {n: dict.fromkeys(QUANTITIES, [0.5] * len(LEVELS)) for n in names}
    hull = intervals.hull_of(columns_of([server(1.0)]))
    return Bundle(fitted, {n: [1.0, 0.0, 0.0] for n in names}, scores, hull, {}, (), {})


def burst(setup: Setup, bundle: Bundle, *, off: float = 1.0, failed: int = 0) -> Run:
    """The burst of a server whose factors are `TRUTH`, its power off by a factor."""
    a = predictor.answer([setup], bundle, adjust=TRUTH)
    serving = setup.workload.serving
    assert serving is not None
    offered, served = serving.rate_rps or 0.0, float(a.served_rps[0])
    saturated = served < 0.99 * offered
    power_w, n = float(a.power_w[0]) * off, int(600 * served)

    def spread(mean_s: float) -> Spread | None:
        return None if saturated else Spread(mean_s, mean_s, mean_s, mean_s, mean_s)

    return Run(
        setup,
        Measurement(
            energy_j={"gpu": 600 * power_w},
            duration_s=600.0,
            samples=n,
            energy_source={"gpu": "nvml-counter"},
            power_w={"gpu": power_w},
            burst=BurstFigures(
                sent=n + failed,
                completed=n,
                failed=failed,
                offered_rps=offered,
                achieved_rps=served,
                prompt_tokens=n * 250.0,
                output_tokens=n * 200.0,
                ttft=spread(float(a.ttft_s[0])),
                itl=spread(float(a.tpot_s[0])),
                saturated=saturated,
            ),
        ),
        source="test",
        model_group="llama-3.1-8b",
    )


def after(
    asked: Setup, runs: list[Run], bundle: Bundle
) -> tuple[float, float, int, tuple[str, ...]]:
    """Factors by which energy per request and saturation are off, bursts used, notices."""
    adjust, n, notices = calibration.adjusted(asked, runs, bundle, TYPICAL)
    found = predictor.answer([asked], bundle, adjust=adjust)
    true = predictor.answer([asked], bundle, adjust=TRUTH)
    return (
        float(found.request_j[0] / true.request_j[0]),
        float(found.saturation_rps[0] / true.saturation_rps[0]),
        n,
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
    assert calibration.basis(server(1.0), runs) == "short-run"


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
        moved, n, _ = calibration.adjusted(asked, [run], bundle, TYPICAL)
        assert n == 1
        assert calibration.basis(asked, [run]) == "calibrated"
        assert 0 < moved.power < own.power
        assert (moved.energy_sd or 0) > (own.energy_sd or 9)
    stranger = burst(server(3.0, device="h100-sxm", model="llama-3.2-1b"), bundle)
    assert calibration.adjusted(asked, [stranger], bundle, TYPICAL) == (Adjustment(), 0, ())


def test_nonsense_bursts_are_refused(bundle: Bundle) -> None:
    """Kilowatts from one board, and bursts that mostly failed, are named and count for nothing."""
    asked = server(3.0)
    wild = burst(asked, bundle, off=1000.0)
    moved, _, notices = calibration.adjusted(asked, [wild], bundle, TYPICAL)
    assert "more than its boards can draw" in notices[0]
    assert moved.power == pytest.approx(0, abs=0.08)
    broken = burst(asked, bundle, failed=100_000)
    assert calibration.adjusted(asked, [broken], bundle, TYPICAL)[:2] == (Adjustment(), 0)


def test_beyond_saturation_needs_a_saturating_burst(bundle: Bundle) -> None:
    """A rate above saturation is beyond what was measured until a burst shows saturation."""
    asked = server(100.0)
    answers = predictor.answer([asked], bundle)
    light, full = burst(server(1.0), bundle), burst(server(200.0), bundle)
    assert calibration.is_beyond([light], 100.0, answers, asked)
    assert not calibration.is_beyond([light, full], 100.0, answers, asked)
    assert not calibration.is_beyond([light], 1.0, answers, asked)
    assert not calibration.is_beyond([light], None, answers, asked)


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
