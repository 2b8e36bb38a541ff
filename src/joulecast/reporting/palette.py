"""The colours of a report, once for light and once for dark, and the marks that stand for them.

A figure is drawn in marks, colours that nothing else has; `svg.inline` puts CSS variables in their
place, so that one drawing serves both.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("ink", "muted", "rule", "paper", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8")
"""Text, lesser text, lines, ground, and eight series that the colour-blind can tell apart."""

_LIGHT = "#1c1e21 #5a6068 #d9d9d3 #fdfdfb #1f6fb2 #bf5309 #2b7a4b #7a4fa3 #0c757d #b13a63 #756410"
_DARK = "#e9e7e2 #a6aab0 #3a3e43 #15171a #6db3f2 #f0995a #6fcf97 #c49bea #5ccdd5 #f08bae #d8c255"


@dataclass(frozen=True, slots=True)
class Palette:
    """A colour by name, ``#rrggbb``."""

    colours: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.colours[name]

    def series(self, index: int) -> str:
        """Colour of the series `index`; the ninth has the first's again."""
        return self.colours[f"c{index % 8 + 1}"]


def _palette(colours: str, last: str) -> Palette:
    return Palette(dict(zip(NAMES, [*colours.split(), last], strict=True)))


LIGHT = _palette(_LIGHT, "#56616c")
DARK = _palette(_DARK, "#a9b4c0")
MARKS = Palette({name: f"#fe01{16 + i:02x}" for i, name in enumerate(NAMES)})
"""One mark per name."""


def variables(palette: Palette) -> str:
    """The colours as CSS variables."""
    return "".join(f"--{name}:{palette[name]};" for name in NAMES)
