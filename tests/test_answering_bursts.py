"""What own bursts add to an answer about a model server: who is named, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.answering_bursts import contradicted, lean_on, refuse_beyond
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


def test_bursts_faster_than_the_answer_admits_are_told(bundle: Bundle) -> None:
    """Answered at 500 per second where far less fits: the records are of another machine."""
    asked = server(3.0)
    a = predictor.answer([asked], bundle)
    quick = burst(server(3.0), bundle)
    figures = quick.measurement.burst
    assert figures is not None
    figures = replace(figures, offered_rps=9000.0, achieved_rps=9000.0, saturated=False)
    quick = replace(quick, measurement=replace(quick.measurement, burst=figures))
    (said,) = contradicted(asked, [quick], a)
    assert "answered at 9e+03 requests/s" in said
    assert "is --hw the machine" in said
    assert contradicted(asked, [burst(server(1.0), bundle)], a) == ()
    assert contradicted(asked, [], a) == ()


def test_a_handful_of_requests_shows_no_saturation(bundle: Bundle) -> None:
    """Five answers at another pace than asked are chance: no estimate beyond them."""
    asked = server(100.0)
    few = burst(server(1.0), bundle)
    figures = few.measurement.burst
    assert figures is not None
    figures = replace(
        figures, sent=7, completed=5, offered_rps=1.4, achieved_rps=1.0, saturated=None
    )
    few = replace(few, measurement=replace(few.measurement, burst=figures))
    with pytest.raises(BadInput, match="none was saturated"):
        refuse_beyond(asked, [few], predictor.answer([asked], bundle))
