"""CPU by its TDP and its load, where no sensor counts it: the last resort, labelled as a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.host import host_facts
from joulecast.profiler.host_cgroup import cpu_quota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from joulecast.core.records import Device
    from joulecast.profiler.clock import Clock
    from joulecast.profiler.meters import MeterContext

_R = 1.4
_IDLE_FRAC = 0.15
"""Of the TDP, where a device file does not say what the CPU draws when idle."""


def load_curve(load_frac: float) -> float:
    """Share of the way from idle to full power, 0..1: 2 u - u^1.4, concave and rising.

    Fan, Weber and Barroso, Power Provisioning for a Warehouse-sized Computer, ISCA 2007, found this
    form and the exponent 1.4 on servers: the first busy cores wake what all of them share.

    >>> load_curve(0.0), round(load_curve(0.5), 3), load_curve(1.0)
    (0.0, 0.621, 1.0)
    """
    u = min(max(load_frac, 0.0), 1.0)
    return float(2.0 * u - u**_R)


class Meter:
    """Joules of all sockets, or of our share of them, from the load.

    The load is a mean since the last reading, so it is counted for exactly that time.

    A virtual machine or container that has fewer CPUs than the machine answers for that share of
    the sockets, idle power included; the load is then that of its own CPUs.

    Parameters
    ----------
    idle_w, full_w : of all sockets. share_frac : of them that is ours. load_frac : busy, 0..1.
    clock : of the readings; joules count from now on.
    """

    FALLBACK_FOR = "cpu"
    scope = "cpu"
    energy_source = "tdp-model"
    wrap_j: float | None = None

    def __init__(
        self,
        idle_w: float,
        full_w: float,
        share_frac: float,
        load_frac: Callable[[], float],
        clock: Clock,
    ) -> None:
        self._idle_w, self._full_w = idle_w * share_frac, full_w * share_frac
        self._load_frac = load_frac
        self._last_frac: float | None = None
        self._clock = clock
        self._energy_j, self._read_s = 0.0, clock.monotonic_s()
        self.name = "cpu_load:0"
        self.facts: Mapping[str, str] = {
            "basis": "modelled",
            "formula": "idle + (TDP - idle) (2 u - u^1.4)",
            "idle_w": f"{idle_w:g}",
            "tdp_w": f"{full_w:g}",
            "share_frac": f"{share_frac:.3g}",
        }

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for all sockets of the machine."""
        machine = context.machine
        if machine is None or machine.cpu is None or machine.n_cpus <= 0:
            reason = "the CPU is not known, and neither is its TDP"
            fix = "Name the machine with --hw, or write cpu and n_cpus into a TOML file of it"
            raise MeterUnavailable("cpu_load", reason, fix)
        cpu, sockets = machine.cpu, machine.n_cpus
        idle_w = _IDLE_FRAC * cpu.tdp_w if cpu.idle_w is None else cpu.idle_w
        load = context.load_frac or _Busy(_clocked(context))
        share_frac = _share(cpu, sockets, context)
        return [cls(idle_w * sockets, cpu.tdp_w * sockets, share_frac, load, context.clock)]

    def read_energy_j(self) -> float:
        """Joules since it was opened; those since the last reading at the load since then."""
        load_frac = self._load_frac()
        if not 0 <= load_frac <= 1:
            raise MeterReadError(f"{self.name}: a load of {load_frac:g} is outside 0..1")
        self._last_frac = load_frac
        power_w = self._idle_w + (self._full_w - self._idle_w) * load_curve(load_frac)
        now_s = self._clock.monotonic_s()
        self._energy_j += power_w * max(0.0, now_s - self._read_s)
        self._read_s = now_s
        return self._energy_j

    def extras(self) -> Mapping[str, float]:
        """``cpu_load_frac``, from which the last joules came."""
        return {} if self._last_frac is None else {"cpu_load_frac": self._last_frac}

    def close(self) -> None:
        """Nothing is held open."""


class _Busy:
    """Busy share of the time between two calls, from two running sums of CPU seconds."""

    def __init__(self, read: Callable[[], tuple[float, float]]) -> None:
        self._read = read
        self._before = read()
        self._last_frac: float | None = None

    def __call__(self) -> float:
        """Share of the CPUs that was busy since the last call; the last one if no time passed."""
        try:
            busy_s, total_s = self._read()
        except (OSError, ValueError, psutil.Error) as exc:
            raise MeterReadError(f"cpu_load: cannot read the CPU's load: {exc}") from exc
        passed_s = total_s - self._before[1]
        if passed_s > 0:
            self._last_frac = min(max((busy_s - self._before[0]) / passed_s, 0.0), 1.0)
            self._before = (busy_s, total_s)
        if self._last_frac is None:
            raise MeterReadError("cpu_load: no CPU time has passed since the start")
        return self._last_frac


def _share(cpu: Device, sockets: int, context: MeterContext) -> float:
    """Share of the machine's CPUs that we were given, 0..1.

    Affinity is left out: a process that is bound to its cores still measures for its whole job.
    """
    host = host_facts(context.root, context.environ)
    if not host.threads or not cpu.sm_count:
        return 1.0
    threads_per_core = host.threads / (host.cores or host.threads)
    total = sockets * cpu.sm_count * threads_per_core
    return min(1.0, (cpu_quota(context.root) or host.threads) / total)


def _clocked(context: MeterContext) -> Callable[[], tuple[float, float]]:
    """Reader of busy and total CPU seconds: of our control group if it has a quota, else of all."""
    quota, usage = cpu_quota(context.root), _usage_file(context.root)
    if quota is None or usage is None:
        return _system_s
    return lambda: (_used_s(usage), quota * context.clock.monotonic_s())


def _system_s() -> tuple[float, float]:
    """Busy and total CPU seconds of the system since it started."""
    times = psutil.cpu_times()._asdict()
    # Guests are counted as users already; stolen time served another virtual machine.
    total_s = sum(s for name, s in times.items() if not name.startswith("guest"))
    rest_s = sum(times.get(name, 0.0) for name in ("idle", "iowait", "steal"))
    return total_s - rest_s, total_s


def _usage_file(root: Path) -> Path | None:
    """The file in which version 2 of control groups counts our CPU time."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    ours = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), "")
    mount = root / "sys/fs/cgroup"
    files = (mount / ours / "cpu.stat", mount / "cpu.stat")
    return next((file for file in files if file.is_file()), None)


def _used_s(file: Path) -> float:
    for line in file.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            return 1e-6 * int(value)
    raise ValueError(f"{file} has no usage_usec")
