"""Rows per second of `predict_table`, numpy alone, on one core.

Run it with the Python into which joulecast is installed: ``python benchmarks/predict_table.py``.
The rows mix networks, devices, batch sizes, tasks, scopes and blanks as real tables do; one in a
hundred cannot be answered. The first rows load catalogue and predictor and are not timed.
"""

import argparse
import os
import random
import statistics
import sys
import time
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded

import joulecast  # noqa: E402 (the number of threads comes first)

WANTED_ROWS_PER_S = 20_000
HEAVY = ("pandas", "sklearn", "lightgbm", "scipy", "torch")
MODELS = ("resnet50", "vgg16", "mobilenet_v2", "densenet121", "EfficientNetB0", "bert-base-uncased")
DEVICES = ("rtx-3090", "v100-pcie", "a100-sxm-80gb", "t4", "hc3", "i9-13900k", "rtx-4090", "a40")
SCOPES = ("gpu", "gpu", "cpu+gpu+ram", "wall", "")


def rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Synthetic workloads in the columns of the runs table."""
    draw = random.Random(seed)  # noqa: S311 (rows for a benchmark)
    return [
        {
            "task": draw.choice(("train", "inference")),
            "model": "nobody-knows" if draw.random() < 0.01 else draw.choice(MODELS),
            "hardware_id": draw.choice(DEVICES),
            "batch_size": draw.choice((1, 8, 32, 64, 128, 256, "")),
            "samples": draw.randrange(1_000, 1_000_000),
            "precision": draw.choice(("fp32", "fp16", "")),
            "framework": draw.choice(("pytorch", "pytorch", "tensorflow/keras", "onnxruntime")),
            "power_limit_w": draw.choice(("", "", 150, 200)),
            "energy_scope": draw.choice(SCOPES),
            "dataset": "imagenet",
            "n_gpus": draw.choice((1, 1, 1, 4)),
        }
        for _ in range(count)
    ]


def main() -> None:
    """Print the rate, and the modules that were loaded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    ask = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table = rows(max(20_000, ask.rows))
    joulecast.predict_table(table[:1_000])
    rates, answered = [], 0
    for _ in range(ask.repeats):
        started_s = time.perf_counter()
        out = joulecast.predict_table(table)
        rates.append(len(table) / (time.perf_counter() - started_s))
        answered = sum(row["predicted_energy_j"] != "" for row in out)
    median = statistics.median(rates)
    verdict = "ok" if median >= WANTED_ROWS_PER_S else "BELOW"
    loaded = ", ".join(name for name in HEAVY if name in sys.modules) or "none"
    print(f"{len(table):,} rows, {answered:,} answered, median of {ask.repeats} repeats, one core")
    print(f"{median:,.0f} rows/s (best {max(rates):,.0f}), wanted {WANTED_ROWS_PER_S:,}: {verdict}")
    print(f"heavy packages loaded: {loaded}")


if __name__ == "__main__":
    main()
