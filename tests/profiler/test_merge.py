"""Records of a job become one run; nothing is counted twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from joulecast.core.records import Device, Measurement, MeterReport, Run, Window
from joulecast.profiler import notices
from joulecast.profiler.merge import merge, merge_runs
from joulecast.profiler.merge_launches import overlap
from joulecast.profiler.ranks import rank_of
from joulecast.profiler.session_options import unknown_setup
from tests.fakes.session import Bench, setup_of

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
METERS = tuple(MeterReport(f"nvml:{i}", "gpu", "nvml-counter", 1.0) for i in (0, 1))


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
        "meters": METERS if leads else (),
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
    assert len(m.meters) == 4
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
    meters = METERS * 2
    twice = replace(record(2, node="a", meters=meters), id="other")
    (run,) = merge_runs([record(0, meters=meters), record(1), twice, record(3, node="a")])
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
    runs = merge_runs(
        [*job(), *(replace(r, id=r.id + "x", started_at=moved(r, 3600.0)) for r in job())]
    )
    assert [r.measurement.energy_j["gpu"] for r in runs] == [2000.0, 2000.0]


def moved(run: Run, seconds: float) -> str:
    """So many seconds after a run's start."""
    return (datetime.fromisoformat(run.started_at or "") + timedelta(seconds=seconds)).isoformat()


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


def slurm(rank: int, ranks: int, **more: str) -> dict[str, str]:
    """What `srun` gives a rank of job 7 on one node."""
    facts = {"PROCID": str(rank), "LOCALID": str(rank), "NTASKS": str(ranks), "JOB_ID": "7"}
    return {f"SLURM_{key}": text for key, text in {**facts, **more}.items()}


def test_two_programs_of_one_allocation_stay_two() -> None:
    """Both are rank 0 of 1: nothing is added or dropped, and both say that they met."""
    rank = rank_of(slurm(0, 1), "n")
    runs = merge_runs(Bench(rank=rank).measure(60, samples=8) for _ in range(2))
    assert [r.measurement.samples for r in runs] == [4800.0, 4800.0]
    assert [r.measurement.energy_j["gpu"] for r in runs] == [pytest.approx(6000)] * 2
    assert all(has(run, "each holds") for run in runs)
    assert not any(has(run, "metered by two") for run in runs)


def test_a_rank_is_in_a_launch_once() -> None:
    """Two sessions in a row, the ranks a little apart: each joins its like."""
    one = [record(0, at_s=0.0), record(1, at_s=1.0), record(2, node="b"), record(3, node="b")]
    two = [replace(r, id=f"{r.id}-2", started_at=moved(r, 101.0)) for r in one]
    assert overlap(one[1], two[0])
    runs = merge_runs([*two, *one])
    assert [r.measurement.samples for r in runs] == [2000.0, 2000.0]
    assert [r.where["merged"] for r in runs] == ["4", "4"]
    assert sorted(r.id for r in runs) == sorted([one[0].id, two[0].id])


def test_a_late_rank_joins_a_job_that_is_unique_only() -> None:
    """No time in common: a launcher's own id joins them with a word; a bare name does not."""
    runs = [record(0), record(1), record(2, node="b"), record(3, node="b", at_s=200.0)]
    assert len(merge_runs(runs)) == 2
    unique = [replace(r, where={**r.where, "job_unique": "yes"}) for r in runs]
    (run,) = merge_runs(unique)
    assert run.measurement.samples == 2000.0
    assert run.measurement.energy_j["gpu"] == 2000.0
    assert has(run, "rank 3 was not recorded while its node was metered")
    again = [replace(r, id=f"{r.id}-2", started_at=moved(r, 3600.0)) for r in unique]
    assert [r.where["merged"] for r in merge_runs([*unique, *again])] == ["4", "4"]


def test_gpus_that_the_leader_could_not_see_leave_no_gpu_energy() -> None:
    """Four ranks, one metered GPU: samples and CPU stay, GPU and system go, with the way out."""
    setup = setup_of("gpu", "cpu", "dram")
    ranks = [rank_of(slurm(r, 4, STEP_ID="0"), "n") for r in range(4)]
    (run,) = merge_runs(Bench(setup, rank=rank).measure(60, samples=8) for rank in ranks)
    m = run.measurement
    assert m.samples == 19200.0
    assert set(m.energy_j) == set(m.power_w) == set(m.energy_source) == {"cpu", "dram"}
    assert m.energy_j["cpu"] == pytest.approx(3000)
    assert not {"gpu", "system"} & {*m.idle_w, *m.steady_power_w}
    assert has(run, "saw 1 GPU(s), the job has 4 ranks", "--gpus-per-node")


def test_windows_lose_the_gpus_that_were_not_seen_too() -> None:
    """No epoch keeps one of two GPUs' joules; a sensor of the whole system is not touched."""
    whole = MeterReport("wall", "system", "replay", 1.0)
    epochs = (Window("epoch", 0.0, 50.0, {"gpu": 5.0, "cpu": 2.0, "system": 9.0}, 1.0),)
    records = [record(0, epochs=epochs, meters=METERS[:1]), record(1, epochs=epochs)]
    assert merge_runs(records)[0].measurement.epochs[0].energy_j == {"cpu": 2.0}
    records[0] = record(0, epochs=epochs, meters=(METERS[0], whole))
    assert merge_runs(records)[0].measurement.epochs[0].energy_j == {"cpu": 2.0, "system": 9.0}


def test_ranks_without_a_gpu_are_unaffected() -> None:
    """More ranks than GPU meters mean nothing where no GPU was metered."""
    meters = (MeterReport("rapl:0", "cpu", "rapl", 1.0),)
    energy_j = {"cpu": 200.0, "system": 250.0}
    (run,) = merge_runs([record(0, meters=meters, energy_j=energy_j), record(1)])
    assert run.measurement.energy_j == energy_j


def test_doubts_are_what_merging_adds() -> None:
    """Named by run; what a record itself said is not told again."""
    said = record(0, notices=("too short",))
    assert merge(job()).doubts == ()
    (doubt,) = merge([said, record(1), record(2, node="b")]).doubts
    assert doubt == f"{said.id}: {notices.missing_ranks(3, 4)}"
    one, two = record(0, job=""), record(2, job="", at_s=60.0)
    assert [d.partition(":")[0] for d in merge([one, two]).doubts] == [one.id, two.id]
