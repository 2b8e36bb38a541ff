"""The study's sixteen networks on HC-1 to HC-3 as predicted, beside what the papers report.

Run: ``python benchmarks/study.py``. Source of the statements: Sanchez-Mompo et al., Green MLOps to
Green GenOps, Information 2025, sections 6.1.1 to 6.1.3 and Table 3. CIFAR-10, 50,000 samples,
batch 128, PyTorch, one loader worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import joulecast
from joulecast import api

if TYPE_CHECKING:
    from joulecast import Estimate

NETWORKS = (
    "lenet", "mobilenet", "efficientnetb0", "shufflenetv2", "vgg16", "mobilenetv2", "resnet18",
    "preactresnet18", "senet18", "regnetx_200mf", "simpledla", "pnasnet", "dpn26", "googlenet",
    "resnext29_2x64d", "densenet121",
)  # fmt: skip
MACHINES = ("hc1", "hc2", "hc3")
REPORTED_SPEARMAN = {"hc1": 0.902, "hc2": 0.915, "hc3": 0.853}
"""Table 3: macs_param against total energy in inference."""


REPORTED_TIME_RATIO = {"hc1": "not stated", "hc2": "about 5x", "hc3": "26x"}
"""Section 6.1.1: PreActResNet against LeNet."""


def spearman(a: list[float], b: list[float]) -> float:
    """Spearman's rank correlation of two lists without ties."""
    first, second = (np.argsort(np.argsort(x)) for x in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def gpu_w(estimate: Estimate) -> float:
    """Mean watts of the GPU."""
    return (estimate.gpu_energy_j or 0.0) / estimate.duration_s


def table(machine: str) -> dict[tuple[str, str], Estimate]:
    """Print one machine's table and return its estimates by network and task."""
    rows = {
        (n, task): joulecast.estimate(n, machine, task=task, samples=50_000)
        for n in NETWORKS
        for task in ("train", "infer")
    }
    print(f"\n{machine}: one pass over 50,000 samples (J: gpu + cpu + dram, gross)")
    print(f"{'':16} {'train: s':>9} {'J':>7} {'GPU W':>6} {'infer: s':>9} {'J':>7} {'GPU W':>6}")
    for n in NETWORKS:
        cells = (
            f"{e.duration_s:9.1f} {e.energy_j:7.0f} {gpu_w(e):6.0f}"
            for e in (rows[n, "train"], rows[n, "infer"])
        )
        print(f"{n:16}", *cells)
    return rows


def main() -> None:
    """Print the table of each machine and the comparison with the papers."""
    models = [m for m in api.describe_models() if m["collection"] == "joulecast"]
    per_param = {m["name"]: m["macs"] / m["params"] for m in models}
    for machine in MACHINES:
        rows = table(machine)
        times = {n: rows[n, "train"].duration_s / rows[n, "infer"].duration_s for n in NETWORKS}
        ratio = rows["preactresnet18", "train"].duration_s / rows["lenet", "train"].duration_s
        energies = [rows[n, "infer"].energy_j for n in NETWORKS]
        rank = spearman([per_param[n] for n in NETWORKS], energies)
        time = "training / inference time: median"
        print(f"{time} {np.median(list(times.values())):.1f} (papers: about 3 for most)")
        said = REPORTED_TIME_RATIO[machine]
        print(f"preactresnet18 / lenet, training time: {ratio:.1f}x (papers: {said})")
        said = str(REPORTED_SPEARMAN[machine])
        print(f"Spearman of macs_param with inference energy: {rank:.2f} (papers: {said})")


if __name__ == "__main__":
    main()
