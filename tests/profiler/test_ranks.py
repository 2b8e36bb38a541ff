"""Launchers' variables, as they set them."""

from __future__ import annotations

from functools import partial

import pytest

from joulecast.profiler.ranks import Rank, rank_of

TORCHRUN = {
    "RANK": "9",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "16",
    "GROUP_RANK": "1",
    "TORCHELASTIC_RUN_ID": "abc",
}
SLURM = {
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "0",
    "SLURM_NTASKS": "8",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "77",
    "SLURM_STEP_ID": "2",
}
OPENMPI = {
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "3",
    "OMPI_COMM_WORLD_SIZE": "4",
    "PMIX_NAMESPACE": "prterun-9",
}
INTEL = {"PMI_RANK": "2", "MPI_LOCALRANKID": "0", "PMI_SIZE": "4", "PMI_PORT": "n0:1234"}


unique = partial(Rank, is_job_unique=True)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, Rank()),
        (TORCHRUN, unique(9, 1, 16, "1", "abc", is_leader=False)),
        ({**SLURM, **TORCHRUN}, unique(9, 1, 16, "1", "abc-77", is_leader=False)),
        (SLURM, unique(4, 0, 8, "1", "77-2", is_leader=True)),
        ({**SLURM, "SLURMD_NODENAME": "gpu7"}, unique(4, 0, 8, "gpu7", "77-2", is_leader=True)),
        (OPENMPI, Rank(3, 3, 4, "", "prterun-9", is_leader=False)),
        ({**OPENMPI, **SLURM}, Rank(3, 3, 4, "", "prterun-9", is_leader=False)),
        (INTEL, Rank(2, 0, 4, "", "n0:1234", is_leader=True)),
        ({"RANK": "0"}, Rank()),
        ({"RANK": "x", "WORLD_SIZE": "2"}, Rank()),
    ],
)
def test_each_launcher_is_understood(environ: dict[str, str], expected: Rank) -> None:
    """Rank, local rank, size, node and job; torchrun's go before those of what started it."""
    assert rank_of(environ) == expected


def test_the_machine_s_name_is_the_node() -> None:
    """A name that only this machine has goes before a number; a name that all have does not."""
    assert rank_of(TORCHRUN, "gpu-host").node == "gpu-host"
    assert rank_of(TORCHRUN, "localhost").node == "1"
    assert rank_of({}, "laptop") == Rank(node="laptop")


def test_the_default_run_id_of_torchrun_is_no_job() -> None:
    """``none`` is what every launch without an id has; address and port tell them apart better."""
    environ = {**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}
    assert rank_of(environ).job == ""
    environ |= {"MASTER_ADDR": "n0", "MASTER_PORT": "29500"}
    assert rank_of(environ).job == "n0-29500"
    assert not rank_of(environ).is_job_unique


def test_an_allocation_without_a_step_is_no_job_of_its_own() -> None:
    """Two programs started in one SLURM allocation share its number."""
    found = rank_of({k: v for k, v in SLURM.items() if k != "SLURM_STEP_ID"})
    assert found.job == "77"
    assert "job_unique" not in found.where()
    assert rank_of(SLURM).where()["job_unique"] == "yes"


def test_without_a_local_rank_only_rank_0_meters() -> None:
    """Two ranks that cannot know whether they share a node must not both meter it."""
    assert rank_of({"PMI_RANK": "0", "PMI_SIZE": "2"}).is_leader
    assert not rank_of({"PMI_RANK": "1", "PMI_SIZE": "2"}).is_leader


def test_a_lone_process_is_not_a_job() -> None:
    """Its record has a node at most."""
    assert Rank().where() == {}
    assert Rank(node="n").where() == {"node": "n"}
    assert Rank(1, 1, 2, "n", "j").where()["world_size"] == "2"
