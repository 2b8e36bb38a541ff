"""Studies' cases of a few runs whose measured and predicted values are written by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import Measurement, Run, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator.frame import frame_of
from joulecast.estimator.studies import Case

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Scope


@dataclass(frozen=True, slots=True)
class Row:
    """One run: joules and seconds per sample, measured and predicted."""

    device: str
    energy_j: float
    predicted_j: float
    batch: float = 128
    limit_w: float | None = None
    time_s: float = 1.0
    predicted_s: float = 1.0
    source: str = "one"
    scope: Scope = "gpu"


def case_of(rows: Sequence[Row], protocols: Sequence[str] = ("new-hardware",)) -> Case:
    """The case of `rows`, all of one network; every protocol has the same answers."""
    runs = [_run(row) for row in rows]
    energy, time_ = (
        np.log([getattr(r, name) for r in rows]) for name in ("predicted_j", "predicted_s")
    )
    answers = {"energy": energy, "time": time_, "power": energy - time_}
    frame = frame_of(runs)
    assert len(frame) == len(runs)
    return Case(frame, runs, {}, dict.fromkeys(protocols, answers))


def _run(row: Row) -> Run:
    machine = replace(hardware.machine(row.device), gpu_power_limit_w=row.limit_w)
    network = architectures.find("joulecast:lenet")
    return Run(
        setup=Setup(machine, network, Workload(batch_size=row.batch), scope=row.scope),
        measurement=Measurement(
            energy_j={row.scope: row.energy_j},
            duration_s=row.time_s,
            samples=1.0,
            power_w={row.scope: row.energy_j / row.time_s},
        ),
        source=row.source,
        model_group="lenet",
        hardware_id=row.device,
    )
