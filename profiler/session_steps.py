"""Seconds of training steps: rate, warm-up and stalls apart, in bounded memory."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import StepTimes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WARM_FACTOR = 1.5
NORMAL_RUN = 5
STALL_FACTOR = 3.0
KEEP = 1 << 16
HEAD = 4096
_LOW_S = 1e-7
_PER_E = 200.0
_LOW_SAMPLE_S = 1e-10
_BINS = 6000
_CENTRES = np.exp((np.arange(_BINS) + 0.5) / _PER_E)


@dataclass(frozen=True, slots=True)
class Steps:
    """Times of the steps so far; the steady ones began and ended at these clock seconds.

    `sample_s` is the median time per sample of the steady steps, each with the weight of its
    samples: a short last batch moves it little.
    """

    times: StepTimes
    steady_start_s: float
    steady_end_s: float
    sample_s: float | None = None

    @property
    def steady_count(self) -> int:
        """Steps after the warm-up."""
        return self.times.count - self.times.warmup_steps


class StepLog:
    """The moments at which steps ended.

    The first `HEAD` and the newest steps are kept as they came, those between as counts per
    duration (bins of 0.5 %): days of short steps fit into 3 MB. `samples` holds those of each
    step, NaN where they were not told.
    """

    def __init__(self, start_s: float) -> None:
        self.ends_s = array("d")
        self.samples = array("d")
        self._start_s = start_s
        self._last_s = start_s
        self._marks_s = array("d", (start_s,))
        self._folded = 0
        self._head = (np.empty(0), np.empty(0), np.empty(0))
        self._between = np.zeros(_BINS)
        self._samples_between = np.zeros(_BINS)

    @property
    def count(self) -> int:
        """Steps so far."""
        return self._folded + len(self.ends_s)

    def mark(self, time_s: float) -> None:
        """Let the next step count from here: what lies before was none (an evaluation, a pause)."""
        self._marks_s.append(time_s)

    def since(self, first: int) -> tuple[int, array[float]]:
        """Index and moments of the steps from number `first` on, as far as they are kept."""
        first = max(first, self._folded)
        return first, self.ends_s[first - self._folded :]

    def summary(self) -> Steps | None:
        """Rate, spread, warm-up and stalls of the steps so far, ``None`` without a step."""
        newest_ends_s = np.array(self.ends_s[:])
        newest_s = self._durations_s(newest_ends_s)
        newest = (newest_s, newest_ends_s, self._told(len(newest_s)))
        head_s, head_ends_s, told = self._head if self._folded else newest
        rest_s = newest_s if self._folded else np.empty(0)
        if not len(head_s):
            return None
        values_s = np.concatenate((head_s, rest_s, _LOW_S * _CENTRES))
        counts = np.concatenate((np.ones(len(head_s) + len(rest_s)), self._between))
        values_s, counts = values_s[counts > 0], counts[counts > 0]
        tail = len(values_s) // 2
        warm = warmup_steps(head_s, quantile(values_s[tail:], counts[tail:], 0.5))
        times = _times(values_s[warm:], counts[warm:], head_s[:warm])
        start_s = float(head_ends_s[warm - 1]) if warm else self._start_s
        end_s = float(newest_ends_s[-1]) if len(newest_s) else self._last_s
        pairs = [(head_s[warm:], told[warm:]), (rest_s, newest[2][: len(rest_s)])]
        return Steps(times, start_s, end_s, self._sample_s(pairs))

    def tidy(self) -> None:
        """Fold the older half of very many steps."""
        if len(self.ends_s) < 2 * KEEP:
            return
        ends_s = np.array(self.ends_s[:KEEP])
        durations_s = self._durations_s(ends_s)
        told = self._told(len(ends_s))
        if not self._folded:
            self._head = (durations_s[:HEAD], ends_s[:HEAD], told[:HEAD])
            durations_s, told = durations_s[HEAD:], told[HEAD:]
        self._between += _binned(durations_s, _LOW_S)
        known = told > 0
        per_sample_s = durations_s[known] / told[known]
        self._samples_between += _binned(per_sample_s, _LOW_SAMPLE_S, told[known])
        self._last_s = float(ends_s[-1])
        self._folded += KEEP
        del self.ends_s[:KEEP], self.samples[:KEEP]

    def _told(self, count: int) -> Floats:
        """(count,), samples of the kept steps, NaN where unknown."""
        found = np.full(count, np.nan)
        told = self.samples[:count]
        found[: len(told)] = told
        return found

    def _sample_s(self, pairs: list[tuple[Floats, Floats]]) -> float | None:
        """Median seconds per sample over pairs of durations and samples, and what was folded."""
        lasted_s, told = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        known = told > 0
        values_s = np.concatenate((lasted_s[known] / told[known], _LOW_SAMPLE_S * _CENTRES))
        weights = np.concatenate((told[known], self._samples_between))
        if not weights.any():
            return None
        return quantile(values_s[weights > 0], weights[weights > 0], 0.5)

    def _durations_s(self, ends_s: Floats) -> Floats:
        """Seconds of each step: from the step or mark before it to its end."""
        if not len(ends_s):
            return ends_s
        marks_s = np.array(self._marks_s[:])
        before_s = np.concatenate(([self._last_s], ends_s[:-1]))
        at = np.maximum(np.searchsorted(marks_s, ends_s, "left") - 1, 0)
        lasted_s: Floats = np.maximum(0.0, ends_s - np.maximum(before_s, marks_s[at]))
        return lasted_s


def _binned(values: Floats, low: float, weights: Floats | None = None) -> Floats:
    """(_BINS,), counts or weights by value, on a logarithmic scale from `low`."""
    bins = (np.log(np.maximum(values, low) / low) * _PER_E).astype(np.int64)
    found = np.bincount(np.clip(bins, 0, _BINS - 1), weights, minlength=_BINS)
    return found.astype(np.float64)


def quantile(values: Floats, counts: Floats, share: float) -> float:
    """The value below which `share` of the counted values lie.

    >>> quantile(np.array([1.0, 2.0, 3.0]), np.ones(3), 0.5)
    2.0
    """
    if (counts == counts[0]).all():
        nth = max(0, math.ceil(share * len(values)) - 1)
        return float(np.partition(values, nth)[nth])
    order = np.argsort(values)
    below = np.cumsum(counts[order])
    return float(values[order][np.searchsorted(below, share * below[-1])])


def warmup_steps(durations_s: Floats, steady_s: float) -> int:
    """Leading steps before the first five in a row that take at most 1.5 x `steady_s`.

    >>> warmup_steps(np.array([9.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]), 1.0)
    2
    """
    normal = durations_s <= WARM_FACTOR * steady_s
    if len(normal) < NORMAL_RUN:
        return 0
    in_a_row = np.convolve(normal, np.ones(NORMAL_RUN), "valid")
    found = np.flatnonzero(in_a_row >= NORMAL_RUN)
    return int(found[0]) if len(found) else 0


def _times(values_s: Floats, counts: Floats, warmup_s: Floats) -> StepTimes:
    median_s = quantile(values_s, counts, 0.5)
    stalled = values_s > STALL_FACTOR * median_s
    return StepTimes(
        count=int(counts.sum()) + len(warmup_s),
        median_s=median_s,
        p90_s=quantile(values_s, counts, 0.9),
        stall_s=float(((values_s - median_s) * counts)[stalled].sum()),
        warmup_s=float(warmup_s.sum()),
        warmup_steps=len(warmup_s),
    )
