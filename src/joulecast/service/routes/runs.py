"""POST and GET /v1/runs: the records of the fleet's profilers, kept once by their ids."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.core import run_files
from joulecast.core.errors import BadInput, BadRecord, UnknownName
from joulecast.service import reading, schemas
from joulecast.service.problems import Problem
from joulecast.service.texts import JSON, json_response, read_json, text_of
from joulecast.store.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.service.state import Service
    from joulecast.store import Added, Page, RunStore

MOST_PER_PAGE = 1000


def _moment(text: str | None) -> str | None:
    """`text`, if it is a time.

    Raises
    ------
    ValueError
    """
    if text is not None:
        datetime.fromisoformat(text)
    return text


_RECORD = schemas.ref("RunRecord")
_ASKS = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {"anyOf": [_RECORD, {"type": "array", "items": _RECORD, "minItems": 1}]}
            }
        },
    }
}
_PAGE = {
    "type": "object",
    "required": ["runs", "next_after", "skipped"],
    "properties": {
        "runs": {"type": "array", "items": _RECORD},
        "next_after": {"type": ["integer", "null"]},
        "skipped": {"type": "array", "items": {"type": "string"}},
    },
}
Named = Annotated[str | None, Query(min_length=1, max_length=256)]
Since = Annotated[
    str | None,
    Query(max_length=40, description="start, ISO 8601, UTC unless it says otherwise"),
    AfterValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
Limit = Annotated[int, Query(ge=1, le=MOST_PER_PAGE)]
After = Annotated[int | None, Query(ge=0, lt=2**63, description="next_after of the page before")]


def routes(service: Service) -> APIRouter:
    """The routes of `service`."""
    router = APIRouter()
    added = {"anyOf": [schemas.ref("AddedRun"), schemas.ref("AddedRuns")]}
    said = schemas.answers(added, 404, 408, 409, 413, 415, 422, 503)

    @router.post(
        "/v1/runs",
        response_class=Response,
        openapi_extra=_ASKS,
        responses={**said, 201: said[200]},
    )
    async def add(request: Request) -> Response:
        """Keep one record, or an array of them all or none; 201 if any is new, 200 if none is.

        When this answers, they are on disk. Sending them again changes nothing.
        """
        reading.refuse_type(request, JSON)
        limits = service.limits
        text = await reading.body_bytes(request, limits.runs_bytes, limits.body_s)
        try:
            found, is_one = await service.fleet.call(partial(_added, text=text, most=limits.runs))
        except (BadInput, BadRecord, Conflict, Problem):
            service.metrics.runs("refused")
            raise
        for _, outcome in found:
            service.metrics.runs(outcome)
        listed = [{"id": run_id, "added": outcome} for run_id, outcome in found]
        is_new = any(outcome == "new" for _, outcome in found)
        answer = listed[0] if is_one else {"runs": listed}
        return json_response(text_of(answer), 201 if is_new else 200)

    _add_reading(router, service)
    return router


def _add_reading(router: APIRouter, service: Service) -> None:
    @router.get("/v1/runs", response_class=Response, responses=schemas.answers(_PAGE, 422, 503))
    async def find(  # noqa: PLR0913, PLR0917 (each narrows the search; called by name)
        hardware: Named = None,
        model: Named = None,
        task: Annotated[str | None, Query(pattern="^(train|infer|serve)$")] = None,
        since: Since = None,
        limit: Limit = 100,
        after: After = None,
        newest: bool = False,  # noqa: FBT001, FBT002 (a query has no other form)
    ) -> Response:
        """Runs in the order in which they came, or the newest first, page by page."""
        ask = partial(
            _page,
            hardware=hardware,
            model=model,
            task=task,
            since=since,
            limit=limit,
            after=after,
            newest=newest,
        )
        return json_response(await service.fleet.call(ask))

    @router.get(
        "/v1/runs/{run_id}",
        response_class=Response,
        responses=schemas.answers(_RECORD, 404, 422, 503),
    )
    async def get(run_id: str) -> Response:
        """The run of that id."""
        return json_response(await service.fleet.call(partial(_one, run_id=run_id[:256])))


def _added(store: RunStore, *, text: bytes, most: int) -> tuple[list[tuple[str, Added]], bool]:
    """Ids of the records in a JSON text and what became of each; whether it is one alone."""
    given = read_json(text)
    records: list[Any] = given if isinstance(given, list) else [given]
    if not 1 <= len(records) <= most:
        kind = "too-large" if records else "bad-input"
        raise Problem(kind, f"{len(records):,} records: send 1 to {most:,} at once")
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise Problem("bad-record", f"record {place} is no JSON object")
    added = store.add_many(records)
    listed = [(_id(record), outcome) for record, outcome in zip(records, added, strict=True)]
    return listed, given is not records


def _id(record: Mapping[str, Any]) -> str:
    return str(record["id"])


def _page(store: RunStore, **asked: Any) -> bytes:  # noqa: ANN401 (of each kind)
    page: Page = store.find(**asked)
    runs = [run_files.to_dict(run) for run in page.runs]
    return text_of({"runs": runs, "next_after": page.next_after, "skipped": page.skipped})


def _one(store: RunStore, *, run_id: str) -> bytes:
    run = store.get(run_id)
    if run is None:
        raise UnknownName("run", run_id[:128], ())
    return text_of(run_files.to_dict(run))
