"""Extrapolation from the first minutes of simulated power traces whose truth is known.

Run: ``python benchmarks/traces.py [--draws 100] [--coarse]``. For each kind of job and window:
error of the whole run's energy, how often the window is called stable, how often that is right (the
power to come within 5 %), how often an answer that is off was flagged as not yet stable, and how
often the 90 % intervals hold. Windows before a turn that no one can foresee (a phase or throttling
still to come) are left out and counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests/ lies beside benchmarks/

from joulecast.estimator.extrapolate_trace import extrapolate_trace
from tests.fakes import traces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.traces import Recording

MINUTES = (1, 2, 5, 10)
OFF = 0.05
"""Relative error of the power to come above which an answer is off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer held against the truth."""

    foreseeable: bool
    error: float
    rest_error: float
    stable: bool
    inside: bool
    half_width: float


def answer(recording: Recording, window_s: float) -> Answer:
    """What the first `window_s` seconds of a recording give."""
    time_s, power_w = recording.window(window_s)
    found = extrapolate_trace(time_s.tolist(), power_w.tolist(), recording.total_s)
    seen_s = float(time_s[-1])
    measured_j = float(np.trapezoid(power_w, time_s))
    rest_w = (found.energy_j - measured_j) / (recording.total_s - seen_s)
    return Answer(
        foreseeable=all(turn <= seen_s for turn in recording.turns_s),
        error=abs(found.energy_j / recording.energy_j - 1),
        rest_error=abs(rest_w / recording.mean_w(seen_s, recording.total_s) - 1),
        stable=found.stable,
        inside=found.energy_low_j <= recording.energy_j <= found.energy_high_j,
        half_width=(found.energy_high_j - found.energy_low_j) / 2 / found.energy_j,
    )


def share(values: Sequence[bool]) -> str:
    """Percent that are true, a dash without any."""
    return f"{100 * np.mean(values):6.0f}" if len(values) else f"{'-':>6}"


def line(name: str, minutes: int, answers: Sequence[Answer]) -> None:
    """Print one row."""
    known = [a for a in answers if a.foreseeable]
    stable = [a for a in known if a.stable]
    off = [a for a in known if a.rest_error > OFF]
    errors = 100 * np.array([a.error for a in known] or [np.nan])
    width = 100 * float(np.median([a.half_width for a in stable])) if stable else np.nan
    print(
        f"{name:13} {minutes:3} {len(known):5} {np.median(errors):6.1f} /"
        f"{np.quantile(errors, 0.9):6.1f} {share([a.stable for a in known])} "
        f"{share([a.rest_error <= OFF for a in stable])} {share([not a.stable for a in off])} "
        f"{share([a.inside for a in stable])} {share([a.inside for a in known])} {width:6.1f}"
    )


def seconds_for(count: int) -> float:
    """Seconds that a noisy trace of `count` readings takes, the best of three."""
    rng = np.random.default_rng(0)
    time_s = np.arange(count) * 0.1
    power_w = 200 + 40 * (time_s % 47 < 30) + 10 * rng.normal(size=count)
    times = []
    for _ in range(3):
        started_s = time.perf_counter()
        extrapolate_trace(time_s.tolist(), power_w.tolist(), 4 * float(time_s[-1]))
        times.append(time.perf_counter() - started_s)
    return min(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=60, help="recordings of each kind")
    parser.add_argument("--coarse", action="store_true", help="one reading every 10 s")
    ask = parser.parse_args()
    print(f"{ask.draws} recordings a kind, 20-90 min; error: of the whole run's energy, percent")
    print(
        f"{'kind':13} {'min':>3} {'n':>5} {'median':>6} /{'P90':>6} {'stable':>6} {'right':>6} "
        f"{'caught':>6} {'cover':>6} {'(all)':>6} {'+-%':>6}"
    )
    pooled: dict[int, list[Answer]] = {minutes: [] for minutes in MINUTES}
    for kind in traces.KINDS:
        for minutes in MINUTES:
            sample_s = 10.0 if ask.coarse else None
            drawn = (traces.draw(kind, seed, sample_s) for seed in range(ask.draws))
            answers = [answer(recording, 60.0 * minutes) for recording in drawn]
            pooled[minutes] += answers
            line(kind, minutes, answers)
    for minutes, answers in pooled.items():
        line("all", minutes, answers)
    print(f"\n100,000 readings: {seconds_for(100_000):.3f} s (wanted: below 0.5 s)")


if __name__ == "__main__":
    main()
