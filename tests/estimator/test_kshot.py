"""The worth of k runs is told from devices held out: nothing of the asked row leaks into it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

from joulecast.core.errors import BadRecord, NotFitted
from joulecast.estimator import bundle as bundles
from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator import intervals, kshot, kshot_table
from joulecast.estimator.calibration_kernel import Spreads

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.estimator.frame import Frame
    from joulecast.estimator.kshot import Trials

Residuals = dict[str, NDArray[np.float64]]
Trained = tuple["Path", dict[str, Any]]
TRUTH = Spreads(device=0.7, alike=0.05, model=0.05, new_model=0.05, pair=0.15, noise=0.03)


@pytest.fixture(scope="module")
def residual(frame: Frame) -> Residuals:
    """Residuals of time and power drawn from `TRUTH`; those of energy are their sum."""
    where = kshot.places(frame, is_new=False)
    k = kernel.ties(where, where).covariance(TRUTH, repeats=False)
    root = np.linalg.cholesky(k + TRUTH.noise**2 * np.eye(len(frame)))
    time, power = (root @ np.random.default_rng(seed).normal(size=len(frame)) for seed in (1, 2))
    return {"energy": time + power, "time": time, "power": power}


@pytest.fixture(scope="module")
def found(frame: Frame, residual: Residuals) -> Trials:
    """Trials with the true spreads for every device."""
    return asked(frame, residual, np.ones(len(frame), dtype=bool))


def asked(frame: Frame, residual: Residuals, rows: NDArray[np.bool_]) -> Trials:
    """Trials about some rows, with the true spreads."""
    truth = {p: {"time": TRUTH, "power": TRUTH} for p in range(5)}
    return kshot.trials(frame, residual, truth, rows, is_new=False)


def test_runs_help_and_shrinking_beats_the_plain_mean(frame: Frame, found: Trials) -> None:
    """More runs, and runs of the same model, leave less error; never more than a plain mean."""
    table = kshot_table.table(found, frame)
    error = {name: line["mdape"] for name, line in table.items()}
    assert error["k = 1, other models"] < error["k = 0"]
    assert error["k = 3, other models"] < error["k = 1, other models"]
    assert error["k = 3, same model, near"] < error["k = 3, other models"]
    assert error["k = 3, same model, near"] < 8
    for line in table.values():
        assert line["mdape"] < 1.1 * line["plain_mean"]


def test_intervals_of_the_trials_hold(frame: Frame, found: Trials) -> None:
    """Intervals with scores of other devices cover about what they claim, and narrow with runs."""
    table = kshot_table.table(found, frame)
    assert all(75 <= line["coverage"] <= 100 for line in table.values())
    assert table["k = 3, same model, near"]["width"] < table["k = 0"]["width"]
    assert all(line["n_groups"] == 4 for line in table.values())


def test_scores_are_those_of_a_normal_distribution(frame: Frame, found: Trials) -> None:
    """With the true spreads a residual is as many standard deviations off as a normal one."""
    for given in ((0, 1), (2,)):
        scores = kshot.scores([found], frame, given)
        for quantity in ("energy", "time"):
            assert intervals.at_level(scores[quantity], 0.5) == pytest.approx(0.75, abs=0.3)


def test_too_few_trials_score_as_normal(frame: Frame, found: Trials) -> None:
    """Where hardly anything could be tried the scores are a normal distribution's."""
    few = found.take(found.row < 2)
    scores = kshot.scores([few], frame, (0, 1))
    assert intervals.at_level(scores["energy"], 0.9) == pytest.approx(1.645, abs=1e-3)


def test_drawn_runs_are_never_the_asked_one(frame: Frame, residual: Residuals) -> None:
    """The asked row is not given; other models are others, near runs of the same pair and task."""
    where = kshot.places(frame, is_new=False).take(np.flatnonzero(frame.device == "t4"))
    ties = kernel.ties(where, where)
    rng = np.random.default_rng(0)
    for i in range(0, len(where.model), 7):
        for given, k, runs in kshot._draws(i, where, ties, rng):
            assert len(set(runs.tolist())) == k
            assert i not in runs
            models = where.model[runs]
            if given == 0:
                assert where.model[i] not in models
                assert len(set(models.tolist())) == k
            else:
                assert set(models.tolist()) == {where.model[i]}
            if given == 2:
                assert (ties.distance[i, runs] < kernel.NEAR).all()
    assert set(residual) == {"energy", "time", "power"}


def test_a_device_is_answered_without_other_devices(frame: Frame, residual: Residuals) -> None:
    """A device's trials do not depend on the residuals of any other device."""
    own = frame.device == "t4"
    changed = {q: np.where(own, v, v + 1.0) for q, v in residual.items()}
    first, second = (asked(frame, r, own) for r in (residual, changed))
    assert np.array_equal(first.left["energy"], second.left["energy"])
    assert np.array_equal(first.sd["energy"], second.sd["energy"])


def test_trials_are_the_same_each_time(frame: Frame, residual: Residuals, found: Trials) -> None:
    """No chance but the seed's."""
    again = asked(frame, residual, np.ones(len(frame), dtype=bool))
    assert np.array_equal(found.left["energy"], again.left["energy"])


def test_devices_are_never_split(frame: Frame) -> None:
    """All rows of a device belong to one part."""
    part = kshot.parts_of(frame)
    for device in np.unique(frame.device):
        assert len(np.unique(part[frame.device == device])) == 1


def test_training_stores_what_short_runs_need(trained: Trained) -> None:
    """The bundle's folder holds spreads and scores, the card both tables."""
    folder, card = trained
    stored = bundles.load_short_runs(folder)
    assert set(stored.spreads) == set(stored.scores) == set(kshot.POPULATIONS)
    for name in kshot.POPULATIONS:
        assert set(stored.spreads[name]) == {"time", "power"}
        assert set(stored.scores[name]) == {"calibrated", "short-run"}
        for scores in stored.scores[name].values():
            assert all(values == sorted(values) for values in scores.values())
    for name in ("short_runs", "short_runs_new_pair"):
        assert card[name]["k = 0"]["n"] == card["n_runs"]
        assert {"k = 1, other models", "k = 3, same model"} <= set(card[name])


def test_short_runs_survive_the_disk(trained: Trained, tmp_path: Path) -> None:
    """What is written is read back the same."""
    stored = bundles.load_short_runs(trained[0])
    bundles.save_short_runs(stored, tmp_path)
    assert bundles.load_short_runs(tmp_path) == stored


def test_missing_and_broken_constants_say_what_to_do(tmp_path: Path) -> None:
    """Without the file there is no sharpening; a damaged one is a bad record."""
    with pytest.raises(NotFitted, match="joulecast train"):
        bundles.load_short_runs(tmp_path)
    for broken in ("{", "[]", json.dumps({"spreads": {"gpu": {"time": {"width": 1}}}})):
        (tmp_path / bundles.SHORT_RUNS).write_text(broken, encoding="utf-8")
        with pytest.raises(BadRecord, match="Refit"):
            bundles.load_short_runs(tmp_path)


def test_the_shipped_constants_are_there() -> None:
    """The shipped bundle can use runs, and its spreads are of a believable size."""
    stored = bundles.load_short_runs()
    for spreads in stored.spreads["gpu"].values():
        assert 0.05 < spreads.device < 0.6
        assert spreads.new_model >= spreads.model
