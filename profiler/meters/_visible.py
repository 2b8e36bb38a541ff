"""Which GPUs a process may use, as CUDA_VISIBLE_DEVICES and its kin say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def visible(value: str | None, uuids: Sequence[str]) -> tuple[int, ...]:
    """Indices of the GPUs that `value` lets a process see, in the order in which it sees them.

    The rules are CUDA's: ``None`` is all, empty is none, an entry that fits nothing (-1, an
    index too high, an unknown or ambiguous UUID) ends the list, and the start of a UUID will do.
    A GPU named twice counts once.

    Parameters
    ----------
    value : of the variable, e.g. ``"1,0"`` or ``"GPU-34319582"``.
    uuids : (n_gpus,), in the order of the driver's indices.

    >>> visible("2,0,-1,1", ["GPU-a", "GPU-b", "GPU-c"])
    (2, 0)
    >>> visible("GPU-b", ["GPU-a", "GPU-b"])
    (1,)
    """
    if value is None:
        return tuple(range(len(uuids)))
    chosen: list[int] = []
    for entry in value.split(","):
        index = _index(entry.strip(), uuids)
        if index is None:
            break
        if index not in chosen:
            chosen.append(index)
    return tuple(chosen)


def uses_indices(value: str | None) -> bool:
    """Whether `value` names GPUs by number, whose order CUDA may see differently.

    >>> uses_indices("0,1"), uses_indices("GPU-34319582"), uses_indices(None)
    (True, False, False)
    """
    return value is not None and any(e.strip().isdecimal() for e in value.split(","))


def _index(entry: str, uuids: Sequence[str]) -> int | None:
    if entry.isdecimal():
        return int(entry) if int(entry) < len(uuids) else None
    if not entry.upper().startswith("GPU-"):
        return None
    fitting = [i for i, uuid in enumerate(uuids) if uuid.upper().startswith(entry.upper())]
    return fitting[0] if len(fitting) == 1 else None
