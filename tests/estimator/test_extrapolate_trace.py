"""From minutes of a power trace to the whole run: by hand, on simulated jobs, on broken traces."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator.extrapolate_trace import extrapolate_trace
from tests.fakes import traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from joulecast.core.records import Estimate

    Array = NDArray[np.float64]

SECONDS = np.arange(0.0, 601.0)
DRAWS = 12


def ask(power_w: Array, total_s: float = 6_000.0) -> Estimate:
    """The answer to a trace of one reading a second."""
    return extrapolate_trace(SECONDS[: len(power_w)].tolist(), power_w.tolist(), total_s)


def test_constant_power_is_exact() -> None:
    """P watts for T seconds: P x T, steady, with a narrow interval."""
    found = ask(np.full(601, 250.0))
    assert found.energy_j == pytest.approx(250 * 6_000, rel=1e-12)
    assert (found.duration_s, found.duration_low_s, found.duration_high_s) == (6_000.0,) * 3
    assert found.power_w == pytest.approx(250.0)
    assert (found.stable, found.basis, found.notices) == (True, "short-run", ())
    assert found.energy_high_j / found.energy_j < 1.03


def test_two_readings_are_enough_for_a_number() -> None:
    """The shortest trace: an answer, and not called steady before 45 s."""
    found = extrapolate_trace([0.0, 10.0], [100.0, 100.0], 1_000.0)
    assert found.energy_j == pytest.approx(100_000.0)
    assert not found.stable


def test_startup_counts_once() -> None:
    """60 s at 40 W, then 300 W: the start is measured, not continued."""
    power = np.where(SECONDS < 60, 40.0, 300.0)
    found = ask(power)
    assert found.energy_j == pytest.approx(np.trapezoid(power, SECONDS) + 300 * 5_400, rel=1e-3)
    assert found.stable


def test_evaluation_gaps_go_on() -> None:
    """20 s at 200 W, 10 s at 100 W, again and again: 166.7 W on average."""
    found = ask(np.where(SECONDS % 30 < 20, 200.0, 100.0))
    assert found.energy_j == pytest.approx(6_000 * 500 / 3, rel=2e-3)
    assert found.stable


def test_a_stall_counts_once() -> None:
    """Half a minute at 50 W in a job of 200 W is measured, not continued."""
    power = np.full(601, 200.0)
    power[300:330] = 50.0
    found = ask(power)
    assert found.energy_j == pytest.approx(np.trapezoid(power, SECONDS) + 200 * 5_400, rel=2e-3)


def test_a_ramp_is_continued() -> None:
    """200 - 30 exp(-t / 90) W: the rest at its final 200 W; after 2 min not yet steady."""
    power = 200 - 30 * np.exp(-SECONDS / 90)
    truth = 200 * 6_000 - 30 * 90
    found = ask(power)
    assert found.energy_j == pytest.approx(truth, rel=2e-3)
    assert found.stable
    early = ask(power[:121])
    assert early.energy_j == pytest.approx(truth, rel=0.02)
    assert not early.stable
    assert any("warms up" in n and "more" in n for n in early.notices)
    assert early.next_measurement is not None


def test_a_later_phase_goes_on() -> None:
    """Frozen at 130 W for 4 min, then 200 W: the rest at 200 W."""
    power = np.where(SECONDS < 240, 130.0, 200.0)
    found = ask(power)
    assert found.energy_j == pytest.approx(np.trapezoid(power, SECONDS) + 200 * 5_400, rel=5e-3)
    assert found.stable
    just_turned = ask(power[:271])
    assert not just_turned.stable
    assert any("lasted only" in notice for notice in just_turned.notices)


@pytest.mark.parametrize("slope", [-0.2, 0.1, 0.3])
def test_a_drift_is_never_stable(slope: float) -> None:
    """Power that keeps climbing or falling: not stable, with a notice and a wide interval."""
    for window_s in (180, 300, 600):
        found = ask(200 + slope * SECONDS[: window_s + 1])
        assert not found.stable
        assert any("drifts" in n and "Measure about" in n for n in found.notices)
        assert found.energy_high_j / found.energy_low_j > 1.3


def test_all_measured() -> None:
    """Where total = window: the integral, as measured."""
    found = ask(np.full(601, 250.0), 600.0)
    assert (found.basis, found.energy_j, found.stable) == ("measured", 150_000.0, True)
    assert found.energy_low_j == found.energy_high_j == 150_000.0


def test_a_gap_is_never_bridged_silently() -> None:
    """Three minutes without readings: a notice, and doubt on both sides."""
    keep = (SECONDS < 200) | (SECONDS > 380)
    whole = ask(np.full(601, 150.0))
    found = extrapolate_trace(SECONDS[keep].tolist(), [150.0] * int(keep.sum()), 6_000.0)
    assert found.energy_j == pytest.approx(900_000.0)
    assert any("no reading for" in notice for notice in found.notices)
    assert found.energy_low_j < whole.energy_low_j
    assert found.energy_high_j > whole.energy_high_j
    measured = extrapolate_trace(SECONDS[keep].tolist(), [150.0] * int(keep.sum()), 600.0)
    assert measured.energy_low_j < measured.energy_j < measured.energy_high_j


def test_failed_readings_are_left_out() -> None:
    """NaN, None and 0 W between others are failed readings, not idle."""
    power: list[float | None] = [150.0] * 601
    power[100], power[200], power[300] = None, math.nan, 0.0
    found = extrapolate_trace(SECONDS.tolist(), power, 6_000.0)
    assert found.energy_j == pytest.approx(900_000.0)
    assert any(notice.startswith("3 of 601") for notice in found.notices)


@pytest.mark.parametrize(
    ("time_s", "power_w", "total_s", "named"),
    [
        ([], [], 10, "time_s"),
        ([0.0], [100.0], 10, "two readings"),
        ([0.0, 0.0], [100.0, 100.0], 10, "two readings"),
        ([0.0, 1.0], [100.0], 10, "length"),
        ([0.0, 2.0, 1.0], [100.0] * 3, 10, "steps back"),
        ([0.0, math.nan], [100.0] * 2, 10, "time_s[1]"),
        ([0.0, 1.0], [100.0, -1.0], 10, "power_w[1]"),
        ([0.0, 1.0], [100.0, math.inf], 10, "power_w[1]"),
        ([0.0, 1.0], [1e12, 1e12], 10, "power_w[0]"),
        ([0.0, 1.0], [None, math.nan], 10, "no reading"),
        ([0.0, 1.0], [0.0, 0.0], 10, "no reading"),
        ([0.0, 20.0], [100.0, 100.0], 10, "less than the 20"),
        ([0.0, 20.0], [100.0, 100.0], math.nan, "total_s"),
        ([0.0, 20.0], [100.0, 100.0], 1e30, "total_s"),
        ([0.0, 20.0], [100.0, 100.0], None, "total_s"),
    ],
)
def test_impossible_input_is_refused(
    time_s: object, power_w: object, total_s: object, named: str
) -> None:
    """What cannot be right is refused at the door, and named."""
    lenient: Callable[..., Estimate] = extrapolate_trace
    with pytest.raises(BadInput) as refusal:
        lenient(time_s, power_w, total_s)
    assert named in str(refusal.value)


def test_origin_of_time_does_not_matter() -> None:
    """Seconds since boot or since 1970 give the same answer."""
    found = traces.draw("evaluation", 1)
    time_s, power_w = found.window(600)
    here = extrapolate_trace(time_s, power_w, found.total_s)
    there = extrapolate_trace(time_s + 1.7e9, power_w, found.total_s)
    assert there.energy_j == pytest.approx(here.energy_j, rel=1e-6)
    assert there.energy_high_j == pytest.approx(here.energy_high_j, rel=1e-4)
    assert there.stable == here.stable


@given(
    kind=st.sampled_from(sorted(traces.KINDS)),
    seed=st.integers(0, 50),
    window_s=st.sampled_from([45.0, 120.0, 600.0]),
    factor=st.floats(0.01, 100.0),
)
@settings(max_examples=30)
def test_energy_scales(kind: str, seed: int, window_s: float, factor: float) -> None:
    """Twice the watts give twice the answer and twice its bounds, and the same verdict."""
    recording = traces.draw(kind, seed)
    time_s, power_w = recording.window(window_s)
    one = extrapolate_trace(time_s, power_w, recording.total_s)
    scaled = extrapolate_trace(time_s, factor * power_w, recording.total_s)
    for name in ("energy_j", "energy_low_j", "energy_high_j"):
        assert getattr(scaled, name) == pytest.approx(factor * getattr(one, name), rel=1e-6)
    assert scaled.stable == one.stable


@given(
    kind=st.sampled_from(sorted(traces.KINDS)),
    seed=st.integers(0, 50),
    more_s=st.floats(1.0, 1e6),
)
@settings(max_examples=30)
def test_a_longer_run_costs_more(kind: str, seed: int, more_s: float) -> None:
    """Energy rises with the total, and lies within its bounds, which hold what was measured."""
    time_s, power_w = traces.draw(kind, seed).window(300.0)
    measured_j = float(np.trapezoid(power_w, time_s))
    fewer = extrapolate_trace(time_s, power_w, float(time_s[-1]) + more_s)
    rest = extrapolate_trace(time_s, power_w, float(time_s[-1]) + 1.2 * more_s)
    assert measured_j < fewer.energy_j < rest.energy_j
    for found in (fewer, rest):
        assert measured_j * (1 - 1e-9) <= found.energy_low_j <= found.energy_j
        assert found.energy_j <= found.energy_high_j


@given(power=st.lists(st.floats(0.1, 1000.0), min_size=2, max_size=60), step=st.floats(0.01, 60))
@settings(max_examples=60)
def test_any_trace_is_answered(power: list[float], step: float) -> None:
    """Whatever the readings, there is a finite answer within finite bounds."""
    time_s = [step * i for i in range(len(power))]
    found = extrapolate_trace(time_s, power, 3 * time_s[-1] + 1)
    assert 0 < found.energy_low_j <= found.energy_j <= found.energy_high_j < math.inf


@pytest.mark.parametrize(
    ("kind", "error", "stable"),
    [
        ("plain", 0.02, 0.8),
        ("steady", 0.02, 0.8),
        ("ramp", 0.02, 0.8),
        ("evaluation", 0.02, 0.8),
        ("long epochs", 0.02, 0.8),
        ("frozen first", 0.04, 0.7),
        ("stall", 0.03, 0.7),
        ("throttle", 0.03, 0.8),
        ("noisy", 0.05, 0.6),
    ],
)
def test_ten_minutes_of_a_job(kind: str, error: float, stable: float) -> None:
    """Ten minutes: eight in ten answers within `error`, mostly steady, and then right."""
    errors, verdicts = [], []
    for seed in range(DRAWS):
        recording = traces.draw(kind, seed)
        time_s, power_w = recording.window(600.0)
        found = extrapolate_trace(time_s, power_w, recording.total_s)
        errors.append(abs(found.energy_j / recording.energy_j - 1))
        verdicts.append(found.stable)
        if found.stable:
            assert errors[-1] < 0.08
    assert float(np.quantile(errors, 0.8)) < error
    assert float(np.mean(verdicts)) >= stable


def test_ten_minutes_of_drift_are_not_stable() -> None:
    """Jobs whose power climbs or falls by 2-4 % a minute are called out."""
    for seed in range(DRAWS):
        recording = traces.draw("drift", seed)
        time_s, power_w = recording.window(600.0)
        assert not extrapolate_trace(time_s, power_w, recording.total_s).stable


def test_intervals_hold() -> None:
    """Ten minutes of every settled kind: at least 85 % of the 90 % intervals hold."""
    inside = []
    for kind in traces.KINDS:
        for seed in range(20, 28):
            recording = traces.draw(kind, seed)
            time_s, power_w = recording.window(600.0)
            found = extrapolate_trace(time_s, power_w, recording.total_s)
            if kind != "drift":
                inside.append(found.energy_low_j <= recording.energy_j <= found.energy_high_j)
    assert np.mean(inside) >= 0.85


def test_a_hundred_thousand_readings() -> None:
    """10 Hz over three hours, 10 W of noise on a repeating pattern: its mean goes on."""
    rng = np.random.default_rng(0)
    time_s = np.arange(100_000) * 0.1
    power_w = 200 + 40 * (time_s % 47 < 30) + 10 * rng.normal(size=len(time_s))
    found = extrapolate_trace(time_s, power_w, 40_000.0)
    assert found.energy_j == pytest.approx(40_000 * (200 + 40 * 30 / 47), rel=5e-3)
