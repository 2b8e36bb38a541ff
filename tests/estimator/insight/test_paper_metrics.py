"""The nine and the seven figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from joulecast.estimator.insight.frame import frame_of
from joulecast.estimator.insight.paper_metrics import NINE, metrics_of, nine_of, seven_of
from joulecast.estimator.serving import metrics as of_runs
from tests.fakes.insight_runs import burst, run


def test_the_nine_of_one_run() -> None:
    """1 M parameters, 100 M multiply-adds, 0.1 ms and 10 mJ a sample, 100 W, 10 GB."""
    found = nine_of(frame_of([run(accuracy=0.9, util=0.5)]), "gpu")
    assert tuple(found) == tuple(NINE)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(
        {
            "energy_per_sample": 0.01,
            "macs_param": 100.0,
            "work_done": 1e10,
            "overall_efficiency": 0.9 * 1e10 / 0.5,
            "work_per_unit_power": 1e8,
            "energy_scaling_factor": 1e-4,
            "gpu_energy_scaling_factor": 1e-4,
            "parameters": 1e6,
            "model_size_to_ram": 4e-4,
        }
    )


def test_what_is_unknown_stays_unknown() -> None:
    """No accuracy, no utilisation; an idle GPU divides by nothing."""
    found = nine_of(frame_of([run(), run(accuracy=0.9, util=0.0)]), "gpu")
    assert np.isnan(found["overall_efficiency"]).all()
    assert np.isnan(nine_of(frame_of([run()]), "wall")["energy_per_sample"]).all()


def test_the_seven_are_those_of_single_bursts() -> None:
    """The same figures as a burst's own."""
    one = burst(rate_rps=2.0, request_j=50.0)
    own = of_runs.seven_of(one, "gpu")
    found = {name: values[0] for name, values in seven_of(frame_of([one]), "gpu").items()}
    assert found == pytest.approx(own)


def test_a_task_has_its_own_figures() -> None:
    """Nine for networks, seven for servers."""
    frame = frame_of([run()])
    assert (len(metrics_of(frame, "gpu", "train")), len(metrics_of(frame, "gpu", "serve"))) == (
        9,
        7,
    )
