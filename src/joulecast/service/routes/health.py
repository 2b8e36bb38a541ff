"""GET /healthz and /readyz: whether the process lives, and whether it can answer everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from joulecast import __version__
from joulecast.service import schemas
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service


def routes(service: Service) -> APIRouter:
    """The routes of `service`."""
    router = APIRouter()
    status = {"type": "object", "required": ["status"]}

    @router.get("/healthz", response_class=Response, responses=schemas.answers(status))
    async def healthz() -> Response:
        """The process lives."""
        return json_response(text_of({"status": "ok", "version": __version__}))

    said = schemas.answers(status)
    said[503] = {"description": "not yet, or without the store", "content": said[200]["content"]}

    @router.get("/readyz", response_class=Response, responses=said)
    async def readyz() -> Response:
        """The predictor is read and the store answers; without it only questions are answered."""
        parts = {
            "predictor": "ok" if service.is_warm else "starting",
            "store": "ok" if service.fleet.trouble is None else "away",
        }
        is_ready = all(part == "ok" for part in parts.values())
        facts = {"status": "ok" if is_ready else "not ready", **parts}
        return json_response(text_of(facts), 200 if is_ready else 503)

    return router
