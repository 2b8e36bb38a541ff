"""The page in a real browser: silent, alone, quick, readable at every width, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.api_report import report
from joulecast.reporting.palette import DARK, LIGHT
from tests.fakes.browser import browsing, installed
from tests.fakes.report_runs import many, trained

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
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of many runs, with a name that tries to run."""
    runs = [*many(), trained(named="<img src=x onerror=alert(1)>", power_w=900.0)]
    return report(runs, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Tab]:
    """A tab of a browser without a past."""
    with browsing(tmp_path) as opened:
        yield opened


def test_it_says_nothing_asks_for_nothing_and_is_there_at_once(tab: Tab, page: Path) -> None:
    """No error, no request but its own file, first paint within a second."""
    tab.show(1600)
    paints_ms = []
    for _ in range(3):
        tab.load(page)
        paints_ms.append(float(tab.value(_PAINT)))
    assert min(paints_ms) <= 1000
    assert {said["request"]["url"] for said in tab.of("Network.requestWillBeSent")} == {
        page.as_uri()
    }
    assert tab.of("Runtime.consoleAPICalled") == []
    assert tab.of("Runtime.exceptionThrown") == []
    assert tab.of("Log.entryAdded") == []


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_nothing_is_cut_at_any_width(tab: Tab, page: Path, width: int) -> None:
    """No sideways scrolling, one of the two drawings, all its words within it."""
    tab.show(width)
    tab.load(page)
    assert tab.value(_WIDER) <= 0
    shown = tab.value("Array.from(document.querySelectorAll('svg.fig')).map(s => s.clientWidth)")
    assert sum(w > 0 for w in shown) * 2 == len(shown)
    assert tab.value(_CUT) == []


@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_page_and_figures_take_the_colours_that_the_reader_prefers(
    tab: Tab, page: Path, scheme: str, palette: Palette
) -> None:
    """Ground, ink, and the first bar of a figure."""
    tab.show(1600, scheme)
    tab.load(page)

    def colour(selector: str, what: str) -> str:
        found = tab.value(f"getComputedStyle(document.querySelector('{selector}')).{what}")
        red, green, blue = (int(part) for part in found[4:-1].split(","))
        return f"#{red:02x}{green:02x}{blue:02x}"

    assert colour("body", "backgroundColor") == palette["paper"]
    assert colour("body", "color") == palette["ink"]
    assert colour('#figure-power svg.wide path[style*="var(--c1)"]', "fill") == palette["c1"]
    assert colour("svg.wide text", "fill") in {palette["ink"], palette["muted"]}
