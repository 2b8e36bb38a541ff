"""`joulecast profile`, `doctor` and `dataset` as a user calls them, on real networks on the CPU."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from joulecast import profiling_machine
from joulecast.cli import main
from joulecast.core.run_files import read_runs
from joulecast.profiler.idle import load_idle
from joulecast.profiler.session import Snapshot
from joulecast.profiler.until import Until
from joulecast.profiler.workload_plan import Progress
from joulecast.profiling_networks import _Onlooker

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = ["profile", "train", "--model", "lenet", "--data", "synthetic", "--samples", "512"]


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `joulecast` with these words."""
    code = main(list(words))
    told = capsys.readouterr()
    return code, told.out, told.err


def test_an_epoch_of_lenet_is_measured_kept_and_extrapolated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`profile train` runs the network, leaves a record, and tells what 50 epochs would take."""
    code, out, _ = called(
        capsys, *TRAIN, "--epochs", "2", "--total-epochs", "50", "--meter", "constant:65",
        "-o", str(tmp_path), "--json",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0
    (run,) = read_runs(tmp_path).runs
    assert told["id"] == run.id
    assert run.status == "complete"
    assert run.measurement.samples == 1024
    assert [e.samples for e in run.measurement.epochs] == [512, 512]
    assert run.measurement.epochs[1].loss is not None
    assert run.measurement.energy_j["cpu"] == pytest.approx(
        65 * (run.measurement.duration_s or 0), rel=0.05
    )
    assert told["extrapolated"]["duration_s"] > (run.measurement.duration_s or 0)
    assert (tmp_path / f"{run.id}.trace.csv").is_file()


def test_the_screen_names_the_network_and_how_each_watt_was_got(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without sensors the energy is labelled as modelled."""
    words = ["-o", str(tmp_path), "--steps", "3", "--no-trace"]
    code, out, _ = called(capsys, *TRAIN, *words)
    assert code == 0
    assert out.startswith("lenet (")
    assert "dram" in out
    assert "(modelled: dram-model)" in out or "(rapl)" in out
    assert not list(tmp_path.glob("*.csv"))


def test_batch_sizes_and_repeats_become_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep shows each batch size with the spread of its repeats."""
    words = ["--batch-size", "16,64", "--repeats", "2", "--steps", "12", "-o", str(tmp_path)]
    code, out, _ = called(capsys, *TRAIN, *words, "--meter", "constant:50", "--json")
    points = json.loads(out)["points"]
    assert code == 0
    assert [p["batch_size"] for p in points] == [16, 64]
    assert all(p["repeats"] == 2 for p in points)
    assert len(read_runs(tmp_path).runs) == 4


def test_until_stops_a_steady_run_before_its_end() -> None:
    """With even steps at constant watts the energy per sample is soon sure, and the run ends."""
    desk, told = Mock(), Mock(spec=["snapshot"])
    onlooker = _Onlooker(desk, told, Until(0.05), "lenet")
    for n in range(1, 600):
        now_s = 0.1 * n
        told.snapshot.return_value = Snapshot(
            "id", now_s, {"system": 50 * now_s}, {"system": 50.0}, samples=64.0 * n, steps=n
        )
        onlooker.progress(Progress(n, 64 * n, now_s, 0.0))
        if onlooker.stop():
            break
    assert 20 <= now_s < 40


@pytest.mark.parametrize(("script", "code"), [("raise SystemExit(7)", 7), ("pass", 0)])
def test_a_wrapped_command_keeps_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], script: str, code: int
) -> None:
    """Whatever the command says of itself is what the shell hears."""
    command = [sys.executable, "-c", f"print('done'); {script}"]
    words = ["profile", "run", "-o", str(tmp_path), "--name", "job", "--", *command]
    assert main(words) == code
    told = capfd.readouterr()
    assert told.out == "done\n"
    (run,) = read_runs(tmp_path).runs
    assert "-job-" in run.id
    assert [w.name for w in run.measurement.windows] == ["command"]


def test_a_command_that_is_not_there_is_told_as_a_shell_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """127, as `env` and shells have it."""
    code, _, err = called(capsys, "profile", "run", "-o", str(tmp_path), "--", "no-such-command-x")
    assert code == 127
    assert "no-such-command-x" in err
    assert not list(tmp_path.iterdir())


def test_the_whole_of_what_was_run_is_what_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of two epochs extrapolated are the measured run: start-up and evaluations included."""
    code, out, _ = called(
        capsys, *TRAIN, "--epochs", "2", "--total-epochs", "2", "--meter", "constant:65",
        "-o", str(tmp_path), "--json",
    )  # fmt: skip
    told = json.loads(out)
    assert code == 0
    parts = [*told["measurement"]["windows"], *told["measurement"]["epochs"]]
    assert len(parts) == 5  # start-up, and two epochs with their evaluations
    for key, found in (
        ("duration_s", sum(part["duration_s"] for part in parts)),
        ("energy_j", sum(part["energy_j"]["cpu"] for part in parts)),
    ):
        assert told["extrapolated"][key] == pytest.approx(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "3", "--total-epochs", "2"], "less than"),
        (["--repeats", "2", "--total-epochs", "20"], "single run"),
        (["--data", "cifar10"], "--data-dir"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Nothing is run that was not asked for."""
    code, out, err = called(capsys, "profile", "train", "--model", "lenet", *words, "--no-save")
    assert (code, out) == (2, "")
    assert said in err


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A minute of measuring is not lost to a wrong path."""
    (tmp_path / "file").write_text("")
    code, _, err = called(capsys, "profile", "idle", "-o", str(tmp_path / "file"))
    assert code == 2
    assert "cannot write records" in err


def test_json_of_a_wrapped_command_has_standard_output_to_itself(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the command prints goes to standard error, so that the object can be read."""
    command = [sys.executable, "-c", "print('done')"]
    assert main(["profile", "run", "--json", "-o", str(tmp_path), "--", *command]) == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["status"] == "complete"
    assert "done" in told.err


def test_no_command_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    """`profile run` without a command says how it is written."""
    code, _, err = called(capsys, "profile", "run")
    assert code == 2
    assert "profile run -- python train.py" in err


def test_require_measured_refuses_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who wants no modelled watts gets exit code 4 and the way out, and no record."""
    words = [*TRAIN, "--require-measured", "--meter", "constant:65", "-o", str(tmp_path / "r")]
    code, out, err = called(capsys, *words)
    assert (code, out) == (4, "")
    assert "doctor" in err
    assert not list((tmp_path / "r").iterdir())


def test_idle_power_is_kept_and_subtracted_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`profile idle` once, and every later record knows its net energy."""
    place = ["-o", str(tmp_path), "--meter", "constant:30", "--quiet"]
    code, _, _ = called(capsys, "profile", "idle", "--settle", "0", "--seconds", "1", *place)
    assert code == 0
    (file,) = tmp_path.glob("idle-*.json")
    machine_id = json.loads(file.read_text())["machine"]
    assert load_idle(tmp_path, machine_id)[""].power_w["cpu"] == pytest.approx(30.0, rel=1e-3)
    called(capsys, *TRAIN, "--steps", "5", "-o", str(tmp_path), "--meter", "constant:65")
    (run,) = read_runs(tmp_path).runs
    net_j, duration_s = run.measurement.net_energy_j("cpu"), run.measurement.duration_s or 0
    assert net_j == pytest.approx(35 * duration_s, rel=0.1)


def test_records_become_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`dataset build` writes the table that `train` reads, and names what it had to skip."""
    called(capsys, *TRAIN, "--steps", "4", "-o", str(tmp_path))
    (tmp_path / "torn.json").write_text('{"schema": ')
    code, out, err = called(capsys, "dataset", "build", str(tmp_path))
    (row,) = csv.DictReader(io.StringIO(out))
    assert code == 0
    assert (row["model"], row["task"], row["samples"]) == ("lenet", "train", "512.0")
    assert "torn.json" in err


def test_the_doctor_knows_every_scope(capsys: pytest.CaptureFixture[str]) -> None:
    """Each scope is measured, modelled or missing; each refused meter has a reason."""
    code, out, _ = called(capsys, "doctor", "--json")
    told: dict[str, Any] = json.loads(out)
    assert code == 0
    assert {s["scope"] for s in told["scopes"]} == {"gpu", "cpu", "dram"}
    assert all(m["reason"] for m in told["meters"] if m["state"] == "refused")


def test_the_doctors_screen_has_a_fix_for_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A cross never stands alone."""
    code, out, _ = called(capsys, "doctor")
    assert code == 0
    crosses = out.count("\n  no ")
    assert out.count("->") >= crosses
    assert "meters" in out


def test_a_profiled_machine_is_the_one_found_from_then_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`profile hardware --quick` writes a machine that estimates and records know as auto."""
    monkeypatch.setattr(profiling_machine, "_QUICK", (0.0, 0.3, 2.0, 1.0))
    toml = tmp_path / "mine.toml"
    words = ["--quick", "--toml", str(toml), "-o", str(tmp_path / "runs"), "--quiet"]
    code, out, _ = called(capsys, "profile", "hardware", *words)
    assert code == 0
    assert "matmul:fp32" in out
    assert len(read_runs(tmp_path / "runs").runs) == 2
    code, out, _ = called(
        capsys, "estimate", "--model", "lenet", "--hw", str(toml), "--runs", str(tmp_path / "runs")
    )
    assert code == 0
    assert "lenet" in out
