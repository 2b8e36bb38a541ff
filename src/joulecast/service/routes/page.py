"""GET / and the files of the web page: exactly those that lie in its folder at the start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 (the framework reads it)
from starlette.responses import Response

from joulecast.service.problems import Problem
from joulecast.service.texts import Kept

if TYPE_CHECKING:
    from joulecast.service.state import Service

FOLDER = Path(__file__).resolve().parent.parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


def files(folder: Path) -> dict[str, Kept]:
    """The files below `folder` by their path in a URL; ``index.html`` is ``/``."""
    if not folder.is_dir():
        return {}
    found = {
        f"/{path.relative_to(folder).as_posix()}": Kept(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES and not path.name.startswith(("_", "."))
    }
    if "/index.html" in found:
        found["/"] = found.pop("/index.html")
    return found


def routes(_service: Service) -> APIRouter:
    """The routes of the page."""
    router = APIRouter(include_in_schema=False)
    kept = files(FOLDER)

    async def file(request: Request) -> Response:
        """A file of the page."""
        found = kept.get(request.url.path)
        if found is None:
            raise Problem("not-found", "this service has no page. /openapi.json lists what it has")
        return found.response(request)

    for path in kept or ("/",):
        router.add_api_route(path, file, methods=["GET", "HEAD"], response_class=Response)
    return router
