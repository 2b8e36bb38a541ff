"""The micro-benchmarks: units, sizes and settings; how fast the machine is does not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from joulecast.profiler import workload_micro  # noqa: E402
from joulecast.profiler.clock import SystemClock  # noqa: E402
from joulecast.profiler.workload_micro import SyntheticImages, TorchBench  # noqa: E402
from tests.fakes.clock import FakeClock  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

# From Python 3.12 on, forking beside torch's threads warns; that is how loaders start on Linux.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def stepping(monkeypatch: pytest.MonkeyPatch, name: str, seconds: float) -> FakeClock:
    """A clock that each call of the torch function `name` moves by `seconds`."""
    clock = FakeClock()
    plain: Callable[..., object] = getattr(torch, name)

    def slow(*arguments: object, **keywords: object) -> object:
        clock.advance(seconds)
        return plain(*arguments, **keywords)

    monkeypatch.setattr(torch, name, slow)
    return clock


@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_matmul_counts_two_operations_per_multiply_add(
    monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Products of n x n matrices in t seconds are 2 n^3 / t FLOP/s."""
    clock = stepping(monkeypatch, "matmul", 0.1)
    rates = TorchBench("cpu", clock, 4e9).matmul_flops_per_s(precision, 2.0)
    assert len(rates) == 7
    assert rates == pytest.approx([2 * 256**3 / 0.1] * 7)
    assert clock.now_s - clock.start_s == pytest.approx(2.0, abs=0.7)


def test_matrices_grow_until_a_product_takes_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick products mean larger matrices, up to a bounded share of the memory."""
    clock = stepping(monkeypatch, "matmul", 0.0)
    assert TorchBench("cpu", clock, 16 * 3 * 4 * 2048.0**2)._matmul_size("fp32") == 2048
    assert TorchBench("cpu", clock, 16 * 3 * 4 * 2000.0**2)._matmul_size("fp32") == 1024
    assert TorchBench("cpu", clock, 1.0)._matmul_size("fp32") == 256


def test_without_a_size_the_device_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card's free memory, or what the host and its container leave, bounds the tensors."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (70 * 2**30, 80 * 2**30))
    assert workload_micro.free_mem_bytes("cuda:1") == 70 * 2**30
    assert TorchBench("cuda:1", FakeClock())._room_bytes == 70 * 2**30 / 16
    monkeypatch.setattr(workload_micro, "mem_limit_bytes", lambda _root: 1e6)
    assert TorchBench("cpu", FakeClock())._room_bytes == 1e6 / 16
    monkeypatch.setattr(workload_micro, "mem_limit_bytes", lambda _root: None)
    assert 2**26 < workload_micro.free_mem_bytes("cpu") < 2**50


def test_copy_counts_reading_and_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of n bytes in t seconds moves 2 n / t bytes/s."""
    clock, n = FakeClock(), 2**20
    plain = torch.Tensor.copy_

    def slow(self: object, other: object) -> object:
        clock.advance(0.25)
        return plain(self, other)

    monkeypatch.setattr(torch.Tensor, "copy_", slow)
    rates = TorchBench("cpu", clock, 16.0 * n).copy_bytes_per_s(3.0)
    assert rates == pytest.approx([2 * n / 0.25] * len(rates))


def test_launch_is_per_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain's time is shared among its operators."""
    clock = FakeClock()
    plain = torch.Tensor.add_

    def slow(self: object, other: object) -> object:
        clock.advance(2e-6)
        return plain(self, other)

    monkeypatch.setattr(torch.Tensor, "add_", slow)
    assert TorchBench("cpu", clock).launch_s(0.01) == pytest.approx([2e-6] * 7, rel=1e-3)


def test_a_clock_that_stands_still_ends_all_the_same() -> None:
    """Repeats are bounded in number too."""
    bench = TorchBench("cpu", FakeClock())
    assert len(bench._repeated(lambda: None, 1e-9)) == 7


@pytest.mark.parametrize("workers", [0, 1])
def test_loader_rates(workers: int) -> None:
    """Batches over seconds, with a process of its own and without; at least three repeats."""
    clock = FakeClock()
    ticking = clock.monotonic_s

    def tick() -> float:
        clock.advance(0.1)
        return ticking()

    clock.monotonic_s = tick  # type: ignore[method-assign]
    rates = TorchBench("cpu", clock).loader_samples_per_s(workers, 0.35)
    assert rates == pytest.approx([2 * 128 / 0.1] * 4)
    assert len(TorchBench("cpu", clock).loader_samples_per_s(workers, 0.0)) == 3


def test_images_are_prepared_like_cifar() -> None:
    """Crop, flip and normalisation give a 3 x 32 x 32 float image of about unit spread."""
    images = SyntheticImages()
    image, label = images[5]
    assert image.shape == (3, 32, 32)
    assert image.dtype == torch.float32
    assert 0 <= label < 10
    whole = torch.stack([images[i][0] for i in range(4, 400, 9)])  # cropped in the middle
    assert abs(float(whole.mean())) < 0.3
    assert 0.8 < float(whole.std()) < 1.5


@pytest.mark.parametrize(
    ("capability", "precisions"),
    [
        ((6, 1), ("fp32",)),
        ((7, 5), ("fp32", "fp16")),
        ((8, 6), ("fp32", "fp16", "tf32", "bf16")),
    ],
)
def test_precisions_of_a_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], precisions: tuple[str, ...]
) -> None:
    """A card is measured in what its generation computes by itself."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    assert workload_micro.supported_precisions("cuda:1") == precisions


def test_the_product_setting_is_put_back() -> None:
    """A benchmark leaves torch's precision as it was, also if it fails."""
    before = torch.get_float32_matmul_precision()
    with workload_micro._matmul_precision("high"):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
    with pytest.raises(RuntimeError), workload_micro._matmul_precision("high"):
        raise RuntimeError
    assert torch.get_float32_matmul_precision() == before


def test_a_cpu_has_no_device_copy() -> None:
    """Host and device are one, and only fp32 is computed by itself."""
    bench = TorchBench("cpu", SystemClock())
    assert bench.host_copy_bytes_per_s(0.1) == []
    assert bench.precisions == ("fp32",)
    assert bench.threads == torch.get_num_threads()
    assert bench.cpu_s() > 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu() -> None:
    """Every part gives believable figures on a real card."""
    bench = TorchBench("cuda", SystemClock())
    for precision in bench.precisions:
        assert min(bench.matmul_flops_per_s(precision, 0.5)) > 1e11
    assert min(bench.copy_bytes_per_s(0.5)) > 1e10
    assert 1e-7 < min(bench.launch_s(0.2)) < 1e-3
    assert min(bench.host_copy_bytes_per_s(0.5)) > 1e8
