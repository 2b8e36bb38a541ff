"""Sessions under a real launcher: one process of a node meters, and nothing is counted twice."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from joulecast.core.run_files import read_runs
from joulecast.profiler.merge import merge_runs

if TYPE_CHECKING:
    from pathlib import Path

JOB = """
import sys, time
import joulecast

with joulecast.Session("lenet", "hc3", folder=sys.argv[1], meters=["constant:50"]) as session:
    for _ in range(20):
        time.sleep(0.02)
        session.step(samples=32)
"""


def test_two_processes_of_a_node_are_metered_once(tmp_path: Path) -> None:
    """Torchrun starts two: both keep time and samples, only the leader has joules."""
    pytest.importorskip("torch", reason="torchrun comes with torch")
    script, folder = tmp_path / "job.py", tmp_path / "runs"
    script.write_text(JOB, encoding="utf-8")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, *command, str(folder)], check=True, capture_output=True, env=environ
    )
    runs = read_runs(folder).runs
    assert sorted(run.where["local_rank"] for run in runs) == ["0", "1"]
    # so that ranks which a busy machine runs one after the other are one job too
    assert all(run.where["job_unique"] == "yes" for run in runs)
    metered = [run for run in runs if run.measurement.energy_j]
    assert [run.where["local_rank"] for run in metered] == ["0"]
    (merged,) = merge_runs(runs)
    assert merged.measurement.samples == 2 * 20 * 32
    assert merged.measurement.energy_j["cpu"] == metered[0].measurement.energy_j["cpu"]
