"""Answers of the shipped serving model that a person would check by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.records import Setup, Workload
from joulecast.core.serving import Serving
from joulecast.datasets import architectures, hardware
from joulecast.estimator.serving import bundle, predictor

if TYPE_CHECKING:
    from joulecast.estimator.serving.answers import ServingAnswers

PLACES = ("h100-sxm", "a100-sxm-80gb", "hc4", "8xh100-sxm", "l4", "b200")
MODELS = ("llama-3.2-1b", "llama-3.1-8b", "mixtral-8x7b")
_ROUNDING = 1 + 1e-6


def server(model: str, place: str, serving: Serving, **more: object) -> Setup:
    """A model on a machine, in bf16, everything counted."""
    workload = Workload(task="serve", precision="bf16", serving=serving)
    setup = Setup(hardware.machine(place), architectures.find(model), workload)
    return replace(setup, **more)  # type: ignore[arg-type]


def answered(*setups: Setup) -> ServingAnswers:
    """Answers of the shipped bundle."""
    return predictor.answer(setups, bundle.load())


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    place=st.sampled_from(PLACES),
    tokens=st.tuples(st.integers(8, 8000), st.integers(8, 2000)),
    rate=st.floats(0.05, 5.0),
)
def test_longer_prompts_and_answers_never_cost_less(
    model: str, place: str, tokens: tuple[int, int], rate: float
) -> None:
    """At one rate below saturation a request with more to read or to write takes no less."""
    prompt, output = tokens
    lengths = [(prompt, output), (2 * prompt, output), (prompt, 2 * output)]
    a = answered(*(server(model, place, Serving(p, o, rate_rps=rate)) for p, o in lengths))
    assert a.saturation_rps[0] * _ROUNDING >= max(a.saturation_rps[1:])
    if rate < 0.95 * min(a.saturation_rps):
        assert a.request_j[0] <= min(a.request_j[1:]) * 1.01


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    place=st.sampled_from(PLACES),
    rate=st.floats(0.01, 50.0),
    scope=st.sampled_from(["gpu", "cpu", "system"]),
)
def test_bounds_lie_within_what_the_machine_can_draw(
    model: str, place: str, rate: float, scope: str
) -> None:
    """Joules times rate is never below idle nor above all limits together."""
    setup = server(model, place, Serving(512, 256, rate_rps=rate), scope=scope)
    a, m = answered(setup), setup.machine
    assert m.gpu is not None
    assert m.cpu is not None
    assert a.request_low_j[0] <= a.request_j[0] <= a.request_high_j[0]
    if rate >= a.saturation_low_rps[0]:
        return
    parts = {"gpu": m.gpu.tdp_w * m.n_gpus, "cpu": m.cpu.tdp_w * m.n_cpus}
    most_w = sum(parts.values()) + 500 if scope == "system" else parts[scope]
    assert a.request_high_j[0] * rate <= most_w * _ROUNDING
    idle_w = sum(w[0] for w in a.idle_w.values()) if scope == "system" else a.idle_w[scope][0]
    assert a.request_low_j[0] * rate >= idle_w / _ROUNDING


def test_one_client_keeps_one_copy_busy() -> None:
    """Eight copies and a single client: one works, seven wait, and no more is answered."""
    one, eight = (
        answered(server("llama-3.1-8b", "8xh100-sxm", Serving(512, 256, concurrency=n)))
        for n in (1, 8)
    )
    assert one.served_rps[0] == pytest.approx(eight.served_rps[0] / 8)
    assert one.served_rps[0] * one.latency_s[0] == pytest.approx(1.0, rel=0.05)
    assert one.power_w[0] < 0.7 * eight.power_w[0]


def test_clients_without_room_wait() -> None:
    """By Little's law: latency times answers per second is the number of clients."""
    a = answered(server("llama-3.1-8b", "l4", Serving(512, 256, concurrency=400)))
    assert a.max_batch[0] < 400
    assert a.latency_s[0] * a.served_rps[0] == pytest.approx(400, rel=0.05)


def test_the_same_chip_with_faster_memory_is_no_slower() -> None:
    """H200 is H100 with more and faster memory; alone in the batch a request waits for that."""
    for model in MODELS[:2]:
        h100, h200 = (
            answered(server(model, place, Serving(512, 256, concurrency=1)))
            for place in ("h100-sxm", "h200-sxm")
        )
        assert h200.tpot_s[0] < 1.05 * h100.tpot_s[0]


def test_seventy_billion_parameters_fit_on_two_boards_of_eighty() -> None:
    """With 2^30 bytes to the GB some requests find room beside 141 GB of weights."""
    a = answered(server("llama-3.1-70b", "2xh100-sxm", Serving(512, 256, rate_rps=0.1)))
    assert 5 < a.max_batch[0] < 200
    assert np.isfinite(a.latency_s[0])
