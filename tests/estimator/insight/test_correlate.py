"""Both coefficients and their intervals against scipy's, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.estimator.insight.correlate import interval, pearson, pearson_of, ranks, spearman_of

numbers = st.lists(st.integers(-1000, 1000), min_size=4, max_size=30)


def test_both_coefficients_are_scipys() -> None:
    """On data with ties."""
    from scipy import stats

    draw = np.random.default_rng(1)
    x = np.round(draw.normal(size=40), 1)
    y = np.round(x + draw.normal(size=40), 1)
    assert spearman_of(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)
    expected = stats.pearsonr(x, y)
    found = pearson_of(x, y)
    bounds = expected.confidence_interval(0.95)
    assert found.value == pytest.approx(expected.statistic)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=1e-6)


def test_spearmans_interval_is_wider_by_fiellers_factor() -> None:
    """1.06 on the variance of Fisher's z: 0.5 over 28 runs."""
    low, high = interval(0.5, 28)
    half = 1.959964 * np.sqrt(1.06 / 25)
    assert (low, high) == pytest.approx(tuple(np.tanh(np.arctanh(0.5) + np.array([-half, half]))))
    assert interval(0.5, 28, 1.0)[0] > low


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Normal pairs correlated by 0.6, 20 a time: 95 of 100 intervals hold it."""
    draw, held = np.random.default_rng(0), 0
    for _ in range(600):
        x = draw.normal(size=20)
        y = 0.6 * x + 0.8 * draw.normal(size=20)
        c = pearson_of(x, y)
        held += c.low is not None and c.high is not None and c.low <= 0.6 <= c.high
    assert 0.92 <= held / 600 <= 0.98


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1.0, 2.0], [1.0, 2.0], "at least 3"),
        ([1.0, 2.0, np.nan, np.inf], [1.0, 2.0, 3.0, 4.0], "2 runs with both"),
        ([5.0, 5.0, 5.0], [1.0, 2.0, 3.0], "the figure is the same"),
        ([1.0, 2.0, 3.0], [0.1 + 0.2, 0.3, 0.3], "the energy is the same"),
    ],
)
def test_where_it_is_undefined_it_says_why(x: list[float], y: list[float], words: str) -> None:
    """Too few pairs, a column that never varies (rounding is no variation)."""
    for c in (spearman_of(np.array(x), np.array(y)), pearson_of(np.array(x), np.array(y))):
        assert c.value is None
        assert words in c.reason


def test_three_pairs_have_a_value_and_no_interval() -> None:
    """Fisher's z has no variance at n = 3."""
    c = spearman_of(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    assert c.value == pytest.approx(0.5)
    assert (c.low, c.n) == (None, 3)


@pytest.mark.parametrize("y", [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
def test_a_perfect_order_has_no_bounds(y: list[float]) -> None:
    """Four runs lie in one by chance once in 24: no interval from 1 to 1."""
    for c in (spearman_of(np.arange(4.0), np.array(y)), pearson_of(np.arange(4.0), np.array(y))):
        assert abs(c.value or 0) == pytest.approx(1.0)
        assert (c.low, c.high, c.n) == (None, None, 4)


@given(numbers)
def test_ranks_see_order_only(values: list[int]) -> None:
    """A rising function of either changes nothing; swapping both columns neither."""
    x = np.array(values, dtype=float)
    y = np.roll(x, 1)
    before, after = spearman_of(x, y), spearman_of(np.exp(x / 500), y)
    assert before.value == pytest.approx(after.value)
    assert spearman_of(y, x).value == pytest.approx(before.value)
    assert float(ranks(x).sum()) == len(x) * (len(x) + 1) / 2


@given(numbers, st.floats(1e-200, 1e200), st.floats(-10, 10))
def test_pearson_is_free_of_scale_and_origin(values: list[int], scale: float, shift: float) -> None:
    """Also where squares would leave the range of floats."""
    x = np.array(values, dtype=float)
    y = np.roll(x, 1)
    before = pearson(x, y)
    if before is None:
        return
    assert pearson(scale * x, y + shift) == pytest.approx(before, abs=1e-6)
    assert -1 <= before <= 1


def test_pairs_of_one_group_count_once_in_the_interval() -> None:
    """Ten networks at ten batch sizes: the bounds of ten pairs, and all pairs in n."""
    draw = np.random.default_rng(2)
    x, y = draw.normal(size=100), draw.normal(size=100)
    groups = np.array([f"n{i % 10}" for i in range(100)], dtype=object)
    found = pearson_of(x, y, groups)
    assert found.n == 100
    assert found.value == pearson_of(x, y).value
    assert (found.low, found.high) == pytest.approx(interval(found.value or 0.0, 10, 1.0))
    assert pearson_of(x, y, np.full(100, "one", dtype=object)).low is None
