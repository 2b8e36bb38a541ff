"""The same CPU job under four trackers: what each adds, how it starts, what it reports.

Run it with a Python into which joulecast, codecarbon, carbontracker and zeus are installed:
``python benchmarks/peers.py --seconds 60``. Every tracker gets the same fixed work in a process of
its own, one after the other, between two bare runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

JOB = """
import json, resource, sys, time
def job(rounds):
    total = 0
    for _ in range(rounds):
        for i in range(100_000):
            total += i * i
    return total
def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
rounds = int(sys.argv[1])
t0, c0 = time.perf_counter(), cpu_s()
{start}
t1, c1 = time.perf_counter(), cpu_s()
job(rounds)
t2, c2 = time.perf_counter(), cpu_s()
{stop}
t3, c3 = time.perf_counter(), cpu_s()
print("RESULT" + json.dumps(dict(start_s=t1 - t0, job_s=t2 - t1, stop_s=t3 - t2,
      fixed_cpu_s=c1 - c0 + c3 - c2, job_cpu_s=c2 - c1, said=str(said))))
"""
TRACKERS = {
    "bare": ("", "said = '-'"),
    "joulecast": (
        "import joulecast\nsession = joulecast.Session(folder='runs')\nsession.start()",
        (
            "run = session.stop(); m = run.measurement\n"
            "said = {s: f'{e:.0f} J ({m.energy_source[s]})' for s, e in m.energy_j.items()}"
        ),
    ),
    "codecarbon": (
        (
            "from codecarbon import OfflineEmissionsTracker\n"
            "tracker = OfflineEmissionsTracker(country_iso_code='DEU', log_level='error')\n"
            "tracker.start()"
        ),
        (
            "tracker.stop(); d = tracker.final_emissions_data\n"
            "cpu_j, ram_j = d.cpu_energy * 3.6e6, d.ram_energy * 3.6e6\n"
            "said = {'cpu': f'{cpu_j:.0f} J', 'ram': f'{ram_j:.0f} J'}"
        ),
    ),
    "carbontracker": (
        (
            "from carbontracker.tracker import CarbonTracker\n"
            "tracker = CarbonTracker(epochs=1, monitor_epochs=1, verbose=0, log_dir='logs')\n"
            "tracker.epoch_start()"
        ),
        (
            "tracker.epoch_end(); tracker.stop()\n"
            "import glob\nfrom carbontracker import parser\n"
            "found = parser.parse_all_logs('logs')\n"
            "said = {'total with PUE': f\"{found[0]['actual']['energy (kWh)'] * 3.6e6:.0f} J\"}"
        ),
    ),
    "zeus": (
        (
            "from zeus.monitor import ZeusMonitor\n"
            "monitor = ZeusMonitor()\nmonitor.begin_window('job')"
        ),
        (
            "w = monitor.end_window('job')\n"
            "said = {'gpu': w.gpu_energy, 'cpu': w.cpu_energy, 'total': w.total_energy}"
        ),
    ),
}


def measured(name: str, rounds: int) -> dict[str, float | str]:
    """Times and the report of one tracker, from a process of its own."""
    start, stop = TRACKERS[name]
    script = JOB.replace("{start}", start).replace("{stop}", stop)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, str(rounds)],
            cwd=folder,
            env={**os.environ, "XDG_DATA_HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    if not lines:
        return {"said": f"failed: {done.stderr.strip().splitlines()[-1:]}"}
    found: dict[str, float | str] = json.loads(lines[-1].removeprefix("RESULT"))
    return found


def rounds_for(seconds: float) -> int:
    """Rounds of the job that take about `seconds` here."""
    started_s, total = time.perf_counter(), 0
    for _ in range(50):
        for i in range(100_000):
            total += i * i
    return max(1, round(50 * seconds / (time.perf_counter() - started_s)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the job")
    rounds = rounds_for(parser.parse_args().seconds)
    rows = [(name, measured(name, rounds)) for name in (*TRACKERS, "bare")]
    bare = [float(r["job_cpu_s"]) for name, r in rows if name == "bare"]
    floor_s = sum(bare) / len(bare)
    print(f"the job alone: {' and '.join(f'{s:.2f}' for s in bare)} CPU seconds")
    print(f"{'tracker':<15}{'start s':>9}{'stop s':>8}{'fixed CPU s':>13}{'added CPU %':>13}  said")
    for name, r in rows:
        if "job_cpu_s" not in r:
            print(f"{name:<15}{r['said']}")
            continue
        added = 100 * (float(r["job_cpu_s"]) / floor_s - 1)
        print(
            f"{name:<15}{r['start_s']:>9.2f}{r['stop_s']:>8.2f}{r['fixed_cpu_s']:>13.2f}"
            f"{added:>13.2f}  {r['said']}"
        )


if __name__ == "__main__":
    main()
