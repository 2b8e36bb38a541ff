"""A headless browser in a test's hand: started without a network, spoken to through two pipes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
_PATIENCE_S = 60.0


def installed() -> str | None:
    """Path of a browser, ``None`` if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One tab; remembers all events."""

    def __init__(self, ask: int, answer: int) -> None:
        self.ask, self.answer = ask, answer
        self.count, self.rest = 0, b""
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []

    def open(self) -> Self:
        """A new tab that tells what it does."""
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        found = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self.session = found["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")
        return self

    def another(self) -> Tab:
        """A new tab of the same browser, without a past."""
        return Tab(self.ask, self.answer).open()

    def tell(self, method: str, **params: object) -> dict[str, Any]:
        """The answer to a command."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.ask, json.dumps(message).encode() + b"\0")
        while True:
            said = self.next()
            if said.get("id") == self.count:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result

    def next(self) -> dict[str, Any]:
        """The next message; events are kept."""
        deadline = time.monotonic() + _PATIENCE_S
        while b"\0" not in self.rest:
            left = max(deadline - time.monotonic(), 0.0)
            ready, _, _ = select.select([self.answer], [], [], left)
            assert ready, "the browser says nothing"
            got = os.read(self.answer, 1 << 20)
            assert got, "the browser is gone"
            self.rest += got
        first, _, self.rest = self.rest.partition(b"\0")
        said: dict[str, Any] = json.loads(first)
        if "method" in said and said.get("sessionId") == self.session:
            self.events.append(said)
        return said

    def load(self, page: Path) -> None:
        """Open a file, and wait until it is there."""
        before = self.loaded()
        self.tell("Page.navigate", url=page.as_uri())
        while self.loaded() == before:
            self.next()

    def loaded(self) -> int:
        """Pages loaded so far."""
        return len(self.of("Page.loadEventFired"))

    def of(self, method: str) -> list[dict[str, Any]]:
        """What the events of a kind said."""
        return [event["params"] for event in self.events if event["method"] == method]

    def value(self, expression: str) -> Any:  # noqa: ANN401
        """What a JavaScript expression is in the page; a promise is awaited."""
        told = self.tell(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def show(self, width: int, scheme: str = "light") -> None:
        """As wide as this, in light or dark."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.tell("Emulation.setDeviceMetricsOverride", **metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.tell("Emulation.setEmulatedMedia", features=[feature])


@contextmanager
def browsing(home: Path) -> Iterator[Tab]:
    """A tab of a browser whose profile lies in `home`; the browser ends with the block."""
    path = installed()
    assert path is not None
    ask_out, ask_in = os.pipe()
    answer_out, answer_in = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in (ask_out, answer_in)]
    for fd in (ask_out, answer_in):
        os.close(fd)
    quiet = os.open(os.devnull, os.O_RDWR)
    moves = [(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in ((1, quiet), (2, quiet))]
    moves += [(os.POSIX_SPAWN_DUP2, fd, at) for at, fd in zip((3, 4), high, strict=True)]
    command = [path, *_QUIET, f"--user-data-dir={home}"]
    pid = os.posix_spawn(path, command, dict(os.environ), file_actions=moves)
    for fd in (*high, quiet):
        os.close(fd)
    try:
        yield Tab(ask_in, answer_out).open()
    finally:
        os.close(ask_in)  # the browser ends when nobody speaks to it
        os.close(answer_out)
        os.waitpid(pid, 0)
