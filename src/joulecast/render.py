"""The one screen: an `Estimate` as text that a person reads at a glance. Values in, text out."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.units import (
    J_PER_KWH,
    J_PER_WH,
    S_PER_H,
    S_PER_MIN,
    format_duration,
    format_si,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.core.records import Estimate, Workload
    from joulecast.core.serving_estimate import ServingEstimate

WIDTH = 100
MAX_NOTES = 4
_INDENT = 11
_NOVELTY = {
    "seen-pair": "seen pair: {model} was measured on {hardware}",
    "new-model": "new model: {model} was never measured on {hardware}, other networks were",
    "new-hardware": "new hardware: {hardware} was never measured in this use, {model} was",
    "new-pair": "new pair: {model} was never measured on {hardware}",
}
_MEASURED_HERE = {
    "calibrated": "sharpened by your own runs of this machine or of this network",
    "short-run": "from your own runs of this network on this machine",
    "measured": "your own run of just this",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of figures: what, how much, between which bounds, and remarks."""

    label: str
    value: str
    span: str = ""
    remark: str = ""


def one_screen(
    estimate: Estimate,
    *,
    currency: str = "",
    width: int = WIDTH,
    max_notes: int | None = MAX_NOTES,
) -> str:
    """The answer on one screen: head, figures, where they come from, notices.

    Parameters
    ----------
    currency : name of the money. width : columns, 80 to 100 look best.
    max_notes : how many notices are shown, ``None`` for all.
    """
    lines = [*_head(estimate, width), ""]
    rows = [_energy(estimate), _time(estimate), Row("power", format_si(estimate.power_w, "W"))]
    rows += [*carbon_rows(estimate), *cost_rows(estimate, currency)]
    lines += aligned(rows, width)
    lines += labelled("basis", _basis(estimate), width)
    if estimate.next_measurement:
        lines += labelled("sharpen", estimate.next_measurement, width)
    shown = estimate.notices if max_notes is None else estimate.notices[:max_notes]
    for notice in shown:
        lines += labelled("note", notice, width)
    if hidden := len(estimate.notices) - len(shown):
        lines += labelled("note", f"{hidden} more: --explain shows them", width)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def energy_scale(energy_j: float) -> tuple[float, str]:
    """Joules per unit, and the unit, in which a person would read `energy_j`.

    >>> energy_scale(684_000)
    (3600000.0, 'kWh')
    """
    size = abs(energy_j)
    if size >= 1e3 * J_PER_KWH:
        return 1e3 * J_PER_KWH, "MWh"
    if size >= 0.1 * J_PER_KWH:
        return J_PER_KWH, "kWh"
    if size >= 0.1 * J_PER_WH:
        return J_PER_WH, "Wh"
    return (1.0, "J") if size >= 0.1 else (1e-3, "mJ")


def decimals(value: float, low: float | None = None) -> int:
    """Decimals that show two digits of `value`, and at least one of `low`.

    >>> decimals(0.19), decimals(19), decimals(0.19, low=0.004)
    (2, 0, 3)
    """
    if not math.isfinite(value) or value == 0:
        return 2
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    if low is None or low <= 0 or not math.isfinite(low):
        return digits
    return max(digits, min(digits + 3, -math.floor(math.log10(low))))


def _head(estimate: Estimate, width: int) -> list[str]:
    """The workload, and below it how often it runs and where; breaks fall between its parts."""
    lines = [""]
    for part in (estimate.model_text or estimate.model or "this network").split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) > width and lines[-1]:
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    place = f"on {estimate.hardware_text or estimate.hardware or 'this machine'}"
    if estimate.workload is not None and (passes := _passes(estimate.workload)):
        place = f"{passes} {place}"
    if estimate.scope != "system":
        place += " · at the wall" if estimate.scope == "wall" else f" · {estimate.scope} only"
    return [*lines, *textwrap.wrap(place, width, subsequent_indent="  ")]


def _passes(workload: Workload) -> str:
    if workload.task == "train":
        return f"{workload.epochs:,g} epoch{'s' if workload.epochs != 1 else ''}"
    return f"{workload.epochs:,g} passes" if workload.epochs != 1 else ""


def _energy(estimate: Estimate) -> Row:
    scale, unit = energy_scale(estimate.energy_j)
    low, value, high = (
        e / scale for e in (estimate.energy_low_j, estimate.energy_j, estimate.energy_high_j)
    )
    digits = decimals(value, low)
    split = [
        f"{name} {energy_j / scale:,.{digits}f}"
        for name, energy_j in (
            ("gpu", estimate.gpu_energy_j),
            ("cpu", estimate.cpu_energy_j),
            ("dram", estimate.dram_energy_j),
            ("net of idle", estimate.net_energy_j),
        )
        if energy_j is not None
    ]
    remark = f"{100 * estimate.level:g} %"
    if split:
        remark += f"   {'  '.join(split)}"
    span = f"{low:,.{digits}f} - {high:,.{digits}f}"
    return Row("energy", f"{value:,.{digits}f} {unit}", span, remark)


def _time(estimate: Estimate) -> Row:
    low, high = format_duration(estimate.duration_low_s), format_duration(estimate.duration_high_s)
    if high.endswith("min") and " h " in high and estimate.duration_low_s >= S_PER_H:
        hours, minutes = divmod(round(estimate.duration_low_s / S_PER_MIN), 60)
        low, high = f"{hours} h {minutes:02d}", high.removesuffix(" min")
    elif low.split()[1:] == high.split()[1:]:  # 41 s, 66 s
        low = low.split()[0]
    return Row("time", format_duration(estimate.duration_s), f"{low} - {high}")


def carbon_rows(estimate: Estimate | ServingEstimate) -> Iterator[Row]:
    """The line of CO2e, where it was asked for."""
    if estimate.carbon_g is None:
        return
    scale, unit = (1000.0, "kg") if estimate.carbon_g >= 1000 else (1.0, "g")
    rate = estimate.carbon_intensity_g_per_kwh
    remark = [f"{rate:,.0f} g/kWh"] if rate is not None else []
    remark += [estimate.carbon_source] if estimate.carbon_source else []
    yield _proportional("CO2e", estimate.carbon_g / scale, unit, estimate, ", ".join(remark))


def cost_rows(estimate: Estimate | ServingEstimate, currency: str) -> Iterator[Row]:
    """The line of the cost, where it was asked for."""
    if estimate.cost is None:
        return
    rate = estimate.price_per_kwh
    remark = "" if rate is None else f"{rate:g} {currency}".rstrip() + " per kWh"
    yield _proportional("cost", estimate.cost, currency, estimate, remark)


def _proportional(
    label: str,
    value: float,
    unit: str,
    estimate: Estimate | ServingEstimate,
    remark: str,
) -> Row:
    """A figure that is a constant times the energy, with the energy's relative bounds."""
    factor = value / estimate.energy_j if estimate.energy_j else 0.0
    low, high = factor * estimate.energy_low_j, factor * estimate.energy_high_j
    digits = decimals(value, low)
    span = f"{low:,.{digits}f} - {high:,.{digits}f}"
    return Row(label, f"{value:,.{digits}f} {unit}".rstrip(), span, remark)


def aligned(rows: list[Row], width: int) -> Iterator[str]:
    """Lines of `rows`, values and spans below each other; long remarks get lines of their own."""
    value = max(len(row.value) for row in rows)
    span = max(len(row.span) for row in rows)
    indent = " " * _INDENT
    for row in rows:
        line = f"  {row.label:<9}{row.value:<{value}}  {row.span:<{span}}".rstrip()
        if not row.remark:
            yield line
            continue
        whole = f"  {row.label:<9}{row.value:<{value}}  {row.span:<{span}}   {row.remark}"
        if len(whole) <= width:
            yield whole
        else:
            yield line
            yield from textwrap.wrap(
                row.remark,
                width,
                initial_indent=indent,
                subsequent_indent=indent,
            )


def _basis(estimate: Estimate) -> str:
    words: list[str] = [estimate.basis]
    if estimate.extrapolated:
        words.append("extrapolated")
    if not estimate.stable:
        words.append("not yet stable")
    if estimate.basis in _MEASURED_HERE:
        words.append(_MEASURED_HERE[estimate.basis])
    elif estimate.novelty is not None:
        names = {
            "model": estimate.model or "this network",
            "hardware": estimate.hardware or "this machine",
        }
        words.append(_NOVELTY[estimate.novelty].format_map(names))
    return ", ".join(words)


def labelled(label: str, text: str, width: int) -> list[str]:
    """Lines of `text` behind its label, wrapped at `width` columns."""
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=f"  {label:<8} ",
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
    )
