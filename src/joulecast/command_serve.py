"""`joulecast serve`: options to settings, then a process that answers until it is told to stop."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    from joulecast.service.settings import Settings, Token

TOKENS = "JOULECAST_TOKENS"
_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")
_RATE_PER_S = 50.0
"""Requests per second and client of a service that others can reach, if nobody said how many."""


def run(ask: argparse.Namespace) -> int:
    """Serve as the options say; the exit code.

    Raises
    ------
    JoulecastError
        For a missing package, an address that is taken, tokens that are none, a service without
        tokens that others could reach, and a store that needs mending.
    """
    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra(package, "serve", "joulecast serve")
    if ask.new_token is not None:
        return _print_token(ask.new_token)
    from joulecast.service.security import refuse_open_doors

    settings = settings_of(ask, os.environ)
    refuse_open_doors(settings)
    _look_at_store(settings)
    from joulecast.service import serve

    return serve.run(settings, _tell)


def settings_of(ask: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """How the service is to run.

    Parameters
    ----------
    environ : where tokens may be, in `TOKENS`, if no file is named.

    Raises
    ------
    BadInput
    """
    from joulecast.service.settings import LOCAL_NAMES, Limits, Settings, is_loopback

    tokens = _tokens(ask.tokens, environ)
    local = is_loopback(ask.host)
    rate = ask.rate_limit if ask.rate_limit is not None else None if local else _RATE_PER_S
    names = None if tokens else (*LOCAL_NAMES, *(name.lower() for name in ask.names))
    return Settings(
        host=ask.host,
        port=int(ask.port),
        workers=int(ask.workers),
        store_url=ask.store,
        tokens=tokens,
        names=names,
        quiet=ask.quiet,
        limits=Limits(rate_per_s=rate, burst=2 * rate if rate else Limits().burst),
    )


def _tokens(path: Path | None, environ: Mapping[str, str]) -> tuple[Token, ...]:
    from joulecast.service.security import read_tokens

    if path is None:
        return read_tokens(environ.get(TOKENS, ""), TOKENS)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        message = f"cannot read the tokens in {path}: {exc}"
        raise BadInput(message) from exc
    found = read_tokens(text, str(path))
    if not found:
        message = f"{path} holds no tokens. 'joulecast serve --new-token read' prints a line for it"
        raise BadInput(message)
    return found


def _look_at_store(settings: Settings) -> None:
    """Bring the store's tables up to date; one that is away may come while the service runs.

    Raises
    ------
    JoulecastError
        If it cannot be what was meant, or needs mending.
    """
    from joulecast.store import StoreAway, open_store

    try:
        open_store(settings.store_url).close()
    except StoreAway as exc:
        _tell(f"note: {exc}. Questions are answered without it")


def _print_token(scope: str) -> int:
    """The token on stdout, and what to keep of it."""
    from joulecast.service.security import new_token

    text, line = new_token(scope)
    sys.stdout.write(f"{text}\n{line}\n")
    _tell("the first line is the token, for who asks; the second goes into the file of --tokens")
    return 0


def _tell(text: str) -> None:
    sys.stderr.write(f"{' '.join(text.split())}\n")
