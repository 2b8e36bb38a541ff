"""POST /v1/estimate/batch: rows in, the rows of `predict_table` out, whatever stands in them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi")

import joulecast
from joulecast.service import batch, rows
from joulecast.service.batch import Incoming
from joulecast.service.problems import Problem
from joulecast.service.settings import Limits
from tests.fakes.service import asking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

PATH = "/v1/estimate/batch"
LINES = {"Content-Type": "application/x-ndjson"}
TABLE = {"Content-Type": "text/csv"}
COLUMNS = ("model", "hardware_id", "task", "batch_size", "samples", "note")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service that answers tables in a thread."""
    with asking(limits=Limits(batch_rows=3000, row_bytes=4000)) as found:
        yield found


def workloads(count: int) -> list[dict[str, Any]]:
    """Rows of several kinds, one of which cannot be answered."""
    models = ("vgg16", "lenet", "nothing-like-it", "resnet18")
    return [
        {
            "model": models[i % 4],
            "hardware_id": ("hc1", "t4")[i % 2],
            "task": ("train", "infer")[i % 2],
            "batch_size": 1 + i % 300,
            "samples": 50_000,
            "note": f"row {i}",
        }
        for i in range(count)
    ]


def as_lines(table: list[dict[str, Any]]) -> bytes:
    """A table as lines of JSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in table)


def test_lines_of_json_are_answered_as_the_table_is(client: TestClient) -> None:
    """Rows, order, columns and every figure are those of `predict_table`, over many pieces."""
    table = workloads(2500)
    found = client.post(PATH, content=as_lines(table), headers=LINES)
    assert found.status_code == 200
    assert [json.loads(line) for line in found.text.splitlines()] == joulecast.predict_table(table)


def test_csv_is_answered_as_the_command_line_does(client: TestClient) -> None:
    """The head once, then each row, its cells as text."""
    table = [dict(zip(row, map(str, row.values()), strict=True)) for row in workloads(40)]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(table)
    found = client.post(PATH, content=out.getvalue().encode("utf-8-sig"), headers=TABLE)
    answers = list(csv.DictReader(io.StringIO(found.text)))
    wanted = joulecast.predict_table(table)
    assert found.headers["content-type"].startswith("text/csv")
    assert [row["predicted_energy_j"] for row in answers] == [
        str(row["predicted_energy_j"]) for row in wanted
    ]
    assert [row["note"] for row in answers] == [row["note"] for row in table]


def test_a_row_that_cannot_be_read_keeps_its_place(client: TestClient) -> None:
    """It says why in its notices, and the rows around it are answered."""
    good = json.dumps(workloads(1)[0])
    wrong = [
        "{",
        "[1]",
        "NaN",
        '{"model": "\\ud800"}',
        '{"samples": ' + "9" * 3000 + "}",
        "[" * 900,
    ]
    text = "\n".join(x for bad in wrong for x in (good, bad))
    found = client.post(PATH, content=text, headers=LINES)
    answers = [json.loads(line) for line in found.text.splitlines()]
    assert len(answers) == 2 * len(wrong)
    assert all(row["predicted_energy_j"] > 0 for row in answers[::2])
    assert all(row["predicted_energy_j"] == "" and row["notices"] for row in answers[1::2])


def test_a_cell_that_is_too_long_is_refused_alone(client: TestClient) -> None:
    """A long name is not looked up."""
    row = workloads(1)[0] | {"model": "x" * 2000}
    found = client.post(PATH, content=as_lines([row, workloads(1)[0]]), headers=LINES)
    first, second = (json.loads(line) for line in found.text.splitlines())
    assert "1,000 characters" in first["notices"]
    assert second["predicted_energy_j"] > 0


@pytest.mark.parametrize("column", ["model", "hardware_id", "gpu_name"])
def test_names_that_nobody_knows_are_sought_a_few_times(column: str) -> None:
    """The search for the nearest names is dear, so a table full of such names cannot stop all."""
    table = [{"model": "vgg16", "hardware_id": "hc1", column: f"n{i}"} for i in range(20)]
    text = as_lines([*table, table[0], {"model": "vgg16", "hardware_id": "hc1"}])
    found = rows.answered(rows.Piece("json", text, 1000, unknown_left=5))
    told = [json.loads(line) for line in found.text.splitlines()]
    assert found.unknown == 5
    assert sum("after many others" in row["notices"] for row in told) == 15
    assert told[20]["notices"] == told[0]["notices"]
    assert told[21]["predicted_power_w"] > 0


@pytest.mark.parametrize("name", [{"a": 1}, ["vgg16"], "x" * 101, 10**200, True])
def test_what_is_no_name_is_not_sought(name: Any) -> None:  # noqa: ANN401
    """Neither a nest nor a name of a hundred letters; the row says so."""
    for column in ("model", "model_id", "hardware_id", "gpu_name", "cpu_name"):
        found = rows.answered(rows.Piece("json", as_lines([{column: name}]), 1000))
        assert json.loads(found.text)["notices"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 200),
        ("model,hardware_id\n", 200),
        ("apples,pears\n1,2\n", 422),
        ("model,model\nvgg16,vgg16\n", 422),
        ('model,hardware_id\n"vgg16', 422),
        (b"model,hardware_id\n\xff\xfe\n", 422),
    ],
)
def test_csv_that_is_no_table_of_workloads(
    client: TestClient, text: str | bytes, status: int
) -> None:
    """A wrong head, an open quote and other encodings are refused; no rows are no mistake."""
    assert client.post(PATH, content=text, headers=TABLE).status_code == status


def test_a_table_that_is_too_large_is_refused(client: TestClient) -> None:
    """Too many rows, or one row without an end."""
    many = client.post(PATH, content=b"{}\n" * 3001, headers=LINES)
    assert many.status_code == 413
    endless = iter([b"x" * 100_000] * 3)
    assert client.post(PATH, content=endless, headers=LINES).status_code == 413


def test_other_types_are_refused(client: TestClient) -> None:
    """A JSON array is none of the two."""
    found = client.post(PATH, json=[{"model": "vgg16"}])
    assert found.status_code == 415


def test_another_process_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of the service's own answers, over several pieces, and ends with it."""
    monkeypatch.setattr(batch, "PIECE_BYTES", 2000)
    table = workloads(60)
    with asking(row_processes=1) as client:
        found = client.post(PATH, content=as_lines(table), headers=LINES)
        refused = client.post(PATH, content=b"a,b\n1,2\n", headers=TABLE)
    assert [json.loads(line) for line in found.text.splitlines()] == joulecast.predict_table(table)
    assert refused.status_code == 422


CELL = st.text(alphabet='a",\n\r é', max_size=6)


@given(table=st.lists(st.tuples(CELL, CELL), max_size=8), cut=st.integers(0, 200))
def test_rows_of_csv_are_never_cut_apart(table: list[tuple[str, str]], cut: int) -> None:
    """Wherever the network cuts the text, whole rows come out, with line breaks in their cells."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    text = out.getvalue().encode()
    whole, rest = rows.split("csv", text[:cut])
    assert whole + rest == text[:cut]
    found = [*csv.reader(io.StringIO(whole.decode(), newline=""))]
    left = [*csv.reader(io.StringIO((rest + text[cut:]).decode(), newline=""))]
    assert found + left == [*csv.reader(io.StringIO(text.decode(), newline=""))]


def taken_in(messages: list[dict[str, Any]], pause_s: float = 10.0) -> tuple[list[bytes], Incoming]:
    """Pieces of a body that arrives as `messages`; after them nothing comes."""

    async def all_of_it() -> tuple[list[bytes], Incoming]:
        waiting = list(messages)

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.Event().wait()
            return waiting.pop(0)

        incoming = Incoming(receive, 1000, pause_s)
        reader = asyncio.create_task(incoming.take_in())
        try:
            return [piece async for piece, _ in incoming.pieces()], incoming
        finally:
            reader.cancel()

    return asyncio.run(all_of_it())


def test_a_client_that_leaves_pauses_or_sends_too_much_ends_its_table() -> None:
    """Each is seen while the body arrives."""
    part = {"type": "http.request", "body": b"x" * 600, "more_body": True}
    with pytest.raises(Problem, match="the client left"):
        taken_in([part, {"type": "http.disconnect"}])
    with pytest.raises(Problem, match="nothing arrived"):
        taken_in([part], pause_s=0.0)
    with pytest.raises(Problem, match="more than 1,000 bytes"):
        taken_in([part, part])


def test_a_client_that_leaves_after_its_table_is_noticed() -> None:
    """Nothing more is computed for it."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x"},
        {"type": "http.disconnect"},
    ]

    async def left() -> bool:
        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        incoming = Incoming(receive, 10, 1.0)
        await incoming.take_in()
        return incoming.has_left

    assert asyncio.run(left())
