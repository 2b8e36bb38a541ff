"""POST and GET /v1/runs and /v1/calibrate: kept once, found again, applied to answers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")

import joulecast
from joulecast.store import open_store
from tests.fakes.run_store import FakeRunStore
from tests.fakes.service import asking, record_of, run_of

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = {"model": "resnet18", "hardware": "hc3", "samples": 50_000, "scope": "gpu"}


def test_a_run_is_kept_once() -> None:
    """201 for a new one, 200 for the same again, 409 for another under its id."""
    with asking() as client:
        first = client.post("/v1/runs", json=record_of())
        again = client.post("/v1/runs", json=record_of())
        other = client.post("/v1/runs", json=record_of(sample_j=0.06))
        kept = client.get("/v1/runs/run-1")
    assert (first.status_code, first.json()) == (201, {"id": "run-1", "added": "new"})
    assert (again.status_code, again.json()) == (200, {"id": "run-1", "added": "known"})
    assert (other.status_code, other.json()["ids"]) == (409, ["run-1"])
    assert kept.json() == record_of()


def test_several_runs_are_kept_or_none() -> None:
    """An array is one transaction."""
    with asking() as client:
        both = client.post("/v1/runs", json=[record_of("a"), record_of("b")])
        bad = client.post("/v1/runs", json=[record_of("c"), record_of("a", sample_j=1.0)])
        found = client.get("/v1/runs").json()["runs"]
    assert both.json()["runs"] == [{"id": "a", "added": "new"}, {"id": "b", "added": "new"}]
    assert bad.status_code == 409
    assert [run["id"] for run in found] == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [1],
        "run",
        {"id": "x"},
        {**record_of(), "id": "../../etc/passwd"},
        {**record_of(), "id": ""},
        {**record_of(), "schema": "something/9"},
        {**record_of(), "setup": None},
        {**record_of(), "measurement": {"energy_j": {"gpu": "much"}}},
        {**record_of(), "measurement": {"energy_j": {"gpu": -1}, "duration_s": 1, "samples": 1}},
    ],
)
def test_what_is_no_run_record_is_422(body: Any) -> None:  # noqa: ANN401
    """Nothing of it is kept."""
    store = FakeRunStore()
    with asking(store) as client:
        assert client.post("/v1/runs", json=body).status_code == 422
    assert store.count() == 0


def test_runs_are_found_page_by_page() -> None:
    """Narrowed by machine and model, in the order in which they came or the newest first."""
    with asking() as client:
        client.post("/v1/runs", json=[record_of(f"r{i}", hardware="hc1") for i in range(5)])
        client.post("/v1/runs", json=record_of("other", "lenet"))
        page = client.get("/v1/runs", params={"hardware": "hc1", "limit": 3}).json()
        rest = client.get("/v1/runs", params={"hardware": "hc1", "after": page["next_after"]})
        newest = client.get("/v1/runs", params={"newest": True, "limit": 1}).json()
        lenet = client.get("/v1/runs", params={"model": "lenet", "since": "2026-01-01"}).json()
        later = client.get("/v1/runs", params={"since": "2027-01-01"}).json()
    assert [run["id"] for run in page["runs"]] == ["r0", "r1", "r2"]
    assert [run["id"] for run in rest.json()["runs"]] == ["r3", "r4"]
    assert rest.json()["next_after"] is None
    assert [run["id"] for run in newest["runs"]] == ["other"]
    assert [run["id"] for run in lenet["runs"]] == ["other"]
    assert later["runs"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=9999", "after=-1", "after=x", "task=sleep", "hardware=", "newest=7"]
)
def test_a_wrong_query_is_422(query: str) -> None:
    """And a problem that names the parameter."""
    with asking() as client:
        found = client.get(f"/v1/runs?{query}")
    assert found.status_code == 422
    assert query.partition("=")[0] in found.json()["detail"]


def test_a_run_that_is_not_there_is_404() -> None:
    """Whatever the id looks like."""
    with asking() as client:
        for name in ("nothing", "%00", "..%2f..", "a" * 300):
            assert client.get(f"/v1/runs/{name}").status_code == 404


def test_a_store_that_is_away_says_when_to_come_back() -> None:
    """503 with Retry-After; questions are answered all the same, and runs once it is back."""
    store = FakeRunStore()
    with asking(store) as client:
        store.is_away = True
        away = client.post("/v1/runs", json=record_of())
        assert away.status_code == 503
        assert int(away.headers["retry-after"]) > 0
        assert client.get("/v1/runs").status_code == 503
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.post("/v1/estimate", json=QUESTION).status_code == 200
        store.is_away = False
        assert client.post("/v1/runs", json=record_of()).status_code == 201
        assert client.get("/readyz").status_code == 200


def test_a_machine_known_by_its_runs_alone_says_what_to_do() -> None:
    """Its runs are listed, so that it is not simply unknown; once they are applied it is asked."""
    record = copy.deepcopy(record_of())
    record["setup"]["machine"]["id"] = record["hardware_id"] = "our-own-box"
    question = {"model": "vgg16", "hardware": "our-own-box"}
    with asking() as client:
        client.post("/v1/runs", json=record)
        listed = client.get("/v1/machines").json()["fleet"]
        before = client.post("/v1/estimate", json=question)
        several = client.post("/v1/sweep", json=question)
        client.post("/v1/calibrate", json={"hardware": "our-own-box"})
        after = client.post("/v1/estimate", json=question)
    assert [one["id"] for one in listed] == ["our-own-box"]
    for refused in (before, several):
        assert refused.status_code == 404
        assert "POST /v1/calibrate" in refused.json()["detail"]
    assert after.status_code == 200


def test_the_runs_of_a_machine_are_applied_and_no_longer() -> None:
    """Answers become those of `estimate` with these runs, for any network on that device."""
    runs = [run_of("a"), run_of("b", "lenet", sample_j=0.004, sample_s=0.0001)]
    store = FakeRunStore()
    store.add_many(runs)
    with asking(store) as client:
        plain = client.post("/v1/estimate", json=QUESTION).json()
        on = client.post("/v1/calibrate", json={"hardware": "hc3"})
        sharp = client.post("/v1/estimate", json=QUESTION).json()
        machines = client.get("/v1/machines").json()
        client.post("/v1/calibrate", json={"hardware": "hc3", "on": False})
        after = client.post("/v1/estimate", json=QUESTION).json()
    asked = {k: v for k, v in QUESTION.items() if k not in {"model", "hardware"}}
    alone = joulecast.estimate("resnet18", "hc3", runs=runs, **asked)  # type: ignore[arg-type]
    assert on.json() == {"hardware": "hc3", "on": True, "runs": 2, "calibrated": ["hc3"]}
    assert (plain["basis"], sharp["basis"], after["basis"]) == (
        "zero-shot",
        "calibrated",
        "zero-shot",
    )
    assert sharp["energy_j"] == pytest.approx(alone.energy_j)
    assert after == plain
    assert machines["fleet"] == [{"id": "hc3", "runs": 2, "calibrated": True}]


def test_only_machines_with_runs_are_calibrated() -> None:
    """Others are 404, with the nearest that have some."""
    store = FakeRunStore()
    store.add(run_of())
    with asking(store) as client:
        found = client.post("/v1/calibrate", json={"hardware": "hc33"})
    assert found.status_code == 404
    assert found.json()["nearest"] == ["hc3"]


def test_runs_stand_beside_their_predictions() -> None:
    """Joules per sample, measured and zero-shot, and whether one lies in the other's interval."""
    store = FakeRunStore()
    answer = joulecast.estimate("vgg16", "hc3", scope="gpu", runs=(), samples=50_000)
    middle_j = answer.energy_j / 50_000
    store.add_many([run_of("in", sample_j=middle_j), run_of("out", sample_j=20 * middle_j)])
    with asking(store) as client:
        found = client.get("/v1/fleet").json()
    by_id = {point["id"]: point for point in found["points"]}
    assert found["inside_frac"] == 0.5
    assert by_id["in"]["is_inside"] is True
    assert by_id["out"]["is_inside"] is False
    assert by_id["out"]["measured_energy_j"] == pytest.approx(20 * middle_j)
    assert by_id["in"]["unit"] == "sample"


def test_a_real_store_keeps_runs_across_services(tmp_path: Path) -> None:
    """On disk when acknowledged: a second service finds the run and what is applied."""
    url = f"sqlite:///{tmp_path / 'runs.sqlite'}"
    with asking(open_store(url)) as client:
        assert client.post("/v1/runs", json=record_of()).status_code == 201
        assert client.post("/v1/calibrate", json={"hardware": "hc3"}).status_code == 200
        assert client.post("/v1/runs", json=record_of(sample_j=0.1)).status_code == 409
    with asking(open_store(url)) as client:
        assert client.post("/v1/runs", json=record_of()).status_code == 200
        assert client.get("/v1/runs").json()["runs"] == [record_of()]
        assert client.post("/v1/estimate", json=QUESTION).json()["basis"] == "calibrated"
