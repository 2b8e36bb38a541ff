"""Change points, periods and labelled stretches of series whose turning points are known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.estimator import segments
from tests.fakes import traces
from tests.fakes.traces import Job, Phase


def kinds(found: tuple[segments.Segment, ...]) -> list[str]:
    """The kinds in order."""
    return [segment.kind for segment in found]


def test_change_points_of_clean_steps() -> None:
    """Three levels: their first indices."""
    values = np.repeat([100.0, 150.0, 120.0], [20, 30, 25])
    assert segments.change_points(values) == [0, 20, 50]


def test_change_points_in_noise() -> None:
    """Steps of five standard deviations are found to one place; noise alone gives none."""
    rng = np.random.default_rng(0)
    values = np.repeat([100.0, 130.0], 50) + 5 * rng.normal(size=100)
    found = segments.change_points(values)
    assert len(found) == 2
    assert abs(found[1] - 50) <= 1
    false = [len(segments.change_points(100 + 5 * rng.normal(size=100))) > 1 for _ in range(100)]
    assert np.mean(false) < 0.05


@pytest.mark.parametrize("n", [1, 2, 3])
def test_change_points_of_short_series(n: int) -> None:
    """One level where there is nothing to part."""
    assert segments.change_points(np.full(n, 7.0)) == [0]


@given(factor=st.floats(1e-3, 1e3))
def test_change_points_do_not_know_units(factor: float) -> None:
    """Milliwatts or kilowatts: the same places."""
    rng = np.random.default_rng(1)
    values = np.repeat([100.0, 140.0, 90.0], 15) + 4 * rng.normal(size=45)
    assert segments.change_points(factor * values) == segments.change_points(values)


def test_noise_scale_ignores_slow_changes_and_jumps() -> None:
    """Noise of 3 on a slope with one jump reads about 3."""
    rng = np.random.default_rng(2)
    values = np.linspace(0, 50, 2_000) + 3 * rng.normal(size=2_000)
    values[1_000:] += 400
    assert segments.noise_scale(values) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("period", [6.0, 24.5, 61.3])
def test_period_of_a_square_wave(period: float) -> None:
    """The period of epochs with evaluation, to a few percent, fractional ones too."""
    rng = np.random.default_rng(3)
    at = np.arange(300.0)
    values = np.where(at % period < 0.6 * period, 180.0, 120.0) + 5 * rng.normal(size=300)
    assert segments.period_bins(values) == pytest.approx(period, rel=0.03)


def test_period_of_the_later_phase() -> None:
    """Epochs of 24 s, later of 43 s: the later period counts."""
    at = np.arange(600.0)
    early = np.where(at % 24 < 11, 135.0, 122.0)
    late = np.where(at % 43 < 30, 329.0, 158.0)
    values = np.where(at < 280, early, late)
    assert segments.period_bins(values) == pytest.approx(43.0, rel=0.03)


def test_noise_has_no_period() -> None:
    """White noise, a line and a constant repeat nothing."""
    rng = np.random.default_rng(4)
    found = [segments.period_bins(100 + rng.normal(size=200)) for _ in range(50)]
    assert sum(period is not None for period in found) <= 2
    assert segments.period_bins(np.linspace(1, 2, 100)) is None
    assert segments.period_bins(np.full(100, 3.0)) is None
    assert segments.period_bins(np.arange(5.0)) is None


def test_stretches_of_a_training() -> None:
    """Start-up, then epochs with evaluation: the edges within seconds, the levels within 3 %."""
    job = Job((Phase(200.0, train_s=40.0, eval_w=120.0, eval_s=15.0),), startup_s=20.0,
              ramp_frac=0.0, jitter_frac=0.0, noise_frac=0.01)  # fmt: skip
    recording = traces.simulate(job, 350.0)
    found = segments.segment_trace(recording.time_s, recording.power_w)
    assert kinds(found) == ["start-up", *["steady", "evaluation"] * 6]
    assert found[0].end_s == pytest.approx(20, abs=2)
    assert [s.start_s for s in found if s.kind == "evaluation"] == pytest.approx(
        [60 + 55 * i for i in range(6)], abs=2
    )
    assert found[1].level == pytest.approx(200, rel=0.03)
    assert found[2].level == pytest.approx(120, rel=0.05)
    assert found[0].start_s == 0.0
    assert found[-1].end_s == pytest.approx(350.0)


def test_stretches_meet() -> None:
    """Each stretch begins where the one before ends, whatever the job."""
    for kind in traces.KINDS:
        time_s, power_w = traces.draw(kind, 2).window(400)
        found = segments.segment_trace(time_s, power_w)
        assert found[0].start_s == 0.0
        assert found[-1].end_s == pytest.approx(time_s[-1])
        assert [s.end_s for s in found[:-1]] == [s.start_s for s in found[1:]]
        assert all(a.kind != b.kind for a, b in pairwise(found))


def test_warm_up_of_a_trace() -> None:
    """An earlier, lower level after start-up is warm-up; the longest level is steady."""
    at = np.arange(600.0)
    power = np.select([at < 30, at < 130], [40.0, 170.0], 200.0)
    found = segments.segment_trace(at, power)
    assert kinds(found) == ["start-up", "warm-up", "steady"]
    assert found[1].end_s == pytest.approx(130, abs=3)


def test_stretches_of_steps() -> None:
    """Three slow first steps are start-up, forty of 12 ms warm-up, those of 10 ms steady."""
    rng = np.random.default_rng(5)
    base = np.concatenate([[2.0, 0.5, 0.2], np.full(40, 0.012), np.full(400, 0.010)])
    duration = base * rng.lognormal(0, 0.02, len(base))
    found = segments.segment_steps(duration)
    assert kinds(found) == ["start-up", "warm-up", "steady"]
    assert found[0].end_s == pytest.approx(duration[:3].sum())
    assert found[1].end_s == pytest.approx(duration[:43].sum(), rel=0.02)
    assert found[2].level == pytest.approx(0.010, rel=0.01)


def test_power_settles_later_than_time() -> None:
    """Steps that are steady in time from the start warm up in power."""
    power = np.concatenate([np.full(60, 180.0), np.full(240, 200.0)])
    duration = np.full(300, 0.05)
    assert kinds(segments.segment_steps(duration)) == ["steady"]
    found = segments.segment_steps(duration, power)
    assert kinds(found) == ["warm-up", "steady"]
    assert found[0].end_s == pytest.approx(3.0, abs=0.1)


def test_startup_is_at_most_half() -> None:
    """Power that is low for more than half of a window is no start-up."""
    assert segments.startup_length(np.repeat([40.0, 200.0], [70, 30])) == 0
    assert segments.startup_length(np.repeat([40.0, 200.0], [20, 80])) in (20, 21)
    assert segments.startup_length(np.full(50, 200.0)) == 0


def test_recurring_low_needs_two_levels() -> None:
    """Gaps are found where power falls again and again, not once, and not in noise."""
    rng = np.random.default_rng(6)
    wave = np.where(np.arange(120) % 30 < 20, 200.0, 130.0)
    assert segments.recurring_low(wave).tolist() == (wave < 150).tolist()
    once = np.where(np.arange(120) < 100, 200.0, 130.0)
    assert not segments.recurring_low(once).any()
    assert not segments.recurring_low(200 + 20 * rng.normal(size=120)).any()
