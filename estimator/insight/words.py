"""How sentences about many runs say how many."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`count` with its noun in the right number.

    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
