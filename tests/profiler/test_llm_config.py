"""Language models counted from their public configs, against public totals."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.profiler._llm_families import FAMILIES
from joulecast.profiler.llm_config import architecture_from_config

Raw = dict[str, Any]


def sizes(kind: str, dims: str, **more: Any) -> Raw:  # noqa: ANN401
    """Config from "hidden layers heads kv_heads inner vocab"."""
    keys = (
        "hidden_size num_hidden_layers num_attention_heads num_key_value_heads "
        "intermediate_size vocab_size"
    )
    numbers = (int(n) for n in dims.split())
    return {"model_type": kind, **dict(zip(keys.split(), numbers, strict=True)), **more}


# Values of the public config.json files, with the public number of parameters.
EXACT: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "llm_configs.json").read_text(encoding="utf-8")
)
LLAMA_8B: Raw = EXACT["llama-3.1-8b"]["config"]
MIXTRAL: Raw = EXACT["mixtral-8x7b"]["config"]
DEEPSEEK_V3 = sizes(
    "deepseek_v3",
    "7168 61 128 128 18432 129280",
    moe_intermediate_size=2048,
    n_routed_experts=256,
    n_shared_experts=1,
    num_experts_per_tok=8,
    first_k_dense_replace=3,
    moe_layer_freq=1,
    q_lora_rank=1536,
    kv_lora_rank=512,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
    tie_word_embeddings=False,
)


@pytest.mark.parametrize("model", EXACT)
def test_public_totals_exactly(model: str) -> None:
    """Parameters of the public checkpoint, to the last one."""
    counted = architecture_from_config(EXACT[model]["config"], name=model)
    assert counted.params == EXACT[model]["params"]
    assert counted.uncounted == ()


@pytest.mark.parametrize(
    ("config", "total", "active"),
    [
        (MIXTRAL, 46.7e9, 12.9e9),
        (DEEPSEEK_V3, 671e9, 37.55e9),
        (EXACT["qwen3-30b-a3b"]["config"], 30.5e9, 3.35e9),
        (EXACT["phi-3.5-moe"]["config"], 41.9e9, 6.6e9),
    ],
    ids=["mixtral", "deepseek-v3", "qwen3-30b-a3b", "phi-3.5-moe"],
)
def test_total_and_active_parameters(config: Raw, total: float, active: float) -> None:
    """Active is all but the idle experts, embeddings and head included."""
    counted = architecture_from_config(config)
    assert counted.params == pytest.approx(total, rel=0.01)
    assert counted.active_params == pytest.approx(active, rel=0.01)


def test_gpt_oss_active_without_the_input_table() -> None:
    """OpenAI's 3.6 B leaves out the input embedding, which is a look-up of one row."""
    counted = architecture_from_config(EXACT["gpt-oss-20b"]["config"])
    assert counted.active_params is not None
    assert counted.active_params - 201_088 * 2880 == pytest.approx(3.6e9, rel=0.01)


def test_llama_facts_by_hand() -> None:
    """MACs, cache, shape of Llama-3.1-8B at 100 tokens."""
    counted = architecture_from_config(LLAMA_8B, name="l", seq_len=100)
    matrices = 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 4096 * 128_256
    assert counted.ops["matmul"].macs == 100 * matrices
    assert counted.ops["matmul"].weight_bytes == 4 * matrices
    assert counted.ops["attention"].macs == 32 * 100 * 100 * 32 * 256
    assert counted.ops["embedding"].macs == 0
    assert counted.kv_bytes_per_token == 2 * 32 * 2 * 8 * 128
    assert counted.input_shape == (100,)
    assert (counted.layers, counted.hidden, counted.heads) == (32, 4096, 32)
    assert (counted.kv_heads, counted.experts) == (8, None)
    assert counted.active_params == counted.params
    assert counted.ops["norm"].kernels == 65
    assert counted.domain == "text"


def test_formula_and_counter_agree() -> None:
    """The Llama of the benchmark, counted as a module and from its config."""
    path = Path(__file__).parents[2] / "benchmarks" / "count_llm.py"
    spec = importlib.util.spec_from_file_location("count_llm", path)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    sys.modules["count_llm"] = bench  # its dataclass looks itself up
    spec.loader.exec_module(bench)
    from joulecast.profiler.counters import count_module

    network = bench.Llama(bench.Size(64, 96, 3, 8, 2, 100))
    seen = count_module(network, (11,), name="l", domain="text")
    said = architecture_from_config(sizes("llama", "64 3 8 2 96 100"), seq_len=11)
    assert seen.params == said.params
    assert seen.macs == said.macs
    for kind in ("matmul", "attention", "norm", "embedding"):
        assert seen.ops[kind] == said.ops[kind]


def test_latent_cache_of_mla() -> None:
    """DeepSeek caches the compressed latent and the rotary key, not keys and values."""
    counted = architecture_from_config(DEEPSEEK_V3)
    assert counted.kv_bytes_per_token == 2 * 61 * (512 + 64)
    assert counted.experts == 256


def test_experts_read_grow_with_tokens() -> None:
    """One token reads k experts, many read all: E (1 - (1 - k/E)^n)."""
    expert = 3 * 4096 * 14336 * 4 * 32
    few = architecture_from_config(MIXTRAL, seq_len=1).ops["matmul"].weight_bytes
    many = architecture_from_config(MIXTRAL, seq_len=512).ops["matmul"].weight_bytes
    assert many - few == pytest.approx(6 * expert, rel=1e-9)


def test_llama4_interleaves_dense_layers() -> None:
    """Every second layer of Maverick is sparse; the text part alone is counted."""
    text = sizes(
        "llama4_text",
        "5120 48 40 8 8192 202048",
        head_dim=128,
        intermediate_size_mlp=16384,
        num_local_experts=128,
        num_experts_per_tok=1,
        interleave_moe_layer_step=2,
    )
    counted = architecture_from_config({"model_type": "llama4", "text_config": text})
    assert counted.params == pytest.approx(400e9, rel=0.01)
    assert counted.active_params == pytest.approx(17e9, rel=0.02)
    assert counted.uncounted == ("vision tower",)


def test_unknown_family_says_so() -> None:
    """An unknown model_type is met with llama's formula and a note."""
    counted = architecture_from_config(LLAMA_8B | {"model_type": "brandnew"})
    assert counted.params == 8_030_261_248
    assert counted.uncounted == ("model_type brandnew: llama formula",)


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "intermediate_size"])
def test_missing_key_is_named(key: str) -> None:
    """BadInput says which key lacks."""
    config = {k: v for k, v in LLAMA_8B.items() if k != key}
    with pytest.raises(BadInput, match=key):
        architecture_from_config(config)


@pytest.mark.parametrize("held", ["4096", True, float("nan"), -1, [1]])
def test_absurd_values_are_refused(held: object) -> None:
    """Numbers are finite, not negative, and numbers."""
    with pytest.raises(BadInput, match="hidden_size"):
        architecture_from_config(LLAMA_8B | {"hidden_size": held})


@pytest.mark.parametrize(
    "change",
    [
        {"num_attention_heads": 0},
        {"num_local_experts": 4, "num_experts_per_tok": 9},
        {"model_type": "bart", "is_encoder_decoder": True},
    ],
    ids=["no heads", "too many experts", "encoder-decoder"],
)
def test_impossible_configs_are_refused(change: Raw) -> None:
    """What has no formula is refused rather than guessed."""
    with pytest.raises(BadInput):
        architecture_from_config(LLAMA_8B | change)


@pytest.mark.parametrize("seq_len", [0, -3, 1.5, True])
def test_bad_sequence_length(seq_len: Any) -> None:  # noqa: ANN401
    """Sequences have at least one token."""
    with pytest.raises(BadInput, match="seq_len"):
        architecture_from_config(LLAMA_8B, seq_len=seq_len)


def test_reads_files_and_folders(tmp_path: Path) -> None:
    """A path to config.json or to its folder; the folder names the record."""
    folder = tmp_path / "my-llama"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_8B), encoding="utf-8")
    for path in (folder, folder / "config.json", str(folder)):
        assert architecture_from_config(path).name == "my-llama"
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match="Hugging Face"):
        architecture_from_config(folder)
    (folder / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BadInput, match="JSON object"):
        architecture_from_config(folder)
    with pytest.raises(BadInput, match="cannot read"):
        architecture_from_config(tmp_path / "nowhere.json")


def test_without_torch() -> None:
    """The formulas load no torch."""
    code = "import sys, joulecast.profiler.llm_config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "src"})


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(FAMILIES)),
    heads=st.integers(1, 8),
    layers=st.integers(1, 5),
    seq_len=st.integers(1, 300),
)
def test_every_family_is_consistent(kind: str, heads: int, layers: int, seq_len: int) -> None:
    """Counts are positive, active within total, linear MACs in proportion to the tokens."""
    config = sizes(kind, f"{heads * 16} {layers} {heads} {heads} 64 1000")
    config |= {"max_position_embeddings": 512, "head_dim": 16}
    one = architecture_from_config(config, seq_len=1)
    many = architecture_from_config(config, seq_len=seq_len)
    assert 0 < (many.active_params or 0) <= many.params == one.params
    assert many.ops["matmul"].macs == seq_len * one.ops["matmul"].macs
    assert many.macs == sum(op.macs for op in many.ops.values())
    assert many.activation_bytes < sum(op.activation_bytes for op in many.ops.values())


def test_gelu_spelled_out_is_eight_operators() -> None:
    """GPT-2's GELU reads ten and writes eight tensors of the inner width, ReLU one and one."""
    config = sizes("gpt2", "64 3 4 4 256 1000", n_positions=128)
    spelled = architecture_from_config(config, seq_len=16).ops["elementwise"]
    relu = architecture_from_config({**config, "activation_function": "relu"}, seq_len=16)
    one = relu.ops["elementwise"]
    assert spelled.kernels - one.kernels == 3 * 7
    assert spelled.activation_bytes - one.activation_bytes == 4 * 3 * 16 * 256 * (18 - 2)


@pytest.mark.parametrize(
    ("config", "dim"),
    [
        (sizes("llama", "64 2 4 2 128 1000"), 16),
        (sizes("qwen3", "64 2 4 2 128 1000", head_dim=32), 32),
        (sizes("bert", "64 2 4 4 128 1000", max_position_embeddings=64), 16),
        (DEEPSEEK_V3, (128 + 64 + 128) / 2),
    ],
)
def test_width_of_a_head(config: Raw, dim: float) -> None:
    """A score costs one multiply-add per column in each product: macs / (2 dim) scores."""
    counted = architecture_from_config(config, seq_len=8)
    heads, layers = config["num_attention_heads"], config["num_hidden_layers"]
    assert counted.head_dim == dim
    assert counted.ops["attention"].macs == 2 * dim * 8 * 8 * heads * layers
