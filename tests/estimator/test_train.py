"""Fitting on a table whose truth is known: it is found again, twice the same, and kept exactly."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joulecast.core.errors import BadInput, BadRecord, NotFitted
from joulecast.core.records import NOVELTIES
from joulecast.estimator import bundle as bundles
from joulecast.estimator import columns, features, fitting, metrics, predictor, validate
from joulecast.estimator.train import MIN_RUNS, known_of, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.estimator.bundle import Bundle
    from joulecast.estimator.frame import Frame

Trained = tuple["Path", dict[str, Any]]


def errors_percent(runs: list[Run], bundle: Bundle) -> dict[str, Any]:
    """Absolute errors of time and energy against the runs, percent, and the answers."""
    a = predictor.answer([r.setup for r in runs], bundle)
    sample_s = np.array([r.measurement.duration_s for r in runs], dtype=float)
    energy_j = np.array([r.measurement.energy_j[r.setup.scope] for r in runs])
    return {
        "time": metrics.absolute_percentage_error(np.log(sample_s), np.log(a.sample_s)),
        "energy": metrics.absolute_percentage_error(np.log(energy_j), np.log(a.energy_j)),
        "inside": (a.energy_low_j <= energy_j) & (energy_j <= a.energy_high_j),
        "novelty": a.novelty,
    }


def test_the_truth_is_found_again(trained: Trained, runs: list[Run]) -> None:
    """The runs themselves are answered within their noise."""
    found = errors_percent(runs, bundles.load(trained[0]))
    assert np.median(found["time"]) < 4
    assert np.median(found["energy"]) < 5
    assert found["inside"].mean() > 0.85
    assert set(found["novelty"]) == {"seen-pair"}


def test_the_truth_is_found_beyond_the_table(trained: Trained, new_runs: list[Run]) -> None:
    """A network and a device that were never measured are answered within their intervals."""
    found = errors_percent(new_runs, bundles.load(trained[0]))
    assert set(found["novelty"]) == set(NOVELTIES)
    assert np.median(found["energy"]) < 10
    assert found["energy"].max() < 40
    assert found["inside"].mean() >= 0.5


def test_the_card_says_how_sure_it_is(trained: Trained, runs: list[Run]) -> None:
    """Every protocol is on the card with all rows, and better than every baseline."""
    folder, card = trained
    assert set(card["protocols"]) == set(validate.PROTOCOLS)
    for protocol, row in card["protocols"].items():
        assert row["energy"]["n"] == len(runs)
        assert row["energy"]["mdape"] < 10
        assert 75 <= row["energy"]["coverage"] <= 100
        assert row["energy"]["width"] > 1
        rivals = card["baselines"][protocol]
        assert set(rivals) == set(validate.BASELINES)
        learned = [r for n, r in rivals.items() if n != "physics_constant"]  # it made these runs
        assert all(row["energy"]["mdape"] < rival["mdape"] for rival in learned)
        assert set(card["learners"][protocol]) == set(fitting.LEARNERS)
    assert {r["label"] for r in card["per_hardware"]} == {r.hardware_id for r in runs}
    assert {r["label"] for r in card["per_model"]} == {r.model_group for r in runs}
    assert card["n_runs"] == len(runs)
    assert card["n_set_aside"] == 0
    assert json.loads((folder / bundles.CARD).read_text(encoding="utf-8")) == card


def test_training_is_deterministic(trained: Trained, runs: list[Run], tmp_path: Path) -> None:
    """The same runs and seed give the same files, byte for byte, and progress is told."""
    folder, _ = trained
    said: list[str] = []
    train(runs, [folder.parent / "runs.csv"], tmp_path, progress=said.append)
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert first == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert said[0] == f"fitting on {len(runs)} of {len(runs)} runs"
    assert len(said) > len(validate.PROTOCOLS)


def test_inputs_are_recorded_by_digest(trained: Trained) -> None:
    """Bundle and card carry the SHA-256 of every input, and no path."""
    folder, card = trained
    content = (folder.parent / "runs.csv").read_bytes()
    expected = {"runs.csv": hashlib.sha256(content).hexdigest()}
    assert card["inputs"] == expected
    assert bundles.load(folder).inputs == expected


def test_a_bundle_is_text(trained: Trained) -> None:
    """JSON and LightGBM's text, nothing that has to be unpickled, and no machine's path."""
    for path in trained[0].iterdir():
        assert path.suffix in {".json", ".txt"}
        assert str(trained[0].parent) not in path.read_text(encoding="utf-8")


def one_device(runs: list[Run]) -> list[Run]:
    """Enough runs, all on the same device."""
    return [r for r in runs if r.hardware_id == runs[0].hardware_id] * 3


def one_model(runs: list[Run]) -> list[Run]:
    """Enough runs, all of the same network."""
    return [r for r in runs if r.model_group == runs[0].model_group] * 3


def flagged(runs: list[Run]) -> list[Run]:
    """Enough runs, none of them fit to be used."""
    return [replace(r, quality_flag="input_bound") for r in runs]


@pytest.mark.parametrize(
    "thin",
    [lambda _: [], lambda runs: runs[: MIN_RUNS - 1], one_device, one_model, flagged],
    ids=["none", "few", "one device", "one model", "flagged"],
)
def test_too_few_runs_are_refused(
    runs: list[Run], thin: Callable[[list[Run]], list[Run]], tmp_path: Path
) -> None:
    """Runs that cannot teach anything are refused, with what is needed, and nothing is written."""
    with pytest.raises(BadInput, match=f"At least {MIN_RUNS} runs, 2 models and 2 devices"):
        train(thin(runs), [], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def rounded(fitted: fitting.Fitted) -> fitting.Fitted:
    """The same with device effects in the digits that are stored."""
    effects = {
        target: replace(
            e,
            by_label={k: np.array([float(f"{x:.6g}") for x in v]) for k, v in e.by_label.items()},
        )
        for target, e in fitted.effects.items()
    }
    return replace(fitted, effects=effects)


def test_a_bundle_read_back_answers_identically(
    frame: Frame, trained: Trained, runs: list[Run], tmp_path: Path
) -> None:
    """What was saved answers as the learners in memory do, LightGBM's own included, to 1e-9."""
    in_memory = {r: rounded(f) for r, f in fitting.fit(frame).items()}
    known = bundles.load(trained[0])
    bundles.save(replace(known, fitted=in_memory), tmp_path)
    read = bundles.load(tmp_path)
    ask = frame.columns, frame.device, frame.regime
    (theirs, their_terms), (ours, our_terms) = (
        fitting.predict(f, *ask) for f in (in_memory, read.fitted)
    )
    for learner in fitting.LEARNERS:
        for target in fitting.TARGETS:
            assert np.abs(theirs[learner][target] - ours[learner][target]).max() <= 1e-9
    assert all(np.array_equal(their_terms[name], our_terms[name]) for name in their_terms)
    assert read.calibration == known.calibration
    assert read.known == known.known == known_of(runs)


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the trained bundle to be spoilt."""
    return shutil.copytree(trained[0], tmp_path / "copy")


def spoil(folder: Path, **changed: Any) -> None:  # noqa: ANN401
    """Write other values into the bundle's JSON."""
    path = folder / bundles.BUNDLE
    path.write_text(json.dumps(json.loads(path.read_text()) | changed), encoding="utf-8")


def test_other_features_are_another_version(copy: Path) -> None:
    """A bundle fitted with other features is not used, and says what to do."""
    spoil(copy, features=[*list(features.FEATURES)[1:], "a_new_one"])
    with pytest.raises(NotFitted, match="joulecast train"):
        bundles.load(copy)


def test_other_terms_are_another_version(copy: Path) -> None:
    """A bundle whose physics has other coefficients is not used."""
    raw = json.loads((copy / bundles.BUNDLE).read_text(encoding="utf-8"))
    raw["regimes"]["common"]["coefficients"].popitem()
    spoil(copy, regimes=raw["regimes"])
    with pytest.raises(NotFitted, match="version"):
        bundles.load(copy)


def test_another_format_is_another_version(copy: Path) -> None:
    """A bundle of a later format is not used."""
    spoil(copy, format=bundles.FORMAT + 1)
    with pytest.raises(NotFitted, match="version"):
        bundles.load(copy)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '"text"', f'{{"format": {bundles.FORMAT}}}', "\x00", '{"a": 1,}'],
)
def test_a_corrupt_bundle_is_a_bad_record(copy: Path, text: str) -> None:
    """A file that is no bundle is a BadRecord that names the folder, never another error."""
    (copy / bundles.BUNDLE).write_text(text, encoding="utf-8")
    with pytest.raises(BadRecord, match="copy"):
        bundles.load(copy)


def test_a_bundle_with_holes_is_a_bad_record(copy: Path) -> None:
    """A bundle that lacks a part, or holds one of the wrong shape, is a BadRecord."""
    holes: list[dict[str, Any]] = [
        {"regimes": []},
        {"hull": {"gpu": {"macs": [1]}}},
        {"groups": [["a", "b"]]},
    ]
    for changed in holes:
        folder = copy.with_name(next(iter(changed)))
        shutil.copytree(copy, folder)
        spoil(folder, **changed)
        with pytest.raises(BadRecord):
            bundles.load(folder)


def test_corrupt_trees_are_a_bad_record(copy: Path) -> None:
    """A model text without trees, or cut off within one, is a BadRecord once it is asked."""
    path = next(copy.glob("*.lgb.txt"))
    regime, target = path.name.removesuffix(".lgb.txt").split("-")
    text = path.read_text(encoding="utf-8")
    for spoilt in ("nothing", text.replace("leaf_value=", "leaf=", 1)):
        folder = copy.with_name(f"spoilt{len(spoilt)}")
        shutil.copytree(copy, folder)
        (folder / path.name).write_text(spoilt, encoding="utf-8")
        booster = bundles.load(folder).fitted[regime].booster[target]
        with pytest.raises(BadRecord, match="joulecast train"):
            booster.predict(np.zeros((1, len(features.FEATURES))))


def test_no_bundle_is_not_fitted(copy: Path) -> None:
    """An empty folder, a missing one and a bundle without its trees say how to fit one."""
    next(copy.glob("*.lgb.txt")).unlink()
    empty = copy.with_name("empty")
    empty.mkdir()
    for folder in (copy, empty, copy.with_name("missing")):
        with pytest.raises(NotFitted, match="joulecast train"):
            bundles.load(folder)


def test_known_networks_are_known_by_size(trained: Trained) -> None:
    """A network at about the measured size is known; at another size, or another name, not."""
    known = bundles.load(trained[0]).known
    low, high = known.pairs["common-train"]["rtx-3090"]["vgg16"]
    asked = ("common-train", "rtx-3090")
    assert known.novelty(*asked, "vgg16", low) == "seen-pair"
    assert known.novelty(*asked, "vgg16", high * 1.9) == "seen-pair"
    assert known.novelty(*asked, "vgg16", high * 2.1) == "new-model"
    assert known.novelty(*asked, "nobody", low) == "new-model"
    assert known.novelty("common-train", "unseen", "vgg16", low) == "new-hardware"
    assert known.novelty("common-train", "unseen", "nobody", low) == "new-pair"
    assert known.novelty("tuned-infer", "rtx-3090", "vgg16", low) == "new-pair"
    assert sum(n for _, _, n, _ in known.groups) == 160


def test_the_shipped_bundle_is_whole() -> None:
    """The shipped predictor loads, knows many devices and networks, and names its inputs."""
    shipped = bundles.load()
    assert set(shipped.fitted) == set(fitting.REGIMES)
    assert len({d for devices in shipped.known.pairs.values() for d in devices}) >= 30
    assert len({g for g, _, _, _ in shipped.known.groups}) >= 50
    assert shipped.inputs
    assert all(len(digest) == 64 for digest in shipped.inputs.values())
    for population in columns.POPULATIONS:
        for novelty in NOVELTIES:
            scores = shipped.calibration.scores[population][novelty]["energy"]
            assert scores == sorted(scores)


def test_the_shipped_card_belongs_to_the_shipped_bundle() -> None:
    """Card and bundle come from the same inputs; intervals cover about what they say."""
    path = bundles.PRETRAINED / bundles.CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    assert card["inputs"] == bundles.load().inputs
    for protocol in validate.NOVELTY_PROTOCOL.values():
        row = card["protocols"][protocol]["energy"]
        assert 80 <= row["coverage"] <= 97
        rivals = {name: b["mdape"] for name, b in card["baselines"][protocol].items()}
        # our own physics alone is about as near where a device is new: the learners must not hurt
        assert row["mdape"] < rivals.pop("physics_constant") + 1
        assert row["mdape"] < min(rivals.values())
