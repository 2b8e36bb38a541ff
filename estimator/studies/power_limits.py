"""Energy against power limit: how right the curve is, and whether its least is found.

Runs that are alike but for the power limit are compared with each other alone, so that a level
that is wrong for the whole workload does not count; what is asked is what a limit changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import metrics
from joulecast.estimator.studies._alike import grouped, workload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.studies import Case, Record

    Array = NDArray[np.float64]
    Choice = Callable[["Curve"], int]

TITLE = "power limits: change against the highest limit, and energy above the least"
LEFT_OUT = {"new-hardware": "device", "new-model": "model", "new-pair": "device and model"}
LEAST_LIMITS = 4
FRACTIONS = np.arange(20, 101) / 100
"""Shares of the highest limit among which the best fixed one is sought."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Runs that are alike but for the power limit, each (n_limits,), by rising limit.

    Attributes
    ----------
    limit_w : watts. measured, predicted : per quantity (energy, time, power) joules and seconds
        per sample, watts; NaN where not known.
    """

    device: str
    limit_w: Array
    measured: Mapping[str, Array]
    predicted: Mapping[str, Array]

    def loss(self, chosen: int) -> float:
        """Natural log of the measured energy at a limit over the least measured energy."""
        energy_j = self.measured["energy"]
        return float(np.log(energy_j[chosen] / energy_j.min()))

    def at_fraction(self, fraction: float) -> int:
        """The measured limit nearest to a share of the highest, the higher of two as near."""
        away = np.abs(self.limit_w - fraction * self.limit_w[-1])
        return int(np.flatnonzero(away <= away.min() + 1e-9)[-1])


def records(case: Case) -> list[Record]:
    """Per protocol: errors of the curve, then energy lost by each way to choose a limit."""
    lines: list[Record] = []
    for protocol, left_out in LEFT_OUT.items():
        if protocol not in case.answers:
            continue
        found = curves(case, protocol)
        if not found:
            continue
        lines += _of_curves(found, left_out)
        lines += _of_choices(found, left_out)
    return lines


def curves(case: Case, protocol: str) -> list[Curve]:
    """Every set of runs at `LEAST_LIMITS` or more stated power limits; repeats as their mean."""
    answers, measured = case.answers[protocol], case.frame.measured()
    known = np.isfinite(measured["energy"]) & np.isfinite(answers["energy"])
    rows = [
        i for i in np.flatnonzero(known).tolist() if case.runs[i].setup.machine.gpu_power_limit_w
    ]
    found = []
    for alike in grouped(rows, case.runs, _but_for_the_limit).values():
        by_limit = grouped(alike, case.runs, lambda r: r.setup.machine.gpu_power_limit_w)
        limits = sorted(by_limit.items(), key=lambda item: float(str(item[0])))
        if len(limits) < LEAST_LIMITS:
            continue
        own = [repeats for _, repeats in limits]
        found.append(
            Curve(
                str(case.frame.device[alike[0]]),
                np.array([float(str(limit)) for limit, _ in limits]),
                {q: _means(v, own) for q, v in measured.items()},
                {q: _means(answers[q], own) for q in measured},
            )
        )
    return found


def _but_for_the_limit(run: Run) -> Hashable:
    machine = run.setup.machine
    return workload_of(run), run.hardware_id, machine.id, machine.cpu.id if machine.cpu else ""


def _means(log_values: Array, repeats: Sequence[Sequence[int]]) -> Array:
    return np.array([np.exp(log_values[list(rows)]).mean() for rows in repeats])


def _of_curves(found: Sequence[Curve], left_out: str) -> list[Record]:
    """Errors of each quantity relative to its value at the highest limit, which is no row."""
    lines = []
    for quantity in ("energy", "time", "power"):
        log = {
            side: np.concatenate([_relative(getattr(c, side)[quantity]) for c in found])
            for side in ("measured", "predicted")
        }
        ways = {"predicted": log["predicted"], "no change": np.zeros_like(log["measured"])}
        for way, answer in ways.items():
            fit = metrics.summary(log["measured"], answer)
            lines.append(_record(left_out, f"{quantity} / at highest limit", way, found, fit))
    return lines


def _relative(values: Array) -> Array:
    relative: Array = np.log(values[:-1] / values[-1])
    return relative


def _of_choices(found: Sequence[Curve], left_out: str) -> list[Record]:
    """Energy above the least of the measured limits, per way to choose one."""
    hindsight = best_fraction(found)
    ways: dict[str, Choice] = {
        "least predicted": lambda c: int(np.argmin(c.predicted["energy"])),
        "fixed share, best on other devices": lambda c: c.at_fraction(_of_others(c, found)),
        f"fixed share {hindsight:.2f}, hindsight": lambda c: c.at_fraction(hindsight),
        "highest limit": lambda c: len(c.limit_w) - 1,
    }
    lines = []
    for device in ("", *sorted({c.device for c in found})):
        own = [c for c in found if device in {"", c.device}]
        for way, choose in list(ways.items())[: 2 if device else None]:
            loss = np.array([c.loss(choose(c)) for c in own])
            fit = metrics.summary(np.zeros_like(loss), loss)
            asked = f"energy / least, {device}" if device else "energy / least"
            lines.append(_record(left_out, asked, way, own, fit))
    return lines


def _of_others(curve: Curve, found: Sequence[Curve]) -> float:
    """The best fixed share by all other devices; without any, no limit."""
    others = [c for c in found if c.device != curve.device]
    return best_fraction(others) if others else 1.0


def best_fraction(found: Sequence[Curve]) -> float:
    """The share of the highest limit with the least mean excess of energy; the middle of ties."""
    excess = [
        np.mean([np.expm1(c.loss(c.at_fraction(f))) for c in found]) for f in FRACTIONS.tolist()
    ]
    best = np.flatnonzero(np.array(excess) <= min(excess) + 1e-12)
    return float(FRACTIONS[best[len(best) // 2]])


def _record(
    left_out: str, asked: str, way: str, found: Sequence[Curve], fit: Mapping[str, float]
) -> Record:
    return {
        "left_out": left_out,
        "asked": asked,
        "by": way,
        "n": fit["n"],
        "n_groups": len(found),
        "mdape": fit["mdape"],
        "mape": fit["mape"],
        "p90": fit["p90"],
    }
