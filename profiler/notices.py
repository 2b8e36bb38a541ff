"""Every doubt about a measurement, in words: what was seen, and what would help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from joulecast.core.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Z_90 = 1.645
TARGET = 0.05
AVERAGES = 10.0
"""Averaging times of a meter that a stretch has to last: it is off by about half of one."""


def min_duration_s(period_s: float, noise_frac: float = 0.0, target: float = TARGET) -> float:
    """Seconds to measure for +-`target` in 9 of 10 cases.

    Each end of a window is off by up to one period (uniform, so both together by a standard
    deviation of period / sqrt 6); readings one period apart that scatter by `noise_frac` add
    noise / sqrt(readings). The sum of squares is solved for the duration.

    >>> round(min_duration_s(0.1), 2), round(min_duration_s(1.0, 0.2), 1)
    (1.34, 47.1)
    """
    edges_s2 = Z_90**2 * period_s**2 / 6
    noise_s = Z_90**2 * noise_frac**2 * period_s
    return (noise_s + math.sqrt(noise_s**2 + 4 * target**2 * edges_s2)) / (2 * target**2)


def never_read(meter: str, failures: int, why: str) -> str:
    """A meter that gave nothing."""
    reason = f"{failures} readings failed: {why}" if failures else "too few readings"
    return f"{meter} gave no energy ({reason}). Run 'joulecast doctor' for the fix"


def failed_readings(meter: str, failures: int, readings: int, why: str) -> str:
    """Readings that failed among good ones."""
    return (
        f"{meter}: {failures} of {failures + readings} readings failed ({why}); the energy between "
        "good readings is interpolated"
    )


def gap(meter: str, gaps: Sequence[tuple[float, float]], start_s: float) -> str:
    """Silences too long to be bridged without a word; `start_s` is the session's start."""
    total_s = sum(end_s - begin_s for begin_s, end_s in gaps)
    longest = max(gaps, key=lambda g: g[1] - g[0])
    at = f"from {longest[0] - start_s:.1f} s to {longest[1] - start_s:.1f} s"
    many = f"{len(gaps)} gaps, the longest {at}" if len(gaps) > 1 else f"a gap {at}"
    return (
        f"{meter}: no new reading for {format_duration(total_s)} ({many}); the energy over it is "
        "interpolated. Measure again if it matters, with fewer jobs on this machine"
    )


def counter_reset(meter: str, resets: int) -> str:
    """A counter that fell without wrapping, or leapt, or may have wrapped unseen."""
    times = "once" if resets == 1 else f"{resets} times"
    return (
        f"{meter}: its counter started again {times}, or leapt (driver reload, suspend, a bad "
        "value); that interval is a gap, filled in at the power beside it. Measure again for a "
        "clean figure"
    )


def clock_stepped_back(meter: str, dropped: int) -> str:
    """Readings older than the one before."""
    return (
        f"{meter}: {dropped} readings dropped, the clock stepped back. Keep the machine from "
        "suspending while it measures"
    )


def stood_still(meter: str, still_s: float) -> str:
    """A counter that stopped moving."""
    return (
        f"{meter}: its counter has not moved for the last {format_duration(still_s)}; nothing is "
        "counted for that time. Run 'joulecast doctor'"
    )


def lower_bound(meter: str, unseen_s: float, duration_s: float) -> str:
    """A meter lost, or late, so that part of the session was not seen."""
    return (
        f"{meter} saw nothing of {format_duration(unseen_s)} of {format_duration(duration_s)}: "
        "its energy, and every sum that it is part of, is a lower bound"
    )


def incomplete_scope(scope: str, meters: Iterable[str]) -> str:
    """A scope of which some devices gave nothing."""
    return f"the {scope} energy is a lower bound: it lacks {', '.join(meters)}"


def no_system(missing: Iterable[str], seen: Iterable[str]) -> str:
    """Why there is no energy of the whole system."""
    return (
        f"no system energy: no meter saw {' and '.join(missing)}, so the sum of "
        f"{' and '.join(seen)} would be a lower bound. Run 'joulecast doctor' for what would add it"
    )


def modelled(scope: str, energy_source: str) -> str:
    """A scope that no sensor stands behind here and now."""
    if energy_source == "replay":
        return f"the {scope} energy is replayed from a recording, not measured here"
    return f"the {scope} energy is modelled ({energy_source}); 'joulecast doctor' lists the sensors"


def too_short(meter: str, duration_s: float, needed_s: float, target: float = TARGET) -> str:
    """A session too short for +-`target`."""
    return (
        f"{format_duration(duration_s)} is too short for +-{target:.0%} with {meter}: measure for "
        f"at least {format_duration(needed_s)}"
    )


def short_windows(meter: str, windows: int, period_s: float) -> str:
    """Windows shorter than the time between two new readings."""
    which = "1 window is" if windows == 1 else f"{windows} windows are"
    return (
        f"{which} shorter than the {format_duration(period_s)} between new readings of {meter}: "
        "their energy is a share of what was drawn around them. Repeat the work inside the window"
    )


def averaged(meter: str, window_s: float, stretches: int) -> str:
    """A session or windows not much longer than the time over which the meter averages."""
    what = "this session or window is" if stretches == 1 else f"{stretches} of its windows are"
    return (
        f"{meter} tells averages over {format_duration(window_s)}, and {what} not much longer: "
        f"power before it counts in. Measure for {format_duration(AVERAGES * window_s)} or more"
    )


def meters_disagree(one: str, one_w: float, other: str, other_w: float) -> str:
    """Two views of one device that differ."""
    return (
        f"{one} saw {one_w:.3g} W, {other} {other_w:.3g} W of the same device; the first counts. "
        "Compare with a wall meter, or update the driver"
    )


def idle_unknown() -> str:
    """No idle power, so no net energy."""
    return "the idle power is unknown, so is the net energy: run 'joulecast profile idle' once"


def throttled(meter: str, share: float) -> str:
    """A device that slowed itself down."""
    return (
        f"{meter} throttled in {share:.0%} of the readings (power limit or heat): a cooler or "
        "less limited device is faster and draws more"
    )


def same_process(others: Iterable[str]) -> str:
    """Sessions of this process on the same devices."""
    return (
        f"another session of this process ({', '.join(sorted(others))}) is measuring the same "
        "devices: energies overlap, do not add them"
    )


def same_node(others: Iterable[str]) -> str:
    """Runs of one node that overlap in time."""
    return (
        f"measured at the same time on the same node as {', '.join(sorted(others))}: each holds "
        "the other's energy, do not add them"
    )


def not_leader(local_rank: int) -> str:
    """Why a rank has no energy."""
    return (
        f"local rank {local_rank} records windows and steps only: local rank 0 meters the node. "
        "'joulecast dataset build' joins the records of a job"
    )


def unsettled(scopes: Iterable[str], waited_s: float) -> str:
    """Idle power that kept drifting."""
    return (
        f"the idle power of {', '.join(scopes)} had not settled within 2 % after "
        f"{format_duration(waited_s)}: end other jobs, wait a few minutes and measure again"
    )


def settling_unknown() -> str:
    """Idle power that was not watched before it was measured."""
    return (
        "whether the idle power had settled is not known: nothing was read before. Measure again "
        "with a longer --settle"
    )


def idle_too_short(seconds: float, wanted_s: float) -> str:
    """Less idle time than a mean needs."""
    return f"idle was measured for {format_duration(seconds)}: at least {wanted_s:.0f} s are needed"


def idle_busy(meter: str, util_frac: float) -> str:
    """A device that was not idle."""
    return f"{meter} was {util_frac:.0%} busy while idle was measured: end its jobs, measure again"


def twice_there(run_id: str) -> str:
    """A record found twice."""
    return f"the record {run_id} was there twice and counts once"


def metered_twice(node: str, one: str, other: str) -> str:
    """Two leaders of one node."""
    return (
        f"node '{node}' was metered by two processes of the job ({one}, {other}): only the longer "
        "record's energy counts"
    )


def unmetered_nodes(nodes: Sequence[str]) -> str:
    """Nodes without a leader's record."""
    return (
        f"no metered record of node {', '.join(nodes)}: the job's energy is unknown. Add the "
        "record of its local rank 0"
    )


def missing_ranks(there: int, world_size: int) -> str:
    """A job of which records are missing."""
    return f"records of {there} of {world_size} ranks: energy and samples are those of these only"
