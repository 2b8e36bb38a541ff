"""Servers to ask about, from the catalogue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from joulecast.core.records import Setup, Workload
from joulecast.core.serving import Serving
from joulecast.datasets import architectures, hardware

MODELS = ("llama-3.2-1b", "llama-3.1-8b", "llama-3.1-70b", "qwen3-30b-a3b", "gpt-oss-20b")
MACHINES = ("h100-sxm", "h100-pcie", "a40", "b200", "l4", "rtx-4090", "v100-sxm2")


def server(
    model: str = "llama-3.1-8b",
    machine: str = "h100-sxm",
    precision: str = "bf16",
    n_gpus: int = 1,
    **serving: Any,  # noqa: ANN401 (fields of Serving)
) -> Setup:
    """A server of `model` on `n_gpus` of `machine`, 300 prompt and 200 output tokens."""
    traffic = Serving(**{"prompt_tokens": 300.0, "output_tokens": 200.0} | serving)
    workload = Workload(task="serve", precision=precision, serving=traffic)
    host = replace(hardware.machine(machine), n_gpus=n_gpus)
    return Setup(host, architectures.find(model), workload, "gpu")
