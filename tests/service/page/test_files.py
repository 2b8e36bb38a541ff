"""The page's files held against each other and the catalogue, without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import joulecast.service
from joulecast.asking_serving import ENGINES
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.datasets import grid

PAGE = Path(joulecast.service.__file__).parent / "page"
HTML = (PAGE / "index.html").read_text(encoding="utf-8")
SCRIPTS = {path.name: path.read_text(encoding="utf-8") for path in sorted(PAGE.glob("*.js"))}
TEXTS = {**SCRIPTS, "index.html": HTML, "app.css": (PAGE / "app.css").read_text(encoding="utf-8")}
_SVG = "http://www.w3.org/2000/svg"
_DANGEROUS = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"),
    *('setAttribute("style"', "createContextualFragment", "srcdoc"),
)


class Tags(HTMLParser):
    """The elements of a page: tag and attributes each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inline = False
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found.append((tag, dict(attrs)))
        self._tag = tag

    def handle_endtag(self, tag: str) -> None:
        """Forget what was open."""
        self._tag = "" if tag == self._tag else self._tag

    def handle_data(self, data: str) -> None:
        """See whether a script or a style stands in the page itself."""
        self.inline |= self._tag in {"script", "style"} and bool(data.strip())


TAGS = Tags(HTML)
IDS = [attributes["id"] for _, attributes in TAGS.found if "id" in attributes]


@pytest.mark.parametrize("name", TEXTS)
def test_a_file_refers_to_no_other_site(name: str) -> None:
    """No address of another host stands in any file; the name of SVG's vocabulary is none."""
    text = TEXTS[name].replace(_SVG, "")
    assert not re.search(r"https?:|wss?:|(?<![:\w])//[\w-]+\.\w|@import|url\(", text)


def test_no_script_or_style_stands_in_the_page() -> None:
    """The strict content policy lets none of them run, so there is none."""
    assert not TAGS.inline
    for _, attributes in TAGS.found:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_makes_no_markup_from_text(name: str) -> None:
    """Data enters as text only."""
    assert not [word for word in _DANGEROUS if word in SCRIPTS[name]]


def test_every_id_that_is_named_exists_once() -> None:
    """Labels, descriptions, and what the scripts look for."""
    assert len(IDS) == len(set(IDS))
    named: set[str] = set()
    for _, attributes in TAGS.found:
        for key in ("for", "aria-controls", "aria-describedby", "aria-labelledby"):
            named |= set((attributes.get(key) or "").split())
    for text in SCRIPTS.values():
        named |= set(re.findall(r'byId\("([\w-]+)"\)', text))
    assert named <= set(IDS)
    assert {f"view-{view}" for view in ("estimate", "compare", "fleet", "accuracy")} <= set(IDS)
    assert {"hw-list", "hw-count", "model-list", "model-count"} <= set(IDS)


def test_every_field_has_a_label() -> None:
    """A field without one is nameless to who hears the page."""
    labelled = {attributes.get("for") for tag, attributes in TAGS.found if tag == "label"}
    for tag, attributes in TAGS.found:
        if tag in {"input", "select"} and attributes.get("type") != "radio":
            assert attributes["id"] in labelled


def test_imports_are_exported_where_they_come_from() -> None:
    """Every module exists, offers what is taken from it, and is loaded ahead of time."""
    ahead = {a["href"] for tag, a in TAGS.found if tag == "link" and a["rel"] == "modulepreload"}
    imported = set()
    for text in SCRIPTS.values():
        for names, module in re.findall(
            r'^import \{([^}]+)\} from "\./([\w.]+)";', text, re.MULTILINE
        ):
            imported.add(module)
            for name in re.findall(r"\w+", names):
                exported = rf"^export (async )?(function|class|const) {name}\b"
                assert re.search(exported, SCRIPTS[module], re.MULTILINE), (module, name)
    assert ahead == imported
    assert set(SCRIPTS) == imported | {"app.js", "theme.js"}


def test_regions_are_those_of_the_table() -> None:
    """Codes and names as the service knows them."""
    listed = dict(re.findall(r'\["(\w+)", "([^"]+)"\]', SCRIPTS["regions.js"]))
    assert listed == {g.code: g.name for g in grid.grids().values() if g.code != grid.WORLD}


def test_choices_are_known_to_the_service() -> None:
    """Precisions and engines that the page offers."""
    choices: dict[str, list[str]] = {}
    for name, inner in re.findall(r'<select id="(\w+)".*?>(.*?)</select>', HTML, re.DOTALL):
        choices[name] = re.findall(r"<option>([^<]+)</option>", inner)
    assert set(choices["precision"]) <= set(BYTES_PER_VALUE)
    assert set(choices["weights"]) <= set(BYTES_PER_VALUE)
    assert tuple(choices["engine"]) == ENGINES


@pytest.mark.parametrize("name", TEXTS)
def test_no_file_is_long(name: str) -> None:
    """A file that says one thing says it in 300 lines."""
    assert TEXTS[name].count("\n") <= 300
