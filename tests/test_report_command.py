"""`joulecast report`: where the file goes, what is said, what is refused."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a training and an inference run."""
    for name, recorded in (("a", trained(epochs=2)), ("b", trained("lenet", task="infer"))):
        write_run(recorded, tmp_path / "runs" / f"{name}.json")
    return tmp_path / "runs"


def test_the_file_is_written_and_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stdout holds the path, stderr the progress."""
    out = tmp_path / "new" / "report.html"
    assert run(asked(str(folder), "-o", str(out), "--title", "Mine & yours")) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n"
    assert "predicting 2 runs" in told.err
    assert "<h1>Mine &amp; yours</h1>" in out.read_text(encoding="utf-8")


def test_quiet_says_nothing_on_stderr(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor anything else than the path."""
    run(asked(str(folder), "-o", str(tmp_path / "r.html"), "--quiet"))
    assert capsys.readouterr().err == ""


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


def test_the_volume_in_use_reaches_the_page(folder: Path, tmp_path: Path) -> None:
    """A thousand requests a day for ten days."""
    write_run(trained("vgg16", task="infer"), folder / "c.json")
    out = tmp_path / "r.html"
    words = ("--requests-per-day", "1000", "--days", "10", "--lifecycle", "5:20:75", "--quiet")
    run(asked(str(folder), "-o", str(out), *words))
    assert "with 10,000 requests over the life of each" in out.read_text(encoding="utf-8")


def test_predictions_need_no_runs(tmp_path: Path) -> None:
    """Networks and machines by name."""
    out = tmp_path / "r.html"
    words = ("--predict", "vgg16, lenet", "--hw", "hc2", "-o", str(out), "--quiet")
    assert run(asked(*words)) == 0
    assert "4 runs (4 predicted) on hc2" in out.read_text(encoding="utf-8")


def test_nothing_named_is_refused() -> None:
    """The message shows how it is asked."""
    with pytest.raises(BadInput, match="joulecast report runs/"):
        run(asked())


@pytest.mark.parametrize("text", ["10:20", "10:20:70:1", "0:20:70", "a:b:c", "nan:1:1", ""])
def test_a_life_cycle_has_three_shares(text: str) -> None:
    """Each above 0."""
    with pytest.raises(argparse.ArgumentTypeError):
        lifecycle(text)
