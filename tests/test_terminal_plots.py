"""The key figures as text: within their columns, in colour only where asked, of any runs."""

from __future__ import annotations

import re

import pytest

from joulecast.reporting.material import gather
from joulecast.terminal_plots import terminal_report
from tests.fakes.report_runs import as_predicted, burst, many, trained


@pytest.mark.parametrize("columns", [60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    """With every figure there."""
    text = terminal_report(gather(many(), None), columns)
    assert max(map(len, text.splitlines())) <= columns
    for title in ("Time per sample", "Mean power", "MACs per parameter", "requests per second"):
        assert title in text
    assert "Predicted over measured energy" in text


def test_without_colour_there_are_no_escapes_and_with_it_the_same_words() -> None:
    """Colour adds nothing but colour."""
    material = gather(many(), None)
    plain = terminal_report(material, 80)
    painted = terminal_report(material, 80, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == plain


def test_bars_are_as_long_as_their_numbers() -> None:
    """Three times the time is three times the length."""
    runs = [trained(sample_s=3e-4), trained("lenet", sample_s=1e-4)]
    lines = terminal_report(gather(runs, None), 80).splitlines()
    (slow,) = [line for line in lines if line.strip().startswith("vgg16") and "µs" in line]
    (fast,) = [line for line in lines if line.strip().startswith("lenet") and "µs" in line]
    assert slow.endswith("300 µs")
    assert slow.count("█") == pytest.approx(3 * fast.count("█"), abs=2)


def test_predicted_runs_are_marked() -> None:
    """By a letter beside the name, and in the heading."""
    text = terminal_report(gather([as_predicted(trained())], None), 80)
    assert "vgg16 p" in text
    assert "p: predicted" in text
    assert "(predicted)" in text


@pytest.mark.parametrize("runs", [[], [burst()], [trained("lenet", task="infer")]])
def test_few_runs_still_give_a_text(runs: list[object]) -> None:
    """Never empty, never an error."""
    text = terminal_report(gather(runs, None), 80)  # type: ignore[arg-type]
    assert "energy" in text


def test_names_cannot_move_the_cursor() -> None:
    """Control signs in a name are spaces."""
    text = terminal_report(gather([trained(named="\x1b[2Jnet\r\n", epochs=2)], None), 80)
    assert "\x1b" not in text
    assert "\r" not in text
