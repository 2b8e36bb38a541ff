"""What goes wrong, as ``application/problem+json`` (RFC 9457); never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.responses import Response

from joulecast.core.errors import (
    BadInput,
    BadRecord,
    DoesNotFit,
    JoulecastError,
    MissingExtra,
    NotFitted,
    UnknownName,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

MEDIA_TYPE = "application/problem+json"
RETRY_S = 2
"""Seconds after which a client may try again what was refused for want of time or a database."""
_MOST_ERRORS = 10
_MOST_DETAIL = 1000
KINDS: dict[str, tuple[int, str]] = {
    "bad-input": (422, "A value cannot be right"),
    "bad-record": (422, "No whole run record"),
    "does-not-fit": (422, "The weights exceed the machine's memory"),
    "unknown-name": (404, "A name that nothing answers to"),
    "not-found": (404, "Nothing is here"),
    "conflict": (409, "Known with other content"),
    "too-large": (413, "More than is taken at once"),
    "head-too-large": (431, "Request Header Fields Too Large"),
    "wrong-type": (415, "Another content type is needed"),
    "too-late": (408, "The request took too long to arrive"),
    "too-many": (429, "Too many requests"),
    "no-token": (401, "A token is needed"),
    "wrong-scope": (403, "The token does not allow this"),
    "wrong-host": (421, "Not answered under this name"),
    "wrong-origin": (403, "Not answered to pages of other sites"),
    "busy": (503, "More is asked than can be answered now"),
    "store-away": (503, "The store of runs cannot be reached"),
    "store-broken": (503, "The store of runs needs mending"),
    "not-fitted": (503, "No predictor is there"),
    "bug": (500, "This is a bug"),
}
"""Status and title by the last part of `type`."""


class Problem(JoulecastError):
    """A request that is refused.

    Parameters
    ----------
    kind : one of `KINDS`. detail : what was seen and what to do. more : further members.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401 (whatever JSON holds)
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = KINDS[kind]
        self.detail = detail
        self.headers = dict(headers or {})
        if self.status in {429, 503}:
            self.headers.setdefault("Retry-After", str(RETRY_S))
        self.more = more

    def __reduce__(self) -> tuple[type[Problem], tuple[str, str]]:
        """Arguments to build the same error in another process."""
        return type(self), (self.kind, self.detail)

    def response(self) -> Response:
        """The answer that says so."""
        return _response(self.status, self.headers, self.facts())

    def facts(self) -> dict[str, Any]:
        """The members of the answer."""
        return {
            "type": f"urn:joulecast:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail[:_MOST_DETAIL],
            **self.more,
        }


def of_status(status: int, title: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a status that the framework chose, such as 405."""
    facts = {"type": "about:blank", "title": title, "status": status, "detail": title}
    return _response(status, dict(headers or {}), facts)


def _response(status: int, headers: dict[str, str], facts: Mapping[str, Any]) -> Response:
    return Response(to_json(facts), status, headers=headers, media_type=MEDIA_TYPE)


def problem_of(exc: JoulecastError) -> Problem:
    """The refusal that an error of this package amounts to."""
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, UnknownName):
        return Problem("unknown-name", str(exc), nearest=exc.nearest)
    own = {
        BadInput: "bad-input",
        BadRecord: "bad-record",
        DoesNotFit: "does-not-fit",
        NotFitted: "not-fitted",
        MissingExtra: "not-fitted",
    }
    for kind, name in own.items():
        if isinstance(exc, kind):
            return Problem(name, str(exc))
    return _of_store(exc)


def _of_store(exc: JoulecastError) -> Problem:
    from joulecast.store.errors import Conflict, HalfMigrated, StoreAway, TooNew

    if isinstance(exc, Conflict):
        return Problem("conflict", str(exc), ids=list(exc.ids))
    if isinstance(exc, StoreAway):
        return Problem("store-away", str(exc))
    if isinstance(exc, HalfMigrated | TooNew):
        return Problem("store-broken", str(exc), headers={"Retry-After": "60"})
    return Problem("bad-input", str(exc))


def of_validation(exc: ValidationError) -> Problem:
    """The refusal of a body, with what is wrong at which place."""
    found = exc.errors(include_url=False, include_context=False, include_input=False)
    return of_errors(found, "body")


def of_errors(found: Sequence[Mapping[str, Any]], where: str) -> Problem:
    """The refusal for the errors that pydantic found in the body or the query."""
    errors = [{"at": _place(e["loc"]), "reason": str(e["msg"])[:200]} for e in found[:_MOST_ERRORS]]
    said = "; ".join(f"{e['at'] or where}: {e['reason']}" for e in errors[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return Problem("bad-input", said + more, errors=errors)


def _place(loc: Sequence[int | str]) -> str:
    """Where in a body, such as ``input_shape.0``, cut short: keys are the client's."""
    return ".".join(str(part)[:40] for part in loc)[:120]
