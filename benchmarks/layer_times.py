"""Time by type of layer: the physical model's shares against operators timed one by one.

Run: ``python benchmarks/layer_times.py [ops.parquet]``. First the study's networks are run here
under torch's profiler (on a GPU where there is one) and the measured share of each type of layer
stands beside the predicted one. With a table of operator latencies, as `operator_rates.py` reads,
the predicted seconds of single operators are then held against it, GPU by GPU. Energy by type has
no such check: no public table has joules per operator of a CNN.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from joulecast.asking_run import setup_of
from joulecast.core.records import Architecture, OpCount, Setup, Workload
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.datasets import hardware
from joulecast.estimator import bundle, predictor
from joulecast.estimator.insight.layers import layer_shares
from joulecast.models import densenet121, mobilenetv2, resnet18, resnext29_2x64d, vgg16

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Machine

NETWORKS = {
    "vgg16": vgg16,
    "resnet18": resnet18,
    "mobilenetv2": mobilenetv2,
    "densenet121": densenet121,
    "resnext29_2x64d": resnext29_2x64d,
}
BATCH, STEPS, WARM = 64, 3, 1
BYTES = BYTES_PER_VALUE["fp32"]
LONG_MS = 0.2
"""Shorter operators are launches, not work."""
KINDS = {
    "norm": ("batch_norm", "layer_norm"),
    "pooling": ("pool", "mean"),
    "activation": ("relu", "add", "cat", "hardtanh", "mul", "sigmoid", "copy"),
    "matmul": ("addmm", "mm"),
}


def kind_of(event: Any) -> str | None:  # noqa: ANN401 (torch has no public type of it)
    """Type of layer of a profiled operator, ``None`` for the rest."""
    name = event.key.removeprefix("aten::")
    if "convolution" in name or "conv2d" in name:
        data, weight = event.input_shapes[0], event.input_shapes[1]
        groups = data[1] // weight[1] if len(data) > 1 and len(weight) > 1 else 1
        if groups == 1:
            return "conv"
        return "depthwise" if groups == data[1] else "grouped"
    return next((kind for kind, words in KINDS.items() if any(w in name for w in words)), None)


def measured(name: str, device: str) -> dict[str, float]:
    """Share of time by type of layer in inference, from torch's profiler."""
    net = NETWORKS[name].build().eval().to(device)
    data = torch.randn(BATCH, 3, 32, 32, device=device)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with torch.no_grad():
        for _ in range(WARM):
            net(data)
        with profile(activities=kinds, record_shapes=True) as seen:
            for _ in range(STEPS):
                net(data)
    took: dict[str, float] = {}
    for event in seen.key_averages(group_by_input_shape=True):
        kind = kind_of(event)
        own = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        if kind is not None and own > 0:
            took[kind] = took.get(kind, 0.0) + own
    return {kind: t / sum(took.values()) for kind, t in took.items()}


def predicted(name: str) -> dict[str, float]:
    """Share of the working time by type of layer that the physical model has for this machine."""
    setup, _ = setup_of(name, "auto", task="infer", batch_size=BATCH)
    shares = layer_shares(predictor.answer([setup], bundle.load()).terms).time_frac
    working = {kind: share for kind, share in shares.items() if kind != "waiting"}
    return {kind: share / sum(working.values()) for kind, share in working.items()}


def here() -> None:
    """Print measured and predicted shares of this machine, and how far apart they are."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"inference, batch {BATCH}, on this machine's {device}: % of time, measured / predicted")
    apart = []
    for name in NETWORKS:
        seen, said = measured(name, device), predicted(name)
        kinds = sorted({*seen, *said}, key=lambda k: -seen.get(k, 0.0))
        off = sum(abs(seen.get(k, 0.0) - said.get(k, 0.0)) for k in kinds) / 2
        apart.append(off)
        shown = (f"{k} {100 * seen.get(k, 0):.0f}/{100 * said.get(k, 0):.0f}" for k in kinds)
        print(f"{name:16s} {'  '.join(shown)}   put elsewhere {100 * off:.0f} %")
    print(f"mean share put elsewhere: {100 * np.mean(apart):.0f} %")


def operator(row: Mapping[str, Any]) -> tuple[str, OpCount] | None:
    """Op class and count of one timed operator, all of its batch as one sample."""
    op, batch = row["op"], float(row["batch"])
    if op in {"add", "relu", "gelu", "ln"}:
        moved = BYTES * batch * float(row["h"]) * (3 if op == "add" else 2)
        name = "norm" if op == "ln" else "elementwise"
        return name, OpCount(activation_bytes=moved, kernels=1)
    if op in {"linear", "bmm"}:
        m, n, k = float(row["m"]), float(row["n"]), float(row["k"])
        weights = BYTES * n * k if op == "linear" else 0.0
        values = BYTES * batch * (m * k + m * n) + (BYTES * batch * n * k if op == "bmm" else 0)
        return "matmul", OpCount(batch * m * n * k, values, weights, 1)
    if op == "conv":
        size, into, out = (float(row[c]) for c in ("input_size", "input_channel", "output_channel"))
        kernel = float(row["kernel_size"]) ** 2
        width = size + 2 * float(row["padding"]) - float(row["kernel_size"]) + 1
        macs = batch * width**2 * into * out * kernel
        moved = BYTES * batch * (into * size**2 + out * width**2)
        return "conv", OpCount(macs, moved, BYTES * into * out * kernel, 1)
    return None


def single(name: str, count: OpCount, machine: Machine) -> Setup:
    """An operator as a network of its own."""
    own = Architecture(
        name, "image", (1,), count.weight_bytes / BYTES, count.macs, {name: count}, kernels=1
    )
    return Setup(machine, own, Workload(task="infer", samples=1, batch_size=1), "gpu")


def against(path: Path, most: int = 1500) -> None:
    """Print how far predicted seconds of single operators are off, by GPU and operator."""
    import pandas as pd

    table = pd.read_parquet(path)
    table = table[table["latency_ms"] > LONG_MS]
    print(f"\noperators longer than {LONG_MS} ms: MdAPE % (median predicted / measured), n")
    for (gpu, op), rows in table.groupby(["gpu_name", "op"]):
        machine = hardware.machine(str(gpu))
        chosen = rows.sample(min(most, len(rows)), random_state=0)
        names = list(chosen.columns)
        records = [dict(zip(names, r, strict=True)) for r in chosen.itertuples(index=False)]
        counted = [(operator(r), r["latency_ms"] / 1e3) for r in records]
        known = [(found, s) for found, s in counted if found is not None]
        if not known:
            continue
        setups = [single(*found, machine) for found, _ in known]
        terms = predictor.answer(setups, bundle.load()).terms
        name = known[0][0][0]
        ratio = terms[f"{name}_s"] * terms["stretch"] / np.array([s for _, s in known])
        off, middle = 100 * np.median(np.abs(ratio - 1)), np.median(ratio)
        print(f"{gpu:24s} {op:8s} {name:12s} {off:5.0f} ({middle:.2f}) {len(known):6d}")


if __name__ == "__main__":
    here()
    for given in sys.argv[1:]:
        against(Path(given))
