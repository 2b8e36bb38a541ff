"""Files of a session: names, lines, limits, and what a disk may do."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from joulecast.core.records import Measurement, Run
from joulecast.core.run_files import read_run
from joulecast.profiler.recorder import COLUMNS, Recorder, Trace, run_id
from joulecast.profiler.sampler import Row
from joulecast.profiler.session_book import Book
from joulecast.profiler.session_options import unknown_setup

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def row(time_s: float, value: float = 100.0, kind: str = "power_w") -> Row:
    """A reading."""
    return Row(time_s, "nvml:0", "gpu", kind, value)


def lines(trace: Trace) -> list[list[str]]:
    """Its lines, without the head."""
    with trace.path.open(encoding="utf-8", newline="") as file:
        head, *rest = csv.reader(file)
    assert ",".join(head) == COLUMNS
    return rest


def test_names_of_runs_do_not_collide() -> None:
    """UTC start, label, eight hexadecimal digits: a thousand sessions of one second differ."""
    utc = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    found = {run_id(utc, "vgg16") for _ in range(1000)}
    assert len(found) == 1000
    assert all(name.startswith("20260504T030201-vgg16-") for name in found)
    assert run_id(utc, "../a b/", lambda _: "0" * 8) == "20260504T030201-a_b-00000000"
    assert run_id(utc, "", lambda _: "0" * 8) == "20260504T030201-session-00000000"


def test_a_trace_holds_readings_and_events_in_order(tmp_path: Path) -> None:
    """Times from the start, five columns, what was told between the readings."""
    book, trace = Book(1000.0), Trace(tmp_path, "run", 1e6)
    book.begin('all, "really"', 1000.5)
    book.steps.ends_s.extend([1001.0, 1002.0])
    assert trace.append([row(1000.1), row(1001.5, 0.123456789012, "util_frac")], book)
    book.begin_epoch(1003.0)
    book.end_epoch(1004.0)
    book.steps.ends_s.append(1004.5)
    assert trace.append([row(1004.25, 262143.328850, "energy_j")], book)
    assert lines(trace) == [
        ["0.100000", "nvml:0", "gpu", "power_w", "100"],
        ["0.500000", "", 'all, "really"', "begin", "1"],
        ["1.000000", "", "", "step", "0"],
        ["1.500000", "nvml:0", "gpu", "util_frac", "0.123456789012"],
        ["2.000000", "", "", "step", "1"],
        ["3.000000", "", "epoch 1", "begin", "1"],
        ["4.000000", "", "epoch 1", "end", "1"],
        ["4.000000", "", "", "epoch", "1"],
        ["4.250000", "nvml:0", "gpu", "energy_j", "262143.32885"],
        ["4.500000", "", "", "step", "2"],
    ]
    assert trace.doubts == []


def test_a_long_trace_is_thinned_then_ends(tmp_path: Path) -> None:
    """Past half its limit ever fewer lines are kept; it never grows beyond the limit."""
    book, trace = Book(0.0), Trace(tmp_path, "run", 20_000)
    sizes = []
    for index in range(400):
        rows = [row(index + i / 100) for i in range(50)]
        book.steps.ends_s.extend(index + i / 100 for i in range(50))
        trace.append(rows, book)
        sizes.append(trace.path.stat().st_size)
        if index == 10:
            assert any("then ever fewer" in text for text in trace.doubts)
    assert max(sizes) <= 20_000
    times_s = [float(line[0]) for line in lines(trace)]
    assert times_s == sorted(times_s)
    assert times_s[-1] > 20 * 20_000 / (100 * 30) / 10
    assert any("trace ended" in text for text in trace.doubts)


def test_a_line_that_was_cut_off_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a disk was full for a while the trace holds whole lines only."""
    book, trace = Book(0.0), Trace(tmp_path, "run", 1e6)
    trace.append([row(1.0)], book)
    with trace.path.open("ab") as file:
        file.write(b"2.0,nvml:0,gp")
    trace.append([row(3.0)], book)
    assert [line[0] for line in lines(trace)] == ["1.000000", "3.000000"]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", full)
        assert not trace.append([row(4.0)], book)
    assert trace.append([row(5.0)], book)
    assert [line[0] for line in lines(trace)] == ["1.000000", "3.000000", "5.000000"]
    assert "could not be written 1 time (No space left on device)" in trace.doubts[0]


def test_a_record_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """A value that no JSON can hold does not raise; a later success is a whole record."""
    recorder = Recorder(tmp_path / "runs", "r", None)
    run = Run(unknown_setup(), Measurement({}, 1.0, None), "profiler", "", id="r")
    odd = Run(unknown_setup(), Measurement({"gpu": object()}, 1.0, None), "profiler", "")  # type: ignore[dict-item]
    assert not recorder.save(odd)
    assert "r.json could not be written 1 time" in recorder.doubts[0]
    assert recorder.save(run)
    assert read_run(recorder.path) == run
