"""Serving setups as columns: weights, parallelism, engines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulecast.estimator.serving.columns import ERAS, columns_of, engine_of
from joulecast.estimator.serving.weights import bytes_per_weight
from tests.fakes.serving_setups import server


@pytest.mark.parametrize(
    ("precision", "expected"),
    [
        ("bf16", 2.0),
        ("fp16", 2.0),
        ("fp8", 1.0),
        ("int8", 1.0),
        ("fp32", 4.0),
        ("mxfp4", 0.53125),
        ("fp64", 8.0),
    ],
)
def test_weights_take_their_bytes(precision: str, expected: float) -> None:
    """A weight takes the bytes of its precision and its share of the scales."""
    assert bytes_per_weight(precision) == expected


def test_tensor_parallelism_is_the_least_that_holds_the_weights() -> None:
    """70B in bf16 needs 4 GPUs of 80 GB, in fp8 2; the rest of 8 serves as replicas."""
    c = columns_of(
        [
            server("llama-3.1-70b", n_gpus=8),
            server("llama-3.1-70b", precision="fp8", n_gpus=8),
            server("llama-3.1-8b", n_gpus=8),
        ]
    )
    assert c["tensor"].tolist() == [4, 2, 1]
    assert c["replicas"].tolist() == [2, 4, 8]
    assert c["spare_gpus"].tolist() == [0, 0, 0]


def test_given_parallelism_is_kept() -> None:
    """What is asked is taken, and GPUs that nobody uses are spare."""
    c = columns_of([server(n_gpus=8, tensor_parallel=2, data_parallel=3)])
    assert (c["tensor"][0], c["replicas"][0], c["spare_gpus"][0]) == (2, 3, 2)


def test_data_parallel_attention_shares_the_experts() -> None:
    """Eight ranks over one set of experts work on one iteration together."""
    c = columns_of(
        [server("qwen3-30b-a3b", n_gpus=8, tensor_parallel=1, data_parallel=8, expert_parallel=8)]
    )
    assert (c["ranks"][0], c["expert_gpus"][0], c["replicas"][0]) == (8, 8, 1)


def test_an_unknown_year_is_todays_software() -> None:
    """Eras weigh 1 together, and where no year is said the latest counts alone."""
    c = columns_of([server(), server(engine_year=2024.2), server(engine_year=2020.0)])
    eras = np.array([c[f"era_{e}"] for e in ERAS])
    assert eras.sum(axis=0) == pytest.approx(1)
    assert eras[:, 0].tolist() == [0, 0, 1]
    assert eras[:, 2].tolist() == [1, 0, 0]


def test_fp16_stands_in_for_bf16() -> None:
    """A V100 without bf16 multiplies at its fp16 peak."""
    c = columns_of([server(machine="v100-sxm2")])
    assert c["peak_half"][0] == pytest.approx(125e12, rel=0.05)


def test_routed_share_is_that_of_the_experts() -> None:
    """Qwen3-30B-A3B routes a token to 8 of 128 experts."""
    c = columns_of([server("qwen3-30b-a3b")])
    assert c["routed"][0] == pytest.approx(8 / 128, rel=0.15)


def test_all_columns_are_finite_but_for_the_load() -> None:
    """Only rate and concurrency may be unknown."""
    for name, values in columns_of([server("gpt-oss-20b", "l4", "fp4")]).items():
        assert np.isfinite(values).all() or name in {"rate_rps", "concurrency"}, name


@pytest.mark.parametrize(
    ("spelling", "engine"),
    [("vLLM 0.11", "vllm"), ("TensorRT-LLM", "trtllm"), ("llama.cpp", "llamacpp"), ("?", "vllm")],
)
def test_engines_by_their_spellings(spelling: str, engine: str) -> None:
    """Spellings name engines; what nobody knows is taken for vLLM's kind."""
    assert engine_of(spelling) == engine


def test_a_workload_without_serving_is_refused() -> None:
    """The message names the network."""
    setup = server()
    with pytest.raises(ValueError, match=r"llama-3\.1-8b"):
        columns_of([replace(setup, workload=replace(setup.workload, serving=None))])
