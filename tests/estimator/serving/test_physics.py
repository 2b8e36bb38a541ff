"""An iteration of continuous batching: arithmetic by hand, and what must rise or fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.estimator.serving import bundle, operation, physics
from joulecast.estimator.serving.columns import columns_of
from tests.fakes.serving_setups import MACHINES, MODELS, server

if TYPE_CHECKING:
    from joulecast.core.records import Setup

SERVERS = st.builds(
    server,
    st.sampled_from(MODELS),
    st.sampled_from(MACHINES),
    st.sampled_from(["bf16", "fp8", "int4"]),
    st.sampled_from([1, 2, 8]),
    prompt_tokens=st.floats(1, 8000),
    output_tokens=st.floats(1, 4000),
    engine_year=st.one_of(st.none(), st.floats(2023, 2026)),
)


def test_weights_are_read_once_per_iteration() -> None:
    """16 GB at 3.35 TB/s and the efficiency: the term of an 8B model in bf16 on an H100."""
    k = physics.default_coefficients()
    t = physics.step(columns_of([server()]), k, np.array([4.0]))
    expected = 8.03e9 * 2 / (3350e9 * k["weights_bandwidth"])
    assert t["weights_s"][0] == pytest.approx(expected, rel=0.01)


def test_keys_and_values_are_read_per_request() -> None:
    """Bytes of 10 requests of 300 + 200 / 2 tokens, 131,072 bytes a token."""
    k = physics.default_coefficients()
    t = physics.step(columns_of([server()]), k, np.array([10.0]))
    expected = 10 * 400 * 131072 / (3350e9 * k["kv_bandwidth"])
    assert t["kv_s"][0] == pytest.approx(expected, rel=0.01)


def test_prefill_is_arithmetic_of_the_uncached_prompt() -> None:
    """Half the prompt cached takes half of the products and three quarters of half the scores."""
    k = physics.default_coefficients()
    none, half = (
        physics.step(columns_of([server(cache_hit_frac=h)]), k, np.array([20.0]))["prefill_s"][0]
        for h in (0.0, 0.5)
    )
    products, scores = 2 * 8.03e9 * 300, 4 * 32 * 4096 * 300 * 150
    share = (products / 2 + scores * 0.75) / (products + scores)
    assert half / none == pytest.approx(share, rel=0.01)


def test_a_full_batch_touches_all_experts() -> None:
    """One request reads about its own experts, a thousand read all."""
    k, c = physics.default_coefficients(), columns_of([server("qwen3-30b-a3b")])
    c["output_tokens"] = np.array([1e9])  # no prompt passes
    one, many = (physics.step(c, k, np.array([b]))["experts_s"][0] for b in (1.0, 1000.0))
    assert one / many == pytest.approx(c["routed"][0], rel=0.02)


@settings(max_examples=25, deadline=None)
@given(SERVERS)
def test_time_rises_with_the_batch_and_falls_per_request(setup: Setup) -> None:
    """So do joules of an iteration: the more requests share it the less each pays."""
    c = columns_of([setup] * 40)
    batch = np.geomspace(1, 2000, 40)
    t = physics.step(c, bundle.load().coefficients, batch)
    joules = t["step_s"] * t["busy_w"]
    assert (np.diff(t["step_s"]) > 0).all()
    assert (np.diff(t["step_s"] / batch) < 0).all()
    assert (np.diff(joules / batch) < 1e-12 * joules[0]).all()


@settings(max_examples=25, deadline=None)
@given(SERVERS, st.floats(1, 500))
def test_cached_prompts_never_cost_more(setup: Setup, batch: float) -> None:
    """Time and joules of an iteration never rise with the hit share."""
    c = columns_of([setup] * 21)
    c["hit"] = np.linspace(0, 1, 21)
    t = physics.step(c, bundle.load().coefficients, np.full(21, batch))
    joules = t["step_s"] * t["busy_w"]
    assert (np.diff(t["step_s"]) <= 1e-12 * t["step_s"][0]).all()
    assert (np.diff(joules) <= 1e-9 * joules[0]).all()


@settings(max_examples=20, deadline=None)
@given(SERVERS, st.floats(1, 500), st.floats(0.4, 1.0))
def test_the_power_limit_is_honoured(setup: Setup, batch: float, share: float) -> None:
    """No accelerator draws more than its limit, and a lower limit never makes it faster."""
    c = columns_of([setup])
    k, b = bundle.load().coefficients, np.array([batch])
    free = physics.step(c, k, b)
    c["limit_w"] = c["limit_w"] * share
    held = physics.step(c, k, b)
    assert held["busy_w"][0] <= c["limit_w"][0] * c["count"][0] * (1 + 1e-9)
    assert held["step_s"][0] >= free["step_s"][0] * (1 - 1e-9)


def test_terms_add_up_to_the_iteration() -> None:
    """The sum of the terms times the stretch of throttling is the iteration."""
    c = columns_of([server("gpt-oss-20b", n_gpus=2)])
    t = physics.step(c, physics.default_coefficients(), np.array([64.0]))
    total = sum(t[f"{name}_s"][0] for name in physics.TERMS)
    assert t["step_s"][0] == pytest.approx(total * t["stretch"][0])


def test_states_take_memory_too() -> None:
    """Nemotron Nano on one H100: 142 MB of state a request beside 16 kB a token, 57.4 GB free."""
    c = columns_of([server("nemotron-nano-9b-v2", prompt_tokens=900.0, output_tokens=200.0)])
    free_bytes = 0.9 * 1.065 * 80e9 - 1.5e9 - 8_888_227_328 * 2
    each_bytes = 27 * 128 * 80 * 128 * 4 + 1000 * 2 * 2 * 4 * 8 * 128
    assert operation.memory_limit(c)[0] == pytest.approx(free_bytes / each_bytes)


def test_memory_limits_the_batch() -> None:
    """A40 and Llama-2-7B: 28 GB for 558 tokens of half a megabyte are under a hundred requests."""
    c = columns_of([server("llama-2-7b", "a40", "fp16", prompt_tokens=262.0, output_tokens=592.0)])
    assert 80 < operation.memory_limit(c)[0] < 105
