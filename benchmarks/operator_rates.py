"""Shares of peak and of bandwidth that single operators reach: where some priors come from.

Run: ``python benchmarks/operator_rates.py ops.parquet``. The table is one's own: a row per operator
and shape with its forward latency, columns ``op``, ``latency_ms``, ``gpu_name``, ``batch``, ``h``,
``m``, ``n``, ``k``; NeuSight (github.com/sitar-lab/NeuSight, MIT) publishes such measurements, fp32
in eager PyTorch. Prints a line per GPU, then what the priors of the physical model take from them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.units import BYTES_PER_VALUE, FLOPS_PER_MAC
from joulecast.datasets import hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.core.records import Device

    Array = NDArray[np.float64]
    Table = Mapping[str, Array]

BYTES = BYTES_PER_VALUE["fp32"]
TENSORS = {"add": 3, "relu": 2, "gelu": 2}
"""Operators that do nothing but move memory -> tensors that they read and write."""
LARGE_BYTES = 256e6
"""Far beyond any cache, and long against a launch."""
LARGE = 512
HEAD = (48, 128)
SEQUENCE = 256
MEMORY_BOUND = 0.8
OVERLAP = 3.0
"""As in the physical model: the norm in which compute and memory seconds add."""
ROUND = 0.75
"""Quantile taken of products: the table's sizes are random and odd, those of networks round."""
UNTHROTTLED = 0.5
"""Boards below this share of peak in large products are held by their power limit."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares reached, 0..1: of bandwidth, and of fp32 peak in three kinds of products."""

    bandwidth: float
    linear: float
    scores: float
    weighted: float

    @property
    def attention(self) -> float:
        """Share of peak over both of attention's products, which are equally large."""
        return 2 / (1 / self.scores + 1 / self.weighted)


def rates_of(device: Device, t: Table) -> Rates:
    """Shares that the operators of one device's rows reach."""
    peak, bandwidth = device.peak_flops_per_s["fp32"], device.mem_bandwidth_bytes_per_s or np.nan
    seconds = t["latency_ms"] / 1e3
    moved = BYTES * t["batch"] * t["h"] * np.array([TENSORS.get(op, np.nan) for op in t["op"]])
    memory = float(np.median((moved / seconds / bandwidth)[moved >= LARGE_BYTES]))
    values = t["m"] * t["k"] + t["k"] * t["n"] + t["m"] * t["n"]
    memory_s = BYTES * t["batch"] * values / (memory * bandwidth)
    left = np.maximum(seconds**OVERLAP - memory_s**OVERLAP, 0.0) ** (1 / OVERLAP)
    flops = FLOPS_PER_MAC * t["batch"] * t["m"] * t["n"] * t["k"]
    with np.errstate(divide="ignore"):
        share = flops / left / peak
    bound = memory_s < MEMORY_BOUND * seconds
    sides = np.minimum(np.minimum(t["m"], t["n"]), t["k"])
    many = bound & (t["op"] == "bmm") & (t["m"] >= SEQUENCE) & (t["batch"] >= 8)
    kinds = (
        bound & (t["op"] == "linear") & (sides >= LARGE),
        many & (t["n"] >= SEQUENCE) & _within(t["k"]),
        many & (t["k"] >= SEQUENCE) & _within(t["n"]),
    )
    return Rates(memory, *(float(np.quantile(share[of], ROUND)) for of in kinds))


def _within(width: Array) -> NDArray[np.bool_]:
    return (width >= HEAD[0]) & (width <= HEAD[1])


def read(path: Path) -> dict[str, dict[str, Array]]:
    """GPU name -> columns of its rows."""
    import pandas as pd

    table = pd.read_parquet(path)
    return {
        str(name): {c: rows[c].to_numpy() for c in rows.columns}
        for name, rows in table.groupby("gpu_name")
    }


def main(path: Path) -> None:
    """Print the shares of every GPU with all kinds of operators, then the priors."""
    found: dict[str, tuple[float, Rates]] = {}
    for name, rows in read(path).items():
        device = hardware.machine(name).gpu
        if device is not None and {"add", "linear", "bmm"} <= set(rows["op"].tolist()):
            rates = found.setdefault(
                name, (device.mem_bandwidth_bytes_per_s or 0.0, rates_of(device, rows))
            )[1]
            print(
                f"{name:24s} bandwidth {rates.bandwidth:.2f}  linear {rates.linear:.2f}"
                f"  scores {rates.scores:.2f}  weighted {rates.weighted:.2f}"
            )
    free = [rates for _, rates in found.values() if rates.linear >= UNTHROTTLED]
    held = [rates for _, rates in found.values() if rates.linear < UNTHROTTLED]
    stacked = float(np.mean([rates.bandwidth for rates in free]))
    print(f"bandwidth_efficiency {stacked:.2f}")
    print(f"gddr_efficiency      {np.mean([r.bandwidth for r in held]) / stacked:.2f}")
    print(f"matmul_efficiency    {np.mean([r.linear for r in free]):.2f}")
    print(f"attention_efficiency {np.mean([r.attention for r in free]):.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
