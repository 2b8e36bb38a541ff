"""The main job in an interpreter of its own, with the shipped catalogue and predictor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulecast import cli

NAMED = ["--model", "vgg16", "--hw", "hc3"]


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment in which a fresh interpreter finds the package of this checkout."""
    source = str(Path(__file__).resolve().parent.parent / "src")
    return os.environ | {"PYTHONPATH": source}


def started(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`words` given to the command line in an interpreter of its own."""
    code = "import sys; from joulecast.cli import estimate_main; sys.exit(estimate_main())"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_main_job_end_to_end(environment: dict[str, str]) -> None:
    """The question of the README is answered from the shipped predictor, on one screen."""
    done = started([*NAMED, "--epochs", "100"], environment)
    assert done.returncode == cli.ANSWERED, done.stderr
    assert done.stdout.startswith("vgg16 (14.7 M params")
    assert len(done.stdout.splitlines()) <= 14
    assert "100 epochs on hc3" in done.stdout


def test_the_main_job_as_json(environment: dict[str, str]) -> None:
    """The same as JSON: bounds in order, scopes that add up."""
    done = started([*NAMED, "--epochs", "100", "--json"], environment)
    said = json.loads(done.stdout)
    assert done.returncode == cli.ANSWERED
    assert said["energy_low_j"] < said["energy_j"] < said["energy_high_j"]
    parts = said["gpu_energy_j"] + said["cpu_energy_j"] + said["dram_energy_j"]
    assert parts == pytest.approx(said["energy_j"], rel=1e-6)


def test_malformed_toml_is_one_clear_line(environment: dict[str, str], tmp_path: Path) -> None:
    """A broken machine file is exit code 2, with its name and line."""
    broken = tmp_path / "mine.toml"
    broken.write_text("name = ", encoding="utf-8")
    done = started(["--model", "vgg16", "--hw", str(broken)], environment)
    assert done.returncode == cli.BAD_INPUT
    assert done.stderr.count("\n") == 1
    assert "mine.toml" in done.stderr


def test_help_loads_nothing_heavy(environment: dict[str, str]) -> None:
    """`estimate --help` imports neither numpy nor rich nor anything of the wings."""
    code = (
        "import sys; from joulecast.cli import estimate_main; estimate_main(['--help']);"
        "heavy = {'numpy', 'rich', 'typer', 'pandas', 'joulecast.api'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
