"""JSON in and out: strict on the way in, ``null`` for what is not finite on the way out."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json
from starlette.responses import Response

from joulecast.service.problems import Problem

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"


def text_of(answer: Any) -> bytes:  # noqa: ANN401 (records, and what is made of them)
    """`answer` as JSON; a number that is not finite becomes ``null``."""
    return to_json(answer, inf_nan_mode="null")


def read_json(text: bytes) -> Any:  # noqa: ANN401
    """The value of a JSON text.

    Raises
    ------
    Problem
        If it is none; NaN and infinities are none.
    """
    try:
        return from_json(text, allow_inf_nan=False)
    except (ValueError, RecursionError) as exc:
        raise Problem("bad-input", f"the body is no JSON: {str(exc)[:200]}") from None


def json_response(text: bytes, status: int = 200) -> Response:
    """An answer that nobody may keep."""
    return Response(text, status, headers={"Cache-Control": "no-store"}, media_type=JSON)


class Kept:
    """A text that stays the same while the service runs; whoever has it already is told so."""

    def __init__(self, text: bytes, media_type: str = JSON) -> None:
        self.text = text
        self.media_type = media_type
        self.tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'

    def response(self, request: Request) -> Response:
        """The text, or 304 for a client whose copy is this one."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache"}
        asked = request.headers.get("if-none-match", "")
        if self.tag in {tag.strip().removeprefix("W/") for tag in asked.split(",")}:
            return Response(status_code=304, headers=headers)
        body = b"" if request.method == "HEAD" else self.text
        if request.method == "HEAD":
            headers["Content-Length"] = str(len(self.text))
        return Response(body, headers=headers, media_type=self.media_type)
