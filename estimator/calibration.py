"""An answer sharpened by the user's own runs: shrunken offsets per device, model and pair.

The posterior mean of log(measured / zero-shot answer) moves the answer, its standard deviation
sets the interval, with scores from devices that were held out (`kshot`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator import columns as columns_of
from joulecast.estimator import intervals, predictor
from joulecast.estimator.calibration_runs import PARTS, SCOPE_PARTS, cells_of
from joulecast.estimator.calibration_solve import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Basis, Run, Scope, Setup
    from joulecast.estimator.bundle import Bundle, ShortRuns
    from joulecast.estimator.calibration_kernel import Places
    from joulecast.estimator.calibration_runs import Cell
    from joulecast.estimator.calibration_solve import Solved
    from joulecast.estimator.predictor import Answers

    Array = NDArray[np.float64]

SETTLED_S = 60.0
"""Seconds of a window after which a power reading has settled: shorter ones read up to 10 % low."""
_BRIEF_SPREAD = 0.1
_LEVEL = 0.9
_NEW_MODEL = ("new-model", "new-pair")


@dataclass(frozen=True, slots=True)
class Sharpened:
    """One answer after the runs.

    Attributes
    ----------
    answers : figures and bounds replaced. basis : what they rest on.
    solved : ``time`` and the power of ``gpu``, ``cpu``, ``dram``; arrays over `cells`.
    cells : that were looked at; `counted` says which moved the answer, the heaviest first.
    residual : per key of `solved`, (n,), log(measured / zero-shot answer), NaN where not measured.
    near : indices of cells of the asked pair and nearly the asked workload.
    """

    answers: Answers
    basis: Basis
    solved: Mapping[str, Solved]
    cells: Sequence[Cell]
    residual: Mapping[str, Array]
    counted: tuple[int, ...]
    near: tuple[int, ...]

    def kept(self, runs: Iterable[Run], scope: Scope) -> list[Run]:
        """Those of `runs` that were not set aside as absurd in time or in the power of `scope`."""
        absurd = [self.solved[q].absurd for q in ("time", *SCOPE_PARTS[scope])]
        out = {id(r) for a in absurd for i in np.flatnonzero(a) for r in self.cells[int(i)].runs}
        return [run for run in runs if id(run) not in out]

    @property
    def startup_s(self) -> float:
        """Seconds that a start takes on top of the rate, as the pair's own runs had it."""
        if not self.near:
            return 0.0
        closest = max(self.near, key=lambda i: abs(self.solved["time"].weight[i]))
        return self.cells[closest].startup_s


@dataclass(frozen=True, slots=True)
class Given:
    """What sharpening goes by: the fitted bundle, the constants of short runs, the level."""

    bundle: Bundle
    short_runs: ShortRuns
    level: float


def sharpen(
    setup: Setup, zero_shot: Answers, runs: Iterable[Run], given: Given
) -> tuple[Sharpened | None, tuple[str, ...]]:
    """The answer to `setup` after `runs`, ``None`` where none counts, and doubts about runs."""
    cells, notices = cells_of(setup, runs)
    if not cells:
        return None, notices
    setups = [replace(c.run.setup, scope=_context(c, setup.scope)) for c in cells]
    expected = predictor.answer(setups, given.bundle, _LEVEL)
    asked, there = _places([setup], zero_shot), _places(setups, expected)
    across = kernel.ties(asked, there)
    problem = Problem(across, kernel.ties(there, there), np.array([float(c.n) for c in cells]))
    residual = _residuals(cells, expected, setup)
    spreads = given.short_runs.spreads[group_of(zero_shot)]
    brief = np.array([_brief_variance(c) for c in cells])
    scatter = np.array([c.scatter**2 / c.n for c in cells])
    solved = {
        q: problem.solved(y, scatter, spreads["time"])
        if q == "time"
        else problem.solved(y, brief, spreads["power"])
        for q, y in residual.items()
    }
    notices += _doubts(cells, solved, residual)
    counted = _counted(solved)
    if not counted:
        return None, notices
    same = across.device[0] & across.model[0] & (asked.kinds[0, 3] == there.kinds[:, 3])
    near = tuple(i for i in counted if same[i] and across.distance[0, i] <= kernel.NEAR)
    basis: Basis = "short-run" if near else "calibrated"
    repeats = max((cells[i].scatter for i in near), default=0.0)
    half = _half_widths(setup, zero_shot, solved, basis, given)
    if not _is_refuted(residual, expected, counted):
        half = {q: min(h, _zero_shot_half(q, zero_shot, given)) for q, h in half.items()}
    half = {q: math.hypot(h, repeats * _two_sided(given.level)) for q, h in half.items()}
    answers = _moved(setup, zero_shot, solved)
    answers = _bounded(answers, zero_shot, half, basis, given)
    return Sharpened(answers, basis, solved, cells, residual, counted, near), notices


def group_of(answers: Answers) -> str:
    """Which constants of short runs hold for one answer; at the wall those of the GPU."""
    population = str(columns_of.populations(answers.columns)[0])
    return "gpu" if population == "wall" else population


def _places(setups: Sequence[Setup], answers: Answers) -> Places:
    models = np.array([predictor.group_of(s.architecture) for s in setups])
    is_new = np.isin(answers.novelty, _NEW_MODEL)
    return kernel.places_of(answers.columns, columns_of.device_ids(setups), models, is_new)


def _context(cell: Cell, scope: Scope) -> Scope:
    """Scope in which a cell's power is compared: its own where it was measured as a whole."""
    if "wall" in cell.power_w:
        return "wall"
    if "system" in cell.power_w:
        return "system"
    part = scope in PARTS and getattr(cell.run.setup.machine, scope) is not None
    return scope if part else "system"


def _residuals(cells: Sequence[Cell], expected: Answers, setup: Setup) -> dict[str, Array]:
    """log(measured / expected) of time and of each part's power, (n_cells,), NaN if not measured.

    A whole measured at once speaks for all its parts; a processor or memory of another kind says
    nothing about the asked one.
    """
    out = {q: np.full(len(cells), np.nan) for q in ("time", *PARTS)}
    for i, cell in enumerate(cells):
        out["time"][i] = math.log(cell.sample_s / float(expected.sample_s[i]))
        whole = next((s for s in ("wall", "system") if s in cell.power_w), None)
        for part in PARTS:
            own, asked = (getattr(s.machine, part) for s in (cell.run.setup, setup))
            expected_w = float((expected.power_w if whole else expected.scope_w[part])[i])
            measured_w = cell.power_w.get(whole or part)
            foreign = part != "gpu" and (own and own.id) != (asked and asked.id)
            if measured_w is not None and expected_w > 0 and not foreign:
                out[part][i] = math.log(measured_w / expected_w)
    return out


def _brief_variance(cell: Cell) -> float:
    """Variance of a power reading over a window that is too short for the power to settle."""
    if cell.window_s is None:
        return 0.0
    return (_BRIEF_SPREAD * math.exp(-cell.window_s / SETTLED_S)) ** 2


def _counted(solved: Mapping[str, Solved]) -> tuple[int, ...]:
    """Indices of the cells that count in anything, the heaviest first."""
    weight = sum(np.abs(s.weight) for s in solved.values())
    counts = np.any([s.counted for s in solved.values()], axis=0)
    order = np.argsort(-np.asarray(weight), kind="stable")
    return tuple(int(i) for i in order if counts[i])


def _moved(setup: Setup, a: Answers, solved: Mapping[str, Solved]) -> Answers:
    """The figures of `a` times their offsets; bounds still as they were."""
    scope_w = {p: w * math.exp(solved[p].offset) for p, w in a.scope_w.items()}
    parts = SCOPE_PARTS[setup.scope]
    before_w, after_w = (sum(w[p] for p in parts) for w in (a.scope_w, scope_w))
    power_w = a.power_w * after_w / before_w
    sample_s = a.sample_s * math.exp(solved["time"].offset)
    energy_j = sample_s * power_w
    return replace(a, sample_s=sample_s, power_w=power_w, energy_j=energy_j, scope_w=scope_w)


def _half_widths(
    setup: Setup, a: Answers, solved: Mapping[str, Solved], basis: str, given: Given
) -> dict[str, float]:
    """Half widths of energy and time, natural log; repeats of one run differ by that much, too."""
    parts = SCOPE_PARTS[setup.scope]
    power_w = {p: float(a.scope_w[p][0]) * math.exp(solved[p].offset) for p in parts}
    power_sd = sum(w * solved[p].sd for p, w in power_w.items()) / sum(power_w.values())
    sd = {"time": solved["time"].sd, "energy": math.hypot(solved["time"].sd, power_sd)}
    scores = given.short_runs.scores[group_of(a)][basis]
    least = repeat_half(given.level)
    return {q: max(intervals.at_level(scores[q], given.level) * sd[q], least) for q in sd}


def repeat_half(level: float) -> float:
    """Half width of an interval that repeats of one run alone would need, natural log."""
    return _two_sided(level) * kernel.REPEAT


def _two_sided(level: float) -> float:
    """Standard deviations on either side of a normal mean that hold `level` of it."""
    from statistics import NormalDist  # slow to import

    return NormalDist().inv_cdf((1 + level) / 2)


def _zero_shot_half(quantity: str, a: Answers, given: Given) -> float:
    """Half width without any run, inside the hull."""
    population = str(columns_of.populations(a.columns)[0])
    scores = given.bundle.calibration.scores[population][a.novelty[0]]
    return intervals.at_level(scores[quantity], given.level)


def _is_refuted(residual: Mapping[str, Array], expected: Answers, counted: Sequence[int]) -> bool:
    """Whether most cells lie outside their own zero-shot intervals: those are too narrow here."""
    rows = list(counted)
    half_s = np.log(expected.sample_high_s / expected.sample_s)[rows]
    half_j = np.log(expected.energy_high_j / expected.energy_j)[rows]
    time = residual["time"][rows]
    main = np.where(expected.columns["is_cpu"] > 0, residual["cpu"], residual["gpu"])[rows]
    off = np.fmax(np.abs(time) / half_s, np.abs(time + main) / half_j)
    return bool(np.median(off) > 1)


def _bounded(
    a: Answers, zero_shot: Answers, half: Mapping[str, float], basis: str, given: Given
) -> Answers:
    """`a` with new bounds: off the hull they keep their shape, unless the pair was measured."""
    z = zero_shot
    time = [np.log(z.sample_s / z.sample_low_s), np.log(z.sample_high_s / z.sample_s)]
    energy = [np.log(z.energy_j / z.energy_low_j), np.log(z.energy_high_j / z.energy_j)]
    if basis == "short-run":
        time, energy = ([np.full(1, half[q])] * 2 for q in ("time", "energy"))
    else:
        time, energy = (
            [side * half[q] / _zero_shot_half(q, z, given) for side in sides]
            for q, sides in (("time", time), ("energy", energy))
        )
    return replace(
        a,
        sample_low_s=a.sample_s * np.exp(-time[0]),
        sample_high_s=a.sample_s * np.exp(time[1]),
        energy_low_j=a.energy_j * np.exp(-energy[0]),
        energy_high_j=a.energy_j * np.exp(energy[1]),
        extrapolated=a.extrapolated & (basis != "short-run"),
    )


def _doubts(
    cells: Sequence[Cell], solved: Mapping[str, Solved], residual: Mapping[str, Array]
) -> tuple[str, ...]:
    """A sentence per cell that stands far off, and one for those without a power sensor."""
    out = []
    for i, cell in enumerate(cells):
        odd = [q for q, s in solved.items() if s.absurd[i] or s.doubt[i] > 0]
        if odd:
            q = max(odd, key=lambda q: abs(residual[q][i]))
            what = "time" if q == "time" else f"{q} power"
            factor = math.exp(float(residual[q][i]))
            fate = "set aside" if solved[q].absurd[i] else "it moves other answers little"
            name = f"{cell.run.setup.architecture.name} on {cell.run.setup.machine.id}"
            out.append(f"run of {name}: {factor:.2g} times the expected {what}; {fate}")
    unmetered = sum(c.n for c in cells if not c.power_w)
    if unmetered:
        subject = "1 run" if unmetered == 1 else f"{unmetered} runs"
        out.append(f"no sensor stands behind the power of {subject}: only the time counts")
    return tuple(out)
