"""Rows of model servers in `predict_table`: alone, mixed with others, and beyond reason."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import joulecast
from joulecast.table import OUTPUTS

REQUEST = (
    "predicted_energy_per_request_low_j",
    "predicted_energy_per_request_j",
    "predicted_energy_per_request_high_j",
)
SERVED: dict[str, Any] = {
    "task": "text-generation",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "hardware_id": "H100-SXM-80",
    "n_gpus": 1,
    "weight_precision": "bfloat16",
    "serving_engine": "vLLM 0.11.1",
    "request_rate_rps": 2,
    "avg_prompt_tokens": 200,
    "avg_output_tokens": 300,
}
TRAINED = {"task": "train", "model": "resnet50", "hardware_id": "t4", "samples": 1000}


def predict(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows answered."""
    found: list[dict[str, Any]] = joulecast.predict_table(list(rows))
    return found


def test_a_server_is_answered_per_request_and_token() -> None:
    """All its columns are filled and hold together; those of other tasks stay blank."""
    (row,) = predict(SERVED)
    low, value, high = (row[name] for name in REQUEST)
    assert 0 < low < value < high
    assert row["predicted_energy_per_output_token_j"] == pytest.approx(value / 300)
    assert row["predicted_power_w"] == pytest.approx(value * 2)
    assert row["predicted_samples_per_s"] == pytest.approx(2)
    assert row["predicted_energy_per_sample_j"] == row["predicted_energy_j"] == ""
    assert row["basis"] == "zero-shot"
    assert set(OUTPUTS) <= set(row)


def test_totals_need_the_number_of_requests() -> None:
    """`samples` requests give totals; what was measured, `n_requests` included, is not read."""
    (row,) = predict(SERVED | {"samples": 500})
    assert row["predicted_energy_j"] == pytest.approx(500 * row["predicted_energy_per_request_j"])
    assert row["predicted_duration_s"] == pytest.approx(250)
    measured = {
        "n_requests": 500, "energy_per_request_j": 1, "avg_power_w": 1, "duration_s": 3,
        "observed_batch_size": 2, "achieved_rps": 5, "throughput_tok_s": 7, "gpu_mem_used_gb": 1,
        "ttft_s": 1, "e2e_latency_s": 2, "total_energy_j": 4, "kv_cache_util": 0.4,
    }  # fmt: skip
    (same,), (plain,) = predict(SERVED | measured), predict(SERVED)
    assert all(same[name] == plain[name] for name in OUTPUTS)


def test_mixed_tables_go_row_by_row() -> None:
    """A row's answer does not depend on its neighbours, whatever their task."""
    image = SERVED | {"task": "text-to-image"}
    rows = predict(TRAINED, SERVED, image, TRAINED | {"model": "zz"}, SERVED)
    assert rows[0] == predict(TRAINED)[0]
    assert rows[1] == rows[4] == predict(SERVED)[0]
    assert "text-to-image" in rows[2]["notices"]
    assert rows[2]["predicted_energy_per_request_j"] == rows[2]["basis"] == ""
    assert "unknown model" in rows[3]["notices"]


@pytest.mark.parametrize("task", [None, "", "serve", "text-generation"])
def test_what_counts_as_serving(task: str | None) -> None:
    """A task of serving does, and without a task a model_id."""
    assert predict(SERVED | {"task": task})[0]["predicted_energy_per_request_j"] != ""
    row = {k: v for k, v in SERVED.items() if k != "model_id"} | {"model": "llama-3.1-8b"}
    answered = predict(row | {"task": task})[0]["predicted_energy_per_request_j"] != ""
    assert answered == bool(task)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_id": "nobody/knows-this"}, "unknown model"),
        ({"hardware_id": "zz-9", "gpu_name": ""}, "unknown machine"),
        ({"cache_hit_rate": 30}, "cache_hit_rate"),
        ({"avg_output_tokens": 0}, "avg_output_tokens 0 must be above 0"),
        ({"avg_prompt_tokens": -512}, "avg_prompt_tokens -512 must be above 0"),
        ({"request_rate_rps": -8}, "request_rate_rps -8 must be above 0"),
        ({"batch_size_config": -4}, "batch_size_config -4 must be above 0"),
        ({"n_gpus": -1}, "n_gpus -1 must be above 0"),
        ({"power_limit_w": 0}, "power_limit_w 0 must be above 0"),
        (
            {"model_id": "llama-3.1-70b"},
            "GB of h100-sxm. Use 2 of its GPUs (n_gpus 2)",
        ),
        ({"model_id": "stable-diffusion-xl"}, "makes images"),
        ({"model_id": "vgg16"}, "generates no text"),
        ({"hardware_id": "i9-13900k", "energy_scope": "gpu"}, "names no gpu"),
    ],
)
def test_rows_that_cannot_be_answered_say_why(change: dict[str, Any], words: str) -> None:
    """They keep blanks and one reason; the next row of the same names is answered."""
    wrong, right = predict(SERVED | change, SERVED)
    assert words in wrong["notices"]
    assert all(wrong[name] == "" for name in OUTPUTS if name != "notices")
    assert right["basis"]


def test_a_saturated_row_says_so() -> None:
    """A rate beyond the capacity is answered at full load, with a notice."""
    (row,) = predict(SERVED | {"request_rate_rps": 1e4})
    assert "saturated: of 10000 requests/s" in row["notices"]
    assert row["predicted_samples_per_s"] < 1e3
    (row,) = predict(SERVED | {"request_rate_rps": 1e7, "n_gpus": 64, "avg_output_tokens": 20})
    assert row["predicted_samples_per_s"] > 1e3
    assert "saturated: of 10000000 requests/s" in row["notices"]
    assert "e+" not in row["notices"]


def test_blank_inputs_are_assumed_and_said() -> None:
    """With nothing but names a row is answered, and says what it assumed."""
    (row,) = predict({"model_id": "llama-3.1-8b", "hardware_id": "h100-sxm"})
    assert row["predicted_energy_per_output_token_j"] > 0
    assert "assumed" in row["notices"]


GARBAGE = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(max_size=8), st.just(10**400),
    st.sampled_from(["nan", "inf", "-5", "0", "1e400", "serve", "gpu"]), st.just([1]),
)  # fmt: skip
COLUMNS = """
    task workload model_id architecture total_params active_params weight_precision weight_bits
    n_layers hidden_size n_kv_heads head_dim tensor_parallel pipeline_parallel data_parallel
    expert_parallel serving_engine batch_size_config request_rate_rps avg_prompt_tokens samples
    avg_output_tokens cache_hit_rate hardware_id gpu_name n_gpus power_limit_w energy_scope
"""


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS.split()), GARBAGE, max_size=6), max_size=4))
def test_garbage_never_stops_the_table(changes: list[dict[str, Any]]) -> None:
    """Whatever stands in a row, it is answered in order or says why not."""
    out = predict(*(SERVED | change for change in changes), SERVED)
    assert out[-1] == predict(SERVED)[0]
    for row in out:
        if row["predicted_energy_per_request_j"] == "":
            assert row["notices"]
            continue
        if row["predicted_energy_per_sample_j"] == "":
            assert all(0 < row[name] < math.inf for name in REQUEST)
            assert row[REQUEST[0]] <= row[REQUEST[1]] <= row[REQUEST[2]]
