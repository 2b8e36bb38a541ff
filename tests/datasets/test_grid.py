"""Carbon intensity by country: the table is sound and a region is found by any spelling."""

import pytest

from joulecast.core.errors import UnknownName
from joulecast.datasets import grid

GRIDS = grid.grids()


@pytest.mark.parametrize("code", sorted(GRIDS))
def test_each_figure_is_plausible_and_sourced(code: str) -> None:
    """Between hydropower and lignite, dated, with its publisher and licence."""
    entry = GRIDS[code]
    assert 20 <= entry.g_per_kwh <= 900
    assert 2020 <= entry.year <= 2026
    assert "Ember" in entry.source
    assert "CC-BY" in entry.source
    assert grid.find(code) is entry
    assert grid.find(entry.name.upper()) is entry


def test_the_table_covers_the_large_grids() -> None:
    """At least 60 countries, the world and the European Union."""
    assert len(GRIDS) >= 62
    assert {"WORLD", "EU", "US", "CN", "IN", "DE", "FR", "GB", "JP", "BR", "ZA"} <= set(GRIDS)


@pytest.mark.parametrize(
    ("low", "high"),
    [("NO", "FR"), ("FR", "DE"), ("DE", "PL"), ("US", "CN"), ("SE", "WORLD"), ("WORLD", "IN")],
)
def test_well_known_order(low: str, high: str) -> None:
    """Hydropower and nuclear stand below coal."""
    assert GRIDS[low].g_per_kwh < GRIDS[high].g_per_kwh


@pytest.mark.parametrize(
    ("spelling", "code"),
    [("uk", "GB"), ("USA", "US"), ("turkey", "TR"), ("south-korea", "KR"), ("world", "WORLD")],
)
def test_common_spellings_are_found(spelling: str, code: str) -> None:
    """What people write instead of the code is understood."""
    assert grid.find(spelling).code == code


@pytest.mark.parametrize(("spelling", "near"), [("Germny", "Germany"), ("frnace", "France")])
def test_an_unknown_region_lists_the_nearest(spelling: str, near: str) -> None:
    """A misspelt country comes back with its right name first."""
    with pytest.raises(UnknownName) as caught:
        grid.find(spelling)
    assert caught.value.nearest[0] == near
