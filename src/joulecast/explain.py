"""Why the answer is what it is: the part of the screen that ``--explain`` adds."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from joulecast.core.units import format_duration, format_energy, format_si
from joulecast.render import WIDTH, decimals, energy_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from joulecast.core.records import Estimate

_BAR = 30
_MOST = 8


def explanation(estimate: Estimate, *, width: int = WIDTH) -> str:
    """Shares of time and power, what moved the answer, the learners, the nearest groups."""
    told = estimate.explanation or {}
    blocks = (
        shares(
            "where the time goes (terms overlap: the largest hides most of the others)",
            told.get("time_terms_s"),
            format_duration,
        ),
        shares("where the power goes", told.get("power_terms_w"), watts),
        _layers(estimate),
        _features(told.get("features") or ()),
        _learners(told.get("learners") or {}, estimate.energy_j),
        _calibration(told.get("calibration") or {}),
        nearest_groups(told.get("nearest") or estimate.evidence, width),
    )
    text = "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)
    return f"\n{text}\n" if text else "\nno explanation comes with this answer\n"


def _layers(estimate: Estimate) -> Iterator[str]:
    """The device's energy by type of layer."""
    told = (estimate.explanation or {}).get("layers") or {}
    device_j = estimate.gpu_energy_j or estimate.cpu_energy_j or 0.0
    energy_j = {name: share * device_j for name, share in told.get("frac", {}).items()}
    yield from shares("where the device's energy goes, by type of layer", energy_j, format_energy)


def _calibration(told: Mapping[str, Any]) -> Iterator[str]:
    """What the user's own runs moved, and which of them."""
    if not told:
        return
    yield "  what your own runs moved"
    for quantity, offset in told["offsets"].items():
        now, before = math.exp(offset["sd"]), math.exp(offset["sd_before"])
        factor = f"x {offset['factor']:.2f}"
        yield f"    {_plain(quantity):<12}{factor}, unsure by x/÷ {now:.2f} instead of {before:.2f}"
    for run in told["runs"][:_MOST]:
        parts = [
            f"{_plain(q)} x {ratio:.2f} (weight {run['weight'][q]:.2f})"
            for q, ratio in run["measured_over_expected"].items()
        ]
        yield f"    {run['model']} on {run['device']}, {run['n']} measured: {', '.join(parts)}"


def watts(power_w: float) -> str:
    """Power as a person reads it."""
    return format_si(power_w, "W")


def shares(
    title: str,
    terms: Mapping[str, float] | None,
    show: Callable[[float], str],
) -> Iterator[str]:
    """One bar per term, the largest first; terms that take nothing are left out."""
    present = {name: value for name, value in (terms or {}).items() if value > 0}
    if not present:
        return
    total, wide = sum(present.values()), max(map(len, present))
    yield f"  {title}"
    for name, value in sorted(present.items(), key=lambda item: -item[1]):
        share = value / total
        bar = "█" * max(1, round(_BAR * share))
        yield f"    {_plain(name):<{wide}}  {100 * share:3.0f} %  {bar:<{_BAR}}  {show(value)}"


def _features(features: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The features with the largest factor on energy, up or down."""
    ranked = sorted(features, key=_strength, reverse=True)[:_MOST]
    if not ranked:
        return
    wide = max(len(str(f["name"])) for f in ranked)
    values = [_value(f.get("value")) for f in ranked]
    yield "  what moved the answer most (factor on energy)"
    for feature, value in zip(ranked, values, strict=True):
        name = f"{feature['name']!s:<{wide}}"
        yield f"    {name}  {value:>{max(map(len, values))}}   x {feature['effect']:.2f}"


def _strength(feature: Mapping[str, Any]) -> float:
    effect = float(feature["effect"])
    return max(effect, 1 / effect) if effect > 0 else 0.0


def _value(value: Any) -> str:  # noqa: ANN401 (a number or a word)
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value)


def _learners(learners: Mapping[str, float], energy_j: float) -> Iterator[str]:
    if not learners:
        return
    scale, unit = energy_scale(energy_j)
    digits = decimals(energy_j / scale)
    yield "  what each learner says"
    shown = (f"{name} {value / scale:,.{digits}f} {unit}" for name, value in learners.items())
    yield f"    {'   '.join(shown)}"


def nearest_groups(groups: Iterable[Any], width: int) -> Iterator[str]:
    """The measured groups that the answer leans on, one a line."""
    lines = [_group(group) for group in groups][:_MOST]
    if not lines:
        return
    yield "  nearest measured groups"
    for line in lines:
        yield from textwrap.wrap(line, width, initial_indent="    ", subsequent_indent="      ")


def _group(group: Any) -> str:  # noqa: ANN401 (Evidence, a mapping or a line of text)
    if isinstance(group, str):
        return group
    facts = (
        group
        if isinstance(group, dict)
        else {key: getattr(group, key) for key in ("model", "device", "n", "source")}
    )
    runs = "1 run" if facts["n"] == 1 else f"{facts['n']:,} runs"
    return f"{facts['model']} on {facts['device']}: {runs}, {facts['source']}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
