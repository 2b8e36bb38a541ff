"""One record to one service over HTTP, with the standard library.

No proxy and no other setting is read from the environment, and no redirect is followed: a POST
that was redirected becomes a GET, and its 200 acknowledges nothing.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from urllib.parse import SplitResult

CONNECT_S, ANSWER_S = 3.0, 15.0
_MOST_BYTES = 1_000_000
_MOST_SAID = 200
_PROBLEM = "application/problem+json"
_ACKNOWLEDGED: dict[int, Literal["new", "known"]] = {201: "new", 200: "known"}
_OF_THE_RECORD = (400, 409, 413, 422)
"""Statuses that will not change: the record itself is refused."""
_TOO_MANY, _BUG = 429, 500
_PAUSE_S, _MOST_PAUSE_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where records go; `url` up to what stands before ``/v1``."""

    url: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one record.

    Attributes
    ----------
    kind : ``new`` and ``known`` acknowledge it; ``refused`` is for good; ``failed`` may concern
        this record alone; ``busy`` and ``away`` concern them all.
    said : why, where it is not acknowledged. pause_s : until a busy service may be asked again.
    """

    kind: Literal["new", "known", "refused", "failed", "busy", "away"]
    said: str = ""
    pause_s: float = 0.0


def service_url(text: str) -> str:
    """The URL of a service in one spelling, however it was written.

    >>> service_url(" HTTP://Team:80/joulecast/v1/ "), service_url("https://[::1]:8443")
    ('http://team/joulecast', 'https://[::1]:8443')

    Raises
    ------
    BadInput
        If it is none. What may hold a secret is not repeated.
    """
    text = text.strip()
    if any(mark in text for mark in "@?#"):
        raise BadInput(
            "the URL of a service holds no user, password, query or fragment. Write it like "
            "http://host:8765, and put the token into JOULECAST_TOKEN or --push-token-file"
        )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    fit = text.isascii() and text.isprintable() and " " not in text
    if not host or not fit or port == 0 or parts.scheme not in {"http", "https"}:
        message = f"'{text[:200]}' is no URL of a service. Write it like http://host:8765"
        raise BadInput(message)
    usual = {"http": 80, "https": 443}[parts.scheme]
    place = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{place}{'' if port in (None, usual) else f':{port}'}{path}"


def post(service: Service, run_id: str, record: bytes, left_s: float = ANSWER_S) -> Answer:
    """What the service makes of a record; it is no error if nobody answers.

    Parameters
    ----------
    record : JSON. left_s : seconds for each step of the exchange, above 0.
    """
    parts = urlsplit(f"{service.url}/v1/runs")
    where = parts.geturl()
    headers = {"Content-Type": "application/json", "Accept": f"application/json, {_PROBLEM}"}
    if service.token:
        headers["Authorization"] = f"Bearer {service.token}"
    connection = _connection(parts, min(CONNECT_S, left_s))
    try:
        connection.connect()
        connection.sock.settimeout(left_s)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it read all
            connection.request("POST", parts.path, record, headers)
        answer = connection.getresponse()
        text = answer.read(_MOST_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return Answer("away", f"nobody answers at {where}: {_reason(exc)}")
    finally:
        connection.close()
    kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
    told = _object(text)
    if answer.status in _ACKNOWLEDGED:
        if told.get("id") == run_id:
            return Answer(_ACKNOWLEDGED[answer.status])
        return Answer("away", f"{where} answers, but not as a Joulecast service: is it the URL?")
    detail = _clean(told.get("detail") or told.get("title"), service.token)
    said = f"{where} answers with HTTP {answer.status}{f': {detail}' if detail else ''}"
    pause_s = _pause_s(answer.getheader("Retry-After"))
    return Answer(_kind(answer.status, is_problem=kind == _PROBLEM), said, pause_s)


def _kind(status: int, *, is_problem: bool) -> Literal["refused", "failed", "busy", "away"]:
    """What a status means that acknowledges nothing; only a service of ours refuses for good."""
    if status == _TOO_MANY:
        return "busy"
    if status in _OF_THE_RECORD:
        return "refused" if is_problem else "failed"
    return "failed" if status == _BUG else "away"


def _pause_s(told: str | None) -> float:
    """Seconds of a Retry-After header, within reason."""
    fit = told is not None and told.isascii() and told.isdigit()
    return min(float(told), _MOST_PAUSE_S) if told and fit else _PAUSE_S


def _connection(parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


def _object(text: bytes) -> dict[str, Any]:
    """The JSON object in `text`, empty if there is none."""
    with suppress(ValueError, RecursionError):
        told = json.loads(text)
        if isinstance(told, dict):
            return told
    return {}


def _clean(said: object, secret: str = "") -> str:
    """A sentence of the service, safe to print: cut short, no secret, no control characters."""
    text = " ".join(said.split()) if isinstance(said, str) else ""
    text = text.replace(secret, "***") if secret else text
    return "".join(c for c in text if c.isprintable())[:_MOST_SAID]


def _reason(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "timed out"
    told = exc.strerror if isinstance(exc, OSError) else ""
    return told or _clean(str(exc)) or type(exc).__name__
