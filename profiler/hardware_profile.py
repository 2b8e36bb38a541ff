"""The micro-benchmark of a machine: what is run for how long, and the record of what came out.

Runs inside an open session, so that every part has its power beside its rate. The benchmarks
themselves are in `workload_micro`; here is no torch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Protocol

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulecast.core.records import Window
    from joulecast.profiler.clock import Clock

BENCH_S = 50.0
LEAST_S = 2.0
CALIBRATION = (("lenet", "train"), ("resnet18", "infer"))
"""Network and task of the short runs that go with a profile."""
_SHARES = {"matmul": 4.0, "copy": 3.0, "launch": 1.5, "loader": 3.0, "host-copy": 1.5}
"""Relative length of the parts; each precision and each loader is a part."""
LOADER_WORKERS = (0, 1)
_ALONE = 0.85
"""Share of the CPU time that a product gets on an idle machine, at least."""


class Bench(Protocol):
    """The micro-benchmarks of one device, each a list of repeats; `TorchBench` is one."""

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``cuda:1``."""
        ...

    @property
    def threads(self) -> int:
        """CPU threads in use."""
        ...

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that the device computes in by itself."""
        ...

    def cpu_s(self) -> float:
        """Seconds of CPU time that this process has used."""
        ...

    def matmul_flops_per_s(self, precision: str, seconds: float) -> list[float]:
        """FLOP/s of a matrix product."""
        ...

    def copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s, read plus written, of a copy in the device's memory."""
        ...

    def launch_s(self, seconds: float) -> list[float]:
        """Seconds per operator too small to compute anything."""
        ...

    def host_copy_bytes_per_s(self, seconds: float) -> list[float]:
        """Bytes/s from host to device; empty where both are one."""
        ...

    def loader_samples_per_s(self, workers: int, seconds: float) -> list[float]:
        """Samples/s of a loader of small images."""
        ...


class Recorder(Protocol):
    """Whatever measures named stretches; an open session does."""

    def begin_window(self, name: str) -> object:
        """Open a stretch."""
        ...

    def end_window(self, name: str) -> Window:
        """Close it: seconds, and joules by scope."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the micro-benchmark.

    Attributes
    ----------
    key : e.g. ``matmul:fp32`` or ``loader:1``. run : the repeats it gives in so many seconds.
    seconds : how long it may take.
    """

    key: str
    run: Callable[[float], list[float]]
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """What one part gave.

    Attributes
    ----------
    value : median of the repeats, in the unit of its key.
    spread_frac : the middle half of the repeats, from end to end, over the median.
    power_w : mean watts by scope while it ran; a scope that nothing saw is absent.
    """

    value: float
    spread_frac: float
    repeats: int
    duration_s: float
    power_w: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HardwareProfile:
    """What a machine reaches, measured.

    Attributes
    ----------
    rates : by part. ``matmul:<precision>`` FLOP/s; ``copy`` and ``host-copy`` bytes/s; ``launch``
        seconds per operator; ``loader:<workers>`` samples/s. A part that failed is absent.
    idle_w, idle_source : watts by scope when idle, and how they were got.
    threads : CPU threads of torch. duration_s : of the parts together.
    """

    device: str
    threads: int
    rates: Mapping[str, Rate]
    idle_w: Mapping[str, float] = field(default_factory=dict)
    idle_source: Mapping[str, str] = field(default_factory=dict)
    duration_s: float = 0.0
    notices: tuple[str, ...] = ()

    def value(self, key: str) -> float | None:
        """Figure of the part `key`, ``None`` if there is none."""
        rate = self.rates.get(key)
        return None if rate is None else rate.value

    @property
    def matmul_flops_per_s(self) -> Mapping[str, float]:
        """FLOP/s by precision."""
        head = "matmul:"
        return {k.removeprefix(head): r.value for k, r in self.rates.items() if k.startswith(head)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names."""
        return asdict(self)


def parts(bench: Bench, seconds: float) -> list[Part]:
    """The parts of the micro-benchmark of `bench`, `seconds` long together."""
    if not LEAST_S <= seconds <= 3600:
        message = f"seconds = {seconds!r}: a micro-benchmark takes {LEAST_S:g} s to an hour"
        raise BadInput(message)
    chosen: list[tuple[str, Callable[[float], list[float]]]] = [
        (f"matmul:{p}", partial(bench.matmul_flops_per_s, p)) for p in bench.precisions
    ]
    chosen += [("copy", bench.copy_bytes_per_s), ("launch", bench.launch_s)]
    if bench.device != "cpu":
        chosen.append(("host-copy", bench.host_copy_bytes_per_s))
    chosen += [(f"loader:{n}", partial(bench.loader_samples_per_s, n)) for n in LOADER_WORKERS]
    weights = [_SHARES[key.partition(":")[0]] for key, _ in chosen]
    return [
        Part(key, run, seconds * weight / sum(weights))
        for (key, run), weight in zip(chosen, weights, strict=True)
    ]


def profile_hardware(
    bench: Bench,
    recorder: Recorder,
    clock: Clock,
    *,
    seconds: float = BENCH_S,
    idle_w: Mapping[str, float] | None = None,
    idle_source: Mapping[str, str] | None = None,
) -> HardwareProfile:
    """The machine's profile: every part once, one after the other.

    Parameters
    ----------
    recorder : open; each part is a window of it named ``hardware:<key>``.
    seconds : of all parts together. idle_w, idle_source : of the idle reading taken before.
    """
    planned = parts(bench, seconds)
    started_s = clock.monotonic_s()
    rates, notices = dict[str, Rate](), list[str]()
    for part in planned:
        used_s = bench.cpu_s()
        outcome = _measured(part, recorder)
        if isinstance(outcome, Rate):
            outcome = _alone(part, outcome, bench, bench.cpu_s() - used_s)
        if isinstance(outcome, Rate):
            rates[part.key] = outcome
        else:
            notices.append(outcome)
    return HardwareProfile(
        device=bench.device,
        threads=bench.threads,
        rates=rates,
        idle_w=dict(idle_w or {}),
        idle_source=dict(idle_source or {}),
        duration_s=clock.monotonic_s() - started_s,
        notices=tuple(notices),
    )


def _measured(part: Part, recorder: Recorder) -> Rate | str:
    """What `part` gave, or why it gave nothing."""
    name = f"hardware:{part.key}"
    recorder.begin_window(name)
    try:
        repeats = part.run(part.seconds)
        reason = "it gave no figure"
    except (RuntimeError, OSError, ValueError, MemoryError) as exc:
        # out of memory, a data type the device refuses, no shared memory for the loader: the
        # other parts are still worth having
        repeats, reason = [], f"{type(exc).__name__}: {exc}".partition("\n")[0]
    window = recorder.end_window(name)
    sane = [value for value in repeats if 0 < value < 1e20]
    if not sane:
        return f"{part.key} could not be measured: {reason}"
    value, span_s = median(sane), window.duration_s
    power_w = {s: j / span_s for s, j in window.energy_j.items()} if span_s > 0 else {}
    return Rate(value, _middle_half(sane) / value, len(sane), span_s, power_w)


def _middle_half(values: list[float]) -> float:
    """Distance from the first to the third quartile."""
    if len(values) < 2:
        return 0.0
    first, _, third = quantiles(values, n=4, method="inclusive")
    return third - first


def _alone(part: Part, rate: Rate, bench: Bench, used_s: float) -> Rate | str:
    """The rate, or why it does not count: a product on the CPU that did not get the CPU."""
    wanted_s = rate.duration_s * bench.threads
    on_cpu = bench.device == "cpu" and part.key.startswith("matmul")
    if not on_cpu or used_s >= _ALONE * wanted_s:
        return rate
    return (
        f"other programs were running: {part.key} got {100 * used_s / wanted_s:.0f} % of the "
        f"{bench.threads} CPU threads and does not count. Close them and measure again"
    )
