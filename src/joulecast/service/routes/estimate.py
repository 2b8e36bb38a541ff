"""POST /v1/estimate: one training or inference run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service import reading, schemas
from joulecast.service.bodies import EstimateBody
from joulecast.service.questions import Asked, leaning
from joulecast.service.texts import json_response, text_of

if TYPE_CHECKING:
    from joulecast.service.state import Service

_EXAMPLES = {
    "a_training_run": {"model": "vgg16", "hardware": "hc3", "epochs": 100},
    "inference_in_Germany": {
        "model": "resnet50",
        "hardware": "t4",
        "task": "infer",
        "samples": 1_000_000,
        "batch_size": 32,
        "region": "DE",
        "price": 0.3,
    },
}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()

    @router.post(
        "/v1/estimate",
        response_class=Response,
        openapi_extra=schemas.asks("EstimateBody", **_EXAMPLES),
        responses=schemas.answers(schemas.ref("Estimate"), 404, 408, 413, 415, 422, 503),
    )
    async def estimate(request: Request) -> Response:
        """Energy and time of a run that has not been started, with intervals."""
        body = await reading.question(request, EstimateBody, service.limits)
        found = await service.in_time(service.desk.ask(body))
        if isinstance(found, Asked):
            found = await service.slowly(partial(leaning, found))
        service.metrics.estimate("estimate", found.basis)
        return json_response(text_of(found))

    return router
