"""GET /v1/accuracy: how sure the predictor is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast import api
from joulecast.service import schemas
from joulecast.service.texts import Kept, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()
    kept: list[Kept] = []

    def read() -> Kept:
        return Kept(text_of(api.card()))

    @router.get(
        "/v1/accuracy",
        response_class=Response,
        responses=schemas.answers({"type": "object"}, 503),
    )
    async def accuracy(request: Request) -> Response:
        """The stored accuracy card of the predictor, that of model servers under ``serving``."""
        if not kept:
            kept.append(await service.slowly(read))
        return kept[0].response(request)

    return router
