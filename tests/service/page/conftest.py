"""The page as a browser sees it: the real service on loopback, and one Chromium for all tests."""

from __future__ import annotations

import shutil
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from joulecast.service.settings import Settings

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TOKEN = "a-token-that-may-read"  # noqa: S105 (of a service that lives as long as a test)


@dataclass(slots=True)
class Seen:
    """A page with what it said and asked.

    Attributes
    ----------
    errors : on its console, and thrown. urls : of every request.
    """

    page: Any
    root: str
    errors: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def open(self, query: str = "") -> Any:  # noqa: ANN401 (a playwright page)
        """The page at a query, once its answers are there."""
        self.page.goto(f"{self.root}/{query}")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        self.page.wait_for_timeout(400)  # longer than the page waits for more typing
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_selector("main [aria-busy]", state="detached")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all tests of a file: while it lives, no other event loop can run here."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="the page is tested with playwright: pip install playwright"
    )
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(_BROWSERS)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """What starts a service of its own and returns its address."""
    pytest.importorskip("uvicorn", reason="the page is served by uvicorn")
    ends: list[Callable[[], None]] = []

    def start(**settings: Any) -> str:  # noqa: ANN401 (fields of `Settings`)
        root, end = _served(tmp_path_factory.mktemp("service"), settings)
        ends.append(end)
        return root

    yield start
    for end in ends:
        end()


def _served(folder: Path, given: dict[str, Any]) -> tuple[str, Callable[[], None]]:
    import uvicorn

    from joulecast.service.app import create_app
    from joulecast.service.settings import Settings

    settings: Settings = Settings(**{"store_url": f"sqlite:///{folder}/runs.sqlite", **given})
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def end() -> None:
        server.should_exit = True
        thread.join(30)
        listening.close()

    return f"http://127.0.0.1:{listening.getsockname()[1]}", end


@pytest.fixture(scope="session")
def root(serve: Callable[..., str]) -> str:
    """Address of a service without tokens and without runs."""
    return serve()


@pytest.fixture
def seen(chromium: Any, root: str) -> Iterator[Seen]:  # noqa: ANN401 (a playwright browser)
    """A fresh page on a desktop; a test fails if it said an error or asked another origin."""
    yield from watched(chromium, root)


def watched(browser: Any, root: str, **context: Any) -> Iterator[Seen]:  # noqa: ANN401 (playwright's)
    """A page of a fresh context that is watched to its end."""
    own = browser.new_context(viewport={"width": 1280, "height": 900}, **context)
    page = own.new_page()
    found = Seen(page, root)
    page.on("console", lambda m: found.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    page.on("request", lambda request: found.urls.append(request.url))
    yield found
    own.close()
    assert not found.errors
    elsewhere = [u for u in found.urls if not u.startswith((f"{root}/", "data:"))]
    assert not elsewhere
