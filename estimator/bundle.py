"""The predictor bundle on disk: JSON and LightGBM text, read with numpy alone, no pickle."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import BadRecord, NotFitted
from joulecast.estimator import features, physics, trees
from joulecast.estimator.effects import DeviceEffects
from joulecast.estimator.fitting import TARGETS, Fitted, Linear

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Novelty
    from joulecast.estimator.calibration_kernel import Spreads

FORMAT = 3
PRETRAINED = Path(__file__).parent / "pretrained"
BUNDLE = "predictor.json"
CARD = "card.json"
SHORT_RUNS = "short_runs.json"
_TERMS = set(physics.PARAMETERS)
KNOWN_MACS_FACTOR = 2.0
"""A network counts as measured when its group was, at MACs within this factor."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns learners into answers.

    Attributes
    ----------
    stack : population -> novelty -> target -> weights of (physics, lasso, lightgbm), sum 1.
    scores : population -> novelty -> energy|time -> quantiles at `intervals.LEVELS`, on the hull.
    hull : population -> column -> (low, high), natural logarithms.
    growth : novelty -> share by which an interval widens per natural-log unit off the hull.
    """

    stack: Mapping[str, Mapping[str, Mapping[str, list[float]]]]
    scores: Mapping[str, Mapping[str, Mapping[str, list[float]]]]
    hull: Mapping[str, Mapping[str, tuple[float, float]]]
    growth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured, without any measured value.

    Attributes
    ----------
    pairs : use (``common-train``, ``tuned-infer``, ...) -> device id -> group -> smallest and
        largest MACs per sample. A device measured in one use is new in another.
    groups : (group, device, n, source), most rows first.
    """

    pairs: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]]
    groups: tuple[tuple[str, str, int, str], ...]

    def novelty(self, use: str, device: str, group: str, macs: float) -> Novelty:
        """What about a question is new: nothing, the model on this device, the device, or both."""
        devices = self.pairs.get(use, {})
        if device in devices:
            return "seen-pair" if _is_near(devices[device].get(group), macs) else "new-model"
        elsewhere = any(_is_near(groups.get(group), macs) for groups in devices.values())
        return "new-hardware" if elsewhere else "new-pair"


def _is_near(span: tuple[float, float] | None, macs: float) -> bool:
    """Whether `macs` lies within the measured span, give or take `KNOWN_MACS_FACTOR`."""
    if span is None:
        return False
    return span[0] / KNOWN_MACS_FACTOR <= macs <= span[1] * KNOWN_MACS_FACTOR


@dataclass(frozen=True, slots=True)
class ShortRuns:
    """What turns a user's own runs into a sharper answer; beside the bundle, read when needed.

    Attributes
    ----------
    spreads : population (gpu, cpu, tuned) -> target -> spreads of the residuals.
    scores : population -> calibrated|short-run -> energy|time -> quantiles at `intervals.LEVELS`,
        in standard deviations.
    """

    spreads: Mapping[str, Mapping[str, Spreads]]
    scores: Mapping[str, Mapping[str, Mapping[str, list[float]]]]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A fitted predictor with its calibration and provenance."""

    fitted: Mapping[str, Fitted]
    calibration: Calibration
    known: Known
    inputs: Mapping[str, str]


def save(bundle: Bundle, folder: Path) -> None:
    """Write the bundle into `folder` (created); floats in their shortest exact form."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "format": FORMAT,
        "inputs": dict(bundle.inputs),
        "features": list(features.FEATURES),
        "regimes": {r: _regime_to_dict(r, f, folder) for r, f in bundle.fitted.items()},
        "stack": bundle.calibration.stack,
        "scores": bundle.calibration.scores,
        "hull": bundle.calibration.hull,
        "growth": bundle.calibration.growth,
        "pairs": bundle.known.pairs,
        "groups": bundle.known.groups,
    }
    write_json(content, folder / BUNDLE)
    load.cache_clear()


def save_short_runs(short_runs: ShortRuns, folder: Path) -> None:
    """Write what sharpens answers beside the bundle in `folder`."""
    spreads = {
        name: {t: asdict(s) for t, s in by_target.items()}
        for name, by_target in short_runs.spreads.items()
    }
    content = {"format": FORMAT, "spreads": spreads, "scores": short_runs.scores}
    write_json(content, folder / SHORT_RUNS)
    load_short_runs.cache_clear()


def _regime_to_dict(regime: str, fitted: Fitted, folder: Path) -> dict[str, Any]:
    """One regime as plain values; its boosters go into text files beside."""
    for target in TARGETS:
        write_booster(fitted.booster[target], folder / _booster_file(regime, target))
    return {
        "coefficients": dict(fitted.coefficients),
        "offset": dict(fitted.offset),
        "linear": {t: linear_to_dict(fitted.linear[t]) for t in TARGETS},
        "effects": {t: _effects_to_dict(fitted.effects[t]) for t in TARGETS},
    }


def _booster_file(regime: str, target: str) -> str:
    return f"{regime}-{target}.lgb.txt"


def _effects_to_dict(effects: DeviceEffects) -> dict[str, Any]:
    return {
        "mean": effects.mean.tolist(),
        "scale": effects.scale.tolist(),
        "by_label": {k: [float(f"{x:.6g}") for x in v] for k, v in effects.by_label.items()},
    }


def write_json(content: Any, path: Path) -> None:  # noqa: ANN401
    """Sorted, indented JSON; NaN becomes null."""
    text = json.dumps(_finite(content), indent=1, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def write_booster(booster: Any, path: Path) -> None:  # noqa: ANN401 (LightGBM has no types)
    """The trees as text, without what evaluation does not need."""
    text = booster.model_to_string(num_iteration=-1)
    head = text.split("\nparameters:")[0].split("\nfeature_importances:")[0]
    drop = (
        *("split_gain=", "internal_value=", "internal_weight=", "internal_count="),
        *("leaf_weight=", "leaf_count=", "feature_infos=", "tree_sizes="),
    )
    kept = [line for line in head.splitlines() if not line.startswith(drop)]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")


def linear_to_dict(linear: Linear) -> dict[str, Any]:
    """Plain values, read back by `linear_from`."""
    arrays = {name: getattr(linear, name).tolist() for name in ("mean", "scale", "coef")}
    return arrays | {"intercept": linear.intercept}


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
        if stale or any(set(r["coefficients"]) != _TERMS for r in raw["regimes"].values()):
            message = f"the predictor in {folder} is of another version. Refit: 'joulecast train'"
            raise NotFitted(message)
        fitted = {name: _fitted_from(name, r, folder) for name, r in raw["regimes"].items()}
        return _from_raw(raw, fitted)
    except FileNotFoundError as exc:
        message = f"no predictor in {folder}. Fit one with 'joulecast train --runs runs.csv'"
        raise NotFitted(message) from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:  # not what `save` wrote
        message = f"cannot read the predictor in {folder}: {exc}. Refit with 'joulecast train'"
        raise BadRecord(message) from exc


@cache
def load_short_runs(folder: Path = PRETRAINED) -> ShortRuns:
    """What sharpens the answers of the bundle in `folder`.

    Raises
    ------
    NotFitted
        When it is not there.
    BadRecord
        When it cannot be read.
    """
    from joulecast.estimator.calibration_kernel import Spreads  # no answer without runs needs it

    path = folder / SHORT_RUNS
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        spreads = {
            name: {t: Spreads(**facts) for t, facts in by_target.items()}
            for name, by_target in raw["spreads"].items()
        }
        return ShortRuns(spreads, raw["scores"])
    except FileNotFoundError as exc:
        message = f"the predictor in {folder} cannot use runs. Refit it with 'joulecast train'"
        raise NotFitted(message) from exc
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        message = f"cannot read {path}: {exc}. Refit with 'joulecast train'"
        raise BadRecord(message) from exc


def _fitted_from(regime: str, raw: dict[str, Any], folder: Path) -> Fitted:
    return Fitted(
        coefficients=raw["coefficients"],
        offset=raw["offset"],
        effects={t: _effects_from(v) for t, v in raw["effects"].items()},
        linear={t: linear_from(v) for t, v in raw["linear"].items()},
        booster={t: trees.Stored(_there(folder / _booster_file(regime, t))) for t in TARGETS},
    )


def _there(path: Path) -> Path:
    """`path`, which has to exist."""
    path.stat()
    return path


def _effects_from(raw: dict[str, Any]) -> DeviceEffects:
    by_label = {k: np.array(v) for k, v in raw["by_label"].items()}
    return DeviceEffects(np.array(raw["mean"]), np.array(raw["scale"]), by_label)


def linear_from(raw: dict[str, Any]) -> Linear:
    """What `linear_to_dict` wrote."""
    mean, scale, coef = (np.array(raw[name]) for name in ("mean", "scale", "coef"))
    return Linear(mean, scale, coef, raw["intercept"])


def _from_raw(raw: dict[str, Any], fitted: dict[str, Fitted]) -> Bundle:
    hull = {p: _spans(by_column) for p, by_column in raw["hull"].items()}
    pairs = {u: {d: _spans(v) for d, v in ds.items()} for u, ds in raw["pairs"].items()}
    groups = tuple((m, d, int(n), s) for m, d, n, s in raw["groups"])
    return Bundle(
        fitted=fitted,
        calibration=Calibration(raw["stack"], raw["scores"], hull, raw["growth"]),
        known=Known(pairs, groups),
        inputs=raw["inputs"],
    )


def _spans(raw: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: (low, high) for name, (low, high) in raw.items()}
