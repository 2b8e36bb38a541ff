"""A measured request-rate curve on an unseen GPU: zero-shot, from two bursts, and beside a rule.

Asked are joules per request and the saturation rate without being told the throughput, by what
`estimate` answers with: the stack of learners, fitted without the curve's GPU, and its calibration
from bursts. The rule is 0.93 x power limit / min(rate, saturation), with the measured saturation
given to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.predictor import device_of
from joulecast.estimator.serving import calibration, predictor
from joulecast.estimator.serving.fitting import fit
from joulecast.estimator.serving.frame import frame_of
from joulecast.estimator.serving.studies import missed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Run
    from joulecast.estimator.serving.bundle import Bundle

    Array = NDArray[np.float64]
    Record = dict[str, str | float]

TITLE = "A request-rate curve of an unseen GPU (joules per request, throughput not given)"
_RULE = 0.93
_FEWEST = 4
"""Rates that make a curve."""
_PATIENT = 0.95
"""Share of the offered rate that a server below saturation answers at least."""


def records(runs: Sequence[Run], bundle: Bundle, seed: int = 0) -> Iterator[Record]:
    """Per curve among `runs` one line per way to answer and figure, percent.

    Parameters
    ----------
    bundle : fitted on `runs`; its weights of the learners are taken as they are, its learners
        fitted anew without the curve's device.
    """
    for curve in curves_of(runs):
        unseen = _without(device_of(curve[0].setup), runs, bundle, seed)
        for line in _asked(curve, unseen):
            yield {"server": curve[0].model_group, **line}


def curves_of(runs: Sequence[Run]) -> list[list[Run]]:
    """Servers measured at several rates, joules told, with one beyond saturation."""
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        serving, m = run.setup.workload.serving, run.measurement
        if serving and serving.rate_rps and m.energy_j.get(run.setup.scope) and m.burst:
            key = run.source, run.model_group, device_of(run.setup)
            found.setdefault(key, []).append(run)
    return [c for c in found.values() if len(c) >= _FEWEST and not _kept_up(c).all()]


def _without(device: str, runs: Sequence[Run], bundle: Bundle, seed: int) -> Bundle:
    """`bundle` as it would answer had it never seen `device`."""
    rest = frame_of([r for r in runs if device_of(r.setup) != device])
    pairs = {d: groups for d, groups in bundle.pairs.items() if d != device}
    return replace(bundle, fitted=fit(rest, seed), pairs=pairs)


def _asked(curve: Sequence[Run], bundle: Bundle) -> Iterator[Record]:
    rps, joules, offered = _measured(curve)
    every = list(range(len(curve)))
    yield from _lines("zero-shot", curve, bundle, every, [])
    top = int(np.argmax(offered))
    for i in np.flatnonzero(_kept_up(curve)).tolist():
        rest = [j for j in every if j not in {i, top}]
        name = f"after {offered[i]:g} and {offered[top]:g} per second"
        yield from _lines(name, curve, bundle, rest, [curve[i], curve[top]])
    machine = curve[0].setup.machine
    device = machine.accelerator
    limit_w = machine.gpu_power_limit_w or (device.tdp_w if device else np.nan)
    rule = _RULE * limit_w * machine.n_gpus / np.minimum(offered, rps.max())
    yield {"answer": "rule", "asked": "energy", **missed(np.log(rule / joules))}


def _lines(
    answer: str, curve: Sequence[Run], bundle: Bundle, rows: Sequence[int], bursts: Sequence[Run]
) -> Iterator[Record]:
    """Joules at the rates of `rows` and saturation, with `bursts` given."""
    rps, joules, _ = _measured(curve)
    told = []
    for i in rows:
        adjust, _, _ = calibration.adjusted(curve[i].setup, bursts, bundle)
        told.append(predictor.answer([curve[i].setup], bundle, adjust=adjust))
    energy = np.array([float(a.request_j[0]) for a in told])
    yield {"answer": answer, "asked": "energy", **missed(np.log(energy / joules[list(rows)]))}
    most = np.log(float(told[-1].saturation_rps[0]) / rps.max())
    yield {"answer": answer, "asked": "saturation", **missed(np.array([most]))}


def _kept_up(curve: Sequence[Run]) -> NDArray[np.bool_]:
    """Whether each rate was answered in full, (n,)."""
    rps, _, offered = _measured(curve)
    full: NDArray[np.bool_] = rps >= _PATIENT * offered
    return full


def _measured(curve: Sequence[Run]) -> tuple[Array, Array, Array]:
    """Answered requests per second, joules per request, offered requests per second, each (n,)."""
    bursts = [run.measurement.burst for run in curve]
    rps = np.array([b.achieved_rps if b else np.nan for b in bursts])
    offered = np.array([b.offered_rps if b else np.nan for b in bursts])
    joules = np.array(
        [r.measurement.energy_j[r.setup.scope] / (r.measurement.samples or np.nan) for r in curve]
    )
    return rps, joules, offered
