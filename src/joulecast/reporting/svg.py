"""Figures as text: an SVG that lies in the page and takes its colours, or a file of its own."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

from joulecast.reporting.palette import MARKS, NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", re.DOTALL
)
_TAG, _NUMBER = re.compile(r"<[^>]*>"), re.compile(r"-?\d+\.\d{3,}")
PNG_DPI = 200


def inline(figure: Figure, prefix: str, alt: str, classes: str) -> str:
    """The SVG of a figure drawn in marks, to stand in a page.

    Parameters
    ----------
    prefix : of its ids, so that several figures may share a page. alt : what a reader without eyes
        is told.
    """
    text = _text_of(figure)
    text = _DROPPED.sub("", text[text.index("<svg") :])
    box = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">") + 1 :]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', body))
    body = _TAG.sub(lambda m: _own(m[0], prefix, used), body)  # words stay as they are
    body = re.sub(r">\s+<", "><", body)
    view = box[1] if box else "0 0 100 100"
    width = float(view.split()[2])
    return (
        f'<svg class="{classes}" viewBox="{view}" style="max-width:{width * 1.42:.0f}px" '
        f'role="img" aria-label="{escape(alt)}">{body}'
    )


def _own(tag: str, prefix: str, used: set[str]) -> str:
    """A tag with ids under the prefix, short numbers, variables for colours, the page's type."""
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}', tag)
    tag = tag.replace("url(#", f"url(#{prefix}")
    tag = _NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), tag)
    for name in NAMES:
        tag = tag.replace(MARKS[name], f"var(--{name})")
    tag = re.sub(r"(font: [^;\"]*px) [^;\"]*", r"\1 var(--sans)", tag)
    return re.sub(r"font-family: [^;\"]*", "font-family: var(--sans)", tag)


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``name.svg`` and ``name.png`` of a figure drawn in real colours."""
    folder.mkdir(parents=True, exist_ok=True)
    vector, raster = folder / f"{name}.svg", folder / f"{name}.png"
    vector.write_text(_text_of(figure), encoding="utf-8")
    figure.savefig(raster, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return vector, raster


def _text_of(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()
