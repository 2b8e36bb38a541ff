"""Batch sizes beyond those measured: fitted on small batches, asked about large, and the reverse.

Also whether the answers are sane along a sweep of the batch size with all else fixed: a larger
batch takes no less time per step, and below saturation no more energy per sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import metrics, validate
from joulecast.estimator.columns import populations, rows_of
from joulecast.estimator.effects import use_labels
from joulecast.estimator.fitting import LEARNERS, TARGETS, fit, predict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame
    from joulecast.estimator.studies import Case, Record

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

TITLE = "batch extrapolation"
SMALL, LARGE = 128, 512
BATCHES = np.array([2.0**n for n in range(13)])
SLACK = 0.01
"""By how much a curve may turn the wrong way, natural log, before it counts."""
GAIN = 0.1
"""A batch is below saturation while the next power of two brings this much more throughput."""
_MEMORY_SHARE = 0.9
_TRAIN_BYTES_PER_PARAM = 16.0


def records(case: Case) -> Iterator[Record]:
    """Errors per direction and learner, then how many sweeps turn the wrong way."""
    frame, batch = case.frame, case.frame.columns["batch"]
    small, large = batch <= SMALL, batch >= LARGE
    both = on_both_sides(frame)
    for asks, known, asked in (
        (f"fitted on <= {SMALL}, asked >= {LARGE}", small, large & both),
        (f"fitted on >= {LARGE}, asked <= {SMALL}", large, small & both),
    ):
        if not asked.any() or len(set(frame.model[known])) < 2:
            continue
        rows = frame.take(np.flatnonzero(asked))
        fitted = fit(frame.take(np.flatnonzero(known)), case.seed)
        logs, _ = predict(fitted, rows.columns, rows.device, rows.regime)
        for name, answer in energies(logs, _weights(case, known)).items():
            found = metrics.summary(rows.log_energy_j, answer)
            yield {"asks": asks, "learner": name} | {k: found[k] for k in _FIGURES}
    yield from _sweeps(case, _weights(case, np.ones(len(frame), dtype=bool)))


_FIGURES = ("n", "mdape", "p90", "bias")


def on_both_sides(frame: Frame) -> Mask:
    """Rows with a known energy, of headline workloads measured at small and at large batches."""
    batch = frame.columns["batch"]
    use = use_labels(frame.columns, frame.device)
    parts = zip(frame.source.tolist(), frame.model.tolist(), use, strict=True)
    workload = np.array(["|".join(p) for p in parts])
    known = frame.scored & np.isfinite(frame.log_energy_j)
    sides = [set(workload[known & side]) for side in (batch <= SMALL, batch >= LARGE)]
    return known & np.isin(workload, list(sides[0] & sides[1]))


def energies(
    logs: Mapping[str, Mapping[str, Array]], weights: Mapping[str, Array]
) -> dict[str, Array]:
    """Log joules per sample of each learner and of the stack, each (n,)."""
    found = {name: logs[name]["time"] + logs[name]["power"] for name in LEARNERS}
    return found | {"stack": _stacked(logs, weights, "time") + _stacked(logs, weights, "power")}


def _stacked(
    logs: Mapping[str, Mapping[str, Array]], weights: Mapping[str, Array], target: str
) -> Array:
    answer: Array = np.column_stack([logs[name][target] for name in LEARNERS]) @ weights[target]
    return answer


def _weights(case: Case, known: Mask) -> dict[str, Array]:
    """Weights of the learners for unseen models, from GPU rows that are known."""
    rows = np.flatnonzero(known & (populations(case.frame.columns) == "gpu"))
    oof = case.oofs["new-model"]
    return {t: validate.stack_weights(oof, case.frame, rows, t) for t in TARGETS}


def _sweeps(case: Case, weights: Mapping[str, Array]) -> Iterator[Record]:
    """Every measured (model, use of a device) of the headline, with its first row's settings."""
    frame = case.frame
    use = np.array(use_labels(frame.columns, frame.device))
    pairs = np.array([f"{m}|{u}" for m, u in zip(frame.model, use, strict=True)])
    rows = np.flatnonzero(frame.scored)
    first = rows[np.unique(pairs[rows], return_index=True)[1]]
    fitted = fit(frame, case.seed)
    wrong: dict[str, list[tuple[bool, bool]]] = {}
    for row in first:
        c, batch = sweep(rows_of(frame.columns, np.array([row])))
        if len(batch) < 2:
            continue
        same = np.repeat(row, len(batch))
        logs, _ = predict(fitted, c, frame.device[same], frame.regime[same])
        answers = dict(logs) | {"stack": {t: _stacked(logs, weights, t) for t in TARGETS}}
        for name, log in answers.items():
            turned = turns(np.log(batch), log["time"], log["power"])
            wrong.setdefault(name, []).append(turned)
    for name, found in wrong.items():
        steps, samples = (sum(t[i] for t in found) for i in (0, 1))
        yield {
            "asks": f"sweeps, batch 1 to {BATCHES[-1]:g} within memory",
            "learner": name,
            "n": len(found),
            "step_falls": steps,
            "energy_rises": samples,
        }


def sweep(row: Columns) -> tuple[Columns, Array]:
    """Columns of one row at every batch of `BATCHES` that fits its memory, and those batches.

    Training keeps weights, gradients, state and all outputs, inference weights and a tenth.
    """
    one = {name: float(v[0]) for name, v in row.items()}
    train = one["is_train"]
    fixed = one["params"] * (_TRAIN_BYTES_PER_PARAM * train + 4 * (1 - train))
    room = _MEMORY_SHARE * one["device_mem_bytes"] - fixed
    batch = BATCHES[BATCHES * one["activation_bytes"] * (train + 0.1 * (1 - train)) <= room]
    columns: Columns = {n: np.full(len(batch), v) for n, v in one.items()}
    return columns | {"batch": batch}, batch


def turns(log_batch: Array, log_sample_s: Array, log_power_w: Array) -> tuple[bool, bool]:
    """Whether time per step falls anywhere, and energy per sample rises below saturation."""
    step_s, joules = log_sample_s + log_batch, log_sample_s + log_power_w
    gains = -np.diff(log_sample_s) > GAIN
    below = np.cumprod(gains).astype(bool)
    falls = bool((np.diff(step_s) < -SLACK).any())
    rises = bool((np.diff(joules)[below] > SLACK).any())
    return falls, rises
