"""Epochs to a target: what the curve holds, the interval, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator.insight.learning_curve import epochs_until


def hill(ceiling: float, half: float, steep: float, count: int) -> list[float]:
    """A curve of a family that the forecast does not have: Hill's, from 0.1."""
    epoch = np.arange(1.0, count + 1) ** steep
    return [float(a) for a in 0.1 + (ceiling - 0.1) * epoch / (epoch + half**steep)]


def noisy(curve: list[float], sd: float, seed: int) -> list[float]:
    """`curve` with noise, within 0..1."""
    rng = np.random.default_rng(seed)
    return [float(a) for a in np.clip(curve + rng.normal(0, sd, len(curve)), 0, 1)]


def first(curve: list[float], target: float) -> float:
    """The epoch that first shows `target`, infinite for none."""
    return next((float(i) for i, a in enumerate(curve, 1) if a >= target), math.inf)


def test_intervals_hold_on_curves_of_a_family_that_is_not_fitted() -> None:
    """Of noisy Hill curves, at least 85 of 100 first passages lie within the 90 % interval."""
    held = []
    rng = np.random.default_rng(5)
    for seed in range(120):
        ceiling, half = rng.uniform(0.6, 0.97), rng.uniform(1.5, 15)
        curve = noisy(hill(ceiling, half, rng.uniform(0.8, 1.4), 600), 0.008, seed)
        seen = int(rng.choice([5, 10, 20]))
        target = max(curve[:seen]) + rng.uniform(0.2, 0.7) * (ceiling - max(curve[:seen]))
        actual = first(curve, target)
        if actual <= seen or math.isinf(actual):
            continue
        found = epochs_until(curve[:seen], target)
        low, high = found.epochs_low or math.inf, found.epochs_high or math.inf
        held.append(low <= actual <= high)
    assert len(held) > 90
    assert np.mean(held) >= 0.85


def test_a_clean_power_law_is_found() -> None:
    """From 20 epochs of 0.9 - 0.5 e^-0.7 the epoch of 0.87 comes out within a factor of 1.25."""
    curve = [0.9 - 0.5 * e**-0.7 for e in range(1, 400)]
    actual = first(curve, 0.87)
    found = epochs_until(curve[:20], 0.87)
    assert found.epochs is not None
    assert actual / 1.25 < found.epochs < actual * 1.25
    assert found.ceiling_low < 0.9 < found.ceiling_high


def test_more_epochs_narrow_the_ceiling() -> None:
    """Forty epochs tell the ceiling better than six."""
    curve = noisy(hill(0.85, 4, 1.2, 40), 0.004, 1)
    few, many = epochs_until(curve[:6], 0.83), epochs_until(curve, 0.83)
    assert many.ceiling_high - many.ceiling_low < few.ceiling_high - few.ceiling_low


def test_a_target_above_the_ceiling_has_no_epochs_and_a_sentence() -> None:
    """A curve that is flat at 0.70 does not reach 0.95."""
    found = epochs_until(noisy(hill(0.70, 1.5, 1.5, 30), 0.002, 3), 0.95)
    assert found.epochs is None
    assert found.epochs_high is None
    assert "not reached" in found.notices[0]
    assert found.ceiling < 0.8


def test_a_target_that_too_many_curves_never_reach_has_no_number_of_epochs() -> None:
    """0.42, 0.55, 0.63, 0.68 may end below 0.9: the low bound and the likely accuracy stay."""
    curve = [0.42, 0.55, 0.63, 0.68]
    found = epochs_until(curve, 0.9)
    assert (found.epochs, found.epochs_high) == (None, None)
    assert found.epochs_low is not None
    assert found.epochs_low > 4
    assert f"tends to {found.ceiling:.3g}" in found.notices[0]
    assert "never reached: too many" in found.notices[0]
    near = epochs_until(curve, 0.75)
    assert near.epochs is not None
    assert near.epochs < 20


def test_a_target_that_was_reached_is_told_as_reached() -> None:
    """The epoch is the first that showed it, and no interval is left."""
    found = epochs_until([0.2, 0.5, 0.7, 0.65, 0.72], 0.7)
    assert found.reached
    assert found.epochs == found.epochs_low == found.epochs_high == 3


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_a_flat_curve_is_answered(level: float) -> None:
    """Also at nothing right and at all right, where no curve below is left."""
    found = epochs_until([level] * 8, 0.9)
    assert found.reached == (level >= 0.9)
    assert found.reached or found.epochs is None
    assert found.ceiling_low <= level + 0.02


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=30),
    st.floats(0.01, 1),
    st.sampled_from([0.5, 0.8, 0.9, 0.99]),
)
def test_any_curve_gives_an_ordered_answer(curve: list[float], target: float, level: float) -> None:
    """Bounds are in order, nothing lies before what was seen, ceilings are accuracies."""
    found = epochs_until(curve, target, level=level)
    assert 0 <= found.ceiling_low <= found.ceiling <= found.ceiling_high <= 1
    assert found.reached == (max(curve) >= target)
    if not found.reached:
        bounds = [
            math.inf if e is None else e
            for e in (found.epochs_low, found.epochs, found.epochs_high)
        ]
        assert bounds == sorted(bounds)
        assert bounds[0] > len(curve)


@given(st.floats(0.5, 0.8), st.floats(0.02, 0.15))
@settings(max_examples=20, deadline=None)
def test_a_higher_target_takes_no_fewer_epochs(target: float, more: float) -> None:
    """With the same curve and seed."""
    curve = noisy(hill(0.9, 6, 1, 10), 0.005, 2)
    low, high = epochs_until(curve, target), epochs_until(curve, target + more)
    assert (low.epochs or math.inf) <= (high.epochs or math.inf)
    assert (low.epochs_low or math.inf) <= (high.epochs_low or math.inf)


def test_a_wider_level_holds_the_narrower() -> None:
    """99 % reaches at least as far as 80 % on both sides."""
    curve = noisy(hill(0.9, 6, 1, 15), 0.005, 4)
    wide, narrow = (epochs_until(curve, 0.8, level=level) for level in (0.99, 0.8))
    assert (wide.epochs_low or math.inf) <= (narrow.epochs_low or math.inf)
    assert (wide.epochs_high or math.inf) >= (narrow.epochs_high or math.inf)


def test_the_same_seed_gives_the_same_forecast() -> None:
    """Draws come from the seed alone."""
    curve = noisy(hill(0.9, 6, 1, 12), 0.01, 4)
    assert epochs_until(curve, 0.8, seed=7) == epochs_until(curve, 0.8, seed=7)


@pytest.mark.parametrize(
    ("curve", "target", "words"),
    [
        ([0.1, 0.2, 0.3], 0.5, "at least 4"),
        ([], 0.5, "at least 4"),
        ([10.0, 20.0, 30.0, 40.0], 0.5, "percent"),
        ([0.1, 0.2, 0.3, 0.4], 50.0, "percent"),
        ([0.1, math.nan, 0.3, 0.4], 0.5, "finite"),
        ([0.1, math.inf, 0.3, 0.4], 0.5, "finite"),
        ([0.1, -0.2, 0.3, 0.4], 0.5, "outside 0 to 1"),
        ([0.1, 0.2, 0.3, 0.4], 0.0, "target"),
        ([0.1, 0.2, 0.3, 0.4], math.nan, "target"),
        (["a", 0.2, 0.3, 0.4], 0.5, "numbers"),
    ],
)
def test_what_is_no_curve_is_refused(curve: list[float], target: float, words: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(BadInput, match=words):
        epochs_until(curve, target)


def test_an_absurd_level_is_refused() -> None:
    """Levels are shares between a half and nearly one."""
    with pytest.raises(BadInput, match="level"):
        epochs_until([0.1, 0.2, 0.3, 0.4], 0.5, level=90)
