"""Bursts on one screen."""

from __future__ import annotations

from dataclasses import replace

from joulecast.core.records import Architecture, Machine, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.profiler.serving.saturation import Saturation
from joulecast.render_burst import (
    COLUMNS,
    burst_screen,
    burst_table,
    notices_of,
    point_of,
    saturation_line,
)

FAST = Spread(0.1, 0.1, 0.12, 0.13, 0.2)


def at(rate_rps: float, energy_j: float | None, *notices: str, full: bool = False) -> Run:
    """A minute at `rate_rps`, ten tokens an answer."""
    n = round(60 * rate_rps)
    figures = BurstFigures(
        n, n, 0, rate_rps, rate_rps, 100.0 * n, 10.0 * n, ttft=FAST, itl=FAST, latency=FAST,
        cache_hit_frac=0.5, saturated=full,
    )  # fmt: skip
    network = Architecture("llama", "text", (), 1e9, 1e9, {})
    workload = Workload(task="serve", serving=Serving(100, 10, rate_rps))
    energies = {} if energy_j is None else {"gpu": energy_j}
    power = {} if energy_j is None else {"gpu": energy_j / 60}
    measured = Measurement(
        energies, 60.0, n, {"gpu": "nvml-counter"}, power_w=power, burst=figures, notices=notices
    )
    return Run(Setup(Machine("", ""), network, workload), measured, "profiler", "llama", id="r")


def test_the_table_has_a_line_per_rate_in_joules_of_one_request() -> None:
    """6 kJ for 600 requests of ten tokens."""
    *_, line = burst_table([at(10, 6000.0)])
    cells = line.split()
    assert cells[:5] == ["10", "10", "10", "1", "100"]
    assert "50 %" in line


def test_a_point_without_energy_or_figures_shows_dashes() -> None:
    """Nothing is 0 that was not measured."""
    *_, line = burst_table([at(10, None)])
    assert line.split()[2:5] == ["-", "-", "-"]
    assert len(COLUMNS) == 12
    screen = burst_screen(["head"], [at(10, None)])
    assert "no meter saw the server" in screen
    assert "--power-from" in screen


def test_notices_of_all_points_stand_once_and_those_of_some_name_their_rates() -> None:
    """What is particular comes first."""
    runs = [at(1, 60.0, "common"), at(2, 60.0, "common", "odd"), at(4, 60.0, "common", "odd")]
    screen = burst_screen(["head"], runs)
    assert screen.count("common") == 1
    assert screen.index("at 2, 4/s: odd") < screen.index("common")
    assert max(len(line) for line in screen.splitlines()) <= 100


def test_a_saturated_point_is_marked_and_the_bracket_told() -> None:
    """The rate, what was kept up with, what was not."""
    runs = [at(1, 60.0), at(2, 60.0, full=True)]
    found = Saturation(1.6, 1.0, 2.0)
    assert "2!" in burst_table(runs)[-1].split()
    assert saturation_line(found) == (
        "at about 1.6 requests per second: it kept up with 1, not with 2"
    )
    assert "--rps auto" not in burst_screen(["head"], runs, saturations=[(None, found)])


def test_points_of_a_sweep_name_their_share() -> None:
    """Two shares at one rate are two lines, two bars, two saturations."""
    runs = [
        replace(at(rate, 60.0 * rate), where={"shared_frac": share})
        for share in ("0", "0.5")
        for rate in (1, 2)
    ]
    screen = burst_screen(
        ["head"], runs, saturations=[(0.0, Saturation(1.6, 1, 2)), (0.5, Saturation(3.0, 2, 4))]
    )
    assert screen.count("1 (0%)") == screen.count("2 (50%)") == 2
    assert "0% shared: at about 1.6" in screen
    assert "50% shared: at about 3 " in screen


def test_a_notice_told_twice_by_one_point_is_not_of_all_points() -> None:
    """The record and its setup may both have it."""
    twice = at(2, 60.0, "odd")
    twice = replace(twice, setup=replace(twice.setup, notices=("odd",)))
    assert notices_of([at(1, 60.0), twice]) == ["at 2/s: odd"]


def test_a_point_in_json_has_joules_per_scope() -> None:
    """Per request and per output token."""
    told = point_of(at(10, 6000.0), {"HTTP 429": 2})
    assert told["energy_per_request_j"] == {"gpu": 10.0}
    assert told["energy_per_output_token_j"] == {"gpu": 1.0}
    assert told["errors"] == {"HTTP 429": 2}
