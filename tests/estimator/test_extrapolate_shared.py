"""What the extrapolations share: amounts, quantiles, spoken spans, refusals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator import extrapolate as shared

if TYPE_CHECKING:
    from collections.abc import Callable


def test_amount_by_hand() -> None:
    """100 measured, 300 to come within a factor of 1.2: 350 to 460, and doubts outside."""
    amount = shared.Amount(100.0, 300.0, math.log(1.2))
    assert (amount.total, amount.low, amount.high) == (400.0, 350.0, 460.0)
    doubtful = shared.Amount(100.0, 300.0, math.log(1.2), more=40.0, doubt=10.0)
    assert (doubtful.low, doubtful.high) == (340.0, 510.0)


@given(half=st.floats(-1, 50), rest=st.floats(0, 1e12))
def test_amounts_are_ordered(half: float, rest: float) -> None:
    """Whatever the width: low <= total <= high, and what was measured stays."""
    amount = shared.Amount(5.0, rest, half)
    assert 5.0 <= amount.low <= amount.total <= amount.high < math.inf


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 100])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99, 0.995])
def test_student_quantile(level: float, freedom: int) -> None:
    """The exact quantile, at few degrees of freedom and high levels too."""
    stats = pytest.importorskip("scipy.stats")
    exact = stats.t.ppf((1 + level) / 2, freedom)
    assert shared.student_quantile(level, freedom) == pytest.approx(exact, rel=1e-5)


def test_normal_quantile() -> None:
    """The 90 % interval of a standard normal distribution."""
    assert shared.normal_quantile(0.9) == pytest.approx(1.6448536)


@pytest.mark.parametrize(
    ("seconds", "spoken"),
    [(3, "10 s"), (42, "50 s"), (100, "1 min 40 s"), (400, "7 min 00 s"), (4000, "70 min")],
)
def test_spans_are_rounded_up(seconds: float, spoken: str) -> None:
    """A span to wait is never shorter than asked, and round."""
    assert shared.spoken_span(seconds) == spoken


@pytest.mark.parametrize("values", ["12", b"12", 3.0, None, [], [[1.0]], ["x"], {"a": 1}])
def test_what_is_no_list_of_numbers_is_refused(values: object) -> None:
    """Text, numbers, nested and empty lists are refused by name."""
    with pytest.raises(BadInput, match="watts"):
        shared.as_array("watts", values)


def test_missing_becomes_nan() -> None:
    """None is a gap, not an error."""
    found = shared.as_array("watts", [1, None, np.float32(2)])
    assert np.isnan(found[1])
    assert found[[0, 2]].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("value", [True, "5", None, math.nan, -1.0, 4.0, 1e40])
def test_counts_are_checked(value: object) -> None:
    """Neither text nor truth values, nor less than was measured, nor absurd sizes."""
    check: Callable[..., float] = shared.check_count
    with pytest.raises(BadInput, match="total"):
        check("total", value, 5.0)
    assert shared.check_count("total", 5, 5.0) == 5.0
