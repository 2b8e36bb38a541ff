"""GET /v1/machines: machines and devices of the catalogue, and those of the fleet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import Response

from joulecast import api
from joulecast.service import schemas
from joulecast.service.problems import Problem
from joulecast.service.texts import json_response, text_of
from joulecast.store.errors import StoreAway

if TYPE_CHECKING:
    from joulecast.service.state import Service

_SCHEMA = {
    "type": "object",
    "required": ["hardware", "fleet", "store"],
    "properties": {
        "hardware": {"type": "array", "items": {"type": "object"}},
        "fleet": {"type": "array", "items": schemas.ref("FleetMachine")},
        "store": {"type": "string", "enum": ["up", "away"]},
    },
}


def routes(service: Service) -> APIRouter:
    """The route of `service`."""
    router = APIRouter()
    hardware = api.describe_hardware()

    @router.get("/v1/machines", response_class=Response, responses=schemas.answers(_SCHEMA))
    async def machines() -> Response:
        """Id, name, TDP, memory and year; of machines with stored runs how many there are."""
        with suppress(StoreAway, Problem):  # then as it last was; `store` says so
            await service.fleet.refresh()
        applied = service.fleet.applied
        fleet = [
            {"id": name, "runs": count, "calibrated": name in applied.runs}
            for name, count in sorted(applied.counts.items())
        ]
        store = "up" if service.fleet.trouble is None else "away"
        return json_response(text_of({"hardware": hardware, "fleet": fleet, "store": store}))

    return router
