"""What a few bursts are worth: devices held out, k rows of a pair given back, its others asked.

Answers are those of a model that never saw the device (in ``new-pair`` not the model either);
spreads of the prior come from the other devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator.calibration_fit import fit_spreads, new_model_spread
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration import NOISE, seen
from joulecast.estimator.serving.calibration_bursts import burst_of
from joulecast.estimator.serving.calibration_prior import TYPICAL
from joulecast.estimator.serving.calibration_update import FACTORS, Prior, Values, posterior

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run, Setup
    from joulecast.estimator.calibration_kernel import Places
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.calibration_bursts import Burst

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Mask = NDArray[np.bool_]
    Rows = NDArray[np.intp]

KS = (1, 2, 3)
GIVEN = ("same model", "other models")
DRAWS = 4
SEEN = ("served", "power")
"""What a row of a table tells: requests per second and watts."""
_STEP, _POWER = FACTORS.index("step"), FACTORS.index("power")
_MOST_RHO = 0.8
_SCORES = (1.0, 2.5)
"""Bounds of the factors by which posteriors are widened."""


@dataclass(frozen=True, slots=True)
class Cases:
    """Rows with an answer that never saw their group, each (n, ...).

    Attributes
    ----------
    places : where they stand. off : per figure of `SEEN` and ``request``, log(measured / answer).
    slopes : per figure, (n, 4), of the answers' logarithms. images : whether prompts hold some.
    """

    places: Places
    off: Mapping[str, Array]
    slopes: Mapping[str, Array]
    images: Mask

    @property
    def device(self) -> Labels:
        """Ids."""
        return self.places.device

    def take(self, rows: Rows) -> Cases:
        """The given rows."""
        off, slopes = ({q: v[rows] for q, v in part.items()} for part in (self.off, self.slopes))
        return Cases(self.places.take(rows), off, slopes, self.images[rows])

    def factors(self) -> dict[str, Array]:
        """The factors of step and power that would make each answer right, (n,)."""
        step = self.off["served"] / self.slopes["served"][:, _STEP]
        rest = self.off["power"] - step * self.slopes["power"][:, _STEP]
        return {"step": step, "power": rest / self.slopes["power"][:, _POWER]}


def telling(runs: Sequence[Run]) -> list[Burst]:
    """Those of `runs` in a closed loop that tell both pace and power."""
    closed = [run for run in runs if (s := run.setup.workload.serving) and s.rate_rps is None]
    return [b for b in map(burst_of, closed) if b.rate_rps and b.power_w]


def cases_of(bursts: Sequence[Burst], bundle: Bundle) -> Cases:
    """`bursts` (one at least), see `telling`, as `bundle` answers them.

    Parameters
    ----------
    bundle : fitted without the bursts' group.
    """
    found = seen([b.setup for b in bursts], bundle, Adjustment())
    measured = {
        "served": np.log([b.rate_rps or np.nan for b in bursts]),
        "power": np.log([b.power_w or np.nan for b in bursts]),
    }
    measured["request"] = measured["power"] - measured["served"]
    return Cases(
        places=found.places,
        off={q: measured[q] - found.logs[q] for q in measured},
        slopes={q: found.slopes[q] for q in measured},
        images=np.array([_has_images(b.setup) for b in bursts], dtype=bool),
    )


def _has_images(setup: Setup) -> bool:
    serving = setup.workload.serving
    return serving is not None and serving.image_tokens > 0


def joined(parts: Sequence[Cases]) -> Cases:
    """Cases one after the other."""
    first = parts[0]
    places = kernel.Places(
        *(np.concatenate([getattr(p.places, f) for p in parts]) for f in first.places.__slots__)
    )
    return Cases(
        places,
        {q: np.concatenate([p.off[q] for p in parts]) for q in first.off},
        {q: np.concatenate([p.slopes[q] for p in parts]) for q in first.slopes},
        np.concatenate([p.images for p in parts]),
    )


def learned(new_hardware: Cases, new_model: Cases) -> Prior:
    """The prior from cases whose device, and whose model, the answers never saw."""
    spreads = dict(TYPICAL.spreads)
    left, fresh = new_hardware.factors(), new_model.factors()
    for name in ("step", "power"):
        added = new_model_spread(fresh[name], new_model.places)
        spreads[name] = fit_spreads(left[name], new_hardware.places, added)
    both = np.clip(np.array([left["step"], left["power"]]), -1.0, 1.0)
    rho = float(np.clip(np.corrcoef(both)[0, 1], -_MOST_RHO, _MOST_RHO))
    return Prior(spreads, round(rho, 3), TYPICAL.scores)


@dataclass(frozen=True, slots=True)
class Trials:
    """Questions with k rows given, all (n,).

    Attributes
    ----------
    row : asked about. k, given : how many rows were given, whose (index in `GIVEN`).
    left : log(measured / answer) of joules per request after the rows. sd : as the posterior says.
    """

    row: Rows
    k: Rows
    given: Rows
    left: Array
    sd: Array

    def take(self, rows: Mask) -> Trials:
        """The given trials."""
        return Trials(*(getattr(self, name)[rows] for name in self.__slots__))


def trials(cases: Cases, prior_of: Mapping[str, Prior], seed: int = 0) -> Trials:
    """Every case asked with 0 others and with `KS` others of each kind, `DRAWS` times each.

    Parameters
    ----------
    prior_of : device -> prior learned without it.
    """
    rng = np.random.default_rng(seed)
    lines = [
        line
        for device in np.unique(cases.device)
        for line in _of_device(
            cases, np.flatnonzero(cases.device == device), prior_of[str(device)], rng
        )
    ]
    table = np.array(lines).reshape(-1, 5).T
    return Trials(*(v.astype(np.intp) for v in table[:3]), *table[3:])


def _of_device(
    cases: Cases, rows: Rows, prior: Prior, rng: np.random.Generator
) -> Iterator[tuple[float, ...]]:
    here = cases.take(rows)
    for i, row in enumerate(rows.tolist()):
        off = float(here.off["request"][i])
        yield (row, 0, 0, off, np.nan)
        for given, k, picked in _draws(i, here, rng):
            mean, sd = asked(here, i, picked, prior)
            yield (row, k, given, off - mean, sd)


def asked(cases: Cases, i: int, picked: Rows, prior: Prior) -> tuple[float, float]:
    """Posterior mean and deviation of row i's log joules per request, given the picked rows."""
    at = cases.places.take(np.array([i]))
    there = cases.places.take(picked)
    n = len(picked)
    values = Values(
        off=np.concatenate([cases.off[q][picked] for q in SEEN]),
        slopes=np.concatenate([cases.slopes[q][picked] for q in SEEN]),
        run=np.tile(np.arange(n), len(SEEN)),
        variance=np.repeat([NOISE[q] ** 2 for q in SEEN], n),
    )
    found = posterior(
        values, kernel.ties(at, there), kernel.ties(there, there), prior, repeats=False
    )
    slopes = cases.slopes["request"][i]
    return float(slopes @ found.mean), found.sd(slopes)


def _draws(i: int, here: Cases, rng: np.random.Generator) -> Iterator[tuple[int, int, Rows]]:
    """(index in `GIVEN`, k, rows drawn), where there are enough."""
    same = here.places.model == here.places.model[i]
    pools = (np.flatnonzero(same & (np.arange(len(same)) != i)), np.flatnonzero(~same))
    for given, pool in enumerate(pools):
        for k in KS:
            if len(pool) >= k:
                for _ in range(DRAWS):
                    yield given, k, rng.choice(pool, k, replace=False)


def scored(found: Trials, prior: Prior) -> Prior:
    """The prior with posteriors widened by what the trials' errors ask for."""
    scores = {}
    for basis, given in (("short-run", 0), ("calibrated", 1)):
        picked = (found.k > 0) & (found.given == given)
        z = np.abs(found.left[picked]) / found.sd[picked]
        factor = float(np.quantile(z, 0.9)) / 1.645 if picked.any() else 1.0
        factor = round(float(np.clip(factor, *_SCORES)), 3)
        scores[basis] = {"energy": factor, "saturation": factor}
    return Prior(prior.spreads, prior.rho, scores)


def table(found: Trials) -> dict[str, dict[str, float]]:
    """Errors per k and kind of given rows, in percent: n, median, 90th percentile, coverage.

    Coverage is the share of 90 % intervals that hold.
    """
    out = {}
    error = 100 * np.abs(np.expm1(-found.left))
    for given, name in enumerate(GIVEN):
        for k in (0, *KS):
            rows = (found.k == k) & ((found.given == given) | (k == 0))
            if not rows.any() or (k == 0 and given):
                continue
            hold = np.abs(found.left[rows]) <= 1.645 * found.sd[rows]
            out[f"k = {k}" + (f", {name}" if k else "")] = {
                "n": float(rows.sum()),
                "mdape": float(np.median(error[rows])),
                "p90": float(np.quantile(error[rows], 0.9)),
                "coverage": 100 * float(hold.mean()) if k else float("nan"),
            }
    return out
