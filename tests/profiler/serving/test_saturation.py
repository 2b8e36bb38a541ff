"""The search for saturation on servers whose capacity is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.profiler.serving.saturation import (
    MOST_BURSTS,
    TIGHT,
    Tried,
    next_rate,
    saturation_of,
)


def searched(capacity_rps: float, *, told: bool = True) -> list[Tried]:
    """The bursts on a server that answers at most `capacity_rps`."""
    tried: list[Tried] = []
    while (rate := next_rate(tried)) is not None:
        behind = rate > capacity_rps
        saturated = behind if told else None
        tried.append(Tried(rate, rate, min(rate, capacity_rps), saturated=saturated))
        assert len(tried) <= MOST_BURSTS
    return tried


def test_rates_double_until_one_is_too_much_and_then_close_in() -> None:
    """A capacity of 11: 1, 2, 4, 8, 16 and then between 8 and 16."""
    tried = searched(11.0)
    assert [t.rate_rps for t in tried[:5]] == [1, 2, 4, 8, 16]
    assert all(8 < t.rate_rps < 16 for t in tried[5:])
    found = saturation_of(tried)
    assert found.rate_rps == pytest.approx(11.0)
    assert found.low_rps is not None
    assert found.high_rps is not None
    assert found.low_rps <= 11.0 <= found.high_rps <= TIGHT * found.low_rps


def test_a_server_slower_than_one_a_second_is_found_below() -> None:
    """Large models on small machines answer once in many seconds."""
    found = saturation_of(searched(0.09))
    assert found.rate_rps == pytest.approx(0.09)


def test_a_server_that_answers_nothing_ends_the_search() -> None:
    """No rate is low enough, and the search stops."""
    tried: list[Tried] = []
    while (rate := next_rate(tried)) is not None:
        tried.append(Tried(rate, rate, 0.0, failed_frac=1.0))
    found = saturation_of(tried)
    assert len(tried) < MOST_BURSTS
    assert (found.low_rps, found.rate_rps) == (None, 0.0)


def test_without_saturation_no_rate_is_told() -> None:
    """What kept up bounds it from below only."""
    found = saturation_of([Tried(1, 1, 1), Tried(2, 2, 2)])
    assert (found.rate_rps, found.low_rps, found.high_rps) == (None, 2, None)


def test_the_bracket_is_of_what_arrived() -> None:
    """Chance lets fewer arrive than were asked for: 12 of 13.4 is what was kept up with."""
    found = saturation_of([Tried(13.4, 12.0, 12.0), Tried(16, 15.0, 12.5, saturated=True)])
    assert (found.rate_rps, found.low_rps, found.high_rps) == (12.5, 12.0, 15.0)


def test_chance_below_what_was_asked_is_not_saturation() -> None:
    """Four fifths answered in a short window of a server that says that it keeps up."""
    assert not Tried(1, 1.0, 0.8, saturated=False).is_too_much
    assert Tried(1, 1.0, 0.6, saturated=False).is_too_much
    assert Tried(1, 1.0, 0.8, saturated=None).is_too_much
    assert Tried(1, 1.0, 1.0, failed_frac=0.2).is_too_much


@settings(max_examples=60)
@given(st.floats(0.05, 2000.0), st.booleans())
def test_the_bracket_holds_every_capacity(capacity_rps: float, told: bool) -> None:  # noqa: FBT001
    """Whether the queue tells or only the goodput."""
    found = saturation_of(searched(capacity_rps, told=told))
    assert found.high_rps is not None
    assert found.rate_rps == pytest.approx(capacity_rps, rel=1e-6) or not told
    assert (found.low_rps or 0) <= capacity_rps * (1 if told else 1.12)
    assert found.high_rps >= capacity_rps * 0.99
