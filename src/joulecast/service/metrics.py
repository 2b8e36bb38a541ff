"""What Prometheus reads: base units, counts that end in ``_total``, a histogram per route."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from joulecast import __version__
from joulecast.core.errors import MissingExtra

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells prometheus_client where several workers put their counts together."""


class Metrics:
    """The counts of one worker.

    Parameters
    ----------
    shared : folder where several workers put their counts together, ``None`` for one worker. The
        variable `MULTIPROCESS` has to name it before this is made.

    Raises
    ------
    MissingExtra
    """

    def __init__(self, shared: str | None = None) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError as exc:
            raise MissingExtra("prometheus_client", "serve", "the service") from exc
        self._prometheus = prometheus
        self._shared = shared
        own = self._registry = prometheus.CollectorRegistry()
        if shared is None:
            prometheus.ProcessCollector(registry=own)
            prometheus.PlatformCollector(registry=own)
        self._own = None if shared is None else _OwnProcess(prometheus, own)
        self._requests = prometheus.Counter(
            "joulecast_http_requests", "Requests.", ("method", "route", "status"), registry=own
        )
        self._seconds = prometheus.Histogram(
            "joulecast_http_request_duration_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("route",),
            buckets=BUCKETS_S,
            registry=own,
        )
        self._estimates = prometheus.Counter(
            "joulecast_estimates", "Questions answered.", ("kind", "basis"), registry=own
        )
        self._rows = prometheus.Counter(
            "joulecast_batch_rows", "Rows of tables answered.", registry=own
        )
        self._runs = prometheus.Counter(
            "joulecast_runs_received", "Run records that arrived.", ("outcome",), registry=own
        )
        self._say_what_is()

    def _say_what_is(self) -> None:
        """The gauges; of several workers the highest counts."""
        how: Any = {"registry": self._registry, "multiprocess_mode": "livemax"}
        self._stored = self._prometheus.Gauge("joulecast_store_runs", "Runs in the store.", **how)
        self._store_up = self._prometheus.Gauge(
            "joulecast_store_up", "Whether the store answered when last asked.", **how
        )
        info = self._prometheus.Gauge(
            "joulecast_build_info", "The version that runs.", ("version",), **how
        )
        info.labels(__version__).set(1)

    def request(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(duration_s)

    def estimate(self, kind: str, basis: str) -> None:
        """Count an answer: estimate, serving, compare or sweep."""
        self._estimates.labels(kind, basis).inc()

    def rows(self, count: int) -> None:
        """Count rows of tables."""
        self._rows.inc(count)

    def runs(self, outcome: str, count: int = 1) -> None:
        """Count run records: new, known or refused."""
        self._runs.labels(outcome).inc(count)

    def store(self, runs: int, *, up: bool) -> None:
        """Say how the store is."""
        self._store_up.set(int(up))
        if up:
            self._stored.set(runs)

    def process(self) -> None:
        """Say what this worker takes, where no collector of one process can."""
        if self._own is not None:
            self._own.look()

    def text(self) -> bytes:
        """All of it in the text format."""
        if self._shared is None:
            return self._prometheus.generate_latest(self._registry)
        from prometheus_client.multiprocess import MultiProcessCollector

        every = self._prometheus.CollectorRegistry()
        MultiProcessCollector(every, path=self._shared)  # type: ignore[no-untyped-call]
        return self._prometheus.generate_latest(every)


class _OwnProcess:
    """What a worker takes, under the names that one process alone has; summed over all workers."""

    def __init__(self, prometheus: Any, registry: Any) -> None:  # noqa: ANN401 (a module)
        self._mem = prometheus.Gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._cpu = prometheus.Counter(
            "process_cpu_seconds", "Total user and system CPU time in seconds.", registry=registry
        )
        self._told_s = 0.0
        self.look()

    def look(self) -> None:
        """Read them."""
        used_s = time.process_time()
        self._cpu.inc(max(used_s - self._told_s, 0.0))
        self._told_s = used_s
        with suppress(OSError, ValueError, IndexError):  # where there is no such file
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            self._mem.set(pages * os.sysconf("SC_PAGE_SIZE"))
