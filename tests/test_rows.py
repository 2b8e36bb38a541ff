"""`joulecast predict`: a table of any length goes through, and is there whole or not at all."""

import csv
import io
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joulecast import api, cli


def predicted(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
    """Stands for `api.predict_rows`: 10 J a row, none for a network called unknown."""
    for row in rows:
        blank = row.get("model") in {"unknown", ""}
        yield {
            **row,
            "predicted_energy_j": "" if blank else 10.0,
            "predicted_power_w": math.nan,
            "notices": "unknown model" if blank else "",
        }


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "predict_rows", predicted)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three workloads, one of which nobody knows."""
    path = tmp_path / "rows.csv"
    path.write_text('model,mine,note\nvgg16,1,"a, b"\nunknown,2,\nlenet,3,ü\n', encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_and_columns_stay(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Order and own columns stay, predictions are added, blanks keep the exit code 0."""
    out = table.with_name("out.csv")
    assert cli.main(["predict", str(table), "-o", str(out)]) == cli.ANSWERED
    rows = read(out)
    assert [row["mine"] for row in rows] == ["1", "2", "3"]
    assert [row["predicted_energy_j"] for row in rows] == ["10.0", "", "10.0"]
    assert rows[0]["note"] == "a, b"
    assert rows[2]["note"] == "ü"
    assert {row["predicted_power_w"] for row in rows} == {""}
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "2 of 3 rows answered, 1 blank, most often: unknown model\n"


def test_stdin_to_stdout(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dash reads from stdin and writes to stdout, with the tally on stderr."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("model\nvgg16\n"))
    assert cli.main(["predict", "-", "-o", "-"]) == cli.ANSWERED
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "model,predicted_energy_j,predicted_power_w,notices"
    assert said.out.splitlines()[1].startswith("vgg16,10.0,")
    assert said.err == "1 of 1 rows answered\n"


def test_a_table_may_answer_into_itself(table: Path) -> None:
    """Input and output may be one file, and a second pass adds no column twice."""
    for _ in range(2):
        assert cli.main(["predict", str(table), "-o", str(table)]) == cli.ANSWERED
    rows = read(table)
    assert len(rows) == 3
    assert list(rows[0]) == [
        "model",
        "mine",
        "note",
        "predicted_energy_j",
        "predicted_power_w",
        "notices",
    ]


def test_a_head_without_rows_keeps_its_shape(tmp_path: Path) -> None:
    """No workloads is no error: the head with the added columns comes back."""
    (tmp_path / "rows.csv").write_text("model\n", encoding="utf-8")
    out = tmp_path / "out.csv"
    assert cli.main(["predict", str(tmp_path / "rows.csv"), "-o", str(out)]) == cli.ANSWERED
    assert out.read_text(encoding="utf-8") == "model,predicted_energy_j,predicted_power_w,notices\n"


def test_ragged_rows_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing cells are blank, surplus cells dropped and counted, empty lines skipped."""
    source = tmp_path / "rows.csv"
    source.write_text("\ufeffmodel,mine\nvgg16\n\nlenet,2,3,4\n", encoding="utf-8")
    assert cli.main(["predict", str(source), "-o", str(tmp_path / "out.csv")]) == cli.ANSWERED
    assert [row["mine"] for row in read(tmp_path / "out.csv")] == ["", "2"]
    assert "1 rows had more cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a CSV"),
        (b"{'a': 1}", "no table of workloads"),
        (b"name,age\nx,1\n", "no table of workloads"),
        (b"model,model\na,b\n", "twice"),
        (b'model,mine\nvgg16,"open\n', "not a CSV"),
        (b"model\nvgg16\n\xff\xff\n", "not a CSV"),
    ],
)
def test_no_table_is_one_clear_line(
    content: bytes,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is no table of workloads is exit code 2, one line, and leaves no output behind."""
    source = tmp_path / "rows.csv"
    source.write_bytes(content)
    code = cli.main(["predict", str(source), "-o", str(tmp_path / "out.csv")])
    out, err = capsys.readouterr()
    assert code == cli.BAD_INPUT
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("missing.csv", "out.csv", "no such file"),
        (".", "out.csv", "folder"),
        ("rows.csv", "missing/out.csv", "no such folder"),
    ],
)
def test_missing_places_are_one_clear_line(
    source: str,
    target: str,
    words: str,
    table: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A place that is not there is exit code 2 and one line."""
    folder = table.parent
    assert cli.main(["predict", str(folder / source), "-o", str(folder / target)]) == cli.BAD_INPUT
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err


def test_an_interrupted_run_keeps_the_old_output(
    monkeypatch: pytest.MonkeyPatch,
    table: Path,
) -> None:
    """When predicting stops midway, the output of the last time stays and no half file is left."""

    def stops(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        yield next(predicted(rows))
        raise KeyboardInterrupt

    out = table.with_name("out.csv")
    out.write_text("old", encoding="utf-8")
    monkeypatch.setattr(api, "predict_rows", stops)
    assert cli.main(["predict", str(table), "-o", str(out)]) == cli.INTERRUPTED
    assert out.read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in table.parent.iterdir()) == ["out.csv", "rows.csv"]


def test_rows_are_streamed(monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    """Rows are asked for one at a time, not gathered first."""
    taken: list[str] = []

    def lazy(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            taken.append(row["model"])
            yield from predicted([row])
            assert len(taken) < 2 or taken[-1] != taken[-2]

    monkeypatch.setattr(api, "predict_rows", lazy)
    assert cli.main(["predict", str(table), "-o", str(table.with_name("out.csv"))]) == cli.ANSWERED
    assert taken == ["vgg16", "unknown", "lenet"]
