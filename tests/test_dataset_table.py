"""Run records as rows: what sensors saw is kept, what was modelled is left blank."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from joulecast.core.records import Measurement, Run, Setup, Window, Workload
from joulecast.dataset_table import COLUMNS, measured_scope, rows_of, write_rows
from joulecast.datasets import architectures, hardware, runs_table


def a_run(energy_source: dict[str, str], energy_j: dict[str, float]) -> Run:
    """vgg16 on hc3: 1000 samples in 10 s."""
    setup = Setup(
        hardware.machine("hc3"),
        architectures.find("vgg16", (3, 32, 32), "pytorch"),
        Workload(batch_size=64, dataset="cifar10", input_shape=(3, 32, 32)),
    )
    return Run(
        setup,
        Measurement(
            energy_j=energy_j,
            duration_s=10.0,
            samples=1000.0,
            energy_source=energy_source,
            power_w={scope: e / 10 for scope, e in energy_j.items()},
            epochs=(Window("epoch 1", 0.0, 10.0, energy_j, 1000.0, accuracy=0.5),),
        ),
        source="profiler",
        model_group="vgg16",
        model_family="vgg",
        hardware_id="rtx-a2000-12gb",
        meter="nvml-counter",
    )


MEASURED = a_run({"gpu": "nvml-counter"}, {"gpu": 600.0})
MODELLED = a_run({"cpu": "tdp-model", "system": "tdp-model"}, {"cpu": 300.0, "system": 300.0})


def test_a_measured_run_is_read_back_by_the_table_reader() -> None:
    """The row says to `train` what the record says: 0.01 s, 60 W and 0.6 J per sample."""
    text = io.StringIO()
    write_rows(rows_of([MEASURED]), text)
    text.seek(0)
    run = runs_table.run_of(next(csv.DictReader(text)))
    assert run is not None
    assert run.measurement.duration_s == pytest.approx(0.01)
    assert run.measurement.power_w == {"gpu": pytest.approx(60.0)}
    assert run.measurement.energy_j == {"gpu": pytest.approx(0.6)}
    assert run.setup.machine.gpu == MEASURED.setup.machine.gpu
    assert run.setup.architecture.macs == MEASURED.setup.architecture.macs
    assert (run.model_group, run.setup.workload.batch_size) == ("vgg16", 64)


def test_modelled_watts_are_left_blank() -> None:
    """A power that no sensor saw teaches nothing: the row keeps its time alone."""
    (row,) = rows_of([MODELLED])
    assert (row["avg_power_w"], row["energy_j"], row["energy_per_sample_j"]) == ("", "", "")
    assert row["samples_per_s"] == pytest.approx(100.0)


def test_a_part_measured_system_counts_as_its_measured_part() -> None:
    """GPU by counter and CPU by model: the row is about the GPU."""
    sources = {"gpu": "nvml-counter", "cpu": "tdp-model", "system": "nvml-counter+tdp-model"}
    run = a_run(sources, {"gpu": 600.0, "cpu": 100.0, "system": 700.0})
    assert measured_scope(run) == "gpu"


def test_the_steady_rate_is_preferred() -> None:
    """Warm-up belongs to the start of a run, not to its rate."""
    steady = replace(MEASURED.measurement, steady_sample_s=0.005, steady_power_w={"gpu": 64.0})
    (row,) = rows_of([replace(MEASURED, measurement=steady)])
    assert row["samples_per_s"] == pytest.approx(200.0)
    assert row["energy_per_sample_j"] == pytest.approx(0.32)


def test_a_run_without_samples_has_no_row() -> None:
    """A wrapped command that never said how much it did cannot be learned from."""
    silent = replace(MEASURED, measurement=replace(MEASURED.measurement, samples=None))
    assert rows_of([silent, MEASURED])[0]["samples"] == 1000.0
    assert len(rows_of([silent, MEASURED])) == 1


def test_every_column_is_there() -> None:
    """Rows have the table's columns in their order."""
    assert tuple(rows_of([MEASURED])[0]) == COLUMNS
