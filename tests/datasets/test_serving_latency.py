"""Rows of measured latencies as runs: spreads of GPUs, loads, years, repeats."""

from __future__ import annotations

import csv
import gzip
import io
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import BadInput
from joulecast.datasets import serving_latency

if TYPE_CHECKING:
    from pathlib import Path

FROM = "db-dump/2026-04-27; config_id=1; silicon_concurrency=64; measured=2026-04-17T00:00:00.000Z"
ROW: dict[str, Any] = {
    "mode": "agg",
    "system": "b200_sxm",
    "backend": "vllm",
    "backend_version": "0.19.0",
    "model_path": "MiniMaxAI/MiniMax-M2.5",
    "precision": "fp8",
    "gemm_quant_mode": "fp8_block",
    "moe_quant_mode": "fp8",
    "isl": 1024,
    "osl": 101,
    "batch_size": 64,
    "tp_size": 4,
    "attention_dp_size": 1,
    "moe_tp_size": 4,
    "moe_ep_size": 1,
    "silicon_ttft_ms": 500,
    "silicon_tpot_ms": 20,
    "silicon_data_source": FROM,
}


@pytest.mark.parametrize(
    ("tensor", "data", "moe", "experts", "found"),
    [
        (4, 1, 4, 1, (4, 1, 1, 4)),
        (8, 1, 1, 8, (8, 1, 8, 8)),
        (1, 8, 1, 8, (1, 8, 8, 8)),
        (16, 1, 4, 4, (4, 1, 4, 4)),
        (64, 1, 8, 8, (8, 1, 8, 8)),
        (1, 64, 8, 8, (1, 8, 8, 8)),
        (4, 4, 1, 16, (1, 4, 4, 4)),
    ],
)
def test_spreads(
    tensor: int, data: int, moe: int, experts: int, found: tuple[int, int, int, int]
) -> None:
    """What was multiplied twice is taken back, the rest is as stated."""
    row = ROW | {"tp_size": tensor, "attention_dp_size": data}
    row |= {"moe_tp_size": moe, "moe_ep_size": experts}
    s = serving_latency.spread_of(row)
    assert s is not None
    assert (s.tensor, s.data, s.experts, s.gpus) == found


def test_other_sources_are_as_stated() -> None:
    """Four GPUs of two by two experts stay four where the source is another."""
    row = ROW | {"moe_tp_size": 2, "moe_ep_size": 2, "silicon_data_source": "a file"}
    s = serving_latency.spread_of(row)
    assert s is not None
    assert s.gpus == 4


def test_clusters_are_no_server() -> None:
    """36 GPUs under one number are a cluster; and so is what runs in two parts."""
    assert serving_latency.run_of(ROW | {"tp_size": 36, "moe_tp_size": 36}) is None
    assert serving_latency.run_of(ROW | {"mode": "disagg"}) is None


def test_a_run_by_hand() -> None:
    """0.5 s + 100 x 20 ms are 2.5 s; 64 requests in them are 25.6 per second."""
    run = serving_latency.run_of(ROW)
    assert run is not None
    s, burst = run.setup.workload.serving, run.measurement.burst
    assert s is not None
    assert burst is not None
    assert burst.ttft is not None
    assert burst.latency is not None
    assert (s.concurrency, s.prompt_tokens, s.output_tokens) == (64, 1024, 101)
    assert (s.engine, s.engine_year, run.setup.workload.precision) == ("vllm", 2026.3, "fp8")
    assert run.setup.machine.n_gpus == 4
    assert burst.ttft.mean_s == 0.5
    assert burst.latency.mean_s == pytest.approx(2.5)
    assert burst.achieved_rps == pytest.approx(25.6)
    assert run.where["gemm"] == "fp8_block"
    assert (run.model_group, run.model_family) == ("minimax-m2", "minimax")


def test_requests_of_all_attention_ranks_count() -> None:
    """Without a stated concurrency, a batch of 16 on each of 4 ranks are 64 requests."""
    row = ROW | {"batch_size": 16, "tp_size": 1, "attention_dp_size": 4, "moe_tp_size": 1}
    run = serving_latency.run_of(row | {"moe_ep_size": 4, "silicon_data_source": ""})
    assert run is not None
    assert run.setup.workload.serving is not None
    assert run.setup.workload.serving.concurrency == 64


def test_year_of_measuring_for_unknown_versions() -> None:
    """An engine without a version is as old as the measurement: the middle of April 2026."""
    run = serving_latency.run_of(ROW | {"backend_version": ""})
    assert run is not None
    assert run.setup.workload.serving is not None
    assert run.setup.workload.serving.engine_year == 2026.3


def test_more_than_the_peak_is_dropped() -> None:
    """Prompts of 4,000,000 tokens in half a second are not what this server filled."""
    assert serving_latency.run_of(ROW | {"isl": 4_000_000}) is None


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_repeats_are_read_once(tmp_path: Path, suffix: str) -> None:
    """The same times of the same server under another spread are one measurement."""
    path = tmp_path / f"rows{suffix}"
    rows = [ROW, ROW | {"tp_size": 16, "moe_ep_size": 4}, ROW | {"silicon_tpot_ms": 21}]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    content = table.getvalue().encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    assert len(list(serving_latency.load(path))) == 2


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A missing file and one of other columns say so."""
    with pytest.raises(BadInput, match="no such file"):
        list(serving_latency.load(tmp_path / "none.csv"))
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="lacks"):
        list(serving_latency.load(path))


@pytest.mark.parametrize("column", ["backend", "batch_size", "silicon_tpot_ms", "system"])
def test_every_column_that_is_needed_is_asked_for(tmp_path: Path, column: str) -> None:
    """A table without one of them is refused by its name, not half read."""
    path = tmp_path / "rows.csv"
    names = [name for name in ROW if name != column]
    path.write_text(",".join(names) + "\n" + ",".join(str(ROW[name]) for name in names) + "\n")
    with pytest.raises(BadInput, match=column):
        list(serving_latency.load(path))
