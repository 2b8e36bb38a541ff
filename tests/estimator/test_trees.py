"""Trees read from LightGBM's text give LightGBM's own answers, with numpy alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from lightgbm import Booster, LGBMRegressor

from joulecast.core.errors import BadRecord
from joulecast.estimator import bundle, trees
from joulecast.estimator.regressors import gradient_boosting

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

N_ROWS, N_FEATURES = 5_000, 12


def sample(n: int = N_ROWS, seed: int = 0) -> NDArray[np.float64]:
    """Random features, some of them rounded so that values fall on thresholds."""
    x = np.random.default_rng(seed).normal(size=(n, N_FEATURES))
    x[:, :4] = x[:, :4].round(1)
    return x


def target(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Something with jumps and products for trees to find."""
    y: NDArray[np.float64] = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + (x[:, 3] > 0.5)
    return y


def fitted(**settings: Any) -> Booster:  # noqa: ANN401
    """A booster fitted on the sample."""
    x = sample()
    model = LGBMRegressor(use_missing=False, verbose=-1, n_jobs=1, random_state=0, **settings)
    return model.fit(x, target(x)).booster_


def assert_same_answers(booster: Booster) -> None:
    """Every row, on and off the thresholds, is answered alike to 1e-9."""
    read = trees.parse(booster.model_to_string())
    for x in (sample(), sample(3_001, seed=5) * 10):
        theirs = np.asarray(booster.predict(x))
        assert np.abs(read.predict(x) - theirs).max() <= 1e-9


def test_our_regressor_is_answered_alike() -> None:
    """The regressor that `train` fits is evaluated to 1e-9."""
    x = sample()
    assert_same_answers(gradient_boosting.make(0).fit(x, target(x)).booster_)


@pytest.mark.parametrize("num_leaves", [2, 7, 16, 17, 33, 64])
def test_every_width_of_mask(num_leaves: int) -> None:
    """Trees of two leaves and of as many as a mask has bits are evaluated to 1e-9."""
    assert_same_answers(fitted(n_estimators=40, num_leaves=num_leaves))


def test_a_chain_of_splits_is_as_deep_as_it_needs() -> None:
    """A tree that grows to one side only is followed to its end."""
    x = np.linspace(0.0, 1.0, 4_000)[:, None] * np.ones((1, N_FEATURES))
    model = LGBMRegressor(
        n_estimators=5, num_leaves=40, min_child_samples=2, use_missing=False, verbose=-1, n_jobs=1
    )
    booster = model.fit(x, np.exp(12 * x[:, 0])).booster_
    read = trees.parse(booster.model_to_string())
    theirs = np.asarray(booster.predict(x))
    assert np.abs(read.predict(x) / theirs - 1).max() <= 1e-9


def test_stumps_without_a_split() -> None:
    """Trees that found nothing to split, alone or among others, count with their one value."""
    x = sample()
    constant = (
        LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(x, np.full(len(x), 2.5)).booster_
    )
    read = trees.parse(constant.model_to_string())
    assert np.abs(read.predict(x) - np.asarray(constant.predict(x))).max() <= 1e-9
    assert_same_answers(fitted(n_estimators=60, num_leaves=4, min_split_gain=40.0))


def test_one_row_is_answered_as_among_many() -> None:
    """The answer to a row does not depend on the rows beside it, nor on where a chunk ends."""
    read = trees.parse(fitted(n_estimators=20).model_to_string())
    x = sample(1_500)
    whole = read.predict(x)
    assert whole[[0, 511, 512, 1_499]].tolist() == [
        float(read.predict(x[i : i + 1])[0]) for i in (0, 511, 512, 1_499)
    ]
    assert read.predict(x[:0]).shape == (0,)


def test_categorical_splits_are_refused() -> None:
    """A model with a categorical feature is no numerical one and is not misread."""
    x = np.column_stack([np.arange(600) % 6, np.random.default_rng(0).normal(size=600)])
    model = LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1, min_child_samples=5)
    booster = model.fit(x, (x[:, 0] % 2) * 3 + x[:, 1], categorical_feature=[0]).booster_
    with pytest.raises(BadRecord, match="categorical"):
        trees.parse(booster.model_to_string())


def test_missing_value_rules_are_refused() -> None:
    """A model that learned where missing values go is refused."""
    x = sample()
    x[::3, 0] = np.nan
    booster = LGBMRegressor(n_estimators=5, verbose=-1, n_jobs=1).fit(x, target(sample())).booster_
    with pytest.raises(BadRecord, match="missing-value"):
        trees.parse(booster.model_to_string())


def test_trees_too_wide_for_a_mask_are_refused() -> None:
    """More leaves than a mask has bits are refused, not cut off."""
    with pytest.raises(BadRecord, match="leaves"):
        trees.parse(fitted(n_estimators=2, num_leaves=100).model_to_string())


@pytest.mark.parametrize("text", ["", "tree\nversion=v4\n", "no model at all"])
def test_a_text_without_trees_is_refused(text: str) -> None:
    """What holds no tree is no model."""
    with pytest.raises(BadRecord, match="no tree"):
        trees.parse(text)


def width(text: str) -> int:
    """Number of features that a model text was fitted on."""
    (largest,) = re.findall(r"max_feature_idx=(\d+)", text)
    return int(largest) + 1


def complete(text: str) -> str:
    """The shipped text with the lines that only LightGBM itself asks for."""
    infos = " ".join(["[-inf:inf]"] * width(text))
    return (
        text.replace("\nTree=0\n", f"\nfeature_infos={infos}\n\nTree=0\n", 1) + "\nend of trees\n"
    )


@pytest.mark.parametrize("path", sorted(bundle.PRETRAINED.glob("*.lgb.txt")), ids=lambda p: p.stem)
def test_the_shipped_trees_are_answered_alike(path: Path) -> None:
    """The shipped models give LightGBM's own answers to 1e-9 on random feature rows."""
    text = path.read_text(encoding="utf-8")
    thresholds = [float(t) for line in re.findall(r"threshold=(.+)", text) for t in line.split()]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4_000, width(text))) * 3
    x[:2_000] = rng.choice([*thresholds, 0.0, 1e-36, -1e-35], size=(2_000, x.shape[1]))
    theirs = np.asarray(Booster(model_str=complete(text)).predict(x))
    assert np.abs(trees.parse(text).predict(x) - theirs).max() <= 1e-9
