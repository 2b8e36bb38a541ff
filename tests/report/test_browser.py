"""The page in a real browser: silent, alone, quick, readable at every width, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.reporting.palette import DARK, LIGHT
from tests.fakes.browser import browsing, installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from joulecast.reporting.palette import Palette
    from tests.fakes.browser import Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(installed() is None, reason="no Chromium or Chrome here"),
]
_PAINT = """new Promise(done => { const look = () => {
  const seen = performance.getEntriesByName('first-contentful-paint');
  seen.length ? done(seen[0].startTime) : setTimeout(look, 20) }; look() })"""
_WIDER = "document.documentElement.scrollWidth - window.innerWidth"
_CUT = """Array.from(document.querySelectorAll('svg.fig')).filter(s => s.clientWidth > 0)
  .flatMap(s => { const f = s.getBoundingClientRect(); return Array.from(s.querySelectorAll('text'))
    .filter(t => { const b = t.getBoundingClientRect();
      return b.left < f.left - 1 || b.right > f.right + 1 || b.top < f.top - 1
        || b.bottom > f.bottom + 1 }).map(t => t.textContent) })"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """The first tab of a browser."""
    with browsing(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def tab(browser: Tab) -> Tab:
    """A tab without a past."""
    return browser.another()


def test_it_says_nothing_asks_for_nothing_and_is_there_at_once(tab: Tab, full_page: Path) -> None:
    """No error, no request but its own file, first paint within a second."""
    tab.show(1600)
    paints_ms = []
    for _ in range(3):
        tab.load(full_page)
        paints_ms.append(float(tab.value(_PAINT)))
    assert min(paints_ms) <= 1000
    assert {said["request"]["url"] for said in tab.of("Network.requestWillBeSent")} == {
        full_page.as_uri()
    }
    assert tab.of("Runtime.consoleAPICalled") == []
    assert tab.of("Runtime.exceptionThrown") == []
    assert tab.of("Log.entryAdded") == []


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_is_cut_at_any_width(tab: Tab, full_page: Path, width: int) -> None:
    """No sideways scrolling, one of the two drawings, all its words within it."""
    tab.show(width)
    tab.load(full_page)
    assert tab.value(_WIDER) <= 0
    shown = tab.value("Array.from(document.querySelectorAll('svg.fig')).map(s => s.clientWidth)")
    assert sum(w > 0 for w in shown) * 2 == len(shown)
    assert tab.value(_CUT) == []


@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_page_and_figures_take_the_colours_that_the_reader_prefers(
    tab: Tab, full_page: Path, scheme: str, palette: Palette
) -> None:
    """Ground, ink, and the first bar of a figure."""
    tab.show(1600, scheme)
    tab.load(full_page)

    def colour(selector: str, what: str) -> str:
        found = tab.value(f"getComputedStyle(document.querySelector('{selector}')).{what}")
        red, green, blue = (int(part) for part in found[4:-1].split(","))
        return f"#{red:02x}{green:02x}{blue:02x}"

    assert colour("body", "backgroundColor") == palette["paper"]
    assert colour("body", "color") == palette["ink"]
    assert colour('#figure-power svg.wide path[style*="var(--c1)"]', "fill") == palette["c1"]
    assert colour("svg.wide text", "fill") in {palette["ink"], palette["muted"]}
