"""What is stored of a run: equal runs are equal texts, and what cannot be stored is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput, BadRecord
from joulecast.core.run_files import to_dict
from joulecast.store.content import content_of, microseconds, read
from tests.fakes.stored_runs import a_run

AMOUNTS = st.floats(0, 1e29) | st.integers(0, 10**29)


def sent(run_id: str = "run-1") -> dict[str, Any]:
    """What a client sends of a run."""
    facts: dict[str, Any] = json.loads(json.dumps(to_dict(a_run(run_id))))
    return facts


@given(AMOUNTS)
def test_a_record_and_its_json_are_the_same_content(energy_j: float) -> None:
    """10 and 10.0 are one number, whoever spelt it, and the amount is read back as it was."""
    run = a_run(energy_j=energy_j)
    content = content_of(run)
    assert content_of(json.loads(json.dumps(to_dict(run)))) == content
    assert content_of(read(content.record)) == content
    assert read(content.record).measurement.energy_j["gpu"] == float(energy_j)


def test_the_order_of_keys_says_nothing() -> None:
    """Two clients that write the keys in different orders send the same run."""
    facts = sent()
    assert content_of(dict(reversed(facts.items()))) == content_of(facts)


def test_another_amount_is_another_content() -> None:
    """A tenth of a joule tells two runs apart."""
    assert content_of(a_run(energy_j=600.5)).digest != content_of(a_run(energy_j=600.6)).digest


def test_the_indexed_words_are_those_of_the_run() -> None:
    """Machine, network, task and start stand beside the record."""
    content = content_of(a_run(machine="hc9", model="vgg19", task="infer"))
    assert (content.hardware, content.model, content.task) == ("hc9", "vgg19", "infer")
    assert content.started_us == 1_777_636_800_000_000  # date -d 2026-05-01T12:00:00Z +%s


def test_a_start_that_is_no_time_is_unknown() -> None:
    """The record keeps its text; nothing is guessed."""
    assert content_of(a_run(started_at="yesterday")).started_us is None
    assert read(content_of(a_run(started_at="yesterday")).record).started_at == "yesterday"


def test_times_without_a_zone_are_utc() -> None:
    """A date is its midnight."""
    assert microseconds("2026-05-01") == microseconds("2026-05-01T02:00:00+02:00")


def test_keys_of_a_later_version_are_left_out() -> None:
    """A newer profiler may send to an older service."""
    assert content_of({**sent(), "mood": "good"}) == content_of(sent())


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", ".hidden", "a/b", "a b", "a\n", "ä", "x" * 129, "\x00", "\ud800"]
)
def test_ids_that_are_no_plain_names_are_refused(run_id: str) -> None:
    """An id becomes a file name and a part of an address."""
    with pytest.raises((BadInput, BadRecord)) as caught:
        content_of(a_run(run_id))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("run_id", ["x" * 128, "20261121T074650-lenet_train-f2b9c5f9", "a.b", "_"])
def test_ids_as_profilers_give_them_are_taken(run_id: str) -> None:
    """Letters, digits, '-', '_' and '.', up to 128."""
    assert content_of(a_run(run_id)).id == run_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": "joulecast.run/2"},
        {"schema": None},
        {"measurement": {"energy_j": {"gpu": math.nan}, "duration_s": 1.0, "samples": 1.0}},
        {"measurement": {"energy_j": {"gpu": -1.0}, "duration_s": 1.0, "samples": 1.0}},
        {"measurement": 3},
        {"setup": None},
        {"id": 7},
        {"status": "dreaming"},
        {"source": "half a pair: \ud800"},
    ],
)
def test_what_is_no_record_is_refused(wrong: dict[str, Any]) -> None:
    """The text of the refusal can be printed anywhere."""
    with pytest.raises(BadRecord) as caught:
        content_of({**sent(), **wrong})
    assert str(caught.value).isprintable()
    assert str(caught.value).encode()


@pytest.mark.parametrize("wrong", [[], "run", None, 3, {}])
def test_what_is_no_object_is_refused(wrong: Any) -> None:  # noqa: ANN401
    """Whatever came in."""
    with pytest.raises(BadRecord):
        content_of(wrong)


@pytest.mark.parametrize("name", ["x" * 257, "a\x00b", "line\nbreak"])
def test_names_that_no_column_holds_are_refused(name: str) -> None:
    """PostgreSQL takes no NUL, and an index no endless text."""
    with pytest.raises(BadRecord, match="printed"):
        content_of(a_run(machine=name))


def test_a_record_with_numbers_that_are_none_is_refused() -> None:
    """An energy that is not finite is stored by nobody."""
    with pytest.raises(BadRecord):
        content_of(a_run(energy_j=math.inf))


def test_a_missing_amount_stays_missing() -> None:
    """None is no 0."""
    run = a_run()
    silent = replace(run, measurement=replace(run.measurement, duration_s=None))
    assert read(content_of(silent).record).measurement.duration_s is None
