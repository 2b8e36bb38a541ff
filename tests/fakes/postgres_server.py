"""A real PostgreSQL server of its own, from its binaries, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("initdb", "pg_ctl", "postgres")


def binaries() -> Path | None:
    """Folder of the newest server's binaries, ``None`` where there is none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_release, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    return next((p for p in places if all((p / name).is_file() for name in NAMES)), None)


def other_user() -> str | None:
    """Name of a user to run as where we are root, whom the server refuses."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


def unavailable() -> str:
    """Why no server can be started here, or nothing."""
    if binaries() is None:
        return "no PostgreSQL server binaries (initdb, pg_ctl, postgres) on this machine"
    if os.geteuid() == 0 and other_user() is None:
        return "PostgreSQL refuses root, and there is no user postgres or nobody to run it as"
    return ""


class PostgresServer:
    """A server that can be stopped, crashed and started again; databases are empty when made."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="joulecast-pg-"))
        found = binaries()
        assert found is not None
        self._bin = found
        self._as: dict[str, Any] = {}
        self._databases = 0
        if os.geteuid() == 0:
            user = pwd.getpwnam(other_user() or "")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._call("initdb", "-U", "joulecast", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-c listen_addresses= -c unix_socket_directories={self.folder}"
        self._call(
            "pg_ctl", "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast``, or ``immediate``, which leaves it as a crash does."""
        self._call("pg_ctl", "-w", "-t", "60", "-m", mode, "stop")

    def remove(self) -> None:
        """Stop the server and delete all of it."""
        try:
            self.stop("immediate")
        except subprocess.CalledProcessError:
            pass  # a test left it stopped
        finally:
            shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """URL of a new, empty database."""
        import psycopg

        self._databases += 1
        name = f"runs_{self._databases}"
        with psycopg.connect(
            host=str(self.folder), user="joulecast", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://joulecast@/{name}?host={self.folder}"

    def _call(self, name: str, *words: str) -> None:
        subprocess.run(
            [str(self._bin / name), "-D", str(self.folder / "data"), *words],
            check=True,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
            **self._as,
        )


def _release(place: Path) -> float:
    try:
        return float(place.parent.name)
    except ValueError:
        return 0.0
