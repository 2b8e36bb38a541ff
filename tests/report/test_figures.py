"""Every figure: drawn from one, two and many runs, from odd ones, and what it says in numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pytest

from joulecast import analyse
from joulecast.reporting.canvas import NARROW_IN, WIDE_IN, Canvas, drawing
from joulecast.reporting.figures import MOST_ROWS, all_plots
from joulecast.reporting.material import LifeCycle, Material, gather
from joulecast.reporting.palette import MARKS
from tests.fakes.report_runs import MODELS, as_predicted, burst, many, trained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Run
    from joulecast.reporting.figures import Drawn

PLOTS = all_plots()


def material(runs: Sequence[Run], life: LifeCycle | None = None) -> Material:
    """The material of `runs`, without an analysis."""
    return gather(runs, None, life=life)


def drawn(
    name: str, runs: Sequence[Run], width_in: float = WIDE_IN, life: LifeCycle | None = None
) -> Drawn:
    """The figure `name` of `runs`."""
    with drawing(MARKS):
        found = PLOTS[name].draw(material(runs, life), Canvas(width_in, MARKS))
        found.figure.draw_without_rendering()
    return found


@pytest.fixture(scope="module")
def all_runs() -> Material:
    """The material of many runs."""
    return material(many())


def test_the_figures_stand_in_their_order() -> None:
    """Each file is a figure with a place of its own, in the papers' order."""
    places = [plot.PLACE for plot in PLOTS.values()]
    assert places == sorted(set(places))
    assert list(PLOTS)[:3] == ["duration", "power", "bubbles"]
    assert list(PLOTS)[-2:] == ["agreement", "life_cycle"]


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize("name", PLOTS)
def test_many_runs_are_drawn_at_both_widths(name: str, width_in: float, all_runs: Material) -> None:
    """Caption and alternative text are there, and every row has a cell per column."""
    assert PLOTS[name].missing(all_runs) == ""
    with drawing(MARKS):
        found = PLOTS[name].draw(all_runs, Canvas(width_in, MARKS))
        found.figure.draw_without_rendering()
    assert len(found.caption) > 40
    assert any(c.isdigit() for c in found.caption)
    assert found.alt
    assert found.basis == "measured"
    assert found.table.rows
    assert {len(row) for row in found.table.rows} == {len(found.table.head)}


FEW: dict[str, list[Run]] = {
    "none": [],
    "one": [trained()],
    "two": [trained(epochs=3), trained("lenet", task="infer", batch_size=1)],
    "burst": [burst()],
    "predicted": [as_predicted(trained()), as_predicted(trained(task="infer"))],
    "mixed": [as_predicted(trained()), trained("lenet")],
}


@cache
def few(which: str) -> Material:
    """The material of a few runs."""
    return material(FEW[which])


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("which", FEW)
def test_few_runs_are_drawn_or_a_line_says_why_not(name: str, which: str) -> None:
    """A figure either comes or gives its reason in one line."""
    why = PLOTS[name].missing(few(which))
    if why:
        assert "\n" not in why
        assert len(why) < 110
    else:
        with drawing(MARKS):
            assert PLOTS[name].draw(few(which), Canvas(WIDE_IN, MARKS)).table.rows


def odd_runs() -> list[Run]:
    """Runs whose numbers are not finite, are missing, or are 0."""
    runs = []
    for base in (trained(epochs=2), trained(task="infer"), burst()):
        m = base.measurement
        for value in (math.nan, math.inf, -1.0, 0.0):
            odd = replace(
                m,
                energy_j=dict.fromkeys(m.energy_j, value),
                duration_s=value,
                gpu_util_frac=value,
                gpu_mem_used_bytes=value,
                power_w={"gpu": value},
                epochs=tuple(
                    replace(e, loss=value, accuracy=value, energy_j={"system": value})
                    for e in m.epochs
                ),
            )
            runs.append(replace(base, measurement=odd))
        runs.append(replace(base, measurement=replace(m, energy_j={}, duration_s=None)))
    return runs


@pytest.mark.parametrize("name", PLOTS)
def test_odd_numbers_break_no_figure(name: str) -> None:
    """Alone they are told as missing; beside sound runs the sound ones are drawn."""
    odd = odd_runs()
    if not PLOTS[name].missing(material(odd)):
        drawn(name, odd)
    assert "nan" not in drawn(name, [*odd, *many()]).caption


@pytest.mark.parametrize("name", PLOTS)
def test_hostile_names_are_only_text(name: str) -> None:
    """Markup, formulas, underscores in front, control signs and foreign scripts are names."""
    names = ("<script>alert(1)</script>", "$x^2$", "_hidden", "a\x00b\nc", "模型🔥", "x" * 500)
    runs = many()
    runs += [trained(named=n, power_w=2000.0, sample_s=1.0, epochs=2) for n in names]
    runs += [trained(named=n, task="infer", batch_size=64) for n in names]
    drawn(name, runs)
    drawn(name, runs, NARROW_IN)


def test_of_two_hundred_models_the_largest_are_drawn_and_the_rest_counted() -> None:
    """Sixteen bars, the slowest first; the table ends at its limit and says so."""
    runs = [trained("vgg16", named=f"net-{i:03d}", sample_s=1e-5 * (i + 1)) for i in range(200)]
    found = drawn("duration", runs)
    (axes,) = found.figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:2] == ["net-199", "net-198"]
    assert len(names) == 16
    assert "184 smaller bars" in found.caption
    assert len(found.table.rows) == MOST_ROWS
    assert found.table.left_out == 200 - MOST_ROWS


def test_durations_are_those_of_the_papers_samples() -> None:
    """0.2 ms a sample are 10 s for 50,000, and 0.1 ms 5 s: training takes twice as long."""
    runs = [trained(sample_s=2e-4), trained(task="infer", sample_s=1e-4)]
    found = drawn("duration", runs)
    assert found.table.rows == (("hc2", "vgg16", "10 s", "5.0 s", "2", "run"),)
    assert "times as long" not in found.caption
    with drawing(MARKS):
        told = PLOTS["duration"].draw(gather(runs, analyse(runs)), Canvas(WIDE_IN, MARKS)).caption
    assert "2 times as long as inference in the median of 1 pair of like runs" in told


def test_power_is_split_by_device() -> None:
    """Of 300 W the GPU has 70 %; hc2's 350 W card stays 30 % or more below its limit."""
    found = drawn("power", [trained(power_w=300.0)])
    assert found.table.rows == (("hc2", "training", "vgg16", "210 W", "75 W", "15 W", "300 W"),)
    assert "gpu 70 %, cpu 25 %, dram 5 %" in found.caption
    assert "1 of 1 model stays 30 % or more below the 350 W" in found.caption


def test_epochs_are_of_the_same_runs_all_along() -> None:
    """Of runs of 2, 4 and 6 epochs the first four of the longer two are shown."""
    runs = [trained("lenet", epochs=2), trained("vgg16", epochs=4), trained("resnet18", epochs=6)]
    found = drawn("epochs", runs)
    assert [row[0] for row in found.table.rows] == ["1", "2", "3", "4"]
    assert "2 runs of 2 models" in found.caption
    assert "After 4 epochs 12 kJ of system energy" in found.caption  # 4 x 3 kJ


def test_macs_param_tells_the_rank_correlation() -> None:
    """Energy that rises with MACs per parameter correlates fully."""
    sizes = {m: trained(m).setup.architecture for m in MODELS}
    ranked = sorted(sizes, key=lambda m: sizes[m].macs / sizes[m].params)
    runs = [trained(m, sample_s=1e-4 * (i + 1)) for i, m in enumerate(ranked)]
    found = drawn("macs_param", runs)
    assert "rank correlation +1.00 over 6 networks" in found.caption


def test_the_best_batch_size_is_named_with_what_it_saves() -> None:
    """0.3 J at batch 16 and 0.15 J at 256: half of the energy."""
    runs = [trained(batch_size=16, sample_s=1e-3), trained(batch_size=256, sample_s=5e-4)]
    found = drawn("batch_size", runs)
    assert "least energy per sample at batch 256 (150 mJ), 50 % less than at 16" in found.caption


def test_energy_per_request_falls_with_the_rate() -> None:
    """600 W over 1 and 20 requests per second are 600 and 30 J, 95 % less."""
    runs = [burst(rate_rps=1.0), burst(rate_rps=20.0)]
    found = drawn("per_request", runs)
    assert "600 J at 1 per second, least at 20 (30 J, 95 % less)" in found.caption
    assert [row[2] for row in drawn("per_token", runs).table.rows] == ["2.4 J", "120 mJ"]


def test_the_split_is_at_the_rate_that_most_servers_met() -> None:
    """Both servers met 4 per second, one also 10: 150 J a request, the GPU 70 %."""
    runs = [burst(rate_rps=4.0), burst("llama-3.2-1b", 4.0), burst(rate_rps=10.0)]
    found = drawn("split", runs)
    assert "At about 4 requests per second" in found.caption
    assert {row[-1] for row in found.table.rows} == {"150 J"}


def test_lengths_are_weighted_by_requests() -> None:
    """60 answers of 100 tokens and 180 of 300 are 250 tokens on average."""
    found = drawn("lengths", [burst(rate_rps=1.0, tokens=100), burst(rate_rps=3.0, tokens=300)])
    assert found.table.rows[0][3] == "250"


def test_agreement_counts_what_the_intervals_cover() -> None:
    """A run with a hundred times the energy lies outside its interval."""
    sound, odd = trained(), trained("lenet", power_w=30_000.0)
    told = material([sound, odd])
    seen = [p.per_sample_j("system") for p in told.points]
    low, high = told.predictions[1].energy_low_j, told.predictions[1].energy_high_j
    assert not low <= (seen[1] or 0.0) <= high
    found = drawn("agreement", [sound, odd])
    assert "Energy of 2 runs" in found.caption
    assert found.table.rows[0][0] == "lenet"


def test_modelled_energy_is_no_measurement_to_compare_with() -> None:
    """Without a sensor only times are held against predictions."""
    run = trained()
    modelled = replace(
        run, measurement=replace(run.measurement, energy_source={"gpu": "tdp-model"})
    )
    found = drawn("agreement", [modelled])
    assert {row[3] for row in found.table.rows} == {"time"}


@pytest.mark.parametrize(
    ("life", "phases"),
    [
        (LifeCycle((10, 20, 70)), ("1.5 kJ", "3 kJ", "10.5 kJ")),
        (LifeCycle((10, 20, 70), requests=1e6), ("1.5 kJ", "3 kJ", "30 kJ")),
    ],
)
def test_the_life_cycle_follows_shares_or_requests(
    life: LifeCycle, phases: tuple[str, ...]
) -> None:
    """A training of 3 kJ weighs 20 of 100; a million answers of 30 mJ are 30 kJ."""
    from joulecast.reporting.words import energy

    runs = [trained(), trained(task="infer", sample_s=1e-4)]
    found = drawn("life_cycle", runs, life=life)
    joules = {"1.5 kJ": 1500.0, "3 kJ": 3000.0, "10.5 kJ": 10_500.0, "30 kJ": 30_000.0}
    assert found.table.rows[0][1:4] == tuple(energy(joules[p]) for p in phases)


def test_predictions_are_told_apart() -> None:
    """A predicted run beside a measured one of the same network has a bar of its own."""
    found = drawn("duration", [trained(), as_predicted(trained(sample_s=3e-4))])
    assert [row[-1] for row in found.table.rows] == ["predicted", "run"]
    assert found.basis == "measured and predicted"


def test_captions_speak_of_what_was_run_where_predictions_stand_beside() -> None:
    """Six measured networks, not twelve; the slowest measured one, not the slower prediction."""
    runs = [trained(m, sample_s=1e-4 * (i + 1)) for i, m in enumerate(MODELS)]
    mixed = [*runs, *(as_predicted(trained(m, sample_s=1e-2)) for m in MODELS)]
    assert "over 6 networks" in drawn("macs_param", mixed).caption
    assert "of 6 models" in drawn("power", mixed).caption
    assert drawn("duration", mixed).caption.startswith("googlenet takes 30 s to train")


def test_the_limit_of_the_gpus_is_within_sight() -> None:
    """The line of hc2's 350 W stands beyond bars of 300 W."""
    found = drawn("power", [trained(power_w=300.0)])
    assert found.figure.axes[0].get_xlim()[1] > 350
