"""What runs beside a load: looks at the server now and then, and the edges of the measured window.

Both have threads of their own: a server too busy to tell its metrics does not move the edges.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.profiler.serving.burst import STEADY
from joulecast.profiler.serving.scrape import figures_of, metrics_url, state_of
from joulecast.profiler.serving.scrape_http import NoPage, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.serving.scrape import ServerFigures, ServerState
    from joulecast.profiler.session import Session

    Look = Callable[[], ServerState | None]

LOOK_S = 1.0
"""Seconds from look to look in a long window; a short one gets `LOOKS`."""
LOOKS = 20
TIMEOUT_S = 2.0
END_S = 5.0


def looker(url: str, model: str, clock: Clock, headers: Mapping[str, str] | None = None) -> Look:
    """A look at the metrics of the server at `url` (up to and with ``/v1``), ``None`` without."""
    page = metrics_url(url)

    def look() -> ServerState | None:
        try:
            text = fetch(page, TIMEOUT_S, headers)
        except NoPage:
            return None
        return state_of(text, clock.monotonic_s(), model)

    return look


@dataclass(frozen=True, slots=True)
class Plan:
    """When the window opens and how long it is, seconds after the start."""

    warmup_s: float
    seconds: float


class Watch:
    """Opens and closes the window ``steady`` of a running session, and looks at the server.

    Parameters
    ----------
    on_look : told of the seconds since the start and of what was seen, in the looking thread.
    """

    def __init__(
        self,
        session: Session,
        plan: Plan,
        clock: Clock,
        look: Look | None = None,
        on_look: Callable[[float, ServerState | None], None] | None = None,
    ) -> None:
        self._session, self._plan, self._clock = session, plan, clock
        self._look, self._on_look = look, on_look
        self._stop = threading.Event()
        self._edges: list[float] = []
        self._states: list[ServerState] = []
        self._began_s = 0.0
        self._threads = [
            threading.Thread(target=work, name=f"joulecast-{name}", daemon=True)
            for name, work in (("edges", self._keep_edges), ("looks", self._keep_looking))
        ]

    def start(self) -> None:
        """Count from now."""
        self._began_s = self._clock.monotonic_s()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End an open window now, and the looks."""
        self._stop.set()
        for thread in self._threads:
            thread.join(END_S)

    def window_s(self) -> tuple[float, float] | None:
        """Clock seconds of the window's ends, ``None`` if it never opened."""
        return (self._edges[0], self._edges[1]) if len(self._edges) == 2 else None

    def server(self) -> ServerFigures:
        """What the server did in the window."""
        ends = self.window_s()
        if ends is None:
            return figures_of([])
        return figures_of([s for s in self._states if ends[0] <= s.time_s <= ends[1]])

    def _keep_edges(self) -> None:
        if self._wait_until(self._began_s + self._plan.warmup_s):
            return
        self._edges.append(self._clock.monotonic_s())
        self._session.begin_window(STEADY)
        self._wait_until(self._edges[0] + self._plan.seconds)
        self._edges.append(self._clock.monotonic_s())
        self._session.end_window(STEADY)

    def _keep_looking(self) -> None:
        every_s = min(LOOK_S, self._plan.seconds / LOOKS)
        while not self._stop.is_set():
            state = self._look() if self._look is not None else None
            if state is not None:
                self._states.append(state)
            if self._on_look is not None:
                self._on_look(self._clock.monotonic_s() - self._began_s, state)
            self._clock.wait(self._stop, every_s)

    def _wait_until(self, time_s: float) -> bool:
        """Whether it was stopped before."""
        left_s = max(0.0, time_s - self._clock.monotonic_s())
        return self._clock.wait(self._stop, left_s)
