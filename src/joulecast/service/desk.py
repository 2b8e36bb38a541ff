"""The desk: what arrives while one call is running is answered together by the next.

A call costs the same for one question as for sixty-four, so under load a question costs less.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from joulecast.service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

Question = TypeVar("Question")
Answer = TypeVar("Answer")
MOST_AT_ONCE = 64


class Desk(Generic[Question, Answer]):
    """Questions in, answers out, in the order in which they came.

    Parameters
    ----------
    answer_all : the answers to several questions, or what is wrong with each; runs in `pool`.
    most_waiting : beyond which a question is refused.
    """

    def __init__(
        self,
        answer_all: Callable[[Sequence[Question]], Sequence[Answer | Exception]],
        pool: Executor,
        most_waiting: int,
    ) -> None:
        self._answer_all = answer_all
        self._pool = pool
        self._most_waiting = most_waiting
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Answer:
        """The answer.

        Raises
        ------
        Problem
            If too many are waiting; otherwise whatever is wrong with the question.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Problem("busy", f"{len(self._waiting):,} questions are waiting. Ask again later")
        place: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, place))
        if self._work is None:
            self._work = asyncio.create_task(self._answer_waiting())
        return await place

    async def _answer_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                now, self._waiting = (
                    self._waiting[:MOST_AT_ONCE],
                    self._waiting[MOST_AT_ONCE:],
                )
                now = [(question, place) for question, place in now if not place.done()]
                questions = [question for question, _ in now]
                try:
                    found = await loop.run_in_executor(self._pool, self._answer_all, questions)
                except Exception as exc:  # noqa: BLE001 (each of those who wait has to hear of it)
                    found = [exc] * len(now)
                for (_, place), answer in zip(now, found, strict=True):
                    _put(place, answer)
        finally:
            self._work = None
            for _, place in self._waiting:  # only where the loop itself ends
                place.cancel()
            self._waiting = []


def _put(place: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    """Hand `answer` to whoever waits, if anyone still does."""
    if place.done():
        return
    if isinstance(answer, Exception):
        place.set_exception(answer)
    else:
        place.set_result(answer)
