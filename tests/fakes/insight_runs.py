"""Runs written by hand, for what is asked of many runs."""

from __future__ import annotations

from typing import Any

from joulecast.core.records import (
    Architecture,
    Device,
    Machine,
    Measurement,
    Run,
    Setup,
    Window,
    Workload,
)
from joulecast.core.serving import BurstFigures, Serving

GPU = Device(
    "card",
    "Card",
    "gpu",
    300.0,
    2020,
    "vendor",
    mem_bytes=10e9,
    mem_bandwidth_bytes_per_s=500e9,
    peak_flops_per_s={"fp32": 20e12},
)
CPU = Device("host", "Host", "cpu", 65.0, 2020, "vendor")


def run(  # noqa: PLR0913 (what a test may vary)
    model: str = "net",
    *,
    params: float = 1e6,
    macs: float = 1e8,
    machine: str = "hc",
    task: str = "infer",
    batch: float = 128,
    samples: float | None = 1000.0,
    sample_j: float | None = 0.01,
    sample_s: float = 1e-4,
    scope: str = "gpu",
    accuracy: float | None = None,
    util: float | None = None,
    limit_w: float | None = None,
    energy_source: str = "nvml-counter",
    **measured: Any,  # noqa: ANN401 (fields of a measurement)
) -> Run:
    """A run over `samples` at `sample_j` joules and `sample_s` seconds each."""
    network = Architecture(model, "vision", (3, 32, 32), params, macs, {})
    host = Machine(machine, machine, GPU, 1, gpu_power_limit_w=limit_w, cpu=CPU, n_cpus=1)
    workload = Workload(task=task, batch_size=batch, dataset="cifar10")  # type: ignore[arg-type]
    known = samples is not None and sample_j is not None
    end = () if accuracy is None else (Window("end", 0.0, 1.0, accuracy=accuracy),)
    measurement = Measurement(
        energy_j={scope: samples * sample_j} if known else {},  # type: ignore[operator]
        duration_s=None if samples is None else samples * sample_s,
        samples=samples,
        energy_source={scope: energy_source} if known else {},
        gpu_util_frac=util,
        epochs=end,
        **measured,
    )
    return Run(Setup(host, network, workload), measurement, "profiler", model, hardware_id=machine)


def burst(
    model: str = "llama",
    rate_rps: float = 1.0,
    request_j: float = 100.0,
    *,
    params: float = 8e9,
    saturated: bool = False,
) -> Run:
    """A minute of requests, 200 tokens an answer."""
    n = round(60 * rate_rps)
    figures = BurstFigures(
        n, n, 0, rate_rps, rate_rps, output_tokens=200.0 * n, saturated=saturated
    )
    serving = Serving(100, 200, rate_rps)
    network = Architecture(model, "text", (512,), params, 500 * params, {})
    workload = Workload(task="serve", samples=n, precision="fp8", serving=serving)
    setup = Setup(Machine("hc4", "hc4", GPU, 2), network, workload)
    measured = Measurement({"gpu": n * request_j}, 60.0, n, {"gpu": "nvml-counter"}, burst=figures)
    return Run(setup, measured, "profiler", model, hardware_id="hc4")
