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
    from collections.abc import Iterator, Mapping, Sequence

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
    lines += told(estimate, width, max_notes)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def told(answer: Estimate | ServingEstimate, width: int, max_notes: int | None) -> list[str]:
    """Lines of the measurement that would sharpen an answer, and of its notices."""
    sharpen = answer.next_measurement
    lines = labelled("sharpen", sharpen, width) if sharpen else []
    return lines + noted(answer.notices, width, max_notes, "--explain")


def noted(notices: Sequence[str], width: int, most: int | None, option: str) -> list[str]:
    """Lines of the first `most` notices, ``None`` for all; `option` is what shows the others."""
    shown = notices if most is None else notices[:most]
    lines = [line for notice in shown for line in labelled("note", notice, width)]
    if hidden := len(notices) - len(shown):
        lines += labelled("note", f"{hidden} more: {option} shows them", width)
    return lines


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
    """The workload, and below it how often it runs and where."""
    passes = _passes(estimate.workload) if estimate.workload is not None else ""
    return head_lines(estimate, "this network", passes, width)


def head_lines(
    answer: Estimate | ServingEstimate, unnamed: str, what: str, width: int
) -> list[str]:
    """What is executed, and below it `what` of it and where; breaks fall between the parts."""
    lines = [""]
    for part in (answer.model_text or answer.model or unnamed).split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) > width and lines[-1]:
            lines.append(f"  {part}")
        else:
            lines[-1] = longer
    place = f"{what} on {answer.hardware_text or answer.hardware or 'this machine'}".lstrip()
    if answer.scope != "system":
        place += " · at the wall" if answer.scope == "wall" else f" · {answer.scope} only"
    return [*lines, *textwrap.wrap(place, width, subsequent_indent="  ")]


def _passes(workload: Workload) -> str:
    if workload.task == "train":
        return f"{workload.epochs:,g} epoch{'s' if workload.epochs != 1 else ''}"
    return f"{workload.epochs:,g} passes" if workload.epochs != 1 else ""


def _energy(estimate: Estimate) -> Row:
    scale, unit = energy_scale(estimate.energy_j)
    value, span, digits = ranged(
        estimate.energy_j / scale, estimate.energy_low_j / scale, estimate.energy_high_j / scale
    )
    return Row("energy", f"{value} {unit}", span, split_remark(estimate, scale, digits))


def ranged(value: float, low: float, high: float) -> tuple[str, str, int]:
    """A figure and its bounds in as many decimals, and how many these are.

    >>> ranged(0.19, 0.14, 0.27)
    ('0.19', '0.14 - 0.27', 2)
    >>> ranged(0.19, 0.14, float("inf"))
    ('0.19', '0.14 or more', 2)
    """
    digits = decimals(value, low)
    text, least, most = (f"{x:,.{digits}f}" for x in (value, low, high))
    return text, f"{least} - {most}" if math.isfinite(high) else f"{least} or more", digits


def split_remark(answer: Estimate | ServingEstimate, scale: float, digits: int) -> str:
    """The interval's level, and the energies of the parts over `scale`."""
    parts = (
        ("gpu", answer.gpu_energy_j),
        ("cpu", answer.cpu_energy_j),
        ("dram", answer.dram_energy_j),
        ("net of idle", answer.net_energy_j),
    )
    split = [f"{name} {e / scale:,.{digits}f}" for name, e in parts if e is not None]
    return "   ".join(filter(None, (f"{100 * answer.level:g} %", "  ".join(split))))


def _time(estimate: Estimate) -> Row:
    if not math.isfinite(estimate.duration_high_s):
        least = f"{format_duration(estimate.duration_low_s)} or more"
        return Row("time", format_duration(estimate.duration_s), least)
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
    if estimate.sci_g is not None:
        yield Row("SCI", format_si(estimate.sci_g, "g"), "", f"CO2e per {estimate.sci_per}")


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
    text, span, _ = ranged(value, low, high)
    return Row(label, f"{text} {unit}".rstrip(), span, remark)


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
    doubt = "" if estimate.stable else "not yet stable"
    return basis_words(estimate, _MEASURED_HERE, _NOVELTY, "this network", doubt)


def basis_words(
    answer: Estimate | ServingEstimate,
    measured_here: Mapping[str, str],
    novelty: Mapping[str, str],
    unnamed: str,
    doubt: str = "",
) -> str:
    """On what an answer stands: what was measured here, or what about it was never measured."""
    why = measured_here.get(answer.basis, "")
    if not why and answer.novelty is not None:
        model, hardware = answer.model or unnamed, answer.hardware or "this machine"
        why = novelty[answer.novelty].format(model=model, hardware=hardware)
    words = (answer.basis, "extrapolated" if answer.extrapolated else "", doubt, why)
    return ", ".join(filter(None, words))


def labelled(label: str, text: str, width: int) -> list[str]:
    """Lines of `text` behind its label, wrapped at `width` columns."""
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=f"  {label:<8} ",
        subsequent_indent=" " * _INDENT,
        break_on_hyphens=False,
    )
