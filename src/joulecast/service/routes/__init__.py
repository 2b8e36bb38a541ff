"""One file per resource; each offers ``routes(service)``, its part of the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

    from joulecast.service.state import Service


def routers(service: Service) -> list[APIRouter]:
    """The routes of every resource."""
    from joulecast.service.routes import (
        accuracy,
        batch,
        calibrate,
        compare,
        estimate,
        fleet,
        health,
        machines,
        metrics,
        models,
        page,
        runs,
        serving,
        sweep,
    )

    rooms = (
        *(estimate, batch, serving, compare, sweep, models, machines, accuracy),
        *(runs, fleet, calibrate, health, metrics, page),
    )
    return [room.routes(service) for room in rooms]
