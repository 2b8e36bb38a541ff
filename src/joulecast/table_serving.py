"""Rows of model servers in a table: the columns of the serving table, answered together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import BadInput, UnknownName
from joulecast.datasets import serving_table
from joulecast.datasets.cells import number, text
from joulecast.serving_memory import refuse_too_large
from joulecast.serving_times import rate_said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Setup
    from joulecast.estimator.serving.answers import ServingAnswers

    Array = NDArray[np.float64]

_BEYOND = "a number of the row is beyond any machine"
_SERVED = ("-generation", "-to-text")
_MADE = ("serv", "text-to-", "image-to-", "video-to-")
NAMING = (
    *("task", "model_id", "model", "architecture", "total_params", "active_params", "workload"),
    *("hardware_id", "gpu_name", "n_gpus", "energy_scope", "cache_hit_rate", "weight_precision"),
)
"""Columns on which it depends whether the names of a row are known."""


def is_serving(row: Mapping[str, Any]) -> bool:
    """Whether a row asks about a model server: by its task, or without one by its ``model_id``."""
    task = text(row.get("task")).lower()
    if task:
        return task.startswith(_MADE) or task.endswith(_SERVED)
    return bool(text(row.get("model_id"))) and not text(row.get("model"))


def setup_of(row: Mapping[str, Any]) -> Setup:
    """The question that a row asks; its ``model`` where it has no ``model_id``.

    Raises
    ------
    JoulecastError
        When it cannot be answered.
    """
    if not text(row.get("model_id")) and text(row.get("model")):
        row = {**row, "model_id": row["model"]}
    try:
        setup = serving_table.setup_of(row)
    except UnknownName as exc:
        if exc.kind == "model":
            _refuse_known(text(row.get("model_id")), exc)
        raise
    refuse_too_large(setup, table=True)
    m, scope = setup.machine, setup.scope
    parts = {"gpu": m.gpu, "cpu": m.cpu, "dram": m.dram}
    if scope in parts and parts[scope] is None:
        message = f"{m.id} names no {scope}. Set energy_scope to system or wall"
        raise BadInput(message)
    return setup


def _refuse_known(name: str, unknown: UnknownName) -> None:
    """Raise with what a network is, if one of that name is known but no language model.

    Raises
    ------
    BadInput
    """
    from joulecast.asking_serving import find_llm
    from joulecast.datasets import architectures

    try:
        find_llm(architectures.find(name))
    except BadInput as exc:
        raise exc from unknown
    except UnknownName:
        return


def fill(out: Sequence[dict[str, Any]], places: Sequence[int], setups: Sequence[Setup]) -> None:
    """Write the answers to `setups` into the rows of `out` at `places`."""
    from joulecast.estimator.serving import bundle as bundles
    from joulecast.estimator.serving import predictor

    requests = np.array([number(out[i].get("samples")) or math.nan for i in places], dtype=float)
    with np.errstate(all="ignore"):  # an absurd row overflows and is left blank below
        a = predictor.answer(setups, bundles.load())
        figures = _figures(a) | _totals(a, np.nan_to_num(requests, nan=1.0))
    finite = np.all([np.isfinite(v) & (v > 0) for v in figures.values()], axis=0)
    totals = _totals(a, requests)
    for i, (place, setup) in enumerate(zip(places, setups, strict=True)):
        row, notes = out[place], setup.notices
        if not finite[i]:
            row["notices"] = "; ".join((*notes, _BEYOND))
            continue
        row.update({name: float(values[i]) for name, values in figures.items()})
        if math.isnan(requests[i]):
            row.update(dict.fromkeys(totals, ""))
        row["basis"], row["novelty"] = "zero-shot", a.novelty[i]
        row["notices"] = "; ".join((*notes, *_doubts(setup, a, i)))


def _doubts(setup: Setup, a: ServingAnswers, i: int) -> tuple[str, ...]:
    serving = setup.workload.serving
    rate = serving.rate_rps if serving else None
    out = []
    if rate is not None and rate >= a.saturation_rps[i]:
        served = rate_said(float(a.served_rps[i]))
        out.append(f"saturated: of {rate:.9g} requests/s {served} are answered")
    if a.extrapolated[i]:
        out.append("extrapolated: physical bracket")
    return tuple(out)


def _figures(a: ServingAnswers) -> dict[str, Array]:
    """The numbers that need no count of requests, by column, each (n,)."""
    return {
        "predicted_power_w": a.power_w,
        "predicted_samples_per_s": a.served_rps,
        "predicted_energy_per_request_j": a.request_j,
        "predicted_energy_per_request_low_j": a.request_low_j,
        "predicted_energy_per_request_high_j": a.request_high_j,
        "predicted_energy_per_output_token_j": a.token_j,
        "predicted_energy_per_output_token_low_j": a.token_low_j,
        "predicted_energy_per_output_token_high_j": a.token_high_j,
    }


def _totals(a: ServingAnswers, requests: Array) -> dict[str, Array]:
    """Energy and time of so many requests, by column, each (n,)."""
    return {
        "predicted_energy_j": requests * a.request_j,
        "predicted_energy_low_j": requests * a.request_low_j,
        "predicted_energy_high_j": requests * a.request_high_j,
        "predicted_duration_s": requests / a.served_rps,
    }
