"""Doubts say what was seen and what would help."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.profiler import notices, session_notices


@given(st.floats(0.01, 5.0), st.floats(0.0, 1.0), st.floats(0.01, 0.2))
def test_the_least_duration_gives_the_asked_error(
    period_s: float, noise_frac: float, target: float
) -> None:
    """Edges off by a period each and scattered readings together are the target at that length."""
    duration_s = notices.min_duration_s(period_s, noise_frac, target)
    edges = period_s / math.sqrt(6) / duration_s
    scatter = noise_frac / math.sqrt(duration_s / period_s)
    assert notices.Z_90 * math.hypot(edges, scatter) == pytest.approx(target)


def test_the_least_duration_holds_in_simulation() -> None:
    """Of windows of that length, edges and readings at random, 90 % are within 5 %."""
    rng = np.random.default_rng(0)
    period_s, noise_frac = 0.5, 0.1
    duration_s = notices.min_duration_s(period_s, noise_frac)
    count = round(duration_s / period_s)
    edges = (rng.random(20_000) - rng.random(20_000)) * period_s / duration_s
    scatter = rng.normal(1.0, noise_frac, (20_000, count)).mean(axis=1) - 1.0
    assert np.mean(np.abs(edges + scatter) < notices.TARGET) == pytest.approx(0.9, abs=0.02)


def test_several_gaps_are_one_sentence() -> None:
    """Their seconds together, and where the longest lies."""
    text = notices.gap("nvml:0", [(1010.0, 1020.0), (1100.0, 1150.0)], 1000.0)
    assert "for 60 s (2 gaps, the longest from 100.0 s to 150.0 s)" in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (notices.never_read("m", 0, ""), "too few readings"),
        (notices.counter_reset("m", 3), "started again 3 times"),
        (notices.no_system(["gpu", "dram"], ["cpu"]), "no meter saw gpu and dram"),
        (notices.modelled("gpu", "replay"), "replayed from a recording"),
        (notices.averaged("nvml:0", 1.0, 2), "averages over 1.0 s, and 2 of"),
        (notices.short_windows("m", 4, 0.1), "4 windows are shorter than the 100 ms"),
        (notices.too_short("m", 3.0, 12.0), "at least 12 s"),
        (session_notices.not_written("r.json", "disk full", 1), "1 time (disk full)"),
        (notices.same_node({"b", "a"}), "as a, b:"),
        (session_notices.trace_full(50e6), "50 MB"),
    ],
)
def test_a_notice_holds_its_figures(text: str, words: str) -> None:
    """The figures that the reader needs are in the sentence."""
    assert words in text
