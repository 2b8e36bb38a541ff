"""How often, of two machines for one workload, the one that uses less energy is named.

Every pair of devices that one source measured at the same workload is asked about, each device
predicted by learners that never saw it. Three rules that need no model stand beside the answer.
The nearest measured row is sought among other devices than the two: else each would be answered
with the other's energy, and the rule would name the wrong one whenever it found the right rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import validate
from joulecast.estimator.studies._alike import grouped, workload_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Device, Run
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.studies import Case, Record

    Array = NDArray[np.float64]

TITLE = "of two machines the one that uses less energy, percent named rightly"
LEFT_OUT = {"new-hardware": "device", "new-pair": "device and model"}
LEAST_RATIO = 1.1
"""Measured energies closer than this leave nothing to decide."""
RULES = ("right", "nearest_row", "newer", "lower_tdp")
N_RESAMPLES = 2000
LEVEL = 0.9


@dataclass(frozen=True, slots=True)
class Side:
    """One machine's part in a comparison: its runs and their mean energy, joules per sample."""

    device: Device
    rows: Sequence[int]
    measured_j: float
    predicted_j: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two machines at one workload; `less` used less energy than `more` when measured.

    Attributes
    ----------
    kind : what is compared, in words: devices and scope. nearest_log_j : of `less` and of `more`,
        natural log of what the nearest measured row of a third device used.
    """

    kind: str
    workload: Hashable
    less: Side
    more: Side
    nearest_log_j: tuple[float, float]

    def devices(self) -> str:
        """Ids of the two devices, in alphabetical order."""
        return " / ".join(sorted((self.less.device.id, self.more.device.id)))

    def rightly(self) -> dict[str, float]:
        """Per rule 1 where it names the machine that used less, 0 where not, half for a tie."""
        a, b = self.less, self.more
        return {
            "right": _below(a.predicted_j, b.predicted_j),
            "nearest_row": _below(*self.nearest_log_j),
            "newer": _below(b.device.year, a.device.year),
            "lower_tdp": _below(a.device.tdp_w, b.device.tdp_w),
        }


def records(case: Case) -> list[Record]:
    """Per protocol and kind of pair how often each rule was right; then per pair of devices.

    The interval is a bootstrap over pairs of devices.
    """
    lines: list[Record] = []
    for protocol, left_out in LEFT_OUT.items():
        if protocol not in case.answers:
            continue
        found = pairs(case, protocol)
        for kind in sorted({p.kind for p in found}, key=lambda k: ("CPU" in k, k)):
            own = [p for p in found if p.kind == kind]
            lines.append(_line(left_out, kind, own, case.seed))
            names = sorted({p.devices() for p in own})
            if protocol == "new-hardware" and len(names) > 1:
                for name in names:
                    part = [p for p in own if p.devices() == name]
                    lines.append(_line(left_out, name, part, case.seed))
    return lines


def pairs(case: Case, protocol: str) -> list[Pair]:
    """All pairs of machines whose measured energies differ by more than a tenth."""
    known = np.isfinite(case.frame.log_energy_j) & np.isfinite(case.answers[protocol]["energy"])
    rows = np.flatnonzero(known & (case.frame.regime == "common")).tolist()
    found = []
    for workload, alike in grouped(rows, case.runs, workload_of).items():
        by_device = grouped(alike, case.runs, lambda r: _device(r).id)
        if len(by_device) < 2:
            continue
        scope = case.runs[alike[0]].setup.scope
        sides = [_side(own, case, protocol) for own in by_device.values()]
        for a, b in combinations(sides, 2):
            less, more = (a, b) if a.measured_j < b.measured_j else (b, a)
            kind = _kind(less.device, more.device, scope)
            if kind and more.measured_j > LEAST_RATIO * less.measured_j:
                near = _nearest(less, more, case.frame, protocol)
                found.append(Pair(kind, workload, less, more, near))
    return found


def _nearest(less: Side, more: Side, frame: Frame, protocol: str) -> tuple[float, float]:
    """What the nearest measured row of a third device used, natural log, for both sides."""
    third = ~np.isin(frame.device, [less.device.id, more.device.id])
    if protocol == "new-pair":
        third &= frame.model != frame.model[less.rows[0]]
    asked = frame.take(np.array([less.rows[0], more.rows[0]]))
    less_log_j, more_log_j = validate.nearest_row(frame.take(np.flatnonzero(third)), asked).tolist()
    return less_log_j, more_log_j


def _side(rows: Sequence[int], case: Case, protocol: str) -> Side:
    """The device's runs at the limit nearest to its vendor's, repeats as their mean."""
    limit_w, tdp_w = case.frame.columns["limit_w"][rows], case.frame.columns["tdp_w"][rows]
    away = np.abs(limit_w - tdp_w)
    at = np.asarray(rows)[away == away.min()]
    return Side(
        _device(case.runs[rows[0]]),
        at.tolist(),
        float(np.exp(case.frame.log_energy_j[at]).mean()),
        float(np.exp(case.answers[protocol]["energy"][at]).mean()),
    )


def _device(run: Run) -> Device:
    device = run.setup.machine.accelerator
    if device is None:
        message = f"machine '{run.setup.machine.id}' has neither a GPU nor a CPU"
        raise ValueError(message)
    return device


def _kind(a: Device, b: Device, scope: str) -> str:
    """What a pair compares, blank for what nobody chooses between."""
    kinds = sorted({a.kind, b.kind})
    return {"gpu": f"GPUs, {scope} scope", "cpu gpu": f"CPU against GPU, {scope} scope"}.get(
        " ".join(kinds), ""
    )


def _below(a: float, b: float) -> float:
    return 0.5 if a == b or np.isnan(a - b) else float(a < b)


def _line(left_out: str, between: str, found: Sequence[Pair], seed: int) -> Record:
    """How often each rule was right, percent, with the interval of the answer's share."""
    outcome = [p.rightly() for p in found]
    bounds = interval([o["right"] for o in outcome], [p.devices() for p in found], seed)
    share = {rule: float(100 * np.mean([o[rule] for o in outcome])) for rule in RULES}
    return {
        "left_out": left_out,
        "between": between,
        "n": len(found),
        "workloads": len({p.workload for p in found}),
        "device_pairs": len({p.devices() for p in found}),
        "right_percent": share["right"],
        **({"low_percent": bounds[0], "high_percent": bounds[1]} if bounds else {}),
        **{f"{rule}_percent": share[rule] for rule in RULES[1:]},
    }


def interval(
    right: Sequence[float], cluster: Sequence[str], seed: int
) -> tuple[float, float] | None:
    """Bounds of the share, percent, at `LEVEL`: a bootstrap over clusters; none with one alone."""
    names, index = np.unique(cluster, return_inverse=True)
    if len(names) < 2:
        return None
    total, count = np.bincount(index, np.asarray(right)), np.bincount(index)
    drawn = np.random.default_rng(seed).integers(0, len(names), (N_RESAMPLES, len(names)))
    share: Array = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = 100 * np.quantile(share, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
