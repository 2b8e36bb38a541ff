"""The screen of a model server and its picture, against golden files made from fixed answers.

``JOULECAST_OVERWRITE_GOLDEN=1 pytest tests/test_render_serving.py`` writes the files anew.
"""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from joulecast.core.records import Scope
from joulecast.core.serving_estimate import ServingEstimate
from joulecast.explain_serving import serving_explanation
from joulecast.pricing import Budget, Tariff, breaches, priced
from joulecast.render_curve import curve_lines
from joulecast.render_serving import per_second, serving_screen
from tests.fakes.servers import CURVE, SERVER

GOLDEN = Path(__file__).parent / "golden"
FULL = replace(
    SERVER,
    rate_rps=60.0,
    served_rps=41.0,
    latency_s=math.inf,
    latency_p95_s=math.inf,
    ttft_s=math.inf,
    ttft_p95_s=math.inf,
    basis="short-run",
    next_measurement=None,
    notices=("60 requests/s are more than the 41 it can answer",),
)
EXPLAINED = replace(
    SERVER,
    explanation={
        "iteration_terms_s": {"weights": 0.0049, "kv": 0.0012, "prefill": 0.0018, "comm": 0.0},
        "iteration_s": 0.0079,
        "power_terms_w": {"gpu": 264.0, "cpu": 153.0, "dram": 43.0},
        "idle_terms_w": {"gpu": 100.0, "cpu": 110.0, "dram": 30.0},
        "factors": {"step": 1.12, "prefill": 1.0, "power": 0.93, "idle": 1.0},
    },
)


def compare(name: str, text: str) -> None:
    """Hold `text` against the golden file, or write it where that was asked for."""
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("JOULECAST_OVERWRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("serving", SERVER),
        ("serving_full", FULL),
        ("serving_closed", replace(SERVER, rate_rps=None, workload=None)),
        ("serving_priced", priced(
            SERVER, Tariff(region="de", price_per_kwh=0.3, pue=1.2), Budget(),
        )),
    ],
)  # fmt: skip
def test_the_screen_is_what_it_was(name: str, answer: ServingEstimate) -> None:
    """The screen of a fixed answer equals the golden file, in 24 lines of 100 columns."""
    text = serving_screen(answer, currency="EUR")
    compare(name, text)
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 24


def test_explanation_is_what_it_was() -> None:
    """Terms of an iteration, watts and what bursts moved equal the golden file."""
    text = serving_explanation(EXPLAINED)
    compare("serving_explain", text)
    assert "between GPUs" not in text
    assert "computing prompts     x" not in text


def test_an_iteration_is_of_one_copy() -> None:
    """The requests of an iteration are those of one copy, not of all on the machine."""
    told = {**(EXPLAINED.explanation or {}), "batch": 3.65}
    text = serving_explanation(replace(EXPLAINED, explanation=told))
    assert "(3.65 requests in it)" in text


def test_learning_is_explained() -> None:
    """What moved the answer and what each learner says stand with their factors and weights."""
    told = {
        **(EXPLAINED.explanation or {}),
        "features": [
            {"name": "share_decode", "value": 0.062, "time": 0.99, "power": 1.02},
            {"name": "log_layers", "value": math.log(32), "time": 0.97, "power": 1.0},
        ],
        "learners": {
            "physics": {"energy_per_request_j": 48.0, "time": 1.01, "power": 0.98},
            "lightgbm": {"energy_per_request_j": 46.0, "time": 0.94, "power": 1.0},
            "answer": {"energy_per_request_j": 46.0},
        },
        "stack": {"physics": 0.0, "lightgbm": 1.0},
    }
    lines = serving_explanation(replace(EXPLAINED, explanation=told)).splitlines()
    assert "    share of computing answers  6 %   x 0.99   x 1.02" in lines
    assert "    layers                       32   x 0.97   x 1.00" in lines
    assert "    lightgbm  46 J   x 0.94   x 1.00   100 %" in lines
    assert "    answer    46 J" in lines


@pytest.mark.parametrize(("scope", "parts"), [("cpu", False), ("wall", True), ("system", True)])
def test_parts_are_those_of_the_scope(scope: Scope, parts: bool) -> None:  # noqa: FBT001
    """A part of the machine is not split into others that are more than it."""
    line = next(x for x in serving_screen(replace(SERVER, scope=scope)).splitlines() if "90 %" in x)
    assert ("gpu 26" in line) == parts
    assert "net of idle 22" in line


def test_a_batch_is_never_more_than_its_limit() -> None:
    """A fraction of a request at any time is told as such on both sides."""
    few = replace(SERVER, rate_rps=None, concurrency=2.5, max_concurrency=2.5)
    assert "batch 2.5 of 2.5" in serving_screen(few)


def test_no_figure_is_a_power_of_ten() -> None:
    """Thousands of requests per second are written out below the picture."""
    points = tuple(replace(p, rate_rps=59 * p.rate_rps) for p in CURVE)
    names = curve_lines(points, 1000.0, 59 * 41.0, 100)[-1]
    assert names.split() == ["81", "1,000", "here", "2,420", "full"]


def test_an_answer_without_explanation_says_so() -> None:
    """Nothing to explain is said in a line."""
    assert "no explanation" in serving_explanation(replace(SERVER, evidence=()))


@pytest.mark.parametrize("width", [80, 90, 120])
def test_no_line_is_wider_than_asked(width: int) -> None:
    """Whatever the width, lines are broken to fit and the picture fills them."""
    text = serving_screen(SERVER.with_notices("words " * 60), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert max(len(line) for line in text.splitlines() if "█" in line) > width - 20


def test_bars_fall_with_the_rate() -> None:
    """Every row of the picture is filled from the left, as J/request falls with the rate."""
    rows = curve_lines(CURVE, 10.0, 41.0, 80)[1:5]
    for row in rows:
        bars = row[row.index("│" if "│" in row else "┤") + 1 :]
        heights = [" ▁▂▃▄▅▆▇█".index(c) for c in bars]
        assert heights == sorted(heights, reverse=True)
    assert rows[0].split()[0] == f"{CURVE[0].energy_per_request_j:.3g}"


def test_asked_and_full_are_marked_where_they_are() -> None:
    """The asked rate stands left of the saturation, each below its mark."""
    axis, names = curve_lines(CURVE, 10.0, 41.0, 100)[5:]
    marks = [i for i, c in enumerate(axis) if c == "┴"]
    assert len(marks) == 2
    for mark, name in zip(marks, ("10 here", "41 full"), strict=True):
        assert abs(names.index(name) + len(name) // 2 - mark) <= 1


@pytest.mark.parametrize("rate", [41.0, 60.0, 1.4, 0.001, None])
def test_marks_at_the_edges_do_not_overlap(rate: float | None) -> None:
    """Names of neighbouring marks stand beside each other, within the width."""
    lines = curve_lines(CURVE, rate, 41.0, 60)
    assert max(map(len, lines)) <= 60
    assert lines[-1].count("full") == 1


def test_no_room_no_picture() -> None:
    """A narrow terminal, or too few points, get no picture."""
    assert curve_lines(CURVE, 10.0, 41.0, 30) == []
    assert curve_lines(CURVE[:2], 10.0, 41.0, 100) == []


def test_rates_are_told_in_two_digits() -> None:
    """Small rates keep two digits, large ones are whole."""
    assert [per_second(r) for r in (0.0123, 0.5, 9.46, 10.0, 1234.5)] == [
        "0.012", "0.5", "9.5", "10", "1,234",
    ]  # fmt: skip


def test_budgets_hold_for_servers() -> None:
    """CO2e and cost follow the energy, and a budget below it is breached."""
    answer = priced(SERVER, Tariff(price_per_kwh=0.3, carbon_intensity_g_per_kwh=100), Budget())
    assert answer.carbon_g == pytest.approx(46.0)
    assert answer.cost == pytest.approx(0.138)
    found = list(breaches(answer, Tariff(price_per_kwh=0.3), Budget(energy_kwh=0.4, cost=0.2)))
    assert [certain for certain, _ in found] == [True, False]
