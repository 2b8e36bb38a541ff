"""The page: one file that needs nothing else, sound markup, everything escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from joulecast.api_report import report
from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.insight import Analysis, Selection
from joulecast.reporting import headline, measured, together
from joulecast.reporting.figures import all_plots
from joulecast.reporting.material import gather
from joulecast.reporting.palette import DARK, LIGHT, MARKS, NAMES
from tests.fakes.report_runs import as_predicted, burst, limited, trained

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects what a page holds and how it nests."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.shown: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names and points at."""
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            elif name in {"href", "src", "xlink:href", "action", "data", "srcset"}:
                self.links.append(value or "")
            elif name in {"style", "clip-path", "fill", "stroke"}:
                self.styles.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Elements close in the order in which they opened."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        if self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self.shown.append(data)


@pytest.fixture(scope="module")
def text(full_page: Path) -> str:
    """The page of many runs, some of them with hostile names."""
    return full_page.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Small:
    """A page of one run, its figures, and what was told on the way."""

    page: Path
    figures: Path
    told: list[str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The page of one training."""
    made = Small(tmp_path_factory.mktemp("small") / "r.html", tmp_path_factory.mktemp("figs"), [])
    report([trained(epochs=2)], made.page, figures=made.figures, progress=made.told.append)
    return made


def test_the_markup_nests_and_every_id_is_there_once(text: str) -> None:
    """All elements are closed; links within the page have their targets."""
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= {f"#{i}" for i in page.ids}
    for style in page.styles:
        assert set(re.findall(r"url\(#([^)]+)\)", style)) <= set(page.ids)


def test_nothing_outside_the_file_is_named(text: str) -> None:
    """No address, no import, no script; the policy forbids all but the page's own style."""
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    assert not {"script", "link", "iframe", "object", "embed", "img", "image"} & set(page.tags)
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_hostile_names_are_shown_not_run(text: str) -> None:
    """The name stands there as text."""
    assert "<script" not in text
    assert "&lt;script&gt;alert" in text


def test_one_drawing_serves_light_and_dark(text: str) -> None:
    """Every mark became a variable, and each variable has a light and a dark colour."""
    assert not [mark for mark in MARKS.colours.values() if mark in text.lower()]
    assert set(re.findall(r"#[0-9a-f]{6}\b", text)) <= {
        *LIGHT.colours.values(),
        *DARK.colours.values(),
    }
    for name in NAMES:
        assert f"--{name}:{LIGHT[name]};" in text
        assert f"--{name}:{DARK[name]};" in text


def test_every_figure_has_both_widths_a_caption_a_name_and_its_data(text: str) -> None:
    """Two drawings, of which one is shown, an alternative text, a caption, a table."""
    figures = re.findall(r"<figure id=\"figure-.*?</figure>", text, re.DOTALL)
    assert len(figures) == len(all_plots())
    for figure in figures:
        assert figure.count("<svg ") == figure.count('role="img"') == 2
        assert len(re.findall(r'aria-label="[^"]{20,}"', figure)) >= 2
        assert figure.count("<figcaption>") == figure.count("<table>") == 1


def test_text_of_figures_stays_text(text: str) -> None:
    """Names of networks can be searched and read aloud."""
    assert re.search(r"<text [^>]*>densenet121</text>", text)


def test_a_page_is_small(text: str) -> None:
    """At most 3 MB."""
    assert len(text.encode()) < 3e6


def test_the_three_numbers_are_on_top(text: str) -> None:
    """Energy, time and how sure stand before the first section."""
    top = text[text.index("<header>") : text.index("</header>")]
    assert re.findall(r"<dt>(.*?)</dt>", top) == ["Energy", "Time", "How sure"]
    assert re.search(r'class="big">[\d.,]+\s?k?Wh', top.replace("\N{NO-BREAK SPACE}", " "))


def test_an_empty_set_still_gives_a_page(tmp_path: Path) -> None:
    """It says that there are no runs, and of each figure why it is missing."""
    text = report((), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "There are no runs" in text
    assert all(plot.TITLE in text for plot in all_plots().values())
    assert "<svg" not in text
    assert Page(text).open == []


def test_predictions_alone_are_told_as_such(tmp_path: Path) -> None:
    """The head says that nobody ran any of it and that this proves nothing; nor do figures."""
    runs = [as_predicted(run) for run in (trained(), trained(task="infer"), burst())]
    text = report(runs, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Nobody ran any of this" in text
    assert "predictions compared with themselves prove nothing" in text
    assert "a prediction against itself proves nothing" in text
    assert '<span class="tag">predicted</span>' in text
    assert '<span class="tag">measured' not in text


def test_networks_can_be_predicted_beside(tmp_path: Path) -> None:
    """Two networks on a machine, without any run."""
    path = report((), tmp_path / "r.html", predict=["vgg16", "resnet18"], hardware=["hc2"])
    assert "4 runs (4 predicted)" in path.read_text(encoding="utf-8")


def test_figures_are_written_in_real_colours(small: Small) -> None:
    """SVG and PNG of each, without marks and variables."""
    names = {file.name for file in small.figures.iterdir()}
    assert {"duration.svg", "duration.png", "epochs.svg", "epochs.png"} <= names
    drawn = (small.figures / "duration.svg").read_text(encoding="utf-8")
    assert LIGHT["c1"] in drawn
    assert not [m for m in MARKS.colours.values() if m in drawn]
    assert (small.figures / "duration.png").read_bytes()[:4] == b"\x89PNG"


def test_the_same_runs_give_the_same_page(small: Small, tmp_path: Path) -> None:
    """Byte by byte: nothing in it depends on the clock or on chance."""
    again = report([trained(epochs=2)], tmp_path / "b.html")
    assert small.page.read_bytes() == again.read_bytes()


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    """Said before any work is done, with what to name instead."""
    with pytest.raises(BadInput, match=r"is a folder. Name a file in it, such as .*report\.html"):
        report([trained()], tmp_path, progress=pytest.fail)


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the extra."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"joulecast\[plot\]"):
        report((), tmp_path / "r.html")


@pytest.mark.parametrize(
    "given",
    [
        {"level": 2.0},
        {"lifecycle": (1.0, 2.0)},
        {"lifecycle": (1.0, 0.0, 2.0)},
        {"requests_per_day": -1.0},
        {"days": float("nan")},
        {"predict": ["vgg16"]},
    ],
)
def test_absurd_questions_are_refused(tmp_path: Path, given: dict[str, object]) -> None:
    """Nothing is written."""
    with pytest.raises(BadInput):
        report((), tmp_path / "r.html", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "r.html").exists()


def test_progress_is_told(small: Small) -> None:
    """Reading, predicting, drawing, writing."""
    assert small.told[:2] == ["read 1 run", "predicting 1 run"]
    assert any(line.startswith("drawing") for line in small.told)
    assert "writing duration" in small.told


def test_an_in_sample_agreement_is_called_so_on_top() -> None:
    """A run of a source that the predictor was fitted on: the number itself says in-sample."""
    fitted = replace(trained(), source="zeus_nsdi23")
    _, number, text = headline.three(gather([fitted], None))[2]
    assert number.endswith("% in-sample")
    assert "the predictor was fitted on their sources" in text


def test_the_agreement_on_top_is_of_runs_that_the_predictor_never_saw() -> None:
    """In-sample runs beside others are counted and left out of the number."""
    fresh, fitted = trained(), replace(trained("lenet"), source="zeus_nsdi23")
    told = gather([fresh, fitted], None)
    assert [p.fitted for p in told.energies] == [False, True]
    _, number, text = headline.three(told)[2]
    assert number == headline.three(gather([fresh], None))[2][1]
    assert text.endswith("1 in-sample run left out")
    assert "Energy of 1 in-sample run (the predictor was fitted" in measured.section(told)


def test_runs_without_a_duration_are_counted() -> None:
    """The time on top says of how many runs it is not."""
    run = trained()
    silent = replace(run, measurement=replace(run.measurement, duration_s=None))
    _, _, text = headline.three(gather([run, silent], None))[1]
    assert text == "of 1 run one after the other; 1 run without a duration left out"


def test_a_table_without_sensors_is_taken_at_its_word() -> None:
    """A row that names no source is not said to have had a sensor."""
    run = trained()
    row = replace(run, measurement=replace(run.measurement, energy_source={}))
    assert "names no sensor" in measured.section(gather([row], None))
    assert "names no sensor" not in measured.section(gather([run], None))


def test_a_machine_in_several_set_ups_says_so() -> None:
    """Two runs at 200 W and one at 100 W: the commonest is shown, the other counted."""
    runs = [limited(watts) for watts in (100.0, 200.0, 200.0)]
    text = measured.section(gather(runs, None)).replace("\N{NO-BREAK SPACE}", " ")
    assert "RTX 3090 at 200 W" in text
    assert "(commonest of 2 set-ups)" in text


def test_seven_features_are_six_and_one_more() -> None:
    """The seventh is counted; a fit that is worse than the mean is not called unknown."""
    importances = {f"f{i}": 1 / 7 for i in range(7)}
    chosen = Selection("group", "infer", "system", importances, 20.0, -0.4, 8, 2)
    text = together.correlations(Analysis(10, 5, ("hc2",), {}, selections=(chosen,)))
    assert "and 1 more<" in text
    assert ">below 0<" in text
