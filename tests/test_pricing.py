"""CO2e, SCI and what has to be said where the grid is unknown."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from joulecast import estimate
from joulecast.cli import estimate_main
from joulecast.core.errors import BadInput
from joulecast.core.units import J_PER_KWH
from joulecast.datasets import grid
from joulecast.pricing import Budget, Tariff, breaches, priced, with_sci

ANSWER = estimate("vgg16", "hc3", epochs=4, samples=50_000, runs=())


def test_an_unknown_region_is_the_world_average_said_aloud() -> None:
    """Asked for CO2e without a region, the answer names the average and the countries' range."""
    answer = priced(ANSWER, Tariff(carbon=True), Budget())
    assert answer.carbon_g == pytest.approx(ANSWER.energy_j / J_PER_KWH * 481)
    low, high = grid.span()
    assert f"from {low.g_per_kwh:,.0f} ({low.name})" in answer.notices[-1]
    assert f"{high.g_per_kwh:,.0f} g/kWh ({high.name})" in answer.notices[-1]


def test_no_carbon_unless_asked() -> None:
    """Without a word on CO2e there is none."""
    assert priced(ANSWER, Tariff(), Budget()).carbon_g is None


def test_sci_by_hand() -> None:
    """(E x I + M) per R with the facility's overhead in E: 1.2 x kWh x 100 g + 50 g, per sample."""
    tariff = Tariff(carbon_intensity_g_per_kwh=100, pue=1.2, sci_per="sample", embodied_g=50)
    answer = with_sci(priced(ANSWER, tariff, Budget()), tariff)
    by_hand = (1.2 * ANSWER.energy_j / J_PER_KWH * 100 + 50) / 200_000
    assert answer.sci_g == pytest.approx(by_hand)
    assert not any("--embodied" in notice for notice in answer.notices)


def test_sci_units_are_in_proportion() -> None:
    """Four epochs of 50,000: a run is four epochs and 200,000 samples; the missing part is said."""
    grams = {}
    for unit in ("run", "epoch", "sample"):
        tariff = Tariff(region="DE", sci_per=unit)
        answer = with_sci(priced(ANSWER, tariff, Budget()), tariff)
        grams[unit] = answer.sci_g or 0.0
        assert "--embodied" in answer.notices[-1]
    assert grams["run"] == pytest.approx(4 * grams["epoch"])
    assert grams["run"] == pytest.approx(200_000 * grams["sample"])


def test_embodied_carbon_without_a_unit_is_refused() -> None:
    """It counts in the intensity alone, and would vanish."""
    tariff = Tariff(carbon=True, embodied_g=50)
    with pytest.raises(BadInput, match="--sci"):
        with_sci(priced(ANSWER, tariff, Budget()), tariff)


def test_a_budget_within_an_interval_without_end_says_so() -> None:
    """As of a curve that may never reach its accuracy."""
    open_ended = replace(ANSWER, energy_high_j=math.inf)
    told = list(breaches(open_ended, Tariff(), Budget(energy_kwh=1e3)))
    assert [certain for certain, _ in told] == [False]
    assert told[0][1].endswith("has no upper end")


def test_a_run_has_no_requests() -> None:
    """A unit that the answer does not come in is refused with those that it does."""
    tariff = Tariff(sci_per="request")
    with pytest.raises(BadInput, match="run, epoch, sample"):
        with_sci(priced(ANSWER, tariff, Budget()), tariff)


def test_sci_of_a_server_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Per 1k output tokens: a thousand times the energy of one, times the intensity given."""
    asked = "--model llama-3.1-8b --hw h100-sxm --rps 5 --prompt-tokens 200 --output-tokens 300"
    code = estimate_main([*asked.split(), "--carbon-intensity", "360", "--sci", "1k-tokens",
                          "--json", "--no-runs"])  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert told["sci_per"] == "1k-tokens"
    assert told["sci_g"] == pytest.approx(told["energy_per_output_token_j"] * 1000 / 1e4)
