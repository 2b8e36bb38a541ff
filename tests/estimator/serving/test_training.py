"""Fitting, folds, stacking, baselines, and the bundle on disk, on servers made by the physics."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.errors import BadInput, BadRecord, NotFitted
from joulecast.core.records import Measurement, Run
from joulecast.estimator.serving import (
    baselines,
    bundle,
    card,
    intervals,
    predictor,
    train,
    validate,
)
from joulecast.estimator.serving.columns import columns_of
from joulecast.estimator.serving.fit import fit_physics
from joulecast.estimator.serving.fitting import fit
from joulecast.estimator.serving.frame import Frame, frame_of, usable
from joulecast.estimator.serving.operation import operate
from joulecast.estimator.serving.physics import default_coefficients
from tests.fakes.serving_setups import server

if TYPE_CHECKING:
    from pathlib import Path

SLOWER = {"sequence_2025_s": 4.0}


def made_up(coefficients: dict[str, float]) -> list[Run]:
    """Runs of four models on three GPUs at four batch sizes, as the physics has them."""
    setups = [
        server(model, gpu, concurrency=float(n), engine_year=2025.8)
        for model in ("llama-3.2-1b", "llama-3.1-8b", "gpt-oss-20b", "qwen3-8b")
        for gpu in ("h100-sxm", "b200", "a100-sxm-80gb")
        for n in (4, 16, 64, 256)
    ] + [server(gpu, "a40", concurrency=8.0, engine_year=2025.8) for gpu in ("qwen3-8b",) * 4]
    t = operate(columns_of(setups), coefficients)
    return [
        Run(
            setup=setup,
            measurement=Measurement(
                energy_j={"gpu": watts / rate},
                duration_s=1 / rate,
                samples=1.0,
                power_w={"gpu": watts},
            ),
            source="made",
            model_group=setup.architecture.name,
            model_family=setup.architecture.name.split("-")[0],
        )
        for setup, watts, rate in zip(setups, t["gpu_w"], t["served_rps"], strict=True)
    ]


@pytest.fixture(scope="module")
def frame() -> Frame:
    """Runs made with a costlier request than is believed."""
    k = default_coefficients()
    return frame_of(made_up(k | {name: k[name] * factor for name, factor in SLOWER.items()}))


def test_physics_learns_a_costlier_request(frame: Frame) -> None:
    """Fitted on runs with four times the overhead per request, it moves most of the way there."""
    found, before = fit_physics(frame), default_coefficients()
    assert 2 < found["sequence_2025_s"] / before["sequence_2025_s"] < 4.5
    assert found["cpu_compute"] == pytest.approx(before["cpu_compute"], rel=1e-3)


@pytest.mark.parametrize("protocol", validate.PROTOCOLS)
def test_folds_share_nothing_of_what_they_leave_out(frame: Frame, protocol: str) -> None:
    """No fold fits on the group that it predicts, and every row is predicted once."""
    labels = {
        "new-model": [frame.model],
        "new-family": [frame.family],
        "new-hardware": [frame.device],
        "new-source": [frame.source],
        "new-pair": [frame.model, frame.device],
    }.get(protocol, [])
    asked_rows = []
    for known, asked in validate.folds(frame, protocol):
        asked_rows += asked.tolist()
        for label in labels:
            assert not set(label[known]) & set(label[asked])
    expected = [] if protocol == "new-source" else list(range(len(frame)))
    assert sorted(asked_rows) == expected


def test_impossibly_fast_runs_are_not_used() -> None:
    """Faster than the weights can be read: the requests were shorter than stated."""
    runs = made_up(default_coefficients())
    fast = replace(runs[0], measurement=replace(runs[0].measurement, duration_s=1e-5))
    assert len(usable([fast, *runs[1:]])) == len(runs) - 1


def test_ecologits_formula() -> None:
    """Llama 3.1 8B on one GPU: 3600 (1.17e-6 exp(-0.0112 x 64) 8.03 + 4.05e-5) = 0.162 J."""
    one = frame_of(made_up(default_coefficients()))
    row = np.flatnonzero((one.model == "llama-3.1-8b") & (one.device == "h100-sxm"))[:1]
    assert np.exp(baselines.ecologits(one.take(row)))[0] == pytest.approx(0.1624, rel=0.01)


def test_the_other_gpus_row_is_the_nearest_batch(frame: Frame) -> None:
    """Same model, another device, the same number of clients."""
    asked = np.flatnonzero((frame.model == "qwen3-8b") & (frame.device == "b200"))
    known = np.flatnonzero(frame.device == "h100-sxm")
    found = baselines.other_gpu(frame.take(known), frame.take(asked))
    twin = np.flatnonzero((frame.model == "qwen3-8b") & (frame.device == "h100-sxm"))
    assert found == pytest.approx(frame.log_token_j[twin])


def test_bundle_comes_back_as_it_was(frame: Frame, tmp_path: Path) -> None:
    """Trees read by numpy alone answer as LightGBM does; a stale or broken bundle is refused."""
    fitted = fit(frame)
    scores = {"energy": [0.1] * 13, "time": [0.1] * 13, "power": [0.1] * 13}
    classes = tuple(validate.NOVELTY_PROTOCOL)
    made = bundle.Bundle(
        fitted=fitted,
        stack={n: [0.2, 0.3, 0.5] for n in classes},
        scores=dict.fromkeys(classes, scores),
        hull=intervals.hull_of(frame.columns),
        pairs={"h100-sxm": ["llama318b"]},
        groups=(("llama318b", "h100-sxm", 4, "made"),),
        inputs={},
    )
    bundle.save(made, tmp_path)
    read = bundle.load(tmp_path)
    asked = [server(), server("gpt-oss-20b", "l4", "fp4")]
    direct, again = predictor.answer(asked, made), predictor.answer(asked, read)
    assert again.request_j == pytest.approx(direct.request_j, rel=1e-9)
    raw = json.loads((tmp_path / bundle.BUNDLE).read_text(encoding="utf-8"))
    (tmp_path / bundle.BUNDLE).write_text(json.dumps(raw | {"format": 0}), encoding="utf-8")
    bundle.load.cache_clear()
    with pytest.raises(NotFitted, match="another version"):
        bundle.load(tmp_path)
    (tmp_path / bundle.BUNDLE).write_text("{", encoding="utf-8")
    bundle.load.cache_clear()
    with pytest.raises(BadRecord, match="cannot read"):
        bundle.load(tmp_path)


def test_no_bundle_says_so(tmp_path: Path) -> None:
    """An empty folder holds no serving model."""
    with pytest.raises(NotFitted, match=r"no serving model.*joulecast train --runs"):
        bundle.load(tmp_path)


def test_too_few_runs_are_refused(tmp_path: Path) -> None:
    """Ten runs teach nothing."""
    with pytest.raises(BadInput, match="too few"):
        train.train(made_up(default_coefficients())[:10], [], tmp_path)


def test_stack_and_card_of_a_protocol(frame: Frame) -> None:
    """Weights are convex; the card counts its rows and has intervals from unrelated rows."""
    oof = validate.out_of_fold(frame, "new-hardware")
    weights = validate.stack_weights(frame, oof, np.ones(len(frame), dtype=bool))
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    found = card.card_of(frame, {"new-hardware": oof})
    row = found["protocols"]["new-hardware"]["text"]["energy"]
    assert row["n"] == len(frame)
    assert row["mdape"] < 25
    assert row["width"] > 1
    assert set(found["per_hardware"]) == set(frame.device)


def test_distance_is_nothing_inside_the_hull(frame: Frame) -> None:
    """A prompt of twice the longest lies log 2 away."""
    hull, c = intervals.hull_of(frame.columns), dict(frame.columns)
    assert intervals.distance(c, hull) == pytest.approx(0)
    c["prompt_tokens"] = 2 * c["prompt_tokens"]
    assert intervals.distance(c, hull) == pytest.approx(np.log(2))
