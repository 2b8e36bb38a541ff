"""`joulecast dataset export` and `import`: between a store of runs and files."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("pyarrow")

from joulecast import command_store
from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.run_files import write_run
from joulecast.dataset_table import COLUMNS, rows_of, write_rows
from joulecast.options import Parser
from joulecast.options_store import add_steps
from joulecast.store import open_store
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Run


def dataset(*words: str) -> int:
    """The exit code of `joulecast dataset ...`."""
    parser = Parser(prog="joulecast dataset")
    add_steps(parser.add_subparsers(dest="step", parser_class=Parser, required=True))
    ask = parser.read(words)
    return command_store.STEPS[ask.step](ask)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """URL of an empty store."""
    return f"sqlite:///{tmp_path / 'kept' / 'runs.sqlite'}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with three runs, a file that is none, and a run that was never finished."""
    found = tmp_path / "runs"
    for name in ("a", "b", "c"):
        write_run(a_run(name), found / f"{name}.json")
    write_run(a_run("live", status="running"), found / "live.json")
    (found / "torn.json").write_text('{"schema": "joul')
    return found


def kept_ids(url: str) -> list[str]:
    """Ids of all runs of a store."""
    store = open_store(url)
    found = [run.id for run in store.find().runs]
    store.close()
    return found


def test_files_come_into_the_store_once(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was skipped or left out is named; a second time all are known."""
    assert dataset("import", str(folder), "--store", url) == 0
    told = capsys.readouterr()
    assert kept_ids(url) == ["a", "b", "c"]
    assert told.out == ""
    assert "skipped: torn.json" in told.err
    assert "1 left out that are still running or were killed" in told.err
    assert "3 records: 3 new, 0 known, 0 refused" in told.err
    assert dataset("import", str(folder), "--store", url) == 0
    assert "3 records: 0 new, 3 known, 0 refused" in capsys.readouterr().err


def test_unfinished_runs_come_where_asked(folder: Path, url: str) -> None:
    """A killed job's record is all there is of it."""
    assert dataset("import", str(folder), "--unfinished", "--store", url) == 0
    assert kept_ids(url) == ["a", "b", "c", "live"]


def test_a_conflict_keeps_out_no_other(
    folder: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and the runs that could not be stored are named."""
    dataset("import", str(folder / "a.json"), "--store", url)
    write_run(a_run("a", energy_j=1.0), folder / "a.json")
    write_run(a_run("no plain name"), folder / "d.json")
    capsys.readouterr()
    assert dataset("import", str(folder), "--store", url) == 2
    told = capsys.readouterr().err
    assert "refused: known with other content: a." in told
    assert "refused: run id 'no plain name'" in told
    assert "4 records: 2 new, 0 known, 2 refused" in told
    assert kept_ids(url) == ["a", "b", "c"]


def test_without_places_the_users_own_runs_come(
    own_folders: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that sessions wrote."""
    write_run(a_run("mine"), own_folders / "xdg_data_home" / "joulecast" / "runs" / "mine.json")
    assert dataset("import", "--store", url) == 0
    assert kept_ids(url) == ["mine"]
    assert "reading" in capsys.readouterr().err


def exported(url: str, path: Path) -> list[dict[str, object]]:
    """The rows of an exported table."""
    from pyarrow import parquet

    assert dataset("export", "--parquet", str(path), "--store", url, "--quiet") == 0
    rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
    return rows


def test_the_exported_rows_are_those_of_the_csv(url: str, tmp_path: Path) -> None:
    """The same columns and figures as `dataset build` writes, plus the id; a blank is null."""
    runs: list[Run] = [a_run("a", energy_j=600.5), a_run("b", task="infer", model="vgg19")]
    store = open_store(url)
    store.add_many(runs)
    store.close()
    rows = exported(url, tmp_path / "runs.parquet")
    text = io.StringIO()
    write_rows(rows_of(runs), text)
    text.seek(0)
    assert [row["id"] for row in rows] == ["a", "b"]
    for row, line in zip(rows, csv.DictReader(text), strict=True):
        assert list(row) == ["id", *COLUMNS]
        for name, cell in line.items():
            value = row[name]
            if isinstance(value, float):
                assert value == pytest.approx(float(cell))
            else:
                assert (value or "") == cell
    assert rows[0]["energy_j"] == 600.5
    assert rows[0]["samples"] == 1000.0
    assert rows[0]["cpu_name"] is None


def test_an_export_replaces_its_file_in_one_step(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs without samples are counted, an empty store gives an empty table."""
    path = tmp_path / "runs.parquet"
    store = open_store(url)
    assert exported(url, path) == []
    silent = a_run("silent")
    silent = replace(silent, measurement=replace(silent.measurement, samples=None))
    store.add_many([a_run("a"), silent])
    store.close()
    capsys.readouterr()
    assert [row["id"] for row in exported(url, path)] == ["a"]
    assert "2 runs, 1 rows in" in (told := capsys.readouterr().err)
    assert "1 without samples left out" in told
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_a_store_that_is_not_there_is_not_created(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither one that was named nor the user's own; no table is written."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    gone = tmp_path / "gone" / "runs.sqlite"
    table = tmp_path / "x.parquet"
    for words in (["--store", f"sqlite:///{gone}"], []):
        with pytest.raises(BadInput, match=r"no store of runs at .*runs\.sqlite"):
            dataset("export", "--parquet", str(table), *words)
    assert not gone.parent.exists()
    assert not table.exists()
    assert not [*tmp_path.rglob("runs.sqlite")]
    with pytest.raises(BadInput, match="names no file"):
        dataset("export", "--parquet", str(table), "--store", "sqlite://")


def test_the_ranks_of_a_job_are_one_row(url: str, tmp_path: Path) -> None:
    """As in `dataset build`: 2 ranks of 1,000 samples are one run of 2,000."""
    where = {"job": "7", "world_size": "2", "node": "n1"}
    store = open_store(url)
    store.add_many(a_run(f"r{k}", where={**where, "rank": str(k)}) for k in range(2))
    store.close()
    (row,) = exported(url, tmp_path / "runs.parquet")
    assert row["samples"] == 2000.0


def test_export_names_the_missing_package(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the store is read."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'joulecast\[train\]'"):
        dataset("export", "--parquet", str(tmp_path / "x.parquet"), "--store", url)


@pytest.mark.parametrize("words", [["export"], ["import", "nowhere"], ["export", "--parquet"]])
def test_bad_options_are_one_line(words: list[str]) -> None:
    """What is missing is named."""
    with pytest.raises(BadInput) as caught:
        dataset(*words)
    assert "\n" not in str(caught.value)


def test_an_imported_record_is_the_file(folder: Path, url: str) -> None:
    """Nothing is lost on the way."""
    dataset("import", str(folder), "--store", url)
    store = open_store(url)
    kept = store.get("a")
    store.close()
    assert kept == a_run("a")
    assert json.loads((folder / "a.json").read_text())["id"] == "a"
