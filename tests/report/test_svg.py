"""Figures as text: variables for colours, ids of their own, words as words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.reporting.canvas import NARROW_IN, WIDE_IN, Canvas, drawing
from joulecast.reporting.palette import DARK, LIGHT, MARKS, NAMES, Palette
from joulecast.reporting.svg import inline
from joulecast.reporting.words import readable


def test_numbers_in_names_stay_as_they_are() -> None:
    """Coordinates are rounded, the name of a network is not."""
    with drawing(MARKS):
        canvas = Canvas(WIDE_IN, MARKS)
        figure, _ = canvas.panels(["net-7.48452-e0.04949"], 2.0)
        text = inline(figure, "f-", "x", "fig")
    assert ">net-7.48452-e0.04949</text>" in text
    assert not re.search(r'="[^"]*\d\.\d{4}', text)


@pytest.mark.parametrize(
    ("unit", "limits", "scale", "shown"),
    [
        ("Wh", (0.0, 8e5), "linear", "0.1 kWh"),
        ("s", (0.0, 300.0), "linear", "2 min"),
        ("s", (0.0, 8000.0), "linear", "0.5 h"),
        ("J", (0.0, 0.5), "linear", "200 mJ"),
        ("", (0.0, 5000.0), "linear", "2,000"),
        ("", (0.03, 3.0), "log", "0.1"),
    ],
)
def test_prefixes_are_for_units_that_take_them(
    unit: str, limits: tuple[float, float], scale: str, shown: str
) -> None:
    """Never millis of kilowatt-hours, minutes or plain numbers."""
    with drawing(MARKS):
        canvas = Canvas(WIDE_IN, MARKS)
        figure, (ax,) = canvas.panels([""], 2.0)
        ax.set_xscale(scale)
        ax.set_xlim(*limits)
        canvas.units(ax.xaxis, unit, log=scale == "log")
        figure.draw_without_rendering()
    assert shown in [label.get_text() for label in ax.get_xticklabels()]


@pytest.mark.parametrize("width_in", [WIDE_IN, NARROW_IN])
@pytest.mark.parametrize("count", [1, 5, 8])
@pytest.mark.parametrize("long", [3, 27, 80])
def test_a_legend_fits_its_figure(width_in: float, count: int, long: int) -> None:
    """However many names of whatever length: none is beyond the right edge, all are there."""
    with drawing(MARKS):
        canvas = Canvas(width_in, MARKS)
        figure, _ = canvas.panels([""], 2.0)
        names = [f"{i}{'n' * long}" for i in range(count)]
        canvas.legend(figure, {name: canvas.dot("c1") for name in names})
        figure.draw_without_rendering()
        (legend,) = figure.legends
        assert legend.get_window_extent().x1 <= figure.bbox.x1
    assert len(legend.get_texts()) == count


@pytest.fixture(scope="module")
def svg() -> str:
    """A bar in every colour, a hatched one, a point, and a title that looks like markup."""
    with drawing(MARKS):
        canvas = Canvas(WIDE_IN, MARKS)
        figure, (left, right) = canvas.panels(["<b>$x$</b> & _y", "plain"], 2.0)
        for i, name in enumerate(NAMES):
            left.barh(i, 1.0, **canvas.fill(name, hatched=i == 5))
        right.plot([1, 2], [1, 1000], "o", color=MARKS["c1"])
        right.set_yscale("log")
        canvas.units(right.yaxis, "J", log=True)
        return inline(figure, "f-", 'say "hi" <now>', "fig")


def test_all_colours_are_variables(svg: str) -> None:
    """No colour stands in the drawing itself, and every name is used."""
    assert not re.search(r"#[0-9a-fA-F]{6}\b", svg)
    assert {*re.findall(r"var\(--(\w+)\)", svg)} == {*NAMES, "sans"}


def test_ids_are_only_those_that_are_used_under_the_prefix(svg: str) -> None:
    """Two figures on a page cannot meet."""
    ids = set(re.findall(r' id="([^"]+)"', svg))
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg))
    assert ids == {a or b for a, b in used}
    assert all(i.startswith("f-") for i in ids)


def test_words_are_escaped_and_not_read_as_formulas(svg: str) -> None:
    """The title is there as it was written, the alternative text within its quotes."""
    assert "&lt;b&gt;$x$&lt;/b&gt; &amp; _y</text>" in svg
    assert 'aria-label="say &quot;hi&quot; &lt;now&gt;"' in svg


def test_a_drawing_carries_no_baggage(svg: str) -> None:
    """No metadata, no style sheet, no comments, no addresses."""
    assert not re.search(r"<metadata|<style|<!--|http|xmlns", svg)


def test_ticks_carry_units(svg: str) -> None:
    """Decades of joules."""
    assert [t for t in ("1 J", "100 J", "1 kJ") if f">{t}</text>" not in svg] == []


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("name", [n for n in NAMES if n not in {"paper", "rule"}])
def test_colours_stand_out_from_the_ground(palette: Palette, name: str) -> None:
    """Text at least 4.5 : 1, series at least 3 : 1 (WCAG 2.1, 1.4.3 and 1.4.11)."""
    high, low = sorted((_luminance(palette[name]), _luminance(palette["paper"])), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= (4.5 if name in {"ink", "muted"} else 3.0)


def _luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(st.text(), st.integers(min_value=3, max_value=40))
def test_a_name_is_one_line_of_signs_that_a_file_can_hold(text: str, most: int) -> None:
    """Never longer than asked, never a line break or a control sign."""
    told = readable(text, most)
    assert len(told) <= most
    assert told.isprintable()


@settings(max_examples=30)
@given(
    st.floats(min_value=1e-9, max_value=1e9),
    st.floats(min_value=1.0, max_value=1e6),
    st.sampled_from(["J", "s", "W", "Wh", ""]),
)
def test_axes_always_have_ticks_within_their_limits(low: float, ratio: float, unit: str) -> None:
    """Between one and twelve, whatever the range."""
    with drawing(MARKS):
        canvas = Canvas(WIDE_IN, MARKS)
        _, (ax,) = canvas.panels([""], 2.0)
        ax.set_xlim(0, low * ratio)
        canvas.units(ax.xaxis, unit)
        ax.set_yscale("log")
        ax.set_ylim(low, low * ratio * 1.5)
        canvas.units(ax.yaxis, unit, log=True)
    for axis in (ax.xaxis, ax.yaxis):
        start, end = axis.get_view_interval()
        ticks = axis.get_majorticklocs()
        assert 1 <= len(ticks) <= 12
        assert all(start <= t <= end for t in ticks)
