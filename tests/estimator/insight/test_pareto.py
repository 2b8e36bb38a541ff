"""The Pareto front: nothing that is beaten is kept, nothing that is not is dropped."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from joulecast.estimator.insight.pareto import undominated

COSTS = st.integers(1, 3).flatmap(
    lambda width: st.lists(
        st.lists(st.integers(0, 6), min_size=width, max_size=width), min_size=1, max_size=30
    )
)


def dominates(one: list[int], other: list[int]) -> bool:
    """The definition, written out."""
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(COSTS)
def test_kept_are_just_those_that_no_other_dominates(rows: list[list[int]]) -> None:
    """The mask is the definition, row by row."""
    keep = undominated(np.array(rows, dtype=float)).tolist()
    assert keep == [not any(dominates(other, row) for other in rows) for row in rows]


@given(COSTS)
def test_every_dropped_point_is_dominated_by_a_kept_one(rows: list[list[int]]) -> None:
    """A chain of better points ends on the front, which is never empty."""
    keep = undominated(np.array(rows, dtype=float)).tolist()
    front = [row for row, kept in zip(rows, keep, strict=True) if kept]
    assert front
    dropped = [row for row, kept in zip(rows, keep, strict=True) if not kept]
    assert all(any(dominates(best, row) for best in front) for row in dropped)


def test_equal_points_stay_together() -> None:
    """Two of the same costs do not dominate each other."""
    assert undominated(np.array([[1.0, 2.0], [1.0, 2.0]])).all()


def test_an_unknown_cost_is_not_compared() -> None:
    """A row with NaN neither drops others nor is dropped."""
    costs = np.array([[1.0, math.nan], [2.0, 2.0], [3.0, 3.0]])
    assert undominated(costs).tolist() == [True, True, False]


def test_more_rows_than_a_chunk() -> None:
    """Chunks see all rows: of a falling line with doubles above it the line alone is kept."""
    line = np.column_stack([np.arange(1500.0), np.arange(1500.0)[::-1]])
    keep = undominated(np.concatenate([line, line + 0.5]))
    assert keep[:1500].all()
    assert not keep[1500:].any()
