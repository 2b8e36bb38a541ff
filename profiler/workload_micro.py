"""Micro-benchmarks of a machine in torch: what it really reaches, apart from any network.

Each returns the figures of several repeats; the device is waited for at both ends of every one.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch
from torch.utils.data import DataLoader, Dataset

from joulecast.core.units import FLOPS_PER_MAC
from joulecast.profiler.host_cgroup import mem_limit_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joulecast.profiler.clock import Clock

_DTYPES = {
    "fp32": torch.float32,
    "tf32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
_REPEATS = 7
_CHAIN = 200
"""Operators in one chain: enough that the two waits at its ends do not count."""
_TINY_VALUES = 64
_COPY_BYTES = {"cpu": 2**29, "cuda": 2**30}
"""More than any cache holds."""
_MEMORY_SHARE = 16
"""A benchmark's tensors take at most 1 / 16 of the memory."""
_SMALLEST, _LARGEST = 256, 16384
_LONG_ENOUGH_S = {"cpu": 0.05, "cuda": 0.005}
_IMAGES = 2048
_BATCH = 128
_PAD = 4
_CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
_CIFAR_STD = (0.2470, 0.2435, 0.2616)


def supported_precisions(device: str) -> tuple[str, ...]:
    """Precisions that the device multiplies matrices in by itself, not emulated."""
    if not device.startswith("cuda"):
        return ("fp32",)
    capability = torch.cuda.get_device_capability(device)
    names = ["fp32"]
    if capability >= (7, 0):
        names.append("fp16")
    if capability >= (8, 0):
        names += ["tf32", "bf16"]
    return tuple(names)


def free_mem_bytes(device: str) -> float:
    """Bytes of memory that are free on the device; on a CPU no more than the container's limit."""
    if device.startswith("cuda"):
        free_bytes, _ = torch.cuda.mem_get_info(device)
        return float(free_bytes)
    available_bytes = float(psutil.virtual_memory().available)
    limit_bytes = mem_limit_bytes(Path("/"))
    return available_bytes if limit_bytes is None else min(available_bytes, limit_bytes)


@dataclass(frozen=True, slots=True)
class TorchBench:
    """The micro-benchmarks on one device.

    Attributes
    ----------
    device : ``cpu``, ``cuda`` or ``cuda:1``. clock : to time with.
    mem_bytes : bounds the size of the tensors; ``None`` for what is free on the device now.
    """

    device: str
    clock: Clock
    mem_bytes: float | None = None

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions to measure the matrix product in."""
        return supported_precisions(self.device)

    @property
    def threads(self) -> int:
        """CPU threads that torch computes with."""
        return torch.get_num_threads()

    def cpu_s(self) -> float:
        """Seconds of CPU time that this process has used, all threads together."""
        return time.process_time()

    def matmul_flops_per_s(self, precision: str, seconds: float) -> list[float]:
        """FLOP/s of a square matrix product of about the size that keeps the device busy.

        Parameters
        ----------
        precision : fp32, tf32, fp16 or bf16. seconds : about as long.
        """
        with _matmul_precision("high" if precision == "tf32" else "highest"):
            n = self._matmul_size(precision)
            left, right = (
                torch.randn(n, n, device=self.device).to(_DTYPES[precision]) for _ in range(2)
            )
            out = torch.empty_like(left)
            took_s = self._repeated(lambda: torch.matmul(left, right, out=out), seconds)
        return [FLOPS_PER_MAC * n**3 / s for s in took_s]

    def copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s of a copy within the device's memory, those read plus those written."""
        n = int(min(_COPY_BYTES[self._kind], self._room_bytes))
        source = torch.ones(n, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        took_s = self._repeated(lambda: target.copy_(source), seconds)
        return [2 * n / s for s in took_s]

    def launch_s(self, seconds: float) -> list[float]:
        """Seconds per operator of a chain of operators too small to compute anything."""
        values = torch.zeros(_TINY_VALUES, device=self.device)

        def chain() -> None:
            for _ in range(_CHAIN):
                values.add_(1.0)

        return [s / _CHAIN for s in self._repeated(chain, seconds)]

    def host_copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s from the host's pinned memory to the device; empty where both are one."""
        if self._kind == "cpu":
            return []
        source = torch.ones(2**28, dtype=torch.uint8).pin_memory()
        target = torch.empty_like(source, device=self.device)
        took_s = self._repeated(lambda: target.copy_(source, non_blocking=True), seconds)
        return [source.numel() / s for s in took_s]

    def loader_samples_per_s(self, workers: int, seconds: float) -> list[float]:
        """Samples/s of a loader of 32 x 32 images with crop, flip and normalisation.

        Parameters
        ----------
        workers : loader processes; 0 loads in this one.
        """
        batches = iter(
            DataLoader(
                SyntheticImages(),
                batch_size=_BATCH,
                num_workers=workers,
                multiprocessing_context=_start_method() if workers else None,
            )
        )
        next(batches)  # starts the workers
        started_s, rates = self.clock.monotonic_s(), list[float]()
        before_s = started_s
        per_repeat = max(1, workers) * 2  # workers deliver in turn
        while before_s - started_s < seconds or len(rates) < 3:
            for _ in range(per_repeat):
                next(batches)
            now_s = self.clock.monotonic_s()
            rates.append(per_repeat * _BATCH / max(now_s - before_s, 1e-9))
            before_s = now_s
        return rates

    @property
    def _room_bytes(self) -> float:
        """Bytes that the tensors of one benchmark may take."""
        mem_bytes = self.mem_bytes
        if mem_bytes is None:
            mem_bytes = free_mem_bytes(self.device)
        return mem_bytes / _MEMORY_SHARE

    @property
    def _kind(self) -> str:
        return "cuda" if self.device.startswith("cuda") else "cpu"

    def _matmul_size(self, precision: str) -> int:
        """Side of the matrices: doubled until one product takes long enough."""
        width = torch.empty(0, dtype=_DTYPES[precision]).element_size()
        room = math.isqrt(int(self._room_bytes / (3 * width)))
        n = _SMALLEST
        while 2 * n <= min(_LARGEST, room):
            tile = torch.ones(n, n, device=self.device, dtype=_DTYPES[precision])
            torch.matmul(tile, tile)
            self._wait()
            before_s = self.clock.monotonic_s()
            torch.matmul(tile, tile)
            self._wait()
            if self.clock.monotonic_s() - before_s >= _LONG_ENOUGH_S[self._kind]:
                break
            n *= 2
        return n

    def _repeated(self, once: Callable[[], object], seconds: float) -> list[float]:
        """Seconds of one call, from `_REPEATS` repeats of as many calls as fill `seconds`."""
        once()
        once_s = max(self._timed(once, 1), 1e-9)
        calls = max(1, round(seconds / _REPEATS / once_s))
        started_s, took_s = self.clock.monotonic_s(), list[float]()
        while len(took_s) < _REPEATS:
            took_s.append(self._timed(once, calls) / calls)
            late = self.clock.monotonic_s() - started_s > seconds
            if late and len(took_s) >= 3:
                break
        return took_s

    def _timed(self, once: Callable[[], object], calls: int) -> float:
        self._wait()
        before_s = self.clock.monotonic_s()
        for _ in range(calls):
            once()
        self._wait()
        return self.clock.monotonic_s() - before_s

    def _wait(self) -> None:
        if self._kind == "cuda":
            torch.cuda.synchronize(self.device)


class SyntheticImages(Dataset[tuple[torch.Tensor, int]]):
    """Random 32 x 32 colour images, as many as one asks for, prepared like CIFAR-10 for training.

    Crop after padding by 4, flip, scaling to 0..1 and normalisation, one image at a time.
    """

    def __init__(self) -> None:
        seeded = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (_IMAGES, 3, 32, 32), generator=seeded).to(torch.uint8)
        self.mean = torch.tensor(_CIFAR_MEAN).view(3, 1, 1)
        self.std = torch.tensor(_CIFAR_STD).view(3, 1, 1)

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        padded = torch.nn.functional.pad(self.images[index % _IMAGES], (_PAD,) * 4)
        top, left, flipped = index % (2 * _PAD + 1), index % (2 * _PAD), index % 2
        image = padded[:, top : top + 32, left : left + 32]
        if flipped:
            image = image.flip(2)
        return (image.to(torch.float32) / 255 - self.mean) / self.std, index % 10


def _start_method() -> str:
    """Forking where it can be had: a fresh interpreter per worker takes seconds to start."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def _matmul_precision(name: str) -> Iterator[None]:
    """The setting of fp32 products, put back at the end."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
