"""A job in a process of its own that measures itself at 100 Hz until something ends it.

Run as ``python killed.py FOLDER WAY``; WAY is loop (until a signal comes), exit, raise or end.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from joulecast.profiler import session_live
from joulecast.profiler.session import Session, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Mapping


class Meter:
    """A hundred watts."""

    name = "fake:0"
    scope = "gpu"
    energy_source = "nvml-power"
    wrap_j: float | None = None
    facts: Mapping[str, str] = {}

    def read_power_w(self) -> float:
        """Watts."""
        return 100.0

    def extras(self) -> Mapping[str, float]:
        """Utilisation."""
        return {"util_frac": 0.5}

    def close(self) -> None:
        """Nothing is held open."""


def work(session: Session, seconds: float) -> None:
    """Steps of a millisecond, in windows of twenty."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        session.begin_window("part")
        for _ in range(20):
            time.sleep(0.001)
            session.step(8)
        session.end_window("part")


def main(folder: Path, way: str) -> None:
    """Measure, and end as told."""
    session_live.COST_SHARE = 1.0  # write all the time, so that a kill often meets a write
    options = SessionOptions(meters=(Meter(),), folder=folder, period_s=0.01, flush_s=0.02)
    session = Session(options=options).start()
    work(session, 0.2)
    (folder / "flushed").touch()
    if way == "loop":
        work(session, 60.0)
    elif way == "exit":
        sys.exit(7)
    elif way == "raise":
        raise RuntimeError("the job failed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
