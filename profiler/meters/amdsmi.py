"""AMD GPUs through amdsmi, if that is installed: the energy counter where it is sane, else power.

The counter of some cards stands still or counts too slowly (ROCm/amdsmi issues 22 and 38): it is
held against the power reading before it is trusted.
"""

from __future__ import annotations

import io
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.meters._counter import watched_power_w
from joulecast.profiler.meters._visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.profiler.meters import MeterContext

_J_PER_UJ = 1e-6
_BYTES_PER_MIB = 2.0**20
_MOST_RATIO = 10.0
"""By how much counter and power may differ over a quarter of a second."""
_NOT_A_VALUE = 0xFFFF
_INSTALL = "With an AMD GPU, install ROCm and run: pip install amdsmi"


@dataclass(frozen=True, slots=True)
class _Gpu:
    index: int
    handle: Any
    uuid: str
    facts: Mapping[str, str]


class Meter:
    """What all AMD GPUs have in common; `probe` returns one of the two kinds below for each."""

    scope = "gpu"
    energy_source = ""
    wrap_j: float | None = None  # 64 bits

    def __init__(self, smi: Any, gpu: _Gpu) -> None:  # noqa: ANN401 (amdsmi may be absent)
        self._smi, self._gpu = smi, gpu
        self._open = True
        smi.amdsmi_init()  # counted: amdsmi stays open until the last meter is closed
        self.name = f"amdsmi:{gpu.index}"
        self.facts = gpu.facts

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for each GPU that this process may use."""
        smi = _start()
        try:
            return _meters(smi, context)
        except _errors(smi) as exc:
            reason = f"amdsmi says: {_words(exc)}"
            raise MeterUnavailable("amdsmi", reason, "See: amd-smi list") from exc
        finally:
            with suppress(*_errors(smi)):
                smi.amdsmi_shut_down()

    def extras(self) -> Mapping[str, float]:
        """Utilisation and memory in use; what cannot be read is absent."""
        smi, handle, found = self._smi, self._gpu.handle, dict[str, float]()
        with suppress(*_errors(smi)):
            load = smi.amdsmi_get_gpu_activity(handle)
            for key, name in (("util_frac", "gfx_activity"), ("mem_util_frac", "umc_activity")):
                if isinstance(load[name], int) and load[name] <= 100:
                    found[key] = load[name] / 100
        with suppress(*_errors(smi)):
            used_mib = smi.amdsmi_get_gpu_vram_usage(handle)["vram_used"]
            found["mem_used_bytes"] = _BYTES_PER_MIB * float(used_mib)
        with suppress(*_errors(smi)):
            sensor, now = smi.AmdSmiTemperatureType.HOTSPOT, smi.AmdSmiTemperatureMetric.CURRENT
            found["temp_c"] = float(smi.amdsmi_get_temp_metric(handle, sensor, now))
        return found

    def close(self) -> None:
        """Let go of amdsmi."""
        if self._open:
            self._open = False
            with suppress(*_errors(self._smi)):
                self._smi.amdsmi_shut_down()


class CounterMeter(Meter):
    """A GPU whose energy counter agrees with its power."""

    energy_source = "amdsmi-counter"

    def read_energy_j(self) -> float:
        """Joules since some start."""
        try:
            return _counted_j(self._smi, self._gpu)
        except _errors(self._smi) as exc:
            raise MeterReadError(f"{self.name}: {_words(exc)}") from exc

    def extras(self) -> Mapping[str, float]:
        """As for every GPU, and ``power_w``: a cross-check of the counter."""
        power_w = _power_w(self._smi, self._gpu)
        return dict(super().extras()) | ({} if power_w is None else {"power_w": power_w})


class PowerMeter(Meter):
    """A GPU that tells its power only."""

    energy_source = "amdsmi-power"

    def read_power_w(self) -> float:
        """Watts of the socket."""
        power_w = _power_w(self._smi, self._gpu)
        if power_w is None:
            raise MeterReadError(f"{self.name}: no power reading")
        return power_w


def _start() -> Any:  # noqa: ANN401
    """Return amdsmi, opened."""
    try:
        with redirect_stdout(io.StringIO()):  # it prints when it does not find its library
            amdsmi: Any = import_module("amdsmi")
    except ImportError as exc:
        raise MeterUnavailable("amdsmi", "the package amdsmi is not installed", _INSTALL) from exc
    except Exception as exc:  # without ROCm its import fails with KeyError, OSError or others
        reason = "amdsmi is installed, but not its library libamd_smi"
        raise MeterUnavailable("amdsmi", reason, "With an AMD GPU, install ROCm") from exc
    try:
        amdsmi.amdsmi_init()
    except amdsmi.AmdSmiException as exc:
        fix = "Load the driver (sudo modprobe amdgpu); give a container /dev/kfd and /dev/dri"
        raise MeterUnavailable("amdsmi", f"amdsmi says: {_words(exc)}", fix) from exc
    return amdsmi


def _meters(smi: Any, context: MeterContext) -> list[Meter]:  # noqa: ANN401
    """Meters of all GPUs that work; the others are reported, or raised if none works."""
    gpus = _selected(
        [_gpu(smi, i, h) for i, h in enumerate(smi.amdsmi_get_processor_handles())], context
    )
    counters_w = watched_power_w([partial(_counter_j, smi, gpu) for gpu in gpus], context.clock)
    meters: list[Meter] = []
    refused: list[MeterUnavailable] = []
    for gpu, counter_w in zip(gpus, counters_w, strict=True):
        power_w = _power_w(smi, gpu)
        if power_w is None:
            reason = "it tells no power; the second die of a card is counted with the first"
            refused.append(
                MeterUnavailable(f"amdsmi:{gpu.index}", reason, "See: amd-smi metric -p")
            )
        elif counter_w and 1 / _MOST_RATIO < counter_w / power_w < _MOST_RATIO:
            meters.append(CounterMeter(smi, gpu))
        else:
            meters.append(PowerMeter(smi, gpu))
    for refusal in refused if meters else refused[1:]:
        context.report(refusal)
    if not meters:
        raise refused[0]
    return meters


def _selected(gpus: list[_Gpu], context: MeterContext) -> list[_Gpu]:
    """The GPUs that ROCR_VISIBLE_DEVICES, then HIP_ or CUDA_VISIBLE_DEVICES, let us see."""
    if not gpus:
        raise MeterUnavailable("amdsmi", "amdsmi shows no GPU", "See: amd-smi list")
    environ = context.environ
    by_hip = environ.get("HIP_VISIBLE_DEVICES", environ.get("CUDA_VISIBLE_DEVICES"))
    seen = gpus
    for wanted in (environ.get("ROCR_VISIBLE_DEVICES"), by_hip):
        seen = [seen[i] for i in visible(wanted, [gpu.uuid for gpu in seen])]
    if not seen:
        reason = "ROCR_ or HIP_VISIBLE_DEVICES name none of the GPUs here"
        raise MeterUnavailable("amdsmi", reason, "Unset them, or name one: HIP_VISIBLE_DEVICES=0")
    return seen


def _gpu(smi: Any, index: int, handle: Any) -> _Gpu:  # noqa: ANN401
    facts: dict[str, str] = {"smi_index": str(index)}
    uuid = ""
    with suppress(*_errors(smi)):
        chip = smi.amdsmi_get_gpu_asic_info(handle)
        facts["name"] = str(chip["market_name"])
        serial = str(chip["asic_serial"]).lower().removeprefix("0x")
        if serial not in {"", "n/a"}:  # two GPUs without one are not the same GPU
            uuid = facts["uuid"] = f"GPU-{serial}"
    with suppress(*_errors(smi)):
        facts["driver"] = str(smi.amdsmi_get_gpu_driver_info(handle)["driver_version"])
    return _Gpu(index, handle, uuid, facts)


def _counted_j(smi: Any, gpu: _Gpu) -> float:  # noqa: ANN401
    """Joules: the accumulator times its resolution in microjoules."""
    count = smi.amdsmi_get_energy_count(gpu.handle)
    ticks = count.get("energy_accumulator", count.get("power"))  # its name until ROCm 6.1
    return float(_J_PER_UJ * ticks * count["counter_resolution"])


def _counter_j(smi: Any, gpu: _Gpu) -> float | None:  # noqa: ANN401
    with suppress(*_errors(smi)):
        return _counted_j(smi, gpu)
    return None


def _power_w(smi: Any, gpu: _Gpu) -> float | None:  # noqa: ANN401
    """Watts: the average where the card has one (to MI200), else the current (MI300)."""
    with suppress(*_errors(smi)):
        told = smi.amdsmi_get_power_info(gpu.handle)
        for key in ("average_socket_power", "current_socket_power", "socket_power"):
            value = told.get(key)
            if isinstance(value, int | float) and 0 < value < _NOT_A_VALUE:
                return float(value)
    return None


def _errors(smi: Any) -> tuple[type[Exception], ...]:  # noqa: ANN401
    """What a call may raise: amdsmi's own, and those of a value that is "N/A" or has a new name."""
    return (smi.AmdSmiException, KeyError, TypeError, ValueError)


def _words(exc: Exception) -> str:
    return " ".join(str(exc).split())
