"""Numbers and lists as a report writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.units import format_duration, format_energy, format_si

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE = "\N{EN DASH}"
"""What stands where nothing is known."""


def joules(value: float | None) -> str:
    """Energy with a prefix, three digits.

    >>> joules(0.01234), joules(None) == NONE
    ('12.3 mJ', True)
    """
    return NONE if value is None else format_si(value, "J")


def energy(value: float | None) -> str:
    """Energy in the unit that a person would pick."""
    return NONE if value is None else format_energy(value)


def seconds(value: float | None) -> str:
    """A duration."""
    return NONE if value is None else format_duration(value)


def watts(value: float | None) -> str:
    """Power."""
    return NONE if value is None else format_si(value, "W")


def percent(frac: float | None, digits: int = 0) -> str:
    """A share.

    >>> percent(0.123), percent(0.9996)
    ('12 %', '99.9 %')
    """
    if frac is None:
        return NONE
    if 0.995 <= frac < 1:
        return f"{100 * min(frac, 0.999):.1f} %"  # never all of it
    return f"{100 * frac:.{digits}f} %"


def gigabytes(value: float | None) -> str:
    """Bytes in GB of 1e9.

    >>> gigabytes(1.26e9), gigabytes(141e9)
    ('1.3 GB', '141 GB')
    """
    return NONE if value is None else f"{plain(value / 1e9, 2)} GB"


def plain(value: float | None, digits: int = 3) -> str:
    """A number without a unit.

    >>> plain(0.1234), plain(1024.0), plain(123.0, 2)
    ('0.123', '1,024', '123')
    """
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 10**digits - 0.5 else f"{value:.{digits}g}"


def counted(count: int, word: str) -> str:
    """A count with its noun.

    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def listed(words: Sequence[str], most: int = 3) -> str:
    """The first of `words` and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    if len(words) > most + 1:
        return f"{', '.join(words[:most])} and {len(words) - most:,} more"
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def readable(text: str, most: int = 0) -> str:
    r"""`text` on one line without signs that no file can hold, cut in its middle at `most`.

    >>> readable("a\nb\x00"), readable("a-very-long-name", 9)
    ('a b ', 'a-ve…name')
    """
    clean = "".join(c if c.isprintable() else " " for c in str(text))
    if not most or len(clean) <= most:
        return clean
    tail = (most - 1) // 2
    return f"{clean[: most - 1 - tail]}…{clean[len(clean) - tail :]}"
