"""The members of bodies are the arguments of the public functions."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

import joulecast
from joulecast.api_compare import compare
from joulecast.api_sweep import sweep
from joulecast.asking_run import setup_of
from joulecast.service import bodies

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

TARIFF = {"region", "carbon_intensity", "price", "pue", "carbon"}


def arguments(function: Callable[..., Any]) -> set[str]:
    """Names of a function's arguments, those that it passes on left out."""
    kinds = inspect.signature(function).parameters
    return {name for name, one in kinds.items() if one.kind is not one.VAR_KEYWORD}


QUESTION = arguments(setup_of) - {"model", "hardware"}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (bodies.EstimateBody, arguments(joulecast.estimate) | TARIFF),
        (bodies.ServingBody, arguments(joulecast.estimate_serving) | TARIFF),
        (bodies.SweepBody, arguments(sweep) | QUESTION),
        (bodies.CompareBody, (arguments(compare) - {"budget", "tariff"}) | QUESTION | TARIFF),
    ],
)
def test_members_are_arguments(body: type[BaseModel], names: set[str]) -> None:
    """No argument is missing and none has another name; runs are the service's own."""
    assert set(body.model_fields) == names - {"runs"}


@pytest.mark.parametrize(
    ("body", "function"),
    [
        (bodies.EstimateBody, joulecast.estimate),
        (bodies.ServingBody, joulecast.estimate_serving),
        (bodies.SweepBody, sweep),
        (bodies.CompareBody, compare),
    ],
)
def test_defaults_are_the_functions_own(
    body: type[BaseModel], function: Callable[..., Any]
) -> None:
    """What the document says of a default is what happens."""
    for name, argument in inspect.signature(function).parameters.items():
        if name not in body.model_fields or argument.default is argument.empty:
            continue
        assert body.model_fields[name].default == argument.default, name


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """JSON has one kind of number: 64.0 is 64, 64.5 is none."""
    text = '{"model": "a", "hardware": "b", "batch_size": 64.0}'
    assert bodies.EstimateBody.model_validate_json(text).batch_size == 64
    with pytest.raises(ValueError, match="batch_size"):
        bodies.EstimateBody.model_validate_json(text.replace("64.0", "64.5"))
