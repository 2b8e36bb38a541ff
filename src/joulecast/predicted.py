"""Predictions in the form of runs, so that what is asked of measured runs is asked of them too.

Their source is ``predicted`` and so is every energy's: nothing takes them for a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulecast import asking
from joulecast.asking_run import setup_of
from joulecast.core.errors import BadInput
from joulecast.core.records import Measurement, Run
from joulecast.core.serving import BurstFigures, Serving
from joulecast.estimator.insight.frame import PREDICTED
from joulecast.estimator.predictor import group_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from joulecast.core.records import Architecture, Machine, Setup
    from joulecast.estimator.predictor import Answers
    from joulecast.estimator.serving.answers import ServingAnswers

    Model = str | Path | Architecture
    Hardware = str | Path | Machine
    Array = NDArray[np.float64]

_PARTS = ("gpu", "cpu", "dram")
_AN_HOUR_S = 3600.0


def predicted_runs(
    models: Sequence[Model],
    hardware: Sequence[Hardware],
    *,
    tasks: Sequence[str] = ("train", "infer"),
    batch_sizes: Sequence[float] = (128,),
    samples: float = 50_000,
    **question: Any,  # noqa: ANN401 (what `joulecast.estimate` takes)
) -> tuple[Run, ...]:
    """One pass of every network over `samples` on every machine, as predicted zero-shot.

    Energy and power of gpu, cpu, dram and system. Utilisation is what the physics says:
    `gpu_util_frac` the share of the time in which the device is busy, `gpu_mem_util_frac` that in
    which its memory moves data, `gpu_mem_used_bytes` what the tensors need.

    Parameters
    ----------
    question : further arguments of `joulecast.estimate`: input_shape, precision, power_limit_w, ...

    Raises
    ------
    JoulecastError
        As `joulecast.estimate`.
    """
    from joulecast.estimator import bundle, predictor

    if not (models and hardware and tasks and batch_sizes):
        message = "nothing to predict. Give at least one network, machine, task and batch size"
        raise BadInput(message)
    setups = [
        setup_of(m, h, task=task, batch_size=batch, samples=samples, scope="system", **question)[0]
        for h in hardware
        for m in models
        for task in tasks
        for batch in batch_sizes
    ]
    a = predictor.answer(setups, bundle.load())
    return tuple(_run(setup, a, i) for i, setup in enumerate(setups))


def _run(setup: Setup, a: Answers, i: int) -> Run:
    w, machine = setup.workload, setup.machine
    n = w.samples * w.epochs
    duration_s = n * float(a.sample_s[i])
    power_w = _powers(setup, a.scope_w, float(a.power_w[i]), i)
    gpu = machine.gpu is not None
    fixed_bytes, sample_bytes = asking.memory_need_bytes(setup)
    need_bytes = (fixed_bytes + sample_bytes * w.batch_size) * max(machine.n_gpus, 1)
    measurement = Measurement(
        energy_j={scope: watts * duration_s for scope, watts in power_w.items()},
        duration_s=duration_s,
        samples=n,
        energy_source=dict.fromkeys(power_w, PREDICTED),
        idle_w=_idle(setup, a.idle_w, i),
        power_w=power_w,
        gpu_util_frac=min(float(a.terms["busy"][i]), 1.0) if gpu else None,
        gpu_mem_util_frac=float(a.terms["util_memory"][i]) if gpu else None,
        gpu_mem_used_bytes=min(need_bytes, machine.mem_bytes or need_bytes) if gpu else None,
    )
    return _recorded(setup, measurement)


def _powers(setup: Setup, scope_w: Mapping[str, Array], whole_w: float, i: int) -> dict[str, float]:
    """Mean watts of the parts that the machine has, and of the system."""
    machine = setup.machine
    has = {"gpu": machine.gpu, "cpu": machine.cpu, "dram": machine.dram}
    parts = {s: float(scope_w[s][i]) for s in _PARTS if has[s] is not None}
    return parts | {"system": whole_w}


def _idle(setup: Setup, idle_w: Mapping[str, Array], i: int) -> dict[str, float]:
    parts = _powers(setup, idle_w, 0.0, i)
    return parts | {"system": sum(watts for s, watts in parts.items() if s != "system")}


def _recorded(setup: Setup, measurement: Measurement) -> Run:
    a = setup.architecture
    return Run(
        setup=setup,
        measurement=measurement,
        source=PREDICTED,
        model_group=group_of(a),
        model_family=a.group or a.name,
        hardware_id=setup.machine.id,
        meter=PREDICTED,
    )


@dataclass(frozen=True, slots=True)
class Requests:
    """What arrives at servers: every rate at every hit rate.

    Attributes
    ----------
    rates_rps : requests per second. prompt_tokens : per request. output_tokens : per request; a
        mapping gives each model its own. hits : shares of the prompt tokens that are cached, 0..1.
    """

    rates_rps: Sequence[float]
    prompt_tokens: float
    output_tokens: float | Mapping[str, float]
    hits: Sequence[float] = (0.0,)
    duration_s: float = _AN_HOUR_S

    def of(self, model: Model, engine: str) -> list[Serving]:
        """The requests to one model."""
        tokens = self.output_tokens
        each = float(tokens) if isinstance(tokens, int | float) else tokens[str(model)]
        return [
            Serving(
                self.prompt_tokens,
                each,
                rate_rps=rate,
                cache_hit_frac=hit,
                engine=engine,
                duration_s=self.duration_s,
            )
            for hit in self.hits
            for rate in self.rates_rps
        ]


def predicted_bursts(
    models: Sequence[Model],
    hardware: Sequence[Hardware],
    requests: Requests,
    *,
    weight_precision: str = "bf16",
    engine: str = "vllm",
    n_gpus: int | None = None,
) -> tuple[Run, ...]:
    """Bursts of `requests` on every model on every machine, as predicted zero-shot.

    Raises
    ------
    JoulecastError
        As `joulecast.estimate_serving`.
    """
    from joulecast.asking_serving import Place, setup_asked
    from joulecast.estimator.serving import bundle, predictor

    how = Place(weight_precision, n_gpus)
    setups = [
        setup_asked(model, place, serving, how)[0]
        for place in hardware
        for model in models
        for serving in requests.of(model, engine)
    ]
    if not setups:
        message = "nothing to predict. Give at least one model, machine, rate and hit rate"
        raise BadInput(message)
    a = predictor.answer(setups, bundle.load())
    return tuple(_burst(setup, a, i) for i, setup in enumerate(setups))


def _burst(setup: Setup, a: ServingAnswers, i: int) -> Run:
    serving = setup.workload.serving
    if serving is None:
        message = "a setup of a server says how requests arrive"
        raise ValueError(message)
    served_rps, offered = float(a.served_rps[i]), serving.rate_rps or float(a.served_rps[i])
    n = served_rps * serving.duration_s
    power_w = _powers(setup, a.scope_w, float(a.power_w[i]), i)
    figures = BurstFigures(
        sent=round(offered * serving.duration_s),
        completed=max(round(n), 1),
        failed=0,
        offered_rps=offered,
        achieved_rps=served_rps,
        prompt_tokens=serving.prompt_tokens * max(round(n), 1),
        output_tokens=serving.output_tokens * max(round(n), 1),
        cache_hit_frac=serving.cache_hit_frac,
        running_mean=float(a.batch[i]),
        saturated=offered > float(a.saturation_rps[i]),
    )
    measurement = Measurement(
        energy_j={scope: watts * serving.duration_s for scope, watts in power_w.items()},
        duration_s=serving.duration_s,
        samples=n,
        energy_source=dict.fromkeys(power_w, PREDICTED),
        idle_w=_idle(setup, a.idle_w, i),
        power_w=power_w,
        gpu_util_frac=min(float(a.busy_frac[i]), 1.0),
        burst=figures,
    )
    return _recorded(setup, measurement)
