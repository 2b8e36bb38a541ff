"""What a few runs are worth: devices held out, k of their runs given back, the rest asked about.

Residuals are those of learners that never saw the device, in ``new-pair`` not the model either;
spreads and interval scores come from other devices. A device's runs count as one machine's where
they come from one source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator import columns as columns_of
from joulecast.estimator import intervals, validate
from joulecast.estimator.bundle import ShortRuns
from joulecast.estimator.calibration_fit import fit_spreads, new_model_spread
from joulecast.estimator.fitting import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.calibration_kernel import Places, Spreads
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.validate import OutOfFold

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Mask = NDArray[np.bool_]
    Rows = NDArray[np.intp]
    Scores = dict[str, list[float]]

KS = (1, 3, 5)
GIVEN = ("other models", "same model", "same model, near")
"""Whose runs are given: near ones are of workloads that differ little, see `kernel.NEAR`."""
DRAWS = 2
PROTOCOLS = ("new-hardware", "new-pair")
POPULATIONS = ("gpu", "cpu", "tuned")
"""Populations with spreads of their own; at the wall those of ``gpu`` hold."""
_BASES: dict[str, tuple[int, ...]] = {"calibrated": (0, 1), "short-run": (2,)}
"""Whose runs (index in `GIVEN`) make up the scores of a basis."""


@dataclass(frozen=True, slots=True)
class Trials:
    """Questions with k runs given, all (n,).

    Attributes
    ----------
    row : asked about. k, given : how many runs were given, and whose (index in `GIVEN`).
    left : per quantity, log(measured / answer) after the runs. sd : of energy and time, as the
        process has it. plain : of energy, after subtracting the mean residual of the runs.
    """

    row: Rows
    k: Rows
    given: Rows
    left: Mapping[str, Array]
    sd: Mapping[str, Array]
    plain: Array

    def take(self, rows: Mask) -> Trials:
        """The given trials."""
        left, sd = ({q: v[rows] for q, v in part.items()} for part in (self.left, self.sd))
        return Trials(self.row[rows], self.k[rows], self.given[rows], left, sd, self.plain[rows])


def study(frame: Frame, oofs: Mapping[str, OutOfFold]) -> tuple[ShortRuns, dict[str, Trials]]:
    """Constants that sharpen answers, and the trials of GPUs by protocol.

    Parameters
    ----------
    oofs : of ``new-hardware``, ``new-pair`` and ``new-model``.
    """
    residuals = {p: signed_residuals(frame, oofs[p]) for p in (*PROTOCOLS, "new-model")}
    population, part = columns_of.populations(frame.columns), parts_of(frame)
    fitted, scored = {}, {}
    of_gpus: dict[str, Trials] = {}
    for name in POPULATIONS:
        rows = population == name
        here = places(frame, is_new=True).take(np.flatnonzero(rows))
        new = {q: new_model_spread(residuals["new-model"][q][rows], here) for q in TARGETS}
        left = residuals["new-hardware"]
        fitted[name] = spreads(frame, left, new, rows)
        nested = {int(p): spreads(frame, left, new, rows & (part != p)) for p in np.unique(part)}
        found = {
            p: trials(frame, residuals[p], nested, rows, is_new=p == "new-pair") for p in PROTOCOLS
        }
        scored[name] = {b: scores(found.values(), frame, given) for b, given in _BASES.items()}
        of_gpus = found if name == "gpu" else of_gpus
    return ShortRuns(fitted, scored), of_gpus


def signed_residuals(frame: Frame, oof: OutOfFold) -> dict[str, Array]:
    """log(measured / stacked answer) of energy, time and power, (n,)."""
    answer = validate.stacked(oof, frame)
    measured = {
        "energy": frame.log_energy_j,
        "time": frame.log_sample_s,
        "power": frame.log_power_w,
    }
    return {q: m - answer[q] for q, m in measured.items()}


def places(frame: Frame, *, is_new: bool) -> Places:
    """Where the rows of a frame stand."""
    new = np.full(len(frame), is_new)
    return kernel.places_of(frame.columns, frame.device, frame.model, new)


def parts_of(frame: Frame) -> Rows:
    """Fifth of the devices that each row's device belongs to, (n,)."""
    devices = np.random.default_rng(1).permutation(np.unique(frame.device))
    part = {d: i % validate.N_FOLDS for i, d in enumerate(devices)}
    return np.array([part[d] for d in frame.device], dtype=np.intp)


def spreads(
    frame: Frame, residual: Mapping[str, Array], new_model: Mapping[str, float], rows: Mask
) -> dict[str, Spreads]:
    """Spreads of time and power fitted on `rows`.

    Parameters
    ----------
    residual : of ``new-hardware``, see `signed_residuals`. new_model : per target.
    """
    picked = places(frame, is_new=False).take(np.flatnonzero(rows))
    return {q: fit_spreads(residual[q][rows], picked, new_model[q]) for q in TARGETS}


def trials(
    frame: Frame,
    residual: Mapping[str, Array],
    spreads_of: Mapping[int, Mapping[str, Spreads]],
    rows: Mask,
    *,
    is_new: bool,
) -> Trials:
    """Every row asked about with 0 runs and with `KS` runs of each kind, `DRAWS` times each.

    Parameters
    ----------
    spreads_of : part of the devices (see `parts_of`) -> target -> spreads fitted without it.
    rows : asked about, and drawn from, (n,).
    """
    known = rows & np.all([np.isfinite(v) for v in residual.values()], axis=0)
    where, part = places(frame, is_new=is_new), parts_of(frame)
    rng = np.random.default_rng(0)
    host = np.array([f"{d}|{s}" for d, s in zip(frame.device, frame.source, strict=True)])
    found = [
        line
        for label in np.unique(host[known])
        for line in _of_host(
            np.flatnonzero(known & (host == label)), where, residual, spreads_of, part, rng
        )
    ]
    table = np.array(found).reshape(-1, 9).T
    row, k, given = (v.astype(np.intp) for v in table[:3])
    left = dict(zip(("energy", "time", "power"), table[3:6], strict=True))
    return Trials(row, k, given, left, {"energy": table[6], "time": table[7]}, table[8])


def _of_host(
    rows: Rows,
    where: Places,
    residual: Mapping[str, Array],
    spreads_of: Mapping[int, Mapping[str, Spreads]],
    part: Rows,
    rng: np.random.Generator,
) -> Iterator[tuple[float, ...]]:
    own = spreads_of[int(part[rows[0]])]
    here = where.take(rows)
    ties = kernel.ties(here, here)
    covariance = {q: ties.covariance(s, repeats=False) for q, s in own.items()}
    pair = ties.pair
    prior = {q: float(s.prior_variance(here.is_new[:1])[0]) for q, s in own.items()}
    y = {q: v[rows] for q, v in residual.items()}
    for i, row in enumerate(rows.tolist()):
        sd = [float(np.hypot(prior["time"] ** 0.5, prior["power"] ** 0.5)), prior["time"] ** 0.5]
        zero_shot = [float(y[q][i]) for q in ("energy", "time", "power")]
        yield (row, 0, 0, *zero_shot, *sd, zero_shot[0])
        for given, k, runs in _draws(i, here, ties, rng):
            shift, spread = {}, {}
            for q, s in own.items():
                k_runs = covariance[q][np.ix_(runs, runs)] + s.noise**2 * np.eye(len(runs))
                said = kernel.settled(y[q][runs], k_runs, pair[np.ix_(runs, runs)])
                shift[q], spread[q], _ = kernel.posterior(
                    said, covariance[q][i, runs], pair[i, runs], prior[q]
                )
            left = [zero_shot[0] - shift["time"] - shift["power"]]
            left += [zero_shot[1] - shift["time"], zero_shot[2] - shift["power"]]
            sd = [float(np.hypot(spread["time"], spread["power"])), spread["time"]]
            yield (row, k, given, *left, *sd, zero_shot[0] - float(y["energy"][runs].mean()))


def _draws(
    i: int, here: Places, ties: kernel.Ties, rng: np.random.Generator
) -> Iterator[tuple[int, int, Rows]]:
    """(index in `GIVEN`, k, runs drawn), where the machine has enough runs."""
    other = np.flatnonzero(here.model != here.model[i])
    same = (here.model == here.model[i]) & (here.kinds[:, 3] == here.kinds[i, 3])
    same[i] = False
    near = np.flatnonzero(same & (ties.distance[i] < kernel.NEAR))
    models = np.unique(here.model[other])
    for k in KS:
        for _ in range(DRAWS):
            if len(models) >= k:
                drawn = rng.permutation(models)[:k]
                yield (0, k, np.array([rng.choice(other[here.model[other] == m]) for m in drawn]))
            for given, pool in ((1, np.flatnonzero(same)), (2, near)):
                if len(pool) >= k:
                    yield given, k, rng.choice(pool, k, replace=False)


def scores(found: Iterable[Trials], frame: Frame, given: tuple[int, ...]) -> Scores:
    """Quantiles of |residual| / standard deviation over the trials with those runs given.

    Where they are too few, those of a normal distribution.
    """
    picked = [t.take((t.k > 0) & np.isin(t.given, given)) for t in found]
    device = frame.device[np.concatenate([t.row for t in picked])]
    if len(device) < intervals.MIN_SCORES or len(np.unique(device)) < 2:
        from statistics import NormalDist

        normal = [NormalDist().inv_cdf((1 + level) / 2) for level in intervals.LEVELS]
        return {"energy": normal, "time": normal}
    return {
        q: intervals.quantiles(
            np.concatenate([np.abs(t.left[q]) / t.sd[q] for t in picked]), device
        )
        for q in ("energy", "time")
    }
