"""LightGBM on the physical residual: shallow trees, strongly regularised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightgbm import LGBMRegressor

GRID = {"n_estimators": [150, 300], "num_leaves": [7, 15]}


def make(seed: int, n_estimators: int = 200, num_leaves: int = 10) -> LGBMRegressor:
    """Unfitted LightGBM regressor; deterministic for a seed, numerical splits only."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(
        n_estimators=n_estimators,
        num_leaves=num_leaves,
        learning_rate=0.05,
        min_child_samples=10,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.6,
        reg_lambda=5.0,
        use_missing=False,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        random_state=seed,
        verbose=-1,
    )
