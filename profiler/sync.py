"""Waiting until an accelerator has done what was asked of it, so that a window's edge is true.

torch is never imported here: if nobody has, there is nothing to wait for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def barrier(modules: Mapping[str, Any] | None = None) -> bool:
    """Whether an accelerator was waited for; never raises, never wakes a device that sleeps.

    Parameters
    ----------
    modules : loaded modules by name, ``None`` for those of this process.
    """
    torch = (sys.modules if modules is None else modules).get("torch")
    if torch is None:
        return False
    try:
        # One after the other: all of them, not only the first that is there.
        return any([_cuda(torch), _xpu(torch), _mps(torch)])
    except Exception:  # noqa: BLE001  an error of the job's own kernels shows at its own next call
        return False


def _cuda(torch: Any) -> bool:  # noqa: ANN401
    cuda = torch.cuda
    if not cuda.is_initialized() or cuda.is_current_stream_capturing():
        return False  # waiting inside a graph capture would break it
    current = cuda.current_device()
    for device in range(cuda.device_count()):
        # A device without memory of ours has no context; waiting for it would make one.
        if device == current or cuda.memory_reserved(device):
            cuda.synchronize(device)
    return True


def _xpu(torch: Any) -> bool:  # noqa: ANN401
    xpu = getattr(torch, "xpu", None)
    if xpu is None or not xpu.is_initialized():
        return False
    xpu.synchronize()
    return True


def _mps(torch: Any) -> bool:  # noqa: ANN401
    mps = getattr(torch, "mps", None)
    if mps is None or not torch.backends.mps.is_available():
        return False
    mps.synchronize()
    return True
