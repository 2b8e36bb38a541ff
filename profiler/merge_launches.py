"""Which run records belong to one launch of a job: distinct ranks that ran side by side."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from joulecast.profiler import notices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulecast.core.records import Run

RUNNING_LAST = ("running", "interrupted", "complete")


def launches(runs: Iterable[Run]) -> list[list[Run]]:
    """Records by launch: those of lone processes alone, jobs in the order of their first records.

    A rank is in a launch once, so a second session of it belongs to a second launch.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        job, world_size = run.where.get("job", ""), world_size_of(run)
        lone = not job or world_size == 1
        key = f"run {len(groups)}" if lone else f"job {job} of {world_size}"
        groups.setdefault(key, []).append(run)
    return [launch for group in groups.values() for launch in _launches(group)]


def distinct(runs: Iterable[Run]) -> list[Run]:
    """Runs with each id once: the record that got furthest."""
    found: dict[str, Run] = {}
    for index, run in enumerate(runs):
        key = run.id or f"without id {index}"
        known = found.get(key)
        if known is None:
            found[key] = run
            continue
        best = max(known, run, key=progress)
        found[key] = noted(best, [notices.twice_there(run.id)])
    return list(found.values())


def span_s(run: Run) -> tuple[float, float] | None:
    """Start and end of a run in wall-clock seconds, ``None`` where the record lacks them."""
    try:
        start_s = datetime.fromisoformat(run.started_at or "").timestamp()
    except ValueError:
        return None
    return start_s, start_s + (run.measurement.duration_s or 0.0)


def shared_s(one: Run, other: Run) -> float:
    """Seconds for which two runs were both measured, 0 where a record lacks its time."""
    a, b = span_s(one), span_s(other)
    return 0.0 if a is None or b is None else max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def overlap(one: Run, other: Run) -> bool:
    """Whether two runs were measured at the same time."""
    return shared_s(one, other) > 0


def node_of(run: Run) -> str:
    """Name of the node, empty if unknown."""
    return run.where.get("node", "")


def rank_of(run: Run) -> int:
    """Rank in the job, 0 of a lone process."""
    return _number(run, "rank", 0)


def world_size_of(run: Run) -> int:
    """Ranks of the job, 1 of a lone process."""
    return _number(run, "world_size", 1)


def progress(run: Run) -> tuple[int, float]:
    """How far a record got; the larger, the further."""
    return RUNNING_LAST.index(run.status), run.measurement.duration_s or 0.0


def noted(run: Run, texts: Sequence[str]) -> Run:
    """`run` with more notices."""
    if not texts:
        return run
    every = tuple(dict.fromkeys((*run.measurement.notices, *texts)))
    return replace(run, measurement=replace(run.measurement, notices=every))


def _launches(group: Sequence[Run]) -> list[list[Run]]:
    """Records of one job name by launch, the earliest first."""
    found: list[list[Run]] = []
    for run in sorted(group, key=_start_s):
        mine = _launch_of(run, found)
        if mine is None:
            found.append([run])
        else:
            mine.append(run)
    return found


def _launch_of(run: Run, known: Sequence[list[Run]]) -> list[Run] | None:
    """The launch that lacks this rank and shares most time with it.

    A rank that came late or left early shares none; it belongs to the earliest launch that lacks
    it, but only if the launcher gives each launch a job of its own: other jobs start again.
    """
    free = [launch for launch in known if all(rank_of(run) != rank_of(o) for o in launch)]
    if not free:
        return None
    together_s = [max(shared_s(run, other) for other in launch) for launch in free]
    most_s = max(together_s)
    if most_s > 0 or run.where.get("job_unique"):
        return free[together_s.index(most_s)]
    return None


def _start_s(run: Run) -> float:
    span = span_s(run)
    return math.inf if span is None else span[0]


def _number(run: Run, key: str, default: int) -> int:
    text = run.where.get(key, "")
    return int(text) if text.isdecimal() else default
