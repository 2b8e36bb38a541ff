"""Conformal intervals: ranks by hand, coverage on exchangeable data, distance from the hull."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.estimator import intervals


def each_its_own(n: int) -> np.typing.NDArray[np.str_]:
    """Fold labels of rows that were each left out alone."""
    return np.array([str(i) for i in range(n)])


def test_ranks_of_equal_rows_by_hand() -> None:
    """With every row its own group the rank is ceil((n + 1) level), at most n."""
    n = 99
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    found = intervals.quantiles(scores, each_its_own(n))
    expected = [min(math.ceil((n + 1) * level - 1e-9), n) for level in intervals.LEVELS]
    assert found == expected


def test_few_rows_give_the_largest() -> None:
    """Where the rank would lie beyond the last row, the largest score is the best there is."""
    found = intervals.quantiles(np.array([0.3, 0.1, 0.2]), each_its_own(3))
    assert found[intervals.LEVELS.index(0.5)] == pytest.approx(0.2)
    assert found[intervals.LEVELS.index(0.9)] == pytest.approx(0.3)
    assert found[-1] == pytest.approx(0.3)


def test_few_groups_widen() -> None:
    """The same hundred scores in five groups give a higher quantile than each for itself."""
    scores = np.linspace(0.01, 1.0, 100)
    groups = np.array([str(i % 5) for i in range(100)])
    at = intervals.LEVELS.index(0.75)
    assert intervals.quantiles(scores, groups)[at] == pytest.approx(0.88)  # 0.875: half-way to 1
    assert intervals.quantiles(scores, each_its_own(100))[at] == pytest.approx(0.76)


@given(scores=st.lists(st.floats(0, 10), min_size=1, max_size=12), size=st.integers(1, 6))
def test_fewer_groups_are_never_narrower(scores: list[float], size: int) -> None:
    """Rows of a group are about one observation: with fewer groups the interval is wider."""
    rows = np.repeat(np.array(scores), size)
    many = intervals.quantiles(rows, each_its_own(len(rows)))
    few = intervals.quantiles(rows, np.repeat(each_its_own(len(scores)), size))
    assert all(f >= m for f, m in zip(few, many, strict=True))


def test_a_group_weighs_as_the_square_root_of_its_rows() -> None:
    """Four rows of one device weigh twice as much as the single row of another."""
    scores, group = np.array([0.1, 0.1, 0.1, 0.1, 1.0]), np.array([*"aaaa", "b"])
    at = intervals.LEVELS.index(0.5)
    # Two groups: the level is 0.5 x 1.5 = 0.75; the four hold 4/5 of the rows, 2/3 of the weight.
    assert intervals.quantiles(scores, group)[at] == pytest.approx(1.0)
    assert intervals.quantiles(scores, np.array([*"aabbb"]))[at] == pytest.approx(0.1)


def test_unknown_scores_are_left_out() -> None:
    """A row that was never left out, or never measured, does not count."""
    scores = np.array([0.1, np.nan, 0.2, np.inf, 0.3])
    known = np.array([0.1, 0.2, 0.3])
    assert intervals.quantiles(scores, each_its_own(5)) == intervals.quantiles(
        known, each_its_own(3)
    )


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_coverage_of_exchangeable_data(level: float) -> None:
    """Fresh scores from the same source fall below the quantile as often as the level says."""
    rng = np.random.default_rng(11)
    inside, n = 0, 4_000
    for _ in range(20):
        found = intervals.quantiles(np.abs(rng.normal(size=400)), each_its_own(400))
        fresh = np.abs(rng.normal(size=n // 20))
        inside += int((fresh <= intervals.at_level(found, level)).sum())
    # Fresh draws are binomial; the calibration sets add about as much again.
    spread = 4 * math.sqrt(level * (1 - level) * (1 / n + 1 / (20 * 400)))
    assert abs(inside / n - level) <= spread + 1 / 401


@given(
    scores=st.lists(st.floats(0, 10), min_size=1, max_size=60),
    levels=st.tuples(st.floats(0.5, 0.995), st.floats(0.5, 0.995)),
)
def test_a_higher_level_is_never_narrower(scores: list[float], levels: tuple[float, float]) -> None:
    """Quantiles rise with the level, and lie among the scores."""
    found = intervals.quantiles(np.array(scores), each_its_own(len(scores)))
    low, high = sorted(levels)
    assert found == sorted(found)
    assert intervals.at_level(found, low) <= intervals.at_level(found, high)
    assert min(scores) <= found[0] <= found[-1] <= max(scores)


def test_between_stored_levels_it_is_linear() -> None:
    """A level between two stored ones is answered between their quantiles."""
    values = list(np.arange(len(intervals.LEVELS), dtype=float))
    assert intervals.at_level(values, 0.55) == pytest.approx(0.5)
    assert intervals.at_level(values, 0.4) == 0
    assert intervals.at_level(values, 0.999) == len(values) - 1


def hull_columns(
    populations: str = "ggg", **changed: list[float]
) -> dict[str, np.typing.NDArray[np.float64]]:
    """Columns of one row per letter (g, w, c, t: the populations), ones where not given."""
    letters = np.array([*populations])
    columns = {name: np.ones(len(letters)) for name in intervals.AMOUNTS}
    columns |= {name: np.zeros(len(letters)) for name in intervals.KINDS}
    columns |= {"scope_wall": letters == "w", "is_cpu": letters == "c"}
    columns["framework_vendor"] = letters == "t"
    columns |= {name: np.array(values) for name, values in changed.items()}
    return {name: values.astype(float) for name, values in columns.items()}


def test_distance_is_zero_inside_and_grows_outside() -> None:
    """Inside the hull the distance is 0; outside it is the sum of natural logarithms."""
    hull = intervals.hull_of(hull_columns(macs=[1e6, 1e8, 1e9], batch=[1.0, 8.0, 64.0]))
    inside = hull_columns(macs=[1e6, 5e7, 1e9], batch=[1.0, 2.0, 64.0])
    assert intervals.distance(inside, hull).tolist() == [0.0, 0.0, 0.0]
    outside = hull_columns(macs=[1e9 * math.e, 1e6 / math.e, 1e9], batch=[64 * math.e, 1.0, 1.0])
    assert intervals.distance(outside, hull) == pytest.approx([2.0, 1.0, 0.0])


def test_only_ones_own_population_is_near() -> None:
    """What GPUs were measured at is far from a CPU that was measured at less."""
    hull = intervals.hull_of(hull_columns("ggcc", macs=[1.0, math.e**5, 1.0, math.e]))
    asked = hull_columns("gcw", macs=[math.e**3, math.e**3, math.e**7])
    assert intervals.distance(asked, hull) == pytest.approx([0.0, 2.0, 2.0])  # no wall row: all


def test_what_was_never_measured_is_a_factor_of_two_away() -> None:
    """Another precision is as far as its bytes; another framework or task as far as a doubling."""
    hull = intervals.hull_of(hull_columns("gg", bytes_per_value=[4.0, 4.0], is_train=[1.0, 1.0]))
    asked = hull_columns(
        "ggg",
        bytes_per_value=[4.0, 2.0, 1.0],
        is_train=[1.0, 1.0, 0.0],
        framework_onnx=[0.0, 0.0, 1.0],
    )
    assert intervals.distance(asked, hull) == pytest.approx([0.0, math.log(2), 4 * math.log(2)])


def cell(growth: float, far: list[float], seed: int = 0) -> intervals.Cell:
    """Scores of ten groups of eight rows at each distance that grow with it as told."""
    rng = np.random.default_rng(seed)
    away = np.repeat(np.array(far), 80)
    scores = np.abs(rng.normal(0, 0.1, len(away))) * (1 + growth * away)
    return scores, away, np.repeat([f"{f}-{g}" for f in far for g in range(10)], 8)


@pytest.mark.parametrize("growth", [0.1, 0.5, 1.0])
def test_the_widening_off_the_hull_is_found_again(growth: float) -> None:
    """Scores that grow by a share of themselves per unit of distance teach that share."""
    cells = [cell(growth, [0.0, 1.0, 4.0], seed) for seed in range(5)]
    i = intervals.GROWTHS.index(growth)
    near = intervals.GROWTHS[max(i - 1, 0) : i + 2]
    assert intervals.growth_of(cells) in near


def test_without_rows_off_the_hull_the_widening_is_the_usual_one() -> None:
    """Rows on the hull, unknown scores and a handful of rows say nothing about it."""
    scores, far, group = cell(1.0, [0.0, 2.0])
    assert intervals.growth_of([]) == intervals.GROWTH
    assert intervals.growth_of([cell(1.0, [0.0])]) == intervals.GROWTH
    assert intervals.growth_of([(np.full(len(far), np.nan), far, group)]) == intervals.GROWTH
    few = slice(78, 78 + intervals.MIN_SCORES)  # of fewer than five groups off the hull
    assert intervals.growth_of([(scores[few], far[few], group[few])]) == intervals.GROWTH
