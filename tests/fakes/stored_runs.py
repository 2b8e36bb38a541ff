"""Small runs for tests of stores, and a process that stores many of them.

Run as ``python stored_runs.py URL THREADS FIRST LAST``: each id is printed once it is acknowledged.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from joulecast.core.records import Architecture, Device, Machine, Measurement, Run, Setup, Workload
from joulecast.store import open_store


def a_run(run_id: str = "run-1", energy_j: float = 600.5, **facts: Any) -> Run:  # noqa: ANN401
    """A run of ten seconds; `facts` are machine, model, and fields of `Run`."""
    gpu = Device("gpu-1", "GPU 1", "gpu", tdp_w=100.0, year=2024, source="a sheet")
    machine = Machine(facts.pop("machine", "hc3"), "a machine", gpu=gpu, n_gpus=1)
    shape = (3, 32, 32)
    network = Architecture(facts.pop("model", "vgg16"), "vision", shape, 15e6, 3e8, {})
    return Run(
        Setup(machine, network, Workload(task=facts.pop("task", "train"))),
        Measurement({"gpu": energy_j}, 10.0, 1000.0, {"gpu": "nvml-counter"}),
        source="profiler",
        model_group="vgg16",
        id=run_id,
        **{"started_at": "2026-05-01T12:00:00+00:00", **facts},
    )


def main(url: str, threads: int, first: int, last: int) -> None:
    """Store runs ``k<first>`` to ``k<last - 1>``."""
    store, printing = open_store(url), threading.Lock()

    def add(number: int) -> None:
        said = store.add(a_run(f"k{number}", float(number)))
        with printing:
            sys.stdout.write(f"k{number} {said}\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(add, number) for number in range(first, last)]:
            done.result()
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
