"""Simulated power traces of trainings whose energy and turning points are known.

The shapes are those of real recordings: start-up at low power, epochs of a training and an
evaluation part, thermal warm-up over minutes, power that wanders for seconds, phases, stalls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

GRID_S = 0.25
"""Resolution of the simulated truth; meters read it more coarsely."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Epochs alike, from `from_s` on: `train_s` at `train_w`, then `eval_s` at `eval_w`."""

    train_w: float
    from_s: float = 0.0
    train_s: float = 30.0
    eval_w: float = 0.0
    eval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """What a simulated training does.

    Attributes
    ----------
    startup_s, startup_w : import and loading before the first step.
    ramp_frac, ramp_tau_s : power missing at the start of training, and how fast it comes.
    noise_frac, noise_s : spread of the training power and for how long it keeps a value.
    meter_frac : spread of single readings. wander_frac : slow spread, minutes.
    jitter_frac : spread of the epochs' durations. drift_per_h : lasting change, share per hour.
    pauses : (from_s, duration_s, watts), once each. throttle : (from_s, factor) that stays.
    """

    phases: tuple[Phase, ...]
    startup_s: float = 12.0
    startup_w: float = 60.0
    ramp_frac: float = 0.05
    ramp_tau_s: float = 60.0
    noise_frac: float = 0.03
    noise_s: float = 3.0
    meter_frac: float = 0.005
    wander_frac: float = 0.004
    jitter_frac: float = 0.02
    drift_per_h: float = 0.0
    pauses: tuple[tuple[float, float, float], ...] = ()
    throttle: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Readings of a whole job, with what only a simulation knows.

    Attributes
    ----------
    time_s, power_w : (n,), what the meter said. grid_w : (m,), the true power every `GRID_S`.
    turns_s : when the job's nature changes (phases, throttling); after the last it is settled.
    settled_s : from here on nothing drifts; infinite where it always does.
    """

    kind: str
    time_s: Array
    power_w: Array
    grid_w: Array = field(repr=False)
    turns_s: tuple[float, ...] = ()
    settled_s: float = 0.0

    @property
    def total_s(self) -> float:
        """Seconds from the first reading to the last."""
        return float(self.time_s[-1] - self.time_s[0])

    @property
    def energy_j(self) -> float:
        """True joules from the first reading to the last."""
        return float(self.grid_w.sum() * GRID_S)

    def mean_w(self, from_s: float, to_s: float) -> float:
        """True mean watts between two times since the first reading."""
        cells = self.grid_w[round(from_s / GRID_S) : round(to_s / GRID_S)]
        return float(cells.mean())

    def window(self, duration_s: float) -> tuple[Array, Array]:
        """Readings of the first `duration_s` seconds."""
        seen = self.time_s - self.time_s[0] <= duration_s
        return self.time_s[seen], self.power_w[seen]


def simulate(
    job: Job,
    total_s: float,
    *,
    kind: str = "",
    sample_s: float = 1.0,
    averaged: bool = True,
    seed: int = 0,
) -> Recording:
    """A recording of `job` over `total_s` seconds, read every `sample_s` (a mean, or a moment)."""
    rng = np.random.default_rng(seed)
    n = round(total_s / GRID_S)
    time: Array = np.arange(n, dtype=np.float64) * GRID_S
    power, training = _levels(job, time, rng)
    warm = time > job.startup_s
    power[warm] *= 1 - job.ramp_frac * np.exp(-(time[warm] - job.startup_s) / job.ramp_tau_s)
    wander = job.wander_frac * _smooth(rng, n, 300.0)
    noise = job.noise_frac * _smooth(rng, n, job.noise_s)
    power *= 1 + np.where(training, noise, 0.2 * noise) + wander
    power *= 1 + job.drift_per_h * time / 3600
    if job.throttle is not None:
        power[time >= job.throttle[0]] *= job.throttle[1]
    for from_s, duration_s, watts in job.pauses:
        power[(time >= from_s) & (time < from_s + duration_s)] = watts
    at = np.arange(0.0, total_s + sample_s / 2, sample_s)
    at[1:-1] += rng.uniform(-0.02, 0.02, len(at) - 2) * sample_s
    read = _read(power, at, min(1.0, sample_s) if averaged else GRID_S)
    read *= 1 + job.meter_frac * rng.normal(size=len(read))
    turns = [p.from_s for p in job.phases[1:]] + ([job.throttle[0]] if job.throttle else [])
    last = max([job.startup_s, *turns])
    settled = np.inf if job.drift_per_h else last + (3 * job.ramp_tau_s if job.ramp_frac else 0.0)
    return Recording(kind, at, np.maximum(read, 1.0), power, tuple(turns), settled)


def _levels(job: Job, time: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.bool_]]:
    """Noiseless watts on the grid, (n,), and where training (not evaluation) runs."""
    power = np.full(len(time), float(job.startup_w))
    training = np.zeros(len(time), dtype=bool)
    now = job.startup_s
    while now < time[-1]:
        phase = [p for p in job.phases if p.from_s <= now][-1]
        for seconds, watts, trains in (
            (phase.train_s, phase.train_w, True),
            (phase.eval_s, phase.eval_w, False),
        ):
            until = now + seconds * (1 + job.jitter_frac * rng.normal())
            cells = slice(round(now / GRID_S), round(until / GRID_S))
            power[cells], training[cells] = watts, trains
            now = until if seconds else now
    return power, training


def _smooth(rng: np.random.Generator, n: int, correlation_s: float) -> Array:
    """Noise of unit spread that forgets itself over `correlation_s`, (n,)."""
    memory = max(correlation_s / GRID_S, 1.0)
    kernel = np.exp(-np.arange(round(5 * memory)) / memory)
    white = rng.normal(size=n + len(kernel) - 1)
    size = 1 << (len(white) + len(kernel)).bit_length()
    product = np.fft.rfft(white, size) * np.fft.rfft(kernel / np.sqrt((kernel**2).sum()), size)
    found: Array = np.fft.irfft(product, size)[len(kernel) - 1 : len(kernel) - 1 + n]
    return found


def _read(power: Array, at: Array, window_s: float) -> Array:
    """Mean of the true power over the `window_s` before each time, (n,)."""
    total = np.concatenate([[0.0], np.cumsum(power)]) * GRID_S
    grid = np.arange(len(total)) * GRID_S
    until = np.clip(at, window_s, None)
    read: Array = (np.interp(until, grid, total) - np.interp(until - window_s, grid, total)) / (
        window_s
    )
    return read


def _steady(rng: np.random.Generator) -> Job:
    return Job((Phase(rng.uniform(120, 400), train_s=60),))


def _plain(rng: np.random.Generator) -> Job:
    """Nothing but noise: what inference in a loop looks like once it runs."""
    noise = rng.uniform(0.01, 0.05)
    return Job((Phase(rng.uniform(60, 400)),), startup_s=0.0, ramp_frac=0.0, noise_frac=noise)


def _ramp(rng: np.random.Generator) -> Job:
    watts, frac, tau = rng.uniform(120, 350), rng.uniform(0.08, 0.2), rng.uniform(60, 150)
    return Job((Phase(watts),), ramp_frac=frac, ramp_tau_s=tau)


def _epochs(rng: np.random.Generator, from_s: float = 0.0, more: float = 1.0) -> Phase:
    watts = rng.uniform(130, 280) * more
    train_s, eval_s = rng.uniform(10, 50), rng.uniform(4, 16)
    return Phase(watts, from_s, train_s, watts * rng.uniform(0.5, 0.95), eval_s)


def _evaluation(rng: np.random.Generator) -> Job:
    return Job((_epochs(rng),), startup_s=rng.uniform(5, 40))


def _long_epochs(rng: np.random.Generator) -> Job:
    watts = rng.uniform(150, 350)
    train_s, eval_s = rng.uniform(90, 220), rng.uniform(15, 40)
    return Job((Phase(watts, 0.0, train_s, 0.6 * watts, eval_s),))


def _frozen(rng: np.random.Generator) -> Job:
    """A head trained first, the whole network later: other power, longer epochs."""
    first, turn = _epochs(rng), rng.uniform(150, 420)
    watts, train_s = first.train_w * rng.uniform(1.2, 1.6), first.train_s * rng.uniform(1.3, 2.5)
    later = Phase(watts, turn, train_s, first.eval_w, first.eval_s)
    pauses = ((turn, rng.uniform(20, 60), 90.0),) if rng.random() < 0.4 else ()
    return Job((first, later), noise_frac=0.05, pauses=pauses)


def _stall(rng: np.random.Generator) -> Job:
    pause = (rng.uniform(100, 420), rng.uniform(25, 70), 80.0)
    return Job((_epochs(rng),), pauses=(pause,))


def _throttle(rng: np.random.Generator) -> Job:
    return Job((_epochs(rng),), throttle=(rng.uniform(100, 420), rng.uniform(0.7, 0.9)))


def _noisy(rng: np.random.Generator) -> Job:
    noise, memory = rng.uniform(0.1, 0.3), rng.uniform(1, 6)
    return Job((_epochs(rng),), noise_frac=noise, noise_s=memory, meter_frac=0.02)


def _drift(rng: np.random.Generator) -> Job:
    """Power that keeps climbing or falling by 2-4 % a minute: never to be called stable."""
    per_h = rng.uniform(1.2, 2.4) if rng.random() < 0.6 else -rng.uniform(1.2, 1.6)
    return Job((_epochs(rng),), drift_per_h=per_h, ramp_frac=0.0)


KINDS: dict[str, Callable[[np.random.Generator], Job]] = {
    "plain": _plain,
    "steady": _steady,
    "ramp": _ramp,
    "evaluation": _evaluation,
    "long epochs": _long_epochs,
    "frozen first": _frozen,
    "stall": _stall,
    "throttle": _throttle,
    "noisy": _noisy,
    "drift": _drift,
}


def draw(kind: str, seed: int, sample_s: float | None = None) -> Recording:
    """A recording of a random job of this kind: 20 to 90 minutes, read every 1 to 5 seconds."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    job = KINDS[kind](rng)
    total_s = 60.0 * round(rng.uniform(20, 30 if kind == "drift" else 90))
    drawn_s = float(rng.choice([1.0, 1.0, 1.0, 2.0, 5.0]))
    averaged = bool(rng.random() < 0.7)
    return simulate(
        job, total_s, kind=kind, sample_s=sample_s or drawn_s, averaged=averaged, seed=seed
    )
