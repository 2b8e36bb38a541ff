"""The page: head, three numbers, contents, sections, figures; text in, one HTML file out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast import __version__
from joulecast.reporting import headline, html, measured, together
from joulecast.reporting.canvas import NARROW_IN, WIDE_IN, Canvas, drawing
from joulecast.reporting.figures import all_plots
from joulecast.reporting.palette import LIGHT, MARKS
from joulecast.reporting.style import sheet
from joulecast.reporting.svg import inline, save
from joulecast.reporting.words import counted, listed, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from joulecast.reporting.figures import Plot
    from joulecast.reporting.material import Material

_FOOT = (
    f"<footer>Made by joulecast {html.said(__version__)}. Joules are gross (idle included) "
    "unless it says net; a sample of a model server is a request.</footer>"
)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page.

    Attributes
    ----------
    id : of its heading. figures : ids and titles of what the contents list below it.
    """

    id: str
    title: str
    content: str
    figures: tuple[tuple[str, str], ...] = ()


def page(material: Material, title: str, progress: Callable[[str], None] | None = None) -> str:
    """The whole file."""
    drawn, silent = _figures(material, progress)
    parts = [
        Part("advice", "Recommendations", together.recommendations(material.analysis)),
        Part("measured", "What was measured, and how sure it is", measured.section(material)),
        Part("figures", "Figures", "".join(text for _, _, text in drawn), _listed(drawn)),
        Part("together", "What goes with energy", together.correlations(material.analysis)),
        Part("silent", "Not in this report", _silent(silent)),
    ]
    parts = [part for part in parts if part.content]
    return html.joined(
        [
            "<!doctype html>",
            '<html lang="en">',
            _head(title),
            '<body><div class="page">',
            _header(material, title),
            _contents(parts),
            "<main>",
            *(
                f'<section><h2 id="{p.id}">{html.said(p.title)}</h2>{p.content}</section>'
                for p in parts
            ),
            "</main>",
            _FOOT,
            "</div></body>",
            "</html>",
            "",
        ]
    )


def write_figures(
    material: Material, folder: Path, progress: Callable[[str], None] | None = None
) -> list[Path]:
    """Write every figure as SVG and PNG in the colours of light; the files in their order."""
    files: list[Path] = []
    with drawing(LIGHT):
        for name, plot in all_plots().items():
            if not plot.missing(material):
                if progress:
                    progress(f"writing {name}")
                files += save(plot.draw(material, Canvas(WIDE_IN, LIGHT)).figure, folder, name)
    return files


def _figures(
    material: Material, progress: Callable[[str], None] | None
) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Id, title and text of each figure, and why others are not there."""
    drawn: list[tuple[str, str, str]] = []
    silent: dict[str, str] = {}
    with drawing(MARKS):
        for name, plot in all_plots().items():
            why = plot.missing(material)
            if why:
                silent[plot.TITLE] = why
                continue
            if progress:
                progress(f"drawing {plot.TITLE.lower()}")
            key = f"figure-{name.replace('_', '-')}"
            drawn.append((key, plot.TITLE, _figure(key, plot, material)))
    return drawn, silent


def _figure(key: str, plot: Plot, material: Material) -> str:
    """A figure at both widths, its caption and its data."""
    wide = plot.draw(material, Canvas(WIDE_IN, MARKS))
    narrow = plot.draw(material, Canvas(NARROW_IN, MARKS))
    tag = f'<span class="tag">{html.said(wide.basis)}</span>' if wide.basis else ""
    return html.joined(
        [
            f'<figure id="{key}"><h3>{html.said(plot.TITLE)} {tag}</h3>',
            inline(wide.figure, f"{key}-w-", wide.alt, "fig wide"),
            inline(narrow.figure, f"{key}-n-", wide.alt, "fig narrow"),
            f"<figcaption>{html.said(wide.caption)}</figcaption>",
            html.folded("The numbers", html.table_of(wide.table)),
            "</figure>",
        ]
    )


def _listed(drawn: list[tuple[str, str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, title) for key, title, _ in drawn)


def _silent(why: Mapping[str, str]) -> str:
    return html.notes([f"{title}: {reason}" for title, reason in why.items()], 99) if why else ""


def _head(title: str) -> str:
    return (
        '<head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.said(title)}</title><style>{sheet()}</style></head>"
    )


def _header(material: Material, title: str) -> str:
    count = Counter(p.basis or "time only" for p in material.points)
    kinds = ", ".join(f"{n:,} {basis}" for basis, n in count.most_common())
    where = listed([readable(m, 30) for m in material.machines], 3)
    lead = f"{counted(len(material.points), 'run')} ({kinds}) on {where}." if count else "No runs."
    if count and set(count) == {"predicted"}:
        lead += " Nobody ran any of this: all numbers are predicted."
    numbers = "".join(
        f'<div><dt>{html.said(name)}</dt><dd><span class="big">{html.said(number)}</span><br>'
        f'<span class="by">{html.said(text)}</span></dd></div>'
        for name, number, text in headline.three(material)
    )
    return (
        f"<header><h1>{html.said(title)}</h1>{html.paragraph(lead, 'lead')}"
        f'<dl class="three">{numbers}</dl></header>'
    )


def _contents(parts: list[Part]) -> str:
    """Links to the sections and figures."""

    def item(part: Part) -> str:
        below = "".join(f'<li><a href="#{k}">{html.said(t)}</a></li>' for k, t in part.figures)
        inner = f"<ol>{below}</ol>" if below else ""
        return f'<li><a class="top" href="#{part.id}">{html.said(part.title)}</a>{inner}</li>'

    return f'<nav aria-label="Contents"><ol>{"".join(map(item, parts))}</ol></nav>'
