"""Energy over a model's life, by the papers' shares or by the expected volume."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.estimator.insight.life_cycle import life_cycle


@given(st.floats(1, 1e12), st.tuples(*[st.floats(0.1, 100)] * 3))
def test_phases_keep_their_shares(train_j: float, shares: tuple[float, float, float]) -> None:
    """Without a volume the phases stand to each other as the shares do."""
    told = life_cycle(train_j, None, shares=shares)
    whole = sum(told.values())
    assert list(told.values()) == pytest.approx([whole * s / sum(shares) for s in shares])


def test_volume_replaces_the_share() -> None:
    """A million answers of half a joule are half a megajoule, whatever the share says."""
    assert life_cycle(2e6, 0.5, requests=1e6)["inference"] == 5e5


def test_inference_alone() -> None:
    """Without a training only what the volume costs can be told."""
    assert life_cycle(None, 2.0, requests=10) == {"inference": 20.0}
    assert life_cycle(None, 2.0) == {}


def test_a_volume_of_answers_of_unknown_energy_has_no_inference() -> None:
    """The share does not stand in for a volume that was stated."""
    assert life_cycle(2e6, None, requests=10) == {"experimentation": 1e6, "training": 2e6}


@pytest.mark.parametrize("shares", [(10, 20), (10, 0, 70), (10, -1, 70), (float("nan"), 20, 70)])
def test_impossible_shares_are_refused(shares: tuple[float, ...]) -> None:
    """Shares are three finite numbers above 0."""
    with pytest.raises(BadInput, match="10:20:70"):
        life_cycle(1.0, 1.0, shares=shares)


def test_negative_volume_is_refused() -> None:
    """Fewer than no requests cannot be."""
    with pytest.raises(BadInput, match="0 or more"):
        life_cycle(1.0, 1.0, requests=-1)
