"""Student's quantiles against printed tables and the exact distribution."""

from __future__ import annotations

import math

import pytest

from joulecast.core.statistics import t_quantile


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [
        (0.95, 1, 6.3138),
        (0.995, 1, 63.6567),
        (0.95, 2, 2.9200),
        (0.995, 2, 9.9248),
        (0.9975, 2, 14.0890),
        (0.995, 3, 5.8409),
        (0.975, 6, 2.4469),
        (0.95, 7, 1.8946),
        (0.975, 14, 2.1448),
        (0.95, 15, 1.7531),
    ],
)
def test_printed_table(probability: float, freedom: int, expected: float) -> None:
    """Figures of the printed table of Student's t, and their mirror below one half."""
    assert t_quantile(probability, freedom) == pytest.approx(expected, abs=1e-4)
    assert t_quantile(1 - probability, freedom) == pytest.approx(-expected, abs=1e-4)


@pytest.mark.parametrize("freedom", [1, 2, 2.5, 3, 5, 10, 100, 1e6])
@pytest.mark.parametrize("probability", [0.02, 0.5, 0.6, 0.75, 0.95, 0.9975])
def test_exact_quantile(probability: float, freedom: float) -> None:
    """Within 1e-5 of the exact quantile, whole or broken degrees of freedom."""
    stats = pytest.importorskip("scipy.stats")
    exact = float(stats.t.ppf(probability, freedom))
    assert t_quantile(probability, freedom) == pytest.approx(exact, rel=1e-5, abs=1e-9)


def test_less_than_one_degree_counts_as_one() -> None:
    """There is no smaller one to answer for, and the answer stays finite."""
    assert t_quantile(0.975, 0) == t_quantile(0.975, 1)
    assert math.isfinite(t_quantile(0.9975, 0))
