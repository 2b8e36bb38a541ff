"""The desk: questions that wait together are answered together, each gets its own."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fastapi")

from joulecast.service.desk import MOST_AT_ONCE, Desk
from joulecast.service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence


BREAKING = -13


class Clerk:
    """Doubles numbers, and notes how many came at once; starts when it may."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.may_start = threading.Event()

    def __call__(self, questions: Sequence[int]) -> list[int | Exception]:
        """Twice each; what is below 0 is refused."""
        assert self.may_start.wait(10)
        self.batches.append(len(questions))
        if BREAKING in questions:
            raise RuntimeError
        return [2 * q if q >= 0 else ValueError(q) for q in questions]


def test_what_waits_is_answered_together() -> None:
    """While one call runs the others gather, up to as many as one call takes."""
    clerk = Clerk()

    async def ask() -> list[int]:
        desk = Desk(clerk, ThreadPoolExecutor(1), 1000)
        first = asyncio.create_task(desk.ask(0))
        await asyncio.sleep(0)
        rest = [asyncio.create_task(desk.ask(n)) for n in range(1, 101)]
        await asyncio.sleep(0)
        clerk.may_start.set()
        return await asyncio.gather(first, *rest)

    assert asyncio.run(ask()) == [2 * n for n in range(101)]
    assert len(clerk.batches) == 3
    assert max(clerk.batches) == MOST_AT_ONCE


def test_one_that_is_wrong_spoils_no_other() -> None:
    """Its error is its own; one that breaks the call is told to all of the call."""
    clerk = Clerk()
    clerk.may_start.set()

    async def ask(*questions: int) -> list[int | BaseException]:
        desk = Desk(clerk, ThreadPoolExecutor(1), 1000)
        return await asyncio.gather(*map(desk.ask, questions), return_exceptions=True)

    found = asyncio.run(ask(1, -1, 2))
    assert (found[0], found[2]) == (2, 4)
    assert isinstance(found[1], ValueError)
    assert all(isinstance(one, RuntimeError) for one in asyncio.run(ask(BREAKING, 1)))


def test_who_leaves_is_not_answered_and_too_many_are_refused() -> None:
    """A cancelled question is passed over; beyond the limit a new one hears so at once."""
    clerk = Clerk()

    async def ask() -> tuple[int, list[int]]:
        desk = Desk(clerk, ThreadPoolExecutor(1), 2)
        running = asyncio.create_task(desk.ask(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        left, stays = (asyncio.create_task(desk.ask(n)) for n in (2, 3))
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="waiting"):
            await desk.ask(4)
        left.cancel()
        clerk.may_start.set()
        await running
        return await stays, clerk.batches

    answer, batches = asyncio.run(ask())
    assert answer == 6
    assert batches == [1, 1]
