"""Comparisons and sweeps: the public functions with names of the catalogue and the fleet's runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.service.questions import tariff_of

if TYPE_CHECKING:
    from joulecast.core.insight import Comparison, Sweep
    from joulecast.core.records import Machine, Run
    from joulecast.service.bodies import CompareBody, SweepBody
    from joulecast.service.fleet import Applied
    from joulecast.service.names import Catalogue


def swept(body: SweepBody, catalogue: Catalogue, applied: Applied) -> Sweep:
    """The question over one of its parameters.

    Raises
    ------
    JoulecastError
    """
    from joulecast.api_sweep import sweep

    model = catalogue.model(body.model)
    machine = catalogue.machine(body.hardware, applied.machines, applied.counts)
    with np.errstate(all="ignore"):
        return sweep(
            model,
            machine,
            over=body.over,
            values=body.values,
            runs=_runs(applied),
            level=body.level,
            **body.workload(),
        )


def compared(body: CompareBody, catalogue: Catalogue, applied: Applied) -> Comparison:
    """Every network on every machine.

    Raises
    ------
    JoulecastError
        For a name that nobody knows, too.
    """
    from joulecast.api_compare import compare

    models = [catalogue.model(name) for name in body.models]
    machines: list[str | Machine] = [
        catalogue.machine(name, applied.machines, applied.counts) for name in body.hardware
    ]
    question: dict[str, Any] = {"task": body.task, **body.workload()}
    with np.errstate(all="ignore"):
        return compare(
            models,
            machines,
            accuracy=body.accuracy,
            tariff=tariff_of(body),
            runs=_runs(applied),
            level=body.level,
            **question,
        )


def _runs(applied: Applied) -> tuple[Run, ...]:
    """All applied runs; the functions take those that count."""
    return tuple(run for own in applied.runs.values() for run in own)
