"""What can be measured on this machine, what is modelled, and what would change that."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.core.records import MEASURED_SOURCES
from joulecast.profiler import meters
from joulecast.profiler.host import host_facts
from joulecast.profiler.host_cgroup import cpu_quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.meters import Meter, MeterContext

LOOK_S = 0.2
_LOOKS = 3
_ROOT = Path("/")
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
)
_SILENT_FIX = "Try again; if it stays so, name the meters that work with --meter"
State = Literal["works", "refused"]
Basis = Literal["measured", "modelled", "missing"]


@dataclass(frozen=True, slots=True)
class MeterCheck:
    """One device of a meter, or the meter where it has none to offer.

    Attributes
    ----------
    name : the meter's file. meter : the device, e.g. ``nvml:0``; `name` if there is none.
    power_w : watts at the test, ``None`` where it is refused.
    reason, fix : why it is refused, and what would change that.
    on_request : it is opened only when asked for by name, so that a refusal is no fault.
    """

    name: str
    meter: str
    state: State
    scope: str = ""
    energy_source: str = ""
    power_w: float | None = None
    reason: str = ""
    fix: str = ""
    on_request: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScopeCheck:
    """How the energy of one scope will be got: by which meters, measured or modelled."""

    scope: str
    basis: Basis
    meters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What the examination found.

    Attributes
    ----------
    environment : as from `environment`, and the variables that choose GPUs.
    """

    meters: tuple[MeterCheck, ...]
    scopes: tuple[ScopeCheck, ...]
    environment: Mapping[str, str]


def examine(context: MeterContext) -> Report:
    """State of every meter, with a live reading of each that works, and what follows per scope."""
    opened: list[tuple[str, Meter]] = []
    checks: list[MeterCheck] = []
    for name in meters.names():
        refused: list[MeterUnavailable] = []
        try:
            found = meters.probe(name, replace(context, report=refused.append))
            opened += [(name, meter) for meter in found]
        except MeterUnavailable as exc:
            refused.append(exc)
        checks += [_refusal(name, exc) for exc in refused]
    power_w = _look([meter for _, meter in opened], context.clock)
    checks += [_check(name, meter, power_w[i]) for i, (name, meter) in enumerate(opened)]
    for _, meter in opened:
        meter.close()
    chosen = {v: context.environ[v] for v in _VARIABLES if v in context.environ}
    order = {name: i for i, name in enumerate(meters.names())}
    checks.sort(key=lambda check: (order[check.name], check.meter))
    return Report(
        meters=tuple(checks),
        scopes=tuple(_scope(scope, checks) for scope in meters.SCOPES),
        environment=environment(context.root, context.environ) | chosen,
    )


def environment(root: Path = _ROOT, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where this runs: ``environment`` is host or container; more keys only where they apply.

    ``container`` (its runtime), ``virtual_machine``, ``cpu_limit`` (logical CPUs that the control
    group gets), ``mem_limit_bytes``.
    """
    host = host_facts(root, environ)
    quota = cpu_quota(root)
    inside = host.container or ("unknown" if _on_overlay(root) else "")
    found = {"environment": "container" if inside else "host"}
    if inside:
        found["container"] = inside
    if host.is_virtual:
        found["virtual_machine"] = _vendor(root)
    if quota is not None:
        found["cpu_limit"] = f"{quota:g}"
    if host.mem_limit_bytes is not None:
        found["mem_limit_bytes"] = f"{host.mem_limit_bytes:.0f}"
    return found


def _refusal(name: str, exc: MeterUnavailable) -> MeterCheck:
    on_request = bool(getattr(meters.kind(name), "ON_REQUEST", False))
    return MeterCheck(
        name, exc.meter, "refused", reason=exc.reason, fix=exc.fix, on_request=on_request
    )


def _check(name: str, meter: Meter, reading: float | str) -> MeterCheck:
    """The check of an opened meter: `reading` is watts, or why there are none."""
    works = not isinstance(reading, str)
    return MeterCheck(
        name,
        meter.name,
        state="works" if works else "refused",
        scope=meter.scope,
        energy_source=meter.energy_source,
        power_w=None if isinstance(reading, str) else reading,
        reason=reading if isinstance(reading, str) else "",
        fix="" if works else _SILENT_FIX,
        on_request=bool(getattr(meters.kind(name), "ON_REQUEST", False)),
        facts=meter.facts,
    )


def _look(opened: list[Meter], clock: Clock) -> list[float | str]:
    """Watts of each meter over a fifth of a second, or why it gave none, (n_meters,).

    A counter that did not move is given two more looks.
    """
    first = [_read(meter) for meter in opened]
    start_s = clock.monotonic_s()
    found: list[float | str] = ["" for _ in opened]
    never = threading.Event()
    for _ in range(_LOOKS if opened else 0):
        clock.wait(never, LOOK_S)
        elapsed_s = clock.monotonic_s() - start_s
        for i, meter in enumerate(opened):
            if isinstance(found[i], str):
                found[i] = _power_w(meter, first[i], _read(meter), elapsed_s)
        if not any(isinstance(reading, str) for reading in found):
            break
    return found


def _read(meter: Any) -> float | str:  # noqa: ANN401 (a meter has one of two methods)
    """Joules of a counter, watts of any other, or why the reading failed."""
    try:
        counts = hasattr(meter, "read_energy_j")
        return float(meter.read_energy_j() if counts else meter.read_power_w())
    except MeterReadError as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 (a driver may fail in any way; the others go on)
        return f"{meter.name}: {type(exc).__name__}: {exc}"


def _power_w(meter: Meter, first: float | str, later: float | str, elapsed_s: float) -> float | str:
    if isinstance(later, str):
        return later
    if not hasattr(meter, "read_energy_j"):
        return later
    if isinstance(first, str):
        return first
    moved_j = later - first
    if moved_j < 0 and meter.wrap_j is not None:
        moved_j += meter.wrap_j
    if moved_j <= 0 or elapsed_s <= 0:
        return f"{meter.name}: its counter does not move"
    return moved_j / elapsed_s


def _scope(scope: str, checks: Iterable[MeterCheck]) -> ScopeCheck:
    """What a session would take for `scope`: all that measure it, else what models it."""
    working = [c for c in checks if c.state == "works" and c.scope == scope]
    measured = tuple(c.meter for c in working if c.energy_source in MEASURED_SOURCES)
    modelled = tuple(c.meter for c in working if c.energy_source not in MEASURED_SOURCES)
    if measured:
        return ScopeCheck(scope, "measured", measured)
    return ScopeCheck(scope, "modelled", modelled) if modelled else ScopeCheck(scope, "missing")


def _on_overlay(root: Path) -> bool:
    """Whether the root file system is layered, as containers have it that hide all other marks."""
    mounts = _text(root / "proc/self/mountinfo").splitlines()
    return any(m.split()[4:5] == ["/"] and " - overlay " in m for m in mounts)


def _vendor(root: Path) -> str:
    """Who made the virtual machine, as far as its firmware says."""
    named = _text(root / "sys/class/dmi/id/sys_vendor") or _text(root / "sys/hypervisor/type")
    return named or "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
