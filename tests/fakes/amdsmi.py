"""A stand-in for amdsmi that answers with recorded readings.

The readings were printed by others: the MI100 in ROCm/amdsmi issue 22 (its counter stands still),
the MI300 and the MI250 in ROCm/pytorch pull request 1457 and ROCm/rocm_smi_lib issue 160.
"""

# ruff: noqa: ANN401, D102 (names and signatures are amdsmi's)
from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.clock import FakeClock

RESOLUTION_UJ = 15.300000190734863


class AmdSmiException(Exception):
    """Base of amdsmi's errors."""


@dataclass
class FakeGpu:
    """What one GPU answers; ``None`` for what it does not support."""

    power: dict[str, Any]
    ticks: int | None = None
    counter_w: float = 0.0  # at which the counter moves
    ticks_key: str = "energy_accumulator"
    serial: str = "0x0123456789abcdef"
    name: str = "AMD Instinct MI300X"
    activity: dict[str, Any] | None = None
    vram_mib: int | None = None
    temp_c: int | None = None
    lost: bool = False


def mi100() -> FakeGpu:
    """An idle MI100 whose energy counter stands still."""
    power = {"current_socket_power": 34, "average_socket_power": 34, "power_limit": 290}
    return FakeGpu(power, ticks=8_589_935, ticks_key="power", name="AMD Instinct MI100")


def mi300(counter_w: float = 717.0, serial: str = "0x0123456789abcdef") -> FakeGpu:
    """A busy MI300, whose average power does not exist."""
    power = {"current_socket_power": 717, "average_socket_power": "N/A"}
    activity = {"gfx_activity": 99, "umc_activity": "N/A"}
    return FakeGpu(
        power, 10**12, counter_w, serial=serial, activity=activity, vram_mib=1000, temp_c=61
    )


def mi250_second_die() -> FakeGpu:
    """The half of an MI250 that tells no power: the first half tells both."""
    power = {"current_socket_power": "N/A", "average_socket_power": "N/A"}
    return FakeGpu(power, name="AMD Instinct MI250")


class FakeAmdSmi:
    """amdsmi with these GPUs; `module` goes into ``sys.modules["amdsmi"]``."""

    def __init__(self, clock: FakeClock, *gpus: FakeGpu, init_error: str = "") -> None:
        self.clock, self.gpus, self.init_error = clock, gpus, init_error
        self.opened = 0

    def module(self) -> ModuleType:
        """A module with this object's functions."""
        fake: Any = ModuleType("amdsmi")
        for name in vars(FakeAmdSmi):
            if name.startswith("amdsmi_"):
                setattr(fake, name, getattr(self, name))
        fake.AmdSmiException = AmdSmiException
        fake.AmdSmiTemperatureType = type("AmdSmiTemperatureType", (), {"HOTSPOT": 1})
        fake.AmdSmiTemperatureMetric = type("AmdSmiTemperatureMetric", (), {"CURRENT": 0})
        return fake  # type: ignore[no-any-return]

    def amdsmi_init(self) -> None:
        if self.init_error:
            raise AmdSmiException(self.init_error)
        self.opened += 1

    def amdsmi_shut_down(self) -> None:
        self.opened -= 1

    def amdsmi_get_processor_handles(self) -> list[FakeGpu]:
        return list(self.gpus)

    def amdsmi_get_gpu_asic_info(self, gpu: FakeGpu) -> dict[str, Any]:
        return {"market_name": gpu.name, "asic_serial": gpu.serial}

    def amdsmi_get_gpu_driver_info(self, _: FakeGpu) -> dict[str, Any]:
        return {"driver_version": "6.8.5"}

    def amdsmi_get_power_info(self, gpu: FakeGpu) -> dict[str, Any]:
        return self._ask(gpu, gpu.power)  # type: ignore[no-any-return]

    def amdsmi_get_energy_count(self, gpu: FakeGpu) -> dict[str, Any]:
        start = self._ask(gpu, gpu.ticks)
        elapsed_s = self.clock.monotonic_s() - self.clock.start_s
        ticks = start + int(gpu.counter_w * elapsed_s * 1e6 / RESOLUTION_UJ)
        return {gpu.ticks_key: ticks, "counter_resolution": RESOLUTION_UJ, "timestamp": 1}

    def amdsmi_get_gpu_activity(self, gpu: FakeGpu) -> dict[str, Any]:
        return self._ask(gpu, gpu.activity)  # type: ignore[no-any-return]

    def amdsmi_get_gpu_vram_usage(self, gpu: FakeGpu) -> dict[str, Any]:
        return {"vram_used": self._ask(gpu, gpu.vram_mib)}

    def amdsmi_get_temp_metric(self, gpu: FakeGpu, _: int, __: int) -> int:
        return int(self._ask(gpu, gpu.temp_c))

    def _ask(self, gpu: FakeGpu, answer: Any) -> Any:
        if gpu.lost or answer is None:
            message = "Error code:\n\t2 | AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported"
            raise AmdSmiException(message)
        return answer
