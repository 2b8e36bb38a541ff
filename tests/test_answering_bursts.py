"""What own bursts add to an answer about a model server: who is named, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.answering_bursts import lean_on, refuse_beyond
from joulecast.core.errors import BadInput
from joulecast.estimator.serving import predictor
from joulecast.estimator.serving.answers import Adjustment
from tests.fakes.serving_bursts import burst, physics_bundle, server

if TYPE_CHECKING:
    from joulecast.core.records import Run
    from joulecast.estimator.serving.bundle import Bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Physics alone, nothing learned."""
    return physics_bundle()


def timeless(run: Run) -> Run:
    """A burst that told no times."""
    figures = run.measurement.burst
    assert figures is not None
    bare = replace(figures, ttft=None, itl=None, latency=None)
    return replace(run, measurement=replace(run.measurement, burst=bare))


def test_only_bursts_that_count_are_evidence(bundle: Bundle) -> None:
    """A server's own burst of kilowatts is named as set aside, not as what the answer rests on."""
    asked = server(3.0)
    nonsense = timeless(burst(asked, bundle, off=1000.0))
    other = burst(server(3.0, model="llama-3.2-1b"), bundle)
    found = lean_on(asked, [nonsense, other], bundle)
    assert [(e.model, e.n) for e in found.evidence] == [("llama-3.2-1b", 1)]
    assert found.basis == "calibrated"
    assert "more than its boards can draw" in found.notices[0]
    alone = lean_on(asked, [nonsense], bundle)
    assert (alone.basis, alone.evidence, alone.adjust) == ("zero-shot", (), Adjustment())
    assert lean_on(asked, [], bundle).notices == ()


def test_rates_beyond_the_bursts_are_refused(bundle: Bundle) -> None:
    """Above saturation only a saturated burst of the server, or one at that rate, lets answer."""
    asked = server(100.0)
    a = predictor.answer([asked], bundle)
    light, full = burst(server(1.0), bundle), burst(server(200.0), bundle)
    with pytest.raises(BadInput, match=r"went up to 1 and none was saturated"):
        refuse_beyond(asked, [light], a)
    refuse_beyond(asked, [light, full], a)
    refuse_beyond(asked, [], a)
    refuse_beyond(asked, [burst(server(1.0, device="h100-sxm"), bundle)], a)
    refuse_beyond(server(1.0), [light], predictor.answer([server(1.0)], bundle))
    refuse_beyond(server(None), [light], predictor.answer([server(None)], bundle))


def test_a_closed_loop_is_named_by_its_pace(bundle: Bundle) -> None:
    """Bursts of a fixed number of clients went up to the rate that was answered, not to zero."""
    asked, closed = server(100.0), server(None)
    a = predictor.answer([asked], bundle)
    run = burst(closed, bundle)
    figures = run.measurement.burst
    assert figures is not None
    paced = replace(figures, achieved_rps=7.0, saturated=None)
    run = replace(run, measurement=replace(run.measurement, burst=paced))
    with pytest.raises(BadInput, match=r"went up to 7 and"):
        refuse_beyond(asked, [run], a)
