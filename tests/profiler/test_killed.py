"""Whatever ends the process leaves a readable record."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joulecast.core.run_files import read_run, read_runs

JOB = Path(__file__).resolve().parent.parent / "fakes" / "killed.py"


def started(folder: Path, way: str) -> subprocess.Popen[str]:
    """The job, once it has measured for a while."""
    job = subprocess.Popen(
        [sys.executable, str(JOB), str(folder), way], stderr=subprocess.PIPE, text=True
    )
    end_s = time.monotonic() + 300
    while not (folder / "flushed").exists() and job.poll() is None and time.monotonic() < end_s:
        time.sleep(0.005)
    return job


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_at_a_random_moment_leaves_the_last_flush(tmp_path: Path, seed: int) -> None:
    """SIGKILL: one record, whole, `running`, with the joules of its time."""
    job = started(tmp_path, "loop")
    time.sleep(random.Random(seed).uniform(0.0, 0.2))  # noqa: S311  any moment will do
    job.kill()
    job.communicate()
    assert job.returncode == -signal.SIGKILL
    (record,) = tmp_path.glob("*.json")
    m = read_run(record).measurement
    assert read_run(record).status == "running"
    assert m.duration_s is not None
    assert m.duration_s > 0.0
    assert m.energy_j["gpu"] == pytest.approx(100 * m.duration_s, rel=1e-3)
    assert m.steps is not None
    (trace,) = tmp_path.glob("*.trace.csv")
    head, *lines, _ = trace.read_text().split("\n")
    assert head == "time_s,meter,scope,kind,value"
    assert {line.count(",") for line in lines} == {4}


@pytest.mark.parametrize(
    ("way", "code", "said", "status"),
    [
        ("term", -signal.SIGTERM, "", "running"),
        ("exit", 7, "end of the process", "interrupted"),
        ("raise", 1, "end of the process", "interrupted"),
        ("end", 0, "end of the process", "interrupted"),
    ],
)
def test_other_endings_leave_a_record_and_their_own_code(
    tmp_path: Path, way: str, code: int, said: str, status: str
) -> None:
    """SIGTERM ends the job as it would without us; sys.exit and exceptions keep their code."""
    job = started(tmp_path, "loop" if way == "term" else way)
    if way == "term":
        job.terminate()
    _, errors = job.communicate(timeout=300)
    assert job.returncode == code
    assert ("the job failed" in errors) == (way == "raise")
    found = read_runs(tmp_path)
    assert found.skipped == ()
    (run,) = found.runs
    assert run.status == status
    assert run.measurement.energy_j["gpu"] > 0.0
    assert said in " ".join(run.measurement.notices)
