"""Bursts move a server's answers as far as they should: known factors, shrinking, nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import BadRecord
from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator.calibration_kernel import REPEAT, Places
from joulecast.estimator.serving import calibration_prior
from joulecast.estimator.serving.calibration_prior import TYPICAL
from joulecast.estimator.serving.calibration_update import FACTORS, Values, posterior

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TRUE = np.array([0.2, -0.1, 0.15, -0.2])


def places(device: str, model: str, batch: float) -> Places:
    """One server."""
    return Places(
        device=np.array([device]),
        model=np.array([model]),
        scales=np.array([[np.log(batch) / 6, 0, 0, 0, 0]]),
        kinds=np.zeros((1, 4)),
        is_new=np.array([True]),
    )


def together(parts: list[Places]) -> Places:
    """Several servers."""
    return Places(*(np.concatenate([getattr(p, f) for p in parts]) for f in parts[0].__slots__))


def told(device: str, model: str, n: int, off: float = 0.0) -> tuple[Values, Places]:
    """Exact values of `n` bursts of a server whose factors are `TRUE`, power off by `off`."""
    slopes = np.array([[-1.0, -0.2, 0, 0], [0, 0, 0.8, 0.2], [0.1, 0.9, 0, 0], [0.1, 0, 0.2, 0.8]])
    value = slopes @ TRUE + np.array([0, off, 0, 0])
    values = Values(
        off=np.tile(value, n),
        slopes=np.tile(slopes, (n, 1)),
        run=np.repeat(np.arange(n), 4),
        variance=np.full(4 * n, 1e-6),
    )
    return values, together([places(device, model, 8.0)] * n)


def asked_after(values: Values, there: Places) -> tuple[Array, Array]:
    """Mean and standard deviation of the factors of server ``d`` with model ``m``."""
    here = places("d", "m", 8.0)
    found = posterior(values, kernel.ties(here, there), kernel.ties(there, there), TYPICAL)
    return found.mean, np.sqrt(np.diag(found.covariance))


def test_factors_of_a_noise_free_server_are_recovered() -> None:
    """Four exact values that see all factors give the factors, up to what repeats differ by."""
    mean, sd = asked_after(*told("d", "m", 1))
    np.testing.assert_allclose(mean, TRUE, atol=0.01)
    assert (sd <= 1.5 * REPEAT).all()


def test_bursts_of_others_move_the_answer_less() -> None:
    """Bursts of another model here, or of this model elsewhere, count with a shrunken weight."""
    own, _ = asked_after(*told("d", "m", 1))
    for device, model in (("d", "other"), ("elsewhere", "m")):
        mean, sd = asked_after(*told(device, model, 1))
        assert (np.abs(mean) < 0.95 * np.abs(own)).all()
        assert (np.sign(mean[[0, 2]]) == np.sign(TRUE[[0, 2]])).all()
        assert (sd > 2 * REPEAT).any()
    stranger, _ = asked_after(*told("elsewhere", "other", 1))
    np.testing.assert_allclose(stranger, 0, atol=1e-12)


def test_more_bursts_leave_less_doubt() -> None:
    """Noisy values of more bursts narrow the answer."""
    sds = []
    for n in (1, 2, 3):
        values, there = told("d", "m", n)
        noisy = Values(values.off, values.slopes, values.run, np.full(4 * n, 0.15**2))
        sds.append(asked_after(noisy, there)[1])
    assert (sds[0] > sds[1]).all()
    assert (sds[1] > sds[2]).all()


def test_light_load_teaches_idle_and_heavy_load_busy_power() -> None:
    """A power that is mostly idle moves the idle factor, one that is all busy the power factor."""
    for share, moved, still in ((0.9, "idle", "power"), (0.02, "power", "idle")):
        slopes = np.array([[0, 0, 1 - share, share]])
        values = Values(np.array([0.3]), slopes, np.array([0]), np.array([1e-4]))
        mean, _ = asked_after(values, places("d", "m", 8.0))
        found = dict(zip(FACTORS, mean, strict=True))
        assert found[moved] > 0.15
        assert abs(found[still]) < 0.05


def test_nonsense_is_set_aside() -> None:
    """A value off by a factor of a hundred is set aside; alone it moves nothing."""
    values, there = told("d", "m", 1, off=np.log(100.0))
    here = places("d", "m", 8.0)
    found = posterior(values, kernel.ties(here, there), kernel.ties(there, there), TYPICAL)
    assert found.absurd.tolist() == [False, True, False, False]
    only = values.take(np.array([False, True, False, False]))
    lone = posterior(only, kernel.ties(here, there), kernel.ties(there, there), TYPICAL)
    assert lone.absurd.all()
    np.testing.assert_allclose(lone.mean, 0)


def test_one_wild_burst_hardly_moves_four_good_ones() -> None:
    """Of five bursts of one server the one that is 2.5 times off is doubted."""
    good, there = told("d", "m", 5)
    off = good.off.copy()
    off[1] += np.log(2.5)
    mean, _ = asked_after(Values(off, good.slopes, good.run, np.full(20, 0.03**2)), there)
    assert mean[2] == pytest.approx(TRUE[2], abs=0.06)


@settings(max_examples=50, deadline=None)
@given(
    off=st.lists(st.floats(-1, 1), min_size=1, max_size=6),
    share=st.floats(0, 1),
    batch=st.floats(1, 256),
)
def test_doubt_never_grows_and_never_falls_below_repeats(
    off: list[float], share: float, batch: float
) -> None:
    """Whatever bursts say, variances stay positive, at most the prior's, repeats stay apart."""
    n = len(off)
    there = together([places("d", "m", batch)] * n)
    slopes = np.tile([0, 0, 1 - share, share], (n, 1))
    values = Values(np.array(off), slopes, np.arange(n), np.full(n, REPEAT**2))
    here = places("d", "m", 8.0)
    before = posterior(values, *_ties(here, there), TYPICAL)
    assert (np.linalg.eigvalsh(before.covariance) > -1e-9).all()
    nothing = Values(np.array([50.0]), slopes[:1], np.array([0]), np.array([REPEAT**2]))
    prior = posterior(nothing, *_ties(here, there), TYPICAL)
    assert (np.diag(before.covariance) <= np.diag(prior.covariance) + 1e-9).all()
    assert before.sd(np.array([0, 0, 1, 0])) >= REPEAT


def _ties(here: Places, there: Places) -> tuple[kernel.Ties, kernel.Ties]:
    return kernel.ties(here, there), kernel.ties(there, there)


def test_a_stored_prior_reads_back(tmp_path: object) -> None:
    """What `to_dict` writes `load` reads; a spoilt file is named; without one it is typical."""
    import json
    from pathlib import Path

    folder = Path(str(tmp_path))
    assert calibration_prior.load(folder / "none") == TYPICAL
    (folder / "a").mkdir()
    file = folder / "a" / calibration_prior.FILE
    file.write_text(json.dumps(calibration_prior.to_dict(TYPICAL)), encoding="utf-8")
    assert calibration_prior.load(folder / "a") == TYPICAL
    (folder / "b").mkdir()
    (folder / "b" / calibration_prior.FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(BadRecord, match="prior of bursts"):
        calibration_prior.load(folder / "b")
