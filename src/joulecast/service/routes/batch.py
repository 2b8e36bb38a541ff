"""POST /v1/estimate/batch: a table of workloads, as JSON lines or CSV, answered as it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.batch import Batch, BatchResponse

if TYPE_CHECKING:
    from joulecast.service.state import Service

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines")
CSV = "text/csv"
_LINES = '{"model": "vgg16", "hardware_id": "hc3", "task": "train", "samples": 50000}\n'
_TABLE = "model,hardware_id,task,batch_size,samples\nvgg16,hc3,train,128,50000\n"
_TEXT = {"type": "string"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON_LINES[0]: {
                "schema": {"description": "one JSON object per line"},
                "example": _LINES,
            },
            CSV: {"schema": _TEXT, "example": _TABLE},
        },
    }
}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()
    said = schemas.answers(_TEXT, 408, 413, 415, 422, 503, media_type=JSON_LINES[0])
    said[200]["content"][CSV] = {"schema": _TEXT}

    @router.post("/v1/estimate/batch", response_class=Response, openapi_extra=_BODY, responses=said)
    async def batch(request: Request) -> Response:
        """The rows with predictions added, in their order, in the columns of `predict_table`.

        A row that cannot be answered keeps blanks and says why in ``notices``. An answer that ends
        early, without the last piece, is not whole.
        """
        kind = reading.refuse_type(request, *JSON_LINES, CSV)
        reading.refuse_size(request, service.limits.batch_bytes)
        batch = Batch("csv" if kind == CSV else "json", service.limits, service.rows)
        slots, count = service.batch_slots, service.metrics.rows
        return BatchResponse(batch, kind, service.limits, slots, count)

    return router
