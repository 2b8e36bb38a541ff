"""CO2e, money and budgets: what follows from the energy by multiplication."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from joulecast.core.errors import BadInput
from joulecast.core.units import energy_j_to_kwh

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from joulecast.core.records import Estimate
    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.planning_records import PlanOption

Answer = TypeVar("Answer", "Estimate", "ServingEstimate", "PlanOption")
"""Whatever has an energy with an interval: a run, a server or several of them."""
Scored = TypeVar("Scored", "Estimate", "ServingEstimate")


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a kilowatt-hour stands for.

    Attributes
    ----------
    region : grid whose yearly average is used. carbon_intensity_g_per_kwh : used instead of it.
    price_per_kwh : in any money. pue : facility energy over machine energy, >= 1.
    carbon : CO2e is wanted, for the world average where no region is given.
    sci_per : functional unit of the software carbon intensity, one of `SCI_UNITS`, or ``None``.
    embodied_g : grams of CO2e of making the hardware that fall on this run.
    """

    region: str | None = None
    carbon_intensity_g_per_kwh: float | None = None
    price_per_kwh: float | None = None
    currency: str = ""
    pue: float = 1.0
    carbon: bool = False
    sci_per: str | None = None
    embodied_g: float = 0.0

    @property
    def wants_carbon(self) -> bool:
        """Whether CO2e was asked for in any way but by a budget."""
        return self.carbon or self.sci_per is not None or self.region is not None


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits that an answer may not exceed; ``None`` for no limit."""

    energy_kwh: float | None = None
    carbon_g: float | None = None
    cost: float | None = None


def tariff_of(ask: Namespace) -> Tariff:
    """What the options of a command say a kilowatt-hour stands for."""
    return Tariff(
        ask.region,
        ask.carbon_intensity,
        ask.price,
        ask.currency,
        ask.pue,
        carbon=ask.carbon,
        sci_per=getattr(ask, "sci", None),
        embodied_g=getattr(ask, "embodied", 0.0),
    )


def budget_of(ask: Namespace) -> Budget:
    """The limits among the options of a command."""
    return Budget(ask.max_kwh, ask.max_carbon, ask.max_cost)


def priced(answer: Answer, tariff: Tariff, budget: Budget) -> Answer:
    """`answer` with CO2e and cost where they were asked for; the PUE multiplies both.

    A carbon budget without a region is held against the world average, and a notice says so.

    Raises
    ------
    BadInput
        For a cost budget without a price. UnknownName for a region that no grid answers to.
    """
    if budget.cost is not None and tariff.price_per_kwh is None:
        message = "--max-cost needs the price of a kilowatt-hour: add --price"
        raise BadInput(message)
    facility_kwh = tariff.pue * energy_j_to_kwh(answer.energy_j)
    rate, source = _intensity(tariff, wanted=tariff.wants_carbon or budget.carbon_g is not None)
    if tariff.price_per_kwh is not None:
        cost = facility_kwh * tariff.price_per_kwh
        answer = replace(answer, cost=cost, price_per_kwh=tariff.price_per_kwh)
    if rate is not None:
        answer = replace(
            answer,
            carbon_g=facility_kwh * rate,
            carbon_intensity_g_per_kwh=rate,
            carbon_source=source,
        )
        if tariff.region is None and tariff.carbon_intensity_g_per_kwh is None:
            answer = answer.with_notices(_world_range())
    if tariff.pue != 1 and (answer.cost is not None or answer.carbon_g is not None):
        answer = answer.with_notices(
            f"CO2e and cost include the facility's overhead (PUE {tariff.pue:g}), energy does not",
        )
    return answer


def _intensity(tariff: Tariff, *, wanted: bool) -> tuple[float | None, str]:
    if tariff.carbon_intensity_g_per_kwh is not None:
        return tariff.carbon_intensity_g_per_kwh, "as given"
    if not wanted:
        return None, ""
    from joulecast.datasets import grid

    found = grid.find(tariff.region or grid.WORLD)
    return found.g_per_kwh, found.label


def _world_range() -> str:
    """What the world average hides."""
    from joulecast.datasets import grid

    low, high = grid.span()
    return (
        "no region given: CO2e is for the world average grid; yearly averages of countries range "
        f"from {low.g_per_kwh:,.0f} ({low.name}) to {high.g_per_kwh:,.0f} g/kWh ({high.name})"
    )


SCI_UNITS = ("run", "epoch", "sample", "request", "1k-tokens")
"""Functional units: of a training or inference run the first three, of a server the others."""


def with_sci(answer: Scored, tariff: Tariff) -> Scored:
    """`answer` with its software carbon intensity, (E x I + M) per R, if a unit R was asked for.

    ISO/IEC 21031: E the energy with the facility's overhead, gross, idle included; I the grid's
    intensity; M what making the hardware emitted, as far as it falls on this run.

    Raises
    ------
    BadInput
        For a unit that this answer does not come in, and for embodied carbon without a unit.
    """
    if tariff.sci_per is None:
        if tariff.embodied_g > 0:
            message = "--embodied counts in the software carbon intensity alone: add --sci run"
            raise BadInput(message)
        return answer
    count = _units(answer).get(tariff.sci_per)
    if count is None or answer.carbon_g is None:
        known = ", ".join(_units(answer))
        message = f"--sci {tariff.sci_per} does not fit this answer. Choose from {known}"
        raise BadInput(message)
    grams = (answer.carbon_g + tariff.embodied_g) / count
    answer = replace(answer, sci_g=grams, sci_per=tariff.sci_per)
    if tariff.embodied_g > 0:
        return answer
    return answer.with_notices(
        "SCI without the hardware's making: give what falls on this run with --embodied G",
    )


def _units(answer: Estimate | ServingEstimate) -> dict[str, float]:
    """How many of each functional unit the answer's energy pays for."""
    w = answer.workload
    if w is None:
        return {"run": 1.0}
    per_request_j = getattr(answer, "energy_per_request_j", None)
    if w.serving is None or per_request_j is None:
        return {"run": 1.0, "epoch": w.epochs, "sample": w.samples * w.epochs}
    requests = answer.energy_j / per_request_j
    return {"request": requests, "1k-tokens": requests * w.serving.output_tokens / 1000}


def breaches(
    answer: Estimate | ServingEstimate, tariff: Tariff, budget: Budget
) -> Iterator[tuple[bool, str]]:
    """For each budget that is in danger: whether the expected value breaks it, and a sentence."""
    spread = answer.energy_high_j / answer.energy_j if answer.energy_j > 0 else 1.0
    for option, limit, value, unit in (
        ("--max-kwh", budget.energy_kwh, energy_j_to_kwh(answer.energy_j), "kWh"),
        ("--max-carbon", budget.carbon_g, answer.carbon_g, "g CO2e"),
        ("--max-cost", budget.cost, answer.cost, tariff.currency),
    ):
        if limit is None or value is None:
            continue
        name = f"the budget {option} {limit:g}"
        if value > limit:
            yield True, f"{name} would be breached: {value:.3g} {unit} expected".rstrip()
        elif spread * value > limit:
            ends = f"ends at {spread * value:.3g} {unit}".rstrip()
            ends = ends if math.isfinite(spread) else "has no upper end"
            yield False, f"{name} lies within the interval, which {ends}"
