"""CO2e, money and budgets: what follows from the energy by multiplication."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from joulecast.core.errors import BadInput
from joulecast.core.units import energy_j_to_kwh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.core.records import Estimate
    from joulecast.core.serving_estimate import ServingEstimate
    from joulecast.planning_records import PlanOption

Answer = TypeVar("Answer", "Estimate", "ServingEstimate", "PlanOption")
"""Whatever has an energy with an interval: a run, a server or several of them."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a kilowatt-hour stands for.

    Attributes
    ----------
    region : grid whose yearly average is used. carbon_intensity_g_per_kwh : used instead of it.
    price_per_kwh : in any money. pue : facility energy over machine energy, >= 1.
    """

    region: str | None = None
    carbon_intensity_g_per_kwh: float | None = None
    price_per_kwh: float | None = None
    currency: str = ""
    pue: float = 1.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits that an answer may not exceed; ``None`` for no limit."""

    energy_kwh: float | None = None
    carbon_g: float | None = None
    cost: float | None = None


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
    rate, source = _intensity(tariff, wanted=budget.carbon_g is not None)
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
            answer = answer.with_notices("no region given: CO2e is for the world average grid")
    if tariff.pue != 1 and (answer.cost is not None or answer.carbon_g is not None):
        answer = answer.with_notices(
            f"CO2e and cost include the facility's overhead (PUE {tariff.pue:g}), energy does not",
        )
    return answer


def _intensity(tariff: Tariff, *, wanted: bool) -> tuple[float | None, str]:
    if tariff.carbon_intensity_g_per_kwh is not None:
        return tariff.carbon_intensity_g_per_kwh, "as given"
    if tariff.region is None and not wanted:
        return None, ""
    from joulecast.datasets import grid

    found = grid.find(tariff.region or grid.WORLD)
    return found.g_per_kwh, found.label


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
            yield (
                False,
                f"{name} lies within the interval, which ends at {spread * value:.3g} {unit}",
            )
