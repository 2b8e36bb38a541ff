"""Carbon intensity of electricity by country: yearly averages, so that CO2e works offline.

Rounded life-cycle figures published by Ember, by way of Our World in Data, under CC-BY-4.0; the
table says the year of each. An average hides the hour: a grid may differ twofold over a day.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulecast.core.catalog import normalise
from joulecast.core.errors import UnknownName

TABLE = Path(__file__).with_name("grid_intensity.csv")
WORLD = "WORLD"
_SPELLINGS = {
    "uk": "GB",
    "greatbritain": "GB",
    "usa": "US",
    "unitedstatesofamerica": "US",
    "el": "GR",
    "turkey": "TR",
    "vietnam": "VN",
    "czechrepublic": "CZ",
    "korea": "KR",
    "global": WORLD,
}


@dataclass(frozen=True, slots=True)
class Grid:
    """Yearly average of one grid.

    Attributes
    ----------
    code : ISO 3166 alpha-2, ``EU`` or ``WORLD``. g_per_kwh : grams of CO2e per kilowatt-hour.
    """

    code: str
    name: str
    g_per_kwh: float
    year: int
    source: str

    @property
    def label(self) -> str:
        """Name, year and publisher in one line.

        >>> find("de").label
        'Germany 2023 (Ember via OWID, CC-BY-4.0)'
        """
        return f"{self.name} {self.year} ({self.source})"


@cache
def grids() -> dict[str, Grid]:
    """Every grid of the table by its code."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {
            row["code"]: Grid(
                code=row["code"],
                name=row["name"],
                g_per_kwh=float(row["g_per_kwh"]),
                year=int(row["year"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        }


def find(region: str) -> Grid:
    """Return the grid that `region` spells: a code or a country's name, in any case.

    >>> find("uk").code
    'GB'

    Raises
    ------
    UnknownName
        With the nearest three, when nothing matches.
    """
    wanted = normalise(region)
    code = _SPELLINGS.get(wanted, wanted.upper())
    for grid in grids().values():
        if grid.code == code or normalise(grid.name) == wanted:
            return grid
    short = len(wanted) <= len("USA")
    known = [g.code if short else g.name for g in grids().values()]
    hint = "Give an ISO code such as DE or US, a country's name, WORLD, or --carbon-intensity"
    raise UnknownName("region", region, known, hint)


def span() -> tuple[Grid, Grid]:
    """The cleanest and the dirtiest country of the table.

    >>> low, high = span()
    >>> low.g_per_kwh < find("WORLD").g_per_kwh < high.g_per_kwh
    True
    """
    countries = [grid for code, grid in grids().items() if code not in {WORLD, "EU"}]
    ranked = sorted(countries, key=lambda grid: grid.g_per_kwh)
    return ranked[0], ranked[-1]
