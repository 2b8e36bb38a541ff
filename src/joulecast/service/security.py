"""Who may ask, under which name, from which page: before anything of the request is read.

Plain ASGI, in the order of their price; the answers carry the headers that keep a page to itself.
"""

from __future__ import annotations

import hmac
import math
import secrets
from hashlib import sha256
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.service.problems import Problem
from joulecast.service.settings import Scope as TokenScope
from joulecast.service.settings import Settings, Token, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from joulecast.service.limits import Buckets

    Headers = dict[bytes, bytes]

SCOPES: tuple[TokenScope, ...] = ("read", "write")
OPEN = ("/healthz", "/readyz")
"""Paths that tell nothing but whether the service runs."""
WRITING = (("POST", "/v1/runs"), ("POST", "/v1/calibrate"))
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_TOKEN_BYTES = 32


def new_token(scope: str) -> tuple[str, str]:
    """A new token, and the line that is kept of it.

    Raises
    ------
    BadInput
        For an unknown scope.
    """
    text = secrets.token_urlsafe(_TOKEN_BYTES)
    return text, f"{_scope(scope)}:{digest(text)}"


def digest(token: str) -> str:
    """SHA-256 of a token, hexadecimal: it is 32 random bytes, so that no slower hash is needed."""
    return sha256(token.encode()).hexdigest()


def read_tokens(text: str, where: str) -> tuple[Token, ...]:
    """The tokens of lines such as ``read:SHA256``; blank lines and ``#`` are passed over.

    Raises
    ------
    BadInput
        If a line is none; it is not shown: somebody may have put the token itself there.
    """
    out = []
    for place, line in enumerate(text.replace(",", "\n").splitlines(), 1):
        words = line.partition("#")[0].strip()
        if not words:
            continue
        scope, _, own = words.partition(":")
        own = own.strip().lower()
        if scope not in SCOPES or len(own) != 64 or set(own) - set("0123456789abcdef"):
            message = (
                f"line {place} of {where} is no token. Write read:SHA256 or write:SHA256, as "
                "'joulecast serve --new-token read' prints it"
            )
            raise BadInput(message)
        out.append(Token(_scope(scope), own))
    return tuple(out)


def _scope(name: str) -> TokenScope:
    for scope in SCOPES:
        if name == scope:
            return scope
    message = f"unknown scope '{name}'. Use one of {', '.join(SCOPES)}"
    raise BadInput(message)


def refuse_open_doors(settings: Settings) -> None:
    """Raise if others could ask a service without tokens.

    Raises
    ------
    BadInput
    """
    if not settings.tokens and not is_loopback(settings.host):
        message = (
            f"{settings.host} can be reached by others, and no tokens are given. Make one with "
            "'joulecast serve --new-token read' and name its file with --tokens, or listen on "
            "127.0.0.1"
        )
        raise BadInput(message)


class Guard:
    """The app behind its doors: the Host and Origin of a request, its token, how often it asks."""

    def __init__(self, app: ASGIApp, settings: Settings, buckets: Buckets | None) -> None:
        self._app = app
        self._names = None if settings.names is None else frozenset(settings.names)
        self._tokens = settings.tokens
        self._buckets = buckets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._refuse(scope)
        except Problem as exc:
            await exc.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        self._refuse_host(headers)
        client = scope["client"][0] if scope.get("client") else ""
        path = scope["path"]
        token = None
        if self._tokens and (path.startswith("/v1/") or path in {"/metrics", "/openapi.json"}):
            try:
                token = self._token_of(headers)
            except Problem:
                self._refuse_often(client)  # who guesses is slowed down like all others
                raise
            needed = (scope["method"], path.rstrip("/")) in WRITING
            if needed and token.scope != "write":
                detail = "this needs a token of the scope write, yours is of the scope read"
                raise Problem("wrong-scope", detail)
        if path not in OPEN:
            self._refuse_often(token.digest if token else client)

    def _refuse_often(self, client: str) -> None:
        wait_s = 0.0 if self._buckets is None else self._buckets.wait_s(client)
        if wait_s > 0:
            detail = f"ask again in {wait_s:.3g} s"
            raise Problem("too-many", detail, headers={"Retry-After": f"{math.ceil(wait_s)}"})

    def _refuse_host(self, headers: Headers) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        if self._names is not None and _name_of(host) not in self._names:
            detail = f"this service does not go by the name '{host[:60]}'. Add it with --name"
            raise Problem("wrong-host", detail)
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").partition("://")[2] != host:
            raise Problem("wrong-origin", "only the service's own page may ask from a browser")

    def _token_of(self, headers: Headers) -> Token:
        kind, _, text = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        ask = {"WWW-Authenticate": "Bearer"}
        if kind.lower() != "bearer" or not text:
            raise Problem("no-token", "send 'Authorization: Bearer TOKEN'", headers=ask)
        found = _known(digest(text.strip()), self._tokens)
        if found is None:
            raise Problem("no-token", "this token is not known", headers=ask)
        return found


def _known(own: str, tokens: Iterable[Token]) -> Token | None:
    """The token of that digest; all are compared, each in the same time."""
    found: Token | None = None
    for token in tokens:
        if hmac.compare_digest(token.digest, own) and (found is None or token.scope == "write"):
            found = token
    return found


def _name_of(host: str) -> str:
    """The name in a Host header, without the port.

    >>> _name_of("localhost:8765"), _name_of("[::1]:8765"), _name_of("::1")
    ('localhost', '[::1]', '::1')
    """
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return (host if host.count(":") > 1 else host.partition(":")[0]).lower()
