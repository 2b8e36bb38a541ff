"""POST /v1/estimate: the same answers as Python and the command line, refusals as problems."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")

import joulecast
from joulecast.pricing import Budget, Tariff, priced
from joulecast.tables import as_json
from tests.fakes.service import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service without runs."""
    with asking() as found:
        yield found


def as_told(answer: Any) -> Any:  # noqa: ANN401
    """What the command line prints of an answer."""
    return json.loads(as_json(answer.to_dict()))


def test_the_answer_is_that_of_python(client: TestClient) -> None:
    """The body's members are the function's arguments, the answer its JSON, digit for digit."""
    question = {"epochs": 100, "batch_size": 64, "precision": "fp32", "level": 0.8}
    found = client.post("/v1/estimate", json={"model": "vgg16", "hardware": "hc3", **question})
    answer = joulecast.estimate("vgg16", "hc3", runs=(), **question)  # type: ignore[arg-type]
    assert found.status_code == 200
    assert found.headers["content-type"] == "application/json"
    assert found.json() == as_told(answer)


def test_prices_and_explanations_are_the_command_lines(client: TestClient) -> None:
    """Region, price and PUE multiply as on the command line; explain fills the explanation."""
    tariff = {"region": "DE", "price": 0.25, "pue": 1.2}
    body = {"model": "resnet50", "hardware": "t4", "input_shape": [3, 224, 224], "explain": True}
    found = client.post("/v1/estimate", json=body | tariff)
    plain = joulecast.estimate("resnet50", "t4", input_shape=(3, 224, 224), explain=True, runs=())
    answer = priced(plain, Tariff("DE", None, 0.25, pue=1.2), Budget())
    assert found.json() == as_told(answer)
    assert found.json()["explanation"]["learners"]


def test_questions_asked_together_get_their_own_answers(client: TestClient) -> None:
    """Many at once, of several levels and some wrong, are each answered as if alone."""
    bodies = [
        {"model": model, "hardware": hw, "level": level, "epochs": epochs}
        for model in ("vgg16", "lenet", "nothing")
        for hw in ("hc1", "t4")
        for level in (0.8, 0.9)
        for epochs in (1, 7)
    ]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda body: client.post("/v1/estimate", json=body), bodies))
    for body, answer in zip(bodies, found, strict=True):
        if body["model"] == "nothing":
            assert answer.status_code == 404
            continue
        alone = joulecast.estimate(**body, runs=())  # type: ignore[arg-type]
        told = answer.json()
        assert told["energy_j"] == pytest.approx(alone.energy_j, rel=1e-12)
        assert told["energy_high_j"] == pytest.approx(alone.energy_high_j, rel=1e-12)
        assert told["workload"]["epochs"] == body["epochs"]


@pytest.mark.parametrize(
    ("member", "value", "near"),
    [("model", "vgg61", "vgg16"), ("model", "resent50", "resnet50"), ("hardware", "hc33", "hc3")],
)
def test_an_unknown_name_is_404_with_the_nearest(
    client: TestClient, member: str, value: str, near: str
) -> None:
    """Whoever mistypes a name is told the nearest three."""
    body = {"model": "vgg16", "hardware": "hc3", member: value}
    found = client.post("/v1/estimate", json=body)
    assert found.status_code == 404
    assert found.headers["content-type"] == PROBLEM
    assert near in found.json()["nearest"]
    assert len(found.json()["nearest"]) == 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": -1}, "epochs"),
        ({"epochs": "100"}, "epochs"),
        ({"epochs": 1e300}, "epochs"),
        ({"batch_size": 1.5}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"input_shape": [3, 0, 32]}, "input_shape"),
        ({"input_shape": [99_999] * 3}, "input_shape"),
        ({"level": 0.999}, "level"),
        ({"scope": "moon"}, "scope"),
        ({"runs": "/etc"}, "runs"),
        ({"precision": "fp7"}, "precision"),
        ({"framework": "abacus"}, "framework"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 101}, "model"),
        ({"model": "llama-3.1-405b", "hardware": "t4"}, "weights"),
        ({"hardware": "i9-9900k", "n_gpus": 2}, "GPU"),
        ({"pue": 0.5}, "pue"),
    ],
)
def test_what_cannot_be_right_is_422(
    client: TestClient, changes: dict[str, Any], said: str
) -> None:
    """The refusal names the member or the reason, and is a problem."""
    body = {"model": "vgg16", "hardware": "hc3", **changes}
    found = client.post("/v1/estimate", json=body)
    assert found.status_code == 422
    assert found.headers["content-type"] == PROBLEM
    assert said in found.json()["detail"]


def test_an_unknown_region_is_404(client: TestClient) -> None:
    """The grid's name is a name, too, and does not spoil the answers beside it."""
    body = {"model": "vgg16", "hardware": "hc3", "region": "Atlantis"}
    assert client.post("/v1/estimate", json=body).status_code == 404
    assert client.post("/v1/estimate", json={**body, "region": "FR"}).status_code == 200


@pytest.mark.parametrize(
    "text",
    [
        '{"model": "vgg16", "hardware": "hc3", "epochs": NaN}',
        '{"model": "vgg16", "hardware": "hc3", "epochs": Infinity}',
        '{"model": "vgg16", "hardware": "hc3", "epochs": 1e999}',
        '{"model": "vgg16", "hardware": "\\ud800"}',
        "{",
        "",
        "null",
        "[]",
        "[" * 10_000,
        '{"a":' * 10_000,
    ],
)
def test_what_is_no_json_object_is_422(client: TestClient, text: str) -> None:
    """NaN, infinities, half characters, deep nests and scraps are refused."""
    found = client.post("/v1/estimate", content=text, headers={"Content-Type": "application/json"})
    assert found.status_code == 422
    assert found.headers["content-type"] == PROBLEM


def test_a_body_that_is_too_large_is_413(client: TestClient) -> None:
    """Whether its length is said or not."""
    text = b'{"model": "' + b"x" * 70_000
    head = {"Content-Type": "application/json"}
    assert client.post("/v1/estimate", content=text, headers=head).status_code == 413
    parts = iter([text[:1000], text[1000:]])
    assert client.post("/v1/estimate", content=parts, headers=head).status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json_is_read(client: TestClient, kind: str) -> None:
    """What a form of another site could send unasked is refused."""
    found = client.post(
        "/v1/estimate", content='{"model":"vgg16","hardware":"hc3"}', headers={"Content-Type": kind}
    )
    assert found.status_code == 415
