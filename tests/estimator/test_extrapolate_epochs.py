"""From the first epochs to all: answers worked out by hand, gaps, stalls, drifts, refusals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator import extrapolate_epochs as epochs
from joulecast.estimator import extrapolate_rate as rates
from joulecast.estimator.extrapolate_epochs import extrapolate_epochs

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Estimate

COSTS = st.lists(st.floats(50.0, 200.0), min_size=1, max_size=12)


def test_steady_epochs_are_exact() -> None:
    """Equal epochs: n times one, energy and time, at their power."""
    found = extrapolate_epochs([1200.0] * 4, [30.0] * 4, 100)
    assert found.energy_j == pytest.approx(120_000.0, rel=1e-12)
    assert found.duration_s == pytest.approx(3_000.0, rel=1e-12)
    assert found.power_w == pytest.approx(40.0)
    assert (found.basis, found.novelty, found.scope, found.stable) == (
        "short-run",
        None,
        "system",
        True,
    )
    assert found.energy_high_j / found.energy_j - 1 < 0.005


def test_the_first_epoch_stays_itself() -> None:
    """A slow first epoch counts as measured and is not multiplied: 500 + 3 x 100 + 96 x 100."""
    found = extrapolate_epochs([500.0, 100.0, 100.0, 100.0], [50.0, 10.0, 10.0, 10.0], 100)
    assert found.energy_j == pytest.approx(500 + 99 * 100)
    assert found.duration_s == pytest.approx(50 + 99 * 10)


def test_a_stall_counts_once() -> None:
    """One epoch 13 times long: measured once, not continued, its repetition in the upper end."""
    energy = [100.0, 100.0, 1300.0, 100.0, 100.0]
    duration = [10.0, 10.0, 130.0, 10.0, 10.0]
    found = extrapolate_epochs(energy, duration, 55)
    assert found.energy_j == pytest.approx(1700 + 50 * 100)
    assert found.duration_s == pytest.approx(170 + 50 * 10)
    assert found.energy_high_j > 1700 + 50 * 100 + 1200
    assert found.energy_low_j > 0.99 * (1700 + 50 * 100)
    assert any("epoch 3" in n and "13.0x" in n and "once" in n for n in found.notices)


def test_stalls_that_recur_go_on_at_their_pace() -> None:
    """Every third epoch doubled: 2 of 7 epochs cost 100 more, so 2/7 of the rest do."""
    energy = [100.0, 100.0, 200.0, 100.0, 100.0, 200.0, 100.0]
    found = extrapolate_epochs(energy, [e / 10 for e in energy], 77)
    assert found.energy_j == pytest.approx(900 + 70 * 100 + 70 * 100 * 2 / 7)


def test_two_long_epochs_at_the_end_are_a_new_level() -> None:
    """A network unfrozen at epoch 7: the later level goes on, and is not yet trusted."""
    energy = [100.0] * 6 + [180.0] * 2
    found = extrapolate_epochs(energy, [e / 10 for e in energy], 20)
    assert found.energy_j == pytest.approx(sum(energy) + 12 * 180)
    assert not found.stable
    assert any("epoch 7" in notice for notice in found.notices)
    later = extrapolate_epochs(
        [*energy, 180.0, 180.0, 180.0], [*(e / 10 for e in energy), 18.0, 18.0, 18.0], 20
    )
    assert later.stable


def test_a_drift_is_not_stable() -> None:
    """Energy per epoch that climbs by 5 % an epoch is said to drift."""
    energy = [100 * 1.05**i for i in range(8)]
    found = extrapolate_epochs(energy, [10.0] * 8, 50)
    assert not found.stable
    assert any("energy per epoch still changes" in notice for notice in found.notices)
    assert found.next_measurement is not None


def test_one_epoch_is_multiplied_with_a_prior() -> None:
    """From one epoch: the rest gains what 0.6 s of start-up cost it; the interval is wider."""
    one = extrapolate_epochs([6000.0], [60.0], 10)
    assert one.energy_j == pytest.approx(6000 + 9 * 6000 * math.exp(0.01))
    assert one.duration_s == pytest.approx(600.0)
    assert one.energy_low_j < 60_000 < one.energy_high_j
    two = extrapolate_epochs([6000.0, 6060.0], [60.0, 60.0], 10)
    assert (one.energy_high_j - one.energy_low_j) > 1.5 * (two.energy_high_j - two.energy_low_j)
    assert any("first epoch" in notice for notice in one.notices)


def test_the_prior_of_a_short_epoch_is_bounded() -> None:
    """0.6 s of a 2 s epoch would be 30 %: at most 3 % is added."""
    found = extrapolate_epochs([200.0], [2.0], 100)
    assert found.energy_j == pytest.approx(200 + 99 * 200 * math.exp(0.03))


def test_warming_is_continued_in_part() -> None:
    """Power 4 % below its later value in epoch 1: a quarter of the rise expected is added, once."""
    units = rates.Units(np.array([96.0, 100.0, 100.0]), np.full(3, 30.0), np.ones(3))
    factor = rates.warming(units, np.array([False, True, True]), 3000.0)
    shares = [60 / 30 * (1 - math.exp(-0.5)), 60 / 60 * (math.exp(-0.5) - math.exp(-1.5))]
    to_come = 60 / 3000 * (math.exp(-1.5) - math.exp(-51.5))
    rise = math.log(100 / 96)
    assert factor == pytest.approx(
        math.exp(0.25 * rise * (shares[1] - to_come) / (shares[0] - shares[1]))
    )


def test_falling_power_is_not_continued() -> None:
    """A first epoch above the later ones adds nothing."""
    units = rates.Units(np.array([110.0, 100.0]), np.full(2, 30.0), np.ones(2))
    assert rates.warming(units, np.array([False, True]), 3000.0) == 1.0


def test_a_missing_energy_is_a_gap() -> None:
    """None, NaN and a counter that stood still are filled in and named, never taken for 0 J."""
    for missing in (None, math.nan, 0.0):
        found = extrapolate_epochs([100.0, missing, 100.0, 100.0], [10.0] * 4, 10)
        assert found.energy_j == pytest.approx(1000.0)
        assert any("epoch 2" in notice for notice in found.notices)
        assert found.energy_low_j < 995


def test_all_measured_leaves_nothing_to_extrapolate() -> None:
    """Where total = k: the sum, as measured, with no interval."""
    found = extrapolate_epochs([110.0, 100.0], [10.0, 10.0], 2)
    assert found.basis == "measured"
    assert found.energy_low_j == found.energy_j == found.energy_high_j == 210.0
    assert found.duration_low_s == found.duration_high_s == 20.0
    assert found.notices == ()


@pytest.mark.parametrize(
    ("energy", "duration", "total", "named"),
    [
        ([], [], 5, "energy_j"),
        ([1.0, 2.0], [1.0], 5, "length"),
        ([1.0], [math.nan], 5, "duration_s[0]"),
        ([1.0], [0.0], 5, "duration_s[0]"),
        ([1.0], [-3.0], 5, "duration_s[0]"),
        ([-1.0], [1.0], 5, "energy_j[0]"),
        ([math.inf], [1.0], 5, "energy_j[0]"),
        ([None], [1.0], 5, "no reading"),
        ([0.0, 0.0], [1.0, 1.0], 5, "no reading"),
        ([1e30], [1.0], 5, "W"),
        ([1.0, 1.0], [1.0, 1.0], 1, "less than the 2"),
        ([1.0], [1.0], 2.5, "whole number"),
        ([1.0], [1.0], math.nan, "total_epochs"),
        ([1.0], [1.0], "10", "total_epochs"),
        (["a"], [1.0], 5, "energy_j"),
        (3.0, [1.0], 5, "energy_j"),
        ([[1.0]], [1.0], 5, "energy_j"),
    ],
)
def test_impossible_input_is_refused(
    energy: object, duration: object, total: object, named: str
) -> None:
    """What cannot be right is refused at the door, and named."""
    ask: Callable[..., Estimate] = extrapolate_epochs
    with pytest.raises(BadInput) as refusal:
        ask(energy, duration, total)
    assert named in str(refusal.value)


def test_level_and_scope_are_checked() -> None:
    """Levels outside 0.5 to 0.995 and scopes nobody knows are refused; a known one is kept."""
    with pytest.raises(BadInput, match="level"):
        extrapolate_epochs([1.0], [1.0], 5, level=1.5)
    with pytest.raises(BadInput, match="scope"):
        extrapolate_epochs([1.0], [1.0], 5, scope="moon")
    assert extrapolate_epochs([1.0], [1.0], 5, scope="gpu").scope == "gpu"


def test_numpy_arrays_are_taken() -> None:
    """Arrays, lists and tuples give the same."""
    plain = extrapolate_epochs([100.0, 101.0, 99.0], [10.0, 10.0, 10.0], 30)
    assert extrapolate_epochs(np.array([100.0, 101.0, 99.0]), (10, 10, 10), 30) == plain


@given(costs=COSTS, factor=st.floats(0.01, 100.0))
def test_energy_scales(costs: list[float], factor: float) -> None:
    """Twice the joules give twice the answer and twice its bounds; time is as it was."""
    seconds = [c / 10 for c in costs]
    one = extrapolate_epochs(costs, seconds, 40)
    scaled = extrapolate_epochs([factor * c for c in costs], seconds, 40)
    for name in ("energy_j", "energy_low_j", "energy_high_j"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(one, name), rel=1e-9)
    assert scaled.duration_s == one.duration_s


@given(costs=COSTS, more=st.integers(1, 1000))
def test_more_epochs_cost_more(costs: list[float], more: int) -> None:
    """Energy and time rise with the number of epochs, and lie within their bounds."""
    seconds = [c / 10 for c in costs]

    def bounds(e: Estimate) -> list[float]:
        assert e.energy_low_j <= e.energy_j <= e.energy_high_j
        assert e.duration_low_s <= e.duration_s <= e.duration_high_s
        return [e.energy_j, e.duration_s]

    fewer = bounds(extrapolate_epochs(costs, seconds, len(costs) + more))
    rest = bounds(extrapolate_epochs(costs, seconds, len(costs) + more + 1))
    assert all(a < b for a, b in zip(fewer, rest, strict=True))


@given(costs=COSTS, level=st.floats(0.5, 0.98))
def test_a_higher_level_is_wider(costs: list[float], level: float) -> None:
    """The interval grows with its level."""
    seconds = [c / 10 for c in costs]
    low = extrapolate_epochs(costs, seconds, 40, level=level)
    high = extrapolate_epochs(costs, seconds, 40, level=level + 0.01)
    assert high.energy_high_j >= low.energy_high_j
    assert high.energy_low_j <= low.energy_low_j


def test_intervals_hold_on_noisy_epochs() -> None:
    """Epochs with 1.5 % of independent noise: nine in ten intervals hold, or a few more."""
    rng = np.random.default_rng(3)
    for k in (2, 3, 4, 8):
        inside = 0
        for _ in range(300):
            costs = 1000 * np.exp(0.015 * rng.normal(size=30))
            found = extrapolate_epochs(costs[:k].tolist(), (costs[:k] / 100).tolist(), 30)
            inside += found.energy_low_j <= costs.sum() <= found.energy_high_j
        assert 0.85 <= inside / 300 <= 1.0


def test_width_of_hand_made_spread() -> None:
    """Two epochs 2 % apart: 10.5 spreads, the spread with the expected 0.002 as one more."""
    widths = epochs.SHIPPED.energy
    logs = np.array([0.0, 0.02])
    spread = math.sqrt((0.002**2 + 2 * 0.01**2) / 2)
    assert widths.half(logs, 0.9) == pytest.approx(widths.spreads[0] * spread)


def test_thousands_of_epochs() -> None:
    """5,000 epochs with a new level from 3,000 on: it goes on, found on means."""
    energy = np.repeat([100.0, 140.0], [3_000, 2_000])
    found = extrapolate_epochs(energy, energy / 10, 6_000)
    assert found.energy_j == pytest.approx(energy.sum() + 1_000 * 140, rel=1e-3)


def test_only_the_first_energy_was_read() -> None:
    """Without a reading of the later epochs the first one's rate is all there is."""
    found = extrapolate_epochs([100.0, None, None], [10.0, 10.0, 10.0], 10)
    assert found.energy_j == pytest.approx(1000.0)
    assert any("epoch 2, 3" in notice for notice in found.notices)
