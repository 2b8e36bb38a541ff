"""The one screen and what --explain adds, against golden files made from a fixed answer.

``JOULECAST_OVERWRITE_GOLDEN=1 pytest tests/test_render.py`` writes the files anew.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from joulecast.core.records import Estimate, Evidence, Workload
from joulecast.explain import explanation
from joulecast.pricing import Budget, Tariff, priced
from joulecast.render import decimals, energy_scale, one_screen

GOLDEN = Path(__file__).parent / "golden"
ANSWER = Estimate(
    energy_j=684_000,
    energy_low_j=504_000,
    energy_high_j=972_000,
    duration_s=6720,
    duration_low_s=4800,
    duration_high_s=9300,
    level=0.9,
    power_w=101.2,
    scope="system",
    basis="zero-shot",
    novelty="new-pair",
    gpu_energy_j=432_000,
    cpu_energy_j=216_000,
    dram_energy_j=36_000,
    net_energy_j=540_000,
    next_measurement="measure one epoch on hc3 (about 70 s, 2 Wh): interval down to about ±4 %",
    model="vgg16",
    model_text="vgg16 (14.7 M params, 314 MMAC) · CIFAR-10, 50,000 x 3x32x32"
    " · batch 128 · fp32 · PyTorch",
    hardware="hc3",
    hardware_text="hc3: RTX A2000 12 GB, i5-12500, 2 x 16 GB DDR5",
    workload=Workload(task="train", epochs=100, input_shape=(3, 32, 32), dataset="cifar10"),
    evidence=(Evidence("vgg16", "rtx-4090", 12, "our own runs"),),
)
EXPLAINED = replace(
    ANSWER,
    explanation={
        "time_terms_s": {"conv": 4032.0, "loader": 1344.0, "launch": 1344.0, "comm": 0.0},
        "power_terms_w": {"gpu": 64.0, "cpu": 32.0, "dram": 5.2},
        "features": [
            {"name": "log_macs_param", "value": 21.3, "effect": 1.32},
            {"name": "log_batch", "value": 4.85, "effect": 0.55},
        ],
        "learners": {"physics": 756e3, "lasso": 612e3, "lightgbm": 684e3, "answer": 684e3},
    },
)
NOTICES = tuple(f"{word} doubt about this answer" for word in ("one", "two", "three", "four", "5"))


def compare(name: str, text: str) -> None:
    """Hold `text` against the golden file, or write it where that was asked for."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("JOULECAST_OVERWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("screen", ANSWER),
        ("screen_extrapolated", replace(ANSWER, extrapolated=True, energy_low_j=3600.0)),
        ("screen_seconds", replace(
            ANSWER, duration_s=52.0, duration_low_s=41.0, duration_high_s=66.0,
            energy_j=5300.0, energy_low_j=4100.0, energy_high_j=6900.0,
            gpu_energy_j=5300.0, cpu_energy_j=None, dram_energy_j=None, net_energy_j=4200.0,
            scope="gpu", novelty="seen-pair", next_measurement=None,
        )),
        ("screen_notices", ANSWER.with_notices("a long notice " * 12, *NOTICES)),
        ("screen_priced", priced(
            ANSWER, Tariff(region="de", price_per_kwh=0.3, pue=1.2), Budget(),
        )),
    ],
)  # fmt: skip
def test_the_screen_is_what_it_was(name: str, answer: Estimate) -> None:
    """The screen of a fixed answer equals the golden file, in 14 lines of 100 columns."""
    text = one_screen(answer, currency="EUR")
    compare(name, text)
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 14


def test_explanation_is_what_it_was() -> None:
    """Shares, features, learners and evidence of a fixed answer equal the golden file."""
    compare("explain", explanation(EXPLAINED))


def test_terms_that_take_nothing_are_not_drawn() -> None:
    """A term of zero seconds has no bar."""
    assert "comm" not in explanation(EXPLAINED)


def test_an_answer_without_explanation_says_so() -> None:
    """Nothing to explain is said in a line, not with an empty screen."""
    assert "no explanation" in explanation(replace(ANSWER, evidence=()))


@pytest.mark.parametrize("width", [80, 90, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    """Whatever the width, lines are broken to fit."""
    text = one_screen(ANSWER.with_notices("words " * 60), width=width)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("power", range(-4, 14))
def test_value_and_interval_share_unit_and_precision(power: int) -> None:
    """From millijoules to megawatt-hours low <= value <= high also as printed."""
    energy_j = 2.5 * 10.0**power
    text = one_screen(
        replace(ANSWER, energy_j=energy_j, energy_low_j=0.7 * energy_j, energy_high_j=energy_j * 2),
    )
    words = next(line for line in text.splitlines() if "energy" in line).replace(",", "").split()
    value, low, high = float(words[1]), float(words[3]), float(words[5])
    scale, unit = energy_scale(energy_j)
    assert unit == words[2]
    assert low < value < high
    assert value * scale == pytest.approx(energy_j, rel=0.06)
    assert len(words[1].partition(".")[2]) == len(words[3].partition(".")[2])


def test_all_notices_are_shown_when_asked() -> None:
    """Without a limit every notice has its line, and none is announced as hidden."""
    text = one_screen(ANSWER.with_notices(*NOTICES), max_notes=None)
    assert all(notice in text for notice in NOTICES)
    assert "more: --explain" not in text


def test_a_tiny_lower_bound_is_not_printed_as_zero() -> None:
    """Decimals grow, within reason, until the lower bound shows a digit."""
    assert decimals(0.19, 0.004) == 3
    assert decimals(0.19, 1e-9) == 5


def test_several_passes_of_inference_are_told() -> None:
    """Inference says its passes only when there is more than one."""
    one = replace(ANSWER, workload=Workload(task="infer", epochs=1))
    ten = replace(ANSWER, workload=Workload(task="infer", epochs=10))
    assert "\non hc3" in one_screen(one)
    assert "\n10 passes on hc3" in one_screen(ten)
