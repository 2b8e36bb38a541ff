"""NVIDIA GPUs through NVML: the energy counter where it works, else power. Only here is pynvml."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.host import host_facts
from joulecast.profiler.meters import _nvml_device as device
from joulecast.profiler.meters._counter import watched_power_w
from joulecast.profiler.meters._visible import uses_indices, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulecast.profiler.meters import MeterContext

THROTTLE_REASONS = {
    0x001: "gpu idle",
    0x002: "application clocks",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "software thermal slowdown",
    0x040: "hardware thermal slowdown",
    0x080: "power brake",
    0x100: "display clocks",
}
"""Bits of the clock event mask (nvml.h, nvmlClocksEventReasons)."""
_CONTAINER_FIX = (
    "Give the container its GPUs: docker run --gpus all, or in Kubernetes a limit on "
    "nvidia.com/gpu."
)
_OWED_TO_A_CONTAINER = (
    "NVMLError_LibraryNotFound",
    "NVMLError_DriverNotLoaded",
    "NVMLError_NoPermission",
)


def throttle_reasons(mask: float) -> tuple[str, ...]:
    """Why the clocks are not higher, in words, from the number under ``throttle`` in the extras.

    >>> throttle_reasons(0x24)
    ('power cap', 'software thermal slowdown')
    """
    return tuple(words for bit, words in THROTTLE_REASONS.items() if int(mask) & bit)


class Meter:
    """What all NVIDIA GPUs have in common; `probe` returns one of the two kinds below for each.

    Parameters
    ----------
    nvml : the module, open. power : reader of watts, ``None`` if the GPU tells none.
    """

    scope = "gpu"
    energy_source = ""
    wrap_j: float | None = None  # the counter has 64 bits of millijoules

    def __init__(
        self,
        nvml: Any,  # noqa: ANN401 (pynvml has no types)
        gpu: device.Gpu,
        power: Callable[[], float] | None,
        facts: Mapping[str, str],
    ) -> None:
        nvml.nvmlInit()  # counted by NVML: it stays open until the last meter is closed
        self._nvml, self._gpu, self._power = nvml, gpu, power
        self._open = True
        self.name = f"nvml:{gpu.index}"
        self.facts = facts

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for each GPU that CUDA_VISIBLE_DEVICES lets this process see."""
        nvml = _start(context)
        try:
            return _meters(nvml, context)
        finally:
            with suppress(nvml.NVMLError):
                nvml.nvmlShutdown()

    def extras(self) -> Mapping[str, float]:
        """Utilisation, memory, clocks, temperature, throttling; what cannot be read is absent."""
        return device.side_readings(self._nvml, self._gpu)

    def close(self) -> None:
        """Let go of NVML."""
        if self._open:
            self._open = False
            with suppress(self._nvml.NVMLError):
                self._nvml.nvmlShutdown()

    def _read(self, call: Callable[[], float | None]) -> float:
        try:
            value = call()
        except self._nvml.NVMLError as exc:
            raise MeterReadError(f"{self.name}: {device.trouble(exc)[0]}") from exc
        if not value or value <= 0:
            raise MeterReadError(f"{self.name}: it reads 0, which no GPU at work draws")
        return value


class CounterMeter(Meter):
    """A GPU whose energy counter works."""

    energy_source = "nvml-counter"

    def read_energy_j(self) -> float:
        """Joules since the driver was loaded."""
        nvml, handle = self._nvml, self._gpu.handle
        return self._read(lambda: 1e-3 * nvml.nvmlDeviceGetTotalEnergyConsumption(handle))

    def extras(self) -> Mapping[str, float]:
        """As for every GPU, and ``power_w``, polled: a cross-check of the counter."""
        found = dict(super().extras())
        if self._power is not None:
            with suppress(self._nvml.NVMLError):
                found["power_w"] = self._power()
        return found


class PowerMeter(Meter):
    """A GPU that tells its power only."""

    energy_source = "nvml-power"

    def read_power_w(self) -> float:
        """Watts; ``power_window`` in the facts says over what time."""
        return self._read(self._power or (lambda: None))


def _start(context: MeterContext) -> Any:  # noqa: ANN401
    """NVML, opened."""
    try:
        import pynvml
    except ImportError as exc:
        reason = "the package nvidia-ml-py is not installed"
        raise MeterUnavailable("nvml", reason, "Run: pip install nvidia-ml-py") from exc
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as exc:
        reason, fix = device.trouble(exc)
        in_container = host_facts(context.root, context.environ).container
        if in_container and type(exc).__name__ in _OWED_TO_A_CONTAINER:
            fix = _CONTAINER_FIX
        raise MeterUnavailable("nvml", reason, fix) from exc
    return pynvml


def _meters(nvml: Any, context: MeterContext) -> list[Meter]:  # noqa: ANN401
    """Meters of all GPUs that work; the others are reported, or raised if none works."""
    every = device.listed(nvml)
    chosen = _selected(every, context.environ.get("CUDA_VISIBLE_DEVICES"))
    refused = [gpu.refusal for gpu in chosen if gpu.refusal is not None]
    gpus = [gpu for gpu in chosen if gpu.refusal is None]
    seen_w = watched_power_w([partial(device.counter_j, nvml, g) for g in gpus], context.clock)
    note = _order_note(every, context.environ)
    meters: list[Meter] = []
    for gpu, counter_w in zip(gpus, seen_w, strict=True):
        try:
            meters.append(_meter(nvml, gpu, note, counts=counter_w is not None))
        except nvml.NVMLError as exc:
            refused.append(MeterUnavailable(f"nvml:{gpu.index}", *device.trouble(exc)))
        except MeterUnavailable as exc:
            refused.append(exc)
    for refusal in refused if meters else refused[1:]:
        context.report(refusal)
    if not meters:
        raise refused[0]
    return meters


def _selected(gpus: list[device.Gpu], wanted: str | None) -> list[device.Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES, `wanted`, lets this process see."""
    if not gpus:
        raise MeterUnavailable("nvml", "the driver runs but shows no GPU", _CONTAINER_FIX)
    if wanted is not None and "MIG-" in wanted.upper():
        reason = f"CUDA_VISIBLE_DEVICES={wanted} is a MIG slice, and NVML measures whole GPUs only"
        raise MeterUnavailable("nvml", reason, device.mig_fix())
    chosen = visible(wanted, [gpu.uuid for gpu in gpus])
    if not chosen:
        reason = f"CUDA_VISIBLE_DEVICES='{wanted}' names none of the {len(gpus)} GPUs here"
        raise MeterUnavailable("nvml", reason, "Unset it, or name one: CUDA_VISIBLE_DEVICES=0")
    return [gpus[i] for i in chosen]


def _order_note(gpus: list[device.Gpu], environ: Mapping[str, str]) -> str:
    """A doubt where CUDA may count unlike GPUs in another order than NVML does."""
    by_bus = environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    unlike = len({gpu.name for gpu in gpus}) > 1
    if by_bus or not unlike or not uses_indices(environ.get("CUDA_VISIBLE_DEVICES")):
        return ""
    return (
        "CUDA_VISIBLE_DEVICES has numbers, and CUDA counts the fastest GPU first: "
        "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or use UUIDs"
    )


def _meter(nvml: Any, gpu: device.Gpu, note: str, *, counts: bool) -> Meter:  # noqa: ANN401
    device.refuse_shared(nvml, gpu)
    power, window = device.power_reader(nvml, gpu)
    facts = device.facts(nvml, gpu)
    notes = [facts.pop("note", ""), note]
    if window:
        facts["power_window"] = window
    if power is None and not counts:
        reason = "it has neither a working energy counter nor a power reading"
        raise MeterUnavailable(f"nvml:{gpu.index}", reason, "See: nvidia-smi -q -d POWER")
    if not counts and device.counter_j(nvml, gpu) is not None:
        notes.append("the energy counter stood still for a second, so power is read instead")
    if any(notes):
        facts["note"] = "; ".join(n for n in notes if n)
    return (CounterMeter if counts else PowerMeter)(nvml, gpu, power, facts)
