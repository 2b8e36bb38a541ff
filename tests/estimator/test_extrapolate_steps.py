"""From some samples to all: by hand, chunks and steps alike, slow meters, stalls, refusals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator import extrapolate_steps as steps
from joulecast.estimator.extrapolate_steps import extrapolate_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from joulecast.core.records import Estimate

    Array = NDArray[np.float64]
    Served = tuple[Array, Array, Array]

CHUNKS = st.lists(st.floats(50.0, 200.0), min_size=1, max_size=30)


def served(n: int, *, step_s: float = 0.02, power_w: float = 250.0, seed: int = 0) -> Served:
    """Joules, seconds and samples of n inference steps with 15 % of noise in their durations."""
    rng = np.random.default_rng(seed)
    seconds = step_s * rng.lognormal(0.0, 0.15, n)
    return power_w * seconds, seconds, np.full(n, 32.0)


def test_a_single_chunk_is_proportional() -> None:
    """50 J and 2 s for 100 samples: 500 J and 20 s for 1,000, with a wide interval."""
    found = extrapolate_steps(50.0, 2.0, 100, 1000)
    assert (found.energy_j, found.duration_s, found.power_w) == (500.0, 20.0, 25.0)
    assert (found.basis, found.stable) == ("short-run", True)
    assert found.energy_low_j < 0.95 * 500 < 1.05 * 500 < found.energy_high_j


def test_equal_chunks_are_exact() -> None:
    """Chunks of different size but one cost per sample: the sum, whatever their sizes."""
    sizes = np.array([100.0, 50.0, 200.0, 150.0])
    found = extrapolate_steps(0.5 * sizes, 0.02 * sizes, sizes, 10_000)
    assert found.energy_j == pytest.approx(5_000.0)
    assert found.duration_s == pytest.approx(200.0)


def test_a_slow_first_chunk_is_not_multiplied() -> None:
    """Compiling in the first chunk counts once: 90 + 3 x 10 + 36 x 10."""
    found = extrapolate_steps([90.0, 10.0, 10.0, 10.0], [9.0, 1.0, 1.0, 1.0], [8, 8, 8, 8], 320)
    assert found.energy_j == pytest.approx(90 + 3 * 10 + 36 * 10)
    assert found.duration_s == pytest.approx(9 + 3 + 36)


def test_a_stall_counts_once_and_several_recur() -> None:
    """One slow chunk is not continued; two of six go on at that pace."""
    energy = [10.0, 10.0, 30.0, 10.0, 10.0, 10.0]
    once = extrapolate_steps(energy, [e / 10 for e in energy], [1] * 6, 66)
    assert once.energy_j == pytest.approx(80 + 60 * 10)
    assert any("counted once" in notice for notice in once.notices)
    energy[4] = 30.0
    again = extrapolate_steps(energy, [e / 10 for e in energy], [1] * 6, 66)
    assert again.energy_j == pytest.approx(100 + 60 * 10 + 60 * 40 / 6)


def test_steps_quicker_than_the_meter() -> None:
    """A counter that moves every 0.1 s gives 0 J for most 10 ms steps: no gap, the same total."""
    energy, seconds, samples = served(6_000, step_s=0.01)
    ends = np.cumsum(seconds)
    total = np.concatenate([[0.0], np.cumsum(energy)])
    seen = np.interp(np.floor(ends / 0.1) * 0.1, np.concatenate([[0.0], ends]), total)
    read = np.diff(np.concatenate([[0.0], seen]))
    assert (read == 0).mean() > 0.8
    found = extrapolate_steps(read, seconds, samples, 320_000)
    assert found.energy_j == pytest.approx(2.5 * 320_000 / 32, rel=0.02)
    assert not any("no energy" in notice for notice in found.notices)


def test_two_hundred_steady_steps() -> None:
    """200 steps of 50 ms with 15 % of noise: within 3 % of the truth, and the interval holds."""
    errors, inside = [], 0
    for seed in range(60):
        energy, seconds, samples = served(20_000, step_s=0.05, seed=seed)
        found = extrapolate_steps(energy[:200], seconds[:200], samples[:200], 20_000 * 32)
        errors.append(abs(found.energy_j / energy.sum() - 1))
        inside += found.energy_low_j <= energy.sum() <= found.energy_high_j
    assert np.median(errors) < 0.03
    assert inside >= 0.85 * 60


def test_power_that_warms_up_is_continued() -> None:
    """Steps over 5 min while power nears 250 W with 70 s: the rest is expected at 250 W."""
    energy, seconds, samples = served(15_000)
    energy *= 1 - 0.08 * np.exp(-np.cumsum(seconds) / 70)
    found = extrapolate_steps(energy, seconds, samples, 10 * samples.sum())
    rest_w = (found.energy_j - energy.sum()) / (found.duration_s - seconds.sum())
    assert rest_w == pytest.approx(250.0, rel=0.01)
    assert found.stable


def test_a_new_pace_is_followed() -> None:
    """Steps that take 1.4 times as long from the middle on go on at that pace."""
    energy, seconds, samples = served(4_000)
    energy[2_000:] *= 1.4
    seconds[2_000:] *= 1.4
    found = extrapolate_steps(energy, seconds, samples, 40_000 * 32)
    rest_s = (found.duration_s - seconds.sum()) / 36_000
    assert rest_s == pytest.approx(float(seconds[2_000:].mean()), rel=0.01)


def test_gaps_are_named() -> None:
    """A chunk without a reading is filled in at the mean power, and said."""
    found = extrapolate_steps([10.0, None, 10.0, 10.0], [1.0] * 4, [8] * 4, 320)
    assert found.energy_j == pytest.approx(400.0)
    assert any("1 measurements" in notice for notice in found.notices)
    still = extrapolate_steps([10.0, 0.0, 10.0, 10.0], [1.0] * 4, [8] * 4, 320)
    assert still.energy_j == pytest.approx(400.0)
    assert still.notices == found.notices


def test_all_measured() -> None:
    """Nothing left: the sums, as measured."""
    found = extrapolate_steps([10.0, 12.0], [1.0, 1.0], [8, 8], 16)
    assert (found.basis, found.energy_j, found.duration_s) == ("measured", 22.0, 2.0)
    assert found.energy_low_j == found.energy_high_j == 22.0


def test_blocks_keep_what_was_measured() -> None:
    """Joined or not, joules, seconds and samples stay the same."""
    energy, seconds, samples = served(5_000)
    for count in (1, 2, 12, 13, 200, 5_000):
        units = steps.blocks(energy[:count], seconds[:count], samples[:count])
        assert len(units.size) <= steps.MAX_BLOCKS + 1
        assert units.size.sum() == samples[:count].sum()
        assert units.spans_s.sum() == pytest.approx(seconds[:count].sum())
        assert (units.energy_j * units.size).sum() == pytest.approx(energy[:count].sum())


@pytest.mark.parametrize(
    ("energy", "duration", "samples", "total", "named"),
    [
        ([], [], [], 5, "energy_j"),
        ([1.0, 1.0], [1.0, 1.0], [1], 5, "length"),
        ([1.0], [1.0], [0], 5, "samples[0]"),
        ([1.0], [1.0], [math.nan], 5, "samples[0]"),
        ([1.0], [math.inf], [1], 5, "duration_s[0]"),
        ([-2.0], [1.0], [1], 5, "energy_j[0]"),
        (None, 1.0, 1, 5, "no reading"),
        (1.0, 1.0, 10, 5, "less than the 10"),
        (1.0, 1.0, 10, math.inf, "total_samples"),
        ("1", 1.0, 10, 20, "energy_j"),
        (1e20, 1.0, 10, 20, "W"),
    ],
)
def test_impossible_input_is_refused(
    energy: object, duration: object, samples: object, total: float, named: str
) -> None:
    """What cannot be right is refused at the door, and named."""
    ask: Callable[..., Estimate] = extrapolate_steps
    with pytest.raises(BadInput) as refusal:
        ask(energy, duration, samples, total)
    assert named in str(refusal.value)


@given(costs=CHUNKS, factor=st.floats(0.01, 100.0))
def test_energy_scales(costs: list[float], factor: float) -> None:
    """Twice the joules give twice the answer and twice its bounds."""
    seconds, samples = [c / 50 for c in costs], [8] * len(costs)
    one = extrapolate_steps(costs, seconds, samples, 10_000)
    scaled = extrapolate_steps([factor * c for c in costs], seconds, samples, 10_000)
    for name in ("energy_j", "energy_low_j", "energy_high_j"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(one, name), rel=1e-6)


@given(costs=CHUNKS, more=st.floats(1.0, 1e6))
def test_more_samples_cost_more(costs: list[float], more: float) -> None:
    """Energy and time rise with the number of samples, and lie within their bounds."""
    seconds, samples = [c / 50 for c in costs], [8] * len(costs)
    fewer = extrapolate_steps(costs, seconds, samples, sum(samples) + more)
    rest = extrapolate_steps(costs, seconds, samples, sum(samples) + 1.5 * more)
    assert fewer.energy_j < rest.energy_j
    assert fewer.duration_s < rest.duration_s
    for found in (fewer, rest):
        assert found.energy_low_j <= found.energy_j <= found.energy_high_j
        assert found.duration_low_s <= found.duration_s <= found.duration_high_s
