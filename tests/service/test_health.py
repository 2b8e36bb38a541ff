"""What tells how the service is: health, metrics, the document, the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fastapi")

from joulecast import api
from joulecast.core.insight import Comparison, Sweep
from joulecast.core.records import Estimate
from joulecast.service import schemas
from joulecast.service.routes import page
from tests.fakes.run_store import FakeRunStore
from tests.fakes.service import asking, record_of

if TYPE_CHECKING:
    from pathlib import Path


def test_metrics_count_in_base_units() -> None:
    """Requests by route and status, seconds as a histogram, rows and runs."""
    with asking() as client:
        client.post("/v1/estimate", json={"model": "vgg16", "hardware": "hc3"})
        client.post("/v1/estimate", json={"model": "vgg61", "hardware": "hc3"})
        client.get("/no/such/path")
        client.post(
            "/v1/estimate/batch", content=b"{}\n", headers={"Content-Type": "application/jsonl"}
        )
        client.post("/v1/runs", json=record_of())
        found = client.get("/metrics")
    text = found.text
    assert found.headers["content-type"].startswith("text/plain")
    for line in (
        'joulecast_http_requests_total{method="POST",route="/v1/estimate",status="200"} 1.0',
        'joulecast_http_requests_total{method="POST",route="/v1/estimate",status="404"} 1.0',
        'joulecast_http_requests_total{method="GET",route="other",status="404"} 1.0',
        'joulecast_http_request_duration_seconds_count{route="/v1/estimate"} 2.0',
        'joulecast_estimates_total{basis="zero-shot",kind="estimate"} 1.0',
        "joulecast_batch_rows_total 1.0",
        'joulecast_runs_received_total{outcome="new"} 1.0',
        "joulecast_store_up 1.0",
    ):
        assert line in text, line
    counters = re.findall(r"# TYPE (joulecast\S+) counter", text)
    assert counters
    assert all(name.endswith("_total") for name in counters)


def test_lists_are_those_of_the_command_line() -> None:
    """Networks, machines and the card; who has a list already is told that it is the same."""
    with asking() as client:
        models = client.get("/v1/models")
        again = client.get("/v1/models", headers={"If-None-Match": models.headers["etag"]})
        machines = client.get("/v1/machines").json()
        card = client.get("/v1/accuracy").json()
    assert models.json() == {"models": api.describe_models()}
    assert (again.status_code, again.content) == (304, b"")
    assert machines["hardware"] == api.describe_hardware()
    assert card == api.card()


def test_the_store_is_not_needed_to_start() -> None:
    """The service answers; it is ready once the store is there."""
    store = FakeRunStore()
    store.is_away = True
    with asking(store) as client:
        ready = client.get("/readyz")
        assert client.get("/v1/machines").json()["store"] == "away"
    assert ready.status_code == 503
    assert ready.json()["store"] == "away"


def test_the_document_holds_every_route_with_its_refusals() -> None:
    """Each is described, has examples where it takes JSON, and its references are there."""
    with asking() as client:
        document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    wanted = {"estimate", "estimate/batch", "serving", "compare", "sweep", "models", "machines"}
    wanted |= {"accuracy", "runs", "runs/{run_id}", "calibrate", "fleet"}
    paths = {f"/v1/{name}" for name in wanted} | {"/healthz", "/readyz", "/metrics"}
    assert set(document["paths"]) == paths
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"]
            assert {"401", "403", "429", "500"} <= set(operation["responses"])
    text = str(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]
    example = document["paths"]["/v1/estimate"]["post"]["requestBody"]["content"]
    assert example["application/json"]["examples"]["a training run"]["value"]["model"] == "vgg16"


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("estimate", {"model": "vgg16", "hardware": "hc3", "explain": True}, Estimate),
        ("estimate", {"model": "resnet50", "hardware": "8xh100-sxm", "region": "DE"}, Estimate),
        ("sweep", {"model": "vgg16", "hardware": "hc3", "over": "precision"}, Sweep),
        ("compare", {"models": ["vgg16", "llama-3.1-405b"], "hardware": ["hc3"]}, Comparison),
    ],
)
def test_answers_are_as_the_document_says(path: str, body: dict[str, object], kind: type) -> None:
    """Every member is there and of its type."""
    with asking() as client:
        found = client.post(f"/v1/{path}", json=body)
    assert schemas.answer_model(kind).model_validate_json(found.content, strict=True)


def test_wrong_paths_and_methods_are_problems() -> None:
    """404, and 405 with the methods that are allowed."""
    with asking() as client:
        lost = client.get("/v2/estimate")
        wrong = client.get("/v1/estimate")
        both = client.delete("/v1/runs")
    assert (lost.status_code, lost.headers["content-type"]) == (404, "application/problem+json")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert both.headers["allow"] == "GET, POST"
    assert wrong.json()["status"] == 405


def test_the_page_is_the_files_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With types and tags; nothing beside them, whatever the path says."""
    folder = tmp_path / "page"
    (folder / "views").mkdir(parents=True)
    (folder / "index.html").write_text("<p>hello")
    (folder / "views" / "a.js").write_text("export const a = 1;")
    (folder / "notes.txt").write_text("not served")
    (tmp_path / "secret.html").write_text("no")
    monkeypatch.setattr(page, "FOLDER", folder)
    with asking() as client:
        root = client.get("/")
        again = client.get("/", headers={"If-None-Match": root.headers["etag"]})
        head = client.head("/views/a.js")
        lost = [
            client.get(path).status_code
            for path in ("/notes.txt", "/../secret.html", "/%2e%2e/secret.html", "//etc/passwd")
        ]
    assert (root.text, root.headers["content-type"]) == ("<p>hello", "text/html; charset=utf-8")
    assert again.status_code == 304
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == "text/javascript; charset=utf-8"
    assert lost == [404] * 4


def test_a_service_without_a_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on answering."""
    monkeypatch.setattr(page, "FOLDER", tmp_path / "none")
    with asking() as client:
        assert client.get("/").status_code == 404
        assert client.get("/healthz").status_code == 200
