"""From what was read and what was told to a run record."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import Measurement, MeterReport, Run, Status, Window
from joulecast.profiler import integrate
from joulecast.profiler.session_book import EdgesSoFar
from joulecast.profiler.session_options import Snapshot
from joulecast.profiler.session_scopes import by_scope, parts_of, sources, summed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Setup
    from joulecast.profiler.sampler_series import Series
    from joulecast.profiler.session_book import Book, Stretch
    from joulecast.profiler.session_options import SessionOptions
    from joulecast.profiler.session_steps import Steps

STEADY_STEPS = 10
STEADY_EPOCHS = 2
NOW_S = 2.0


class View:
    """The figures of a session up to `end_s`; made anew for each look at it.

    Attributes
    ----------
    energy_j : (n_meters,), joules of each meter, ``None`` where it gave none.
    chosen : indices of the meters that are added up. parts : scopes that make up the system.
    """

    def __init__(
        self, book: Book, series: Sequence[Series], setup: Setup | None, end_s: float
    ) -> None:
        self.book = book
        self.series = series
        self.edges_s = EdgesSoFar(book.edges_s, end_s)
        last = len(self.edges_s) - 1
        self.energy_j = [s.energy_j(self.edges_s, 0, last) for s in series]
        meters = [s.meter for s in series]
        self.chosen = summed(meters, [e is not None for e in self.energy_j])
        self.parts = parts_of(None if setup is None else setup.machine, meters)

    @property
    def start_s(self) -> float:
        """Clock seconds of the start."""
        return self.edges_s[0]

    @property
    def end_s(self) -> float:
        """Clock seconds of this look."""
        return self.edges_s[-1]

    @property
    def duration_s(self) -> float:
        """Seconds since the start."""
        return self.end_s - self.start_s

    def scopes_j(self) -> dict[str, float]:
        """Joules by scope of all of it."""
        return self._sum(self.energy_j)

    def edge_scopes_j(self, first: int, last: int) -> dict[str, float]:
        """Joules by scope between two edges."""
        return self._sum([s.energy_j(self.edges_s, first, last) for s in self.series])

    def power_w(self, start_s: float, end_s: float) -> dict[str, float]:
        """Mean watts by scope, of each meter over what it saw."""
        found: list[float | None] = []
        for series in self.series:
            curve = series.curve()
            energy_j = integrate.energy_between_j(curve, start_s, end_s)
            seen_s = integrate.seen_s(curve, start_s, end_s)
            found.append(energy_j / seen_s if energy_j is not None and seen_s > 0 else None)
        return self._sum(found)

    def epochs_power_w(self, start_s: float, end_s: float) -> dict[str, float]:
        """Mean watts by scope of the epochs between `start_s` and `end_s`, pauses left out."""
        return self._sum([self._epochs_power_w(s, start_s, end_s) for s in self.series])

    def seen_frac(self, series: Series) -> float | None:
        """Share of the session that the meter's readings cover, 0..1."""
        if self.duration_s <= 0:
            return None
        seen_s = integrate.seen_s(series.curve(), self.start_s, self.end_s) - series.blind_s
        return min(1.0, max(0.0, seen_s / self.duration_s))

    def window(self, stretch: Stretch) -> Window:
        """The record of a closed window."""
        start_s, end_s = self.edges_s[stretch.first], self.edges_s[stretch.last]
        return Window(
            name=stretch.name,
            start_s=start_s - self.start_s,
            duration_s=end_s - start_s,
            energy_j=self.edge_scopes_j(stretch.first, stretch.last),
            samples=self.book.samples_in(stretch),
            steps=self.book.steps_in(stretch),
            loss=stretch.loss,
            accuracy=stretch.accuracy,
        )

    def sources(self) -> dict[str, str]:
        """How each scope was got."""
        pairs = [
            (self.series[i].meter.scope, self.series[i].meter.energy_source)
            for i in self.chosen
            if self.energy_j[i] is not None
        ]
        return sources(pairs, self.scopes_j())

    def snapshot(self, run_id: str) -> Snapshot:
        """Live figures."""
        steps = self.book.steps.summary()
        return Snapshot(
            run_id=run_id,
            duration_s=self.duration_s,
            energy_j=self.scopes_j(),
            power_w=self.power_w(max(self.start_s, self.end_s - NOW_S), self.end_s),
            samples=self.book.all_samples(),
            steps=self.book.steps.count,
            median_step_s=None if steps is None else steps.times.median_s,
            epochs=len(self.book.epochs),
        )

    def _epochs_power_w(self, series: Series, start_s: float, end_s: float) -> float | None:
        curve, joules, seconds = series.curve(), 0.0, 0.0
        for epoch in self.book.epochs:
            begin_s, close_s = self.edges_s[epoch.first], self.edges_s[epoch.last]
            if start_s <= begin_s and close_s <= end_s:  # joules at edges are kept exactly
                part_j = series.energy_j(self.edges_s, epoch.first, epoch.last)
            else:
                begin_s, close_s = max(begin_s, start_s), min(close_s, end_s)
                part_j = integrate.energy_between_j(curve, begin_s, close_s)
            if part_j is not None and close_s > begin_s:
                joules += part_j
                seconds += integrate.seen_s(curve, begin_s, close_s)
        return joules / seconds if seconds > 0 else None

    def _sum(self, amounts: Sequence[float | None]) -> dict[str, float]:
        return by_scope(((self.series[i].meter.scope, amounts[i]) for i in self.chosen), self.parts)


@dataclass(frozen=True, slots=True)
class Identity:
    """What stays the same in all records of one run."""

    run_id: str
    started_at: str
    setup: Setup
    options: SessionOptions


def run_record(
    identity: Identity,
    view: View,
    status: Status,
    notices: Sequence[str],
    sampler_cpu_s: float,
) -> Run:
    """The run as it stands."""
    setup, options = identity.setup, identity.options
    names = dict.fromkeys(s.meter.name.split(":")[0] for s in view.series)
    return Run(
        setup=setup,
        measurement=measurement(view, options, notices, sampler_cpu_s),
        source=options.source,
        model_group=options.model_group or setup.architecture.group or setup.architecture.name,
        model_family=options.model_family,
        hardware_id=setup.machine.id,
        meter="+".join(names),
        versions={**versions(), **options.versions},
        started_at=identity.started_at,
        id=identity.run_id,
        status=status,
        where={**options.where, **options.rank.where()},
    )


def measurement(
    view: View,
    options: SessionOptions,
    notices: Sequence[str],
    sampler_cpu_s: float,
) -> Measurement:
    """What the meters saw."""
    book = view.book
    steps = book.steps.summary()
    epochs = tuple(view.window(e) for e in book.epochs)
    steady_sample_s, steady_power_w = _steady(view, steps, epochs)
    gpus = [s for s in view.series if s.meter.scope == "gpu"]
    return Measurement(
        energy_j=view.scopes_j(),
        duration_s=view.duration_s,
        samples=book.all_samples(),
        energy_source=view.sources(),
        idle_w=dict(options.idle_w),
        power_w=view.power_w(view.start_s, view.end_s),
        gpu_util_frac=_mean(gpus, "util_frac"),
        gpu_mem_util_frac=_mean(gpus, "mem_util_frac"),
        gpu_mem_used_bytes=_highest(gpus, "mem_used_bytes"),
        epochs=epochs,
        windows=tuple(view.window(w) for w in book.windows),
        steps=None if steps is None else steps.times,
        steady_sample_s=steady_sample_s,
        steady_power_w=steady_power_w,
        meters=tuple(_report(view, index) for index in range(len(view.series))),
        sampler_cpu_s=sampler_cpu_s,
        notices=tuple(notices),
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the frameworks that are loaded already; none is loaded here."""
    found = {"python": platform.python_version()}
    for name in ("torch", "tensorflow", "jax", "transformers"):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found


def _steady(
    view: View, steps: Steps | None, epochs: Sequence[Window]
) -> tuple[float | None, dict[str, float]]:
    """Seconds per sample and watts by scope after the warm-up, from steps or from epoch 2 on."""
    if steps is not None and steps.steady_count >= STEADY_STEPS:
        stretch_s = steps.steady_start_s, steps.steady_end_s
        return steps.sample_s, view.epochs_power_w(*stretch_s) or view.power_w(*stretch_s)
    if len(epochs) < STEADY_EPOCHS:
        return None, {}
    later = epochs[1:]
    rates_s = [e.duration_s / e.samples for e in later if e.samples]
    power_w = view.epochs_power_w(view.edges_s[view.book.epochs[1].first], view.end_s)
    return (float(np.median(rates_s)) if rates_s else None), power_w


def _report(view: View, index: int) -> MeterReport:
    series, meter = view.series[index], view.series[index].meter
    return MeterReport(
        meter=meter.name,
        scope=meter.scope,
        energy_source=meter.energy_source,
        energy_j=view.energy_j[index],
        power_max_w=series.power_max_w,
        period_s=series.period_s,
        readings=series.readings,
        failures=series.failures,
        seen_frac=view.seen_frac(series),
        facts=dict(meter.facts),
    )


def _mean(series: Sequence[Series], kind: str) -> float | None:
    """Mean over the devices of their means."""
    means = [s.extras[kind].mean for s in series if kind in s.extras]
    return sum(means) / len(means) if means else None


def _highest(series: Sequence[Series], kind: str) -> float | None:
    highs = [s.extras[kind].high for s in series if kind in s.extras]
    return max(highs) if highs else None
