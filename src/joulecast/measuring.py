"""Measuring on this machine: its parts, its meters and its idle power put into a session."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast import __version__
from joulecast.core.errors import JoulecastError, MeterUnavailable
from joulecast.core.records import Architecture, Machine, Setup, Workload
from joulecast.core.run_files import default_folder
from joulecast.profiler import meters as meters_of
from joulecast.profiler.doctor import environment
from joulecast.profiler.host import GpuFacts
from joulecast.profiler.idle import load_idle
from joulecast.profiler.ranks import Rank, rank_of
from joulecast.profiler.session import Session as Recording
from joulecast.profiler.session import SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.profiler.meters import Meter

UNKNOWN = Architecture(name="", domain="", input_shape=(), params=0.0, macs=0.0, ops={})
"""The network of a job that did not say which."""


@dataclass(frozen=True, slots=True)
class MeterChoice:
    """Which meters are wanted.

    Attributes
    ----------
    wanted : names such as ``nvml`` or ``constant:65``; empty for all that this machine offers.
    replay : a recorded trace to read instead. sysfs_root : where /sys is mounted.
    """

    wanted: tuple[str, ...] = ()
    replay: Path | None = None
    sysfs_root: Path = Path("/sys")


@dataclass(frozen=True, slots=True)
class Here:
    """The machine that we run on, ready to be measured.

    Attributes
    ----------
    meters : opened; `close` lets go of them. where : environment and rank, for the record.
    notices : what was assumed and which meters are missing.
    """

    machine: Machine
    meters: tuple[Meter, ...]
    rank: Rank
    where: Mapping[str, str]
    notices: tuple[str, ...] = ()

    def close(self) -> None:
        """Let go of the meters."""
        for meter in self.meters:
            meter.close()

    def idle_w(self, folder: Path | None = None) -> dict[str, float]:
        """Watts by scope of this machine when idle, where they were got as energies will be."""
        if not self.machine.id:
            return {}
        bare = load_idle(folder or default_folder(), self.machine.id).get("")
        if bare is None:
            return {}
        sources: dict[str, set[str]] = {}
        for meter in self.meters:
            for scope in (meter.scope, "system"):
                sources.setdefault(scope, set()).add(meter.energy_source)
        return {
            scope: power_w
            for scope, power_w in bare.power_w.items()
            if set(bare.energy_source.get(scope, "").split("+")) == sources.get(scope)
        }


def context_of(machine: Machine | None, choice: MeterChoice) -> meters_of.MeterContext:
    """What the meters may know."""
    return meters_of.MeterContext(
        machine=machine,
        sysfs_root=choice.sysfs_root,
        environ=os.environ,
        replay=choice.replay,
    )


def find_here(hardware: str | Path | Machine, choice: MeterChoice) -> tuple[Machine, list[str]]:
    """The machine that we run on, as described or as found out, and what had to be assumed.

    A machine that cannot be made out is no reason not to measure it.
    """
    from joulecast import asking
    from joulecast.this_machine import this_machine

    if not (isinstance(hardware, str) and hardware.strip().lower() == "auto"):
        machine, notices = asking.find_machine(hardware)
        return machine, list(notices)
    try:
        found = this_machine(gpu_facts=_gpus(choice), environ=os.environ)
    except JoulecastError as exc:
        return Machine(id="", name=""), [f"the machine is not known: {exc}"]
    return found.machine, list(found.notices)


def _gpus(choice: MeterChoice) -> list[GpuFacts] | None:
    """The GPUs that NVML shows, ``None`` if it shows none."""
    try:
        found = meters_of.probe("nvml", context_of(None, choice))
    except MeterUnavailable:
        return None
    facts = [dict(meter.facts) for meter in found]
    for meter in found:
        meter.close()
    return [_gpu_facts(f) for f in facts]


def _gpu_facts(told: Mapping[str, str]) -> GpuFacts:
    """What NVML tells of one GPU, as numbers."""

    def figure(name: str) -> float | None:
        return float(told[name]) if told.get(name) else None

    width = told.get("bus_width_bits", "")
    capability = [int(n) for n in told.get("compute_capability", "").split(".") if n.isdecimal()]
    return GpuFacts(
        told["name"],
        mem_bytes=figure("mem_bytes"),
        power_limit_w=figure("power_limit_w"),
        default_limit_w=figure("default_limit_w"),
        clock_hz=figure("clock_hz"),
        mem_clock_hz=figure("mem_clock_hz"),
        bus_width_bits=int(width) if width.isdecimal() else None,
        capability=(capability[0], capability[1]) if len(capability) == 2 else None,
    )


def open_here(hardware: str | Path | Machine, choice: MeterChoice) -> Here:
    """The machine that we run on, with its meters; only the leader of a node opens any.

    Raises
    ------
    MeterUnavailable
        If a meter that was asked for by name is not there.
    """
    machine, notices = find_here(hardware, choice)
    rank = rank_of(os.environ, platform.node())
    where = {**rank.where(), **environment(environ=os.environ)}
    if not rank.is_leader:
        return Here(machine, (), rank, where, tuple(notices))
    context = context_of(machine, choice)
    wanted = ("replay",) if choice.replay else choice.wanted
    refused: list[MeterUnavailable] = []
    if wanted:
        context = replace(context, report=refused.append)
        found = tuple(meter for name in wanted for meter in _asked_for(name, context))
    else:
        opened = meters_of.open_meters(context)
        found = opened.meters
        refused += [exc for exc in opened.refused if _is_missed(exc, machine)]
    notices += [f"no reading from {exc}" for exc in refused]
    notices += [f"{m.name}: {m.facts['note']}" for m in found if m.facts.get("note")]
    return Here(machine, found, rank, where, tuple(notices))


def _asked_for(name: str, context: meters_of.MeterContext) -> list[Meter]:
    """The meters that `name` spells; behind a colon stand watts and scope, or a page's address."""
    kind, _, rest = name.partition(":")
    settings = dict(zip(("power_w", "scope"), rest.split(":"), strict=False)) if rest else {}
    options = {"url": rest} if kind == "prometheus" and rest else settings
    return meters_of.probe(kind, replace(context, options=options))


def _is_missed(refused: MeterUnavailable, machine: Machine) -> bool:
    """Whether this machine has the device that the meter would see."""
    kind = refused.meter.split(":")[0]
    if kind in {"nvml", "amdsmi"}:
        vendor = "nvidia" if kind == "nvml" else "amd"
        gpu = machine.gpu
        return gpu is not None and (not gpu.vendor or gpu.vendor.lower() == vendor)
    return True


class Session(Recording):
    """A measurement of what runs between `start` and `stop`, on this machine.

    Parameters
    ----------
    model : what runs: a catalogue name, an `Architecture`, an ``nn.Module`` (then `input_shape` is
        needed), or ``None`` if it cannot be said; then the record has figures and teaches nothing.
    hardware : this machine's id or TOML, ``auto`` to find it out.
    task, batch_size, samples, epochs, precision, framework, input_shape : as for `estimate`.
    name : what the record is called, by default the model.
    folder : where the record goes, by default the user's own; ``None`` for nowhere.
    meters : names such as ``nvml`` or ``constant:65``; empty for all that this machine offers.
    on_flush : told of the figures so far every two seconds.

    Examples
    --------
    >>> session = Session("lenet", folder=None, meters=["constant:65"])
    >>> with session:
    ...     pass
    >>> session.run.measurement.energy_source["cpu"]
    'constant'
    """

    def __init__(  # noqa: PLR0913 (the public interface)
        self,
        model: Any = None,  # noqa: ANN401 (torch.nn.Module without importing torch)
        hardware: str | Path | Machine = "auto",
        *,
        task: str = "train",
        batch_size: float = 128,
        samples: float | None = None,
        epochs: float = 1,
        precision: str = "fp32",
        framework: str = "pytorch",
        input_shape: tuple[int, ...] | None = None,
        name: str = "",
        folder: str | Path | None = "",
        meters: Sequence[str] = (),
        period_s: float = 0.1,
        on_flush: Callable[[Any], None] | None = None,
    ) -> None:
        from joulecast import asking

        asking.refuse_absurd(batch_size=batch_size, samples=samples, epochs=epochs)
        if isinstance(meters, str):
            meters = (meters,)
        architecture = UNKNOWN
        if model is not None:
            architecture = asking.find_architecture(model, input_shape, framework)
        here = open_here(hardware, MeterChoice(wanted=tuple(meters)))
        workload = Workload(
            task=asking.task_of(task, architecture),
            samples=50_000 if samples is None else samples,
            epochs=epochs,
            batch_size=batch_size,
            input_shape=architecture.input_shape or None,
            precision=asking.precision_of(precision, here.machine),
            framework=asking.framework_named(framework),
        )
        setup = Setup(here.machine, architecture, workload, notices=here.notices)
        place = default_folder() if folder == "" else folder
        options = options_of(here, None if place is None else Path(place), period_s)
        label = name or architecture.name or "session"
        options = replace(options, label=label)
        if on_flush is not None:
            options = replace(options, on_flush=on_flush)
        super().__init__(setup, options=options)


def options_of(
    here: Here, folder: Path | None, period_s: float = 0.1, *, keep_trace: bool = True
) -> SessionOptions:
    """How a session measures this machine."""
    try:
        idle_w = here.idle_w(folder)
    except JoulecastError:  # a broken file of idle power costs the net energy, not the run
        idle_w = {}
    versions = {"joulecast": __version__, "python": platform.python_version()}
    return SessionOptions(
        meters=here.meters,
        folder=folder,
        period_s=period_s,
        keep_trace=keep_trace,
        idle_w=idle_w,
        rank=here.rank,
        where=here.where,
        versions={**versions, "system": f"{platform.system()} {platform.release()}"},
    )
