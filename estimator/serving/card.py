"""The accuracy card of serving: how far off group-out predictions were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.estimator import metrics
from joulecast.estimator.serving import validate
from joulecast.estimator.serving.fitting import LEARNERS
from joulecast.estimator.serving.scores import half_widths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from joulecast.estimator.serving.frame import Frame
    from joulecast.estimator.serving.validate import OutOfFold

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]

LEVEL = 0.9


def card_of(frame: Frame, oofs: Mapping[str, OutOfFold]) -> dict[str, Any]:
    """Per protocol the stack on text rows and on parts of them, each learner and each baseline.

    Energy is joules per output token, time seconds per output token of the whole server, power
    mean watts. ``per_hardware`` and ``per_model`` are of the protocols that leave those out.
    """
    card: dict[str, Any] = {"level": LEVEL, "protocols": {}, "learners": {}, "baselines": {}}
    for name, oof in oofs.items():
        answers = validate.stacked(frame, oof)
        half = half_widths(frame, oof, answers, LEVEL)
        card["protocols"][name] = {
            part: _row(frame, answers, half, rows) for part, rows in _parts(frame).items()
        }
        card["learners"][name] = {n: _energy(frame, _joules(oof, n)) for n in LEARNERS}
        card["baselines"][name] = {n: _energy(frame, b) for n, b in oof.baseline.items()}
        labels = {"new-hardware": frame.device, "new-model": frame.model}.get(name)
        if labels is not None:
            card[f"per_{name.removeprefix('new-')}"] = {
                str(label): _row(frame, answers, half, frame.text & (labels == label))
                for label in np.unique(labels[frame.text])
            }
    return card


def _parts(frame: Frame) -> dict[str, Mask]:
    parts = {"text": frame.text, "text_without_stalled": frame.text & ~frame.stalled}
    parts |= {str(kind): frame.text & (frame.kind == kind) for kind in np.unique(frame.kind)}
    return parts | {"multimodal": ~frame.text}


def _joules(oof: OutOfFold, learner: str) -> Array:
    log: Array = oof.log[learner]["time"] + oof.log[learner]["power"]
    return log


def _energy(frame: Frame, log_token_j: Array) -> dict[str, float]:
    return metrics.summary(frame.log_token_j[frame.text], log_token_j[frame.text])


def _row(
    frame: Frame, answers: Mapping[str, Array], half: Mapping[str, Array], rows: Mask
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for quantity, measured in frame.measured().items():
        m, a, h = measured[rows], answers[quantity][rows], half[quantity][rows]
        known = np.isfinite(m) & np.isfinite(a)
        out[quantity] = metrics.summary(m, a) | {
            "n_models": len(set(frame.model[rows][known])),
            "coverage": metrics.coverage(m, a - h, a + h),
            "width": float(np.exp(np.nanmedian(h[known]))) if known.any() else float("nan"),
        }
    return out
