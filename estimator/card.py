"""The accuracy card: how far off group-out predictions were, per protocol, device and source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator import metrics, validate
from joulecast.estimator.fitting import LEARNERS
from joulecast.estimator.scores import half_widths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.validate import OutOfFold

    Array = NDArray[np.float64]

LEVEL = 0.9
MIN_ROWS = 20


def card_of(frame: Frame, oofs: Mapping[str, OutOfFold]) -> dict[str, Any]:
    """Everything that `joulecast accuracy` prints."""
    answers = {p: validate.stacked(o, frame) for p, o in oofs.items()}
    bands = {p: half_widths(frame, oofs[p], answers[p], LEVEL) for p in oofs}
    scored = frame.scored
    card: dict[str, Any] = {"level": LEVEL, "protocols": {}, "learners": {}, "baselines": {}}
    for p, oof in oofs.items():
        card["protocols"][p] = _row(frame, oof, answers[p], bands[p], scored)
        card["learners"][p] = {
            n: metrics.summary(
                frame.log_energy_j[scored],
                (oof.log[n]["time"] + oof.log[n]["power"])[scored],
            )
            for n in LEARNERS
        }
        card["baselines"][p] = {
            n: metrics.summary(frame.log_energy_j[scored], b[scored])
            for n, b in oof.baseline_log_energy.items()
        }
    for name, protocol, labels in (
        ("per_hardware", "new-hardware", frame.device),
        ("per_model", "new-model", frame.model),
        ("per_source", "new-source", frame.source),
    ):
        card[name] = _breakdown(frame, oofs[protocol], answers[protocol], bands[protocol], labels)
    folds = [
        r["energy"]["mdape"]
        for r in card["per_hardware"]
        if r["scored"] and r["energy"]["n"] >= MIN_ROWS and not r["is_cpu"]
    ]
    card["new_hardware_median_of_folds"] = {
        "mdape": float(np.median(folds)) if folds else float("nan"),
        "n_folds": len(folds),
    }
    return card


def _row(
    frame: Frame,
    oof: OutOfFold,
    answers: dict[str, Array],
    bands: dict[str, Array],
    rows: NDArray[np.bool_],
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for quantity, measured in frame.measured().items():
        m, a, h = measured[rows], answers[quantity][rows], bands[quantity][rows]
        known = np.isfinite(m) & np.isfinite(a)
        out[quantity] = metrics.summary(m, a) | {
            "n_groups": len(set(oof.fold[rows][known])),
            "coverage": metrics.coverage(m, a - h, a + h),
            "width": float(np.exp(np.median(h[known]))) if known.any() else float("nan"),
        }
    return out


def _breakdown(
    frame: Frame,
    oof: OutOfFold,
    answers: dict[str, Array],
    bands: dict[str, Array],
    labels: NDArray[np.str_],
) -> list[dict[str, Any]]:
    """One entry per label, scored rows apart from the others, largest first."""
    entries = []
    for label in np.unique(labels):
        for scored in (True, False):
            rows = (labels == label) & (frame.scored == scored)
            if rows.any():
                entries.append(
                    {
                        "label": str(label),
                        "scored": scored,
                        "is_cpu": bool(frame.columns["is_cpu"][rows].all()),
                        **_row(frame, oof, answers, bands, rows),
                    },
                )
    return sorted(entries, key=lambda e: (not e["scored"], -e["energy"]["n"], e["label"]))
