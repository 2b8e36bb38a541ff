"""Records that wait for a service: a folder per service, a file per record, gone when acknowledged.

Several processes may add and send at once. Whoever sends a record holds a lock on its file; the
kernel lets go of it when that process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from joulecast.core.errors import BadInput
from joulecast.core.run_files import SUFFIX, write_run, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.core.records import Run

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_ADDRESS = "service.url"
_REFUSED = "refused"


def spool_root() -> Path:
    """The user's own folder of spools."""
    import platformdirs

    return Path(platformdirs.user_data_dir("joulecast", appauthor=False)) / "spool"


@dataclass(frozen=True, slots=True)
class Spool:
    """What waits for the service at `url`."""

    url: str
    folder: Path

    def add(self, run: Run) -> None:
        """Let `run` wait.

        Raises
        ------
        BadInput
            If its id is no plain name, which no service takes.
        OSError
            If the folder cannot be written.
        """
        refuse_id(run.id)
        address = self.folder / _ADDRESS
        if not address.exists():
            write_text(self.url, address)
        write_run(run, self._path(run.id))

    def waiting(self) -> tuple[str, ...]:
        """Ids of what waits, oldest first."""
        found = []
        for path in self.folder.glob(f"*{SUFFIX}"):
            try:
                found.append((path.stat().st_mtime_ns, path.name))
            except FileNotFoundError:  # just sent by another process
                continue
        names = [name.removesuffix(SUFFIX) for _, name in sorted(found)]
        return tuple(name for name in names if _PLAIN_NAME.fullmatch(name))

    @contextmanager
    def held(self, run_id: str) -> Iterator[bytes | None]:
        """A record, for this process alone; ``None`` if it is gone, or another is sending it."""
        path = self._path(run_id)
        try:
            file = path.open("r+b")  # locks of network folders want a file that may be written
        except FileNotFoundError:
            yield None
            return
        with file:
            ours = _locked(file) and _is_at(file, path)
            yield file.read() if ours else None

    def remove(self, run_id: str) -> None:
        """Let go of an acknowledged record."""
        self._path(run_id).unlink(missing_ok=True)

    def set_aside(self, run_id: str) -> Path:
        """Where a record now lies that the service will never take."""
        aside = self.folder / _REFUSED / f"{run_id}{SUFFIX}"
        aside.parent.mkdir(exist_ok=True)
        return self._path(run_id).replace(aside)

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}{SUFFIX}"


def spool_of(url: str, root: Path) -> Spool:
    """The spool of the service at `url`."""
    return Spool(url, root / hashlib.sha256(url.encode()).hexdigest()[:16])


def spools(root: Path) -> tuple[Spool, ...]:
    """The spools in which something waits, by URL."""
    found = []
    for address in root.glob(f"*/{_ADDRESS}"):
        spool = Spool(address.read_text(encoding="utf-8"), address.parent)
        if spool == spool_of(spool.url, root) and spool.waiting():
            found.append(spool)
    return tuple(sorted(found, key=lambda spool: spool.url))


def refuse_id(run_id: str) -> None:
    """Raise BadInput unless `run_id` can be the name of a file, and of a run for good."""
    if not _PLAIN_NAME.fullmatch(run_id):
        message = f"run id {ascii(run_id)[:40]} is no plain name of letters, digits, '-', '_', '.'"
        raise BadInput(message)


def _locked(file: BinaryIO) -> bool:
    """Whether no other process holds the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: sent twice at worst, and kept once
        return True
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    """Whether the open file is still the one at `path`: it may have been sent since."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
