"""GET /v1/fleet: measured runs beside what the predictor alone says of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from joulecast.service import schemas
from joulecast.service.measured import beside
from joulecast.service.routes.runs import After, Limit, Named  # noqa: TC001 (the framework reads them)
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.get(
        "/v1/fleet",
        response_class=Response,
        responses=schemas.answers(schemas.ref("Fleet"), 422, 503),
    )
    async def fleet(
        hardware: Named = None,
        model: Named = None,
        level: Annotated[float, Query(ge=0.5, le=0.995)] = 0.9,
        limit: Limit = 200,
        after: After = None,
    ) -> Response:
        """The newest runs of the store, each beside its zero-shot prediction."""
        asked = partial(
            beside,
            level=level,
            hardware=hardware,
            model=model,
            limit=limit,
            after=after,
            newest=True,
        )
        return json_response(text_of(await service.fleet.call(asked)))

    return router
