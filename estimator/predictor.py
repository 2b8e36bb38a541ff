"""Answers of a bundle for many setups at once: energy, time, power, intervals and novelty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.catalog import normalise
from joulecast.core.records import NOVELTIES
from joulecast.estimator import columns as columns_of
from joulecast.estimator import intervals
from joulecast.estimator.fitting import LEARNERS, REGIMES, TARGETS, predict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Architecture, Novelty, Setup
    from joulecast.estimator.bundle import Bundle
    from joulecast.estimator.columns import Columns

    Array = NDArray[np.float64]

EXTRAPOLATED_FROM = float(np.log(2.0))
"""Distance from the hull (natural-log units) from which an answer is called extrapolated."""


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


def novelty_of(setup: Setup, bundle: Bundle) -> Novelty:
    """Whether model and device were measured before (near twins count as the same model)."""
    device = setup.machine.accelerator
    seen_device = device is not None and device.id in bundle.known.devices
    a = setup.architecture
    seen_model = bundle.known.has_network(group_of(a), a.macs)
    if seen_model and seen_device:
        return "seen-pair"
    if seen_device:
        return "new-model"
    return "new-hardware" if seen_model else "new-pair"


def answer(setups: Sequence[Setup], bundle: Bundle, level: float = 0.9) -> Answers:
    """Answers for `setups` with intervals at `level` (0.5..0.995)."""
    columns = columns_of.from_setups(setups)
    regime = columns_of.regimes(columns)
    logs, terms = predict(bundle.fitted, columns, columns_of.device_ids(setups), regime)
    novelty = _novelties(setups, bundle)
    code = np.array([NOVELTIES.index(n) for n in novelty])
    tuned = regime == "tuned"
    combined = {t: _stack(logs, t, code, tuned, bundle) for t in TARGETS}
    names = columns_of.populations(columns)
    population = np.array([columns_of.POPULATIONS.index(p) for p in names.tolist()], dtype=np.intp)
    log_energy = combined["time"] + combined["power"]
    far = intervals.distance(columns, dict(bundle.calibration.hull))
    widen = 1 + bundle.calibration.growth * far
    half = {q: _half_width(q, code, population, bundle, level) * widen for q in ("energy", "time")}
    extrapolated = far > EXTRAPOLATED_FROM
    low = np.exp(log_energy - half["energy"])
    high = np.exp(log_energy + half["energy"])
    low_s = np.exp(combined["time"] - half["time"])
    high_s = np.exp(combined["time"] + half["time"])
    bracket_low_s = np.maximum(terms["ideal_compute_s"], terms["ideal_memory_s"]) / (
        columns["batch"] * columns["count"]
    )
    power_w = np.exp(combined["power"])
    share = power_w / terms["scope_w"]
    idle_w = terms["gpu_idle_w"] + terms["cpu_idle_w"]
    low = np.where(extrapolated, np.minimum(low, bracket_low_s * idle_w), low)
    high = np.where(extrapolated, np.maximum(high, high_s * power_w), high)
    return Answers(
        sample_s=np.exp(combined["time"]),
        sample_low_s=low_s,
        sample_high_s=high_s,
        power_w=power_w,
        energy_j=np.exp(log_energy),
        energy_low_j=low,
        energy_high_j=high,
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


def _novelties(setups: Sequence[Setup], bundle: Bundle) -> list[Novelty]:
    seen: dict[tuple[int, int], Novelty] = {}
    out: list[Novelty] = []
    for s in setups:
        key = (id(s.architecture), id(s.machine))
        if key not in seen:
            seen[key] = novelty_of(s, bundle)
        out.append(seen[key])
    return out


def _stack(
    logs: dict[str, dict[str, Array]],
    target: str,
    code: NDArray[np.intp],
    tuned: NDArray[np.bool_],
    bundle: Bundle,
) -> Array:
    stack = bundle.calibration.stack
    weights = np.array([[stack[r][n][target] for n in NOVELTIES] for r in REGIMES])
    answers = np.column_stack([logs[name][target] for name in LEARNERS])
    combined: Array = (answers * weights[tuned.astype(int), code]).sum(axis=1)
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
