"""The body of a request: of the right type, no larger and no slower than it may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from joulecast.service.problems import Problem, of_validation
from joulecast.service.texts import JSON

if TYPE_CHECKING:
    from starlette.requests import Request

    from joulecast.service.settings import Limits

Body = TypeVar("Body", bound=BaseModel)


def media_type(request: Request) -> str:
    """The content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def refuse_type(request: Request, *allowed: str) -> str:
    """The content type of the request, if it is one of `allowed`.

    A page of another site can send forms and plain text unasked, but no JSON.

    Raises
    ------
    Problem
    """
    seen = media_type(request)
    if seen not in allowed:
        detail = f"content type '{seen[:60]}'. Send {' or '.join(allowed)}"
        raise Problem("wrong-type", detail)
    return seen


def refuse_size(request: Request, most_bytes: int) -> None:
    """Raise if the request says itself that it is larger than `most_bytes`.

    Raises
    ------
    Problem
    """
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > most_bytes:
        raise too_large(most_bytes)


def too_large(most_bytes: int) -> Problem:
    """The refusal of a body of more than `most_bytes`."""
    return Problem("too-large", f"the body has more than {most_bytes:,} bytes. Send less at once")


async def body_bytes(request: Request, most_bytes: int, seconds: float) -> bytes:
    """The whole body.

    Raises
    ------
    Problem
        If it is too large, or has not arrived after `seconds`.
    """
    refuse_size(request, most_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise too_large(most_bytes)
                parts.append(part)
    except TimeoutError:
        detail = f"the body had not arrived after {seconds:g} s. Send it at once"
        raise Problem("too-late", detail, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise Problem("too-late", "the client left") from None
    return b"".join(parts)


async def question(request: Request, kind: type[Body], limits: Limits) -> Body:
    """What a JSON body asks.

    Raises
    ------
    Problem
        If it is no such body.
    """
    refuse_type(request, JSON)
    text = await body_bytes(request, limits.body_bytes, limits.body_s)
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        raise of_validation(exc) from None
