"""Pages on loopback whose text a test may change, and which can be told to fail."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


class Pages:
    """Text by path (query included, else without it): ``with Pages({"/metrics": "a 1"}) as p:``.

    Attributes
    ----------
    asked : paths as they were asked for. status : of every answer.
    """

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.asked: list[str] = []
        self.status = 200
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages.asked.append(self.path)
                text = pages.texts.get(self.path, pages.texts.get(self.path.partition("?")[0]))
                content = (text or "").encode()
                self.send_response(404 if text is None else pages.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:  # noqa: ANN401
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.root = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """The pages, served."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Nobody answers any more."""
        self.stop()

    def stop(self) -> None:
        """Stop serving; calling it again does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
