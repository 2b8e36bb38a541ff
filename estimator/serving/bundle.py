"""The serving bundle on disk: JSON and LightGBM text, read with numpy alone, no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadRecord, NotFitted
from joulecast.estimator import trees
from joulecast.estimator.bundle import linear_from, linear_to_dict, write_booster, write_json
from joulecast.estimator.serving import features, physics
from joulecast.estimator.serving.fitting import Fitted
from joulecast.estimator.serving.frame import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Novelty

FORMAT = 1
PRETRAINED = Path(__file__).parents[1] / "pretrained"
BUNDLE = "serving.json"
CARD = "serving_card.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A fitted serving model with its calibration and provenance.

    Attributes
    ----------
    stack : novelty -> weights of (physics, lasso, lightgbm), sum 1.
    scores : novelty -> energy|time|power -> quantiles at `intervals.LEVELS`, on the hull.
    hull : column -> (low, high). pairs : device id -> model groups measured on it.
    groups : (group, device, n, source), most rows first. inputs : file name -> SHA-256.
    """

    fitted: Fitted
    stack: Mapping[str, list[float]]
    scores: Mapping[str, Mapping[str, list[float]]]
    hull: Mapping[str, tuple[float, float]]
    pairs: Mapping[str, list[str]]
    groups: tuple[tuple[str, str, int, str], ...]
    inputs: Mapping[str, str]

    @property
    def coefficients(self) -> Mapping[str, float]:
        """Of the physics."""
        return self.fitted.coefficients

    def novelty(self, device: str, group: str) -> Novelty:
        """What about a server is new: nothing, the model on this device, the device, or both."""
        if device in self.pairs:
            return "seen-pair" if group in self.pairs[device] else "new-model"
        elsewhere = any(group in groups for groups in self.pairs.values())
        return "new-hardware" if elsewhere else "new-pair"


def save(bundle: Bundle, folder: Path) -> None:
    """Write the bundle into `folder` (created)."""
    folder.mkdir(parents=True, exist_ok=True)
    fitted = bundle.fitted
    for target in TARGETS:
        write_booster(fitted.booster[target], folder / _booster_file(target))
    content = {
        "format": FORMAT,
        "features": list(features.FEATURES),
        "coefficients": dict(fitted.coefficients),
        "offset": dict(fitted.offset),
        "linear": {t: linear_to_dict(fitted.linear[t]) for t in TARGETS},
        "stack": bundle.stack,
        "scores": bundle.scores,
        "hull": bundle.hull,
        "pairs": bundle.pairs,
        "groups": bundle.groups,
        "inputs": bundle.inputs,
    }
    write_json(content, folder / BUNDLE)
    load.cache_clear()


def _booster_file(target: str) -> str:
    return f"serving-{target}.lgb.txt"


@cache
def load(folder: Path = PRETRAINED) -> Bundle:
    """The bundle in `folder`.

    Raises
    ------
    NotFitted
        When there is none, or it was fitted with other features or terms than this version's.
    BadRecord
        When it cannot be read.
    """
    path = folder / BUNDLE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        stale = raw["format"] != FORMAT or raw["features"] != list(features.FEATURES)
        if stale or set(raw["coefficients"]) != set(physics.PARAMETERS):
            message = (
                f"the serving model in {folder} is of another version. Refit: 'joulecast train'"
            )
            raise NotFitted(message)
        return _from_raw(raw, folder)
    except FileNotFoundError as exc:
        message = f"no serving model in {folder}. Fit one with 'joulecast train --runs servers.csv'"
        raise NotFitted(message) from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:  # not what `save` wrote
        message = f"cannot read the serving model in {folder}: {exc}. Refit with 'joulecast train'"
        raise BadRecord(message) from exc


def _from_raw(raw: dict[str, Any], folder: Path) -> Bundle:
    linear = {t: linear_from(v) for t, v in raw["linear"].items()}
    booster = {
        t: trees.parse((folder / _booster_file(t)).read_text(encoding="utf-8")) for t in TARGETS
    }
    return Bundle(
        fitted=Fitted(raw["coefficients"], raw["offset"], linear, booster),
        stack=raw["stack"],
        scores=raw["scores"],
        hull={name: (low, high) for name, (low, high) in raw["hull"].items()},
        pairs=raw["pairs"],
        groups=tuple((m, d, int(n), s) for m, d, n, s in raw["groups"]),
        inputs=raw["inputs"],
    )
