"""Rate, warm-up and stalls of steps whose times are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.profiler import session_steps
from joulecast.profiler.session_steps import StepLog, Steps


def log_of(durations_s: list[float]) -> StepLog:
    """A log of steps with these durations, from 100 s on."""
    log = StepLog(100.0)
    log.ends_s.extend((100.0 + np.cumsum(durations_s)).tolist())
    return log


def summary(log: StepLog) -> Steps:
    """Its summary."""
    found = log.summary()
    assert found is not None
    return found


def test_warm_up_and_stalls_are_apart() -> None:
    """Two slow first steps, a stall of 10 s, and a median of 1 s that neither moves."""
    found = summary(log_of([9.0, 3.0, *[1.0] * 20, 11.0, *[1.0] * 20]))
    times = found.times
    assert (times.count, times.warmup_steps, times.warmup_s) == (43, 2, 12.0)
    assert times.median_s == pytest.approx(1.0)
    assert times.stall_s == pytest.approx(10.0)
    assert times.p90_s == pytest.approx(1.0)
    assert (found.steady_start_s, found.steady_end_s) == (112.0, 163.0)
    assert found.steady_count == 41


def test_five_normal_steps_end_the_warm_up() -> None:
    """A slow step among the first five normal ones keeps the warm-up going."""
    found = summary(log_of([5.0, 1.0, 1.0, 5.0, *[1.0] * 30]))
    assert found.times.warmup_steps == 4


def test_a_few_steps_have_no_warm_up() -> None:
    """Fewer than five steps cannot tell; no step at all is no summary."""
    assert summary(log_of([9.0, 1.0, 1.0])).times.warmup_steps == 0
    assert StepLog(0.0).summary() is None


def test_an_evaluation_between_epochs_is_no_step() -> None:
    """A step counts from the mark before it, not from the last step of the epoch before."""
    log = log_of([1.0] * 10)
    log.mark(160.0)
    log.ends_s.extend([161.0 + i for i in range(10)])
    times = summary(log).times
    assert times.stall_s == 0.0
    assert times.median_s == pytest.approx(1.0)
    assert times.p90_s == pytest.approx(1.0)


def test_a_clock_that_steps_back_gives_no_negative_step() -> None:
    """A step that seems to end before it began lasts 0 s."""
    log = log_of([1.0] * 10)
    log.ends_s.append(105.0)
    assert summary(log).times.median_s == pytest.approx(1.0)


@given(
    st.integers(0, 50),
    st.lists(st.floats(0.9, 1.2), min_size=100, max_size=400),
    st.sampled_from([40, 64]),
)
def test_folded_steps_give_the_same_summary(slow: int, durations_s: list[float], keep: int) -> None:
    """Steps folded into counts per duration: the count exact, the times to 1 %."""
    durations_s = [10.0] * min(slow, 8) + durations_s
    durations_s[60] = 30.0
    samples = [64.0, 64.0, 64.0, 20.0]
    whole = log_of(durations_s)
    whole.samples.extend(samples[i % 4] for i in range(len(durations_s)))
    exact = summary(whole).times
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_steps, "KEEP", keep)
        patch.setattr(session_steps, "HEAD", 20)
        log = StepLog(100.0)
        for end_s, told in zip(whole.ends_s, whole.samples, strict=True):
            log.ends_s.append(end_s)
            log.samples.append(told)
            log.tidy()
    assert len(log.ends_s) < 2 * keep
    folded = summary(log).times
    assert (folded.count, folded.warmup_steps) == (exact.count, exact.warmup_steps)
    assert folded.median_s == pytest.approx(exact.median_s, rel=0.02)
    assert folded.p90_s == pytest.approx(exact.p90_s, rel=0.02)
    assert folded.stall_s == pytest.approx(exact.stall_s, rel=0.02)
    assert summary(log).sample_s == pytest.approx(summary(whole).sample_s, rel=0.02)
    assert len(log.samples) == len(log.ends_s)


def test_seconds_per_sample_come_from_the_full_batches() -> None:
    """A short last batch, a slow one and steps without samples do not move the rate."""
    log = log_of([*[0.128] * 11, 0.05, 0.128, 3.0, *[0.128] * 10])
    log.samples.extend([*[128.0] * 11, 30.0, float("nan"), *[128.0] * 11])
    assert summary(log).sample_s == pytest.approx(1e-3)
    assert summary(log_of([1.0] * 20)).sample_s is None


def test_moments_are_given_from_any_step_on() -> None:
    """The trace asks for what is new; what was folded away is not there any more."""
    log = log_of([1.0] * 5)
    assert log.since(3) == (3, log.ends_s[3:])
    assert log.since(9)[1].tolist() == []
