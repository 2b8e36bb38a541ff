"""The app: settings in, an ASGI callable out; nothing happens at import."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from joulecast import __version__
from joulecast.core.errors import JoulecastError
from joulecast.service import problems, schemas
from joulecast.service.limits import Buckets
from joulecast.service.metrics import Metrics
from joulecast.service.observe import Observed
from joulecast.service.routes import routers
from joulecast.service.security import Guard, refuse_open_doors
from joulecast.service.state import Service
from joulecast.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from joulecast.service.settings import Settings
    from joulecast.store import RunStore

_DESCRIPTION = (
    "What a machine-learning run will cost in energy, time, CO2e and money, before it starts. "
    "Bodies carry the arguments of the Python functions by name; answers are the JSON of the "
    "command line. Unknown names are refused with 404 and the nearest three, values that cannot "
    "be right with 422, both as application/problem+json."
)


def create_app(
    settings: Settings,
    *,
    open_it: Callable[[], RunStore] | None = None,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> ASGIApp:
    """The service as an ASGI app.

    Parameters
    ----------
    open_it : opens the store of runs, by default that of the settings. metrics : where it counts.
    clock : seconds that never go back.

    Raises
    ------
    BadInput
        If others could reach it and there are no tokens. MissingExtra : if a package is missing.
    """
    refuse_open_doors(settings)
    counts = metrics or Metrics()
    service = Service(settings, open_it or partial(open_store, settings.store_url), counts, clock)
    app = _framework(service)
    rate = settings.limits.rate_per_s
    buckets = Buckets(rate, settings.limits.burst, clock) if rate else None
    return Observed(Guard(app, settings, buckets), counts, clock, quiet=settings.quiet)


def _framework(service: Service) -> FastAPI:
    app = FastAPI(
        title="Joulecast",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,  # they would load scripts of another site
        redoc_url=None,
        lifespan=partial(_lifespan, service),
        redirect_slashes=False,
    )
    for router in routers(service):
        app.include_router(router)
    app.add_exception_handler(JoulecastError, _refused)
    app.add_exception_handler(RequestValidationError, _bad_query)
    app.add_exception_handler(HTTPException, partial(_framework_said, app))
    app.add_exception_handler(Exception, _bug)
    app.openapi = partial(schemas.document, app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(service: Service, _app: FastAPI) -> AsyncIterator[None]:
    await service.warm()
    watching = asyncio.create_task(service.watch())
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        service.close()


async def _refused(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, JoulecastError):  # the framework hands over nothing else
        raise exc
    return problems.problem_of(exc).response()


async def _bad_query(_request: Request, exc: Exception) -> Response:
    if not isinstance(exc, RequestValidationError):  # the same
        raise exc
    return problems.of_errors(exc.errors(), "query").response()


async def _framework_said(app: FastAPI, request: Request, exc: Exception) -> Response:
    if not isinstance(exc, HTTPException):  # the same
        raise exc
    if exc.status_code == problems.KINDS["not-found"][0]:
        return problems.Problem("not-found", "no such path. /openapi.json lists all").response()
    headers = dict(exc.headers or {})
    methods = schemas.document(app)["paths"].get(request.url.path)
    if "Allow" in headers and methods:  # the framework names those of one route
        headers["Allow"] = ", ".join(sorted(method.upper() for method in methods))
    return problems.of_status(exc.status_code, exc.detail, headers)


async def _bug(_request: Request, _exc: Exception) -> Response:
    """The answer where something is wrong with the service; `Observed` logs what."""
    return problems.Problem("bug", "the service's log says where. Please report it").response()
