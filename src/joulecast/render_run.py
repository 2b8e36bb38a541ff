"""A measured run as one screen of text. Values in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.records import is_measured
from joulecast.core.units import format_duration, format_si
from joulecast.render import WIDTH, decimals, energy_scale, labelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from joulecast.core.records import Estimate, Measurement, Run, Window

_SCOPES = ("gpu", "cpu", "dram")
_SEPARATOR = " · "
_MOST_EPOCHS = 5
_MOST_NOTES = 6


def run_screen(
    run: Run,
    head: Sequence[str] = (),
    whole: Estimate | None = None,
    saved: str = "",
    *,
    idle_s: float | None = None,
    width: int = WIDTH,
) -> str:
    """What was measured, on one screen.

    Parameters
    ----------
    head : lines that name the workload and the machine. whole : the run extrapolated from this one.
    saved : where the record lies. idle_s : seconds of idle that the net energy subtracts, ``None``
        for as many as the run took.
    """
    m = run.measurement
    lines = [*head, ""]
    for label, text in _figures(m, idle_s):
        lines += labelled(label, text, width)
    for label, text in _epochs(m.epochs):
        lines += labelled(label, text, width)
    if whole is not None:
        lines += labelled("whole", extrapolation(whole), width)
    if saved:
        lines += labelled("record", saved, width)
    told = () if whole is None else whole.notices
    notices = (*told, *m.notices, *run.setup.notices)
    for notice in notices[:_MOST_NOTES]:
        lines += labelled("note", notice, width)
    if len(notices) > _MOST_NOTES:
        lines += labelled("note", f"{len(notices) - _MOST_NOTES} more in the record", width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def extrapolation(whole: Estimate) -> str:
    """The extrapolated run in one sentence."""
    scale, unit = energy_scale(whole.energy_j)
    value = whole.energy_j / scale
    digits = max(decimals(value), 1)
    bounds = f"{whole.energy_low_j / scale:,.{digits}f} - {whole.energy_high_j / scale:,.{digits}f}"
    steady = "" if whole.stable else ", not yet stable"
    return (
        f"{value:,.{digits}f} {unit} ({bounds}, {100 * whole.level:g} %) in "
        f"{format_duration(whole.duration_s)}{steady}"
    )


def _figures(m: Measurement, idle_s: float | None) -> Iterator[tuple[str, str]]:
    yield "energy", _energy(m, idle_s)
    if m.duration_s is not None:
        sample_s = m.steady_sample_s
        steady = f", {format_si(sample_s, 's')} per sample when steady" if sample_s else ""
        yield "time", format_duration(m.duration_s) + steady
    if m.power_w:
        parts = [f"{scope} {_watts(m.power_w[scope])}" for scope in _SCOPES if scope in m.power_w]
        whole = [_watts(m.power_w["system"])] if "system" in m.power_w else []
        yield "power", _SEPARATOR.join([*whole, *parts])
    if m.samples:
        rate = f", {m.samples / m.duration_s:,.0f} per second" if m.duration_s else ""
        yield "samples", f"{m.samples:,.0f}{rate}"
    yield from _side(m)


def _side(m: Measurement) -> Iterator[tuple[str, str]]:
    """Steps, and what the GPU said of itself."""
    if m.steps is not None and m.steps.count:
        stalls = f", stalls {format_duration(m.steps.stall_s)}" if m.steps.stall_s > 0 else ""
        warm = f", {m.steps.warmup_steps} to warm up" if m.steps.warmup_steps else ""
        median = format_si(m.steps.median_s, "s")
        yield "steps", f"{m.steps.count:,}, median {median}{warm}{stalls}"
    if m.gpu_util_frac is not None:
        memory = f", memory {m.gpu_mem_used_bytes / 1e9:.1f} GB" if m.gpu_mem_used_bytes else ""
        yield "gpu", f"utilisation {100 * m.gpu_util_frac:.0f} %{memory}"


def _energy(m: Measurement, idle_s: float | None) -> str:
    """Joules by scope, each with how it was got; a scope that nothing saw is named."""
    if not m.energy_j:
        return "not measured: no meter saw anything ('joulecast doctor' says why)"
    total = m.energy_j.get("system")
    scale, unit = energy_scale(total if total is not None else max(m.energy_j.values()))
    parts = [
        f"{scope} {m.energy_j[scope] / scale:.{decimals(m.energy_j[scope] / scale)}f}"
        f"{f' {unit}' * (total is None)} ({how(m.energy_source.get(scope, ''))})"
        for scope in _SCOPES
        if scope in m.energy_j
    ]
    net = m.net_energy_j("system", idle_s)
    if net is not None:
        parts.append(f"net of idle {net / scale:.{decimals(net / scale)}f}")
    if total is None:
        return _SEPARATOR.join(parts)
    return _SEPARATOR.join([f"{total / scale:.{decimals(total / scale)}f} {unit}", *parts])


def how(source: str) -> str:
    """How an energy was got, in words.

    >>> how("rapl"), how("tdp-model")
    ('rapl', 'modelled: tdp-model')
    """
    if is_measured(source) or source.startswith("replay"):
        return source
    return f"modelled: {source or 'unknown'}"


def _epochs(epochs: Sequence[Window]) -> Iterator[tuple[str, str]]:
    for epoch in epochs[-_MOST_EPOCHS:]:
        energy_j = epoch.energy_j.get("system")
        parts = [format_duration(epoch.duration_s)]
        if energy_j is not None:
            parts.insert(0, format_si(energy_j, "J"))
        if epoch.loss is not None:
            parts.append(f"loss {epoch.loss:.3f}")
        if epoch.accuracy is not None:
            parts.append(f"accuracy {100 * epoch.accuracy:.1f} %")
        yield epoch.name, _SEPARATOR.join(parts)


def _watts(power_w: float) -> str:
    return format_si(power_w, "W")
