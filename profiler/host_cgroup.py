"""Limits that a control group (version 1 or 2) sets on this process: CPU time and memory.

A limit of any group above ours binds as well, so every level up to the mount is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_LIMIT_BYTES = 2.0**60
"""Version 1 writes nearly 2^63 for no limit."""


def cpu_quota(root: Path) -> float | None:
    """Logical CPUs worth of time that the group gets, ``None`` without a quota."""
    quotas = []
    for folder in _folders(root, ""):
        words = _words(folder / "cpu.max")
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
            quotas.append(_ratio(int(words[0]), int(words[1])))
    for folder in _folders(root, "cpu"):
        quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
        if quota and quota[0].isdecimal() and period and period[0].isdecimal():
            quotas.append(_ratio(int(quota[0]), int(period[0])))
    return min((q for q in quotas if q), default=None)


def mem_limit_bytes(root: Path) -> float | None:
    """Bytes that the group may hold, ``None`` without a limit."""
    limits = []
    for controller, file in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        for folder in _folders(root, controller):
            words = _words(folder / file)
            if words and words[0].isdecimal():
                limits.append(float(words[0]))
    return min((limit for limit in limits if 0 < limit < _NO_LIMIT_BYTES), default=None)


def count_of_list(text: str) -> int:
    """Number of CPUs in a kernel list; 0 if it is none.

    >>> count_of_list("0-3,8,10-11")
    7
    """
    count = 0
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            return 0
        count += int(last or first) - int(first) + 1
    return count


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _words(path: Path) -> list[str]:
    """Words of a small file, none if it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of our group and of all above it; `controller` is empty for version 2.

    Inside a container the path in /proc/self/cgroup may be the host's, which is not to be seen
    there: then only the mount is left, and it is our own group.
    """
    mount = root / "sys/fs/cgroup"
    mounts = [mount / controller, mount / "cpu,cpuacct"] if controller == "cpu" else [mount]
    if controller == "memory":
        mounts = [mount / controller]
    elif not controller:
        mounts.append(mount / "unified")
    relative = _path_of(root, controller)
    for top in mounts:
        folder = top / relative
        while folder != top:
            yield folder
            folder = folder.parent
        yield top


def _path_of(root: Path, controller: str) -> str:
    """Path of our group below the controller's mount."""
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return path.strip().replace("..", "").strip("/")
    return ""
