"""GET /v1/models: the networks of the catalogue."""

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

    def listed() -> Kept:
        return Kept(text_of({"models": api.describe_models()}))

    @router.get(
        "/v1/models",
        response_class=Response,
        responses=schemas.answers(schemas.array_of("models")),
    )
    async def models(request: Request) -> Response:
        """Name, collection, framework, input shape, params and macs of every network."""
        if not kept:
            kept.append(await service.slowly(listed))
        return kept[0].response(request)

    return router
