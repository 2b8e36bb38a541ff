"""The outermost room: every request is timed, counted and logged, and a bug becomes one answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from joulecast.service.logs import LOGGER, told
from joulecast.service.problems import Problem
from joulecast.service.security import HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from joulecast.service.metrics import Metrics

_logger = logging.getLogger(LOGGER)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LEFT = 499
"""Status in logs and metrics of a request whose client left before the answer."""


class Observed:
    """The app with its answers watched.

    Parameters
    ----------
    clock : seconds that never go back. quiet : nothing is logged of a request that was answered.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, clock: Callable[[], float], *, quiet: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._quiet = quiet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = self._clock()
        seen = _Seen(send)
        trouble: dict[str, Any] = {}
        try:
            await self._app(scope, receive, seen.send)
        except Exception as exc:  # noqa: BLE001 (a face: a bug must not become a traceback)
            trouble = told(exc)
            if seen.status is None:
                bug = Problem("bug", "the log of the service says where. Please report it")
                await bug.response()(scope, receive, seen.send)
        self._tell(scope, seen, self._clock() - began_s, trouble)

    def _tell(self, scope: Scope, seen: _Seen, duration_s: float, trouble: dict[str, Any]) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "other")
        status = seen.status or _LEFT
        self._metrics.request(method, route, status, duration_s)
        if self._quiet and not trouble:
            return
        facts = {
            "method": method,
            "route": route,
            "status": status,
            "duration_s": round(duration_s, 6),
            "bytes": seen.size,
            "client": scope["client"][0] if scope.get("client") else None,
            "whole": seen.is_whole,
        }
        level = logging.ERROR if trouble else logging.INFO
        _logger.log(level, "request", extra={"facts": facts | trouble})


class _Seen:
    """What went out of an answer; its head is given the headers that keep a page to itself."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.size = 0
        self.is_whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
        await self._send(message)
