"""How long a user waits: wall times as ratios to ``python -c "import numpy"``.

Run it with the Python into which joulecast is installed: ``python benchmarks/startup.py``.
Repeats are interleaved, so that a busy machine slows all commands alike.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ESTIMATE = str(Path(sys.executable).with_name("estimate"))
COMMANDS = {
    'python -c "import numpy"': [sys.executable, "-c", "import numpy"],
    'python -c "import joulecast"': [sys.executable, "-c", "import joulecast"],
    "estimate --help": [ESTIMATE, "--help"],
    "estimate --model vgg16 --hw hc3 --epochs 100": [
        ESTIMATE, "--model", "vgg16", "--hw", "hc3", "--epochs", "100",
    ],
}  # fmt: skip
LIMITS = (None, 1.3, 2.0, 3.0)


def wall_time_s(command: list[str]) -> float:
    """Seconds until the command has ended; a command that fails stops the benchmark."""
    started_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started_s


def medians_s(repeats: int) -> list[float]:
    """Median seconds of each command, after one round that warms the cache."""
    rounds = [[wall_time_s(c) for c in COMMANDS.values()] for _ in range(repeats + 1)][1:]
    return [statistics.median(times_s) for times_s in zip(*rounds, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=21, help="rounds to take medians of")
    repeats = max(15, parser.parse_args().repeats)
    found_s = medians_s(repeats)
    print(f"medians of {repeats} interleaved repeats, warm cache")
    print(f"{'command':<46}{'ms':>8}{'ratio':>8}{'limit':>8}")
    for name, median_s, limit in zip(COMMANDS, found_s, LIMITS, strict=True):
        ratio = median_s / found_s[0]
        verdict = "" if limit is None else f"{limit:>8.1f}  {'ok' if ratio <= limit else 'OVER'}"
        print(f"{name:<46}{1e3 * median_s:>8.0f}{ratio:>8.2f}{verdict}")


if __name__ == "__main__":
    main()
