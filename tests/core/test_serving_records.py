"""A serving run is written and read back whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from joulecast.core import run_files
from joulecast.core.errors import BadRecord
from joulecast.core.records import Architecture, Machine, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(
    setup=Setup(
        Machine("m", "m"),
        Architecture("llama", "nlp", (512,), params=1e9, macs=1e9, ops={}),
        Workload(
            task="serve",
            precision="bf16",
            serving=Serving(200, 300, rate_rps=4, prompt_tokens_guessed=True),
        ),
    ),
    measurement=Measurement(
        energy_j={"gpu": 10.0},
        duration_s=1.0,
        samples=4,
        burst=BurstFigures(4, 4, 0, 4.0, 4.0, ttft=Spread(1, 1, 2, 2, 3), saturated=False),
    ),
    source="joulecast",
    model_group="llama",
)


def test_a_serving_run_comes_back_whole(tmp_path: Path) -> None:
    """Traffic, percentiles and truth values survive the file."""
    path = tmp_path / "run.json"
    run_files.write_run(RUN, path)
    assert run_files.read_run(path) == RUN


def test_a_truth_value_that_is_a_number_is_refused(tmp_path: Path) -> None:
    """1 is not true: a record written by something else is named, not guessed at."""
    record = run_files.to_dict(RUN)
    record["measurement"]["burst"]["saturated"] = 1
    path = tmp_path / "run.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(BadRecord, match="saturated: 1 is neither true nor false"):
        run_files.read_run(path)
