"""Records of a job become one run; nothing is counted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from joulecast.core.records import Device, Measurement, MeterReport, Run, Window
from joulecast.profiler import notices
from joulecast.profiler.merge import merge_runs, overlap
from joulecast.profiler.session_options import unknown_setup

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
METER = MeterReport("nvml:0", "gpu", "nvml-counter", 1.0)


def record(rank: int, *, node: str = "a", job: str = "j", at_s: float = 0.0, **m: Any) -> Run:  # noqa: ANN401
    """A rank's record of 100 s; rank 0 and 2 lead their nodes."""
    local_rank = rank % 2
    leads = local_rank == 0
    defaults: dict[str, Any] = {
        "energy_j": {"gpu": 1000.0, "cpu": 200.0} if leads else {},
        "duration_s": 100.0 + rank,
        "samples": 500.0,
        "power_w": {"gpu": 10.0} if leads else {},
        "idle_w": {"gpu": 2.0} if leads else {},
        "energy_source": {"gpu": "nvml-counter", "cpu": "rapl"} if leads else {},
        "steady_sample_s": 0.2,
        "epochs": tuple(
            Window(f"epoch {i}", 50.0 * i, 50.0 + rank, {"gpu": 500.0} if leads else {}, 250.0)
            for i in (0, 1)
        ),
        "meters": (METER,) if leads else (),
        "notices": () if leads else (notices.not_leader(local_rank),),
    }
    where = {"node": node, "rank": str(rank), "local_rank": str(local_rank), "world_size": "4"}
    gpu = Device(id="g", name="g", kind="gpu", tdp_w=300.0, year=2024, source="")
    machine = replace(unknown_setup().machine, gpu=gpu, n_gpus=2)
    return Run(
        setup=replace(unknown_setup(), machine=machine),
        measurement=Measurement(**{**defaults, **m}),
        source="profiler",
        model_group="",
        started_at=(START + timedelta(seconds=at_s)).isoformat(),
        id=f"{job or 'lone'}-{node}-{rank}-{at_s:g}",
        where={**where, "job": job} if job else {"node": node},
    )


def job() -> list[Run]:
    """Two nodes of two ranks."""
    return [record(3, node="b"), record(0), record(1), record(2, node="b")]


def has(run: Run, *words: str) -> bool:
    """Whether one notice has all these words."""
    return any(all(word in text for word in words) for text in run.measurement.notices)


def test_nodes_are_summed_once_and_ranks_for_samples() -> None:
    """Energy of two leaders, samples of four ranks, the slowest rank's time."""
    (run,) = merge_runs(job())
    m = run.measurement
    assert m.energy_j == {"gpu": 2000.0, "cpu": 400.0}
    assert m.samples == 2000.0
    assert m.duration_s == 103.0
    assert (m.power_w, m.idle_w) == ({"gpu": 20.0}, {"gpu": 4.0})
    assert m.steady_sample_s == pytest.approx(0.05)
    assert len(m.meters) == 2
    assert run.setup.machine.n_gpus == 4
    assert (run.where["rank"], run.where["node"], run.where["merged"]) == ("0", "a+b", "4")
    assert m.notices == ()


def test_epochs_are_joined_by_their_place() -> None:
    """Energy of the leaders, samples of all, the longest time; only epochs that all have."""
    runs = job()
    short = runs[0].measurement
    runs[0] = replace(runs[0], measurement=replace(short, epochs=short.epochs[:1]))
    (run,) = merge_runs(runs)
    (epoch,) = run.measurement.epochs
    assert (epoch.energy_j, epoch.samples, epoch.duration_s) == ({"gpu": 1000.0}, 1000.0, 53.0)


def test_runs_without_a_job_pass_through() -> None:
    """A lone run stays as it is, and records of strangers without id or time too."""
    lone = record(0, job="")
    strange = replace(lone, id="", started_at=None)
    assert merge_runs([lone, strange, strange]) == [lone, strange, strange]


def test_the_same_record_twice_counts_once() -> None:
    """The copy that got further is kept and the other named."""
    done = record(0, job="")
    cut = replace(done, status="running", measurement=replace(done.measurement, duration_s=5.0))
    (run,) = merge_runs([cut, done, cut])
    assert run.status == "complete"
    assert run.measurement.energy_j == done.measurement.energy_j
    assert has(run, "was there twice")


def test_two_leaders_of_one_node_count_once() -> None:
    """Two processes that both metered node a: the longer record's energy, and a notice."""
    twice = replace(record(2, node="a"), id="other")
    (run,) = merge_runs([record(0), record(1), twice, record(3, node="a")])
    assert run.measurement.energy_j["gpu"] == 1000.0
    assert has(run, "metered by two processes", "'a'")


def test_a_node_without_its_leader_leaves_no_energy() -> None:
    """A sum over some of the nodes is not the job's energy."""
    (run,) = merge_runs([record(0), record(1), record(3, node="b")])
    assert run.measurement.energy_j == {}
    assert has(run, "no metered record of node b")
    assert has(run, "3 of 4 ranks")


def test_missing_ranks_are_told() -> None:
    """One record of four stays itself and says so."""
    (run,) = merge_runs([record(0)])
    assert run.measurement.energy_j == record(0).measurement.energy_j
    assert has(run, "1 of 4 ranks")


def test_a_scope_that_one_node_lacks_is_absent() -> None:
    """Only what every node has is summed."""
    other = record(2, node="b", energy_j={"gpu": 1000.0})
    (run,) = merge_runs([record(0), record(1), other, record(3, node="b")])
    assert run.measurement.energy_j == {"gpu": 2000.0}


def test_two_launches_of_one_job_are_two_runs() -> None:
    """A job that was started again an hour later is another run."""
    runs = merge_runs([*job(), *(replace(r, id=r.id + "x", started_at=later(r)) for r in job())])
    assert [r.measurement.energy_j["gpu"] for r in runs] == [2000.0, 2000.0]


def later(run: Run) -> str:
    """An hour after a run's start."""
    return (datetime.fromisoformat(run.started_at or "") + timedelta(hours=1)).isoformat()


def test_runs_of_one_node_that_overlap_are_named() -> None:
    """Each holds the other's energy: both say it, figures stay; another node or time does not."""
    one, two = record(0, job=""), record(2, job="", at_s=60.0)
    elsewhere, after = record(0, node="z", job=""), record(0, job="", at_s=500.0)
    runs = merge_runs([one, two, elsewhere, after])
    assert has(runs[0], two.id, "each holds")
    assert has(runs[1], one.id, "each holds")
    assert runs[0].measurement.energy_j == one.measurement.energy_j
    assert runs[2:] == [elsewhere, after]
    assert overlap(one, two)
    assert not overlap(one, after)


def test_an_interrupted_rank_makes_an_interrupted_run() -> None:
    """The job is as complete as its least complete record."""
    runs = job()
    runs[2] = replace(runs[2], status="interrupted")
    assert merge_runs(runs)[0].status == "interrupted"
