"""The figures by which the papers compare runs: nine of networks (6.1.3), seven of servers (6.2.2).

One function per figure: columns of runs in, (n,) out, NaN where something it needs is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.units import flops_from_macs
from joulecast.estimator.serving.metrics import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]
    Metric = Callable[[Frame, str], Array]


def energy_per_sample(frame: Frame, scope: str) -> Array:
    """Joules of `scope` per sample, or per answered request of a server."""
    return frame.number[f"energy_per_sample_{scope}_j"]


def macs_param(frame: Frame, _scope: str = "") -> Array:
    """Multiply-adds of one forward pass over trainable parameters."""
    return _ratio(frame.number["macs"], frame.number["trainable_params"])


def model_size_to_ram(frame: Frame, _scope: str = "") -> Array:
    """Bytes of the network over the memory of the accelerators, 0..1 if it fits."""
    return _ratio(frame.number["size_bytes"], frame.number["mem_bytes"])


def work_done(frame: Frame, _scope: str = "") -> Array:
    """Trainable parameters processed per second: each sample passes all of them once."""
    return _ratio(frame.number["trainable_params"], frame.number["sample_s"])


def overall_efficiency(frame: Frame, scope: str = "") -> Array:
    """Accuracy (0..1) x work done over utilisation, parameters/s.

    The papers divide by the utilisation of the system; here it is the GPU's (0..1), the only one
    that every meter tells.
    """
    return _ratio(frame.number["accuracy"] * work_done(frame, scope), frame.number["gpu_util_frac"])


def work_per_unit_power(frame: Frame, scope: str) -> Array:
    """Work done over the mean power of `scope`: trainable parameters per joule."""
    return _ratio(work_done(frame, scope), frame.number[f"power_{scope}_w"])


def energy_scaling_factor(frame: Frame, scope: str) -> Array:
    """Mean watts of `scope` over parameters; the papers take the system's, their Eq. 3."""
    return _ratio(frame.number[f"power_{scope}_w"], frame.number["params"])


def gpu_energy_scaling_factor(frame: Frame, _scope: str = "") -> Array:
    """Mean watts of the GPUs over parameters."""
    return _ratio(frame.number["power_gpu_w"], frame.number["params"])


def parameters(frame: Frame, _scope: str = "") -> Array:
    """Trainable parameters."""
    return frame.number["trainable_params"]


NINE: dict[str, Metric] = {
    "energy_per_sample": energy_per_sample,
    "macs_param": macs_param,
    "model_size_to_ram": model_size_to_ram,
    "overall_efficiency": overall_efficiency,
    "work_per_unit_power": work_per_unit_power,
    "gpu_energy_scaling_factor": gpu_energy_scaling_factor,
    "energy_scaling_factor": energy_scaling_factor,
    "parameters": parameters,
    "work_done": work_done,
}
"""In the order of the papers' Table 3, under the papers' names."""


def nine_of(frame: Frame, scope: str) -> dict[str, Array]:
    """The nine figures of training and inference, each (n,).

    Parameters
    ----------
    scope : of energy and power: gpu, cpu, dram, system or wall.
    """
    return {name: metric(frame, scope) for name, metric in NINE.items()}


def seven_of(frame: Frame, scope: str) -> dict[str, Array]:
    """The seven figures of servers, each (n,): requests are their samples."""
    number = frame.number
    values = (
        energy_per_sample(frame, scope),
        np.asarray(flops_from_macs(1.0) * number["macs"]),
        model_size_to_ram(frame),
        number["params"],
        number["rate_rps"],
        number["cache_hit_frac"],
        number["output_tokens"],
    )
    return dict(zip(SEVEN, values, strict=True))


def metrics_of(frame: Frame, scope: str, task: str) -> dict[str, Array]:
    """The figures that the papers give for a task."""
    return seven_of(frame, scope) if task == "serve" else nine_of(frame, scope)


def _ratio(over: Array, under: Array) -> Array:
    """`over` / `under`, NaN where `under` is not above 0."""
    return over / np.where(under > 0, under, np.nan)
