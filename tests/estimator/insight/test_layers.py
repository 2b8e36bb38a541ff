"""Energy by type of layer: shares that add up and move with what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.asking_run import setup_of
from joulecast.core.records import OP_CLASSES
from joulecast.estimator import bundle, predictor
from joulecast.estimator.insight.layers import layer_shares

if TYPE_CHECKING:
    from joulecast.core.insight import LayerShares

_LAYERS = {*OP_CLASSES, "activation", "pooling", "optimiser", "waiting"}


def shares(model: str, hardware: str, **asked: object) -> LayerShares:
    """Shares of one question."""
    setup, _ = setup_of(model, hardware, **asked)  # type: ignore[arg-type]
    return layer_shares(predictor.answer([setup], bundle.load()).terms)


@settings(max_examples=15, deadline=None)
@given(
    model=st.sampled_from(["vgg16", "mobilenetv2", "resnext29_2x64d", "lenet", "densenet121"]),
    hardware=st.sampled_from(["hc2", "hc3", "i5-12500", "t4", "h100-sxm"]),
    task=st.sampled_from(["train", "infer"]),
    batch_size=st.integers(1, 2048),
)
def test_shares_add_up(model: str, hardware: str, task: str, batch_size: int) -> None:
    """Energy and time are shared out whole, among known types of layers, the largest first."""
    told = shares(model, hardware, task=task, batch_size=batch_size)
    for part in (told.frac, told.time_frac):
        assert sum(part.values()) == pytest.approx(1.0)
        assert set(part) <= _LAYERS
        assert list(part.values()) == sorted(part.values(), reverse=True)


def test_a_network_of_convolutions_spends_on_convolutions() -> None:
    """VGG spends most on convolutions, a transformer on matrix products and attention."""
    assert next(iter(shares("vgg16", "hc2").frac)) == "conv"
    bert = shares("bert-base", "a100-sxm-40gb", batch_size=32, seq_len=384).frac
    assert list(bert)[:2] == ["matmul", "attention"]


def test_only_training_has_an_optimiser() -> None:
    """The optimiser's share is training's alone."""
    assert "optimiser" in shares("vgg16", "hc2", task="train", batch_size=8).frac
    assert "optimiser" not in shares("vgg16", "hc2", task="infer").frac


def test_a_starved_device_waits() -> None:
    """One sample a step leaves the device waiting for launches; a large batch does not."""
    starved = shares("resnet18", "hc2", task="infer", batch_size=1)
    busy = shares("resnet18", "hc2", task="infer", batch_size=512, loader_workers=64)
    assert starved.frac["waiting"] > 0.3
    assert busy.frac.get("waiting", 0.0) < 0.1


def test_longer_sequences_move_energy_to_attention() -> None:
    """Attention grows with the square of the sequence, products with its length."""
    short, long = (
        shares("bert-base", "a100-sxm-40gb", batch_size=4, seq_len=n).frac["attention"]
        for n in (128, 2048)
    )
    assert long > 2 * short


def test_waiting_costs_less_than_its_time() -> None:
    """A waiting device draws less than a working one, so its share of energy is the smaller."""
    told = shares("resnet18", "hc2", task="infer", batch_size=8)
    assert told.frac["waiting"] < told.time_frac["waiting"]
