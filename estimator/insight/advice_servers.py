"""What bursts on model servers advise: how near to saturation, and how large a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.insight import Advice
from joulecast.core.units import format_si
from joulecast.estimator.insight.configurations import coded, grouped, joined, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.estimator.insight.frame import Frame

_REQUEST = ("output_tokens", "prompt_tokens", "cache_hit_frac")
_LIKE = 0.1
_LEAST_RATES = 3
_NEAR = 0.05
_WORTH = 0.01


def of_servers(frame: Frame, scope: str) -> Iterator[Advice]:
    """Advice from runs of task ``serve`` that know the energy of `scope`."""
    part = frame.where((frame.text["task"] == "serve") & np.isfinite(frame.number["rate_rps"]))
    if len(part):
        yield from _rate(part, scope)
        yield from _size(part, scope)


def _rate(part: Frame, scope: str) -> Iterator[Advice]:
    """The rate of least energy per request at which the queue does not grow."""
    found = []
    for group in series(part, "rate_rps", "concurrency", "batch_size", *_REQUEST):
        alike = _alike(group)
        if len(np.unique(alike.number["rate_rps"])) < _LEAST_RATES:
            continue
        carried = alike.where(alike.number["saturated"] != 1)
        if not len(carried):
            continue
        energy_j = carried.number[f"energy_per_sample_{scope}_j"]
        rates = carried.number["rate_rps"]
        best, slowest = int(np.argmin(energy_j)), int(np.argmin(rates))
        saved = 1 - float(energy_j[best] / energy_j[slowest])
        if saved >= _WORTH:
            found.append((saved, carried, best, slowest))
    if not found:
        return
    saved, group, best, slowest = max(found, key=lambda one: one[0])
    energy_j, rates = group.number[f"energy_per_sample_{scope}_j"], group.number["rate_rps"]
    each = format_si(float(energy_j[best]), "J")
    text = (
        f"fill servers up to just below saturation: {group.text['model'][best]} on "
        f"{group.text['machine'][best]} needs {each} a request at {rates[best]:.3g} per second, "
        f"{saved:.0%} less than at {rates[slowest]:.3g}"
    )
    yield Advice("serving", text, saved)


def _alike(group: Frame) -> Frame:
    """The runs whose requests are like the middle one: other requests need other energies."""
    mask = np.ones(len(group), dtype=bool)
    for name in _REQUEST:
        values = group.number[name]
        known = np.isfinite(values)
        if known.any():
            usual = float(np.median(values[known]))
            mask &= ~known | (np.abs(values - usual) <= _LIKE * usual)
    return group.where(mask)


def _size(part: Frame, scope: str) -> Iterator[Advice]:
    """Energy per request of the largest against the smallest model, at low and at high rates.

    Each has its own answers' length, as in the papers; the requests are of one data set.
    """
    machine, lines = "", list[tuple[float, float, str, str]]()
    key = joined([coded(part.text["machine"]), coded(part.text["dataset"])])
    for places in grouped(key):
        group = part.where(places)
        found = _ratios(group, scope)
        if len(found) > len(lines):
            machine, lines = group.text["machine"][0], found
    if not lines:
        return
    rate, ratio, large, small = lines[0]
    text = (
        f"on {machine} {large} needs {ratio:.1f} x the energy per request of {small} "
        f"at {rate:.3g} per second"
    )
    if len(lines) > 1:
        text += f" and {lines[-1][1]:.1f} x at {lines[-1][0]:.3g}"
    text += ": take the smallest model that answers well enough"
    yield Advice("serving", text, 1 - 1 / ratio if ratio > 1 else None)


def _ratios(group: Frame, scope: str) -> list[tuple[float, float, str, str]]:
    """Rate, energy of the largest over the smallest model, both names, by rising rate."""
    number = group.number
    params = number["params"]
    large, small = (group.text["model"][pick(params)] for pick in (np.argmax, np.argmin))
    if large == small:
        return []
    out = []
    for rate in np.unique(number["rate_rps"]):
        at = np.abs(number["rate_rps"] - rate) <= _NEAR * rate
        energies = [
            number[f"energy_per_sample_{scope}_j"][at & (group.text["model"] == model)]
            for model in (large, small)
        ]
        if all(len(e) for e in energies):
            over, under = (float(np.median(e)) for e in energies)
            out.append((float(rate), over / under, large, small))
    return out
