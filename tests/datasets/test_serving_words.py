"""Words of serving tables: engines and their years, precisions, what a workload's requests hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.units import BYTES_PER_VALUE
from joulecast.datasets import serving_words as words


@pytest.mark.parametrize(
    ("spelling", "engine", "year"),
    [
        ("vLLM 0.11.1", "vllm", 2025.8),
        ("vLLM 0.5.4-era (v2.0, Sept 2024)", "vllm", 2024.6),
        ("vLLM 0.5.3", "vllm", 2024.4),
        ("vLLM (2023)", "vllm", 2023.5),
        ("vLLM (Feb 2024)", "vllm", 2024.1),
        ("PyTorch/FastChat (2023)", "transformers", 2023.5),
        ("TensorRT-LLM", "trtllm", None),
        ("trtllm 1.0.0rc3", "trtllm", 2025.5),
        ("Deepspeed-MII", "deepspeed-mii", None),
        ("sglang 0.5.10.post1", "sglang", 2026.3),
        ("sglang nightly-dev-20260216-d3bae71e", "sglang", None),
        ("vLLM 0.0.1", "vllm", None),
        ("vLLM 2.0", "vllm", 2026.7),
        ("", "unknown", None),
    ],
)
def test_engine_and_year(spelling: str, engine: str, year: float | None) -> None:
    """A version gives its release, a year in words itself, nothing gives nothing."""
    assert words.engine_of(spelling) == (engine, year)


def test_releases_are_in_order() -> None:
    """Later versions never came out earlier."""
    for releases in words._RELEASES.values():
        assert list(releases) == sorted(releases)
        years = [year for _, year in releases]
        assert years == sorted(years)


@pytest.mark.parametrize(
    ("spelling", "bits", "precision"),
    [
        ("bfloat16", 16.0, "bf16"),
        ("float16", None, "fp16"),
        ("mxfp4", 4.25, "fp4"),
        ("nvfp4", None, "fp4"),
        ("fp8_block", None, "fp8"),
        ("int4_wo", None, "int4"),
        ("AWQ", None, "int4"),
        ("W8A8-INT8", None, "int8"),
        ("FP8 W8A8", None, "fp8"),
        ("GPTQ-Int8", None, "int8"),
        ("GPTQ-Int4", None, "int4"),
        ("W8A16", None, "int8"),
        ("Q4_K_M", None, "int4"),
        ("Q8_0", None, "int8"),
        ("nf4", None, "int4"),
        ("", 8.0, "fp8"),
        ("", 4.25, "int4"),
        ("", 16.0, "bf16"),
        ("", None, ""),
    ],
)
def test_precision(spelling: str, bits: float | None, precision: str) -> None:
    """Every spelling in use is one of the package's precisions; bits help where it is blank."""
    assert words.precision_of(spelling, bits) == precision
    assert not precision or precision in BYTES_PER_VALUE


@given(spelling=st.text(max_size=40))
def test_any_text_is_an_engine(spelling: str) -> None:
    """Whatever an engine is called, there is an answer, and a year only of this century."""
    engine, year = words.engine_of(spelling)
    assert isinstance(engine, str)
    assert year is None or 2020 <= year < 2050


def test_tokens_of_workloads() -> None:
    """A workload's own name decides before a shorter one; unknown ones are said to be unknown."""
    concise, known = words.tokens_of("chat-concise")
    assert known
    assert concise.output < words.tokens_of("chat")[0].output
    assert not words.tokens_of("a workload of mine")[1]


def test_image_tokens() -> None:
    """Gemma 3 takes 256 tokens an image, LLaVA-1.5 24 x 24; a text shows none; a clip more."""
    assert words.image_tokens("image", "gemma-3-12b") == 256
    assert words.image_tokens("image", "llava-1.5-7b") == 576
    assert words.image_tokens("", "gemma-3-12b") == 0
    assert words.image_tokens("video", "qwen3-8b") > words.image_tokens("image", "qwen3-8b")
