"""A wrapped command behaves as if it were not wrapped, and its record is always closed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from joulecast.core.errors import BadInput
from joulecast.profiler import command
from joulecast.profiler.command import in_foreground, run_command
from tests.fakes.clock import FakeClock
from tests.fakes.recording import FakeRecording

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.profiler.command import CommandOutcome

ROOT = Path(__file__).resolve().parents[2]
SH = "/bin/sh"
WHOLE = ["+command", "-command"]


def python(code: str) -> list[str]:
    """Command that runs `code`, without waiting for site packages."""
    return [sys.executable, "-S", "-c", code]


def wrapped(*argv: str, **options: Any) -> CommandOutcome:  # noqa: ANN401
    """Outcome of a command; its window was opened and closed."""
    recording = FakeRecording()
    outcome = run_command(argv, recording, **options)
    assert recording.calls == WHOLE
    return outcome


def until(true: Callable[[], bool], limit_s: float = 60) -> None:
    """Wait until something holds that another process does."""
    end_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 3, 126, 127, 255])
def test_the_exit_code_passes_through(code: int) -> None:
    """Whatever the command says."""
    outcome = wrapped(SH, "-c", f"exit {code}")
    assert (outcome.exit_code, outcome.signal, outcome.stopped) == (code, None, False)
    assert outcome.notices == ()


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "SEGV", "PIPE"])
def test_a_signal_that_ends_the_command_is_128_and_more(name: str) -> None:
    """As a shell tells it."""
    number = getattr(signal, f"SIG{name}")
    outcome = wrapped(SH, "-c", f"kill -{name} $$")
    assert (outcome.exit_code, outcome.signal) == (128 + number, number)


def test_a_command_that_is_not_there_is_127() -> None:
    """Not found in PATH, and not found by its path."""
    for name in ("no-such-command-here", "./no/such/file", "/etc/passwd/x"):
        outcome = wrapped(name)
        assert outcome.exit_code == 127
        assert f"cannot run '{name}': not found" in outcome.notices[0]


def test_a_file_that_cannot_be_run_is_126(tmp_path: Path) -> None:
    """A folder, a file without the right to execute, a missing interpreter."""
    plain = tmp_path / "plain"
    plain.write_text("exit 0", encoding="ascii")
    alien = tmp_path / "alien"
    alien.write_text("#!/no/such/interpreter\n", encoding="ascii")
    alien.chmod(0o755)
    for path, seen in ((tmp_path, "denied"), (plain, "denied"), (alien, "interpreter")):
        outcome = wrapped(str(path))
        assert outcome.exit_code == 126
        assert seen in outcome.notices[0]


def test_a_script_without_a_first_line_runs_in_sh(tmp_path: Path) -> None:
    """As a shell and env would do it, arguments included."""
    script = tmp_path / "script"
    script.write_text('exit "$1"\n', encoding="ascii")
    script.chmod(0o755)
    assert wrapped(str(script), "9").exit_code == 9


def test_no_command_is_bad_input() -> None:
    """Nothing, a zero byte, or a time that cannot be."""
    for argv in ([], ["a\0b"]):
        with pytest.raises(BadInput, match="no command to run"):
            run_command(argv, FakeRecording())
    for stop_after_s in (0, -1, float("nan")):
        with pytest.raises(BadInput, match="cannot stop after"):
            run_command(["true"], FakeRecording(), stop_after_s=stop_after_s)


def test_the_environment_is_the_one_given() -> None:
    """Its PATH finds the command, its variables reach it; ours do not."""
    environ = {"PATH": "/usr/bin:/bin", "COLOUR": "blue"}
    assert wrapped("sh", "-c", 'test "$COLOUR$HOME" = blue', environ=environ).exit_code == 0


DRIVER = """
import sys
sys.path[:0] = [{root!r}, {source!r}]
from joulecast.profiler.command import run_command
from tests.fakes.recording import FakeRecording
recording = FakeRecording()
outcome = run_command(sys.argv[1:], recording)
with open({report!r}, "w") as report:
    print(outcome.exit_code, *recording.calls, file=report)
sys.exit(outcome.exit_code)
"""


def driver(tmp_path: Path, *argv: str, before: str = "") -> list[str]:
    """Command line of a process that wraps `argv` and reports code and calls in a file."""
    facts = {"root": str(ROOT), "source": str(ROOT / "src"), "report": str(tmp_path / "report")}
    return [sys.executable, "-c", before + DRIVER.format(**facts), *argv]


def report(tmp_path: Path) -> list[str]:
    """What the driver reported."""
    return (tmp_path / "report").read_text(encoding="ascii").split()


def test_standard_streams_and_other_files_pass_through(tmp_path: Path) -> None:
    """Input, output, errors and a file opened by the shell reach the command untouched."""
    reading, writing = os.pipe()
    echo = f"import os; os.write({writing}, b'extra'); os.write(1, os.read(0, 99)); "
    done = subprocess.run(
        driver(tmp_path, *python(echo + "os.write(2, b'problem'); os._exit(4)")),
        input=b"in\x00\xff put",
        capture_output=True,
        pass_fds=(writing,),
        check=False,
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as extra:
        assert extra.read() == b"extra"
    assert (done.stdout, done.stderr, done.returncode) == (b"in\x00\xff put", b"problem", 4)


COUNTS = """
import os, signal, sys, time
got = []
def note(number, frame):
    got.append(number)
    open(sys.argv[1], "a").write(f"{number} ")
for number in (1, 2, 3, 15):
    signal.signal(number, note)
open(sys.argv[1], "w").write("ready ")
end = time.monotonic() + 20
while not got and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(50 + len(got))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_signals_to_us_reach_the_command_once(tmp_path: Path, name: str) -> None:
    """Without a terminal every signal is handed on, and the wrapper still closes its record."""
    number = int(getattr(signal, name))
    log = tmp_path / "log"
    wrapper = subprocess.Popen(driver(tmp_path, *python(COUNTS), str(log)), start_new_session=True)
    until(lambda: log.exists() and log.read_text(encoding="ascii") == "ready ")
    wrapper.send_signal(number)
    assert wrapper.wait(30) == 51
    assert log.read_text(encoding="ascii").split() == ["ready", str(number)]
    assert report(tmp_path) == ["51", *WHOLE]


def test_a_command_ended_by_a_forwarded_signal(tmp_path: Path) -> None:
    """The wrapper lives on, says 143, and has closed its record."""
    log = tmp_path / "log"
    wrapper = subprocess.Popen(
        driver(tmp_path, SH, "-c", f"echo ready > {log}; exec sleep 30"), start_new_session=True
    )
    until(log.exists)
    wrapper.send_signal(signal.SIGTERM)
    assert wrapper.wait(30) == 143
    assert report(tmp_path) == ["143", *WHOLE]


def test_ctrl_c_reaches_the_command_once(tmp_path: Path) -> None:
    """Typed at a terminal it goes to both; the wrapper does not send it a second time."""
    log = tmp_path / "log"
    ours, theirs = pty.openpty()
    open_terminal = f"import os; os.open({os.ttyname(theirs)!r}, os.O_RDWR)\n"
    wrapper = subprocess.Popen(
        driver(tmp_path, *python(COUNTS), str(log), before=open_terminal),
        stdin=theirs,
        start_new_session=True,
    )
    try:
        until(lambda: log.exists() and log.read_text(encoding="ascii") == "ready ")
        os.write(ours, b"\x03")
        assert wrapper.wait(30) == 51
    finally:
        os.close(theirs)
        os.close(ours)
    assert log.read_text(encoding="ascii").split() == ["ready", "2"]
    assert report(tmp_path) == ["51", *WHOLE]


def test_without_a_terminal_nobody_is_in_the_foreground() -> None:
    """A session of its own has no keyboard."""
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); "
    code += "from joulecast.profiler.command import in_foreground as f; sys.exit(int(f()))"
    alone = subprocess.run([sys.executable, "-c", code], start_new_session=True, check=False)
    assert alone.returncode == 0
    assert isinstance(in_foreground(), bool)


def test_ignored_signals_stay_ignored(tmp_path: Path) -> None:
    """Under nohup a hangup ends neither wrapper nor command."""
    log = tmp_path / "log"
    ignore = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    script = f"echo ready > {log}; sleep 0.4; exit 6"
    wrapper = subprocess.Popen(
        driver(tmp_path, SH, "-c", script, before=ignore), start_new_session=True
    )
    until(log.exists)
    os.killpg(wrapper.pid, signal.SIGHUP)
    assert wrapper.wait(30) == 6


def test_ignored_children_do_not_hide_the_exit_code(tmp_path: Path) -> None:
    """A parent that ignored SIGCHLD would turn every code into 0."""
    ignore = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    done = subprocess.run(driver(tmp_path, SH, "-c", "exit 5", before=ignore), check=False)
    assert done.returncode == 5


def test_handlers_are_put_back() -> None:
    """After the command our process reacts to signals as before."""
    before = [signal.getsignal(n) for n in (1, 2, 3, 15, 17)]
    wrapped("true")
    assert [signal.getsignal(n) for n in (1, 2, 3, 15, 17)] == before


def test_it_works_beside_the_main_thread() -> None:
    """Signals belong to the main thread; a command in another one still runs."""
    found: list[CommandOutcome] = []
    thread = threading.Thread(target=lambda: found.append(wrapped(SH, "-c", "exit 8")))
    thread.start()
    thread.join(60)
    assert found[0].exit_code == 8


def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    """The command ended: a background process of it does not hold us."""
    log = tmp_path / "log"
    script = f"sleep 30 & echo $! > {log}; exit 2"
    start_s = time.monotonic()
    assert wrapped(SH, "-c", script).exit_code == 2
    assert time.monotonic() - start_s < 10
    left = psutil.Process(int(log.read_text(encoding="ascii")))
    assert left.is_running()
    left.kill()


def test_it_is_stopped_after_its_time_with_its_children(tmp_path: Path) -> None:
    """A shell around the job does not save the job: both get SIGTERM, once the time is up."""
    log, clock = tmp_path / "log", FakeClock()
    told: list[float] = []

    def progress(elapsed_s: float) -> None:
        told.append(elapsed_s)
        clock.advance(40.0 if elapsed_s < 100 and is_written(log) else 0.0)

    script = f"sleep 60 & echo $! > {log}; wait; exit 0"
    outcome = wrapped(SH, "-c", script, stop_after_s=100, on_progress=progress, clock=clock)
    assert (outcome.exit_code, outcome.stopped) == (143, True)
    assert [t for t in told if t][:2] == [40, 80]
    until(lambda: is_dead(log))


def is_written(log: Path) -> bool:
    """Whether a process has put its number there."""
    return log.exists() and log.read_text(encoding="ascii").endswith("\n")


def is_dead(log: Path) -> bool:
    """Whether a process is gone, or what is left of it only waits to be buried."""
    try:
        status: str = psutil.Process(int(log.read_text(encoding="ascii"))).status()
    except psutil.NoSuchProcess:
        return True
    return status == psutil.STATUS_ZOMBIE


def test_what_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    """Ten seconds later, on the clock given, comes SIGKILL."""
    log, clock = tmp_path / "log", FakeClock()

    def progress(_: float) -> None:
        clock.advance(6.0 if log.exists() else 0.0)

    script = f"trap '' TERM; echo ready > {log}; while :; do sleep 0.05; done"
    outcome = wrapped(SH, "-c", script, stop_after_s=6, on_progress=progress, clock=clock)
    assert (outcome.exit_code, outcome.signal, outcome.stopped) == (137, 9, True)
    assert outcome.duration_s >= 16


def test_a_stubborn_child_of_a_stopped_command_is_killed_too(tmp_path: Path) -> None:
    """The command ends at once, its child ignores SIGTERM: it gets SIGKILL after the grace."""
    log, clock = tmp_path / "log", FakeClock()

    def progress(elapsed_s: float) -> None:
        clock.advance(6.0 if elapsed_s < 6 and is_written(log) else 0.0)

    stubborn = f'trap "" TERM; echo $$ > {log}; while :; do sleep 0.05; done'
    script = f"{SH} -c '{stubborn}' & wait"
    outcome = wrapped(SH, "-c", script, stop_after_s=6, on_progress=progress, clock=clock)
    assert (outcome.exit_code, outcome.stopped) == (143, True)
    until(lambda: is_dead(log))


def test_it_is_not_stopped_before_its_time() -> None:
    """A command that ends by itself was not stopped."""
    outcome = wrapped(SH, "-c", "exit 3", stop_after_s=1000)
    assert (outcome.exit_code, outcome.stopped) == (3, False)


class BrokenRecording(FakeRecording):
    """Fails at every edge."""

    def begin_window(self, name: str) -> None:
        """Fail."""
        raise OSError(28, f"no space left for {name}")

    def end_window(self, name: str) -> Any:  # noqa: ANN401
        """Fail."""
        raise ValueError(name)


def test_a_failing_recording_never_touches_the_command() -> None:
    """Its errors become notices; the code passes through."""

    def progress(_: float) -> None:
        raise BrokenPipeError("nobody reads")

    outcome = run_command([SH, "-c", "sleep 0.5; exit 7"], BrokenRecording(), on_progress=progress)
    assert outcome.exit_code == 7
    assert [notice.split(":")[1].strip() for notice in outcome.notices] == [
        "OSError",
        "BrokenPipeError",
        "ValueError",
    ]


def test_an_old_kernel_is_waited_on_by_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file descriptor for processes the end is still seen."""

    def refuse(_: int) -> int:
        raise OSError(38, "not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert wrapped(SH, "-c", "sleep 0.3; exit 9").exit_code == 9


def test_the_end_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the command ends the wait: a tick that lasts a minute does not hold it."""
    monkeypatch.setattr(command, "_TICK_S", 60.0)
    start_s = time.monotonic()
    wrapped(SH, "-c", "sleep 0.1")
    assert time.monotonic() - start_s < 30
