"""Runs with energies written by hand, of every kind that a report draws."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from joulecast.core.records import Measurement, Run, Setup, Window, Workload
from joulecast.core.serving import BurstFigures, Serving
from joulecast.datasets import architectures, hardware

if TYPE_CHECKING:
    from joulecast.core.records import Architecture, Machine

MODELS = ("lenet", "vgg16", "resnet18", "mobilenet", "densenet121", "googlenet")
SERVERS = {"llama-3.2-1b": 320.0, "llama-3.1-8b": 250.0}
RATES = (1.0, 4.0, 10.0, 20.0)
_SPLIT = {"gpu": 0.7, "cpu": 0.25, "dram": 0.05}
_SOURCES = {"gpu": "nvml-counter", "cpu": "rapl", "dram": "dram-model"}


@cache
def network(name: str) -> Architecture:
    """A network of the catalogue."""
    return architectures.find(name)


@cache
def machine(name: str) -> Machine:
    """A machine of the catalogue."""
    return hardware.machine(name)


def trained(  # noqa: PLR0913 (each is what some test is about)
    model: str = "vgg16",
    place: str = "hc2",
    *,
    task: str = "train",
    batch_size: float = 128,
    power_w: float = 300.0,
    sample_s: float = 2e-4,
    epochs: int = 0,
    named: str | None = None,
) -> Run:
    """A run of 50,000 samples whose GPU, CPU and DRAM draw 70, 25 and 5 % of `power_w`."""
    samples = 50_000.0
    duration_s = samples * sample_s
    energy_j = {s: share * power_w * duration_s for s, share in _SPLIT.items()}
    energy_j["system"] = power_w * duration_s
    a = replace(network(model), name=named) if named is not None else network(model)
    workload = Workload(task=task, samples=samples, batch_size=batch_size)  # type: ignore[arg-type]
    measurement = Measurement(
        energy_j=energy_j,
        duration_s=duration_s,
        samples=samples,
        energy_source=_SOURCES,
        power_w={s: j / duration_s for s, j in energy_j.items()},
        gpu_util_frac=0.8,
        gpu_mem_used_bytes=3e9,
        epochs=tuple(_epoch(i, duration_s, energy_j["system"]) for i in range(epochs)),
        notices=("the clocks were not locked",),
    )
    return Run(
        setup=Setup(machine(place), a, workload),
        measurement=measurement,
        source="joulecast",
        model_group=model,
        started_at="2026-10-01T10:00:00Z",
    )


def limited(power_limit_w: float, batch_size: float = 128) -> Run:
    """A training of vgg16 on hc2 whose card is held at a limit."""
    run = trained(batch_size=batch_size, power_w=power_limit_w)
    place = replace(run.setup.machine, gpu_power_limit_w=power_limit_w)
    return replace(run, setup=replace(run.setup, machine=place))


def _epoch(i: int, duration_s: float, energy_j: float) -> Window:
    return Window(
        name=f"epoch {i + 1}",
        start_s=i * duration_s,
        duration_s=duration_s,
        energy_j={"system": energy_j},
        loss=2.0 / (i + 1),
        accuracy=1 - 0.8 / (i + 1),
    )


def burst(model: str = "llama-3.1-8b", rate_rps: float = 10.0, tokens: float | None = None) -> Run:
    """A minute of requests to a server on hc4: 600 W, whatever the rate."""
    output = SERVERS.get(model, 250.0) if tokens is None else tokens
    duration_s, completed = 60.0, round(60 * rate_rps)
    figures = BurstFigures(
        sent=completed,
        completed=completed,
        failed=0,
        offered_rps=rate_rps,
        achieved_rps=rate_rps,
        output_tokens=output * completed,
    )
    serving = Serving(prompt_tokens=80, output_tokens=output, rate_rps=rate_rps)
    workload = Workload(task="serve", samples=completed, precision="bf16", serving=serving)
    energy_j = {s: share * 600 * duration_s for s, share in _SPLIT.items()}
    return Run(
        setup=Setup(machine("hc4"), network(model), workload),
        measurement=Measurement(
            energy_j={**energy_j, "system": 600 * duration_s},
            duration_s=duration_s,
            samples=completed,
            energy_source=_SOURCES,
            gpu_util_frac=0.6,
            burst=figures,
        ),
        source="joulecast",
        model_group=model,
    )


def as_predicted(run: Run) -> Run:
    """The same, as if nobody had run it."""
    m = run.measurement
    return replace(
        run,
        source="predicted",
        measurement=replace(m, energy_source=dict.fromkeys(m.energy_j, "predicted"), epochs=()),
    )


def many() -> list[Run]:
    """Trainings and inferences on two machines, batch sizes, bursts."""
    runs = []
    for k, model in enumerate(MODELS):
        for place, slower in (("hc2", 1.0), ("hc3", 4.0)):
            sample_s = 1e-4 * (k + 1) * slower
            power_w = 150 + 30 * k
            runs.append(trained(model, place, power_w=power_w, sample_s=3 * sample_s, epochs=3 + k))
            runs.append(trained(model, place, task="infer", power_w=power_w, sample_s=sample_s))
    runs += [trained(batch_size=b, sample_s=2e-4 + 1e-3 / b) for b in (16.0, 64.0, 256.0)]
    runs += [burst(model, rate) for model in SERVERS for rate in RATES]
    return runs
