"""Tables of correlations: scopes and tasks apart, twice the samples, one network, constants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.estimator.insight.correlations import POOLED, correlations, time_energy
from joulecast.estimator.insight.frame import frame_of
from joulecast.estimator.insight.phases import paired, paired_runs, phases
from tests.fakes.insight_runs import burst, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.insight import Correlation
    from joulecast.core.records import Run


def table(runs: Sequence[Run], scope: str = "gpu") -> dict[tuple[str, str, str], Correlation]:
    """Correlations by figure, machine and task."""
    return {(c.metric, c.group, c.task): c for c in correlations(frame_of(runs), scope)}


def networks(machine: str = "hc", factor: float = 1.0, **other: object) -> list[Run]:
    """Five networks whose energy rises with their multiply-adds."""
    return [
        run(f"n{i}", macs=i * 1e8, sample_j=factor * i * 0.01, machine=machine, **other)  # type: ignore[arg-type]
        for i in range(1, 6)
    ]


def test_energy_follows_macs_per_parameter() -> None:
    """Equal parameters: the rank is 1, and so is Pearson's."""
    found = table(networks())
    c = found["macs_param", "hc", "infer"]
    assert c.n == 5
    assert [c.spearman, c.pearson] == pytest.approx([1.0, 1.0])
    assert c.target == "gpu"
    own = found["energy_per_sample", "hc", "infer"]
    assert own.spearman == 1.0


def test_twice_the_samples_are_not_twice_the_network() -> None:
    """The energy is that of equally many samples."""
    plain = networks()
    longer = [
        run(f"n{i}", macs=i * 1e8, sample_j=i * 0.01, samples=1000.0 * (6 - i)) for i in range(1, 6)
    ]
    key = ("macs_param", "hc", "infer")
    assert table(longer)[key].spearman == table(plain)[key].spearman


def test_scopes_are_never_pooled() -> None:
    """Runs that know the wall only are in the wall's table only."""
    runs = [*networks(), *networks(scope="wall", batch=64)]
    assert table(runs, "gpu")["macs_param", "hc", "infer"].n == 5
    assert table(runs, "wall")["macs_param", "hc", "infer"].n == 5
    assert table(runs, "dram") == {}


def test_machines_are_pooled_beside_and_tasks_never() -> None:
    """Two machines of five, and training of its own."""
    found = table([*networks(), *networks("other", 3.0), *networks(task="train")])
    assert found["macs_param", POOLED, "infer"].n == 10
    assert found["macs_param", POOLED, "infer"].spearman < 1.0  # type: ignore[operator]
    assert ("macs_param", POOLED, "train") not in found
    assert found["macs_param", "hc", "train"].n == 5


def test_one_network_says_so() -> None:
    """At many batch sizes: what tells networks apart is undefined, its throughput is not."""
    runs = [run(batch=b, sample_j=1 / b, sample_s=1 / b**1.1) for b in (8, 16, 32, 64)]
    found = table(runs)
    assert found["macs_param", "hc", "infer"].spearman is None
    assert "one network only" in found["macs_param", "hc", "infer"].reason
    assert found["work_done", "hc", "infer"].spearman == pytest.approx(-1.0)


def test_a_missing_figure_says_what_it_needs() -> None:
    """No accuracy; constant parameters."""
    found = table(networks())
    assert (
        "accuracy and GPU utilisation, known of none of 5 runs"
        in found["overall_efficiency", "hc", "infer"].reason
    )
    assert "the same in all runs" in found["parameters", "hc", "infer"].reason


def test_time_and_energy_of_a_constant_power() -> None:
    """R = 1."""
    runs = [run(f"n{i}", sample_s=i * 1e-4, sample_j=i * 0.02) for i in range(1, 7)]
    (c,) = time_energy(frame_of(runs), "gpu")
    assert (c.metric, c.n) == ("duration", 6)
    assert c.pearson == pytest.approx(1.0)


def test_bursts_have_the_seven() -> None:
    """The energy per request falls with the rate."""
    found = table([burst(rate_rps=r, request_j=100 / r + 10) for r in (1.0, 2.0, 5.0, 10.0)])
    assert found["request_rate", "hc4", "serve"].spearman == pytest.approx(-1.0)
    assert len(found) == 7


def test_phases_of_the_same_configuration() -> None:
    """Training takes 3 times the time and 4 times the energy; other batches do not match."""
    infer = networks()
    train = [
        run(f"n{i}", macs=i * 1e8, task="train", sample_s=3e-4, sample_j=i * 0.04)
        for i in range(1, 6)
    ]
    odd = run("n1", macs=1e8, task="train", batch=7, sample_s=1.0)
    ratios, r = phases(frame_of([*infer, *train, odd]), "gpu")
    assert [p.model for p in ratios] == [f"n{i}" for i in range(1, 6)]
    assert {round(p.time_ratio, 6) for p in ratios} == {3.0}
    assert {round(p.energy_ratio or 0, 6) for p in ratios} == {4.0}
    energy = next(c for c in r if c.metric == "energy")
    assert (energy.group, energy.n) == ("hc", 5)
    assert energy.pearson == pytest.approx(1.0)


def test_phases_take_the_median_of_runs_that_match() -> None:
    """Two trainings of one network that differ in their optimiser only, in whatever order."""
    slow = run(task="train", sample_s=4e-4)
    workload = replace(slow.setup.workload, optimiser="adam")
    slow = replace(slow, setup=replace(slow.setup, workload=workload))
    fast = run(task="train", sample_s=2e-4)
    for trained in ([slow, fast], [fast, slow]):
        ((one,), _) = phases(frame_of([run(), *trained]), "gpu")
        assert one.time_ratio == pytest.approx(3.0)


def test_phases_without_an_energy_have_their_time() -> None:
    """The energy ratio stays unknown."""
    ratios, _ = phases(frame_of([run(), run(task="train", sample_s=2e-4)]), "wall")
    assert ratios[0].time_ratio == pytest.approx(2.0)
    assert ratios[0].energy_ratio is None
    assert phases(frame_of([run()]), "gpu") == ((), ())


def test_only_like_is_paired() -> None:
    """Another framework, source, precision or batch has no ratio; each is counted."""
    infer, train = run(), run(task="train", sample_s=3e-4, sample_j=0.04)
    others = [with_workload(train, framework="tensorrt"), with_workload(train, precision="fp16")]
    others += [replace(train, source="another"), with_workload(train, batch_size=64)]
    found = paired(frame_of([infer, *others]), "gpu")
    assert (found.pairs, found.unpaired) == ((), 5)
    (pair,) = paired_runs([infer, train, train, replace(train, quality_flag="bad")], "gpu").pairs
    assert pair.time_ratio == pytest.approx(3.0)
    assert pair.energy_ratio == pytest.approx(4.0)
    assert (pair.framework, pair.source, pair.batch_size) == ("pytorch", "profiler", 128)


def with_workload(one: Run, **changed: object) -> Run:
    """The run with another workload."""
    workload = replace(one.setup.workload, **changed)  # type: ignore[arg-type]
    return replace(one, setup=replace(one.setup, workload=workload))
