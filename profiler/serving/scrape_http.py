"""One small page over HTTP, with the standard library: no settings are read from anywhere."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from joulecast.core.errors import BadInput, JoulecastError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

MOST_BYTES = 16_000_000
_OK = 200


class NoPage(JoulecastError):
    """A page that could not be had.

    Attributes
    ----------
    status : of HTTP, ``None`` where nobody answered.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


def checked_url(url: str, example: str) -> str:
    """`url` without what nobody can use; raises `BadInput` where it names no host.

    >>> checked_url(" http://host:8000/v1/ ", "http://host:8000/v1")
    'http://host:8000/v1'
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() for c in text):
        message = f"'{url}' is no URL of a server. Write it like {example}"
        raise BadInput(message)
    return text.rstrip("/")


def fetch(url: str, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None) -> str:
    """The text at `url`.

    Raises
    ------
    NoPage
        If nobody answers, or not with 200; the message says which.
    """
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}{parts.path}"
    try:
        connection = _connection(parts, timeout_s)
        try:
            query = f"?{parts.query}" if parts.query else ""
            connection.request("GET", (parts.path or "/") + query, headers=dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as exc:
        message = f"nobody answers at {where}: {_reason(exc)}"
        raise NoPage(message) from exc
    if answer.status != _OK:
        message = f"{where} answers with HTTP {answer.status} {answer.reason}".rstrip()
        raise NoPage(message, answer.status)
    return content.decode("utf-8", errors="replace")


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _reason(exc: Exception) -> str:
    told = exc.strerror if isinstance(exc, OSError) else ""
    return told or str(exc) or type(exc).__name__
