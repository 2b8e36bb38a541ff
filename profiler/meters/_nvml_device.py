"""What NVML says of one GPU, asked of a module that the caller opened."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import MeterUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

INSTANT, SECOND = "instantaneous", "average over 1 s"
_J_PER_MJ, _W_PER_MW = 1e-3, 1e-3
_SUPERCHIP = re.compile(r"\bG[BH]\d{3}\b")
_TROUBLE = {
    "NVMLError_LibraryNotFound": (
        "there is no NVIDIA driver library (libnvidia-ml)",
        "Install the NVIDIA driver until nvidia-smi works; without an NVIDIA GPU nothing is amiss.",
    ),
    "NVMLError_DriverNotLoaded": (
        "the NVIDIA driver is installed but not loaded",
        "Run: sudo modprobe nvidia",
    ),
    "NVMLError_LibRmVersionMismatch": (
        "the driver's library and its kernel module differ in version, as after an update",
        "Reboot, or unload and load the nvidia modules; start a container anew.",
    ),
    "NVMLError_NoPermission": (
        "this user may not open the GPU",
        "Run: sudo chmod a+rw /dev/nvidia*, or join the group that owns them.",
    ),
    "NVMLError_GpuIsLost": (
        "the GPU is lost: it fell off the bus",
        "Reboot, or reset it: sudo nvidia-smi --gpu-reset",
    ),
    "NVMLError_ResetRequired": (
        "the GPU needs a reset",
        "Run: sudo nvidia-smi --gpu-reset, or reboot.",
    ),
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that NVML lists; `handle` is ``None`` where it could not be opened, `refusal` why."""

    index: int
    handle: Any = None
    uuid: str = ""
    name: str = ""
    refusal: MeterUnavailable | None = None


def trouble(exc: Exception) -> tuple[str, str]:
    """Reason and fix of an error of NVML."""
    return _TROUBLE.get(type(exc).__name__, (f"NVML says '{exc}'", "See what nvidia-smi says."))


def listed(nvml: Any) -> list[Gpu]:  # noqa: ANN401 (pynvml has no types)
    """All GPUs in NVML's order; one that cannot be opened keeps its place."""
    gpus = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
            gpus.append(Gpu(index, handle, _text(uuid), _text(name)))
        except nvml.NVMLError as exc:
            gpus.append(Gpu(index, refusal=MeterUnavailable(f"nvml:{index}", *trouble(exc))))
    return gpus


def refuse_shared(nvml: Any, gpu: Gpu) -> None:  # noqa: ANN401
    """Refuse a GPU of which we have only a part: its power is not ours alone."""
    name = f"nvml:{gpu.index}"
    with suppress(nvml.NVMLError):
        if nvml.nvmlDeviceGetMigMode(gpu.handle)[0] == nvml.NVML_DEVICE_MIG_ENABLE:
            reason = "MIG is on: NVML tells the power of the whole GPU, not of a slice"
            raise MeterUnavailable(name, reason, mig_fix(f" -i {gpu.index}"))
    with suppress(nvml.NVMLError):
        mode = nvml.nvmlDeviceGetVirtualizationMode(gpu.handle)
        if mode == nvml.NVML_GPU_VIRTUALIZATION_MODE_VGPU:
            reason = "it is a vGPU: only the hypervisor sees the card's power"
            raise MeterUnavailable(
                name, reason, "Measure on the host, or pass a whole GPU through."
            )


def mig_fix(which: str = "") -> str:
    """What to do against MIG; `which` names the GPU for nvidia-smi."""
    return f"Use a whole GPU, or switch MIG off: sudo nvidia-smi{which} -mig 0"


def counter_j(nvml: Any, gpu: Gpu) -> float | None:  # noqa: ANN401
    """Joules since the driver was loaded; ``None`` where there is no counter, as before Volta."""
    try:
        return _J_PER_MJ * float(nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle))
    except nvml.NVMLError:
        return None


def power_window(capability: tuple[int, int]) -> str:
    """Time over which nvmlDeviceGetPowerUsage averages on a GPU of this compute capability.

    NVML's reference: one second on Ampere and newer, but GA100 (8.0) and older tell the moment.

    >>> power_window((8, 0)), power_window((8, 6))
    ('instantaneous', 'average over 1 s')
    """
    return SECOND if capability > (8, 0) else INSTANT


def power_reader(nvml: Any, gpu: Gpu) -> tuple[Callable[[], float] | None, str]:  # noqa: ANN401
    """Reader of watts and the time it averages over; fields that say so go before the old call."""

    def field_w(field: int) -> float:
        value = nvml.nvmlDeviceGetFieldValues(gpu.handle, [field])[0]
        if value.nvmlReturn != nvml.NVML_SUCCESS:
            raise nvml.NVMLError(value.nvmlReturn)
        return _W_PER_MW * float(value.value.uiVal)

    readers: tuple[tuple[Callable[[], float], str], ...] = (
        (lambda: field_w(nvml.NVML_FI_DEV_POWER_INSTANT), INSTANT),
        (lambda: field_w(nvml.NVML_FI_DEV_POWER_AVERAGE), SECOND),
        (lambda: _W_PER_MW * float(nvml.nvmlDeviceGetPowerUsage(gpu.handle)), ""),
    )
    for read, window in readers:
        with suppress(nvml.NVMLError):
            if read() > 0:
                return read, window or power_window(_capability(nvml, gpu))
    return None, ""


def facts(nvml: Any, gpu: Gpu) -> dict[str, str]:  # noqa: ANN401
    """What a record should say of the GPU; what NVML does not tell is absent."""
    names = {
        value: name.removeprefix("NVML_DEVICE_ARCH_").capitalize()
        for name, value in vars(nvml).items()
        if name.startswith("NVML_DEVICE_ARCH_")
    }
    handle = gpu.handle
    asked: dict[str, Callable[[], object]] = {
        "driver": nvml.nvmlSystemGetDriverVersion,
        "nvml": nvml.nvmlSystemGetNVMLVersion,
        "pci_bus_id": lambda: nvml.nvmlDeviceGetPciInfo(handle).busId,
        "architecture": lambda: names[nvml.nvmlDeviceGetArchitecture(handle)],
        "compute_capability": lambda: "{}.{}".format(*_capability(nvml, gpu)),
        "mem_bytes": lambda: nvml.nvmlDeviceGetMemoryInfo(handle).total,
        "bus_width_bits": lambda: nvml.nvmlDeviceGetMemoryBusWidth(handle),
        "clock_hz": lambda: 10**6 * nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
        "mem_clock_hz": lambda: 10**6 * nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "power_limit_w": lambda: f"{_W_PER_MW * nvml.nvmlDeviceGetEnforcedPowerLimit(handle):g}",
        "default_limit_w": lambda: (
            f"{_W_PER_MW * nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle):g}"
        ),
    }
    found = {"name": gpu.name, "uuid": gpu.uuid, "nvml_index": str(gpu.index)}
    for key, ask in asked.items():
        with suppress(nvml.NVMLError, KeyError):
            found[key] = _text(ask())
    if _SUPERCHIP.search(gpu.name):
        found["note"] = "on a superchip NVML may count the whole module, with its CPU and memory"
    return found


def side_readings(nvml: Any, gpu: Gpu) -> dict[str, float]:  # noqa: ANN401
    """Utilisation, memory, clocks, temperature, throttling; what cannot be read is absent."""
    handle, found = gpu.handle, dict[str, float]()
    with suppress(nvml.NVMLError):
        load = nvml.nvmlDeviceGetUtilizationRates(handle)
        found |= {"util_frac": load.gpu / 100, "mem_util_frac": load.memory / 100}
    asked: dict[str, tuple[Callable[[], float], ...]] = {
        "mem_used_bytes": (lambda: nvml.nvmlDeviceGetMemoryInfo(handle).used,),
        "sm_clock_hz": (lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),),
        "mem_clock_hz": (lambda: 1e6 * nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),),
        # A call of today, then the one of older drivers and bindings.
        "temp_c": (
            lambda: nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU),
            lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        ),
        "throttle": (
            lambda: nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
            lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle),
        ),
    }
    for key, calls in asked.items():
        for ask in calls:
            with suppress(nvml.NVMLError, AttributeError):
                found[key] = float(ask())
                break
    return found


def _capability(nvml: Any, gpu: Gpu) -> tuple[int, int]:  # noqa: ANN401
    major, minor = nvml.nvmlDeviceGetCudaComputeCapability(gpu.handle)
    return int(major), int(minor)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
