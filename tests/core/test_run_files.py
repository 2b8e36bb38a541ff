"""Run records survive the way to disk and back, and broken ones are named."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.records import (
    Architecture,
    Device,
    Machine,
    Measurement,
    MeterReport,
    OpCount,
    Run,
    Setup,
    StepTimes,
    Window,
    Workload,
)
from joulecast.core.run_files import SCHEMA, default_folder, read_run, read_runs, write_run

GPU = Device("g", "G", "gpu", 70.0, 2021, "-", peak_flops_per_s={"fp32": 8e12}, doubtful=("tdp_w",))
SETUP = Setup(
    Machine("m", "M", gpu=GPU, n_gpus=2),
    Architecture("net", "vision", (3, 32, 32), 10.0, 20.0, {"conv": OpCount(20.0, 1.0, 2.0, 3.0)}),
    Workload(input_shape=(3, 32, 32)),
)
RUN = Run(
    SETUP,
    Measurement(
        energy_j={"gpu": 120.5},
        duration_s=10.0,
        samples=640.0,
        epochs=(Window("epoch 1", 0.5, 9.5, {"gpu": 118.0}, 640.0, 5, 1.2, 0.5),),
        steps=StepTimes(5, 1.9, 2.0),
        meters=(MeterReport("nvml:0", "gpu", "nvml-counter", 120.5, facts={"driver": "1"}),),
        notices=("a gap",),
    ),
    source="profiler",
    model_group="net",
    id="20260101T000000-net-0a0b0c0d",
    where={"node": "n"},
)


def test_a_run_comes_back_as_it_went(tmp_path: Path) -> None:
    """Every part of a record, tuples and nested records included, is read back equal."""
    write_run(RUN, tmp_path / "a.json")
    assert read_run(tmp_path / "a.json") == RUN


def test_a_number_that_is_not_finite_is_written_as_missing(tmp_path: Path) -> None:
    """NaN never reaches a file: JSON has no word for it."""
    unknown = replace(RUN, measurement=replace(RUN.measurement, duration_s=math.nan))
    write_run(unknown, tmp_path / "a.json")
    assert read_run(tmp_path / "a.json").measurement.duration_s is None


def test_a_failed_write_leaves_the_old_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps what the last flush held, and leaves nothing half-written behind."""
    path = tmp_path / "a.json"
    write_run(RUN, path)

    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_run(replace(RUN, status="running"), path)
    monkeypatch.undo()
    assert read_run(path) == RUN
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def broken_records() -> dict[str, str]:
    """Files that no session wrote, by what is wrong with them."""
    good = {"schema": SCHEMA, **json.loads(json.dumps(_facts()))}
    negative = json.loads(json.dumps(good))
    negative["measurement"]["energy_j"]["gpu"] = -1.0
    worded = json.loads(json.dumps(good))
    worded["measurement"]["duration_s"] = "long"
    bare = {k: v for k, v in good.items() if k != "setup"}
    return {
        "torn": json.dumps(good)[:200],
        "empty": "",
        "list": "[]",
        "other schema": json.dumps({**good, "schema": "joulecast.run/99"}),
        "negative energy": json.dumps(negative),
        "duration in words": json.dumps(worded),
        "no setup": json.dumps(bare),
        "setup is a text": json.dumps({**good, "setup": "x"}),
        "unknown status": json.dumps({**good, "status": "done"}),
    }


def _facts() -> dict[str, object]:
    from dataclasses import asdict

    return asdict(RUN)


@pytest.mark.parametrize("what", broken_records())
def test_a_broken_record_is_named_and_skipped_among_good_ones(tmp_path: Path, what: str) -> None:
    """One corrupt file costs one sentence with its name, never the others."""
    write_run(RUN, tmp_path / "a-good.json")
    (tmp_path / "b-bad.json").write_text(broken_records()[what], encoding="utf-8")
    write_run(RUN, tmp_path / "c-good.json")
    found = read_runs(tmp_path)
    assert found.runs == (RUN, RUN)
    assert len(found.skipped) == 1
    assert "b-bad.json" in found.skipped[0]


def test_a_key_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    """What a newer writer added does not hide what this one knows."""
    later = {"schema": SCHEMA, **_facts(), "mood": "good"}
    (tmp_path / "a.json").write_text(json.dumps(later), encoding="utf-8")
    assert read_run(tmp_path / "a.json") == RUN


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A misspelt folder is an error, not an empty one."""
    with pytest.raises(BadInput, match="no such file or folder"):
        read_runs(tmp_path / "nowhere")


def test_an_unreadable_record_says_which(tmp_path: Path) -> None:
    """A record asked for by name and not there is a `BadRecord` with that name."""
    with pytest.raises(BadRecord, match=r"gone\.json"):
        read_run(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        (("setup", "architecture", "macs"), None, "setup.architecture.macs: None is no number"),
        (("setup", "machine", "gpu", "tdp_w"), "x", "setup.machine.gpu.tdp_w: 'x' is no number"),
        (("setup", "machine", "n_gpus"), 1.5, "n_gpus: 1.5 is no whole number"),
        (("setup", "workload", "task"), "sing", "none of train, infer, serve"),
        (("setup", "workload", "samples"), True, "samples: True is no number"),
        (("measurement", "epochs", 0, "samples"), "x", "measurement.epochs.samples: 'x'"),
        (("measurement", "energy_j", "gpu"), None, "energy_j: None is no number"),
        (("measurement", "notices"), "x", "notices: 'x' is no list"),
        (("measurement", "energy_source"), [], "energy_source: [] is no object"),
        (("measurement", "samples"), 10**400, "outside what it can be"),
        (("quality_flag",), None, "quality_flag: None is no text"),
        (("where",), {"rank": 1}, "where: 1 is no text"),
    ],
)
def test_a_wrong_type_is_named_by_its_field(
    tmp_path: Path, where: tuple[str | int, ...], value: object, named: str
) -> None:
    """What is no number, text, list or object where one belongs: the message says where."""
    facts = json.loads(json.dumps({"schema": SCHEMA, **_facts()}))
    inner = facts
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    (tmp_path / "a.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(BadRecord, match=re.escape(named)):
        read_run(tmp_path / "a.json")


def test_a_number_as_another_kind_of_number_is_the_same(tmp_path: Path) -> None:
    """An integer where a float belongs, and a whole float where an integer does, stay equal."""
    text = json.dumps({"schema": SCHEMA, **_facts()})
    changed = text.replace('"n_gpus": 2', '"n_gpus": 2.0').replace("640.0", "640")
    assert changed != text
    (tmp_path / "a.json").write_text(changed, encoding="utf-8")
    run = read_run(tmp_path / "a.json")
    assert run == RUN
    assert type(run.setup.machine.n_gpus) is int


def test_of_very_many_records_the_newest_are_read(tmp_path: Path) -> None:
    """Those written last, by name among themselves, and a notice that there are more."""
    for i in range(5):
        path = tmp_path / f"{i}.json"
        write_run(replace(RUN, id=str(i)), path)
        os.utime(path, (100 - i, 100 - i))
    found = read_runs(tmp_path, newest=2)
    assert [run.id for run in found.runs] == ["0", "1"]
    assert len(found.skipped) == 1
    assert "of 5 run records" in found.skipped[0]
    assert read_runs(tmp_path, newest=5).skipped == ()


def test_the_default_folder_is_the_users_own() -> None:
    """Runs go below the user's data folder of this package."""
    assert default_folder().name == "runs"
    assert "joulecast" in default_folder().parts
