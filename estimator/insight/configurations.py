"""Repeats of one configuration as one row: a correlation over repeats would claim too many runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator.insight.frame import NUMBERS, PREDICTED, TEXTS, Frame
from joulecast.estimator.insight.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.intp]

_KEY_TEXTS = (
    *("model", "machine", "task", "precision", "framework", "dataset", "optimiser", "variant"),
    "source",
)
_KEY_NUMBERS = (
    *("macs", "params", "trainable_params", "batch_size", "limit_w", "n_gpus"),
    *("rate_rps", "concurrency", "output_tokens", "prompt_tokens", "cache_hit_frac"),
)
_DIGITS = 6
"""Significant digits to which numbers of a configuration have to agree."""
_MEASURED_IN_RUN = ("rate_rps", "output_tokens", "prompt_tokens", "cache_hit_frac")
_SERVED_DIGITS = 2
"""Likewise of what a burst itself counted."""
_MOST_CODES = 2**62
"""Numbers that a combination of codes may have before they are numbered anew."""


def configurations(frame: Frame) -> tuple[Frame, tuple[str, ...]]:
    """One row per configuration, the median of its repeats, and sentences on what was merged.

    A configuration is a network on a machine with its task, batch size, precision, power limit,
    framework, data set, source and, of servers, the requests. Where it was measured, on whatever
    data of that size, what was predicted for it is left out.
    """
    group = configuration_of(frame)
    kept = _measured_first(frame)
    said = []
    if len(kept) < len(frame):
        said.append(
            f"{counted(len(frame) - len(kept), 'prediction')} left out: "
            "the same configurations were run as well"
        )
    frame, group = frame.where(kept), group[kept]
    merged = medians(frame, group)
    if len(merged) < len(frame):
        said.append(
            f"{len(frame):,} runs are {counted(len(merged), 'configuration')}: the median of "
            "repeats of one counts as one run"
        )
    return merged, tuple(said)


def configuration_of(frame: Frame, free: Sequence[str] = ()) -> Codes:
    """Number of each run's configuration, (n,), from 0; what is `free` does not tell any apart."""
    columns: list[Codes] = [coded(frame.text[n]) for n in _KEY_TEXTS if n not in free]
    for name in (n for n in _KEY_NUMBERS if n not in free):
        digits = _SERVED_DIGITS if name in _MEASURED_IN_RUN else _DIGITS
        columns.append(coded(_rounded(frame.number[name], digits)))
    return joined(columns)


def series(frame: Frame, *free: str) -> Iterator[Frame]:
    """The runs that are one configuration but for what is `free` to vary, set by set."""
    for places in grouped(configuration_of(frame, free)):
        yield frame.where(places)


def grouped(codes: Codes) -> list[Codes]:
    """Places of the runs of each code, those of the least code first."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []


def coded(values: NDArray[np.object_] | Array) -> Codes:
    """Number of each distinct value, (n,), from 0; unknown is a value of its own."""
    if values.dtype == object:
        place: dict[str, int] = {}
        codes = [place.setdefault(value, len(place)) for value in values.tolist()]
        return np.array(codes, dtype=np.intp)
    return np.unique(values, return_inverse=True)[1].astype(np.intp)


def joined(columns: Sequence[Codes]) -> Codes:
    """Number of each distinct combination of codes, (n,), from 0."""
    whole, width = columns[0], int(columns[0].max(initial=0)) + 1
    for codes in columns[1:]:
        size = int(codes.max(initial=0)) + 1
        if width * size > _MOST_CODES:
            whole = np.unique(whole, return_inverse=True)[1].astype(np.intp)
            width = int(whole.max(initial=0)) + 1
        whole, width = whole * size + codes, width * size
    return np.unique(whole, return_inverse=True)[1].astype(np.intp)


def _rounded(values: Array, digits: int) -> Array:
    """Values to `digits` significant digits, (n,)."""
    size = np.where((values > 0) & np.isfinite(values), values, 1.0)
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(size)))
    return np.rint(values * scale) / scale


def _measured_first(frame: Frame) -> Codes:
    """Places of the runs that are kept: no prediction of what was run, on whatever data."""
    predicted = frame.text["basis"] == PREDICTED
    if not predicted.any() or predicted.all():
        return np.arange(len(frame))
    group = configuration_of(frame, ("dataset", "source"))
    measured = np.zeros(int(group.max(initial=-1)) + 1, dtype=bool)
    measured[group[~predicted]] = True
    return np.flatnonzero(~predicted | ~measured[group])


def medians(frame: Frame, group: Codes) -> Frame:
    """The median of every number by group; texts are those of a group's first run."""
    _, first, group, counts = np.unique(
        group, return_index=True, return_inverse=True, return_counts=True
    )
    text = {name: frame.text[name][first] for name in TEXTS}
    if counts.max(initial=1) == 1:
        return frame.where(first)
    number = {name: median_by(frame.number[name], group, len(first)) for name in NUMBERS}
    return Frame(text, number, frame.refused)


def median_by(values: Array, group: Codes, size: int) -> Array:
    """Median of the finite values of each group, (size,)."""
    known = np.isfinite(values)
    order = np.lexsort((values[known], group[known]))
    ordered, counts = values[known][order], np.bincount(group[known], minlength=size)
    start = np.concatenate([[0], np.cumsum(counts)[:-1]])
    out = np.full(size, np.nan)
    some = counts > 0
    low = (start + (counts - 1) // 2)[some]
    high = (start + counts // 2)[some]
    out[some] = (ordered[low] + ordered[high]) / 2
    return out
