"""Studies of the serving model: what they leave out, and their figures by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.records import NOVELTIES, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.datasets import architectures, hardware
from joulecast.estimator.intervals import LEVELS
from joulecast.estimator.serving import intervals, physics
from joulecast.estimator.serving.bundle import Bundle
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.fitting import Fitted
from joulecast.estimator.serving.frame import QUANTITIES, frame_of
from joulecast.estimator.serving.operation import operate
from joulecast.estimator.serving.studies import latency_table, missed, rate_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

REST = (math.nan,) * 4


def setup(model: str, machine: str, clients: float | None, rate: float | None = None) -> Setup:
    """One server of a network in bf16."""
    serving = Serving(256, 256, rate_rps=rate, concurrency=clients, engine_year=2025.8)
    workload = Workload(task="serve", precision="bf16", framework="vllm", serving=serving)
    network = architectures.find(f"llm:{model}")
    return Setup(hardware.machine(machine), network, workload, "gpu")


def measured(setups: Sequence[Setup], slower: float = 1.0) -> list[Run]:
    """Runs that physics itself would measure, every time longer by a factor."""
    t = operate(columns_of(setups), physics.default_coefficients())
    runs = []
    for i, s in enumerate(setups):
        rps, watts = float(t["served_rps"][i]) / slower, float(t["gpu_w"][i])
        burst = BurstFigures(
            sent=1,
            completed=1,
            failed=0,
            offered_rps=rps,
            achieved_rps=rps,
            ttft=Spread(slower * float(t["prompt_s"][i] + t["step_s"][i]), *REST),
            itl=Spread(slower * float(t["step_s"][i]), *REST),
        )
        m = Measurement({"gpu": watts / rps}, 1 / rps, 1.0, power_w={"gpu": watts}, burst=burst)
        runs.append(Run(s, m, "test", s.architecture.group))
    return runs


def test_missed_by_hand() -> None:
    """10 % above, 10 % below and exact: the median misses 10 %, the bias is none."""
    found = missed(np.log([1.1, 0.9, 1.0, 1.1, 0.9]))
    assert found["n"] == 5
    assert found["mdape"] == pytest.approx(10)
    assert found["bias"] == pytest.approx(0)


def test_latency_leaves_out_generations_and_networks() -> None:
    """Every generation and network is left out once, and a line is told of all."""
    models, clients = ("llama-3.1-8b", "qwen3-14b"), (4, 16, 64, 128)
    setups = [
        setup(m, machine, n)
        for m in models
        for machine in ("h100-sxm", "b200", "b300")
        for n in clients
    ]
    lines = list(latency_table.records(measured(setups)))
    told = {(line["left out"], line["group"], line["time"]) for line in lines}
    groups = {("generation", g) for g in ("hopper", "blackwell", "all")}
    groups |= {("model", g) for g in (*models, "all")}
    assert told == {(*g, t) for g in groups for t in ("ttft", "tpot")}
    whole = next(x for x in lines if (x["left out"], x["group"]) == ("model", "all"))
    assert whole["n"] == len(setups)
    assert float(whole["mdape"]) < 60


def test_two_bursts_mend_a_curve() -> None:
    """A server 1.5 times slower than physics: two bursts find its saturation, zero-shot did not."""
    learn = [
        setup(m, machine, n)
        for m in ("llama-3.1-8b", "qwen3-14b", "llama-2-7b")
        for machine in ("h100-sxm", "a100-sxm-80gb")
        for n in (1, 4, 16, 64, 128)
    ]
    full = float(
        operate(
            columns_of([setup("llama-2-7b", "a40", None, 1.0)]), physics.default_coefficients()
        )["saturation_rps"][0]
    )
    rates = [share * full / 1.5 for share in (0.2, 0.5, 0.8, 2.0)]
    runs = [*measured(learn), *slow_curve(rates, full / 1.5)]
    lines = list(rate_curve.records(runs, bundle_of(runs)))
    by = {(str(x["answer"]), x["asked"]): float(x["mdape"]) for x in lines}
    mended = [v for (name, asked), v in by.items() if "after" in name and asked == "saturation"]
    assert len(mended) == 3
    assert by["zero-shot", "saturation"] > 40
    assert max(mended) < 15
    rule = np.array([0.93 * 300 / 280 - 1] * 4)
    assert by["rule", "energy"] == pytest.approx(100 * np.median(np.abs(rule)))


def test_a_curve_has_several_rates_and_a_full_server() -> None:
    """Closed loops, three rates, and rates that were all answered are no curve."""
    closed = measured([setup("llama-2-7b", "a40", n) for n in (1, 2, 4, 8)])
    assert rate_curve.curves_of([*closed, *slow_curve([1, 2, 3], 2)]) == []
    assert rate_curve.curves_of(slow_curve([1, 2, 3, 4], 9)) == []
    curve = slow_curve([1, 2, 3, 4], 2)
    assert rate_curve.curves_of([*closed, *curve]) == [curve]


def bundle_of(runs: Sequence[Run]) -> Bundle:
    """A bundle that answers with physics alone; its learners are not asked."""
    frame = frame_of(runs)
    scores = {q: [0.5] * len(LEVELS) for q in QUANTITIES}
    return Bundle(
        fitted=Fitted(physics.default_coefficients(), {}, {}, {}),
        stack={n: [1.0, 0.0, 0.0] for n in NOVELTIES},
        scores=dict.fromkeys(NOVELTIES, scores),
        hull=intervals.hull_of(frame.columns),
        pairs={d: sorted(set(frame.model[frame.device == d])) for d in set(frame.device)},
        groups=(),
        inputs={},
    )


def slow_curve(rates: Sequence[float], full: float) -> list[Run]:
    """Bursts of an A40 that answers `full` requests per second at most, always at 280 W."""
    runs = []
    for rate in rates:
        rps = min(rate, full)
        burst = BurstFigures(1000, 1000, 0, rate, rps)
        m = Measurement({"gpu": 280e3 / rps}, 1e3 / rps, 1e3, power_w={"gpu": 280.0}, burst=burst)
        asked = setup("llama-2-7b", "a40", None, rate)
        runs.append(Run(asked, m, "test", "llama-2-7b", meter="nvml"))
    return runs
