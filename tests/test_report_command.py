"""`joulecast report`: where the file goes, what is said, what is refused."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.command_report import run
from joulecast.core.errors import BadInput
from joulecast.core.run_files import write_run
from joulecast.options import Parser
from joulecast.options_report import add_report, lifecycle
from tests.fakes.report_runs import trained

if TYPE_CHECKING:
    from pathlib import Path


def asked(*words: str) -> argparse.Namespace:
    """The options in `words`."""
    parser = Parser(prog="joulecast")
    add_report(parser.add_subparsers(dest="verb", parser_class=Parser))
    return parser.read(["report", *words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training of two networks and an inference of one."""
    place = tmp_path_factory.mktemp("runs")
    runs = {"a": trained(epochs=2), "b": trained("lenet", task="infer"), "c": trained("lenet")}
    for name, recorded in runs.items():
        write_run(recorded, place / f"{name}.json")
    return place


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks for, in place of a page."""
    seen: list[dict[str, Any]] = []

    def report(runs: object, out: Path, **asked: object) -> Path:
        seen.append({"runs": runs, **asked})
        return out

    monkeypatch.setattr("joulecast.api_report.report", report)
    return seen


def test_the_file_is_written_and_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout holds the path, stderr the progress; title and expected requests are in the page."""
    out = tmp_path / "new" / "report.html"
    words = ("--requests-per-day", "1000", "--days", "10", "--lifecycle", "5:20:75")
    assert run(asked(str(folder), "-o", str(out), "--title", "Mine & yours", *words)) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "predicting 3 runs" in told.err
    text = out.read_text(encoding="utf-8")
    assert "<h1>Mine &amp; yours</h1>" in text
    assert "with 10,000 requests over the life of each" in text
    assert "1 network left out: trained, but without an inference run" in text


def test_quiet_says_nothing_on_stderr(folder: Path, calls: list[dict[str, Any]]) -> None:
    """There is nobody to tell of progress."""
    run(asked(str(folder), "--quiet"))
    run(asked(str(folder)))
    assert calls[0]["progress"] is None
    assert calls[1]["progress"] is not None


def test_the_terminal_needs_no_file_and_no_matplotlib(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Text on stdout, as wide as asked, without colour where nobody looks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert run(asked(str(folder), "--terminal", "--width", "72")) == 0
    text = capsys.readouterr().out
    assert "Time per sample" in text
    assert max(map(len, text.splitlines())) <= 72
    assert "\x1b" not in text
    assert not (tmp_path / "report.html").exists()


def test_predictions_need_no_runs(
    calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Networks and machines by name, the file where it was asked for."""
    words = ("--predict", "vgg16, lenet", "--hw", "hc2", "-o", "p.html", "--figures", "figs")
    assert run(asked(*words)) == 0
    assert calls[0]["runs"] == []
    assert (calls[0]["predict"], calls[0]["hardware"]) == (["vgg16", "lenet"], ["hc2"])
    assert capsys.readouterr().out == "p.html\nfigs\n"


def test_nothing_named_is_refused() -> None:
    """The message shows how it is asked."""
    with pytest.raises(BadInput, match="joulecast report runs/"):
        run(asked())


@pytest.mark.parametrize("text", ["10:20", "10:20:70:1", "0:20:70", "a:b:c", "nan:1:1", ""])
def test_a_life_cycle_has_three_shares(text: str) -> None:
    """Each above 0."""
    with pytest.raises(argparse.ArgumentTypeError):
        lifecycle(text)
