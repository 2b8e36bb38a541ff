"""The text format in which servers and exporters tell their metrics (Prometheus 0.0.4).

A line that is malformed costs itself, not the page: servers have printed such lines.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINE = re.compile(
    r"^(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)\s*"
    r"(?:\{(?P<labels>(?:[^\"{}]|\"(?:[^\"\\]|\\.)*\")*)\})?"
    r"\s+(?P<value>[^\s#]+)"
)
_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*\"((?:[^\"\\]|\\.)*)\"")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series.

    Attributes
    ----------
    name : with every ``:`` as ``_``, for gateways pass names on either way.
    """

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> tuple[Sample, ...]:
    r"""The samples of a page, in its order; what is no finite number is left out.

    >>> parse('# TYPE a:b gauge\na:b{gpu="0"} 2.5 1700000000000\nbroken{ 1\nc NaN')
    (Sample(name='a_b', value=2.5, labels={'gpu': '0'}),)
    """
    found = []
    for line in text.splitlines():
        match = None if line.lstrip().startswith("#") else _LINE.match(line.strip())
        value = math.nan if match is None else _number(match["value"])
        if match is not None and math.isfinite(value):
            name = match["name"].replace(":", "_")
            found.append(Sample(name, value, _labels(match["labels"] or "")))
    return tuple(found)


def _labels(text: str) -> dict[str, str]:
    return {name: _ESCAPED.sub(_unescape, value) for name, value in _LABEL.findall(text)}


def _unescape(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
