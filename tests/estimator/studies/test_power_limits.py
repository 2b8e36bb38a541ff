"""Curves over power limits and what choosing one costs come out as by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator.studies import power_limits
from tests.fakes.study_case import Row, case_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMITS = (100.0, 150.0, 200.0, 250.0)


def rows_of(
    device: str, energy_j: Sequence[float], predicted_j: Sequence[float], batch: float = 128
) -> list[Row]:
    """Runs at four limits that last longer the lower the limit."""
    return [
        Row(device, e, p, batch=batch, limit_w=limit, time_s=2.0 - i / 4, predicted_s=1.0)
        for i, (limit, e, p) in enumerate(zip(LIMITS, energy_j, predicted_j, strict=True))
    ]


def line_of(lines: Sequence[Mapping[str, str | float]], asked: str, by: str) -> Mapping[str, float]:
    """The figures of the one line that asks `asked` and is answered `by`."""
    (line,) = [r for r in lines if r["asked"] == asked and str(r["by"]).startswith(by)]
    return {k: v for k, v in line.items() if not isinstance(v, str)}


def test_the_curve_is_relative_to_the_highest_limit() -> None:
    """Predictions twice too high everywhere are without error; what is bent is not."""
    case = case_of(rows_of("v100-pcie", (2.0, 1.0, 1.5, 2.0), (4.0, 2.0, 3.6, 4.0)))
    lines = power_limits.records(case)
    energy = line_of(lines, "energy / at highest limit", "predicted")
    assert (energy["n"], energy["n_groups"]) == (3, 1)
    assert energy["mdape"] == pytest.approx(0.0)
    assert energy["mape"] == pytest.approx(20 / 3)
    flat = line_of(lines, "energy / at highest limit", "no change")
    assert flat["mdape"] == pytest.approx(100 / 3)  # errors of 0, 100 and 33 %
    time_ = line_of(lines, "time / at highest limit", "predicted")
    assert time_["mdape"] == pytest.approx(100 * (1 - 1.25 / 1.75))  # relative 1.6, 1.4 and 1.2


def test_a_choice_costs_what_was_measured_at_it() -> None:
    """The least predicted limit is 200 W, which takes 1.2 times the least energy measured."""
    case = case_of(rows_of("v100-pcie", (1.5, 1.0, 1.2, 2.0), (9.0, 8.0, 7.0, 8.0)))
    lines = power_limits.records(case)
    chosen = line_of(lines, "energy / least", "least predicted")
    assert chosen["mape"] == pytest.approx(20.0)
    assert line_of(lines, "energy / least", "highest limit")["mape"] == pytest.approx(100.0)
    assert line_of(lines, "energy / least", "fixed share 0.")["mape"] == pytest.approx(0.0)


def test_the_fixed_share_comes_from_other_devices() -> None:
    """Each device is set to the share that is best on the other, which costs both."""
    flat = (1.0, 1.0, 1.0, 1.0)
    case = case_of(
        [
            *rows_of("v100-pcie", (1.0, 2.0, 3.0, 4.0), flat),
            *rows_of("rtx-3090", (5.0, 4.0, 2.0, 1.0), flat),
        ]
    )
    lines = power_limits.records(case)
    fixed = line_of(lines, "energy / least", "fixed share, best on other")
    assert fixed["mape"] == pytest.approx((300.0 + 400.0) / 2)
    own = line_of(lines, "energy / least, v100-pcie", "fixed share, best on other")
    assert own["mape"] == pytest.approx(300.0)


def test_few_limits_and_unstated_ones_are_no_curve() -> None:
    """Three limits, or runs without a stated limit, are not asked about."""
    rows = rows_of("v100-pcie", (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0))
    unstated = [*rows[:3], Row("v100-pcie", 1.0, 1.0)]
    assert not power_limits.records(case_of(unstated))
    other = rows_of("v100-pcie", (1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), batch=64)
    assert not power_limits.records(case_of([*rows[:2], *other[2:]]))


def test_repeats_are_one_point() -> None:
    """Two runs at one limit count as their mean."""
    rows = rows_of("v100-pcie", (1.0, 1.0, 1.0, 4.0), (1.0, 1.0, 1.0, 1.0))
    again = Row("v100-pcie", 3.0, 1.0, limit_w=100.0, time_s=2.0)
    (curve,) = power_limits.curves(case_of([*rows, again]), "new-hardware")
    assert curve.limit_w.tolist() == list(LIMITS)
    assert curve.measured["energy"] == pytest.approx(np.array([2.0, 1.0, 1.0, 4.0]))


def test_each_protocol_has_its_lines() -> None:
    """What was left out is said, and protocols without answers are left out."""
    rows = rows_of("v100-pcie", (1.0, 1.0, 1.0, 4.0), (1.0, 1.0, 1.0, 1.0))
    lines = power_limits.records(case_of(rows, ("new-hardware", "new-model", "random")))
    assert list(dict.fromkeys(r["left_out"] for r in lines)) == ["device", "model"]
