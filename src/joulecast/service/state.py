"""What the routes share: the desk, the fleet, the pools of threads; built once per worker."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from joulecast.core.errors import JoulecastError
from joulecast.service.desk import Desk
from joulecast.service.fleet import Fleet
from joulecast.service.limits import Slots
from joulecast.service.logs import LOGGER
from joulecast.service.names import Catalogue
from joulecast.service.problems import Problem
from joulecast.service.processes import RowProcesses
from joulecast.service.questions import answers_of, reckoned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from joulecast.core.records import Estimate
    from joulecast.service.bodies import EstimateBody
    from joulecast.service.metrics import Metrics
    from joulecast.service.questions import Asked
    from joulecast.service.settings import Settings
    from joulecast.store import RunStore

    Result = TypeVar("Result")

_STORE_THREADS, _SLOW_THREADS = 8, 2
_logger = logging.getLogger(LOGGER)


class Service:
    """One worker's state.

    Parameters
    ----------
    open_it : opens the store. clock : seconds that never go back.
    """

    def __init__(
        self,
        settings: Settings,
        open_it: Callable[[], RunStore],
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.metrics = metrics
        self.catalogue = Catalogue()
        self._pools = {
            "desk": ThreadPoolExecutor(1, "desk"),
            "slow": ThreadPoolExecutor(_SLOW_THREADS, "slow"),
            "store": ThreadPoolExecutor(_STORE_THREADS, "store"),
        }
        self.rows = RowProcesses(settings.row_processes)
        self.batch_slots = Slots(self.limits.batches, "tables")
        self._slow_slots = Slots(self.limits.slow, "slow questions")
        self.fleet = Fleet(open_it, self._pools["store"], clock)
        self.desk: Desk[EstimateBody, Estimate | Asked] = Desk(
            partial(answers_of, catalogue=self.catalogue, applied=lambda: self.fleet.applied),
            self._pools["desk"],
            self.limits.waiting,
        )
        self.is_warm = False

    async def in_time(self, answer: Awaitable[Result]) -> Result:
        """The answer, unless it takes too long.

        Raises
        ------
        Problem
        """
        try:
            async with asyncio.timeout(self.limits.answer_s):
                return await answer
        except TimeoutError:
            detail = f"no answer within {self.limits.answer_s:g} s. Ask for less, or again later"
            raise Problem("busy", detail) from None

    async def slowly(self, work: Callable[[], Result]) -> Result:
        """What `work` returns, in a thread; its place is free again when it is done.

        Raises
        ------
        Problem
            If too many are waiting, or it takes too long.
        """
        self._slow_slots.take()
        future = asyncio.get_running_loop().run_in_executor(self._pools["slow"], reckoned, work)
        future.add_done_callback(self._done)
        return await self.in_time(asyncio.shield(future))

    def _done(self, future: asyncio.Future[Result]) -> None:
        self._slow_slots.give_back()
        if not future.cancelled():
            future.exception()  # seen here if whoever asked has left

    async def warm(self) -> None:
        """Read the predictor and the catalogue, so that the first question is as quick as all."""
        from joulecast.service.bodies import EstimateBody

        await self.desk.ask(EstimateBody(model="vgg16", hardware="hc3"))
        self.is_warm = True

    async def look(self) -> None:
        """Look at the store once, whatever comes of it."""
        before = self.fleet.trouble
        try:
            await self.fleet.refresh()
        except JoulecastError as exc:
            self.fleet.trouble = str(exc)
        if before != self.fleet.trouble and self.fleet.trouble is not None:
            _logger.warning("store", extra={"facts": {"trouble": self.fleet.trouble}})
        runs = sum(self.fleet.applied.counts.values())
        self.metrics.store(runs, up=self.fleet.trouble is None)
        self.metrics.process()

    async def watch(self) -> None:
        """Look at the store again and again."""
        while True:
            await self.look()
            await asyncio.sleep(self.settings.poll_s)

    def close(self) -> None:
        """Let go of the store and the threads."""
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self.rows.close()
        self.fleet.close()
