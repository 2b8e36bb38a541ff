"""A barrier that waits for what is there and wakes nothing."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from joulecast.profiler.sync import barrier


class FakeCuda:
    """Two GPUs, the first is current."""

    def __init__(self, *, awake: bool = True, capturing: bool = False) -> None:
        self.awake, self.capturing = awake, capturing
        self.reserved = [1, 0]
        self.waited: list[int] = []
        self.is_initialized = lambda: self.awake
        self.is_current_stream_capturing = lambda: self.capturing
        self.current_device = lambda: 0
        self.device_count = lambda: 2
        self.memory_reserved = self.reserved.__getitem__
        self.synchronize = self.waited.append


def modules(cuda: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Loaded modules with a torch like that."""
    mps = SimpleNamespace(is_available=lambda: False)
    return {"torch": SimpleNamespace(cuda=cuda, backends=SimpleNamespace(mps=mps), **more)}


def test_without_torch_there_is_nothing_to_wait_for() -> None:
    """A barrier imports no torch."""
    assert not barrier({})
    code = (
        "import sys; from joulecast.profiler.sync import barrier; "
        "barrier(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_gpus_in_use_are_waited_for() -> None:
    """The current one and those with memory of ours; another would be woken by waiting."""
    cuda = FakeCuda()
    assert barrier(modules(cuda))
    assert cuda.waited == [0]
    cuda.reserved[1] = 1
    assert barrier(modules(cuda))
    assert cuda.waited == [0, 0, 1]


def test_a_gpu_that_sleeps_or_records_a_graph_is_left_alone() -> None:
    """No context is made, and no capture is broken."""
    for cuda in (FakeCuda(awake=False), FakeCuda(capturing=True)):
        assert not barrier(modules(cuda))
        assert cuda.waited == []


def test_other_accelerators_are_waited_for_too() -> None:
    """Intel's and Apple's, if they are at work."""
    waited: list[str] = []
    xpu = SimpleNamespace(is_initialized=lambda: True, synchronize=lambda: waited.append("xpu"))
    mps = SimpleNamespace(synchronize=lambda: waited.append("mps"))
    found = modules(FakeCuda(awake=False), xpu=xpu, mps=mps)
    found["torch"].backends.mps.is_available = lambda: True
    assert barrier(found)
    assert waited == ["xpu", "mps"]


def test_an_error_of_the_device_does_not_come_out_here() -> None:
    """A failed kernel is for the job's own next call to report."""

    def fails(_: int) -> None:
        raise RuntimeError

    cuda = FakeCuda()
    cuda.synchronize = fails
    assert not barrier(modules(cuda))


def test_torch_on_a_cpu_passes() -> None:
    """The real torch of a machine without an accelerator."""
    code = "import torch; from joulecast.profiler.sync import barrier; barrier()"
    subprocess.run([sys.executable, "-c", code], check=True)
