"""What the user's own runs add to an answer: evidence, reasons, and the measurement itself."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.records import Evidence
from joulecast.core.units import format_duration, format_energy
from joulecast.estimator import bundle as bundles
from joulecast.estimator import intervals
from joulecast.estimator.calibration import SETTLED_S, Given, group_of, repeat_half, sharpen
from joulecast.estimator.calibration_kernel import REPEAT
from joulecast.estimator.calibration_runs import PARTS, covering, measured_energy_j
from joulecast.estimator.predictor import device_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Estimate, Run, Setup
    from joulecast.estimator.calibration import Sharpened
    from joulecast.estimator.predictor import Answers

_MOST = 4
_TOLD = 12


def sharpened(
    setup: Setup, zero_shot: Answers, runs: Sequence[Run], level: float
) -> tuple[Sharpened | None, tuple[str, ...]]:
    """The figures per sample after `runs`, ``None`` where none counts, and doubts about runs."""
    given = Given(bundles.load(), bundles.load_short_runs(), level)
    return sharpen(setup, zero_shot, runs, given)


def as_measured(setup: Setup, runs: Sequence[Run]) -> Setup:
    """`setup` with the loader workers of the newest run on its device, where none were asked."""
    if setup.workload.loader_workers is not None:
        return setup
    own = [run for run in runs if device_of(run.setup) == device_of(setup)]
    newest = max(own, key=lambda run: run.started_at or "", default=None)
    if newest is None or newest.setup.workload.loader_workers is None:
        return setup
    workers = newest.setup.workload.loader_workers
    return replace(setup, workload=replace(setup.workload, loader_workers=workers))


def finished(
    answer: Estimate, setup: Setup, after: Sharpened | None, runs: Sequence[Run]
) -> Estimate:
    """`answer` with what only the runs can say; replaced by a run that was exactly this.

    Without `after` no run counted: there was none of this, or it was set aside.
    """
    if after is None:
        return answer
    answer = _started(answer, after.startup_s)
    explanation = None
    if answer.explanation is not None:
        learners = {**answer.explanation["learners"], "answer": answer.energy_j}
        explanation = {**answer.explanation, "learners": learners, "calibration": told(after)}
    answer = replace(
        answer,
        basis=after.basis,
        evidence=(*_evidence(after), *answer.evidence),
        next_measurement=_next_measurement(setup, after, answer.level),
        explanation=explanation,
    )
    whole = covering(setup, after.kept(runs, setup.scope))
    return _measured(answer, setup, whole) if whole else answer


def _started(answer: Estimate, startup_s: float) -> Estimate:
    """`answer` with the seconds of a start on top, at the same power."""
    startup_j, longer = startup_s * answer.power_w, 1 + startup_s / answer.duration_s
    parts_j = (answer.gpu_energy_j, answer.cpu_energy_j, answer.dram_energy_j, answer.net_energy_j)
    gpu_j, cpu_j, dram_j, net_j = (None if j is None else j * longer for j in parts_j)
    return replace(
        answer,
        energy_j=answer.energy_j + startup_j,
        energy_low_j=answer.energy_low_j + startup_j,
        energy_high_j=answer.energy_high_j + startup_j,
        duration_s=answer.duration_s + startup_s,
        duration_low_s=answer.duration_low_s + startup_s,
        duration_high_s=answer.duration_high_s + startup_s,
        gpu_energy_j=gpu_j,
        cpu_energy_j=cpu_j,
        dram_energy_j=dram_j,
        net_energy_j=net_j,
    )


def _evidence(after: Sharpened) -> tuple[Evidence, ...]:
    """The runs that counted, by model, device and source, the heaviest first."""
    count: Counter[tuple[str, str, str]] = Counter()
    for i in after.counted:
        run = after.cells[i].run
        count[run.setup.architecture.name, device_of(run.setup), run.source] += after.cells[i].n
    return tuple(Evidence(m, d, n, source) for (m, d, source), n in list(count.items())[:_MOST])


def told(after: Sharpened) -> dict[str, Any]:
    """Offsets (factors), how sure they are (natural log), and the runs that gave them."""
    moved = {
        q: {"factor": math.exp(s.offset), "sd": s.sd, "sd_before": s.prior_sd}
        for q, s in after.solved.items()
        if s.counted.any()
    }
    runs = []
    for i in after.counted[:_TOLD]:
        cell = after.cells[i]
        known = {q: s for q, s in after.solved.items() if s.counted[i]}
        runs.append(
            {
                "model": cell.run.setup.architecture.name,
                "device": device_of(cell.run.setup),
                "n": cell.n,
                "source": cell.run.source,
                "measured_over_expected": {q: math.exp(float(after.residual[q][i])) for q in known},
                "weight": {q: float(s.weight[i]) for q, s in known.items()},
            }
        )
    return {"basis": after.basis, "offsets": moved, "runs": runs}


def _next_measurement(setup: Setup, after: Sharpened, level: float) -> str | None:
    """The measurement that would narrow a sharpened interval most, ``None`` if none would."""
    name = f"{setup.architecture.name} on {setup.machine.id}"
    if after.near:
        windows_s = [after.cells[i].window_s or math.inf for i in after.near]
        if max(windows_s) >= SETTLED_S or not any(after.cells[i].power_w for i in after.near):
            return None
        return (
            f"measure {name} for {format_duration(SETTLED_S)} or more: "
            f"after {format_duration(max(windows_s))} its power may not have settled"
        )
    n, a = setup.workload.samples, after.answers
    what = "one epoch" if setup.workload.task == "train" else f"{n:,.0f} samples"
    took, cost = format_duration(n * float(a.sample_s[0])), format_energy(n * float(a.energy_j[0]))
    return f"measure {what} of {name} (about {took}, {cost}): {_promise(setup, after, level)}"


def _promise(setup: Setup, after: Sharpened, level: float) -> str:
    """How narrow one run of the pair would make the interval: of time alone without a sensor."""
    here = [c for c in after.cells if device_of(c.run.setup) == device_of(setup)]
    metered = not here or any(c.power_w for c in here)
    scores = bundles.load_short_runs().scores[group_of(after.answers)]["short-run"]
    quantity, sd = ("energy", 2 * REPEAT) if metered else ("time", 2**0.5 * REPEAT)
    half = max(intervals.at_level(scores[quantity], level) * sd, repeat_half(level))
    what = "interval" if metered else "interval of the time"
    return f"{what} down to about ±{100 * math.expm1(half):.0f} %"


def _measured(answer: Estimate, setup: Setup, runs: Sequence[Run]) -> Estimate:
    """`answer` replaced by complete measurements of exactly the workload, at repeat noise.

    Parameters
    ----------
    runs : see `calibration_runs.covering`; of several the median.
    """
    durations_s = [float(r.measurement.duration_s or 0.0) for r in runs]
    energies_j = [float(measured_energy_j(r, setup) or 0.0) for r in runs]
    duration_s, energy_j = float(np.median(durations_s)), float(np.median(energies_j))
    factor = math.exp(repeat_half(answer.level))
    idle_w = (answer.energy_j - (answer.net_energy_j or 0.0)) / answer.duration_s
    idle_w = float(np.median([r.measurement.idle_w.get(setup.scope, idle_w) for r in runs]))
    gpu_j, cpu_j, dram_j = (_part_j(part, runs) for part in PARTS)
    count = Counter((r.setup.architecture.name, device_of(r.setup), r.source) for r in runs)
    own = tuple(Evidence(m, d, n, s) for (m, d, s), n in count.items())
    return replace(
        answer,
        energy_j=energy_j,
        energy_low_j=energy_j / factor,
        energy_high_j=energy_j * factor,
        duration_s=duration_s,
        duration_low_s=duration_s / factor,
        duration_high_s=duration_s * factor,
        power_w=energy_j / duration_s,
        net_energy_j=max(energy_j - idle_w * duration_s, 0.0),
        gpu_energy_j=answer.gpu_energy_j if gpu_j is None else gpu_j,
        cpu_energy_j=answer.cpu_energy_j if cpu_j is None else cpu_j,
        dram_energy_j=answer.dram_energy_j if dram_j is None else dram_j,
        basis="measured",
        extrapolated=False,
        evidence=(*own, *(e for e in answer.evidence if e not in own)),
        next_measurement=None,
    )


def _part_j(part: str, runs: Sequence[Run]) -> float | None:
    """Joules of a part, ``None`` where no run has them."""
    amounts = [r.measurement.energy_j[part] for r in runs if part in r.measurement.energy_j]
    return float(np.median(amounts)) if amounts else None
