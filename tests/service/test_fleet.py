"""The store behind the service: opened when it can be, looked at when it changed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("fastapi")

from joulecast.service.fleet import Fleet
from joulecast.store.errors import StoreAway
from tests.fakes.clock import FakeClock
from tests.fakes.run_store import FakeRunStore
from tests.fakes.service import run_of


class Opener:
    """Opens a store in memory, or fails; counts how often it was asked."""

    def __init__(self) -> None:
        self.store = FakeRunStore()
        self.is_away = False
        self.asked = 0

    def __call__(self) -> FakeRunStore:
        """The store, or StoreAway."""
        self.asked += 1
        if self.is_away:
            message = "no database. Start it"
            raise StoreAway(message)
        return self.store


def fleet_of(opener: Opener, clock: FakeClock) -> Fleet:
    """A fleet with time in the test's hand."""
    return Fleet(opener, ThreadPoolExecutor(2), clock.monotonic_s, retry_s=5.0)


def test_a_database_that_is_away_is_tried_again_but_not_all_the_time() -> None:
    """While it is away callers hear so at once; after a while the next one tries."""
    opener, clock = Opener(), FakeClock()
    opener.is_away = True

    async def ask() -> int:
        fleet = fleet_of(opener, clock)
        for _ in range(3):
            with pytest.raises(StoreAway, match="no database"):
                await fleet.call(lambda store: store.count())
        assert opener.asked == 1
        assert fleet.trouble is not None
        opener.is_away = False
        clock.advance(5.0)
        count = await fleet.call(lambda store: store.count())
        assert fleet.trouble is None
        fleet.close()
        return count

    assert asyncio.run(ask()) == 0
    assert opener.asked == 2
    assert opener.store.is_closed


def test_another_workers_changes_are_seen() -> None:
    """What is applied follows the store: machines switched on, then their new runs in a while."""
    opener, clock = Opener(), FakeClock()
    store = opener.store
    store.add(run_of("a"))

    async def ask() -> None:
        fleet = fleet_of(opener, clock)
        await fleet.refresh()
        assert fleet.applied.counts == {"hc3": 1}
        assert fleet.applied.runs == {}
        store.set_calibrated("hc3", True)  # noqa: FBT003 (the interface's)
        await fleet.refresh()
        assert [run.id for run in fleet.applied.runs["hc3"]] == ["a"]
        store.add(run_of("b"))
        clock.advance(1.0)
        await fleet.refresh()
        assert [run.id for run in fleet.applied.runs["hc3"]] == ["a"]
        clock.advance(5.0)
        await fleet.refresh()
        assert [run.id for run in fleet.applied.runs["hc3"]] == ["b", "a"]

    asyncio.run(ask())


def test_a_store_that_did_not_change_is_not_read_again() -> None:
    """A look at it costs one question."""
    opener, clock = Opener(), FakeClock()

    async def ask() -> int:
        fleet = fleet_of(opener, clock)
        await fleet.refresh()
        before = opener.store.calls
        await fleet.refresh()
        return opener.store.calls - before

    assert asyncio.run(ask()) == 1


def test_runs_count_for_their_device_and_their_network() -> None:
    """As for the command line: other networks here, this network elsewhere, nothing else."""
    opener, clock = Opener(), FakeClock()
    opener.store.add(run_of("a", "vgg16", "hc3"))
    opener.store.set_calibrated("hc3", True)  # noqa: FBT003 (the interface's)
    asked = {
        ("resnet18", "hc3"): 1,
        ("vgg16", "t4"): 1,
        ("vgg16", "hc3"): 1,
        ("resnet18", "t4"): 0,
    }

    async def ask() -> None:
        fleet = fleet_of(opener, clock)
        await fleet.refresh()
        for (model, hardware), count in asked.items():
            setup = run_of("x", model, hardware).setup
            assert len(fleet.applied.about(setup)) == count, (model, hardware)

    asyncio.run(ask())
