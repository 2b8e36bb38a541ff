"""The answers to many questions at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.answering import estimate_of, row_estimate
from joulecast.estimator import bundle as bundles
from joulecast.estimator import predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Estimate, Run, Setup


def estimates_of(setups: Sequence[Setup], level: float, runs: Sequence[Run]) -> list[Estimate]:
    """One answer per setup; those that `runs` say something about are sharpened by them.

    Parameters
    ----------
    runs : the user's own; only those of a setup's device or model count.
    """
    told = [bool(runs) and _are_told(setup, runs) for setup in setups]
    plain = [setup for setup, known in zip(setups, told, strict=True) if not known]
    answers = predictor.answer(plain, bundles.load(), level) if plain else None
    quick = iter(row_estimate(s, answers, i, level) for i, s in enumerate(plain) if answers)
    return [
        estimate_of(setup, level, (), explain=False, runs=runs) if known else next(quick)
        for setup, known in zip(setups, told, strict=True)
    ]


def _are_told(setup: Setup, runs: Sequence[Run]) -> bool:
    """Whether a run is of the device or the model of `setup`."""
    device, group = predictor.device_of(setup), predictor.group_of(setup.architecture)
    return any(
        predictor.device_of(run.setup) == device
        or predictor.group_of(run.setup.architecture) == group
        for run in runs
    )
