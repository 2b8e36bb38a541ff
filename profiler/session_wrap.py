"""A function that runs within a context, whatever kind of function it is.

Calling a generator function runs none of its code: its work is done while it is iterated over.
"""

from __future__ import annotations

import inspect
from contextlib import aclosing
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator
    from contextlib import AbstractContextManager

P = ParamSpec("P")
R = TypeVar("R")


def wrapped(
    function: Callable[P, R], context: Callable[[], AbstractContextManager[Any]]
) -> Callable[P, R]:
    """`function`, each call of it from its first to its last line within a new `context`."""
    kinds: tuple[tuple[Callable[[Any], bool], Callable[..., Any]], ...] = (
        (inspect.isasyncgenfunction, _async_generator),
        (inspect.isgeneratorfunction, _generator),
        (inspect.iscoroutinefunction, _coroutine),
    )
    wrap = next((wrap for is_it, wrap in kinds if is_it(function)), _plain)
    return cast("Callable[P, R]", wraps(function)(wrap(function, context)))


def _plain(function: Callable[..., Any], context: Callable[[], Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with context():
            return function(*args, **kwargs)

    return call


def _coroutine(function: Callable[..., Any], context: Callable[[], Any]) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with context():
            return await function(*args, **kwargs)

    return call


def _generator(function: Callable[..., Any], context: Callable[[], Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
        with context():
            return (yield from function(*args, **kwargs))

    return call


def _async_generator(
    function: Callable[..., Any], context: Callable[[], Any]
) -> Callable[..., Any]:
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: ANN401
        with context():
            async with aclosing(function(*args, **kwargs)) as items:
                async for item in items:
                    yield item

    return call
