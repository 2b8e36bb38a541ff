"""What a store promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.core.errors import BadInput
from joulecast.core.run_files import to_dict
from joulecast.store import Conflict, open_store
from joulecast.store.content import content_of
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from joulecast.store import RunStore


def ids(store: RunStore, **asked: Any) -> list[str]:  # noqa: ANN401
    """Ids of all pages, as they come."""
    out: list[str] = []
    page = store.find(**asked)
    while True:
        out += [run.id for run in page.runs]
        if page.next_after is None:
            return out
        page = store.find(**asked, after=page.next_after)


def test_a_run_comes_back_as_it_was(store: RunStore) -> None:
    """All of it, also after the store was closed."""
    assert store.add(a_run()) == "new"
    assert store.get("run-1") == a_run()
    assert store.get("run-2") is None
    assert store.get("\x00") is None
    assert store.get("\ud800") is None


def test_what_was_added_is_there_after_reopening(url: str) -> None:
    """The second opening finds the tables and the runs of the first."""
    first = open_store(url)
    first.add(a_run())
    first.close()
    second = open_store(url)
    assert (second.count(), second.get("run-1"), second.version()) == (1, a_run(), 1)
    second.close()


def test_the_same_run_twice_is_known(store: RunStore) -> None:
    """As a record or as JSON: kept once, and nothing changed."""
    store.add(a_run())
    before = store.version()
    assert store.add(a_run()) == "known"
    assert store.add(json.loads(json.dumps(to_dict(a_run())))) == "known"
    assert (store.count(), store.version()) == (1, before)


def test_other_content_under_a_known_id_is_a_conflict(store: RunStore) -> None:
    """What was there stays."""
    store.add(a_run(energy_j=600.5))
    with pytest.raises(Conflict, match="run-1") as caught:
        store.add(a_run(energy_j=601.5))
    assert caught.value.ids == ("run-1",)
    kept = store.get("run-1")
    assert kept is not None
    assert kept.measurement.energy_j == {"gpu": 600.5}
    assert store.version() == 1


def test_a_batch_says_what_became_of_each(store: RunStore) -> None:
    """In its order; a run that is in it twice counts once."""
    store.add(a_run("b"))
    said = store.add_many([a_run("a"), a_run("b"), a_run("c"), a_run("a")])
    assert said == ("new", "known", "new", "known")
    assert ids(store) == ["b", "a", "c"]
    assert store.add_many([]) == ()


def test_a_batch_with_a_conflict_is_not_kept_at_all(store: RunStore) -> None:
    """All conflicts are named; the rest can be sent again."""
    store.add_many([a_run("b", 1.0), a_run("c", 1.0)])
    with pytest.raises(Conflict) as caught:
        store.add_many([a_run("a"), a_run("b", 2.0), a_run("c", 2.0)])
    assert sorted(caught.value.ids) == ["b", "c"]
    with pytest.raises(Conflict):
        store.add_many([a_run("x", 1.0), a_run("x", 2.0)])
    assert (store.count(), store.version()) == (2, 2)


def test_a_large_batch_is_kept(store: RunStore) -> None:
    """More rows than one statement takes parameters for, new and known."""
    many = [a_run(f"r{k}") for k in range(1200)]
    assert store.add_many(many) == ("new",) * 1200
    assert store.add_many(many) == ("known",) * 1200
    assert store.count() == 1200


def test_what_earlier_versions_stored_is_known(store: RunStore) -> None:
    """A field that a version adds changes the text of every run, but no run."""
    run = content_of(a_run())
    facts = {k: v for k, v in json.loads(run.record).items() if v != {}}  # as if without `where`
    old = json.dumps(facts)
    store.add(a_run())

    def age(connection: Any) -> None:  # noqa: ANN401
        from sqlalchemy import update

        from joulecast.store.tables import runs

        connection.execute(update(runs).values(record=old, digest="0" * 64))

    store._database.write(age)  # type: ignore[attr-defined]
    assert store.add(a_run()) == "known"
    with pytest.raises(Conflict):
        store.add(a_run(energy_j=1.0))


def test_runs_are_found_by_machine_model_task_and_start(store: RunStore) -> None:
    """Each narrows the search; a name that nothing has finds nothing."""
    store.add_many(
        [
            a_run("a", machine="m1", model="vgg16", started_at="2026-05-01T00:00:00Z"),
            a_run("b", machine="m2", model="vgg16", task="infer", started_at="2026-05-02T00:00:00"),
            a_run("c", machine="m1", model="vgg19", started_at="2026-05-03T01:00:00+02:00"),
            a_run("d", machine="m1", started_at=None),
        ]
    )
    assert ids(store) == ["a", "b", "c", "d"]
    assert ids(store, hardware="m1") == ["a", "c", "d"]
    assert ids(store, model="vgg16", task="train") == ["a", "d"]
    assert ids(store, since="2026-05-02") == ["b", "c"]
    assert ids(store, since="2026-05-02T23:00:01Z") == []
    assert ids(store, hardware="m3") == ids(store, model="\x00") == ids(store, task="\ud800") == []
    assert store.machines() == (("m1", 3), ("m2", 1))


def test_pages_show_each_run_once(store: RunStore) -> None:
    """Runs that come in between, and their number, move no page."""
    store.add_many(a_run(f"r{k}") for k in range(10))
    first = store.find(limit=4)
    store.add_many(a_run(f"s{k}") for k in range(3))
    second = store.find(limit=4, after=first.next_after)
    third = store.find(limit=10, after=second.next_after)
    seen = [run.id for page in (first, second, third) for run in page.runs]
    assert seen == [*(f"r{k}" for k in range(10)), *(f"s{k}" for k in range(3))]
    assert third.next_after is None


def test_a_full_last_page_is_the_last(store: RunStore) -> None:
    """No empty page follows."""
    store.add_many(a_run(f"r{k}") for k in range(4))
    assert store.find(limit=4).next_after is None


def test_the_newest_come_first_where_asked(store: RunStore) -> None:
    """Walking back, runs that come in between are left out."""
    store.add_many(a_run(f"r{k}") for k in range(5))
    first = store.find(limit=2, newest=True)
    store.add(a_run("later"))
    second = store.find(limit=2, newest=True, after=first.next_after)
    assert [r.id for r in (*first.runs, *second.runs)] == ["r4", "r3", "r2", "r1"]


@pytest.mark.parametrize(
    "asked", [{"limit": 0}, {"limit": 10_001}, {"after": -1}, {"after": 2**63}, {"since": "soon"}]
)
def test_absurd_questions_are_refused(store: RunStore, asked: dict[str, Any]) -> None:
    """Before they reach the database."""
    with pytest.raises(BadInput):
        store.find(**asked)


def test_a_record_that_cannot_be_read_is_named(store: RunStore) -> None:
    """It hides none of the others."""
    store.add_many([a_run("a"), a_run("b")])

    def spoil(connection: Any) -> None:  # noqa: ANN401
        connection.exec_driver_sql("UPDATE joulecast_runs SET record = '{}' WHERE id = 'a'")

    store._database.write(spoil)  # type: ignore[attr-defined]
    page = store.find()
    assert [run.id for run in page.runs] == ["b"]
    assert len(page.skipped) == 1
    assert "run a" in page.skipped[0]


def test_machines_are_calibrated_and_no_longer(store: RunStore) -> None:
    """The version grows when that changes something, and only then."""
    store.set_calibrated("hc4", on=True)
    store.set_calibrated("hc3", on=True)
    assert (store.calibrated(), store.version()) == (("hc3", "hc4"), 2)
    store.set_calibrated("hc3", on=True)
    store.set_calibrated("hc5", on=False)
    assert store.version() == 2
    store.set_calibrated("hc4", on=False)
    assert (store.calibrated(), store.version()) == (("hc3",), 3)
    with pytest.raises(BadInput):
        store.set_calibrated("\x00", on=True)


def test_others_see_every_change(url: str) -> None:
    """What one worker adds, the version of another tells."""
    mine, other = open_store(url), open_store(url)
    before = other.version()
    mine.add(a_run())
    assert other.version() > before
    assert other.get("run-1") == a_run()
    before = mine.version()
    other.set_calibrated("hc3", on=True)
    assert mine.version() > before
    mine.ping()
    mine.close()
    other.close()
