"""Every exception this package raises on purpose.

::

    JoulecastError          base: catch this one
    |-- UnknownName         a name that no catalogue, alias or file answers to
    |-- BadInput            a value that cannot be right (NaN, negative, wrong type, malformed file)
    |-- BadRecord           a stored record that cannot be read back
    |-- DoesNotFit          the weights alone exceed the machine's memory
    |-- MissingExtra        an optional dependency is not installed
    |-- MeterUnavailable    a meter that this machine does not offer
    |-- MeterReadError      a reading that failed; the next may succeed
    `-- NotFitted           no predictor is there, or it lacks what was asked for
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class JoulecastError(Exception):
    """Base of all errors; its message says what was wrong, what was seen and what to do."""


class UnknownName(JoulecastError):
    """A name that no catalogue, alias or file answers to; the message lists the nearest three."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.hint = hint
        self.nearest = nearest_names(name, known)
        near = f" Nearest: {', '.join(self.nearest)}." if self.nearest else ""
        super().__init__(f"unknown {kind} '{name}'.{near}{' ' + hint if hint else ''}")

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, list[str], str]]:
        """Arguments to build the same error in another process."""
        return type(self), (self.kind, self.name, self.nearest, self.hint)


class BadInput(JoulecastError):
    """A value that cannot be right, or a file that cannot be read as what it should be."""


class BadRecord(JoulecastError):
    """A stored run or bundle that cannot be read back."""


class DoesNotFit(JoulecastError):
    """The weights alone exceed the machine's memory."""


class MissingExtra(JoulecastError):
    """An optional dependency is not installed; the message says the exact command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        self.purpose = purpose
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f"Run: pip install 'joulecast[{extra}]'",
        )

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str, str]]:
        """Arguments to build the same error in another process."""
        return type(self), (self.package, self.extra, self.purpose)


class MeterUnavailable(JoulecastError):
    """A meter that this machine does not offer; `fix` says what would change that."""

    def __init__(self, meter: str, reason: str, fix: str = "") -> None:
        self.meter = meter
        self.reason = reason
        self.fix = fix
        super().__init__(f"{meter}: {reason}.{' ' + fix if fix else ''}")

    def __reduce__(self) -> tuple[type[MeterUnavailable], tuple[str, str, str]]:
        """Arguments to build the same error in another process."""
        return type(self), (self.meter, self.reason, self.fix)


class MeterReadError(JoulecastError):
    """A reading that failed: a gap in the trace, never 0."""


class NotFitted(JoulecastError):
    """No predictor is there, or it lacks what was asked for."""


def edit_distance(left: str, right: str) -> int:
    """Number of edits between two words; a swap of neighbours is one edit.

    Optimal string alignment distance (Damerau 1964, restricted form).

    >>> edit_distance("vgg61", "vgg16")
    1
    """
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]


def nearest_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names nearest to `name`; ties keep the order in which they were given.

    A name that contains what was typed counts as two edits nearer.

    >>> nearest_names("vgg61", ["resnet18", "vgg16", "vgg19"], count=1)
    ['vgg16']
    """
    folded = name.casefold()
    candidates = list(dict.fromkeys(known))
    alike = [k for k in candidates if abs(len(k) - len(folded)) <= len(folded)]
    if len(alike) < count:  # a word this short has few of its length
        alike = candidates

    def distance(k: str) -> int:
        return edit_distance(folded, k.casefold()) - 2 * (folded in k.casefold())

    return sorted(alike, key=distance)[:count]
