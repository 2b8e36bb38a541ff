"""Answers of a bundle for many setups at once: energy, time, power, intervals and novelty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.catalog import normalise
from joulecast.core.records import NOVELTIES
from joulecast.estimator import columns as columns_of
from joulecast.estimator import intervals
from joulecast.estimator.fitting import LEARNERS, TARGETS, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Architecture, Novelty, Setup
    from joulecast.estimator.bundle import Bundle
    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]

EXTRAPOLATED_FROM = float(np.log(2.0)) - 1e-9
"""Distance from the hull (natural-log units) from which an answer is called extrapolated: twice
what was measured, half of it, or a precision, framework or task that never was."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Per-sample answers, all (n,).

    Attributes
    ----------
    sample_s, sample_low_s, sample_high_s : seconds per sample of the whole machine.
    power_w : mean watts in the setup's scope; energy_j, low_j, high_j : joules per sample.
    scope_w : share-out of the answer: watts of gpu, cpu and dram; idle_w likewise (gpu, cpu, dram).
    """

    sample_s: Array
    sample_low_s: Array
    sample_high_s: Array
    power_w: Array
    energy_j: Array
    energy_low_j: Array
    energy_high_j: Array
    scope_w: dict[str, Array]
    idle_w: dict[str, Array]
    novelty: list[Novelty]
    extrapolated: NDArray[np.bool_]
    learner_energy_j: dict[str, Array]
    columns: Columns
    terms: Columns


def group_of(architecture: Architecture) -> str:
    """Label under which near twins of an architecture are known."""
    return normalise(architecture.group or architecture.name)


def device_of(setup: Setup) -> str:
    """Id of the accelerator."""
    device = setup.machine.accelerator
    return device.id if device is not None else ""


def use_of(setup: Setup) -> str:
    """What a device is used for: regime and task, e.g. ``common-train``."""
    w = setup.workload
    return f"{'tuned' if w.framework in columns_of.TUNED_STACKS else 'common'}-{w.task}"


def novelty_of(setup: Setup, bundle: Bundle) -> Novelty:
    """What about the question was never measured (near twins count as the same model)."""
    a = setup.architecture
    return bundle.known.novelty(use_of(setup), device_of(setup), group_of(a), a.macs)


def answer(setups: Sequence[Setup], bundle: Bundle, level: float = 0.9) -> Answers:
    """Answers for `setups` with intervals at `level` (0.5..0.995)."""
    columns = columns_of.from_setups(setups)
    regime = columns_of.regimes(columns)
    logs, terms = predict(bundle.fitted, columns, columns_of.device_ids(setups), regime)
    novelty = _novelties(setups, bundle)
    code = np.array([NOVELTIES.index(n) for n in novelty])
    names = columns_of.populations(columns).tolist()
    population = np.array([columns_of.POPULATIONS.index(p) for p in names], dtype=np.intp)
    combined = {t: _stack(logs, t, code, population, bundle) for t in TARGETS}
    far = intervals.distance(columns, bundle.calibration.hull)
    extrapolated = far > EXTRAPOLATED_FROM
    half = _half_widths(code, population, bundle, level, far)
    power_w = np.exp(combined["power"])
    bounds = _bounds(columns, terms, combined, half, extrapolated)
    share = power_w / terms["scope_w"]
    return Answers(
        sample_s=np.exp(combined["time"]),
        power_w=power_w,
        energy_j=np.exp(combined["time"] + combined["power"]),
        **bounds,
        scope_w={s: terms[f"{s}_w"] * share for s in ("gpu", "cpu", "dram")},
        idle_w={
            "gpu": terms["gpu_idle_w"],
            "cpu": terms["cpu_idle_w"],
            "dram": columns["dram_idle_w"],
        },
        novelty=novelty,
        extrapolated=extrapolated,
        learner_energy_j={n: np.exp(logs[n]["time"] + logs[n]["power"]) for n in LEARNERS},
        columns=columns,
        terms=terms,
    )


def _half_widths(
    code: NDArray[np.intp],
    population: NDArray[np.intp],
    bundle: Bundle,
    level: float,
    far: Array,
) -> dict[str, Array]:
    """Half widths of the intervals of energy and time, natural-log units, wider off the hull."""
    widen = 1 + np.array([bundle.calibration.growth[n] for n in NOVELTIES])[code] * far
    return {q: _half_width(q, code, population, bundle, level) * widen for q in ("energy", "time")}


def _bounds(
    c: Columns,
    t: Columns,
    log: dict[str, Array],
    half: dict[str, Array],
    extrapolated: NDArray[np.bool_],
) -> dict[str, Array]:
    """Bounds of time and energy per sample; where extrapolated, at least the physical bracket."""
    log_energy, power_w = log["time"] + log["power"], np.exp(log["power"])
    low_s, high_s = np.exp(log["time"] - half["time"]), np.exp(log["time"] + half["time"])
    low_s = np.where(extrapolated, np.minimum(low_s, _shortest_s(c, t)), low_s)
    low, high = np.exp(log_energy - half["energy"]), np.exp(log_energy + half["energy"])
    idle_w = np.minimum(t["gpu_idle_w"] + t["cpu_idle_w"], power_w)
    full_w = np.maximum(power_w, c["limit_w"] * c["count"])
    return {
        "sample_low_s": low_s,
        "sample_high_s": high_s,
        "energy_low_j": np.where(extrapolated, np.minimum(low, low_s * idle_w), low),
        "energy_high_j": np.where(extrapolated, np.maximum(high, high_s * full_w), high),
    }


def _shortest_s(c: Columns, t: Columns) -> Array:
    """Seconds per sample at full peak of the run's precision or full bandwidth, (n,)."""
    compute_s = t["ideal_compute_s"] * c["peak_fp32"] / columns_of.best_peak(c)
    shortest: Array = np.maximum(compute_s, t["least_memory_s"]) / (c["batch"] * c["count"])
    return shortest


def _novelties(setups: Sequence[Setup], bundle: Bundle) -> list[Novelty]:
    seen: dict[tuple[int, int, str], Novelty] = {}
    out: list[Novelty] = []
    for s in setups:
        key = (id(s.architecture), id(s.machine), use_of(s))
        if key not in seen:
            seen[key] = novelty_of(s, bundle)
        out.append(seen[key])
    return out


def _stack(
    logs: dict[str, dict[str, Array]],
    target: str,
    code: NDArray[np.intp],
    population: NDArray[np.intp],
    bundle: Bundle,
) -> Array:
    stack = bundle.calibration.stack
    weights = np.array([[stack[p][n][target] for n in NOVELTIES] for p in columns_of.POPULATIONS])
    answers = np.column_stack([logs[name][target] for name in LEARNERS])
    combined: Array = (answers * weights[population, code]).sum(axis=1)
    return combined


def _half_width(
    quantity: str,
    code: NDArray[np.intp],
    population: NDArray[np.intp],
    bundle: Bundle,
    level: float,
) -> Array:
    """Half width of the interval in natural-log units, (n,)."""
    scores = bundle.calibration.scores
    table = np.array(
        [
            [intervals.at_level(scores[p][n][quantity], level) for n in NOVELTIES]
            for p in columns_of.POPULATIONS
        ],
    )
    half: Array = table[population, code]
    return half
