"""Where runs come from: records, folders, tables, predictions."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import joulecast
from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.records import Machine
from joulecast.core.run_files import write_run
from joulecast.dataset_table import row_of, rows_of, write_rows
from joulecast.datasets import hardware
from joulecast.insight_runs import runs_from
from joulecast.predicted import Requests, predicted_bursts, predicted_runs
from tests.fakes.insight_runs import run

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Run


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


def own_table(path: Path, *runs: Run) -> Path:
    """`runs` as `dataset build` or `dataset export` writes them."""
    if path.suffix == ".parquet":
        from joulecast.command_store import write_parquet

        write_parquet([{"id": run.id, **row_of(run)} for run in runs], path)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        write_rows(rows_of(runs), file)
    return path


def elsewhere(one: Run, machine: Machine) -> Run:
    """`one` as a session on `machine` records it."""
    return replace(one, hardware_id=machine.id, setup=replace(one.setup, machine=machine))


def test_own_rows_of_an_unknown_machine_come_back(tmp_path: Path) -> None:
    """With name, GPUs, limit and figures; that nothing else is known of it is said."""
    one = run("vgg16", machine="hc3", batch=64, util=0.75, sample_j=0.02)
    known = one.setup.machine
    assert known.gpu is not None
    gpu = replace(known.gpu, id="rtx-9999", name="RTX 9999")
    boards = replace(known, id="2x-rtx-9999", gpu=gpu, n_gpus=2, gpu_power_limit_w=60.0)
    cpu = replace(hardware.device("i5-12500"), id="cpu-x-2-cores", name="CPU X, 2 cores")
    bare = Machine("cpu-x-2-cores", cpu.name, cpu=cpu, n_cpus=1)
    on_cpu = run("lenet", machine="i5-12500", scope="cpu", sample_j=0.5)
    path = own_table(tmp_path / "r.csv", elsewhere(one, boards), elsewhere(on_cpu, bare))
    (first, second), said = runs_from(path)
    assert first.setup.machine == Machine(
        "2x-rtx-9999", "RTX 9999", n_gpus=2, gpu_power_limit_w=60.0
    )
    assert (first.setup.scope, first.hardware_id) == ("gpu", "2x-rtx-9999")
    assert first.measurement.energy_j == {"gpu": pytest.approx(0.02)}
    assert first.measurement.gpu_util_frac == 0.75
    assert first.setup.workload.batch_size == 64
    assert second.measurement.energy_j == {"cpu": pytest.approx(0.5)}
    assert second.setup.machine == Machine("cpu-x-2-cores", "CPU X, 2 cores")
    assert second.setup.architecture.name == "lenet"
    assert "2 rows of r.csv from machines outside" in said[0]
    assert "(2x-rtx-9999, cpu-x-2-cores)" in said[0]
    assert len(said) == 1
    shown = joulecast.analyse(path)
    assert (shown.runs, shown.machines) == (2, ("2x-rtx-9999", "cpu-x-2-cores"))


def test_rows_of_others_on_unknown_machines_stay_out(tmp_path: Path) -> None:
    """A stranger's table may name anything: only what a session wrote is taken at its word."""
    one = replace(run("vgg16"), source="somebody")
    strange = replace(one.setup.machine, id="no-such", gpu=None, cpu=None)
    path = own_table(tmp_path / "r.csv", elsewhere(one, strange), run("vgg16"))
    runs, said = runs_from(path)
    assert len(runs) == 1
    assert "1 of 2 rows of r.csv left out" in said[0]


def test_energies_that_were_left_blank_are_said(tmp_path: Path) -> None:
    """A modelled energy has no place in the table; its time has."""
    measured = run("vgg16", machine="hc3", sample_j=0.02)
    sources = dict.fromkeys(measured.measurement.energy_j, "constant")
    modelled = replace(measured, measurement=replace(measured.measurement, energy_source=sources))
    runs, said = runs_from(own_table(tmp_path / "r.csv", measured, modelled))
    assert [bool(r.measurement.energy_j) for r in runs] == [True, False]
    assert runs[1].measurement.duration_s is not None
    assert said[0].startswith("1 row of r.csv without energy")
    assert "records themselves" in said[0]
    assert said[0] in joulecast.analyse(tmp_path / "r.csv").notices


def test_a_parquet_table_is_read_as_its_csv(tmp_path: Path) -> None:
    """The export of a store and the table that `dataset build` writes hold the same runs."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    own = (run("vgg16", machine="hc3", util=0.5), run("lenet", machine="hc1", batch=8))
    (tables, said) = zip(
        *(runs_from(own_table(tmp_path / f"r.{kind}", *own)) for kind in ("csv", "parquet")),
        strict=True,
    )
    assert tables[0] == tables[1]
    assert len(tables[1]) == 2
    assert said == ((), ())
    assert joulecast.analyse(tmp_path / "r.parquet").models == 2


def test_a_parquet_table_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own name, in one line; without pandas the extra is named."""
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "r.parquet"
    with pytest.raises(BadInput, match=r"no such file: .*r\.parquet"):
        runs_from(path)
    path.write_bytes(b"no table")
    with pytest.raises(BadInput, match=r"r\.parquet cannot be read as Parquet"):
        runs_from(path)
    import pandas as pd

    pd.DataFrame({"colour": ["red"]}).to_parquet(path)
    with pytest.raises(BadInput, match="lacks the columns") as caught:
        runs_from(path)
    assert str(caught.value).startswith(str(path))
    monkeypatch.setattr("joulecast.insight_runs.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"joulecast\[train\]"):
        runs_from(path)


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


def test_a_record_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    """By its folder and by its file; runs without a record's id are all kept."""
    path = tmp_path / "a.json"
    write_run(replace(run("once"), id="20250101-once"), path)
    runs, said = runs_from([tmp_path, path, run("given"), run("given")])
    assert [r.setup.architecture.name for r in runs] == ["once", "given", "given"]
    assert said == ("given twice: 1 run, counted once",)


def test_a_table_of_spreadsheets_and_one_of_nothing(tmp_path: Path) -> None:
    """A byte order mark belongs to no column; a head alone holds no runs."""
    path = tmp_path / "runs.csv"
    path.write_text("model,hardware_id\nvgg16,hc3\n", encoding="utf-8-sig")
    assert [r.setup.architecture.name for r in runs_from(path)[0]] == ["vgg16"]
    path.write_text("model,hardware_id\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no row below its head"):
        runs_from(path)


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
    with pytest.raises(BadInput, match="made out of the 1 row of"):
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
