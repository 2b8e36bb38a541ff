"""Repeats become mean and spread, without mixing parts or scopes."""

from __future__ import annotations

from typing import Any

import pytest

from joulecast.core.errors import BadInput
from joulecast.profiler.sweep import summarise
from tests.fakes.recording import run_of

WHOLE: dict[str, Any] = {"duration_s": 10.0, "samples": 100}


def test_mean_and_spread_by_hand() -> None:
    """100 J and 120 J over 100 samples in 10 s: mean 1.1 J, deviation 0.1414 J."""
    found = summarise([run_of(energy_j={"gpu": joules}, **WHOLE) for joules in (100.0, 120.0)])
    assert (found.repeats, found.scope, found.part) == (2, "gpu", "whole")
    assert found.energy_per_sample_j.mean == pytest.approx(1.1)
    assert found.energy_per_sample_j.cv_frac == pytest.approx(0.02**0.5 / 1.1)
    assert (found.sample_s.mean, found.sample_s.cv_frac) == (0.1, 0)
    assert found.power_w.mean == pytest.approx(11)


def test_a_single_run_has_no_spread() -> None:
    """One repeat says nothing about the next."""
    found = summarise([run_of(energy_j={"gpu": 100.0}, **WHOLE)])
    assert found.energy_per_sample_j.cv_frac is None


def test_the_widest_scope_that_all_have() -> None:
    """System where every run has it, else the next; or as told."""
    both = run_of(energy_j={"system": 200.0, "gpu": 100.0}, **WHOLE)
    gpu = run_of(energy_j={"gpu": 100.0}, **WHOLE)
    assert summarise([both, both]).scope == "system"
    assert summarise([both, gpu]).scope == "gpu"
    assert summarise([both, both], "gpu").energy_per_sample_j.mean == pytest.approx(1)


def test_the_steady_part_where_all_have_one() -> None:
    """Steady figures leave start-up out; one run without them makes all whole."""
    steady = run_of(
        energy_j={"gpu": 100.0}, steady_sample_s=0.05, steady_power_w={"gpu": 14.0}, **WHOLE
    )
    found = summarise([steady, steady])
    assert found.part == "steady"
    assert found.energy_per_sample_j.mean == pytest.approx(0.7)
    mixed = summarise([steady, run_of(energy_j={"gpu": 100.0}, **WHOLE)])
    assert mixed.part == "whole"
    assert mixed.energy_per_sample_j.mean == pytest.approx(1)


def test_nothing_to_summarise() -> None:
    """No run, no samples, no common scope, or a scope that nobody measured."""
    gpu = run_of(energy_j={"gpu": 100.0}, **WHOLE)
    cpu = run_of(energy_j={"cpu": 100.0}, **WHOLE)
    with pytest.raises(BadInput, match="no run"):
        summarise([])
    for runs, scope in (
        ([run_of(energy_j={"gpu": 1.0}, duration_s=1.0, samples=0)], None),
        ([gpu, cpu], None),
        ([gpu], "system"),
    ):
        with pytest.raises(BadInput, match="not every run has"):
            summarise(runs, scope)
