"""What measuring costs: CPU time of the sampler at 10 Hz, and how much it slows training down.

Run: ``python benchmarks/sampler_cost.py``. The meters are the real ones: RAPL on a tree of files
(package, memory, board) whose counters move, and the modelled CPU power from the system's load; a
record and a trace are written all the while. Slow-down is paired: short blocks of LeNet training
with and without a session take turns, so that a busy machine slows both alike.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from joulecast.core.records import Device, Machine
from joulecast.models import lenet
from joulecast.profiler.meters import MeterContext, cpu_load, rapl
from joulecast.profiler.session import Session, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joulecast.core.records import Run
    from joulecast.profiler.meters import Meter

PERIOD_S = 0.1
LIMIT_CPU, LIMIT_SLOWDOWN = 0.005, 0.01
ZONES = {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram", "intel-rapl:1": "psys"}


class Moving:
    """A RAPL meter whose counter moves: what its file holds and 30 W since then."""

    def __init__(self, meter: rapl.Meter) -> None:
        self.meter = meter
        self.name, self.scope = meter.name, meter.scope
        self.energy_source, self.wrap_j = meter.energy_source, meter.wrap_j
        self.facts: Mapping[str, str] = meter.facts
        self.extras, self.close = meter.extras, meter.close

    def read_energy_j(self) -> float:
        """Joules."""
        return self.meter.read_energy_j() + 30.0 * time.monotonic()


def powercap(root: Path) -> Path:
    """A tree of zones as Linux shows it."""
    for zone, name in ZONES.items():
        folder = root / "class" / "powercap" / zone
        folder.mkdir(parents=True)
        (folder / "name").write_text(name)
        (folder / "energy_uj").write_text("1000000")
        (folder / "max_energy_range_uj").write_text("262143328850")
    return root


def meters(root: Path) -> tuple[Meter, ...]:
    """Three counters and a modelled power."""
    cpu = Device(id="cpu", name="cpu", kind="cpu", tdp_w=65.0, year=2022, source="")
    machine = Machine(id="here", name="here", cpu=cpu, n_cpus=1)
    context = MeterContext(machine=machine, sysfs_root=powercap(root))
    counters = [m for m in rapl.Meter.probe(context) if isinstance(m, rapl.Meter)]
    return (*(Moving(m) for m in counters), *cpu_load.Meter.probe(context))


def training() -> Callable[[], None]:
    """One step of LeNet, batch 32."""
    torch.manual_seed(0)
    network = lenet.build()
    inputs, labels = torch.randn(32, 3, 32, 32), torch.randint(10, (32,))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss: torch.Tensor = torch.nn.functional.cross_entropy(network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def block_step_s(step: Callable[[], None], seconds: float, session: Session | None) -> float:
    """Mean seconds of a step over a block, with what a measured loop does if there is a session."""
    count, start_s = 0, time.perf_counter()
    while time.perf_counter() - start_s < seconds:
        step()
        count += 1
        if session is not None:
            session.step(32)
    return (time.perf_counter() - start_s) / count


def measured(options: SessionOptions, work: Callable[[Session], None]) -> Run:
    """The run of `work`."""
    session = Session(options=options)
    with session:
        work(session)
    if session.run is None:
        raise RuntimeError("a session that has ended has a run")
    return session.run


def cpu_share(run: Run) -> float:
    """The sampler's CPU time as a share of one core."""
    m = run.measurement
    return (m.sampler_cpu_s or 0.0) / (m.duration_s or 1.0)


def slowdowns(options: SessionOptions, pairs: int, seconds: float) -> np.ndarray:
    """Relative slow-down of each pair of blocks, (pairs,); which goes first takes turns."""
    step, found = training(), []
    block_step_s(step, 1.0, None)
    for pair in range(pairs):
        times_s: dict[bool, float] = {}
        for is_on in (pair % 2 == 0, pair % 2 != 0):
            if is_on:
                with Session(options=options) as session:
                    times_s[is_on] = block_step_s(step, seconds, session)
            else:
                times_s[is_on] = block_step_s(step, seconds, None)
        found.append(times_s[True] / times_s[False] - 1)
    return np.array(found)


def verdict(value: float, limit: float) -> str:
    """Whether the figure is within its limit."""
    return f"limit {limit:.1%}  {'ok' if value <= limit else 'OVER'}"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each CPU measurement")
    parser.add_argument("--pairs", type=int, default=40, help="of blocks with and without")
    parser.add_argument("--block", type=float, default=2.5, help="seconds of a block")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = SessionOptions(meters(folder / "sys"), folder / "runs", PERIOD_S)
        names = ", ".join(m.name for m in options.meters)
        print(f"{names}; {1 / PERIOD_S:.0f} Hz, a record and a trace each {options.flush_s:g} s")
        idle = cpu_share(measured(options, lambda _: time.sleep(asked.seconds)))
        step = training()
        busy = cpu_share(measured(options, lambda s: void(block_step_s(step, asked.seconds, s))))
        print(
            f"CPU of the sampler, job asleep     {idle:8.3%} of a core  {verdict(idle, LIMIT_CPU)}"
        )
        print(
            f"CPU of the sampler, job training   {busy:8.3%} of a core  {verdict(busy, LIMIT_CPU)}"
        )
        found = slowdowns(options, asked.pairs, asked.block)
    rng = np.random.default_rng(0)
    draws = np.median(rng.choice(found, (2000, len(found))), axis=1)
    low, high = np.quantile(draws, [0.05, 0.95])
    middle = float(np.median(found))
    print(f"training step, {len(found)} pairs          {middle:+8.2%} ({low:+.2%} to {high:+.2%})  "
          f"{verdict(middle, LIMIT_SLOWDOWN)}")  # fmt: skip


def void(_: object) -> None:
    """Nothing of it."""


if __name__ == "__main__":
    main()
