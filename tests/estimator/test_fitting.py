"""What a power limit changes is physics: Lasso and trees see the vendor's own limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joulecast.core.records import Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import bundle as bundles
from joulecast.estimator import columns, features, fitting, physics

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.estimator.columns import Columns

LIMITS = (100.0, 175.0, 250.0)
"""Of a V100 of 250 W."""


@pytest.fixture(scope="module")
def limited() -> Columns:
    """One workload of a V100 at three limits, and of a CPU."""
    network = architectures.find("joulecast:resnet18")
    board = hardware.machine("v100-pcie")
    machines = [
        *(replace(board, gpu_power_limit_w=w) for w in LIMITS),
        hardware.machine("i9-9900k"),
    ]
    return columns.from_setups([Setup(m, network, Workload(batch_size=512)) for m in machines])


def test_learners_see_every_limit_as_the_vendors(limited: Columns) -> None:
    """Features at a lower limit become those at 250 W; the physics' own stay as they are."""
    k = physics.default_coefficients()
    x = features.matrix(limited, physics.predict(limited, k))
    seen = fitting.at_vendors_limit(x, limited, k)
    assert not np.allclose(x[0], x[2])
    assert seen[0] == pytest.approx(x[2])
    assert seen[1] == pytest.approx(x[2])
    assert seen[2:] == pytest.approx(x[2:])
    assert limited["limit_w"][:3].tolist() == list(LIMITS)


def test_a_limit_changes_all_learners_alike(
    trained: tuple[Path, dict[str, Any]], limited: Columns
) -> None:
    """Lasso and trees add the same to the physics at every limit."""
    fitted = bundles.load(trained[0]).fitted["common"]
    answers, _ = fitted.predict(limited, np.array(["v100-pcie"] * len(limited["batch"])))
    for target in fitting.TARGETS:
        level = answers["physics"][target][:3]
        assert np.ptp(level) > 0.05
        for learner in ("lasso", "lightgbm"):
            assert np.ptp(answers[learner][target][:3] - level) == pytest.approx(0, abs=1e-12)
