"""The answer to one question: a bundle's figures as an `Estimate`, with evidence and reasons."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from joulecast.core.records import OP_CLASSES, Estimate, Evidence
from joulecast.core.units import BYTES_PER_GB, format_duration, format_energy, format_si
from joulecast.estimator import bundle as bundles
from joulecast.estimator import columns as columns_of
from joulecast.estimator import features, fitting, intervals, predictor
from joulecast.estimator.insight.layers import layer_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Machine, Run, Setup
    from joulecast.estimator.bundle import Bundle
    from joulecast.estimator.predictor import Answers

_PARTS = ("gpu", "cpu", "dram")
_SCOPE_PARTS = {
    "gpu": ("gpu",),
    "cpu": ("cpu",),
    "dram": ("dram",),
    "system": _PARTS,
    "wall": _PARTS,
}
_EXTRAPOLATED = "extrapolated: nothing near this was measured; the interval is a physical bracket"
_FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow", "onnx": "ONNX"}
_DATA = {"cifar10": "CIFAR-10, ", "imagenet": "images, "}


def estimate_of(
    setup: Setup,
    level: float,
    notices: tuple[str, ...],
    *,
    explain: bool,
    runs: Sequence[Run] = (),
) -> Estimate:
    """The answer to `setup`, the whole workload, with intervals at `level`.

    Parameters
    ----------
    runs : the user's own; those of this device or of this model sharpen the answer, and a complete
        one of exactly this workload is the answer.
    """
    if not runs:
        a = predictor.answer([setup], bundles.load(), level)
        return _led(row_estimate(setup, a, 0, level, explain=explain), notices)
    from joulecast import answering_runs

    setup = answering_runs.as_measured(setup, runs)
    a = predictor.answer([setup], bundles.load(), level)
    after, said = answering_runs.sharpened(setup, a, runs, level)
    a = after.answers if after else a
    answer = _led(row_estimate(setup, a, 0, level, explain=explain), (*notices, *said))
    return answering_runs.finished(answer, setup, after, runs)


def _led(answer: Estimate, notices: tuple[str, ...]) -> Estimate:
    """`answer` with `notices` before its own."""
    return replace(answer, notices=(*notices, *answer.notices))


def row_estimate(
    setup: Setup, a: Answers, row: int, level: float, *, explain: bool = False
) -> Estimate:
    """The answer to `setup` that a row of the figures per sample `a` amounts to."""
    bundle = bundles.load()
    w, machine = setup.workload, setup.machine
    n = w.samples * w.epochs
    duration_s, energy_j = n * float(a.sample_s[row]), n * float(a.energy_j[row])
    parts_j = {s: float(a.scope_w[s][row]) * duration_s for s in _PARTS}
    idle_w = sum(float(a.idle_w[s][row]) for s in _SCOPE_PARTS[setup.scope])
    extrapolated = bool(a.extrapolated[row])
    return Estimate(
        energy_j=energy_j,
        energy_low_j=n * float(a.energy_low_j[row]),
        energy_high_j=n * float(a.energy_high_j[row]),
        duration_s=duration_s,
        duration_low_s=n * float(a.sample_low_s[row]),
        duration_high_s=n * float(a.sample_high_s[row]),
        level=level,
        power_w=float(a.power_w[row]),
        scope=setup.scope,
        basis="zero-shot",
        novelty=a.novelty[row],
        gpu_energy_j=parts_j["gpu"] if machine.gpu else None,
        cpu_energy_j=parts_j["cpu"] if machine.cpu else None,
        dram_energy_j=parts_j["dram"] if machine.dram else None,
        net_energy_j=max(energy_j - idle_w * duration_s, 0.0),
        extrapolated=extrapolated,
        evidence=_evidence(setup, bundle),
        notices=_doubts(setup, a, row),
        next_measurement=_next_measurement(setup, a, row, level),
        model=setup.architecture.name,
        hardware=machine.id,
        model_text=model_line(setup),
        hardware_text=hardware_line(machine),
        workload=w,
        explanation=_explanation(a, row, n) if explain else None,
    )


def _doubts(setup: Setup, a: Answers, row: int) -> tuple[str, ...]:
    """Doubts: nothing near was measured, input-bound, facts that no vendor page confirms."""
    device = setup.machine.accelerator
    extrapolated = bool(a.extrapolated[row])
    loader_s = float(a.terms["loader_s"][row])
    rest_s = max(float(a.terms["device_s"][row]), float(a.terms["launch_s"][row]))
    workers = a.columns["workers"][row]
    loaders = "1 loader worker holds" if workers == 1 else f"{workers:g} loader workers hold"
    starving = f"input-bound: {loaders} the device up; set --workers to yours"
    starved = (starving,) * (loader_s > rest_s)
    doubtful = [f for f in (device.doubtful if device else ()) if f not in {"idle_w", "int8"}]
    said = f"no vendor page confirms {', '.join(doubtful[:3])} of {setup.machine.id}"
    return (_EXTRAPOLATED,) * extrapolated + starved + (said,) * bool(doubtful)


def _evidence(setup: Setup, bundle: Bundle, count: int = 4) -> tuple[Evidence, ...]:
    """Measured groups of this model or on this device: both first, then most rows first."""
    device = setup.machine.accelerator
    group = predictor.group_of(setup.architecture)

    def kinship(entry: tuple[str, str, int, str]) -> int:
        return 2 * (entry[0] == group) + (device is not None and entry[1] == device.id)

    near = [entry for entry in bundle.known.groups if kinship(entry)]
    near.sort(key=lambda entry: (-kinship(entry), -entry[2]))
    return tuple(Evidence(*entry) for entry in near[:count])


def _next_measurement(setup: Setup, a: Answers, row: int, level: float) -> str | None:
    """The measurement that would narrow the interval most, with its price."""
    bundle = bundles.load()
    if a.novelty[row] == "seen-pair":
        return None
    population = str(columns_of.populations(a.columns)[row])
    scores = bundle.calibration.scores[population]["seen-pair"]["energy"]
    width = 100 * math.expm1(intervals.at_level(scores, level))
    n = setup.workload.samples
    what = "one epoch" if setup.workload.task == "train" else f"{n:,.0f} samples"
    took = format_duration(n * float(a.sample_s[row]))
    cost = format_energy(n * float(a.energy_j[row]))
    return (
        f"measure {what} of {setup.architecture.name} on {setup.machine.id} "
        f"(about {took}, {cost}): interval down to about ±{width:.0f} %"
    )


def _regime(a: Answers, row: int) -> str:
    return str(columns_of.regimes(a.columns)[row])


def model_line(setup: Setup) -> str:
    """The network and the workload in one line."""
    a, w = setup.architecture, setup.workload
    shape = "x".join(map(str, a.input_shape))
    unit = " tokens" if len(a.input_shape) == 1 else ""
    return (
        f"{a.name} ({format_si(a.params, 'params')}, {format_si(a.macs, 'MAC')}) · "
        f"{_DATA.get(w.dataset, '')}{w.samples:,.0f} x {shape}{unit} · batch {w.batch_size:.10g} · "
        f"{w.precision} · {_FRAMEWORKS.get(w.framework, w.framework)} · {w.task}"
    )


def hardware_line(m: Machine) -> str:
    """The machine and its parts in one line."""
    parts = []
    if m.gpu is not None:
        capped = m.gpu_power_limit_w not in {None, m.gpu.tdp_w}
        cap = f" at {m.gpu_power_limit_w:g} W" if capped else ""
        parts.append(_times(m.n_gpus) + _short(m.gpu.name) + cap)
    if m.cpu is not None:
        parts.append(_times(m.n_cpus) + _short(m.cpu.name))
    if m.dram is not None and m.n_dimms:
        size = f"{m.dram.mem_bytes / BYTES_PER_GB:g} GB " if m.dram.mem_bytes else ""
        parts.append(f"{m.n_dimms} x {size}{m.dram.architecture or 'DRAM'}")
    return f"{m.id}: {', '.join(parts)}"


def _times(count: int) -> str:
    return f"{count} x " if count > 1 else ""


def _short(name: str) -> str:
    """A device's name without its maker."""
    for maker in ("NVIDIA ", "GeForce ", "AMD ", "Intel ", "Core "):
        name = name.removeprefix(maker)
    return name


def _explanation(a: Answers, row: int, n: float) -> dict[str, Any]:
    """Terms of time and power, and how far each learner and feature moved the answer.

    A feature's effect is the factor on energy by which Lasso moves the physics for it.
    """
    bundle, t, regime = bundles.load(), a.terms, _regime(a, row)
    population = str(columns_of.populations(a.columns)[row])
    steps = n / float(a.columns["batch"][row] * t["effective_count"][row])
    names = (*OP_CLASSES, "scores", "optimiser", "launch", "loader", "start", "comm")
    terms_s = {name: float(t[f"{name}_s"][row]) * steps for name in names}
    known = bundle.fitted[regime].coefficients
    x = fitting.at_vendors_limit(features.matrix(a.columns, t), a.columns, known)[row]
    linear = bundle.fitted[regime].linear.values()
    effects = sum((x - one.mean) / one.scale * one.coef for one in linear)
    moved = sorted(zip(features.FEATURES, x, effects, strict=True), key=lambda f: -abs(f[2]))
    learners = {name: float(energy_j[row]) * n for name, energy_j in a.learner_energy_j.items()}
    return {
        "time_terms_s": {name: value for name, value in terms_s.items() if value > 0},
        "power_terms_w": {name: float(power_w[row]) for name, power_w in a.scope_w.items()},
        "layers": asdict(layer_shares(t, row)),
        "features": [
            {"name": name, "value": float(value), "effect": math.exp(float(effect))}
            for name, value, effect in moved[:8]
            if abs(effect) > 1e-3
        ],
        "learners": learners | {"answer": float(a.energy_j[row]) * n},
        "stack": dict(bundle.calibration.stack[population][a.novelty[row]]),
    }
