"""How far answers without bursts are off, learned from groups held out, and where that is kept."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING

from joulecast.core.errors import BadRecord
from joulecast.estimator.calibration_kernel import Spreads
from joulecast.estimator.serving.bundle import PRETRAINED
from joulecast.estimator.serving.calibration_update import FACTORS, Prior

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

FILE = "serving_bursts.json"
_BASES = ("calibrated", "short-run")

TYPICAL = Prior(
    spreads={
        "step": Spreads(device=0.12, alike=0.1, model=0.1, new_model=0.15, pair=0.1, noise=0.08),
        "prefill": Spreads(device=0.2, alike=0.1, model=0.1, new_model=0.15, pair=0.1, noise=0.15),
        "power": Spreads(device=0.15, alike=0.08, model=0.05, new_model=0.1, pair=0.06, noise=0.05),
        "idle": Spreads(device=0.3, alike=0.02, model=0.05, new_model=0.05, pair=0.1, noise=0.05),
    },
    rho=0.0,
    scores={basis: {"energy": 1.0, "saturation": 1.0} for basis in _BASES},
)
"""Before anything is learned. Prefill and idle stay like this: no public row tells them apart from
step and power (all of them are busy from begin to end)."""


@cache
def load(folder: Path = PRETRAINED) -> Prior:
    """The prior in `folder`, `TYPICAL` where none was learned.

    Raises
    ------
    BadRecord
        If the file is no such prior.
    """
    path = folder / FILE
    if not path.is_file():
        return TYPICAL
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise BadRecord(f"{path.name} cannot be read as a prior of bursts: {exc!r}") from exc


def from_dict(facts: Mapping[str, Any]) -> Prior:
    """The prior that `to_dict` wrote."""
    return Prior(
        spreads={f: Spreads(**facts["spreads"][f]) for f in FACTORS},
        rho=float(facts["rho"]),
        scores={b: {q: float(v) for q, v in facts["scores"][b].items()} for b in _BASES},
    )


def to_dict(prior: Prior) -> dict[str, Any]:
    """Plain values for JSON."""
    return {
        "spreads": {f: asdict(prior.spreads[f]) for f in FACTORS},
        "rho": prior.rho,
        "scores": {b: dict(prior.scores[b]) for b in _BASES},
    }
