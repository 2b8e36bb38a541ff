"""Networks of serving rows: named, stated, or guessed; hybrids keep few keys and values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import UnknownName
from joulecast.datasets import architectures
from joulecast.datasets.serving_models import Facts, facts_of, family_of, network_of


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "deepseek-v3"),
        ("nvidia/DeepSeek-R1-NVFP4", "deepseek-r1"),
        ("nvidia/Qwen3-32B-NVFP4", "qwen3-32b"),
        ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b"),
        ("MiniMaxAI/MiniMax-M2.5", "minimax-m2"),
        ("zhipuai/GLM-5", "glm-5"),
        ("moonshotai/Kimi-K2.5", "kimi-k2.5"),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nemotron-nano-9b-v2"),
        ("somebody/Llama-3.1-8B-Instruct-AWQ", "llama-3.1-8b"),
        ("qwen3-8b", "qwen3-8b"),
    ],
)
def test_variants_are_found(model_id: str, name: str) -> None:
    """Publishers, quantisations and tunings of a network are the network."""
    network, notes = network_of(model_id, Facts())
    assert network.name == name
    assert notes == ()


def test_rounded_totals_leave_the_count() -> None:
    """14e9 for a network of 14.8e9 parameters changes nothing."""
    counted, _ = network_of("Qwen/Qwen3-14B", Facts())
    stated, _ = network_of("Qwen/Qwen3-14B", Facts("dense", 14e9, 14e9, 40, 5120, 8, 128))
    assert stated == counted


def test_other_totals_override() -> None:
    """Twice the parameters in twice the layers are twice the arithmetic, keys and values."""
    counted, _ = network_of("qwen3-14b", Facts())
    twice, _ = network_of("qwen3-14b", Facts(params=2 * counted.params, layers=80))
    assert twice.params == pytest.approx(2 * counted.params)
    assert twice.active_params == pytest.approx(2 * counted.params)
    assert twice.macs == pytest.approx(2 * counted.macs)
    assert twice.kv_bytes_per_token == 2 * (counted.kv_bytes_per_token or 0)


def test_unknown_name_with_facts() -> None:
    """A row's own dimensions stand: 2 bytes x (key + value) x 10 layers x 4 heads x 64."""
    facts = Facts("dense", 1.5e9, 1.5e9, 10, 1024, 4, 64)
    network, notes = network_of("house/secret", facts)
    assert network.params == pytest.approx(1.5e9, rel=0.25)
    assert (network.layers, network.hidden, network.kv_heads) == (10, 1024, 4)
    assert network.kv_bytes_per_token == pytest.approx(2 * 2 * 10 * 4 * 64)
    assert "not in the catalogue" in notes[0]


def test_unknown_name_that_states_its_size() -> None:
    """A size in the name is enough; no size anywhere is refused with names that are known."""
    network, _ = network_of("house/secret-7B-chat", Facts())
    assert network.params == pytest.approx(7e9, rel=0.25)
    with pytest.raises(UnknownName, match="total_params"):
        network_of("house/secret", Facts())


def test_kinds_go_to_their_like() -> None:
    """An unknown mixture of experts has experts, an unknown hybrid a state and few keys."""
    moe, _ = network_of("x", Facts("moe", 50e9, 4e9))
    assert moe.experts
    assert moe.active_params == pytest.approx(4e9, rel=0.25)
    hybrid, _ = network_of("x", Facts("hybrid", 9e9, 9e9))
    assert hybrid.state_bytes
    assert (hybrid.kv_bytes_per_token or 0) < 50_000


def test_implausible_facts_are_left_out() -> None:
    """Half layers, more active parameters than there are, heads as wide as a house: no facts."""
    row = {"total_params": 7e9, "active_params": 9e9, "n_layers": 31.5, "head_dim": 1e6}
    assert facts_of(row) == Facts(params=7e9)


@given(
    params=st.floats(1e8, 1e12),
    share=st.floats(0.01, 1),
    kind=st.sampled_from(["dense", "moe", "hybrid", ""]),
)
def test_any_size_is_a_network(params: float, share: float, kind: str) -> None:
    """Whatever size is stated, the network has it (to a quarter) and keys and values."""
    network, _ = network_of("unheard-of", Facts(kind, params, params * share))
    assert 0.79 < network.params / params < 1.26
    assert 0 < (network.active_params or 0) <= network.params
    assert network.kv_bytes_per_token


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("codellama-7b", "llama"),
        ("llava-1.5-7b", "llama"),
        ("codegemma-7b", "gemma"),
        ("mixtral-8x7b", "mistral"),
        ("qwen3.5-397b-a17b", "qwen"),
        ("deepseek-r1", "deepseek"),
        ("gpt-oss-120b", "gpt-oss"),
        ("nemotron-nano-9b-v2", "nemotron"),
        ("pythia-12b", "gpt-neox"),
        ("starcoder2-7b", "starcoder"),
        ("minimax-m2", "minimax"),
        ("glm-5", "glm"),
    ],
)
def test_families(name: str, family: str) -> None:
    """A network belongs to the family it descends from."""
    assert family_of(architectures.find(f"llm:{name}")) == family


@pytest.mark.parametrize(
    ("name", "kv_bytes", "state_bytes"),
    [
        # 4 of 56 layers attend: 2 B x 2 x 4 x 8 heads x 128; 27 x 128 heads x 80 x 128 x 4 B
        ("nemotron-nano-9b-v2", 2 * 2 * 4 * 8 * 128, 27 * 128 * 80 * 128 * 4),
        # 15 of 60 attend: 2 heads x 256; 45 x 64 heads x 128 x 128 x 4 B
        ("qwen3.5-397b-a17b", 2 * 2 * 15 * 2 * 256, 45 * 64 * 128 * 128 * 4),
        ("qwen3-next-80b-a3b", 2 * 2 * 12 * 2 * 256, 36 * 32 * 128 * 128 * 4),
        ("rwkv-4-7b", 0, 32 * 5 * 4096 * 4),
    ],
)
def test_hybrids_by_hand(name: str, kv_bytes: float, state_bytes: float) -> None:
    """Only attending layers keep keys and values; the others a state of fixed size."""
    network = architectures.find(f"llm:{name}")
    assert network.kv_bytes_per_token == kv_bytes
    assert network.state_bytes == state_bytes


def test_hybrids_have_the_published_parameters() -> None:
    """To the last parameter where the publisher counts so."""
    assert architectures.find("llm:nemotron-nano-9b-v2").params == 8_888_227_328
    assert architectures.find("llm:rwkv-4-7b").params == 7_392_649_216
