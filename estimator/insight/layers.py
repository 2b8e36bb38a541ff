"""Energy of a network by type of layer, from the terms of the physical model.

What a type of layer costs on the device is what keeps it awake while the layer runs, and the
layer's own arithmetic, traffic and busy processors, in the proportions that `power` has for them.
Time in which the device waits (launches, loading, exchange between devices) is a type of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.insight import LayerShares
from joulecast.core.records import OP_CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Terms = Mapping[str, NDArray[np.float64]]

NAMES = {"elementwise": "activation", "pool": "pooling"}
"""Op classes under the names of layers; the others have the same. An activation's class holds
additions of branches too, which cost the same."""
WAITING = "waiting"
_TOO_LITTLE = 5e-4
"""Share below which a type of layer is left out: what rounding leaves."""


def layer_shares(terms: Terms, row: int = 0) -> LayerShares:
    """Shares of the device's energy and time by type of layer.

    Parameters
    ----------
    terms : of the physical model, each (n,), as in `predictor.Answers.terms`. row : which setup.

    Examples
    --------
    >>> import numpy as np
    >>> names = [f"{op}_{part}" for op in OP_CLASSES for part in _PARTS] + list(_WHOLE)
    >>> even = {name: np.ones(1) for name in names}
    >>> shares = layer_shares(even)
    >>> round(sum(shares.frac.values()), 9), round(sum(shares.time_frac.values()), 9)
    (1.0, 1.0)
    """
    t = {name: float(terms[name][row]) for name in _names()}
    seconds = {op: t[f"{op}_s"] * t["stretch"] for op in OP_CLASSES}
    seconds["attention"] += t["scores_s"] * t["stretch"]
    device_s = t["raw_device_s"] * t["stretch"]
    seconds["optimiser"] = max(device_s - sum(seconds.values()), 0.0)
    waiting_s = max(t["step_s"] - device_s, 0.0)
    own_j = _own_energy_j(t)
    energy_j = {op: s * t["awake_w"] + own_j[op] for op, s in seconds.items()}
    energy_j[WAITING], seconds[WAITING] = waiting_s * t["awake_w"], waiting_s
    return LayerShares(_of_one(energy_j), _of_one(seconds))


_PARTS = ("s", "arithmetic_s", "traffic_s", "filled_s")
_WHOLE = (
    "scores_s",
    "scores_traffic_s",
    "optimiser_s",
    "optimiser_traffic_s",
    "stretch",
    "raw_device_s",
    "step_s",
    "awake_w",
    "busy_w",
    "arithmetic_w",
    "traffic_w",
    "clocked_w",
)


def _names() -> list[str]:
    return [f"{op}_{part}" for op in OP_CLASSES for part in _PARTS] + list(_WHOLE)


def _own_energy_j(t: Mapping[str, float]) -> dict[str, float]:
    """Joules per step above what flows anyway, by op class and for the optimiser."""
    ops = (*OP_CLASSES, "optimiser")
    arithmetic_s = {op: t.get(f"{op}_arithmetic_s", 0.0) for op in ops}
    traffic_s = {op: t[f"{op}_traffic_s"] for op in ops}
    filled_s = {op: t.get(f"{op}_filled_s", t.get(f"{op}_s", 0.0)) for op in ops}
    traffic_s["attention"] += t["scores_traffic_s"]
    filled_s["attention"] += t["scores_s"]
    free_w = t["arithmetic_w"] + t["traffic_w"] + t["clocked_w"]
    held = (t["busy_w"] - t["awake_w"]) / free_w if free_w > 0 else 0.0
    joules = held * t["stretch"] * t["raw_device_s"]
    parts = (
        (joules * t["arithmetic_w"], arithmetic_s),
        (joules * t["traffic_w"], traffic_s),
        (joules * t["clocked_w"], filled_s),
    )
    own = dict.fromkeys(ops, 0.0)
    for energy_j, seconds in parts:
        total_s = sum(seconds.values())
        for op in ops if total_s > 0 else ():
            own[op] += energy_j * seconds[op] / total_s
    return own


def _of_one(amounts: Mapping[str, float]) -> dict[str, float]:
    """Shares of `amounts` that count, under the names of layers, the largest first."""
    total = sum(amounts.values()) or 1.0
    counted = {op: a for op, a in amounts.items() if a > _TOO_LITTLE * total}
    total = sum(counted.values())
    kept = [(NAMES.get(op, op), a / total) for op, a in counted.items()]
    return dict(sorted(kept, key=lambda item: -item[1]))
