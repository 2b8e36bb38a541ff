"""Shares of tables: percent or not by source, and cells that are neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.datasets import runs_table
from joulecast.datasets.runs_sides import percent_of, sides_of

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "source,task,model,hardware_id,batch_size,samples_per_s,energy_per_sample_j,energy_scope"
ROW = "{},infer,vgg16,hc3,128,1000,0.05,gpu"


def table(folder: Path, cells: list[tuple[str, str, str, str]]) -> Path:
    """A table of rows with source, utilisation, memory in GB and accuracy."""
    lines = [f"{HEAD},gpu_util,gpu_mem_used_gb,accuracy"]
    lines += [f"{ROW.format(source)},{','.join(rest)}" for source, *rest in cells]
    path = folder / "runs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_source_writes_percent_or_shares(tmp_path: Path) -> None:
    """0.5 of a source with 98 in it is half a percent, that of another one half."""
    path = table(
        tmp_path,
        [("a", "98", "2.5", "71.5"), ("a", "0.5", "", ""), ("b", "0.5", "", "0.9")],
    )
    assert percent_of(path) == {("a", "gpu_util"), ("a", "accuracy")}
    runs = list(runs_table.load(path))
    assert [r.measurement.gpu_util_frac for r in runs] == pytest.approx([0.98, 0.005, 0.5])
    assert runs[0].measurement.gpu_mem_used_bytes == 2.5e9
    assert [w.accuracy for w in runs[0].measurement.windows] == pytest.approx([0.715])
    assert runs[1].measurement.windows == ()
    assert runs[2].measurement.windows[0].accuracy == 0.9


def test_what_is_no_share_stays_unknown() -> None:
    """Above 100 %, text, blank."""
    row = {"gpu_util": "250", "accuracy": "n/a", "gpu_mem_util": ""}
    found = sides_of(row, "a", frozenset({("a", "gpu_util")}))
    assert found == {"gpu_util_frac": None}


def test_rows_come_with_their_runs(tmp_path: Path) -> None:
    """Unclear rows as well; short lines and blank ones do no harm."""
    path = table(tmp_path, [("a", "98", "2.5", "71.5")])
    with path.open("a", encoding="utf-8") as file:
        file.write("\na,infer,nobody-knows-this\n")
    pairs = list(runs_table.rows_and_runs(path))
    assert [run is None for _, run in pairs] == [False, True]
    assert len(list(runs_table.load(path))) == 1
    assert runs_table.run_of(pairs[0][0]) is not None
