"""What a figure does not show is counted, and what it shows is called what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_hex

from joulecast.reporting.canvas import NARROW_IN, WIDE_IN, Canvas, drawing
from joulecast.reporting.figures import all_plots
from joulecast.reporting.material import LifeCycle, Material, gather
from joulecast.reporting.palette import MARKS
from tests.fakes.report_runs import as_predicted, burst, limited, trained

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


def legend(found: Drawn) -> list[str]:
    """The names in a figure's legend."""
    (entries,) = found.figure.legends
    return [text.get_text() for text in entries.get_texts()]


def test_networks_without_an_inference_run_are_counted() -> None:
    """Requests a day cannot be reckoned for one of two trained networks."""
    runs = [trained(), trained(task="infer"), trained("lenet")]
    found = drawn("life_cycle", runs, life=LifeCycle(requests=1e6))
    assert [row[0] for row in found.table.rows] == ["vgg16"]
    assert "1 network left out: trained, but without an inference run" in found.caption
    assert "left out" not in drawn("life_cycle", runs).caption
    why = PLOTS["life_cycle"].missing(material([trained()], LifeCycle(requests=1e6)))
    assert why.endswith("1 network left out: trained, but without an inference run beside it")


def test_in_sample_runs_are_hollow_and_told_apart() -> None:
    """One run of a source that the predictor was fitted on, one of another."""
    runs = [trained(), replace(trained("lenet"), source="zeus_nsdi23")]
    found = drawn("agreement", [*runs, as_predicted(trained())])
    assert "Energy of 1 run as predicted" in found.caption
    assert "Energy of 1 in-sample run" in found.caption
    assert "1 predicted run left out: a prediction against itself" in found.caption
    known = {row[0]: row[-1] for row in found.table.rows}
    assert known == {"vgg16": "no", "lenet": "yes"}
    assert legend(found)[-1] == "hollow: in-sample"


def test_replayed_energy_is_no_measurement_to_compare_with() -> None:
    """A recording stands for a sensor, but not here and now."""
    run = trained()
    again = replace(run, measurement=replace(run.measurement, energy_source={"gpu": "replay"}))
    assert drawn("power", [again]).basis == "modelled"
    assert {row[3] for row in drawn("agreement", [again]).table.rows} == {"time"}


def test_runs_at_two_power_limits_are_two_curves() -> None:
    """What differs beside the batch size is never pooled, and it names the curves."""
    runs = [limited(watts, batch) for watts in (100.0, 200.0) for batch in (16.0, 64.0)]
    found = drawn("batch_size", runs)
    assert legend(found) == ["vgg16, 100 W", "vgg16, 200 W"]
    assert {row[0] for row in found.table.rows} == {"vgg16, 100 W", "vgg16, 200 W"}
    assert PLOTS["batch_size"].missing(material([limited(100.0, 16.0), limited(200.0, 64.0)]))


def test_runs_of_another_scope_are_counted() -> None:
    """A run that knows the wall alone has no place beside two of the system."""
    alone = trained("resnet18")
    alone = replace(alone, measurement=replace(alone.measurement, energy_j={"wall": 5.0}))
    found = drawn("macs_param", [trained(), trained("lenet"), alone])
    assert "1 run without system energy left out" in found.caption


def test_bars_and_bubbles_without_room_are_counted() -> None:
    """Twenty networks on one machine: sixteen bars; of 500 runs 250 bubbles."""
    runs = [trained(named=f"net-{i:02d}", power_w=100.0 + i) for i in range(20)]
    assert "Not drawn: 4 smaller bars" in drawn("power", runs).caption
    assert "Not drawn: 4 smaller bars" in drawn("power", runs, NARROW_IN).caption
    assert "Not drawn: 250 more runs" in drawn("bubbles", [trained()] * 500).caption


def test_bubbles_have_the_colour_of_their_task() -> None:
    """Filled where they were run, with nothing where they are predicted."""
    found = drawn("bubbles", [trained(), as_predicted(trained())])
    faces = [np.asarray(c.get_facecolor()) for c in found.figure.axes[0].collections]
    assert [len(face) for face in faces] == [1, 0]
    assert to_hex(tuple(faces[0][0])) == MARKS["c1"]


def test_lengths_are_only_those_that_were_counted() -> None:
    """The tokens that a burst was to ask for are no measurement."""
    run = burst()
    assert run.measurement.burst is not None
    silent = replace(run.measurement.burst, output_tokens=None)
    run = replace(run, measurement=replace(run.measurement, burst=silent))
    assert PLOTS["lengths"].missing(material([run]))


def test_rates_that_nearly_meet_are_one() -> None:
    """Bursts as sent, at 9.8 and 10.3 per second, stand beside each other."""
    runs = [burst(rate_rps=9.8), burst("llama-3.2-1b", 10.3), burst(rate_rps=1.0)]
    assert len(drawn("split", runs).table.rows) == 2
