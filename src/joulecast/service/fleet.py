"""The store as the service sees it: opened when it can be, and the applied runs in memory."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from joulecast.core.errors import UnknownName
from joulecast.estimator.predictor import device_of, group_of
from joulecast.service.problems import Problem
from joulecast.store.errors import StoreAway

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor

    from joulecast.core.records import Machine, Run, Setup
    from joulecast.store import RunStore

    Result = TypeVar("Result")

NEWEST = 300
"""Runs per machine that are applied, so that an answer stays quick."""
_AT_ONCE = 200
_APART_S = 5.0
"""Seconds between readings of a machine's runs while new ones keep coming."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The runs of calibrated machines.

    Attributes
    ----------
    version : of the store when it was looked at. counts : runs of each machine in the store.
    runs : of each calibrated machine, the newest first. machines : as the newest run has it.
    by_device, by_group : the runs of a device, of a network and its near twins.
    """

    version: int = -1
    counts: Mapping[str, int] = field(default_factory=dict)
    runs: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    machines: Mapping[str, Machine] = field(default_factory=dict)
    by_device: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)
    by_group: Mapping[str, tuple[Run, ...]] = field(default_factory=dict)

    def about(self, setup: Setup) -> tuple[Run, ...]:
        """The runs that may say something about `setup`: of its device or of its network."""
        if not self.runs:
            return ()
        device = self.by_device.get(device_of(setup), ())
        group = self.by_group.get(group_of(setup.architecture), ())
        return tuple({id(run): run for run in (*device, *group)}.values())


def applied_of(
    version: int, counts: Mapping[str, int], runs: Mapping[str, tuple[Run, ...]]
) -> Applied:
    """The runs by device and by network."""
    by_device: dict[str, list[Run]] = {}
    by_group: dict[str, list[Run]] = {}
    for run in (run for own in runs.values() for run in own):
        by_device.setdefault(device_of(run.setup), []).append(run)
        by_group.setdefault(group_of(run.setup.architecture), []).append(run)
    return Applied(
        version,
        dict(counts),
        dict(runs),
        {name: own[0].setup.machine for name, own in runs.items() if own},
        {name: tuple(own) for name, own in by_device.items()},
        {name: tuple(own) for name, own in by_group.items()},
    )


class Fleet:
    """The store behind a pool of threads; a database that is away is tried again.

    Parameters
    ----------
    open_it : opens the store. clock : seconds that never go back.
    retry_s : for which a store that could not be opened is not tried again.
    """

    def __init__(
        self,
        open_it: Callable[[], RunStore],
        pool: Executor,
        clock: Callable[[], float],
        retry_s: float = 1.0,
    ) -> None:
        self._open_it = open_it
        self._pool = pool
        self._clock = clock
        self._retry_s = retry_s
        self._store: RunStore | None = None
        self._opening = threading.Lock()
        self._not_before_s = 0.0
        self._asked = 0
        self._read_at_s: dict[str, float] = {}
        self.applied = Applied()
        self.trouble: str | None = "not looked at yet"
        """Why the store does not answer, ``None`` while it does."""

    async def call(self, ask: Callable[[RunStore], Result]) -> Result:
        """What `ask` returns of the store.

        Raises
        ------
        StoreAway
            While the database is away. Problem : if too many are asking.
        """
        if self._asked >= _AT_ONCE:
            raise Problem("busy", f"{self._asked} requests wait for the store. Ask again later")
        self._asked += 1
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._on, ask)
        work.add_done_callback(self._answered)
        return await asyncio.shield(work)

    def _answered(self, work: asyncio.Future[Result]) -> None:
        self._asked -= 1
        if not work.cancelled():
            work.exception()  # seen here if whoever asked has left

    def _on(self, ask: Callable[[RunStore], Result]) -> Result:
        """What `ask` returns, in a thread of the pool."""
        try:
            found = ask(self._opened())
        except StoreAway as exc:
            self.trouble = str(exc)
            raise
        self.trouble = None
        return found

    def _opened(self) -> RunStore:
        store = self._store
        if store is not None:
            return store
        with self._opening:
            if self._store is None:
                if self._clock() < self._not_before_s:
                    raise StoreAway(self.trouble or "the store is away. Try again")
                try:
                    self._store = self._open_it()
                except StoreAway:
                    self._not_before_s = self._clock() + self._retry_s
                    raise
            return self._store

    async def refresh(self, *, now: bool = False) -> None:
        """Look at what changed in the store; `now`: read new runs at once."""
        self.applied = await self.call(lambda store: self._looked(store, now=now))

    def _looked(self, store: RunStore, *, now: bool) -> Applied:
        """What is applied, read anew for machines that were switched on or have new runs."""
        before, version = self.applied, store.version()
        if version == before.version:
            return before
        counts, wanted = dict(store.machines()), store.calibrated()
        runs = {name: before.runs[name] for name in wanted if name in before.runs}
        waits = False
        for name in wanted:
            if name in runs and counts.get(name) == before.counts.get(name):
                continue
            since_s = self._clock() - self._read_at_s.get(name, -_APART_S)
            if name in runs and not now and since_s < _APART_S:
                waits = True
                counts[name] = before.counts.get(name, 0)
                continue
            self._read_at_s[name] = self._clock()
            runs[name] = store.find(hardware=name, limit=NEWEST, newest=True).runs
        return applied_of(before.version if waits else version, counts, runs)

    async def calibrate(self, hardware: str, *, on: bool) -> None:
        """Let the runs of a machine sharpen answers, or no longer.

        Raises
        ------
        UnknownName
            For a machine without runs.
        """

        def change(store: RunStore) -> None:
            known = [name for name, _ in store.machines()]
            if hardware not in known and hardware not in store.calibrated():
                raise UnknownName("machine with stored runs", hardware, known)
            store.set_calibrated(hardware, on)

        await self.call(change)
        await self.refresh(now=True)

    def close(self) -> None:
        """Let go of the store."""
        store, self._store = self._store, None
        if store is not None:
            store.close()
