"""How many records can be read after kill -9 at a random moment.

Run: ``python benchmarks/kill_nine.py``. Each job measures itself at 100 Hz, rewrites its record
every 20 ms (not every 2 s) and is killed at any moment in the half second after its first record.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from joulecast.core.errors import BadRecord
from joulecast.core.run_files import read_run

JOB = Path(__file__).resolve().parent.parent / "tests" / "fakes" / "killed.py"
LATEST_S = 0.5


def killed(folder: Path, delay_s: float) -> None:
    """Start a job, wait for its first record, then `delay_s`, and kill it."""
    job = subprocess.Popen([sys.executable, str(JOB), str(folder), "loop"])
    while not any(folder.glob("*.json")) and job.poll() is None:
        time.sleep(0.001)
    time.sleep(delay_s)
    job.kill()
    job.wait()


def readable(folder: Path) -> tuple[bool, float]:
    """Whether the one record of the folder can be read, and the seconds that it holds."""
    records = list(folder.glob("*.json"))
    try:
        runs = [read_run(record) for record in records]
    except BadRecord as exc:
        print(exc)
        return False, 0.0
    return len(runs) == 1, runs[0].measurement.duration_s or 0.0


def main() -> None:
    """Print the count of readable records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    rng = random.Random(asked.seed)  # noqa: S311  any moments will do
    good, lost_s = 0, []
    for _ in range(asked.kills):
        delay_s = rng.uniform(0.0, LATEST_S)
        with tempfile.TemporaryDirectory() as name:
            killed(Path(name), delay_s)
            is_good, held_s = readable(Path(name))
        good += is_good
        lost_s.append(delay_s - held_s)
    print(f"{good} of {asked.kills} records readable after kill -9")
    print(f"time not in the record: median {sorted(lost_s)[len(lost_s) // 2] * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
