"""The papers' recommendations (their section 7), computed: each stands on figures of these runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Advice
from joulecast.estimator.insight.advice_batch import of_batches
from joulecast.estimator.insight.advice_gaps import gaps
from joulecast.estimator.insight.advice_servers import of_servers
from joulecast.estimator.insight.configurations import coded, grouped, joined, series
from joulecast.estimator.insight.correlations import POOLED, by_size, known
from joulecast.estimator.insight.saturation import curves
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from joulecast.core.insight import Correlation, Knee, PhaseRatio
    from joulecast.estimator.insight.frame import Frame

    Array = NDArray[np.float64]

_SANE, _LEAST_EPOCHS = 0.5, 5
"""Accuracy of the best network, and epochs of training, below which accuracies advise nothing."""
POINTS = 0.02
"""Accuracy that counts as comparable: two points below the best."""
_WORTH = 0.01
_RANKED, _LEAST_RANKED = 0.5, 8
_ENERGY_OF = {"infer": "energy of inference", "train": "energy of training"}
_BEFORE_A_RUN = ("macs_param", "model_size_to_ram", "parameters")


def advice(
    frame: Frame,
    scope: str,
    phases: Sequence[PhaseRatio],
    knees: Sequence[Knee],
    correlations: Sequence[Correlation],
) -> tuple[Advice, ...]:
    """What these runs advise, nothing that they do not show; energies are of `scope`.

    Parameters
    ----------
    frame : one row per configuration.
    """
    seen = known(frame, scope)
    found = [
        *_network(seen, scope),
        *_rank(seen, correlations, scope),
        *of_batches(seen, scope),
        *_limit(seen, scope),
        *_saturation(frame, knees),
        *_phase(phases),
        *of_servers(seen, scope),
        *gaps(frame, scope),
    ]
    return tuple(found)


def _network(frame: Frame, scope: str) -> Iterator[Advice]:
    """The network of least energy among those nearly as accurate as the best.

    Networks at chance level or hardly trained advise nothing.
    """
    known_at = np.isfinite(frame.number["accuracy"]) & ~(frame.number["epochs"] < _LEAST_EPOCHS)
    group = _most_networks(frame.where(known_at))
    if group is None or group.number["accuracy"].max() < _SANE:
        return
    energy_j, accuracy = group.number[f"energy_per_sample_{scope}_j"], group.number["accuracy"]
    top = int(np.lexsort((energy_j, -accuracy))[0])
    near = np.flatnonzero(accuracy >= accuracy[top] - POINTS)
    pick = int(near[np.argmin(energy_j[near])])
    saved = 1 - float(energy_j[pick] / energy_j[top])
    where = f"on {group.text['machine'][pick]} ({_ENERGY_OF[group.text['task'][pick]]})"
    if saved < _WORTH:
        text = (
            f"{group.text['model'][top]} {where} is the most accurate ({accuracy[top]:.1%}) and "
            f"no network within {100 * POINTS:g} points of it needs less energy"
        )
        yield Advice("model", text)
        return
    text = (
        f"{group.text['model'][pick]} {where} needs {saved:.0%} less energy per sample than "
        f"{group.text['model'][top]} for {100 * float(accuracy[top] - accuracy[pick]):.1f} points "
        f"of accuracy ({accuracy[pick]:.1%} against {accuracy[top]:.1%})"
    )
    yield Advice("model", text, saved)


def _most_networks(frame: Frame) -> Frame | None:
    """The runs on the machine and data set with most networks, of inference if there are any."""
    for task in ("infer", "train"):
        part = frame.where(frame.text["task"] == task)
        key = joined([coded(part.text[n]) for n in ("machine", "dataset")])
        groups = [part.where(places) for places in grouped(key)]
        counts = [len(set(group.text["model"].tolist())) for group in groups]
        if max(counts, default=0) > 1:
            return groups[int(np.argmax(counts))]
    return None


def _rank(frame: Frame, correlations: Sequence[Correlation], scope: str) -> Iterator[Advice]:
    """The figure known before a run that ranks networks best by energy, on every machine."""
    ranked: dict[str, list[Correlation]] = {}
    inferred = frame.where(frame.text["task"] == "infer")
    networks = {
        m: len(set(inferred.text["model"][rows].tolist())) for m, rows in by_size(inferred).items()
    }
    for c in correlations:
        own = c.target == scope and c.group != POOLED and c.task == "infer"
        enough = min(c.n, networks.get(c.group, 0)) >= _LEAST_RANKED
        if own and c.metric in _BEFORE_A_RUN and c.spearman is not None and enough:
            ranked.setdefault(c.metric, []).append(c)
    sure = {m: rows for m, rows in ranked.items() if min(map(_at_least, rows)) > _RANKED}
    if not sure:
        return
    metric, rows = max(sure.items(), key=lambda item: min(c.spearman or -1.0 for c in item[1]))
    rho = sorted(c.spearman for c in rows if c.spearman is not None)
    span = f"{rho[0]:.2f}" if len(rho) == 1 else f"{rho[0]:.2f} to {rho[-1]:.2f}"
    text = (
        f"rank networks by {metric} before measuring any: its rank correlation with the energy of "
        f"inference is {span} on {counted(len(rows), 'machine')}"
    )
    yield Advice("metric", text)


def _at_least(c: Correlation) -> float:
    """The lower bound of a rank correlation; a perfect order has none and is taken as it is."""
    return c.spearman_low if c.spearman_low is not None else (c.spearman or -1.0)


def _limit(frame: Frame, scope: str) -> Iterator[Advice]:
    """The power limit of least energy, what it saves and how much slower it is."""
    found = []
    for group in series(frame.where(np.isfinite(frame.number["limit_w"])), "limit_w"):
        limits = group.number["limit_w"]
        if len(np.unique(limits)) < 2:
            continue
        energy_j, sample_s = group.number[f"energy_per_sample_{scope}_j"], group.number["sample_s"]
        best, full = int(np.argmin(energy_j)), int(np.argmax(limits))
        saved = 1 - float(energy_j[best] / energy_j[full])
        found.append((saved, group, best, full, float(sample_s[best] / sample_s[full] - 1)))
    if not found:
        return
    order = sorted(found, key=lambda one: one[0])
    saved, group, best, full, slower = order[len(order) // 2]
    limits = group.number["limit_w"]
    if saved < _WORTH:
        text = (
            f"{group.text['model'][best]} on {group.text['machine'][best]} needs as little energy "
            f"at {limits[full]:g} W as at any lower power limit that was run"
        )
        if len(found) > 1:
            text += f" (the middle one of {len(found)} such series)"
        yield Advice("power-limit", text)
        return
    pace = f"{slower:.0%} slower" if slower > 0 else "no slower"
    text = (
        f"{group.text['model'][best]} on {group.text['machine'][best]} needs {saved:.0%} less "
        f"energy at a power limit of {limits[best]:g} W than at {limits[full]:g} W"
        f"{', ' + pace if np.isfinite(slower) else ''}"
    )
    if len(found) > 1:
        text += f" (the middle one of {len(found)} such series)"
    yield Advice("power-limit", text, saved)


def _saturation(frame: Frame, knees: Sequence[Knee]) -> Iterator[Advice]:
    """The run nearest to the knee of its machine without passing it."""
    seen = dict(curves(frame))
    for knee in knees:
        if knee.knee_util_frac is None or knee.knee_power_w is None:
            continue
        part = seen[knee.machine]
        util = part.number["gpu_util_frac"]
        below = np.flatnonzero(util <= knee.knee_util_frac)
        if not len(below):
            continue
        nearest = int(below[np.argmax(util[below])])
        beyond = float((util > knee.knee_util_frac).mean())
        text = (
            f"on {knee.machine} GPU power stops rising at {knee.knee_util_frac:.0%} utilisation "
            f"({knee.knee_power_w:.0f} W per GPU); {beyond:.0%} of the runs are beyond. Place work "
            f"just below, as {part.text['model'][nearest]} at batch "
            f"{part.number['batch_size'][nearest]:g} ({util[nearest]:.0%})"
        )
        yield Advice("saturation", text)
        return


def _phase(phases: Sequence[PhaseRatio]) -> Iterator[Advice]:
    """Training over inference: how many passes of inference an epoch is worth."""
    if not phases:
        return
    times = np.array([p.time_ratio for p in phases])
    energies = np.array([p.energy_ratio for p in phases if p.energy_ratio is not None])
    networks = counted(len({p.model for p in phases}), "network")
    if len({p.machine for p in phases}) > 1:
        networks += f" on {len({p.machine for p in phases})} machines"
    text = (
        f"training takes {np.median(times):.1f} x the time of inference per sample "
        f"({times.min():.1f} to {times.max():.1f}, {networks})"
    )
    if len(energies):
        middle = float(np.median(energies))
        text += (
            f" and {middle:.1f} x its energy: 100 epochs of training weigh as much as "
            f"{100 * middle:,.0f} passes of inference over as many samples"
        )
    yield Advice("phase", text)
