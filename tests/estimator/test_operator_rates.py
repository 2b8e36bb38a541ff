"""The benchmark behind some priors, on a table whose shares are known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.datasets import hardware

if TYPE_CHECKING:
    from types import ModuleType


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "operator_rates.py"
    spec = importlib.util.spec_from_file_location("operator_rates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_shares_of_a_made_up_board() -> None:
    """A V100 that moves at 0.8 of its bandwidth and multiplies at 0.7, 0.4 and 0.6 of its peak."""
    gpu = hardware.machine("v100-pcie-32gb").gpu
    assert gpu is not None
    bandwidth, peak = 0.8 * 900e9, 14e12
    add = 4 * 3 * 16_384 * 4_096 / bandwidth
    shapes = {"linear": (1, 4_096, 4_096, 4_096, 0.7)}
    shapes |= {"scores": (64, 1_024, 1_024, 64, 0.4), "weighted": (64, 1_024, 64, 1_024, 0.6)}
    seconds = [add]
    for b, m, n, k, share in shapes.values():
        compute_s = 2 * b * m * n * k / (share * peak)
        memory_s = 4 * b * (m * k + k * n + m * n) / bandwidth
        seconds.append((compute_s**3 + memory_s**3) ** (1 / 3))
    nan = float("nan")
    table = {
        "op": np.array(["add", "linear", "bmm", "bmm"]),
        "latency_ms": 1e3 * np.array(seconds),
        "h": np.array([4_096, nan, nan, nan]),
        "batch": np.array([16_384, 1, 64, 64]),
        **{x: np.array([nan, *(s[i] for s in shapes.values())]) for i, x in enumerate("bmnk") if i},
    }
    rates = _benchmark().rates_of(gpu, table)
    found = (rates.bandwidth, rates.linear, rates.scores, rates.weighted, rates.attention)
    assert found == pytest.approx((0.8, 0.7, 0.4, 0.6, 0.48), rel=0.01)
