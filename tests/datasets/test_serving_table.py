"""Rows of the serving table as questions and as runs: inputs only, any blank, sums by hand."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput, JoulecastError, UnknownName
from joulecast.datasets import serving_table

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.serving import Serving

INPUTS: dict[str, Any] = {
    "task": "text-generation",
    "workload": "lm-arena-chat",
    "model_id": "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8",
    "architecture": "moe",
    "total_params": 235e9,
    "active_params": 22e9,
    "weight_precision": "fp8",
    "weight_bits": 8,
    "n_layers": 94,
    "hidden_size": 4096,
    "n_kv_heads": 4,
    "head_dim": 128,
    "hardware_id": "H100-SXM-80",
    "gpu_name": "NVIDIA H100 80GB HBM3 (SXM5)",
    "n_gpus": 4,
    "tensor_parallel": 1,
    "pipeline_parallel": "",
    "data_parallel": 1,
    "expert_parallel": 4,
    "serving_engine": "vLLM 0.11.1",
    "batch_size_config": 128,
    "request_rate_rps": "",
    "avg_prompt_tokens": 200,
    "avg_output_tokens": 885,
    "cache_hit_rate": 0.25,
    "energy_scope": "gpu",
}
MEASURED = (
    "observed_batch_size", "achieved_rps", "throughput_tok_s", "n_requests", "duration_s",
    "avg_power_w", "energy_per_output_token_j", "energy_per_request_j", "total_energy_j", "ttft_s",
    "itl_median_ms", "itl_p90_ms", "e2e_latency_s", "gpu_mem_used_gb", "kv_cache_util",
    "model_size_to_ram", "power_over_tdp", "fit_tier", "qc_flags", "notes", "source",
    "model_group",
)  # fmt: skip


def serving_of(row: dict[str, Any]) -> Serving:
    """The traffic of a row."""
    serving = serving_table.setup_of(row).workload.serving
    assert serving is not None
    return serving


def test_every_input_is_read() -> None:
    """A full row becomes the network, machine, precision and traffic that it names."""
    setup = serving_table.setup_of(INPUTS)
    s = serving_of(INPUTS)
    assert setup.architecture.name == "qwen3-235b-a22b"
    assert setup.machine.gpu is not None
    assert (setup.machine.gpu.id, setup.machine.n_gpus) == ("h100-sxm", 4)
    assert (setup.workload.task, setup.workload.precision) == ("serve", "fp8")
    assert (s.prompt_tokens, s.output_tokens, s.cache_hit_frac) == (200, 885, 0.25)
    assert (s.rate_rps, s.concurrency) == (None, 128)
    assert (s.engine, s.engine_year) == ("vllm", 2025.8)
    assert (s.tensor_parallel, s.data_parallel, s.expert_parallel) == (4, 1, 4)
    assert not s.prompt_tokens_guessed
    assert setup.scope == "gpu"
    assert setup.notices == ()


@given(blank=st.sets(st.sampled_from(sorted(INPUTS.keys() - {"model_id", "hardware_id"}))))
@pytest.mark.parametrize("nothing", ["", None, math.nan])
def test_any_input_may_be_blank(nothing: Any, blank: set[str]) -> None:  # noqa: ANN401
    """Whatever is blank, a row that names network and device is a question about a server."""
    s = serving_of({k: nothing if k in blank else v for k, v in INPUTS.items()})
    assert s.prompt_tokens > 0
    assert s.output_tokens > 0
    assert s.concurrency or s.rate_rps
    assert s.prompt_tokens_guessed == ("avg_prompt_tokens" in blank)


def test_what_is_assumed_is_said() -> None:
    """Engine, precision, both lengths and the load of a bare row are assumptions with notices."""
    setup = serving_table.setup_of({"model_id": "llama-3.1-8b", "hardware_id": "V100-16"})
    said = " ".join(setup.notices)
    for word in ("engine", "precision", "prompt length", "output length", "at once"):
        assert word in said
    assert setup.workload.precision == "fp16"


@given(data=st.data())
def test_measured_columns_are_never_read(data: st.DataObject) -> None:
    """Whatever stands in the measured and commenting columns, the question is the same."""
    anything = st.one_of(st.floats(), st.text(max_size=8), st.integers())
    row = INPUTS | {name: data.draw(anything) for name in MEASURED}
    found, wanted = serving_table.setup_of(row), serving_table.setup_of(INPUTS)
    assert found.workload.serving == wanted.workload.serving
    assert found.architecture == wanted.architecture
    assert found.machine == wanted.machine


@pytest.mark.parametrize("task", ["text-to-image", "text-to-video", "image-to-video", "train"])
def test_other_tasks_are_refused(task: str) -> None:
    """What is no text out of a language model is refused with one sentence, and loads no run."""
    with pytest.raises(BadInput, match=task):
        serving_table.setup_of(INPUTS | {"task": task})
    assert serving_table.run_of(INPUTS | {"task": task}) is None


def test_bad_cells_are_refused() -> None:
    """An unknown device, an unknown network without a size, more than every token cached."""
    with pytest.raises(UnknownName):
        serving_table.setup_of(INPUTS | {"hardware_id": "abacus", "gpu_name": ""})
    bare = {"model_id": "mystery", "hardware_id": "h100"}
    with pytest.raises(JoulecastError):
        serving_table.setup_of(bare)
    with pytest.raises(BadInput, match="cache_hit_rate"):
        serving_table.setup_of(INPUTS | {"cache_hit_rate": 40})


@pytest.mark.parametrize("name", ["avg_output_tokens", "request_rate_rps", "batch_size_config"])
@pytest.mark.parametrize("value", [0, "0.0", -3])
def test_nothing_is_not_blank(name: str, value: object) -> None:
    """No output tokens, no requests: refused by name, never answered for an assumed number."""
    with pytest.raises(BadInput, match=f"{name} .*above 0"):
        serving_table.setup_of(INPUTS | {name: value})
    assert serving_table.run_of(INPUTS | {name: value}) is None


def test_a_share_below_zero_is_refused() -> None:
    """No share of the prompts is cached: 0. Less than none is a mistake."""
    assert serving_of(INPUTS | {"cache_hit_rate": 0}).cache_hit_frac == 0
    with pytest.raises(BadInput, match="cache_hit_rate"):
        serving_table.setup_of(INPUTS | {"cache_hit_rate": -0.2})


def test_an_unknown_precision_is_said_to_be_unknown() -> None:
    """What the row says of its weights is not called missing."""
    row = INPUTS | {"weight_precision": "ternary", "weight_bits": ""}
    assert (
        "weight precision 'ternary' not known: bf16 assumed" in serving_table.setup_of(row).notices
    )


def test_joules_of_a_token_are_those_of_a_request() -> None:
    """Where a row states joules per output token alone: 885 tokens of 0.8 J."""
    run = serving_table.run_of(INPUTS | {"energy_per_output_token_j": 0.8, "achieved_rps": 2.5})
    assert run is not None
    assert run.measurement.energy_j["gpu"] == pytest.approx(708)


def test_images_lengthen_the_prompt() -> None:
    """An image chat's guessed prompt holds the image; a stated length is the whole prompt."""
    row = INPUTS | {"task": "multimodal-generation", "workload": "image-chat"}
    guessed = serving_of(row | {"avg_prompt_tokens": ""})
    assert guessed.image_tokens == 900
    assert guessed.prompt_tokens > guessed.image_tokens
    stated = serving_of(row)
    assert stated.prompt_tokens == 200
    assert stated.image_tokens <= 200


def test_gpus_follow_the_spread() -> None:
    """Where the number of GPUs is blank, their spread multiplies to it: 4 x 2 x 2."""
    row = INPUTS | {"n_gpus": "", "tensor_parallel": 4, "pipeline_parallel": 2}
    assert serving_table.setup_of(row | {"data_parallel": 2}).machine.n_gpus == 16


def test_a_run_by_hand() -> None:
    """One request's share of a closed loop: 1 / 2.5 s at 1,800 W are 720 J."""
    row = INPUTS | {"achieved_rps": 2.5, "avg_power_w": 1800, "energy_per_request_j": 720}
    row |= {"itl_median_ms": 50, "observed_batch_size": 127, "fit_tier": "B", "model_group": "g"}
    run = serving_table.run_of(row)
    assert run is not None
    m = run.measurement
    assert m.duration_s == pytest.approx(0.4)
    assert m.energy_j["gpu"] == pytest.approx(m.power_w["gpu"] * (m.duration_s or 0))
    assert m.burst is not None
    assert m.burst.itl is not None
    assert m.burst.itl.p50_s == 0.05
    assert math.isnan(m.burst.itl.mean_s)
    assert (m.burst.running_mean, m.burst.output_tokens) == (127, 885)
    assert (run.model_group, run.model_family, run.quality_flag) == ("g", "qwen", "tier_B")


def test_an_open_loop_by_hand() -> None:
    """1,000 requests in 800 s asked for at 1.5 per second: all their joules, and saturated."""
    row = INPUTS | {"batch_size_config": "", "request_rate_rps": 1.5, "n_requests": 1000}
    row |= {"achieved_rps": 1.25, "duration_s": 800, "energy_per_request_j": 200}
    run = serving_table.run_of(row)
    assert run is not None
    m = run.measurement
    assert (m.energy_j["gpu"], m.duration_s, m.samples) == (200_000, 800, 1000)
    assert m.burst is not None
    assert m.burst.saturated
    assert m.burst.running_mean is None


def test_a_static_batch_by_hand() -> None:
    """64 requests that take 16 s together are 4 per second, whatever tokens per second say."""
    row = INPUTS | {"batch_size_config": 64, "e2e_latency_s": 16, "throughput_tok_s": 1}
    run = serving_table.run_of(row)
    assert run is not None
    assert run.measurement.duration_s == pytest.approx(0.25)


def test_load(tmp_path: Path) -> None:
    """A table's rows become runs, those of no answer are skipped; other files are refused."""
    path = tmp_path / "rows.csv"
    rows = [INPUTS, INPUTS | {"task": "text-to-image"}]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(INPUTS))
        writer.writeheader()
        writer.writerows(rows)
    assert len(list(serving_table.load(path))) == 1
    with pytest.raises(BadInput, match="no such file"):
        list(serving_table.load(tmp_path / "none.csv"))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="lacks"):
        list(serving_table.load(path))
