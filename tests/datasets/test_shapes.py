"""Networks at another input size, with other totals, and the network most like another."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.records import Architecture
from joulecast.datasets import architectures, shapes

VISION = architectures.find("torchvision:resnet50")
TEXT = architectures.find("bert-base-uncased")
VOLUME = Architecture(
    name="volume",
    domain="vision",
    input_shape=(1, 128, 128, 128),
    params=1e6,
    macs=sum(op.macs for op in VISION.ops.values()),
    ops=VISION.ops,
)


@given(side=st.integers(32, 1_024))
def test_images_scale_with_their_area(side: int) -> None:
    """Work and outputs grow with the pixels; weights, parameters and launches stay."""
    other = shapes.resized(VISION, (3, side, side))
    factor = (side / 224) ** 2
    assert other.input_shape == (3, side, side)
    assert other.macs == pytest.approx(VISION.macs * factor, rel=0.01)
    assert other.activation_bytes == pytest.approx(VISION.activation_bytes * factor)
    assert (other.params, other.kernels) == (VISION.params, VISION.kernels)
    for name, op in VISION.ops.items():
        assert other.ops[name].weight_bytes == op.weight_bytes


@given(tokens=st.integers(1, 8_192))
def test_token_models_scale_with_length_and_attention_with_its_square(tokens: int) -> None:
    """Twice the tokens: products and what attention moves twice, its arithmetic four times."""
    other, factor = shapes.resized(TEXT, (tokens,)), tokens / TEXT.input_shape[0]
    assert other.ops["matmul"].macs == pytest.approx(TEXT.ops["matmul"].macs * factor)
    assert other.ops["attention"].macs == pytest.approx(TEXT.ops["attention"].macs * factor**2)
    assert other.macs == pytest.approx(sum(op.macs for op in other.ops.values()))
    moved = other.ops["attention"].activation_bytes
    assert moved == pytest.approx(TEXT.ops["attention"].activation_bytes * factor)


def test_volumes_scale_with_their_voxels() -> None:
    """Half of each side is an eighth of the work."""
    assert shapes.resized(VOLUME, (1, 64, 64, 64)).macs == pytest.approx(VOLUME.macs / 8)


def test_the_own_size_changes_nothing() -> None:
    """Asked for at its own size, or at none, a network is itself."""
    assert shapes.resized(VISION, VISION.input_shape) is VISION
    assert shapes.resized(VISION, ()) is VISION


@given(params=st.floats(1e4, 1e11), macs=st.floats(1e5, 1e13))
def test_totals_replace_totals_and_keep_shares(params: float, macs: float) -> None:
    """Other totals are taken over, the share of every op class stays as it was counted."""
    other = shapes.with_totals(VISION, params, macs)
    for wanted, found, counted in (
        (params, other.params, VISION.params),
        (macs, other.macs, VISION.macs),
    ):
        agreed = shapes.agree(wanted, counted)
        assert found == pytest.approx(counted if agreed else wanted)
    for name, op in VISION.ops.items():
        assert other.ops[name].macs / other.macs == pytest.approx(op.macs / VISION.macs)
        assert other.ops[name].kernels == op.kernels


@pytest.mark.parametrize("wanted", [None, math.nan, math.inf, 0.0, -1.0])
def test_totals_that_cannot_be_are_ignored(wanted: float | None) -> None:
    """A total that is missing or impossible leaves the count."""
    assert shapes.with_totals(VISION, wanted, wanted) is VISION


def test_agreement_has_a_margin() -> None:
    """Within a quarter a total agrees, beyond it does not, and a missing one never does."""
    assert shapes.agree(1.2e6, 1e6)
    assert shapes.agree(0.85e6, 1e6)
    assert not shapes.agree(1.3e6, 1e6)
    assert not shapes.agree(None, 1e6)


def test_the_nearest_network_is_itself() -> None:
    """A network's own totals find networks of its own size and intensity."""
    entries = architectures.all_architectures()
    found = shapes.nearest(entries, "vision", VISION.params, VISION.macs)
    assert found.params == pytest.approx(VISION.params, rel=0.05)
    assert found.macs == pytest.approx(VISION.macs, rel=0.05)


def test_the_domain_comes_first() -> None:
    """A text network is likened to text networks, however near a vision network's totals are."""
    entries = [VISION, TEXT]
    assert shapes.nearest(entries, "text", VISION.params, VISION.macs) is TEXT
    assert shapes.nearest(entries, "no-such-domain", VISION.params, VISION.macs) is VISION


@pytest.mark.parametrize(("params", "macs"), [(2.5e7, None), (None, 4e9)])
def test_one_total_is_enough(params: float | None, macs: float | None) -> None:
    """Either total alone finds a network near it."""
    found = shapes.nearest(architectures.all_architectures(), "vision", params, macs)
    if params:
        assert found.params == pytest.approx(params, rel=0.1)
    if macs:
        assert found.macs == pytest.approx(macs, rel=0.1)
