"""What one worker of the service answers: estimates and rows per second, waits, memory.

Run: ``python benchmarks/service_load.py``. Starts a service of its own on the loopback interface
with an empty store, and asks it from this process, bounded in count and time. Estimates are sent at
a steady rate whether or not others are answered, and their waits count from the moment at which
they were due. ``--memory 100000`` asks so many more and compares the memory with that after 1,000.
``--beside`` sends rows while estimates are asked.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, PORT = "127.0.0.1", 18765
MODELS = (
    "vgg16",
    "resnet18",
    "resnet50",
    "mobilenet_v2",
    "lenet",
    "densenet121",
    "efficientnet_b0",
)
MACHINES = ("hc1", "hc2", "hc3", "t4", "rtx-3090", "8xh100-sxm")
START = (
    "from joulecast.service import serve\n"
    "from joulecast.service.settings import Settings\n"
    "raise SystemExit(serve.run(Settings(port={port}, store_url={store!r}, quiet={quiet})))\n"
)
CONNECTIONS = 32
COLUMNS = ("model", "hardware_id", "task", "batch_size", "samples")


@contextmanager
def service(*, quiet: bool) -> Iterator[subprocess.Popen[bytes]]:
    """A service with one worker and an empty store, ready."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/runs.sqlite"
        code = START.format(port=PORT, store=store, quiet=quiet)
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-c", code], stderr=log)
            try:
                wait_until_ready(process)
                yield process
            finally:
                process.terminate()
                process.wait(60)


def wait_until_ready(process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    """Return when the service answers that it is ready."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and process.poll() is None:
        with closing(http.client.HTTPConnection(HOST, PORT, timeout=5)) as connection:
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.1)
    raise SystemExit("the service did not start")


def questions() -> Iterator[bytes]:
    """Requests for estimates of many kinds, again and again."""
    pairs = itertools.product(MODELS, MACHINES, (1, 2, 100), (32, 128))
    asked = [
        {"model": m, "hardware": h, "epochs": e, "batch_size": b, "samples": 50_000, "force": True}
        for m, h, e, b in pairs
    ]
    for question in itertools.cycle(asked):
        body = json.dumps(question).encode()
        head = (
            f"POST /v1/estimate HTTP/1.1\r\nHost: {HOST}:{PORT}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class Client:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> int:
        """The status of the answer to a whole request."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        low = head.lower()
        at = low.index(b"content-length:") + 15
        await self._reader.readexactly(int(low[at : low.index(b"\r\n", at)]))
        return int(head[9:12])

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def asked(count: int, rate: float | None, seconds: float) -> tuple[list[float], float, int]:
    """Waits in seconds, seconds in all, and answers that were not 200, of `count` estimates.

    Parameters
    ----------
    rate : estimates per second; ``None`` for as many as there are connections at any time.
    seconds : after which no more are sent.
    """
    clients = [Client(*await asyncio.open_connection(HOST, PORT)) for _ in range(CONNECTIONS)]
    due = iter(range(count))
    stream, waits, wrong = questions(), list[float](), 0
    began_s = time.perf_counter()

    async def work(client: Client) -> None:
        nonlocal wrong
        for place in due:
            due_s = time.perf_counter() if rate is None else began_s + place / rate
            await asyncio.sleep(max(due_s - time.perf_counter(), 0))
            wrong += await client.ask(next(stream)) != 200
            waits.append(time.perf_counter() - due_s)
            if time.perf_counter() - began_s > seconds:
                return

    await asyncio.gather(*map(work, clients))
    took_s = time.perf_counter() - began_s
    for client in clients:
        client.close()
    return waits, took_s, wrong


def table(rows: int, *, as_csv: bool) -> bytes:
    """A table of workloads as text."""
    every = itertools.product(MODELS, MACHINES, ("train", "infer"), range(1, 513))
    cells = itertools.islice(itertools.cycle(every), rows)
    if as_csv:
        lines = [f"{m},{h},{t},{b},50000" for m, h, t, b in cells]
        return "\n".join([",".join(COLUMNS), *lines, ""]).encode()
    named = (dict(zip(COLUMNS, (*cell, 50_000), strict=True)) for cell in cells)
    return b"".join(json.dumps(row).encode() + b"\n" for row in named)


def batch(rows: int, *, as_csv: bool) -> tuple[float, int]:
    """Seconds until the whole answer to a table was read, and its lines."""
    text = table(rows, as_csv=as_csv)
    kind = "text/csv" if as_csv else "application/x-ndjson"
    with closing(http.client.HTTPConnection(HOST, PORT, timeout=120)) as connection:
        began_s = time.perf_counter()
        connection.request("POST", "/v1/estimate/batch", text, {"Content-Type": kind})
        answer = connection.getresponse()
        lines = 0
        while part := answer.read(1 << 20):
            lines += part.count(b"\n")
        return time.perf_counter() - began_s, lines


def resident_bytes(process: subprocess.Popen[bytes]) -> int:
    """Memory that the service holds."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(text.partition("VmRSS:")[2].split()[0])


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Processor time that the service has used."""
    words = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


def told(name: str, waits: list[float], took_s: float, wrong: int) -> None:
    """Print how a load went."""
    ms = [f"p{p:g} {1e3 * np.percentile(waits, p):.1f} ms" for p in (50, 95, 99, 99.9)]
    print(f"{name}: {len(waits) / took_s:,.0f}/s of {len(waits):,}, {', '.join(ms)}, {wrong} wrong")


def estimates(process: subprocess.Popen[bytes], ask: argparse.Namespace) -> None:
    """Print waits at a steady rate, and what is answered at full load."""
    before_s = cpu_s(process)
    found = asyncio.run(asked(ask.count, ask.rate, ask.seconds))
    told(f"estimates at {ask.rate:g}/s", *found)
    each_ms = 1e3 * (cpu_s(process) - before_s) / len(found[0])
    print(f"  {each_ms:.2f} ms of processor time each")
    told("estimates, 32 at a time", *asyncio.run(asked(ask.count, None, ask.seconds)))


def beside(ask: argparse.Namespace) -> None:
    """Print waits of estimates while tables are answered."""
    rows = threading.Thread(target=batch, args=(ask.rows,), kwargs={"as_csv": False})
    rows.start()
    told("estimates beside a table", *asyncio.run(asked(ask.count // 10, ask.rate / 3, 30.0)))
    rows.join()


def memory(process: subprocess.Popen[bytes], ask: argparse.Namespace) -> None:
    """Print memory after the first 1,000 requests and after all."""
    asyncio.run(asked(1000, None, ask.seconds))
    first = resident_bytes(process)
    waits, _, wrong = asyncio.run(asked(ask.memory - 1000, None, ask.seconds))
    last = resident_bytes(process)
    print(
        f"memory after 1,000 requests {first / 1e6:.1f} MB, after {len(waits) + 1000:,} "
        f"{last / 1e6:.1f} MB: {100 * (last / first - 1):+.1f} %, {wrong} wrong"
    )


def main() -> None:
    """Ask a service of its own, and print how it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=300.0, help="estimates per second")
    parser.add_argument("--count", type=int, default=6000, help="estimates")
    parser.add_argument("--rows", type=int, default=100_000, help="of a table")
    parser.add_argument("--memory", type=int, default=0, help="requests; 0: not asked")
    parser.add_argument("--seconds", type=float, default=300.0, help="at most, of each load")
    parser.add_argument("--beside", action="store_true", help="estimates beside a table, too")
    parser.add_argument("--log", action="store_true", help="with a line of log per request")
    ask = parser.parse_args()
    with service(quiet=not ask.log) as process:
        asyncio.run(asked(200, None, 30.0))
        batch(5000, as_csv=True)  # the process that answers tables starts with the first
        if ask.memory:
            memory(process, ask)
            return
        estimates(process, ask)
        for as_csv in (False, True):
            took_s, lines = batch(ask.rows, as_csv=as_csv)
            kind = "CSV" if as_csv else "JSON lines"
            print(f"{kind}: {ask.rows / took_s:,.0f} rows/s ({lines:,} lines in {took_s:.1f} s)")
        if ask.beside:
            beside(ask)
        print(f"memory {resident_bytes(process) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
