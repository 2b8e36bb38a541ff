"""What captions say of all figures alike: where numbers come from, and what is not there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from joulecast.reporting.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.reporting.points import Chosen, Point

Entry = TypeVar("Entry")


def basis_of(points: Sequence[Point], *, timed: bool = False) -> str:
    """Where the figures of `points` come from, in words.

    Parameters
    ----------
    timed : they are of time, which a clock stands behind, not of energy.
    """
    bases = ["measured" if timed and not p.predicted else p.basis for p in points]
    count = Counter(basis for basis in bases if basis)
    return " and ".join(name for name, _ in count.most_common())


def not_drawn(*what: tuple[int, str]) -> str:
    """A sentence about what found no room, empty where all did; counts below 1 are none.

    >>> not_drawn((2, "more machine"), (0, "smaller bar"))
    ' Not drawn: 2 more machines.'
    """
    parts = [counted(count, word) for count, word in what if count > 0]
    return f" Not drawn: {listed(parts)}." if parts else ""


def left_out(chosen: Chosen) -> str:
    """A sentence about runs that know energy only in other scopes."""
    if not chosen.left_out:
        return ""
    return f" {counted(chosen.left_out, 'run')} without {chosen.scope} energy left out."


def at_usual_batch(points: Sequence[Point]) -> str:
    """A sentence on which runs stand for a network, where there are several batch sizes."""
    if len({p.batch_size for p in points}) < 2:
        return ""
    return " Networks stand at the commonest batch size of their panel, or else of their own."


def thinned(entries: Sequence[Entry], most: int) -> Sequence[Entry]:
    """Evenly chosen `entries`, at most so many."""
    return entries[:: max(-(-len(entries) // most), 1)]
