"""How much at once and how often: places that are taken and given back, and a bucket per client."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from joulecast.service.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_CLIENTS = 10_000


class Slots:
    """Places for work of one kind; who finds none is refused."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self.taken = 0

    def take(self) -> None:
        """Take a place.

        Raises
        ------
        Problem
            If none is free.
        """
        if self.taken >= self._most:
            raise Problem("busy", f"{self.taken} {self._what} are being answered. Ask again later")
        self.taken += 1

    def give_back(self) -> None:
        """Give a place back."""
        self.taken -= 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """A place for as long as the block runs."""
        self.take()
        try:
            yield
        finally:
            self.give_back()


class Buckets:
    """A bucket of requests per client, refilled steadily; the clients seen last are remembered.

    Parameters
    ----------
    rate_per_s : requests per second. burst : that a full bucket holds. clock : seconds.
    """

    def __init__(self, rate_per_s: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(burst, 1.0)
        self._clock = clock
        self._level: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """0 and a request less in the bucket, or the seconds until there is one again."""
        now_s = self._clock()
        level, then_s = self._level.pop(client, (self._burst, now_s))
        level = min(self._burst, level + (now_s - then_s) * self._rate_per_s)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._rate_per_s
        self._level[client] = (level - 1 if wait_s == 0 else level, now_s)
        if len(self._level) > _MOST_CLIENTS:
            self._level.popitem(last=False)
        return wait_s
