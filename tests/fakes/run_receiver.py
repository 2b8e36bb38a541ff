"""A service on loopback that takes run records as ours does, and can be told to misbehave.

Run as ``python run_receiver.py URL FOLDER PROCESSES RECORDS``, it is the other end: so many
processes that spool so many records each, and send them (0: this process alone).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from joulecast.push import Outbox
from joulecast.push_post import Service
from joulecast.push_spool import spool_of, spool_root
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from joulecast.push_spool import Spool

TITLES = {401: "A token is needed", 409: "Known with other content", 503: "The store is away"}


class RunReceiver:
    """``with RunReceiver() as service:`` keeps what is sent to ``service.url``.

    Attributes
    ----------
    kept : records by id. got : ids in the order in which they came, whatever was answered.
    told : token of each request. answers : statuses of the next requests, then as it should be.
    drip_s : seconds between the bytes of an answer. before : called with what was kept, not yet
        acknowledged.
    """

    def __init__(self, port: int = 0) -> None:
        self.kept: dict[str, Any] = {}
        self.got: list[str] = []
        self.told: list[str | None] = []
        self.answers: list[int] = []
        self.drip_s = 0.0
        self.before: Callable[[str], None] = lambda _: None
        self.problem = "application/problem+json"
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """The service, answering."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Nobody answers any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, record: dict[str, Any]) -> int:
        """The status for a record: new, known, or in conflict with one of that id."""
        with self.lock:
            self.got.append(record["id"])
            if self.answers and (status := self.answers.pop(0)) > 201:
                return status
            if record["id"] in self.kept:
                return 200 if self.kept[record["id"]] == record else 409
            self.kept[record["id"]] = record
            return 201


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:  # noqa: ANN401
        """Stay silent where a sender left."""


def _handler(receiver: RunReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.told.append(self.headers["Authorization"])
            if self.path != "/v1/runs":
                self._answer(404, "text/html", b"<p>nothing here</p>")
                return
            record = json.loads(text)
            status = receiver.take(record)
            receiver.before(record["id"])
            if status in {200, 201}:
                self._answer(status, "application/json", json.dumps({"id": record["id"]}).encode())
                return
            heard = self.headers["Authorization"] or ""
            problem = {"title": TITLES.get(status, "No"), "detail": f"why\x1b[2J {heard}"}
            self._answer(status, receiver.problem, json.dumps(problem).encode())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nConnection: close\r\n"
            head += f"Content-Length: {len(body)}\r\nLocation: /elsewhere\r\nRetry-After: 0\r\n\r\n"
            content = head.encode() + body
            if not receiver.drip_s:
                self.wfile.write(content)
                return
            with suppress(OSError):
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(receiver.drip_s)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            """Stay silent."""

    return Handler


def outbox_of(url: str, token: str = "", budget_s: float | None = 15.0) -> Outbox:
    """An outbox for the service at `url`."""
    return Outbox(Service(url, token), spool_of(url, spool_root()), budget_s)


def added(outbox: Outbox, *ids: str) -> Spool:
    """The spool after runs of those ids came to it, a second apart."""
    for second, run_id in enumerate(ids):
        assert outbox.add(a_run(run_id)) == []
        os.utime(outbox.spool.folder / f"{run_id}.json", (second, second))
    return outbox.spool


def main(url: str, folder: str, processes: int, records: int) -> int:
    """Spool and send from many processes at once; 0 if all of them ended well."""
    children = []
    for number in range(processes):
        if child := os.fork():
            children.append(child)
            continue
        push(url, folder, f"p{number}", records)
        os._exit(0)
    if not processes:
        push(url, folder, "p", records)
    return max((os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children), default=0)


def push(url: str, folder: str, name: str, records: int) -> None:
    """Spool and send one record after the other."""
    outbox = Outbox(Service(url), spool_of(url, Path(folder)))
    for record in range(records):
        outbox.add(a_run(f"{name}-{record}"))
        outbox.send()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
