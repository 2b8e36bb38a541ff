"""Power and energy that an exporter tells over HTTP: of GPUs and processors of another machine.

DCGM's exporter for GPUs, node_exporter's RAPL counters for processors and memory, from their page
or from a Prometheus server that collects it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from joulecast.core.errors import BadInput, MeterReadError, MeterUnavailable
from joulecast.profiler.serving.scrape_http import NoPage, checked_url, fetch
from joulecast.profiler.serving.scrape_text import Sample, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.meters import MeterContext

FRESH_S = 0.5
"""A page younger than this is not asked for again: exporters renew theirs each 1 to 30 s."""
TIMEOUT_S = 3.0
_QUERY = "/api/v1/query"
_FIX = "Give the URL of a DCGM exporter's page or a Prometheus server: http://host:9400/metrics"
_MOST_W, _MOST_J = 1e5, 1e15
_WHO = ("gpu", "index", "path", "instance", "Hostname", "node")
"""Labels that tell one device from another where it has no UUID."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one metric tells, and SI units per unit of its own."""

    metric: str
    scope: str
    source: str
    si: float = 1.0

    @property
    def counts(self) -> bool:
        """Whether it is joules since some start rather than watts."""
        return self.source != "nvml-power"


_KINDS = (
    _Kind("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "gpu", "nvml-counter", 1e-3),
    _Kind("DCGM_FI_DEV_POWER_USAGE", "gpu", "nvml-power"),
    _Kind("node_rapl_package_joules_total", "cpu", "rapl"),
    _Kind("node_rapl_dram_joules_total", "dram", "rapl"),
)
"""A device that has an earlier one of a scope needs no later one."""


class Meter:
    """What the meters of one exporter have in common; `probe` returns a kind below per device."""

    ON_REQUEST = True
    wrap_j: float | None = None  # DCGM's counter has 64 bits of millijoules; RAPL's is a reset

    def __init__(self, number: int, kind: _Kind, sample: Sample, page: _Page) -> None:
        self.name = f"prometheus:{number}"
        self.scope, self.energy_source = kind.scope, kind.source
        self._kind, self._who, self._page = kind, _who(sample), page
        told = {"url": page.url, "metric": kind.metric}
        labels = {"name": "modelName", "uuid": "UUID", "host": "Hostname", "gpu": "gpu"}
        told |= {k: sample.labels[v] for k, v in labels.items() if sample.labels.get(v)}
        self.facts: Mapping[str, str] = told

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """A meter for each device at the option ``url``; labels behind its ``#`` choose among them.

        ``http://host:9400/metrics#gpu=0,1&Hostname=a`` is GPUs 0 and 1 of host a.
        """
        page = _opened(context.options.get("url", ""), context.clock)
        found: list[Meter] = []
        seen: set[tuple[str, tuple[str, ...]]] = set()
        blank: dict[tuple[str, tuple[str, ...]], str] = {}
        for kind in _KINDS:
            for sample in page.samples_now(kind.metric):
                who = (kind.scope, _who(sample))
                if who not in seen and _is_sane(kind, sample):
                    seen.add(who)
                    made = EnergyMeter if kind.counts else PowerMeter
                    found.append(made(len(found), kind, sample, page))
                elif who not in seen:
                    blank[who] = f"{kind.metric} of {' '.join(who[1])} is {sample.value:g}"
        if not found:
            reason = f"{page.url} tells no power and no energy{page.chosen}"
            raise MeterUnavailable("prometheus", reason, _FIX)
        if missing := page.missing():
            reason = f"{page.url} tells nothing of {', '.join(missing)}"
            fix = "Choose among those that it has, or leave out what stands behind the #"
            raise MeterUnavailable("prometheus", reason, fix)
        for reason in (told for who, told in blank.items() if who not in seen):
            context.report(MeterUnavailable("prometheus", f"{reason}, which cannot be"))
        return found

    def extras(self) -> Mapping[str, float]:
        """Nothing beside the reading: one more page a second would be asked for."""
        return {}

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self) -> float:
        """The device's value now, SI."""
        try:
            samples = self._page.samples(self._kind.metric)
        except NoPage as exc:
            raise MeterReadError(f"{self.name}: {exc}") from exc
        mine = next((s for s in samples if _who(s) == self._who), None)
        if mine is None:
            what = f"{self._kind.metric} of {' '.join(self._who) or self._page.url}"
            raise MeterReadError(f"{self.name}: {what} is not told any more")
        if not _is_sane(self._kind, mine):
            raise MeterReadError(f"{self.name}: it tells {mine.value:g}, which cannot be")
        return mine.value * self._kind.si


class EnergyMeter(Meter):
    """A device whose energy is counted."""

    def read_energy_j(self) -> float:
        """Joules since the driver was loaded, as last exported."""
        return self._read()


class PowerMeter(Meter):
    """A device of which only the power is told."""

    def read_power_w(self) -> float:
        """Watts, as last exported."""
        return self._read()


class _Page:
    """An exporter's page, shared by the meters of its devices."""

    def __init__(self, url: str, only: Mapping[str, frozenset[str]], clock: Clock) -> None:
        self.url, self._only, self._clock = url, only, clock
        self.chosen = f" with {', '.join(only)} as chosen" if only else ""
        self._seen: dict[str, tuple[float, tuple[Sample, ...] | NoPage]] = {}

    def samples_now(self, metric: str) -> tuple[Sample, ...]:
        """As `samples`; MeterUnavailable where nobody answers."""
        try:
            return self.samples(metric)
        except NoPage as exc:
            raise MeterUnavailable("prometheus", str(exc).rstrip("."), _FIX) from exc

    def samples(self, metric: str) -> tuple[Sample, ...]:
        """The chosen devices' samples of `metric`, at most `FRESH_S` old.

        Raises NoPage, to all devices at once: each would wait for its own time-out.
        """
        url = self._address(metric)
        now_s = self._clock.monotonic_s()
        seen_s, seen = self._seen.get(url, (-math.inf, ()))
        if now_s - seen_s >= FRESH_S:
            try:
                seen = self._get(url)
            except NoPage as exc:
                seen, now_s = exc, self._clock.monotonic_s()
            self._seen[url] = (now_s, seen)
        if isinstance(seen, NoPage):
            raise seen
        return tuple(s for s in seen if s.name == metric and self._is_chosen(s))

    def missing(self) -> list[str]:
        """The chosen labels that no device has, e.g. ``gpu=7``."""
        metrics = [kind.metric for kind in _KINDS]
        told = [s.labels for metric in metrics for s in self.samples_now(metric)]
        return [
            f"{label}={value}"
            for label, values in self._only.items()
            for value in sorted(values - {labels.get(label) for labels in told})
        ]

    def _get(self, url: str) -> tuple[Sample, ...]:
        return parse(fetch(url, TIMEOUT_S))

    def _address(self, metric: str) -> str:
        del metric  # the page has all of them
        return self.url

    def _is_chosen(self, sample: Sample) -> bool:
        return all(sample.labels.get(label) in values for label, values in self._only.items())


class _Query(_Page):
    """A Prometheus server, asked for one metric at a time."""

    def _address(self, metric: str) -> str:
        return f"{self.url}?query={quote(metric)}"

    def _get(self, url: str) -> tuple[Sample, ...]:
        text = fetch(url, TIMEOUT_S)
        try:
            result = json.loads(text)["data"]["result"]
            return tuple(found for one in result if (found := _sample(one)) is not None)
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            message = f"{self.url} does not answer as a Prometheus server does"
            raise NoPage(message) from exc


def _sample(one: Mapping[str, Any]) -> Sample | None:
    """A sample of an instant vector, ``None`` for what is no number."""
    labels = {str(k): str(v) for k, v in one["metric"].items()}
    value = float(one["value"][1])
    return Sample(labels.pop("__name__", ""), value, labels) if math.isfinite(value) else None


def _opened(text: str, clock: Clock) -> _Page:
    """The page at the URL, or the Prometheus server there; MeterUnavailable if it is neither."""
    try:
        url = checked_url(text, "http://host:9400/metrics")
    except BadInput as exc:
        reason = "no URL is given" if not text else str(exc).partition(". ")[0]
        raise MeterUnavailable("prometheus", reason, _FIX) from exc
    parts = urlsplit(url)
    only = _choice(parts.fragment)
    page = urlunsplit(parts._replace(fragment=""))
    if parts.path.endswith(_QUERY):
        return _Query(page.partition("?")[0], only, clock)
    if parts.path:
        return _Page(page, only, clock)
    makers: Sequence[Callable[[], _Page]] = (
        lambda: _Page(f"{page}/metrics", only, clock),
        lambda: _Query(page + _QUERY, only, clock),
    )
    return _first_that_tells(makers)


def _choice(fragment: str) -> dict[str, frozenset[str]]:
    """Values by label of what stands behind the ``#``; MeterUnavailable if it has no label."""
    if not fragment:
        return {}
    try:
        wanted = parse_qsl(fragment, keep_blank_values=True, strict_parsing=True)
    except ValueError as exc:
        reason = f"'#{fragment}' names no label"
        raise MeterUnavailable("prometheus", reason, "Choose like #gpu=0,1&Hostname=a") from exc
    only: dict[str, frozenset[str]] = {}
    for label, values in wanted:
        only[label] = only.get(label, frozenset()) | frozenset(values.split(","))
    return only


def _first_that_tells(makers: Sequence[Callable[[], _Page]]) -> _Page:
    """Of the ways to read a server the first that knows a metric of ours, else the first."""
    first: _Page | None = None
    for make in makers:
        page = make()
        first = first or page
        try:
            if any(page.samples(kind.metric) for kind in _KINDS):
                return page
        except NoPage:
            continue
    assert first is not None  # noqa: S101  there is always a way
    return first


def _who(sample: Sample) -> tuple[str, ...]:
    """What tells a device from others; a GPU shared by pods or cut into slices is told once."""
    if uuid := sample.labels.get("UUID"):
        return (uuid,)
    return tuple(sample.labels[label] for label in _WHO if sample.labels.get(label))


def _is_sane(kind: _Kind, sample: Sample) -> bool:
    """Whether it can be: DCGM writes huge numbers for what it does not know."""
    most = _MOST_J if kind.counts else _MOST_W
    return 0 < sample.value * kind.si < most
