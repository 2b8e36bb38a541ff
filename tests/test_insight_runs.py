"""Where runs come from: records, folders, tables, predictions."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

import joulecast
from joulecast.core.errors import BadInput
from joulecast.core.run_files import write_run
from joulecast.dataset_table import rows_of, write_rows
from joulecast.insight_runs import runs_from
from joulecast.predicted import Requests, predicted_bursts, predicted_runs
from tests.fakes.insight_runs import run

if TYPE_CHECKING:
    from pathlib import Path


def test_records_folders_and_tables_together(tmp_path: Path) -> None:
    """One of each; a corrupt file and an unknown machine are named."""
    records = tmp_path / "records"
    write_run(run("in-a-folder"), records / "a.json")
    (records / "b.json").write_text("{", encoding="utf-8")
    path = tmp_path / "runs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("model", "hardware_id", "task"))
        writer.writeheader()
        writer.writerow({"model": "vgg16", "hardware_id": "hc3", "task": "train"})
        writer.writerow({"model": "vgg16", "hardware_id": "no such machine", "task": "train"})
    runs, said = runs_from([run("given"), records, str(path)])
    assert [r.setup.architecture.name for r in runs] == ["given", "in-a-folder", "vgg16"]
    assert any("b.json" in s for s in said)
    assert any("1 of 2 rows of runs.csv left out" in s for s in said)


def test_a_table_of_our_own_comes_back(tmp_path: Path) -> None:
    """Energy, time, utilisation of `dataset build`."""
    one = run("vgg16", machine="hc3", util=0.75, sample_j=0.02, power_w={"gpu": 200.0})
    path = tmp_path / "runs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        write_rows(rows_of([one]), file)
    (back,), said = runs_from(path)
    assert said == ()
    assert back.measurement.gpu_util_frac == 0.75
    assert back.measurement.energy_j["gpu"] == pytest.approx(0.02)


def test_a_table_of_servers_is_seen_by_its_head(tmp_path: Path) -> None:
    """`model_id` makes it one."""
    path = tmp_path / "servers.csv"
    lines = (
        "model_id,hardware_id,task,request_rate_rps,avg_output_tokens,energy_per_request_j",
        "meta-llama/Llama-3.1-8B-Instruct,h100-sxm,text-generation,4,300,50",
        "nobody/knows-this,nowhere,text-to-image,4,300,50",
    )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (one,), said = runs_from(path)
    assert one.setup.workload.task == "serve"
    assert "1 of 2 rows" in said[0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder, "no run records"),
        (lambda folder: folder / "gone.csv", "no such file"),
        (lambda folder: folder / "gone", "no such file or folder"),
        (lambda _folder: [3], "Give Run records"),
    ],
)
def test_what_holds_no_runs_is_refused(tmp_path: Path, make: object, words: str) -> None:
    """With what to do."""
    with pytest.raises(BadInput, match=words):
        runs_from(make(tmp_path))  # type: ignore[operator]


def test_a_folder_of_tables_only_names_one(tmp_path: Path) -> None:
    """So that the next try works; a table of strangers is refused as well."""
    path = tmp_path / "runs.csv"
    path.write_text("model,hardware_id\nvgg16,no such machine\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"name one, e\.g\. .*runs\.csv"):
        runs_from(tmp_path)
    with pytest.raises(BadInput, match="none of the 1 rows"):
        runs_from(path)


def test_a_predicted_run_is_what_estimate_says() -> None:
    """Energy by scope, time; parts sum to the system."""
    (one,) = predicted_runs(["vgg16"], ["hc3"], tasks=("train",), samples=10_000)
    answer = joulecast.estimate("vgg16", "hc3", samples=10_000, runs=())
    m = one.measurement
    assert m.energy_j["system"] == pytest.approx(answer.energy_j)
    assert m.energy_j["gpu"] == pytest.approx(answer.gpu_energy_j)
    assert m.duration_s == pytest.approx(answer.duration_s)
    assert sum(m.energy_j[s] for s in ("gpu", "cpu", "dram")) == pytest.approx(answer.energy_j)
    assert m.net_energy_j("system") == pytest.approx(answer.net_energy_j)
    assert (one.source, one.hardware_id) == ("predicted", "hc3")
    assert m.energy_source == dict.fromkeys(m.energy_j, "predicted")
    assert 0 < (m.gpu_util_frac or 0) <= 1
    assert 0 < (m.gpu_mem_used_bytes or 0) <= 12e9


def test_predictions_cover_every_combination() -> None:
    """2 networks x 2 machines x 2 tasks x 2 batch sizes; a CPU has no GPU to be busy."""
    runs = predicted_runs(["lenet", "vgg16"], ["hc1", "i5-12500"], batch_sizes=(32, 128))
    assert len(runs) == 16
    on_cpu = [r.measurement for r in runs if r.hardware_id == "i5-12500"]
    assert all("gpu" not in m.energy_j and m.gpu_util_frac is None for m in on_cpu)
    with pytest.raises(BadInput, match="nothing to predict"):
        predicted_runs([], ["hc1"])


def test_a_predicted_burst_is_what_estimate_serving_says() -> None:
    """Energy per request at one rate; beyond saturation it says so."""
    requests = Requests((1.0, 1e4), 100, {"llama-3.1-8b": 200}, hits=(0.0,))
    slow, fast = predicted_bursts(["llama-3.1-8b"], ["hc4"], requests, weight_precision="fp8")
    answer = joulecast.estimate_serving(
        "llama-3.1-8b",
        "hc4",
        rate_rps=1.0,
        prompt_tokens=100,
        output_tokens=200,
        weight_precision="fp8",
        runs=(),
    )
    m = slow.measurement
    assert m.energy_j["system"] / (m.samples or 0) == pytest.approx(answer.energy_per_request_j)
    assert (m.burst is not None, fast.measurement.burst is not None) == (True, True)
    assert (m.burst.saturated, fast.measurement.burst.saturated) == (False, True)  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="nothing to predict"):
        predicted_bursts([], ["hc4"], requests)
