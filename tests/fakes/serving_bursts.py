"""Model servers whose bursts follow known factors, answered by physics alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import NOVELTIES, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.datasets import architectures, hardware
from joulecast.estimator.fitting import Linear
from joulecast.estimator.intervals import LEVELS
from joulecast.estimator.serving import intervals, physics, predictor
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.features import FEATURES
from joulecast.estimator.serving.fitting import Fitted
from joulecast.estimator.serving.frame import QUANTITIES, TARGETS

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


def physics_bundle() -> Bundle:
    """Physics alone, nothing learned; its intervals are wider than what any burst leaves."""
    n = len(FEATURES)
    nothing = Linear(np.zeros(n), np.ones(n), np.zeros(n), 0.0)
    fitted = Fitted(
        physics.default_coefficients(),
        dict.fromkeys(TARGETS, 0.0),
        dict.fromkeys(TARGETS, nothing),
        dict.fromkeys(TARGETS, Silent()),
    )
    names = [str(n) for n in NOVELTIES]
    scores = {n: dict.fromkeys(QUANTITIES, [2.0] * len(LEVELS)) for n in names}
    hull = intervals.hull_of(columns_of([server(1.0)]))
    return Bundle(fitted, {n: [1.0, 0.0, 0.0] for n in names}, scores, hull, {}, (), {})


def burst(
    setup: Setup,
    bundle: Bundle,
    *,
    off: float = 1.0,
    failed: int = 0,
    truth: Adjustment = TRUTH,
) -> Run:
    """The burst of a server whose factors are `truth`, its power off by a factor."""
    a = predictor.answer([setup], bundle, adjust=truth)
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
