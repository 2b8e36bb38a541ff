"""Training on a GPU left out: against a run on another GPU, and after one run on this one.

Where the source does not say how many samples an epoch has, joules per sample are unknown and an
epoch's joules are compared with those of a reference run of the same workload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import metrics, validate
from joulecast.estimator.columns import populations
from joulecast.estimator.fitting import LEARNERS, TARGETS, fit, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.studies import Case, Record

    Array = NDArray[np.float64]
    Labels = NDArray[np.str_]
    Rows = NDArray[np.intp]

TITLE = "training on an unseen GPU, zero-shot and after one run"
LEAST = 10
"""Rows of a workload on a GPU, and GPUs of a workload: fewer say nothing here."""
LEAST_GPUS = 2


def records(case: Case) -> Iterator[Record]:
    """Errors per workload and GPU, and of all of them, zero-shot and after one run."""
    frame = case.frame
    label = workloads(case)
    pooled: dict[str, list[Array]] = {}
    for device in np.unique(frame.device[label != ""]):
        missed = log_joules(frame) - _without(case, str(device))
        for name in np.unique(label[(label != "") & (frame.device == device)]):
            rows = np.flatnonzero(label == name)
            here = rows[frame.device[rows] == device]
            for asked, errors in _asked(missed, rows, here, frame):
                pooled.setdefault(asked, []).append(errors)
                yield _line(str(name).split("|", 1)[1], str(device), asked, errors)
    for asked, parts in pooled.items():
        yield _line("all", "all", asked, np.concatenate(parts))


def _asked(missed: Array, rows: Rows, here: Rows, frame: Frame) -> Iterator[tuple[str, Array]]:
    """What is asked of a workload's rows `here`, and log(measured / answer)."""
    if (frame.series[rows] == "").all():
        yield "energy, zero-shot", missed[here]
        yield "energy, after one run", after_one_run(missed, here, frame)
        return
    given = rows[~np.isin(rows, here)]
    yield "ratio to a run elsewhere", against_others(missed, here, given, frame)
    yield "ratio to one run here", after_one_run(missed, here, frame)


def _line(workload: str, device: str, asked: str, missed: Array) -> Record:
    found = metrics.summary(missed, np.zeros(len(missed)))
    figures = {k: found[k] for k in ("n", "mdape", "p90", "bias")}
    return {"workload": workload, "gpu": device, "asked": asked} | figures


def log_joules(frame: Frame) -> Array:
    """Natural log of joules per sample, in a series per epoch, (n,)."""
    joules: Array = frame.log_seconds() + frame.log_power_w
    return joules


def workloads(case: Case) -> Labels:
    """``source|network on data set`` of training rows timed by the epoch, blank for others.

    Kept are workloads of a source that times some of its epochs without a count, on several GPUs,
    with enough rows on each.
    """
    frame = case.frame
    timed = np.isfinite(log_joules(frame)) & (frame.columns["is_train"] > 0)
    timed &= (frame.columns["is_cpu"] == 0) & (frame.columns["scope_gpu"] > 0)
    timed &= np.isin(frame.source, np.unique(frame.source[frame.series != ""]))
    data = [r.setup.workload.dataset for r in case.runs]
    parts = zip(frame.source, frame.model, data, strict=True)
    label = np.array([f"{s}|{m} on {d}" for s, m, d in parts])
    for name in np.unique(label):
        own = timed & (label == name)
        for device in np.unique(frame.device[own]):
            here = own & (frame.device == device)
            own &= ~here | (here.sum() >= LEAST)
        if len(np.unique(frame.device[own])) < LEAST_GPUS:
            own[:] = False
        label[(label == name) & ~own] = ""
    return label


def _without(case: Case, device: str) -> Array:
    """Log joules per sample of all rows by learners that never saw `device`."""
    frame = case.frame
    known = np.flatnonzero(frame.device != device)
    logs, _ = predict(fit(frame.take(known), case.seed), frame.columns, frame.device, frame.regime)
    rows = known[populations(frame.columns)[known] == "gpu"]
    oof = case.oofs["new-hardware"]
    total = np.zeros(len(frame))
    for t in TARGETS:
        weights = validate.stack_weights(oof, frame, rows, t)
        total = total + np.column_stack([logs[name][t] for name in LEARNERS]) @ weights
    return total


def reference(rows: Rows, frame: Frame) -> int:
    """Of the rows at the highest power limit the one with the median batch (the lower of two)."""
    limit = frame.columns["limit_w"][rows]
    highest = rows[limit >= limit.max() - 1]
    order = highest[np.argsort(frame.columns["batch"][highest], kind="stable")]
    return int(order[(len(order) - 1) // 2])


def against_others(missed: Array, here: Rows, given: Rows, frame: Frame) -> Array:
    """What is missed in the rows `here` as ratios to the reference run on each GPU of `given`.

    Parameters
    ----------
    missed : log(measured / predicted) of all rows, (n,), up to a constant of the workload.
    """
    devices = frame.device[given]
    known = [reference(given[devices == d], frame) for d in np.unique(devices)]
    return np.concatenate([missed[here] - missed[r] for r in known])


def after_one_run(missed: Array, here: Rows, frame: Frame) -> Array:
    """What is missed in the rows `here` but one, whose run corrects the others."""
    anchor = reference(here, frame)
    others = here[here != anchor]
    rest: Array = missed[others] - missed[anchor]
    return rest
