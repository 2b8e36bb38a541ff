"""Processes that answer tables, so that a table never delays a question.

A thread would hold the interpreter that answers the questions for as long as it computes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from joulecast.service.problems import Problem
from joulecast.service.rows import Answered, Piece, answered

if TYPE_CHECKING:
    from concurrent.futures import Executor


class RowProcesses:
    """Processes of this worker that answer pieces of tables, started with the first table.

    Parameters
    ----------
    count : of processes; 0 for a thread.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: Executor | None = None

    async def answer(self, piece: Piece) -> Answered:
        """The answers to a piece.

        Raises
        ------
        JoulecastError
            For a table that is none; a Problem if a process died.
        """
        if self._pool is None:
            self._pool = self._started()
        pool = self._pool
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, answered, piece)
        except BrokenExecutor:
            if self._pool is pool:
                pool.shutdown(wait=False)
                self._pool = None
            raise Problem("busy", "the process that answers tables died. Send it again") from None

    def _started(self) -> Executor:
        if self._count == 0:
            return ThreadPoolExecutor(1, "rows")
        fresh = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, fresh, initializer=_begun)

    def close(self) -> None:
        """End the processes; what they are at is finished."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _begun() -> None:
    """Leave stopping to the parent, and end with it even where it could not say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
