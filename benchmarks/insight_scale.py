"""Seconds and memory of `joulecast analyse` on a table of 100,000 runs and on a folder of records.

Run it with the Python into which joulecast is installed: ``python benchmarks/insight_scale.py``.
The table mixes networks, machines, tasks, batch sizes and power limits; each source has machines of
its own and measures one scope, as in public tables. Its figures are the predictor's times noise.
Each measurement is a fresh process, imports included.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.run_files import write_run
from joulecast.dataset_table import COLUMNS
from joulecast.predicted import predicted_runs

if TYPE_CHECKING:
    from joulecast.core.records import Run

MOST_S, MOST_MB = 10.0, 1000.0
NETWORKS = (
    *("lenet", "mobilenet", "efficientnetb0", "shufflenetv2", "vgg16", "mobilenetv2", "resnet18"),
    *("preactresnet18", "senet18", "regnetx_200mf", "simpledla", "pnasnet", "dpn26", "googlenet"),
    *("resnext29_2x64d", "densenet121"),
)
MACHINES = ("hc1", "hc2", "hc3", "rtx-4090", "a100-sxm-80gb", "v100-pcie", "t4", "h100-sxm")
BATCHES = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0)
SCOPES = {"system": "cpu+gpu+dram", "gpu": "gpu"}
_COMMAND = "import sys; from joulecast.cli import main; sys.exit(main())"


def row_of(run: Run, draw: random.Random) -> dict[str, Any]:
    """A row as if `run` had been measured, in one of its scopes."""
    m, w, machine = run.measurement, run.setup.workload, run.setup.machine
    place = MACHINES.index(run.hardware_id) if run.hardware_id in MACHINES else 0
    scope = "system" if place % 4 == 0 and "system" in m.energy_j else "gpu"
    noise, samples = draw.lognormvariate(0, 0.05), m.samples or 1.0
    seconds = (m.duration_s or 1.0) * draw.lognormvariate(0, 0.03)
    energy_j = m.energy_j[scope] * noise
    known = {
        "source": f"lab-{place % 4}",
        "task": w.task,
        "domain": "vision",
        "model": run.setup.architecture.name,
        "input_shape": "3x32x32",
        "dataset": "cifar10",
        "samples": samples,
        "epochs": 1,
        "batch_size": w.batch_size,
        "precision": w.precision,
        "framework": w.framework,
        "hardware_id": run.hardware_id,
        "power_limit_w": draw.choice(("", "", 120, 180)) if machine.gpu else "",
        "duration_s": seconds,
        "duration_scope": "total",
        "samples_per_s": samples / seconds,
        "avg_power_w": energy_j / seconds,
        "energy_j": energy_j,
        "energy_scope": SCOPES[scope],
        "energy_per_sample_j": energy_j / samples,
        "gpu_util": round(100 * (m.gpu_util_frac or 0.0) * noise, 1),
        "gpu_mem_util": round(100 * (m.gpu_mem_util_frac or 0.0) * noise, 1),
        "accuracy": round(draw.uniform(0.6, 0.92), 3),
        "meter": "nvml",
        "model_group": run.model_group,
        "model_family": run.model_family,
    }
    return {name: known.get(name, "") for name in COLUMNS}


def timed(words: list[str]) -> tuple[float, float, int]:
    """Seconds, peak megabytes of memory and characters printed of `joulecast` with `words`."""
    started_s = time.perf_counter()
    command = [sys.executable, "-c", _COMMAND, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started_s
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3, len(done.stdout)


def main() -> None:
    """Print seconds and megabytes of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=5_000)
    ask = parser.parse_args()
    runs = predicted_runs(NETWORKS, MACHINES, batch_sizes=BATCHES)
    draw = random.Random(0)  # noqa: S311 (rows for a benchmark)
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "runs"
        records.mkdir()
        for i in range(ask.records):
            write_run(runs[i % len(runs)], records / f"run-{i:06d}.json")
        seconds, peak_mb, _ = timed(["analyse", str(records)])
        each_ms = 1e3 * seconds / max(ask.records, 1)
        print(f"{ask.records:,} records: {seconds:.1f} s ({each_ms:.2f} ms each), {peak_mb:.0f} MB")
        table = Path(folder) / "runs.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(row_of(draw.choice(runs), draw) for _ in range(ask.rows))
        size_mb = table.stat().st_size / 1e6
        seconds, peak_mb, printed = timed(["analyse", str(table), "--json"])
        verdict = "ok" if seconds <= MOST_S and peak_mb <= MOST_MB else "ABOVE"
        print(
            f"{ask.rows:,} rows ({size_mb:.0f} MB): {seconds:.1f} s, {peak_mb:.0f} MB peak, wanted "
            f"{MOST_S:g} s and {MOST_MB:g} MB: {verdict} ({printed:,} characters of JSON)"
        )
        print(json.dumps({"seconds": round(seconds, 2), "peak_mb": round(peak_mb)}))


if __name__ == "__main__":
    main()
