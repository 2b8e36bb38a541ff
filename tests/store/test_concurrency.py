"""Many threads and processes at once, and writers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from joulecast.store import Conflict, open_store
from tests.fakes import stored_runs
from tests.fakes.stored_runs import a_run

if TYPE_CHECKING:
    from joulecast.store import RunStore

ROOT = Path(__file__).resolve().parents[2]
CALLS = 200


def writer(url: str, threads: int, first: int, last: int) -> subprocess.Popen[str]:
    """A process that adds runs, and prints each id that the store acknowledged."""
    command = [sys.executable, stored_runs.__file__, url, str(threads), str(first), str(last)]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def all_ids(store: RunStore) -> list[str]:
    """Ids of all runs, page by page."""
    out: list[str] = []
    after: int | None = None
    while True:
        page = store.find(limit=300, after=after)
        out += [run.id for run in page.runs]
        after = page.next_after
        if after is None:
            return out


def test_of_the_same_run_added_at_once_one_is_new(store: RunStore) -> None:
    """Sixteen threads, few runs: each is new once and known to all others."""
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda k: store.add(a_run(f"r{k % 10}")), range(CALLS)))
    assert said.count("new") == 10
    assert said.count("known") == CALLS - 10
    assert (store.count(), store.version()) == (10, 10)


def test_of_two_contents_added_at_once_one_stays(store: RunStore) -> None:
    """All who sent the other are told so."""

    def add(k: int) -> str:
        try:
            return store.add(a_run("one", energy_j=float(k % 2)))
        except Conflict:
            return "conflict"

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(add, range(40)))
    assert (said.count("new"), said.count("known"), said.count("conflict")) == (1, 19, 20)


def test_processes_and_threads_write_at_once(url: str) -> None:
    """Three processes of four threads open an empty store together; halves of their ids meet."""
    writers = [writer(url, 4, first, first + 120) for first in (0, 60, 120)]
    said = "".join(process.communicate(timeout=300)[0] for process in writers)
    assert [process.returncode for process in writers] == [0, 0, 0]
    store = open_store(url)
    assert sorted(all_ids(store)) == sorted(f"k{k}" for k in range(240))
    assert said.count("new") == 240
    assert said.count("known") == 120
    assert store.version() == 240
    store.close()


def test_a_reader_who_follows_misses_nothing(url: str) -> None:
    """Going on after the last page while others write, each run is seen once, in its order."""
    process = writer(url, 8, 0, 300)
    store = open_store(url)
    seen: list[str] = []
    last = 0
    while (ended := process.poll()) is None or ended == 0:
        page = store._page(_after(last), 50, newest=False)  # type: ignore[attr-defined]
        seen += [run.id for run in page.runs]
        last = len(seen)
        if ended == 0 and not page.runs:
            break
    process.communicate()
    assert process.returncode == 0
    assert sorted(seen) == sorted(f"k{k}" for k in range(300))
    store.close()


def _after(seq: int) -> list[object]:
    from joulecast.store.tables import runs

    return [runs.c.seq > seq]


@pytest.mark.parametrize("after", [100, 400])
def test_what_a_killed_writer_was_told_is_there(url: str, after: int) -> None:
    """SIGKILL amid 1,000 adds: every acknowledged run is there, none twice, and the rest follow."""
    process = writer(url, 8, 0, 1000)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    told += process.communicate(timeout=60)[0].splitlines(keepends=True)
    assert process.returncode == -signal.SIGKILL
    told_ids = {line.split()[0] for line in told if line.endswith("\n")}
    store = open_store(url)
    kept = all_ids(store)
    assert after <= len(told_ids) < 1000
    assert told_ids <= set(kept)
    assert len(kept) == len(set(kept)) == store.count() == store.version()
    again = store.add_many(a_run(f"k{k}", float(k)) for k in range(1000))
    assert again.count("known") == len(kept)
    assert store.count() == 1000
    store.close()
