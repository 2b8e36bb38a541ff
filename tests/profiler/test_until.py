"""The stop rule, on simulated steps whose truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulecast.core.errors import BadInput
from joulecast.profiler.until import MAX_BLOCKS, Until, tightness

Floats = NDArray[np.floating]
BATCH = 32
METER_S = 0.1
POWER_W = 100.0


@dataclass(frozen=True)
class Job:
    """Steps with jitter, wandering power, slow first steps and a power ramp.

    The true energy per sample, of the steady state, is POWER_W x step_s / BATCH.
    """

    step_s: float = 0.1
    jitter_frac: float = 0.1
    wander_frac: float = 0.03
    wander_s: float = 1.0
    slow_start: float = 0.0
    ramp_frac: float = 0.0
    ramp_s: float = 10.0

    @property
    def truth_j(self) -> float:
        """Joules per sample."""
        return POWER_W * self.step_s / BATCH

    def trace(self, seed: int, length_s: float) -> tuple[Floats, Floats, Floats]:
        """Times, joules and samples at the ends of steps."""
        draw = np.random.default_rng(seed)
        n = int(length_s / self.step_s)
        noise = self.jitter_frac * draw.standard_normal(n) - self.jitter_frac**2 / 2
        steps_s = self.step_s * np.exp(noise) * (1 + self.slow_start * np.exp(-np.arange(n) / 5))
        time_s = np.cumsum(steps_s)
        grid_s = np.arange(0, time_s[-1] + METER_S, METER_S)
        keep = math.exp(-METER_S / self.wander_s)
        wander, value = np.empty(len(grid_s)), draw.standard_normal()
        for i, kick in enumerate(draw.standard_normal(len(grid_s)) * math.sqrt(1 - keep**2)):
            value = keep * value + kick
            wander[i] = value
        ramp = 1 - self.ramp_frac * np.exp(-grid_s / self.ramp_s)
        power_w = POWER_W * (1 + self.wander_frac * wander) * ramp
        joules = np.concatenate([[0.0], np.cumsum(power_w[:-1]) * METER_S])
        return time_s, np.interp(time_s, grid_s, joules), BATCH * np.arange(1.0, n + 1)


def stop_at(job: Job, seed: int, target: float, length_s: float = 400) -> tuple[float, Until]:
    """Seconds at which the rule stops the job (infinite if never), and the rule."""
    until = Until(target)
    for i, (time_s, joules, samples) in enumerate(zip(*job.trace(seed, length_s), strict=True)):
        if until.observe(time_s, joules, samples, i + 1):
            return time_s, until
    return math.inf, until


def error_frac(job: Job, until: Until) -> float:
    """Distance of the mean from the truth."""
    mean_j = until.tightness.energy_per_sample_j
    assert mean_j is not None
    return abs(mean_j / job.truth_j - 1)


def test_constant_steps_are_known_exactly() -> None:
    """Steady power and steady steps: the mean is P t / batch and the interval has no width."""
    time_s = 0.5 * np.arange(1, 81)
    found = tightness(time_s, 80 * time_s, 16 * np.arange(1.0, 81), 0.9)
    assert found.energy_per_sample_j == pytest.approx(80 * 0.5 / 16)
    assert found.half_width_frac == pytest.approx(0, abs=1e-9)
    assert found.warmup_s >= 10
    assert found.blocks == MAX_BLOCKS


@pytest.mark.parametrize(
    "job",
    [
        Job(jitter_frac=0.3, wander_frac=0),
        Job(jitter_frac=0.05, wander_frac=0.1, wander_s=1),
        Job(jitter_frac=0.05, wander_frac=0.05, wander_s=4),
        Job(step_s=1.5, jitter_frac=0.15),
    ],
)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(job: Job) -> None:
    """At a fixed length of 90 s, 90 % intervals hold the truth in at least 85 % of 100 jobs."""
    held = known = 0
    for seed in range(100):
        found = tightness(*job.trace(seed, 90), 0.9)
        if found.half_width_frac is not None and found.energy_per_sample_j is not None:
            known += 1
            held += abs(found.energy_per_sample_j / job.truth_j - 1) <= found.half_width_frac
    assert known >= 80
    assert held / known >= 0.85


@pytest.mark.parametrize(
    "job",
    [
        Job(jitter_frac=0.3, wander_frac=0),
        Job(wander_frac=0.08, wander_s=2),
        Job(jitter_frac=0.05, ramp_frac=0.15, ramp_s=8, slow_start=2),
        Job(jitter_frac=0.05, wander_frac=0.02, ramp_frac=0.15, ramp_s=30),
    ],
)
def test_where_it_stops_the_target_is_met(job: Job) -> None:
    """Of 30 jobs stopped at 5 %, at least nine in ten are within 5 % of the truth."""
    ends = [stop_at(job, seed, 0.05) for seed in range(30)]
    stopped = [until for end_s, until in ends if end_s < math.inf]
    assert len(stopped) >= 24
    assert sum(error_frac(job, until) <= 0.05 for until in stopped) >= 0.9 * len(stopped)
    assert all(until.half_width_frac <= 0.05 for until in stopped)  # type: ignore[operator]


def test_quiet_jobs_stop_earlier_than_noisy_ones() -> None:
    """Medians over 10 jobs rise with the noise, and with a tighter target."""

    def median_s(job: Job, target: float) -> float:
        return float(np.median([stop_at(job, seed, target)[0] for seed in range(10)]))

    quiet, noisy = Job(jitter_frac=0.03, wander_frac=0.01), Job(wander_frac=0.08, wander_s=2)
    assert median_s(quiet, 0.05) < 0.5 * median_s(noisy, 0.05)
    assert median_s(quiet, 0.05) < median_s(quiet, 0.01)


def test_it_waits_while_the_power_still_climbs() -> None:
    """A strong minute-long ramp is seen as drift at 40 s; a stationary job is not."""
    ramping = Job(jitter_frac=0.05, wander_frac=0.01, ramp_frac=0.3, ramp_s=60)
    found = tightness(*ramping.trace(1, 40), 0.9)
    assert found.half_width_frac is None
    assert found.reason == "still drifting"
    assert stop_at(ramping, 1, 0.05)[0] > 60
    steady = [tightness(*Job().trace(seed, 60), 0.9).reason for seed in range(40)]
    assert sum(reason == "still drifting" for reason in steady) <= 6


def test_slow_first_steps_are_left_out() -> None:
    """Ten-fold slower first steps do not bias the mean."""
    job = Job(jitter_frac=0.02, wander_frac=0.01, slow_start=10)
    time_s, until = stop_at(job, 2, 0.05)
    assert time_s < 120
    assert error_frac(job, until) < 0.02


def test_never_before_both_minima() -> None:
    """Not before 20 s and not before 30 steps, however quiet."""
    quiet = Job(jitter_frac=0, wander_frac=0, wander_s=1)
    assert stop_at(quiet, 0, 0.5)[0] >= 20
    slow = Job(step_s=4, jitter_frac=0, wander_frac=0)
    assert stop_at(slow, 0, 0.5)[0] >= 30 * 4


def test_both_minima_are_arguments() -> None:
    """With smaller minima a constant job is known after eight blocks, which need 11 s."""
    until = Until(0.05, min_s=1, min_steps=2)
    ends = [n for n in range(1, 400) if until.observe(0.1 * n, 5.0 * n, 32.0 * n, n)]
    assert 10 < 0.1 * ends[0] < 15


def test_missing_readings_are_passed_over() -> None:
    """No meter, no samples, NaN or a repeated moment: never a reason to stop, never an error."""
    until = Until(0.05, min_s=1, min_steps=2)
    for n in range(200):
        assert not until.observe(0.1 * n, None, 32.0 * n, n)
        assert not until.observe(0.1 * n, 5.0 * n, None, n)
        assert not until.observe(0.1 * n, math.nan, 32.0 * n, n)
        assert not until.observe(0.0, 0.0, 0.0, n)
    assert until.half_width_frac is None


def test_without_energy_nothing_is_known() -> None:
    """A meter that stands still gives no interval of no width."""
    time_s = 0.5 * np.arange(1, 81)
    found = tightness(time_s, 0 * time_s, 16 * np.arange(1.0, 81), 0.9)
    assert (found.half_width_frac, found.reason) == (None, "no energy per sample was read")


def test_too_short_says_so() -> None:
    """Nothing, one step, and five seconds are too short for eight blocks."""
    for n in (0, 1, 2, 50):
        column = 0.1 * np.arange(1.0, n + 1)
        found = tightness(column, column, column, 0.9)
        assert (found.half_width_frac, found.reason) == (None, "too short for 8 blocks")


def test_long_measurements_are_thinned_without_loss() -> None:
    """A hundred thousand steps keep the mean and a bounded memory."""
    until = Until(0.0001, min_s=1e9)
    for n in range(100_000):
        until.observe(0.01 * n, 0.7 * n, 32.0 * n, n)
    times = until._columns[0]
    assert len(times) <= 8192
    assert times[-1] - times[0] > 990
    columns = [np.array(column) for column in until._columns]
    mean_j = tightness(columns[0], columns[1], columns[2], 0.9).energy_per_sample_j
    assert mean_j == pytest.approx(0.7 / 32)


@pytest.mark.parametrize(("target", "level"), [(0, 0.9), (5, 0.9), (0.05, 1), (math.nan, 0.9)])
def test_targets_that_cannot_be_meant(target: float, level: float) -> None:
    """Five instead of 0.05, or a level of 1, is refused."""
    with pytest.raises(BadInput, match=r"between 0 and 1"):
        Until(target, level=level)


@given(
    scale=st.floats(1e-3, 1e6),
    stretch=st.floats(0.5, 20),
    seed=st.integers(0, 50),
)
def test_units_do_not_matter(scale: float, stretch: float, seed: int) -> None:
    """Twice the joules give the same interval; so does another size of batch."""
    time_s, joules, samples = Job().trace(seed, 60)
    plain = tightness(time_s, joules, samples, 0.9)
    scaled = tightness(time_s, scale * joules, stretch * samples, 0.9)
    assert scaled.reason == plain.reason
    if plain.half_width_frac is not None:
        assert scaled.half_width_frac == pytest.approx(plain.half_width_frac, rel=1e-6)


@given(seed=st.integers(0, 1000), low=st.floats(0.5, 0.8), more=st.floats(0.01, 0.19))
def test_a_higher_level_is_wider(seed: int, low: float, more: float) -> None:
    """Being surer costs width."""
    trace = Job().trace(seed, 45)
    one, two = (tightness(*trace, level).half_width_frac for level in (low, low + more))
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert two > one > 0
