"""What a machine-learning run will cost in energy, time, CO2e and money, before it starts.

>>> import joulecast
>>> "estimate" in joulecast.__all__
True

Every public name is loaded at its first use, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joulecast.api import estimate, predict_table, train
    from joulecast.api_analyse import analyse
    from joulecast.api_compare import compare
    from joulecast.api_plan import plan
    from joulecast.api_report import report
    from joulecast.api_serving import estimate_serving
    from joulecast.api_sweep import sweep
    from joulecast.core.errors import JoulecastError
    from joulecast.core.records import (
        Architecture,
        Device,
        Estimate,
        Machine,
        Measurement,
        Run,
        Setup,
        Workload,
    )
    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.estimator.extrapolate_epochs import extrapolate_epochs
    from joulecast.estimator.extrapolate_steps import extrapolate_steps
    from joulecast.estimator.extrapolate_trace import extrapolate_trace
    from joulecast.estimator.insight.learning_curve import epochs_until
    from joulecast.measuring import Session

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Device",
    "Estimate",
    "JoulecastError",
    "Machine",
    "Measurement",
    "Run",
    "ServingEstimate",
    "Session",
    "Setup",
    "Workload",
    "__version__",
    "analyse",
    "compare",
    "epochs_until",
    "estimate",
    "estimate_serving",
    "extrapolate_epochs",
    "extrapolate_steps",
    "extrapolate_trace",
    "plan",
    "predict_table",
    "report",
    "sweep",
    "train",
]

_HOMES = {
    "joulecast.api": ("estimate", "predict_table", "train"),
    "joulecast.api_analyse": ("analyse",),
    "joulecast.api_compare": ("compare",),
    "joulecast.api_plan": ("plan",),
    "joulecast.api_report": ("report",),
    "joulecast.api_serving": ("estimate_serving",),
    "joulecast.api_sweep": ("sweep",),
    "joulecast.core.errors": ("JoulecastError",),
    "joulecast.core.records": (
        "Architecture",
        "Device",
        "Estimate",
        "Machine",
        "Measurement",
        "Run",
        "Setup",
        "Workload",
    ),
    "joulecast.core.serving_estimate": ("ServingEstimate",),
    "joulecast.estimator.extrapolate_epochs": ("extrapolate_epochs",),
    "joulecast.estimator.extrapolate_steps": ("extrapolate_steps",),
    "joulecast.estimator.extrapolate_trace": ("extrapolate_trace",),
    "joulecast.estimator.insight.learning_curve": ("epochs_until",),
    "joulecast.measuring": ("Session",),
}

if not TYPE_CHECKING:  # a type checker that saw this would take any name for public

    def __getattr__(name: str) -> object:
        """The public object called `name`, loaded from its home at first use."""
        from importlib import import_module

        for home, members in _HOMES.items():
            if name in members:
                return globals().setdefault(name, getattr(import_module(home), name))
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
