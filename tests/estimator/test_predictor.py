"""Answers of a predictor: consistent in themselves, row by row, and honest off the hull."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.records import NOVELTIES, Novelty, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import bundle as bundles
from joulecast.estimator import features, fitting, intervals, predictor

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.estimator.frame import Frame

MODELS = ("joulecast:lenet", "joulecast:resnet18", "torchvision:resnet50", "bert-base-uncased")
MACHINES = ("hc1", "hc3", "v100-sxm2", "t4", "i9-13900k", "jetson-agx-orin")


@st.composite
def questions(draw: st.DrawFn) -> Setup:
    """Any question that catalogue names can ask."""
    machine = hardware.machine(draw(st.sampled_from(MACHINES)))
    scopes = ("cpu", "system", "wall") if machine.gpu is None else ("gpu", "system", "wall")
    workload = Workload(
        task="train" if draw(st.booleans()) else "infer",
        batch_size=draw(st.integers(1, 2_048)),
        precision=draw(st.sampled_from(("fp32", "fp16", "int8"))),
        framework=draw(st.sampled_from(("pytorch", "tensorflow", "onnx", "tensorrt", "vendor"))),
        trainable_frac=draw(st.floats(0.01, 1)),
    )
    network = architectures.find(draw(st.sampled_from(MODELS)))
    return Setup(machine, network, workload, draw(st.sampled_from(scopes)))


@given(asked=st.lists(questions(), min_size=1, max_size=12))
def test_answers_hold_together(asked: list[Setup]) -> None:
    """Energy is power times time, bounds enclose the answer, and all is finite and positive."""
    a = predictor.answer(asked, bundles.load())
    assert a.energy_j == pytest.approx(a.power_w * a.sample_s, rel=1e-9)
    assert (a.energy_low_j <= a.energy_j).all()
    assert (a.energy_j <= a.energy_high_j).all()
    assert (a.sample_low_s <= a.sample_s).all()
    assert (a.sample_s <= a.sample_high_s).all()
    for values in (a.energy_low_j, a.energy_high_j, a.sample_low_s, a.sample_high_s, a.power_w):
        assert np.isfinite(values).all()
        assert (values > 0).all()
    assert set(a.novelty) <= set(NOVELTIES)
    assert len(a.novelty) == len(asked)


@given(asked=st.lists(questions(), min_size=2, max_size=8))
def test_a_row_is_answered_as_if_alone(asked: list[Setup]) -> None:
    """Regimes, scopes and machines may be mixed: no row's answer depends on the others."""
    together = predictor.answer(asked, bundles.load())
    for i, setup in enumerate(asked):
        alone = predictor.answer([setup], bundles.load())
        for name in ("energy_j", "energy_low_j", "energy_high_j", "sample_s", "power_w"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(together, name)[i], rel=1e-9)
        assert alone.novelty[0] == together.novelty[i]


@given(setup=questions(), levels=st.tuples(st.floats(0.5, 0.995), st.floats(0.5, 0.995)))
def test_a_higher_level_gives_a_wider_interval(setup: Setup, levels: tuple[float, float]) -> None:
    """Raising the level never narrows the interval, nor does it move the answer."""
    low, high = (predictor.answer([setup], bundles.load(), level) for level in sorted(levels))
    assert high.energy_j[0] == low.energy_j[0]
    assert high.energy_low_j[0] <= low.energy_low_j[0]
    assert high.energy_high_j[0] >= low.energy_high_j[0]
    assert high.sample_high_s[0] >= low.sample_high_s[0]


@given(setup=questions())
def test_scopes_share_out_the_power(setup: Setup) -> None:
    """In scope system the watts of GPU, CPU and DRAM add up to the answer's."""
    a = predictor.answer([replace(setup, scope="system")], bundles.load())
    assert sum(float(w[0]) for w in a.scope_w.values()) == pytest.approx(float(a.power_w[0]))
    assert all(float(w[0]) >= 0 for w in a.scope_w.values())
    assert all(float(w[0]) >= 0 for w in a.idle_w.values())


def classes(trained: Path, new_runs: list[Run]) -> list[tuple[Novelty, Run]]:
    """Runs beyond the table with their class."""
    bundle = bundles.load(trained)
    return [(predictor.novelty_of(r.setup, bundle), r) for r in new_runs]


def test_novelty_is_what_was_measured(
    trained: tuple[Path, dict[str, Any]], new_runs: list[Run]
) -> None:
    """Known network and device make a seen pair; what is unknown names the class."""
    expected = {
        ("vgg16", "rtx-3090"): "seen-pair",
        ("densenet121", "rtx-3090"): "new-model",
        ("vgg16", "rtx-2080-ti"): "new-hardware",
        ("densenet121", "rtx-2080-ti"): "new-pair",
    }
    for novelty, run in classes(trained[0], new_runs):
        assert novelty == expected[run.model_group, run.hardware_id]


def test_another_size_is_another_network(trained: tuple[Path, dict[str, Any]]) -> None:
    """The name alone does not make a network known: at 224 pixels it was never measured."""
    machine = hardware.machine("rtx-3090")
    small = Setup(machine, architectures.find("joulecast:vgg16"), Workload())
    large = replace(small, architecture=architectures.find("torchvision:vgg16"))
    bundle = bundles.load(trained[0])
    assert predictor.novelty_of(small, bundle) == "seen-pair"
    assert predictor.novelty_of(large, bundle) == "new-model"


def test_each_class_has_its_own_width(
    trained: tuple[Path, dict[str, Any]], new_runs: list[Run]
) -> None:
    """Inside the hull an interval is as wide as its class's quantile."""
    bundle = bundles.load(trained[0])
    a = predictor.answer([r.setup for r in new_runs], bundle)
    far = intervals.distance(a.columns, bundle.calibration.hull)
    for i, novelty in enumerate(a.novelty):
        score = intervals.at_level(bundle.calibration.scores["gpu"][novelty]["energy"], 0.9)
        width = float(np.log(a.energy_high_j[i] / a.energy_j[i]))
        widen = 1 + bundle.calibration.growth[novelty] * far[i]
        assert width == pytest.approx(score * widen)


@given(grown=st.lists(st.floats(0, 12), min_size=2, max_size=6), level=st.floats(0.5, 0.99))
def test_farther_off_the_hull_is_wider(
    trained: tuple[Path, dict[str, Any]], grown: list[float], level: float
) -> None:
    """The farther from what was measured, the wider; a higher level is never narrower."""
    bundle = bundles.load(trained[0])
    network = architectures.find("joulecast:vgg16")
    sizes = [network.macs * float(np.exp(10 + g)) for g in sorted(grown)]
    setups = [
        Setup(
            hardware.machine("rtx-3090"),
            replace(network, name="vast", group="", macs=macs),
            Workload(),
            scope="gpu",
        )
        for macs in sizes
    ]
    a = predictor.answer(setups, bundle, level)
    for low, high in ((a.sample_low_s, a.sample_high_s), (a.energy_low_j, a.energy_high_j)):
        width = np.log(high / low)
        assert (np.diff(width) >= -1e-9).all()
    assert a.extrapolated.all()
    higher = predictor.answer(setups, bundle, (level + 0.995) / 2)
    assert (higher.energy_high_j >= a.energy_high_j).all()
    assert (higher.energy_low_j <= a.energy_low_j).all()


@pytest.mark.parametrize(
    "changed", [{"precision": "fp16"}, {"framework": "tensorflow"}, {"batch_size": 4096}]
)
def test_what_was_never_measured_is_extrapolated(
    trained: tuple[Path, dict[str, Any]], changed: dict[str, Any]
) -> None:
    """A precision, a framework or four times the batch of every run: it says so, and is wider."""
    usual = Setup(
        hardware.machine("rtx-3090"),
        architectures.find("joulecast:vgg16"),
        Workload(batch_size=128, dataset="cifar10"),
        scope="gpu",
    )
    other = replace(usual, workload=replace(usual.workload, **changed))
    a = predictor.answer([usual, other], bundles.load(trained[0]))
    assert a.extrapolated.tolist() == [False, True]
    width = np.log(a.energy_high_j / a.energy_low_j)
    assert width[1] > width[0]


def test_off_the_hull_it_says_extrapolated() -> None:
    """Ten times beyond everything measured, the answer is called extrapolated and is wider."""
    inside = Setup(hardware.machine("hc2"), architectures.find("joulecast:vgg16"), Workload())
    network = inside.architecture
    vast = replace(network, name="vast", group="", params=1e14, macs=1e17)
    asked = [inside, replace(inside, architecture=vast)]
    a = predictor.answer(asked, bundles.load())
    assert a.extrapolated.tolist() == [False, True]
    width = a.energy_high_j / a.energy_low_j
    assert width[1] > width[0]


def test_the_bracket_reaches_down_to_the_roofline() -> None:
    """An extrapolated answer's lower bound is no higher than idle power over the ideal time."""
    a = predictor.answer(
        [
            Setup(
                hardware.machine("hc2"),
                replace(architectures.find("joulecast:vgg16"), params=1e14, macs=1e17),
                Workload(),
            )
        ],
        bundles.load(),
    )
    ideal_s = max(float(a.terms["ideal_compute_s"][0]), float(a.terms["ideal_memory_s"][0])) / 128
    assert a.energy_low_j[0] <= ideal_s * (a.idle_w["gpu"][0] + a.idle_w["cpu"][0]) * (1 + 1e-9)


def test_features_are_those_that_the_papers_name(frame: Frame) -> None:
    """The papers' features are there, none is a name, and all are finite numbers."""
    expected = {"macs", "params", "macs_param", "model_size_to_ram", "gpu_mem_util", "work_done"}
    assert expected <= set(features.FEATURES)
    bundle = bundles.load()
    terms = bundle.fitted["common"].predict(frame.columns, frame.device)[1]
    x = features.matrix(frame.columns, terms)
    assert x.shape == (len(frame), len(features.FEATURES))
    assert np.isfinite(x).all()
    assert all(f.__doc__ for f in features.FEATURES.values())


def test_every_learner_answers(new_runs: list[Run]) -> None:
    """The three learners are always there for comparison, and differ."""
    a = predictor.answer([r.setup for r in new_runs], bundles.load())
    assert set(a.learner_energy_j) == set(fitting.LEARNERS)
    assert len({float(v[0]) for v in a.learner_energy_j.values()}) == len(fitting.LEARNERS)


def test_near_twins_share_a_group() -> None:
    """A network is known by its group, however it is spelled, else by its name."""
    network = architectures.find("joulecast:vgg16")
    named = replace(network, group="", name="My-Net_2")
    assert predictor.group_of(named) == "mynet2"
    assert predictor.group_of(replace(network, group="My Net 2")) == "mynet2"
