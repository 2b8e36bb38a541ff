"""How well inference of an unseen network on a CPU is predicted, per CPU and framework.

Rows: image networks on a CPU, measured at the package or as a system without a wall meter, of CPUs
on which at least `MIN_GROUPS` networks ran (with fewer, a network left out leaves no rig to know).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from joulecast.estimator import metrics
from joulecast.estimator.columns import FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.studies import Case

    Rows = NDArray[np.bool_]

TITLE = "CPU inference, network never seen"
PROTOCOL = "new-model"
MIN_GROUPS = 10
ALL = "all"


def records(case: Case) -> Iterator[dict[str, str | float]]:
    """Energy, time and power errors: all rows first, then each CPU, framework and batch size."""
    frame = case.frame
    rows = _rows(frame)
    if not rows.any():
        return
    yield _record(case, rows, (ALL, ALL, ALL))
    frameworks = np.argmax([frame.columns[f"framework_{f}"] for f in FRAMEWORKS], axis=0)
    for device in np.unique(frame.device[rows]):
        here = rows & (frame.device == device)
        for f in np.unique(frameworks[here]):
            used = here & (frameworks == f)
            for batch in np.unique(frame.columns["batch"][used]):
                own = used & (frame.columns["batch"] == batch)
                yield _record(case, own, (str(device), FRAMEWORKS[f], f"{batch:g}"))


def _rows(frame: Frame) -> Rows:
    """Rows that the study is about, (n,)."""
    c = frame.columns
    rows: Rows = (c["is_cpu"] > 0) & (c["is_image"] > 0) & (c["is_train"] == 0)
    rows &= (c["scope_wall"] == 0) & np.isfinite(frame.log_energy_j)
    for device in np.unique(frame.device[rows]):
        here = rows & (frame.device == device)
        if len(np.unique(frame.model[here])) < MIN_GROUPS:
            rows &= ~here
    return rows


def _record(case: Case, rows: Rows, words: tuple[str, str, str]) -> dict[str, str | float]:
    answers = case.answers[PROTOCOL]
    found = {
        q: metrics.summary(measured[rows], answers[q][rows])
        for q, measured in case.frame.measured().items()
    }
    device, framework, batch = words
    return {
        "device": device,
        "framework": framework,
        "batch_size": batch,
        "n": found["energy"]["n"],
        "groups": len(np.unique(case.frame.model[rows])),
        "mdape": found["energy"]["mdape"],
        "p90": found["energy"]["p90"],
        "bias": found["energy"]["bias"],
        "mdape_of_time": found["time"]["mdape"],
        "mdape_of_power": found["power"]["mdape"],
    }
