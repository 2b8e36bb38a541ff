"""A recorded trace read as if it were live: for demonstrations, tests, and second looks."""

from __future__ import annotations

import csv
import gzip
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from joulecast.core.errors import MeterReadError, MeterUnavailable, UnknownName
from joulecast.profiler import meters

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.meters import MeterContext

COLUMNS = ("time_s", "meter", "scope", "kind", "value")
"""Of a trace, one reading a row: seconds from its start, and what was read of which meter."""
_FIX = f"A trace is a CSV file with the columns {','.join(COLUMNS)}, as a session writes it"


@dataclass(slots=True)
class _Series:
    """Readings of one kind of one meter, in the order of time."""

    time_s: list[float] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def at(self, now_s: float) -> float | None:
        """The last reading at or before `now_s`."""
        i = bisect_right(self.time_s, now_s)
        return self.value[i - 1] if i else None


@dataclass(slots=True)
class _Player:
    """Time in the recording, which starts with the first reading of any of its meters."""

    clock: Clock
    end_s: float
    start_s: float | None = None

    def now_s(self) -> float:
        """Seconds from the recording's start."""
        if self.start_s is None:
            self.start_s = self.clock.monotonic_s()
        return self.clock.monotonic_s() - self.start_s


class Meter:
    """A recorded meter under its own name and scope; `probe` returns one of the kinds below."""

    ON_REQUEST = True

    def __init__(
        self, name: str, scope: str, series: Mapping[str, _Series], player: _Player
    ) -> None:
        self.name, self.scope = name, scope
        self.energy_source = "replay-model" if _is_modelled(name) else "replay"
        wrap = series.get("wrap_j")
        self.wrap_j = wrap.value[0] if wrap else None
        self.facts: Mapping[str, str] = {"recorded_s": f"{player.end_s:g}"}
        self._series, self._player = series, player

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for each that the trace has readings of."""
        if context.replay is None:
            raise MeterUnavailable("replay", "no recording is named", "Name one: --replay FILE.csv")
        recorded, end_s = _read(context.replay)
        player = _Player(context.clock, end_s)
        found: list[Meter] = []
        for (name, scope), series in recorded.items():
            if "energy_j" in series:
                found.append(EnergyMeter(name, scope, series, player))
            elif "power_w" in series:
                found.append(PowerMeter(name, scope, series, player))
        if not found:
            reason = f"{context.replay} has no readings of energy or power"
            raise MeterUnavailable("replay", reason, _FIX)
        return found

    def extras(self) -> Mapping[str, float]:
        """All other readings of the meter at this time."""
        now_s = self._player.now_s()
        values = {kind: s.at(now_s) for kind, s in self._series.items() if kind != "wrap_j"}
        own = "energy_j" if "energy_j" in values else "power_w"
        return {k: v for k, v in values.items() if v is not None and k != own}

    def close(self) -> None:
        """Nothing is held open."""

    def _last(self, kind: str) -> float:
        now_s = self._player.now_s()
        value = self._series[kind].at(now_s)
        if now_s > self._player.end_s:
            raise MeterReadError(f"{self.name}: the recording ended after {self._player.end_s:g} s")
        if value is None:
            raise MeterReadError(f"{self.name}: nothing is recorded yet at {now_s:g} s")
        return value


class EnergyMeter(Meter):
    """A recorded counter."""

    def read_energy_j(self) -> float:
        """Joules, as last recorded."""
        return self._last("energy_j")


class PowerMeter(Meter):
    """A recorded power."""

    def read_power_w(self) -> float:
        """Watts, as last recorded."""
        return self._last("power_w")


def _is_modelled(name: str) -> bool:
    """Whether a meter of this name had no sensor behind it: a replay does not make it measured."""
    base = name.partition(":")[0]
    try:
        return base == "constant" or hasattr(meters.kind(base), "FALLBACK_FOR")
    except UnknownName:
        return False


def _read(path: Path) -> tuple[dict[tuple[str, str], dict[str, _Series]], float]:
    """Series by meter and kind, and the time of the last row; rows of events are passed over."""
    recorded: dict[tuple[str, str], dict[str, _Series]] = {}
    end_s = 0.0
    try:
        for row in _rows(path):
            time_s, value = _number(row["time_s"]), _number(row["value"])
            if time_s is None:
                continue
            end_s = max(end_s, time_s)
            if value is None or not row["meter"] or not row["scope"]:
                continue
            kinds = recorded.setdefault((row["meter"], row["scope"]), {})
            series = kinds.setdefault(row["kind"] or "", _Series())
            if not series.time_s or time_s >= series.time_s[-1]:
                series.time_s.append(time_s)
                series.value.append(value)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as exc:
        raise MeterUnavailable("replay", f"cannot read {path}: {exc}", _FIX) from exc
    return recorded, end_s


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a trace, plain or packed with gzip; one cut short by a crash has empty fields."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, restval="")
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise MeterUnavailable("replay", f"{path} is not a trace", _FIX)
        yield from reader


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
