"""Bodies that nobody would send on purpose: each is refused or answered, none breaks anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("fastapi")

from tests.fakes.service import asking, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

EXAMPLES = 150
HEAD = {"Content-Type": "application/json"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/estimate": {"model": "vgg16", "hardware": "hc3", "input_shape": [3, 32, 32]},
    "/v1/serving": {
        "model": "llama-3.1-8b",
        "hardware": "hc4",
        "prompt_tokens": 9,
        "output_tokens": 9,
    },
    "/v1/sweep": {"model": "vgg16", "hardware": "hc3", "values": [1, 2]},
    "/v1/compare": {"models": ["vgg16"], "hardware": ["hc3"]},
    "/v1/calibrate": {"hardware": "hc3", "on": True},
    "/v1/runs": record_of(),
}
NUMBER = st.one_of(
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1e-300, 1e308, 2**63, 0.1]),
)
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service in this process."""
    with asking() as found:
        yield found


def members(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Places in a body, from the outside in."""
    inner = body.items() if isinstance(body, dict) else enumerate(body) if body else ()
    for key, value in inner:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from members(value, (*path, key))


def changed(body: Any, place: tuple[Any, ...], value: Any) -> Any:  # noqa: ANN401
    """`body` with another value at a place."""
    if not place:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[place[0]] = changed(copy[place[0]], place[1:], value)
    return copy


def is_sane(status: int, kind: str, text: str) -> bool:
    """Whether an answer is one of ours: right, or a problem that is the client's."""
    if status < 300:
        return kind == "application/json"
    told = json.loads(text)
    is_problem = kind == "application/problem+json" and told["status"] == status
    return is_problem and status < 500 and "Traceback" not in text


@pytest.mark.parametrize("path", sorted(BODIES))
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_member_that_is_anything(client: TestClient, path: str, data: st.DataObject) -> None:
    """One or two members of a right body replaced by any JSON value."""
    body = BODIES[path]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(sorted(members(BODIES[path]), key=str)))
        try:
            body = changed(body, place, data.draw(VALUE))
        except (KeyError, IndexError, TypeError):
            continue  # the place is gone with the first change
    found = client.post(path, content=json.dumps(body), headers=HEAD)
    assert is_sane(found.status_code, found.headers["content-type"], found.text)


@pytest.mark.parametrize("path", sorted(BODIES))
@settings(max_examples=EXAMPLES // 3)
@given(data=st.data())
def test_a_text_that_is_cut_or_garbled(client: TestClient, path: str, data: st.DataObject) -> None:
    """Bytes of a right body left out, doubled or overwritten."""
    text = json.dumps(BODIES[path]).encode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(0, len(text)))
    text = text[:start] + data.draw(st.binary(max_size=8)) + text[end:]
    found = client.post(path, content=text, headers=HEAD)
    assert is_sane(found.status_code, found.headers["content-type"], found.text)


@settings(max_examples=EXAMPLES)
@given(text=st.binary(max_size=60))
def test_bytes_that_are_no_table(client: TestClient, text: bytes) -> None:
    """Any bytes as lines of JSON are answered line by line, as CSV they may be refused."""
    lines = client.post(
        "/v1/estimate/batch", content=text, headers={"Content-Type": "application/jsonl"}
    )
    assert lines.status_code == 200
    wanted = [line for line in text.split(b"\n") if line.strip()]
    assert lines.content.count(b"\n") == len(wanted)
    head = {"Content-Type": "text/csv"}
    found = client.post("/v1/estimate/batch", content=b"model,task\n" + text, headers=head)
    assert found.status_code in {200, 422}


COLUMNS = [
    *("model", "model_id", "hardware_id", "gpu_name", "task", "batch_size", "samples", "params"),
    *("macs_per_sample", "input_shape", "seq_len", "n_gpus", "power_limit_w", "precision"),
]
KNOWN = st.sampled_from(["vgg16", "hc3", "train", "llama-3.1-8b", "3x32x32", ""])
ROW = st.dictionaries(st.sampled_from(COLUMNS), st.one_of(VALUE, KNOWN), max_size=6)


@settings(max_examples=EXAMPLES // 4)  # names that nobody knows take long
@given(table=st.lists(ROW, min_size=1, max_size=4))
def test_rows_of_anything(client: TestClient, table: list[dict[str, Any]]) -> None:
    """Each row of a table that holds any values comes back, with figures or a reason."""
    text = "".join(json.dumps(row) + "\n" for row in table)
    head = {"Content-Type": "application/x-ndjson"}
    found = client.post("/v1/estimate/batch", content=text, headers=head)
    answers = [json.loads(line) for line in found.content.split(b"\n") if line]
    assert found.status_code == 200
    assert len(answers) == len(table)
    for row in answers:
        figures = [v for k, v in row.items() if k.startswith("predicted_")]
        assert row["notices"] or any(v not in {None, ""} for v in figures)
