"""One question asked over a range: energy, time, power and memory, and which value is best."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from joulecast import asking
from joulecast.answering import hardware_line, model_line
from joulecast.answering_many import estimates_of
from joulecast.asking_run import refuse_level, setup_of
from joulecast.core.errors import BadInput
from joulecast.core.insight import Axis, Sweep, SweepPoint
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.known_runs import runs_given
from joulecast.sweeping import (
    axis_named,
    bare,
    fits,
    listed,
    measured_at,
    own_value,
    said_once,
    said_value,
    setups_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from joulecast.core.records import Estimate, Machine, Run, Setup
    from joulecast.sweeping import Value

TOLD_APART: dict[Axis, float] = {
    "batch_size": 0.05,
    "power_limit_w": 0.05,
    "precision": 0.1,
    "n_gpus": 0.1,
}
"""Least difference that counts: about the median error of the predicted energy at one value over
that at another on devices never measured, for power limits 5.0 % (`joulecast accuracy --full`), for
batches within a factor of four 5.4 % (benchmarks/batch_ratios.py); elsewhere a guess."""
_PER_GPU: dict[Axis, tuple[str, ...]] = {
    "n_gpus": ("batch size and memory are per GPU, energy and power are of all GPUs together",)
}
_FIGURE: dict[Axis, str] = {
    "batch_size": "median error of the energy at one batch over one within a factor of 4, 5.4 %",
    "power_limit_w": "median error of the energy at one limit over another, 'accuracy --full'",
    "precision": "a guess: no runs are known that differ in the precision alone",
    "n_gpus": "a guess: no runs are known that differ in the number of GPUs alone",
}


def sweep(
    model: Any,  # noqa: ANN401 (torch.nn.Module without importing torch)
    hardware: str | Path | Machine,
    *,
    over: str = "batch_size",
    values: Sequence[float | str] | None = None,
    runs: str | Path | Iterable[str | Path | Run] | None = None,
    level: float = 0.9,
    **question: Any,  # noqa: ANN401 (the arguments of `estimate`)
) -> Sweep:
    """Energy, time, power and memory of a run over batch sizes, power limits, precisions or GPUs.

    Parameters
    ----------
    over : ``batch_size``, ``power_limit_w``, ``precision`` or ``n_gpus``.
    values : of that axis; ``None`` for a range that suits the machine.
    runs : measured runs to lean on, as in `estimate`; those of just a value are shown beside it.
    question : further arguments of `estimate`; what it says of the axis itself is the value that
        the best is held against.

    Raises
    ------
    JoulecastError
        As `estimate`; BadInput for an axis that the machine does not have, and for power limits
        that its board does not take.

    Examples
    --------
    >>> found = sweep("vgg16", "hc3", over="power_limit_w", runs=())
    >>> found.points[0].power_w < found.points[-1].power_w
    True
    """
    refuse_level(level)
    axis = axis_named(over)
    question.pop("explain", None)
    _refuse_serving(question)
    machine, detected = asking.find_machine(hardware)
    asked, _ = setup_of(model, machine, **{**question, "force": True})
    own = own_value(asked, axis)
    asked_at = setups_of(asked, axis, values, question)
    setups = {value: setup for value, (setup, _) in asked_at.items()}
    known, skipped = runs_given(runs)
    first, *answers = estimates_of([asked, *setups.values()], level, known)
    points = tuple(
        _point(value, setup, answer, known)
        for (value, setup), answer in zip(setups.items(), answers, strict=True)
    )
    said = {
        value: (*notices, *answer.notices)
        for (value, (_, notices)), answer in zip(asked_at.items(), answers, strict=True)
    }
    found = Sweep(
        axis=axis,
        model=asked.architecture.name,
        hardware=asked.machine.id,
        level=level,
        scope=asked.scope,
        points=points,
        best=None,
        asked=own,
        mem_ends_at=_mem_ends_at(points),
        model_text=_without(model_line(asked), axis),
        hardware_text=hardware_line(bare(asked.machine, axis)),
        notices=(*_PER_GPU.get(axis, ()), *said_once(said, axis), *detected, *skipped),
    )
    asked_point = next((p for p in points if p.value == own), _point(own, asked, first, ()))
    return _with_best(found, asked_point)


def _refuse_serving(question: dict[str, Any]) -> None:
    if question.get("task") == "serve":
        message = (
            "a model server is not swept here. Use 'joulecast plan' for machines and replicas, or "
            "estimate --rps, whose answer holds the whole curve over request rates"
        )
        raise BadInput(message)


def _mem_ends_at(points: Sequence[SweepPoint]) -> Value | None:
    """The least value that does not fit; of precisions, which have no order, the first."""
    out = [p.value for p in points if not p.fits]
    return min((v for v in out if not isinstance(v, str)), default=next(iter(out), None))


def _without(text: str, axis: Axis) -> str:
    """The line of the workload without what is swept over."""
    if axis == "batch_size":
        return " · ".join(p for p in text.split(" · ") if not p.startswith("batch "))
    if axis == "precision":
        return " · ".join(p for p in text.split(" · ") if p not in BYTES_PER_VALUE)
    return text


def _point(value: Value, setup: Setup, answer: Estimate, runs: Sequence[Run]) -> SweepPoint:
    """One answer, with what runs of just this measured."""
    fixed, per_sample = asking.memory_need_bytes(setup)
    energy_j, duration_s = measured_at(setup, runs) if runs else (None, None)
    return SweepPoint(
        value=value,
        energy_j=answer.energy_j,
        energy_low_j=answer.energy_low_j,
        energy_high_j=answer.energy_high_j,
        duration_s=answer.duration_s,
        duration_low_s=answer.duration_low_s,
        duration_high_s=answer.duration_high_s,
        power_w=answer.power_w,
        basis=answer.basis,
        mem_bytes=fixed + per_sample * setup.workload.batch_size,
        fits=fits(setup),
        measured_energy_j=energy_j,
        measured_duration_s=duration_s,
    )


def _with_best(found: Sweep, asked: SweepPoint) -> Sweep:
    """`found` with the value of least energy, and what it saves against the question's own."""
    fitting = [p for p in found.points if p.fits]
    if not fitting:
        return found
    best = min(fitting, key=lambda p: p.energy_j)
    said = list(_alike(best, fitting, found.axis))
    own = f"{said_value(asked.value, found.axis)}, as asked,"
    if not asked.fits:
        said.append(f"{own} does not fit into memory")
        return replace(found, best=best.value, notices=(*found.notices, *said))
    if asked.energy_j < best.energy_j:
        less = 100 * (1 - asked.energy_j / best.energy_j)
        said.append(f"{own} is none of these values and needs {less:.0f} % less than the best")
        return replace(found, best=best.value, notices=(*found.notices, *said))
    return replace(
        found,
        best=best.value,
        saves_frac=1 - best.energy_j / asked.energy_j,
        slower_frac=best.duration_s / asked.duration_s - 1,
        notices=(*found.notices, *said),
    )


def _alike(best: SweepPoint, fitting: Sequence[SweepPoint], axis: Axis) -> Iterable[str]:
    """Which values are not told apart from the best, and which of them is the fastest."""
    least = TOLD_APART[axis]
    near = [p for p in fitting if p.energy_j <= best.energy_j / (1 - least)]
    rule = f"differences below {100 * least:.0f} % are not told apart ({_FIGURE[axis]})"
    if len(near) == 1:
        yield rule
        return
    names = listed([p.value for p in near])
    fastest = min(near, key=lambda p: p.duration_s)
    quick = "" if fastest is best else f"; {said_value(fastest.value, axis)} is the fastest of them"
    yield f"{rule}: here {names}{quick}"
