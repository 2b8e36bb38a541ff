"""POST /v1/serving, /v1/sweep and /v1/compare: the answers of the Python functions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

import joulecast
from joulecast.api_compare import compare
from joulecast.api_sweep import sweep
from joulecast.core.serving_estimate import ServingEstimate
from joulecast.pricing import Budget, Tariff, priced
from joulecast.service import schemas
from joulecast.tables import as_json
from tests.fakes.service import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

SERVER = {"model": "llama-3.1-8b", "hardware": "hc4", "prompt_tokens": 200, "output_tokens": 300}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service without runs."""
    with asking() as found:
        yield found


def as_told(answer: Any) -> Any:  # noqa: ANN401
    """What the command line prints of an answer."""
    return json.loads(as_json(answer.to_dict()))


def test_a_server_is_answered_as_in_python(client: TestClient) -> None:
    """Curve, latencies and prices are those of `joulecast.estimate_serving`."""
    found = client.post("/v1/serving", json={**SERVER, "rate_rps": 10, "price": 0.3})
    plain = joulecast.estimate_serving(**SERVER, rate_rps=10, runs=())  # type: ignore[arg-type]
    assert found.json() == as_told(priced(plain, Tariff(price_per_kwh=0.3), Budget()))


def test_answers_keep_what_the_document_says(client: TestClient) -> None:
    """Every member is there and of its type: at low and full load, and beyond saturation."""
    model = schemas.answer_model(ServingEstimate)
    for load in ({}, {"rate_rps": 0.001}, {"rate_rps": 1e4}, {"concurrency": 3}):
        found = client.post("/v1/serving", json={**SERVER, **load, "explain": True})
        assert found.status_code == 200
        assert model.model_validate_json(found.content, strict=True)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"model": "vgg16"}, 422),
        ({"model": "lama-3.1-8b"}, 404),
        ({"rate_rps": 1, "concurrency": 1}, 422),
        ({"output_tokens": 0}, 422),
        ({"cache_hit_frac": 30}, 422),
        ({"concurrency": 5e-324}, 422),
        ({"prompt_tokens": None}, 422),
    ],
)
def test_servers_that_cannot_be_are_refused(
    client: TestClient, changes: dict[str, Any], status: int
) -> None:
    """As the function refuses them."""
    assert client.post("/v1/serving", json={**SERVER, **changes}).status_code == status


@pytest.mark.parametrize(
    "asked",
    [
        {"over": "batch_size"},
        {"over": "power_limit_w", "values": [40, 55]},
        {"over": "precision", "values": ["fp32", "fp16"], "task": "infer"},
    ],
)
def test_a_sweep_is_answered_as_in_python(client: TestClient, asked: dict[str, Any]) -> None:
    """Points, the best and what it saves are those of `sweep`."""
    found = client.post("/v1/sweep", json={"model": "vgg16", "hardware": "hc3", **asked})
    assert found.json() == as_told(sweep("vgg16", "hc3", runs=(), **asked))


def test_a_sweep_over_what_is_not_there_is_refused(client: TestClient) -> None:
    """An axis that nobody knows, values that are none, too many values."""
    body: dict[str, Any] = {"model": "vgg16", "hardware": "hc3"}
    wrong: list[dict[str, Any]] = [{"over": "moon"}, {"values": []}, {"values": [0]}]
    for changes in (*wrong, {"values": [1] * 201}):
        assert client.post("/v1/sweep", json={**body, **changes}).status_code == 422


def test_a_comparison_is_answered_as_in_python(client: TestClient) -> None:
    """Candidates in their order, the efficient ones marked, with CO2e and accuracy."""
    asked: dict[str, Any] = {"samples": 10_000, "accuracy": {"vgg16": 0.9, "lenet": 0.6}}
    body = {"models": ["vgg16", "lenet"], "hardware": ["hc1", "t4"], "region": "FR", **asked}
    found = client.post("/v1/compare", json=body)
    answer = compare(["vgg16", "lenet"], ["hc1", "t4"], runs=(), tariff=Tariff("FR"), **asked)
    assert found.json() == as_told(answer)


def test_a_comparison_with_an_unknown_name_is_refused(client: TestClient) -> None:
    """A pair that cannot be answered stays, a name that nobody knows does not."""
    body = {"models": ["vgg16", "llama-3.1-405b"], "hardware": ["t4"]}
    assert client.post("/v1/compare", json=body).status_code == 200
    unknown = client.post("/v1/compare", json={**body, "models": ["vgg16", "vgg61"]})
    assert unknown.status_code == 404
    too_many = client.post("/v1/compare", json={**body, "models": ["vgg16"] * 51})
    assert too_many.status_code == 422
