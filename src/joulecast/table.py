"""Tables answered: rows in, the same rows with predictions out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast import table_serving
from joulecast.core.errors import BadInput, JoulecastError, UnknownName
from joulecast.datasets import runs_table
from joulecast.estimator import bundle as bundles
from joulecast.estimator import predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Setup
    from joulecast.estimator.predictor import Answers

OUTPUTS = (
    "predicted_energy_j",
    "predicted_energy_low_j",
    "predicted_energy_high_j",
    "predicted_duration_s",
    "predicted_power_w",
    "predicted_energy_per_sample_j",
    "predicted_energy_per_sample_low_j",
    "predicted_energy_per_sample_high_j",
    "predicted_samples_per_s",
    "predicted_energy_per_request_j",
    "predicted_energy_per_request_low_j",
    "predicted_energy_per_request_high_j",
    "predicted_energy_per_output_token_j",
    "predicted_energy_per_output_token_low_j",
    "predicted_energy_per_output_token_high_j",
    "basis",
    "novelty",
    "notices",
)
_TEXTS = frozenset({"basis", "novelty", "notices"})
_BLANK = dict.fromkeys(OUTPUTS, "")
_TOTALS = OUTPUTS[:4]
_CHUNK = 4096
_NAMING = (
    "hardware_id",
    "gpu_name",
    "cpu_name",
    "model",
    "domain",
    "input_shape",
    "seq_len",
    "params",
    "macs_per_sample",
    "task",
    "energy_scope",
)
_MAX_REFUSALS = 4096
_refusals: dict[tuple[str, ...], str] = {}
"""Why names were refused: finding the nearest is slow, so it is kept. What else is wrong with a row
depends on its other columns and is not."""


def predict_data_frame(table: Any) -> Any:  # noqa: ANN401 (pandas without importing it)
    """A copy of the DataFrame with `OUTPUTS` added; a blank number is NaN."""
    plain = table.astype(object).where(table.notna(), None).to_dict("records")
    rows = _in_chunks(plain)
    out = table.copy()
    for name in OUTPUTS:
        values = [row[name] for row in rows]
        is_text = name in _TEXTS
        out[name] = values if is_text else [math.nan if v == "" else v for v in values]
        out[name] = out[name].astype(object if is_text else float)
    return out


def predict_columns(table: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """The columns with `OUTPUTS` added."""
    columns = {name: list(table[name]) for name in table}
    if len({len(column) for column in columns.values()}) > 1:
        message = "the columns of the table differ in length"
        raise BadInput(message)
    names = list(columns)
    plain = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    rows = _in_chunks(plain)
    return {name: [row[name] for row in rows] for name in dict.fromkeys((*names, *OUTPUTS))}


def _in_chunks(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    parts = (predict_chunk(rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK))
    return [row for part in parts for row in part]


def predict_chunk(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`rows` with `OUTPUTS` added; an unanswerable row keeps blanks and says why in ``notices``."""
    out: list[dict[str, Any]] = [{**row, **_BLANK} for row in rows]
    runs: list[tuple[int, Setup]] = []
    servers: list[tuple[int, Setup]] = []
    for i, row in enumerate(rows):
        serving = table_serving.is_serving(row)
        setup = _setup_or_refusal(row, *(_SERVER if serving else _RUN))
        if isinstance(setup, str):
            out[i]["notices"] = setup
        else:
            (servers if serving else runs).append((i, setup))
    if runs:
        _fill(out, *map(list, zip(*runs, strict=True)))
    if servers:
        table_serving.fill(out, *map(list, zip(*servers, strict=True)))
    return out


def _setup_or_refusal(
    row: Mapping[str, Any],
    naming: tuple[str, ...],
    setup_of: Callable[[Mapping[str, Any]], Setup],
) -> Setup | str:
    """The question that a row asks, or why it cannot be answered."""
    if _refusals:
        refusal = _refusals.get(_names_of(row, naming))
        if refusal is not None:
            return refusal
    try:
        return setup_of(row)
    except JoulecastError as exc:
        if not isinstance(exc, UnknownName) and not isinstance(exc.__cause__, UnknownName):
            return str(exc)
        if len(_refusals) >= _MAX_REFUSALS:
            _refusals.clear()
        return _refusals.setdefault(_names_of(row, naming), str(exc))
    except (ArithmeticError, TypeError, ValueError) as exc:
        return f"the row cannot be read: {exc}"


def _run_of(row: Mapping[str, Any]) -> Setup:
    return _in_scope(runs_table.setup_of(row))


def _in_scope(setup: Setup) -> Setup:
    """The question in a scope that its machine has: of one without a GPU, the CPU's energy."""
    m, scope = setup.machine, setup.scope
    if scope == "gpu" and m.gpu is None:
        said = f"{m.id} has no GPU: energy of the CPU"
        return replace(setup, scope="cpu", notices=(*setup.notices, said))
    if (scope == "cpu" and m.cpu is None) or (scope == "dram" and m.dram is None):
        message = f"{m.id} names no {scope}. Set energy_scope to gpu, system or wall"
        raise BadInput(message)
    return setup


def _names_of(row: Mapping[str, Any], naming: tuple[str, ...]) -> tuple[str, ...]:
    return tuple([str(row.get(name)) for name in naming])


_RUN = (_NAMING, _run_of)
_SERVER = (table_serving.NAMING, table_serving.setup_of)


def _fill(out: list[dict[str, Any]], places: list[int], setups: list[Setup]) -> None:
    samples = np.array([s.workload.samples for s in setups])
    with np.errstate(all="ignore"):  # an absurd row overflows and is left blank below
        a = predictor.answer(setups, bundles.load())
        figures = _figures(a, np.nan_to_num(samples, nan=1.0))
    finite = np.all([np.isfinite(v) & (v > 0) for v in figures.values()], axis=0)
    names = list(figures)
    columns = zip(*(figures[name].tolist() for name in names), strict=True)
    facts = zip(places, setups, a.novelty, a.extrapolated.tolist(), finite.tolist(), strict=True)
    for (place, setup, novelty, extrapolated, is_finite), numbers in zip(
        facts, columns, strict=True
    ):
        row, notes = out[place], setup.notices
        if not is_finite:
            row["notices"] = "; ".join((*notes, "a number of the row is beyond any machine"))
            continue
        row.update(zip(names, numbers, strict=True))
        if math.isnan(setup.workload.samples):
            row.update(dict.fromkeys(_TOTALS, ""))
            notes = (*notes, "samples not given: totals left blank")
        if extrapolated:
            notes = (*notes, "extrapolated: physical bracket")
        row["basis"], row["novelty"] = "zero-shot", novelty
        row["notices"] = "; ".join(notes)


def _figures(a: Answers, samples: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The numbers of the answers by column, each (n,), totals over `samples` of shape (n,)."""
    return {
        "predicted_energy_j": samples * a.energy_j,
        "predicted_energy_low_j": samples * a.energy_low_j,
        "predicted_energy_high_j": samples * a.energy_high_j,
        "predicted_duration_s": samples * a.sample_s,
        "predicted_power_w": a.power_w,
        "predicted_energy_per_sample_j": a.energy_j,
        "predicted_energy_per_sample_low_j": a.energy_low_j,
        "predicted_energy_per_sample_high_j": a.energy_high_j,
        "predicted_samples_per_s": 1 / a.sample_s,
    }
