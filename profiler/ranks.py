"""Which process of a distributed job this is: one per node meters, the others keep time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Rank:
    """A process among those of its job.

    Attributes
    ----------
    rank, world_size : in the job. local_rank : on the node. node : name of the node, or its number.
    job : what the processes of one launch have in common, empty for a lone process.
    is_leader : whether this process meters its node.
    is_job_unique : whether the launcher gives each launch a job of its own.
    """

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    node: str = ""
    job: str = ""
    is_leader: bool = True
    is_job_unique: bool = False

    def where(self) -> dict[str, str]:
        """The facts for a run record; those of a lone process are its node alone."""
        found = {"node": self.node} if self.node else {}
        if self.world_size > 1 or self.job:
            found |= {
                "rank": str(self.rank),
                "local_rank": str(self.local_rank),
                "world_size": str(self.world_size),
            }
        if self.is_job_unique:
            found["job_unique"] = "yes"
        return {**found, "job": self.job} if self.job else found


@dataclass(frozen=True, slots=True)
class _Launcher:
    """Names of a launcher's variables, the first that is set counts.

    `unique` are the parts of `job` that no two launches share, if all of them are set.
    """

    rank: tuple[str, ...]
    local_rank: tuple[str, ...]
    world_size: tuple[str, ...]
    node: tuple[str, ...] = ()
    job: tuple[tuple[str, ...], ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()


# torchrun comes first: under `srun torchrun` both sets are there and torchrun's ranks are ours.
_LAUNCHERS = (
    _Launcher(
        ("RANK",),
        ("LOCAL_RANK",),
        ("WORLD_SIZE",),
        ("GROUP_RANK",),
        (("TORCHELASTIC_RUN_ID",), ("SLURM_JOB_ID",), ("MASTER_ADDR",), ("MASTER_PORT",)),
        (("TORCHELASTIC_RUN_ID",),),
    ),
    _Launcher(
        ("OMPI_COMM_WORLD_RANK",),
        ("OMPI_COMM_WORLD_LOCAL_RANK",),
        ("OMPI_COMM_WORLD_SIZE",),
        (),
        (("PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "OMPI_MCA_orte_ess_jobid"),),
    ),
    _Launcher(
        ("SLURM_PROCID",),
        ("SLURM_LOCALID",),
        ("SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_NPROCS"),
        ("SLURMD_NODENAME", "SLURM_NODEID"),
        (("SLURM_JOB_ID", "SLURM_JOBID"), ("SLURM_STEP_ID", "SLURM_STEPID")),
        (("SLURM_JOB_ID", "SLURM_JOBID"), ("SLURM_STEP_ID", "SLURM_STEPID")),
    ),
    _Launcher(
        ("PMI_RANK", "MV2_COMM_WORLD_RANK"),
        ("MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "PMI_LOCAL_RANK"),
        ("PMI_SIZE", "MV2_COMM_WORLD_SIZE"),
        (),
        (("PMI_PORT", "PMI_JOBID", "PMI_ID"),),
    ),
)
_NO_JOB = ("", "none")
_NO_NAME = ("", "localhost", "localhost.localdomain")


def rank_of(environ: Mapping[str, str], node: str = "") -> Rank:
    """The rank that the launcher's variables tell: torchrun, OpenMPI, SLURM, MPICH or Intel MPI.

    Parameters
    ----------
    environ : environment variables. node : name of this machine, if known.

    >>> rank_of({"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}).is_leader
    False
    """
    node = "" if node in _NO_NAME else node
    for launcher in _LAUNCHERS:
        rank = _number(environ, launcher.rank)
        world_size = _number(environ, launcher.world_size)
        if rank is not None and world_size is not None:
            return _rank(environ, launcher, rank, world_size, node)
    return Rank(node=node)


def _rank(
    environ: Mapping[str, str],
    launcher: _Launcher,
    rank: int,
    world_size: int,
    node: str,
) -> Rank:
    local_rank = _number(environ, launcher.local_rank)
    parts = (_text(environ, names) for names in launcher.job)
    own = [_text(environ, names) for names in launcher.unique]
    return Rank(
        rank=rank,
        local_rank=rank if local_rank is None else local_rank,
        world_size=world_size,
        node=node or _text(environ, launcher.node),
        job="-".join(part for part in parts if part not in _NO_JOB),
        # Without a local rank nobody but rank 0 can be sure to be alone on its node.
        is_leader=(rank if local_rank is None else local_rank) == 0,
        is_job_unique=bool(own) and not any(part in _NO_JOB for part in own),
    )


def _text(environ: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")


def _number(environ: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    text = _text(environ, names)
    return int(text) if text.isdecimal() else None
