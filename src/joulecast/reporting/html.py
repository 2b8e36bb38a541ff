"""The few pieces of HTML that a report is made of; all text is escaped here."""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from joulecast.reporting.words import readable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from joulecast.reporting.figures import Table

_NUMBER = re.compile(r"^[+-]?[\d.,]+(\s?[^\s\d]{0,6})?( \([^)]*\))?$|^\u2013$")
_SHORT, _LONG = 22, 30
_UNIT = re.compile(r"(?<=\d) (?=(?:%|[kMGTmµn]?(?:J|Wh|W|s|B)|min|h|d|W)\b|%)")
"""A number and its unit stay on one line."""


def said(text: str) -> str:
    """`text` as the content of an element."""
    return escape(_UNIT.sub("\N{NO-BREAK SPACE}", readable(text)))


def table_of(table: Table) -> str:
    """A table that scrolls sideways where it is too wide; columns of numbers stand right."""
    columns = range(len(table.head))
    right = [all(_NUMBER.match(row[i]) for row in table.rows) and bool(table.rows) for i in columns]
    head = "".join(f"<th scope=col{_as(right[i])}>{said(n)}</th>" for i, n in enumerate(table.head))
    body = "".join(
        "<tr>" + "".join(_cell(text, right=right[i]) for i, text in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    more = f'<p class="more">and {table.left_out:,} more rows</p>' if table.left_out else ""
    return (
        '<div class="wide-table" tabindex="0" role="region" aria-label="table"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
    )


def short_table(table: Table, name: str, most: int = 8) -> str:
    """A table that shows its first rows, and all of them on demand."""
    if len(table.rows) <= most + 2:
        return table_of(table)
    first = replace(table, rows=table.rows[:most], left_out=0)
    count = len(table.rows) + table.left_out
    return table_of(first) + folded(f"All {count:,} {name}", table_of(table))


def folded(summary: str, content: str) -> str:
    """Content that opens on demand."""
    return f"<details><summary>{said(summary)}</summary>{content}</details>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph."""
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{said(text)}</p>"


def notes(texts: Sequence[str], most: int = 12) -> str:
    """A list of remarks, the first of many."""
    items = "".join(f"<li>{said(t)}</li>" for t in texts[:most])
    left = len(texts) - most
    return f'<ul class="notes">{items}{f"<li>and {left:,} more</li>" if left > 0 else ""}</ul>'


def joined(parts: Iterable[str]) -> str:
    """Pieces one after the other, a line each."""
    return "\n".join(part for part in parts if part)


def _as(right: bool) -> str:  # noqa: FBT001
    return ' class="n"' if right else ""


def _cell(text: str, *, right: bool) -> str:
    long = "" if len(text) > _SHORT else ' class="short"'
    kind = ' class="n"' if right else ' class="long"' if len(text) > _LONG else long
    return f"<td{kind}>{said(text)}</td>"
