"""Each novelty class is judged by folds of its own, and nothing of a left-out group is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from joulecast.core.records import NOVELTIES
from joulecast.estimator import bundle as bundles
from joulecast.estimator import intervals, predictor, train, validate
from joulecast.estimator.columns import POPULATIONS
from joulecast.estimator.fitting import LEARNERS, TARGETS
from joulecast.estimator.validate import OutOfFold

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.estimator.columns import Columns
    from joulecast.estimator.frame import Frame

Labels = NDArray[np.str_]
LEFT_OUT: dict[str, tuple[Callable[[Frame], Labels], ...]] = {
    "random": (),
    "new-model": (lambda f: f.model,),
    "new-family": (lambda f: f.family,),
    "new-hardware": (lambda f: f.device,),
    "new-pair": (lambda f: f.model, lambda f: f.device),
    "new-source": (lambda f: f.source,),
}
each_protocol = pytest.mark.parametrize("protocol", validate.PROTOCOLS)


def labelled(frame: Frame, seed: int, groups: int) -> Frame:
    """The frame with group labels drawn at random."""
    rng = np.random.default_rng(seed)
    drawn = {
        name: np.array([f"{name}{i}" for i in rng.integers(0, groups, len(frame))])
        for name in ("model", "family", "device", "source")
    }
    return replace(frame, **drawn)  # type: ignore[arg-type]


@each_protocol
@given(seed=st.integers(0, 10_000), groups=st.integers(2, 30))
def test_a_fold_never_sees_the_group_it_is_asked_about(
    frame: Frame, protocol: str, seed: int, groups: int
) -> None:
    """The rows fitted on hold no row of the left-out group; for a new pair, of neither group."""
    mixed = labelled(frame, seed, groups)
    for _, known, asked in validate.folds(mixed, protocol, seed):
        assert not set(known.tolist()) & set(asked.tolist())
        for label_of in LEFT_OUT[protocol]:
            labels = label_of(mixed)
            assert not set(labels[known].tolist()) & set(labels[asked].tolist())


@each_protocol
@given(seed=st.integers(0, 10_000), groups=st.integers(2, 30))
def test_every_row_is_asked_about_once(frame: Frame, protocol: str, seed: int, groups: int) -> None:
    """The asked rows of all folds are the table, each row once, under labels used once."""
    mixed = labelled(frame, seed, groups)
    found = list(validate.folds(mixed, protocol, seed))
    asked = np.concatenate([rows for _, _, rows in found])
    assert sorted(asked.tolist()) == list(range(len(mixed)))
    assert len({label for label, _, _ in found}) == len(found)
    assert all(len(known) for _, known, _ in found) or groups < 3


@each_protocol
def test_folds_depend_on_nothing_but_the_seed(frame: Frame, protocol: str) -> None:
    """The same seed gives the same folds."""
    first, second = (
        [(label, a.tolist(), b.tolist()) for label, a, b in validate.folds(frame, protocol, 5)]
        for _ in range(2)
    )
    assert first == second


def test_only_what_a_protocol_names_is_left_out(frame: Frame) -> None:
    """A new model is asked about on a known device, a new device with a known model."""
    for _, known, asked in validate.folds(frame, "new-model"):
        assert set(frame.device[asked]) <= set(frame.device[known])
    for _, known, asked in validate.folds(frame, "new-hardware"):
        assert set(frame.model[asked]) <= set(frame.model[known])


@pytest.mark.parametrize("protocol", ["new-model", "new-family", "new-hardware", "new-pair"])
def test_what_is_fitted_never_held_the_asked_group(
    frame: Frame, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from inside: the frame that a fold fits on lacks the networks or devices asked about."""
    group_of = dict(zip(frame.columns["macs"].tolist(), frame.model.tolist(), strict=True))
    if protocol == "new-family":
        group_of = dict(zip(frame.columns["macs"].tolist(), frame.family.tolist(), strict=True))
    asked_folds = 0

    def fit(known: Frame, _seed: int) -> Frame:
        return known

    def predict(known: Frame, c: Columns, device: Labels, _regime: Labels) -> tuple[Any, None]:
        nonlocal asked_folds
        asked_folds += 1
        if protocol in {"new-hardware", "new-pair"}:
            assert not set(known.device.tolist()) & set(device.tolist())
        if protocol != "new-hardware":
            seen = {group_of[m] for m in known.columns["macs"].tolist()}
            assert not seen & {group_of[m] for m in c["macs"].tolist()}
        return {n: {t: np.zeros(len(device)) for t in TARGETS} for n in LEARNERS}, None

    monkeypatch.setattr(validate, "fit", fit)
    monkeypatch.setattr(validate, "predict", predict)
    monkeypatch.setattr(validate, "physics_constant", lambda _, __, regime: np.zeros(len(regime)))
    found = validate.out_of_fold(frame, protocol, n_jobs=1)
    assert asked_folds == len(set(found.fold.tolist())) > 1
    like = off_by(frame, 0.0, protocol)
    assert found.group.tolist() == like.group.tolist()
    assert (found.also is None) == (like.also is None)
    assert all(np.isfinite(found.log[n][t]).all() for n in LEARNERS for t in TARGETS)
    assert np.isfinite(found.far).all()


def off_by(frame: Frame, error: float, protocol: str) -> OutOfFold:
    """Out-of-fold answers of a protocol that all miss the measurement by `error` in time."""
    log = {
        n: {"time": frame.log_sample_s + error, "power": frame.log_power_w.copy()} for n in LEARNERS
    }
    fold = np.full(len(frame), "", dtype=object)
    for label, _, asked in validate.folds(frame, protocol):
        fold[asked] = label
    nothing = dict.fromkeys(validate.BASELINES, frame.log_energy_j)
    labels = fold.astype(str)
    group, also = labels, None
    if protocol == "random":
        group = np.arange(len(frame)).astype(str)
    if protocol == "new-pair":
        group, also = frame.device, np.array([label.split("|")[1] for label in labels])
    return OutOfFold(log, nothing, labels, group, np.zeros(len(frame)), also)


def test_the_calibration_folds_are_the_novelty_classs_own(frame: Frame) -> None:
    """The interval of a class is as wide as the errors of its own folds, and of no others."""
    errors = {p: 0.1 * (i + 1) for i, p in enumerate(validate.PROTOCOLS)}
    oofs = {p: off_by(frame, error, p) for p, error in errors.items()}
    found = train.calibrate(frame, oofs)
    own = {
        "seen-pair": "random",
        "new-model": "new-model",
        "new-hardware": "new-hardware",
        "new-pair": "new-pair",
    }
    for novelty in NOVELTIES:
        for population in POPULATIONS:
            for quantity in ("energy", "time"):
                width = found.scores[population][novelty][quantity]
                assert width == pytest.approx([errors[own[novelty]]] * len(intervals.LEVELS))


def test_only_the_class_that_errs_is_wide(
    frame: Frame, trained: tuple[Path, dict[str, Any]], new_runs: list[Run]
) -> None:
    """Large errors of unseen models alone widen the answers about new models, and no others."""
    oofs = {p: off_by(frame, 1.0 if p == "new-model" else 0.02, p) for p in validate.PROTOCOLS}
    bundle = bundles.load(trained[0])
    bundle = replace(bundle, calibration=train.calibrate(frame, oofs))
    a = predictor.answer([r.setup for r in new_runs], bundle)
    assert set(a.novelty) == set(NOVELTIES)
    far = intervals.distance(a.columns, bundle.calibration.hull)
    for i, novelty in enumerate(a.novelty):
        width = float(np.log(a.energy_high_j[i] / a.energy_j[i]))
        widen = 1 + bundle.calibration.growth[novelty] * far[i]
        assert width == pytest.approx(widen * (1.0 if novelty == "new-model" else 0.02))


class Asked(dict[str, OutOfFold]):
    """Predictions by protocol that remember which were looked at."""

    def __init__(self, oofs: dict[str, OutOfFold]) -> None:
        super().__init__(oofs)
        self.names: list[str] = []

    def __getitem__(self, name: str) -> OutOfFold:
        self.names.append(name)
        return super().__getitem__(name)


def test_each_class_looks_at_one_protocol(frame: Frame) -> None:
    """What a class is calibrated on is the one protocol that asks as the class is asked."""
    oofs = Asked({p: off_by(frame, 0.1, p) for p in validate.PROTOCOLS})
    train.calibrate(frame, oofs)
    assert oofs.names == [validate.NOVELTY_PROTOCOL[n] for n in NOVELTIES]
    assert validate.NOVELTY_PROTOCOL == {
        "seen-pair": "random",
        "new-model": "new-model",
        "new-hardware": "new-hardware",
        "new-pair": "new-pair",
    }


def test_the_bundle_that_is_written_has_each_classs_own_folds(
    runs: list[Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From folds to file: a protocol's errors reach the class that is asked like it, alone."""
    errors = {p: 0.1 * (i + 1) for i, p in enumerate(validate.PROTOCOLS)}

    def out_of_fold(asked: Frame, protocol: str, *_: object, **__: object) -> OutOfFold:
        return off_by(asked, errors[protocol], protocol)

    monkeypatch.setattr(validate, "out_of_fold", out_of_fold)
    train.train(runs, [], tmp_path)
    scores = bundles.load(tmp_path).calibration.scores["gpu"]
    for novelty, protocol in validate.NOVELTY_PROTOCOL.items():
        assert scores[novelty]["energy"] == pytest.approx(
            [errors[protocol]] * len(intervals.LEVELS)
        )


def random_oof(frame: Frame, seed: int, protocol: str = "new-model") -> OutOfFold:
    """Out-of-fold answers with an error of each learner's own size."""
    rng = np.random.default_rng(seed)
    oof = off_by(frame, 0.0, protocol)
    log = {
        name: {t: v + rng.normal(rng.normal(), rng.uniform(0.05, 1), len(v)) for t, v in of.items()}
        for name, of in oof.log.items()
    }
    return replace(oof, log=log)


@given(seed=st.integers(0, 10_000))
def test_stack_weights_are_convex_and_no_worse_than_any_learner(frame: Frame, seed: int) -> None:
    """Weights are shares of one; the stack errs no more than its best member, outliers capped."""
    oof, rows = random_oof(frame, seed), np.arange(len(frame))
    for target, measured in (("time", frame.log_sample_s), ("power", frame.log_power_w)):
        weights = validate.stack_weights(oof, frame, rows, target)
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1)
        answers = np.column_stack([oof.log[n][target] for n in LEARNERS])

        def error(answer: NDArray[np.float64], m: NDArray[np.float64] = measured) -> float:
            off = np.minimum(np.abs(answer - m), validate.WORST)
            return float(np.average(off, weights=frame.weight))

        assert error(answers @ weights) <= min(error(a) for a in answers.T) + 1e-9


def test_stack_weights_without_rows_are_still_shares(frame: Frame) -> None:
    """With nothing to learn the weights from, they are shares of one all the same."""
    weights = validate.stack_weights(
        random_oof(frame, 0), frame, np.array([], dtype=np.intp), "time"
    )
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("protocol", ["new-model", "new-pair", "new-source"])
def test_parts_never_split_a_fold(frame: Frame, protocol: str) -> None:
    """All rows of a fold belong to one part."""
    oof = random_oof(frame, 1, protocol)
    part = validate.parts_of(oof)
    assert set(part.tolist()) <= set(range(validate.N_FOLDS))
    for label in set(oof.fold.tolist()):
        assert len(set(part[oof.fold == label].tolist())) == 1


@pytest.mark.parametrize("protocol", validate.PROTOCOLS)
def test_nested_rows_share_nothing_that_was_left_out(frame: Frame, protocol: str) -> None:
    """Every row is judged once, by rows of other groups; of a new pair by other models, too."""
    oof = random_oof(frame, 1, protocol)
    judged = np.zeros(len(frame), dtype=int)
    for here, others in validate.nested(oof):
        judged += here
        assert here.any()
        assert others.any()
        for label_of in LEFT_OUT[protocol]:
            labels = label_of(frame)
            assert not set(labels[here].tolist()) & set(labels[others].tolist())
        assert not (here & others).any()
    assert judged.tolist() == [1] * len(frame)


def test_stacking_is_nested(frame: Frame) -> None:
    """What was measured in a fold has no say in the weights with which it is answered."""
    oof = random_oof(frame, 2, "new-pair")
    part = validate.parts_of(oof)
    before = validate.stacked(oof, frame)
    for k in sorted(set(part.tolist())):
        other = replace(
            frame, log_sample_s=np.where(part == k, oof.log["lasso"]["time"], frame.log_sample_s)
        )
        after = validate.stacked(oof, other)
        assert after["time"][part == k].tolist() == before["time"][part == k].tolist()
    assert before["energy"] == pytest.approx(before["time"] + before["power"])


def test_every_class_and_regime_gets_weights_and_scores(frame: Frame) -> None:
    """A calibration is complete: no class, regime or population is left without an interval."""
    oofs = {p: random_oof(frame, i, p) for i, p in enumerate(validate.PROTOCOLS)}
    found = train.calibrate(frame, oofs)
    for novelty in NOVELTIES:
        for name in POPULATIONS:
            for target in TARGETS:
                assert sum(found.stack[name][novelty][target]) == pytest.approx(1)
        for population in POPULATIONS:
            scores = found.scores[population][novelty]["energy"]
            assert scores == sorted(scores)
            assert scores[0] >= 0
