"""Times to the first and per further token where a GPU generation or a network was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.serving import latency
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.frame import weights
from joulecast.estimator.serving.studies import missed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Record = dict[str, str | float]

TITLE = "Latency of unseen GPU generations and networks (measured times to the first token)"
_TIMES = ("ttft", "tpot")


def records(runs: Sequence[Run]) -> Iterator[Record]:
    """Per protocol, time and group left out what predictions missed; the last line is of all."""
    kept = [r for r in runs if r.measurement.burst and r.measurement.burst.ttft]
    c = columns_of([r.setup for r in kept])
    measured = {name: _measured(kept, name) for name in _TIMES}
    model = np.array([r.model_group for r in kept])
    device = np.array([_device(r, "id") for r in kept])
    weight = weights(model, device)
    generation = np.array([_generation(_device(r, "architecture")) for r in kept])
    for protocol, label in (("generation", generation), ("model", model)):
        found = left_out(c, measured, weight, label)
        for name in _TIMES:
            ratio = np.log(found[name] / measured[name])
            for group in np.unique(label):
                yield _line(protocol, str(group), name, ratio[label == group])
            yield _line(protocol, "all", name, ratio)


def left_out(
    c: dict[str, Array], measured: dict[str, Array], weight: Array, label: Labels
) -> dict[str, Array]:
    """Seconds of ``ttft`` and ``tpot`` by models that never saw the row's group, each (n,)."""
    found = {name: np.full(len(label), np.nan) for name in measured}
    for group in np.unique(label):
        known, asked = np.flatnonzero(label != group), np.flatnonzero(label == group)
        given = {name: values[known] for name, values in c.items()}
        fitted = latency.fit(given, measured["ttft"][known], measured["tpot"][known], weight[known])
        told = latency.times({name: values[asked] for name, values in c.items()}, fitted)
        for name in measured:
            found[name][asked] = told[f"{name}_s"]
    return found


def _line(protocol: str, group: str, name: str, ratio: Array) -> Record:
    return {"left out": protocol, "group": group, "time": name, **missed(ratio)}


def _measured(runs: Sequence[Run], name: str) -> Array:
    bursts = [r.measurement.burst for r in runs]
    spreads = [b and (b.ttft if name == "ttft" else b.itl) for b in bursts]
    return np.array([s.mean_s if s else np.nan for s in spreads])


def _device(run: Run, fact: str) -> str:
    device = run.setup.machine.accelerator
    return str(getattr(device, fact)) if device else ""


def _generation(architecture: str) -> str:
    """Blackwell and its Ultra are one generation."""
    return architecture.split(maxsplit=1)[0].lower() if architecture else "unknown"
