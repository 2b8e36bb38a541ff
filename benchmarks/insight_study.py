"""The papers' Tables 3 and 6 and their choice of features, recomputed, beside what they report.

Run: ``python benchmarks/insight_study.py [--runs TABLE.csv --scope gpu]``. Source of the reported
figures: Sanchez-Mompo et al., Green MLOps to Green GenOps, Information 2025, Tables 3 and 6 and
section 7. Predicted: the sixteen networks on CIFAR-10, 50,000 samples, batch 128, HC-1 to HC-3; the
four Llama models in fp8 on HC-4. Assumed, as the papers do not print it: an accuracy of 0.89 where
they say 87 to 91 %; of the servers what ``serving_study.py`` assumes, at hit rates of 0 to 0.95.
With ``--runs`` the same is told of measured runs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.api_analyse import analyse
from joulecast.core.records import Window
from joulecast.estimator.insight.selection import PAPERS_CHOICE
from joulecast.predicted import Requests, predicted_bursts, predicted_runs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.serving_study import HITS, OUTPUT_TOKENS, PROMPT_TOKENS, RATES_RPS
from benchmarks.study import MACHINES, NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.insight import Analysis, Correlation
    from joulecast.core.records import Run

ACCURACY = {"lenet": 0.68, "mobilenet": 0.81, "efficientnetb0": 0.83}
USUAL_ACCURACY = 0.89
REPORTED: Mapping[str, tuple[float, float, float]] = {
    "energy_per_sample": (1.000, 1.000, 1.000),
    "macs_param": (0.902, 0.915, 0.853),
    "model_size_to_ram": (0.521, 0.213, 0.458),
    "overall_efficiency": (-0.439, -0.341, -0.593),
    "work_per_unit_power": (-0.312, -0.388, -0.692),
    "gpu_energy_scaling_factor": (0.230, 0.197, 0.391),
    "energy_scaling_factor": (-0.040, -0.106, -0.109),
    "parameters": (0.201, 0.213, 0.142),
    "work_done": (0.021, -0.052, -0.388),
}
"""Table 3: Spearman with total energy in inference, HC-1 to HC-3."""
REPORTED_SERVING: Mapping[str, float] = {
    "energy_per_sample": 1.00,
    "flops": 0.32,
    "model_size_to_ram": 0.32,
    "parameters": 0.32,
    "request_rate": -0.95,
    "average_output_token_length": -0.26,
    "cache_hit_rate": -0.32,
}
"""Table 6, HC-4."""
REPORTED_SHARE = 65.0
"""Percent of the importance that the papers' six features have together."""
FAR = 0.3
EXPLAINED: Mapping[str, str] = {
    "work_per_unit_power": "n is 16, so that 95 % of such ranks lie within about 0.45 of the true "
    "one; the lower rank follows from work_done's (ours -0.22, theirs -0.39 on HC-3)",
    "gpu_energy_scaling_factor": "watts differ by 4 between networks, parameters by 240, so that "
    "watts per parameter fall with the parameters, and these rise with energy. Public measurements "
    "(--runs, without flagged rows) say the same: below 0 on all six GPUs and tasks. With the "
    "sign reversed ours are near theirs (+0.33, +0.29, +0.39), which may be parameters per watt",
    "energy_scaling_factor": "as gpu_energy_scaling_factor; CPU and DRAM add a constant",
    "parameters": "on one machine size and parameters have nearly one order, yet the papers rank "
    "them 0.46 and 0.14 on HC-3: their size may be what was loaded into memory. Ours is near it",
    "cache_hit_rate": "here hits vary on their own, and prompts of 60 tokens save little beside "
    "300 to 400 of output; the papers' -0.32 is that of parameters with the other sign, so that "
    "their hits may vary with the model",
    "Lasso": "work_done holds the time, so that with size and macs it nearly is the energy; the "
    "papers name neither all their features nor the penalty, and measured the utilisations",
}


def with_accuracy(run: Run) -> Run:
    """The run with the accuracy that the papers report for its network."""
    accuracy = ACCURACY.get(run.setup.architecture.name, USUAL_ACCURACY)
    end = Window("end", 0.0, run.measurement.duration_s or 0.0, accuracy=accuracy)
    return replace(run, measurement=replace(run.measurement, windows=(end,)))


def table_3(shown: Analysis) -> None:
    """Print rank correlations with the system's energy in inference beside the papers'."""
    rho = {
        (c.metric, c.group): c
        for c in shown.correlations
        if c.task == "infer" and c.target == "system"
    }
    print("\nTable 3: Spearman with total energy, inference: predicted (papers), * far apart")
    print(f"{'':27}" + "".join(f"{m:>19}" for m in MACHINES) + "   pooled, 95 %")
    for metric, reported in REPORTED.items():
        cells = []
        for machine, said in zip(MACHINES, reported, strict=True):
            own = rho[metric, machine].spearman
            far = own is not None and abs(own - said) > FAR
            text = "-" if own is None else f"{own:+.2f}"
            cells.append(f"{text} ({said:+.2f}){'*' if far else ' '}".rjust(19))
        pooled = rho[metric, "pooled"]
        print(f"{metric:27}" + "".join(cells) + f"   {_interval(pooled)}")
    explained(
        "work_per_unit_power", "gpu_energy_scaling_factor", "energy_scaling_factor", "parameters"
    )


def explained(*metrics: str) -> None:
    """Print what lies behind large differences."""
    for metric in metrics:
        print(f"  {metric}: {EXPLAINED[metric]}")


def _interval(c: Correlation) -> str:
    if c.spearman is None:
        return "-"
    bounds = "" if c.spearman_low is None else f" {c.spearman_low:+.2f} to {c.spearman_high:+.2f}"
    return f"{c.spearman:+.2f}{bounds}"


def table_6(shown: Analysis, title: str) -> None:
    """Print rank correlations with the energy per request beside the papers'."""
    print(f"\nTable 6, {title}: Spearman with energy per request (n): predicted (papers)")
    rows = {c.metric: c for c in shown.correlations if c.task == "serve" and c.target == "system"}
    for metric, said in REPORTED_SERVING.items():
        c = rows[metric]
        own = f"- ({c.reason})" if c.spearman is None else _interval(c)
        print(f"{metric:29}{own:28} (papers {said:+.2f})   n {c.n}")


def choice(shown: Analysis, title: str) -> None:
    """Print what Lasso chose under each split."""
    for task in dict.fromkeys(s.task for s in shown.selections):
        rows = [s for s in shown.selections if s.task == task]
        fitted = [s for s in rows if s.importances]
        print(f"\nLasso, {title}, {task}: " + ", ".join(f"{s.split} n {s.n_train}" for s in fitted))
        names = list(dict.fromkeys(n for s in fitted for n in s.importances))
        for name in names:
            cells = "".join(f"{100 * s.importances.get(name, 0.0):8.1f} %" for s in fitted)
            print(f"  {name:22}{cells}{'   papers' if name in PAPERS_CHOICE else ''}")
        six = [100 * sum(s.importances.get(n, 0.0) for n in PAPERS_CHOICE) for s in fitted]
        print(f"  {'the papers six':22}" + "".join(f"{share:8.1f} %" for share in six), end="")
        print(f"   (papers, random split: about {REPORTED_SHARE:g} %)")
        print(f"  {'MdAPE':22}" + "".join(f"{s.mdape:8.1f} %" for s in fitted))
        print(f"  {'R2 of the logarithm':22}" + "".join(f"{s.r2:8.2f}  " for s in fitted))
        for s in rows:
            if s.reason:
                print(f"  {s.split}: {s.reason}")


def rest(shown: Analysis) -> None:
    """Print time against energy, phases and saturation."""
    for c in shown.time_energy:
        if c.target == "system" and c.group != "pooled" and c.pearson is not None:
            print(
                f"time and energy, {c.task:6}{c.group:6} Pearson's r {c.pearson:.3f} (papers 0.99)"
            )
    for c in shown.phase_r:
        if c.metric == "time" and c.pearson is not None:
            print(f"training and inference time, {c.group:7} r {c.pearson:.2f} (papers about 0.9)")
    for k in (k for k in shown.knees if k.spearman is not None):
        at = k.reason if k.knee_util_frac is None else f"knee at {k.knee_util_frac:.0%}"
        said = {"hc2": " (papers 0.55)", "hc3": " (papers 0.81)"}.get(k.machine, "")
        print(f"utilisation and power, {k.machine}: rho {k.spearman:.2f}{said}, {at}")


def measured(path: Path, scope: str | None) -> None:
    """Print the same of measured runs: rank correlations by machine, and the choice."""
    shown = analyse(path, scope=scope)
    rows = [c for c in shown.correlations if c.target == shown.scope and c.spearman is not None]
    print(f"\nmeasured, {path.name}, {shown.scope}: Spearman with energy per sample")
    for task in dict.fromkeys(c.task for c in rows):
        for metric in dict.fromkeys(c.metric for c in rows if c.task == task):
            own = [c for c in rows if c.task == task and c.metric == metric]
            largest = sorted(own, key=lambda c: -c.n)[:5]
            cells = "  ".join(f"{c.group} {c.spearman:+.2f} ({c.n})" for c in largest)
            print(f"  {task:6}{metric:28}{cells}")
    choice(shown, f"measured {shown.scope} energies")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, help="a table of measured runs")
    parser.add_argument("--scope", help="of their energies")
    ask = parser.parse_args()
    runs = [with_accuracy(r) for r in predicted_runs(NETWORKS, MACHINES)]
    shown = analyse(runs)
    table_3(shown)
    print()
    rest(shown)
    choice(shown, "predictions")
    explained("Lasso")
    bursts = predicted_bursts(
        tuple(OUTPUT_TOKENS),
        ("hc4",),
        Requests(RATES_RPS, PROMPT_TOKENS, OUTPUT_TOKENS, HITS),
        weight_precision="fp8",
    )
    served = analyse(bursts)
    table_6(served, "all rates and hit rates")
    explained("cache_hit_rate")
    below = [b for b in bursts if b.measurement.burst and not b.measurement.burst.saturated]
    table_6(analyse(below), "rates below saturation only")
    choice(served, "predicted bursts")
    if ask.runs is not None:
        measured(ask.runs, ask.scope)


if __name__ == "__main__":
    main()
