"""Lasso on standardised log features (the papers' method): the one that extrapolates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

GRID = {"lasso__alpha": [0.001, 0.003, 0.01, 0.03]}


def make(seed: int, alpha: float = 0.01) -> Pipeline:
    """Unfitted Lasso behind a standardiser.

    Parameters
    ----------
    seed : ignored by the solver (cyclic descent is deterministic), kept for the common form.
    alpha : strength of the L1 penalty on standardised features, > 0.
    """
    from sklearn.linear_model import Lasso
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    steps = [
        ("scale", StandardScaler()),
        ("lasso", Lasso(alpha=alpha, precompute=True, max_iter=50_000, random_state=seed)),
    ]
    return Pipeline(steps)
