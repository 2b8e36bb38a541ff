"""A stand-in for pynvml: recorded readings, the real package's constants, errors, structures.

The readings were printed by others: the A100 by NVIDIA in the DCGM exporter's guide (DCGM reads
them from NVML; it had MIG on, which is left out here), the RTX 4070 Laptop by ``nvidia-smi -q -x``
of driver 575.51.02, and the two joules of one card that disagree in ml-energy/zeus issue 181.
"""

# ruff: noqa: A002, ANN401, ARG002, D102, N802, N803 (names and signatures are NVML's)
from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pynvml

if TYPE_CHECKING:
    from tests.fakes.clock import FakeClock

MIB = 2**20
REFRESH_S = 0.1


@dataclass
class FakeGpu:
    """What one GPU answers; ``None`` is answered with "not supported"."""

    name: str
    uuid: str
    capability: tuple[int, int]
    architecture: int
    power_mw: int | None = None
    instant_mw: int | None = None
    average_mw: int | None = None
    energy_mj: int | None = None
    counter_w: float | None = None  # at which the counter moves; None: at power_mw
    util: tuple[int, int] | None = None
    used_bytes: int | None = None
    sm_mhz: int | None = None
    mem_mhz: int | None = None
    temp_c: int | None = None
    throttle: int | None = None
    limit_mw: int | None = None
    default_limit_mw: int | None = None
    total_bytes: int = 0
    bus_bits: int | None = None
    most_mhz: tuple[int, int] | None = None  # SM, memory
    mig: tuple[int, int] | None = None
    virtualisation: int | None = None
    lost: bool = False
    broken: int | None = None  # error on opening the handle
    asked: list[str] = field(default_factory=list)


def a100(**changed: Any) -> FakeGpu:
    """An A100-SXM4-40GB at work."""
    facts: dict[str, Any] = {
        "name": "NVIDIA A100-SXM4-40GB",
        "uuid": "GPU-34319582-d595-d1c7-d1d2-179bcfa61660",
        "capability": (8, 0),
        "architecture": pynvml.NVML_DEVICE_ARCH_AMPERE,
        "power_mw": 409_692,
        "energy_mj": 319_159_391,
        "used_bytes": 4845 * MIB,
        "total_bytes": (4845 + 35690) * MIB,
        "sm_mhz": 1215,
        "mem_mhz": 1215,
        "temp_c": 61,
    }
    return FakeGpu(**(facts | changed))


def rtx4070_laptop(**changed: Any) -> FakeGpu:
    """An RTX 4070 Laptop with a desktop on it."""
    facts: dict[str, Any] = {
        "name": "NVIDIA GeForce RTX 4070 Laptop GPU",
        "uuid": "GPU-529b3263-c96d-b557-bc75-697f04917eda",
        "capability": (8, 9),
        "architecture": pynvml.NVML_DEVICE_ARCH_ADA,
        "power_mw": 11_150,
        "instant_mw": 11_260,
        "average_mw": 11_150,
        "util": (30, 30),
        "used_bytes": 2026 * MIB,
        "sm_mhz": 675,
        "mem_mhz": 810,
        "temp_c": 41,
        "throttle": pynvml.nvmlClocksEventReasonGpuIdle,
        "limit_mw": 95_000,
        "default_limit_mw": 55_000,
        "total_bytes": 8188 * MIB,
        "most_mhz": (3105, 8001),
        "virtualisation": pynvml.NVML_GPU_VIRTUALIZATION_MODE_NONE,
    }
    return FakeGpu(**(facts | changed))


class FakeNvml:
    """NVML with these GPUs; `module` goes into ``sys.modules["pynvml"]``."""

    def __init__(self, clock: FakeClock, *gpus: FakeGpu, init_error: int | None = None) -> None:
        self.clock, self.gpus, self.init_error = clock, gpus, init_error
        self.opened = 0
        self.driver = "575.51.02"

    def module(self) -> ModuleType:
        """A module with the real constants and classes, and this object's functions."""
        fake = ModuleType("pynvml")
        for name, value in vars(pynvml).items():
            if not name.startswith("__") and (not callable(value) or isinstance(value, type)):
                setattr(fake, name, value)
        for name in functions():
            setattr(fake, name, getattr(self, name))
        return fake

    def nvmlInit(self) -> None:
        if self.init_error is not None:
            raise pynvml.NVMLError(self.init_error)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self._open()
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        self._open()
        return len(self.gpus)

    def nvmlSystemGetDriverVersion(self) -> str:
        self._open()
        return self.driver

    def nvmlSystemGetNVMLVersion(self) -> str:
        self._open()
        return f"12.{self.driver}"

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        self._open()
        gpu = self.gpus[index]
        if gpu.broken is not None:
            raise pynvml.NVMLError(gpu.broken)
        return gpu

    def nvmlDeviceGetUUID(self, handle: FakeGpu) -> str:
        return str(self._ask(handle, handle.uuid))

    def nvmlDeviceGetName(self, handle: FakeGpu) -> str:
        return str(self._ask(handle, handle.name))

    def nvmlDeviceGetPciInfo(self, handle: FakeGpu) -> Any:
        info = pynvml.nvmlPciInfo_t()
        info.busId = f"00000000:{self._ask(handle, self.gpus.index(handle)):02X}:00.0".encode()
        return info

    def nvmlDeviceGetArchitecture(self, device: FakeGpu) -> int:
        return int(self._ask(device, device.architecture))

    def nvmlDeviceGetCudaComputeCapability(self, handle: FakeGpu) -> tuple[int, int]:
        major, minor = self._ask(handle, handle.capability)
        return major, minor

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: FakeGpu) -> int:
        return int(self._ask(handle, handle.limit_mw))

    def nvmlDeviceGetMigMode(self, device: FakeGpu) -> list[int]:
        return list(self._ask(device, device.mig))

    def nvmlDeviceGetVirtualizationMode(self, handle: FakeGpu) -> int:
        return int(self._ask(handle, handle.virtualisation))

    def nvmlDeviceGetPowerUsage(self, handle: FakeGpu) -> int:
        return int(self._ask(handle, handle.power_mw))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: FakeGpu) -> int:
        start_mj = self._ask(handle, handle.energy_mj)
        watts = handle.counter_w
        if watts is None:
            watts = 1e-3 * (handle.power_mw or 0)
        elapsed_s = self.clock.monotonic_s() - self.clock.start_s
        ticks = int(elapsed_s / REFRESH_S + 1e-6)  # the counter moves ten times a second
        return int(start_mj + round(1e3 * watts * ticks * REFRESH_S))

    def nvmlDeviceGetFieldValues(self, handle: FakeGpu, fieldIds: list[int]) -> Any:
        told = {
            pynvml.NVML_FI_DEV_POWER_INSTANT: handle.instant_mw,
            pynvml.NVML_FI_DEV_POWER_AVERAGE: handle.average_mw,
        }
        self._ask(handle, 0)
        values = (pynvml.c_nvmlFieldValue_t * len(fieldIds))()
        for value, wanted in zip(values, fieldIds, strict=True):
            value.fieldId = wanted
            if told.get(wanted) is None:
                value.nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
            else:
                value.value.uiVal = told[wanted]
        return values

    def nvmlDeviceGetUtilizationRates(self, handle: FakeGpu) -> Any:
        gpu, memory = self._ask(handle, handle.util)
        return pynvml.c_nvmlUtilization_t(gpu=gpu, memory=memory)

    def nvmlDeviceGetMemoryInfo(self, handle: FakeGpu, version: int | None = None) -> Any:
        used = self._ask(handle, handle.used_bytes)
        return pynvml.c_nvmlMemory_t(used=used, total=handle.total_bytes)

    def nvmlDeviceGetMemoryBusWidth(self, device: FakeGpu) -> int:
        return int(self._ask(device, device.bus_bits))

    def nvmlDeviceGetMaxClockInfo(self, handle: FakeGpu, type: int) -> int:
        kinds = (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM)
        return int(self._ask(handle, handle.most_mhz)[kinds.index(type)])

    def nvmlDeviceGetPowerManagementDefaultLimit(self, handle: FakeGpu) -> int:
        return int(self._ask(handle, handle.default_limit_mw))

    def nvmlDeviceGetClockInfo(self, handle: FakeGpu, type: int) -> int:
        clocks = {pynvml.NVML_CLOCK_SM: handle.sm_mhz, pynvml.NVML_CLOCK_MEM: handle.mem_mhz}
        return int(self._ask(handle, clocks[type]))

    def nvmlDeviceGetTemperature(self, handle: FakeGpu, sensor: int) -> int:
        return int(self._ask(handle, handle.temp_c))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: FakeGpu) -> int:
        return int(self._ask(handle, handle.throttle))

    def _open(self) -> None:
        if self.opened <= 0:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)

    def _ask(self, gpu: FakeGpu, answer: Any) -> Any:
        self._open()
        if gpu.lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        if answer is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return answer


def functions() -> list[str]:
    """Names of the NVML functions that the stand-in has."""
    return [name for name in vars(FakeNvml) if name.startswith("nvml")]
