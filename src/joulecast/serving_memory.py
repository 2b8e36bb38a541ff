"""Whether the memory of a machine holds a model and one request of it, and what would."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from joulecast.core.errors import DoesNotFit
from joulecast.core.units import BYTES_PER_GB, BYTES_PER_VALUE

if TYPE_CHECKING:
    from joulecast.core.records import Machine, Setup

_ENGINE_SHARE = 0.9
"""Share of the GPUs' memory that engines take by default."""
_MOST_GPUS = 72
"""GPUs that one copy of a model is spread over at most: those of the largest NVLink domain sold."""
_USUAL_HOST = 8
"""GPUs that hosts hold at most, as a rule."""


def too_large(setup: Setup) -> str:
    """A clause on weights, or them with one request's keys and values, that exceed the memory.

    Empty where they fit, and where nobody states the memory.
    """
    machine, a, w = setup.machine, setup.architecture, setup.workload
    total_bytes = machine.mem_bytes
    need_bytes = _need_bytes(setup)
    if total_bytes is None or need_bytes <= total_bytes:
        return ""
    weights_bytes = a.params * BYTES_PER_VALUE[w.precision]
    seen_bytes = weights_bytes if weights_bytes > total_bytes else need_bytes
    need, total = _apart(seen_bytes, total_bytes)
    what = f"the weights of {a.name} ({need} at {w.precision})"
    if weights_bytes <= total_bytes:
        own = _size(weights_bytes)
        what = f"the weights of {a.name} ({own} at {w.precision}) with one request's keys and "
        what += f"values, {need} together,"
    return f"{what} exceed the {total} of {machine.id}"


def refuse_too_large(setup: Setup, *, table: bool = False) -> None:
    """Raise if the weights, or they with the keys and values of one request, exceed the memory.

    Parameters
    ----------
    table : whether the question is a row of a table, which has columns instead of options.

    Raises
    ------
    DoesNotFit
        With the number of GPUs that it takes.
    """
    said = too_large(setup)
    if said:
        raise DoesNotFit(f"{said}. {_way_out(setup, table=table)}")


def gpus_needed(setup: Setup) -> int | None:
    """GPUs of the machine's kind that hold the model and a request, ``None`` if none would.

    Rounded up to a number over which the attention heads divide evenly.
    """
    gpu = setup.machine.gpu
    if gpu is None or not gpu.mem_bytes or gpu.kind == "edge":
        return None
    count = max(math.ceil(_need_bytes(setup) / (_ENGINE_SHARE * gpu.mem_bytes)), 1)
    heads = setup.architecture.heads or count
    while count < heads and heads % count:
        count += 1
    return count if count <= _MOST_GPUS else None


def more_than_there_are(found: Machine, n_gpus: int | None) -> tuple[str, ...]:
    """That more GPUs were asked for than the machine has, or than a host holds."""
    if found.gpu is None or n_gpus is None:
        return ()
    alone = found.id == found.gpu.id  # a device, not a machine with its own number of them
    most = max(found.n_gpus, _USUAL_HOST) if alone else found.n_gpus
    if n_gpus <= most:
        return ()
    has = f"one host holds {most} as a rule" if alone else f"{found.id} has {most}"
    return (f"{n_gpus} GPUs asked for, {has}: answered as if one host held and linked all of them",)


def _way_out(setup: Setup, *, table: bool) -> str:
    """What makes it fit: so many GPUs, or a narrower precision."""
    count = gpus_needed(setup)
    a, total_bytes = setup.architecture, float(setup.machine.mem_bytes or 0.0)
    named = f"n_gpus {count}" if table else f"--gpus {count}"
    use = [] if count is None else [f"{count} of its GPUs ({named})"]
    own = BYTES_PER_VALUE[setup.workload.precision]
    for name in ("fp8", "int4"):
        size_bytes = a.params * BYTES_PER_VALUE[name]
        if BYTES_PER_VALUE[name] < own and size_bytes < _ENGINE_SHARE * total_bytes:
            use.append(f"weights in {name} ({_size(size_bytes)})")
            break
    use += ["a larger machine"] if table else ["a larger machine", "--force"]
    first, last = use[:-1], use[-1]
    return f"Use {', '.join(first)} or {last}" if first else f"Use {last}"


def _need_bytes(setup: Setup) -> float:
    """Weights, and keys and values of one whole request, bytes."""
    a, serving = setup.architecture, setup.workload.serving
    tokens = serving.prompt_tokens + serving.output_tokens if serving else 0.0
    weights_bytes = a.params * BYTES_PER_VALUE[setup.workload.precision]
    return weights_bytes + tokens * float(a.kv_bytes_per_token or 0.0)


def _apart(need_bytes: float, total_bytes: float) -> tuple[str, str]:
    """Two sizes in so many digits that they differ."""
    for digits in range(3, 9):
        need, total = _size(need_bytes, digits), _size(total_bytes, digits)
        if need != total:
            break
    return need, total


def _size(size_bytes: float, digits: int = 3) -> str:
    """A size in GB, below a tenth of one in MB, never as a power of ten."""
    scale, unit = (BYTES_PER_GB, "GB") if size_bytes >= 0.1 * BYTES_PER_GB else (1e6, "MB")
    return f"{float(f'{size_bytes / scale:.{digits}g}'):,.9g} {unit}"
